//go:build !nolab

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"parley/lab"
	"parley/lab/view"
	"parley/text"
)

// A labRunCmd runs a lesson.
type labRunCmd struct {
	Lesson string `arg:"" complete:"lessons" help:"Its name or number."`
	labSettings
	Real    bool   `env:"-" group:"Run:" help:"Use this computer's own sockets, where that is honest."`
	Capture string `env:"-" group:"Output:" placeholder:"LANE:HOST" help:"What this host saw, for Wireshark: tcp:A. Default of -o pcapng: A in the first lane."`
	labOutput
}

// Run runs it.
func (c *labRunCmd) Run(ctx context.Context, p *program) error {
	lesson, err := labLesson(c.Lesson)
	if err != nil {
		return err
	}
	if c.Capture != "" && !p.typed["output"] && !p.flags.JSON && c.Out == "" {
		c.Output, p.typed["output"] = view.CaptureFormat, true
	}
	if err := c.settle(p); err != nil {
		return err
	}
	q := lab.Request{Lesson: lesson.Name, Settings: c.settings(p), Real: c.Real}
	if q.Settings["seed"] == "random" {
		q.Settings["seed"] = strconv.FormatUint(uint64(rand.Uint32()), 10)
		p.talk("seed %s", q.Settings["seed"])
	}
	if c.Seeds != "" && !slices.Contains(lesson.Uses, "seeds") {
		return c.manySeeds(ctx, p, lesson, q)
	}
	if err := c.captures(ctx, &q); err != nil {
		return err
	}
	lines, err := labRun(ctx, q)
	if err != nil {
		return err
	}
	if err := c.put(ctx, p, lesson, lines); err != nil {
		return err
	}
	return labJudge(lines)
}

// captures finds out what to ask for: a capture is of what one host saw.
func (c *labRunCmd) captures(ctx context.Context, q *lab.Request) error {
	switch {
	case c.Capture == "" && c.format != view.CaptureFormat:
		return nil
	case c.format != view.CaptureFormat && c.format != view.JSONFormat:
		return usage{"--capture goes with -o pcapng or jsonl", "--out FILE.pcapng"}
	case c.Real:
		return usage{"--real has no captures: what is on this computer's own wires, Wireshark itself must catch", "leave out --real"}
	case c.Capture != "" && c.format == view.CaptureFormat && !strings.Contains(c.Capture, ":"):
		return usage{"--capture " + text.Clean(c.Capture) + ": which host? A file holds what one host saw", "--capture " + text.Clean(c.Capture) + ":A"}
	case c.Capture != "":
		q.Captures = []string{c.Capture}
		return nil
	}
	lines, err := labRun(ctx, *q) // to know the lanes
	if lanes := lanesOf(lines); err == nil && len(lanes) > 0 {
		q.Captures = []string{lanes[0] + ":A"}
	}
	return err
}

// maxSeeds is how many runs with different seeds there are at most.
const maxSeeds = 100

// manySeeds runs the lesson with each of many seeds.
func (c *labRunCmd) manySeeds(ctx context.Context, p *program, lesson lab.Lesson, q lab.Request) error {
	if err := c.onlyNumbers("run with many seeds"); err != nil {
		return err
	}
	from, to, _ := strings.Cut(c.Seeds, "..")
	a, err1 := strconv.ParseUint(from, 10, 32)
	b, err2 := strconv.ParseUint(to, 10, 32)
	if err1 != nil || err2 != nil || b < a || b-a >= maxSeeds {
		return usage{fmt.Sprintf("--seeds=%s: want FIRST..LAST, at most %d of them", text.Clean(c.Seeds), maxSeeds), "1..30, for instance"}
	}
	if c.Seed != "" {
		return usage{"--seed and --seeds: one run, or many?", "leave out one of them"}
	}
	var values []string
	for s := a; s <= b; s++ {
		values = append(values, strconv.FormatUint(s, 10))
	}
	delete(q.Settings, "seeds")
	trials, err := labTrials(ctx, q, "seed", values)
	if err != nil {
		return err
	}
	return c.write(p, func(w io.Writer) error {
		return view.WriteSeeds(w, c.format, lesson, trials, c.options)
	})
}
