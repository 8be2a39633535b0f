//go:build !nolab

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/lab"
	"parley/lab/view"
)

// A labSweepCmd runs a lesson over a range of a setting.
type labSweepCmd struct {
	Lesson string `arg:"" complete:"lessons" help:"Its name or number."`
	labSettings
	labOutput
}

const (
	// maxSweep is how many runs a sweep has at most: more would be no picture.
	maxSweep = 100
	// usualSweep is how many steps a range has that names none.
	usualSweep = 10
)

// sweepable are the settings that are numbers.
var sweepable = []string{"seed", "hosts", "messages", "every", "size", "delay", "loss", "dup", "reorder", "corrupt", "rate", "queue", "mtu", "cut", "until"}

// Run runs the lesson for each value.
func (c *labSweepCmd) Run(ctx context.Context, p *program) error {
	lesson, err := labLesson(c.Lesson)
	if err != nil {
		return err
	}
	if err := c.settle(p); err != nil {
		return err
	}
	if err := c.onlyNumbers("sweep"); err != nil {
		return err
	}
	q := lab.Request{Lesson: lesson.Name, Settings: c.settings(p)}
	setting, values, err := sweepOf(q.Settings)
	if err != nil {
		return err
	}
	if setting == "" {
		return usage{"a sweep needs a range of one setting: --size 1000..9000/500, or --loss 0%,2%,5%",
			"parley lab show " + lesson.Name + " says what can be set"}
	}
	trials, err := labTrials(ctx, q, setting, values)
	if err != nil {
		return err
	}
	return c.write(p, func(w io.Writer) error {
		return view.WriteSweep(w, c.format, lesson, setting, trials, c.options)
	})
}

// onlyNumbers refuses formats that show one run.
func (o *labOutput) onlyNumbers(what string) error {
	if slices.Contains([]string{view.TableFormat, view.JSONFormat, view.CSVFormat, view.MarkdownFormat}, o.format) {
		return nil
	}
	return usage{fmt.Sprintf("-o %s shows one run, and a %s is many", o.format, what), "-o table, csv, md or jsonl"}
}

// write writes to where --out says.
func (o *labOutput) write(p *program, put func(io.Writer) error) error {
	if o.Out == "" {
		return put(p.out)
	}
	var b bytes.Buffer
	if err := put(&b); err != nil {
		return err
	}
	if err := writeNew(o.Out, b.Bytes(), o.Force); err != nil {
		return failed{"--out: " + err.Error(), "name another file"}
	}
	return nil
}

// sweepOf finds the setting that has a range, and its values.
func sweepOf(given lab.Settings) (setting string, values []string, err error) {
	for _, s := range lab.AllSettings {
		text := given[s.Name]
		ranged := strings.Contains(text, "..") || strings.Contains(text, ",")
		if !ranged || s.Name == "drop" || s.Name == "seeds" {
			continue
		}
		switch {
		case !slices.Contains(sweepable, s.Name):
			return "", nil, usage{fmt.Sprintf("--%s is no number, so there is no range of it", s.Name), "ranges go with --" + strings.Join(sweepable, ", --")}
		case setting != "":
			return "", nil, usage{fmt.Sprintf("--%s and --%s are both ranges: one at a time", setting, s.Name), "run parley lab sweep for each value of one"}
		}
		setting = s.Name
		if values, err = rangeOf(text); err != nil {
			return "", nil, usage{fmt.Sprintf("--%s=%s: %v", s.Name, text, err), exampleRange(s.Name)}
		}
	}
	return setting, values, nil
}

// exampleRange shows what ranges of a setting look like.
func exampleRange(setting string) string {
	switch setting {
	case "loss", "dup", "reorder", "corrupt":
		return "0%..10%/2%, or 0%,1%,5%"
	case "every", "delay", "cut", "until":
		return "10ms..50ms/10ms, or 1ms,20ms,100ms"
	}
	return "1000..9000/500, or 1000,1472,1473"
}

// rangeOf reads A..B/STEP, A..B, or A,B,C.
func rangeOf(s string) (values []string, err error) {
	if !strings.Contains(s, "..") {
		for v := range strings.SplitSeq(s, ",") {
			if v = strings.TrimSpace(v); v != "" {
				values = append(values, v)
			}
		}
		if len(values) > maxSweep {
			return nil, fmt.Errorf("more than %d values", maxSweep)
		}
		return values, nil
	}
	span, stepText, stepped := strings.Cut(s, "/")
	fromText, toText, _ := strings.Cut(span, "..")
	from, unit1, err1 := quantity(fromText)
	to, unit2, err2 := quantity(toText)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("want FIRST..LAST/STEP")
	}
	if unit1 == "" {
		unit1 = unit2
	}
	if unit1 != unit2 {
		return nil, fmt.Errorf("%s and %s are not of one unit", fromText, toText)
	}
	step := (to - from) / usualSweep
	if unit1 == "" {
		step = math.Max(1, math.Ceil(step))
	}
	if stepped {
		var unit3 string
		if step, unit3, err = quantity(stepText); err != nil || unit3 != "" && unit3 != unit1 {
			return nil, fmt.Errorf("the step %q is not of the same unit", stepText)
		}
	}
	switch n := (to - from) / step; {
	case to < from:
		return nil, fmt.Errorf("the first is more than the last")
	case to == from:
		return []string{number(from, unit1)}, nil
	case step <= 0 || math.IsNaN(n):
		return nil, fmt.Errorf("the step is nothing")
	case n >= maxSweep:
		return nil, fmt.Errorf("that is more than %d runs", maxSweep)
	}
	for i := 0; ; i++ {
		v := from + float64(i)*step
		if v > to+step*1e-6 {
			return values, nil
		}
		values = append(values, number(v, unit1))
	}
}

// quantity reads a number with a unit. All times are in milliseconds.
func quantity(s string) (n float64, unit string, err error) {
	s = strings.TrimSpace(s)
	if d, err := time.ParseDuration(s); err == nil && strings.ContainsAny(s, "smhuµn") {
		return float64(d) / float64(time.Millisecond), "ms", nil
	}
	end := strings.LastIndexAny(s, "0123456789.") + 1
	n, err = strconv.ParseFloat(s[:end], 64)
	if err == nil && (math.IsInf(n, 0) || math.IsNaN(n)) {
		err = strconv.ErrRange
	}
	return n, s[end:], err
}

// number writes a number with a unit.
func number(n float64, unit string) string {
	return strconv.FormatFloat(math.Round(n*1e6)/1e6, 'f', -1, 64) + unit
}
