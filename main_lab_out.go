//go:build !nolab

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"parley/lab"
	"parley/lab/view"
	"parley/line"
	"parley/text"
)

// labOutput is how a run is shown, and where it goes.
type labOutput struct {
	Output  string        `short:"o" env:"-" group:"Output:" enum:"table,sequence,timeline,members,jsonl,csv,md,cast,pcapng" default:"table" help:"How to show it: table, sequence, timeline, members; jsonl, csv, md, cast, pcapng. Default: table, or what the ending of --out says."`
	Out     string        `env:"-" group:"Output:" placeholder:"FILE" help:"Write it into this new file; its ending chooses: .txt .jsonl .csv .md .cast .pcapng."`
	Force   bool          `env:"-" group:"Output:" help:"Let --out replace a file."`
	Width   int           `env:"-" group:"Output:" placeholder:"N" help:"Columns, 20 to 400. Default: the terminal's, else 80."`
	From    time.Duration `env:"-" group:"Output:" placeholder:"TIME" help:"Show each lane from this virtual time on: 100ms."`
	To      time.Duration `env:"-" group:"Output:" placeholder:"TIME" help:"Show each lane up to this virtual time."`
	Lane    string        `env:"-" group:"Output:" placeholder:"NAME" help:"Show this lane only."`
	Whole   bool          `env:"-" group:"Output:" help:"Leave nothing out of what is long."`
	Speed   float64       `env:"-" group:"Output:" placeholder:"X" help:"Let the sequence pass by: 1 as fast as the cable, 0.05 at a twentieth. Default: at once."`
	format  string
	options view.Options
}

// settle works out what is asked for, before anything runs.
func (o *labOutput) settle(p *program) error {
	typed := p.typed["output"]
	o.format = o.Output
	if p.flags.JSON {
		if typed && p.typed["json"] && o.Output != view.JSONFormat {
			return usage{"--json is -o jsonl, and -o " + o.Output + " is asked for, too", "leave out one of them"}
		}
		if !typed { // the configuration may say json, too
			o.format, typed = view.JSONFormat, true
		}
	}
	if o.Out != "" {
		format, ok := view.FormatOf(o.Out)
		switch {
		case !ok && !typed:
			return usage{fmt.Sprintf("--out %s: its ending says nothing of what goes in", text.Clean(o.Out)), "end it in .txt .jsonl .csv .md .cast or .pcapng, or say -o"}
		case ok && format != "" && typed && format != o.format:
			return usage{fmt.Sprintf("--out %s is for %s, and -o %s is asked for", text.Clean(o.Out), format, o.format), "leave out one of them"}
		case ok && format == "" && !view.IsText(o.format):
			return usage{fmt.Sprintf("--out %s is for text, and -o %s is none", text.Clean(o.Out), o.format), "end it in ." + o.format}
		case ok && format != "":
			o.format = format
		}
		if err := o.mayWrite(); err != nil {
			return err
		}
	}
	switch {
	case o.Width != 0 && (o.Width < 20 || o.Width > 400):
		return usage{"--width: want 20 to 400 columns", ""}
	case o.From < 0 || o.To < 0 || o.To != 0 && o.To < o.From:
		return usage{"--from and --to: want times from 0 on, the first not after the second", ""}
	case o.Speed < 0 || o.Speed > 1000:
		return usage{"--speed: want more than 0, up to 1000; 0.05 is a twentieth", ""}
	case o.Speed > 0 && typed && o.format != view.SequenceFormat:
		return usage{"--speed lets a sequence pass by, and -o " + o.format + " is none", "leave out -o, or say -o sequence"}
	case o.Speed > 0 && o.Out != "":
		return usage{"--speed is for those who watch, and --out for those who do not", "-o cast records a sequence with its pace"}
	case o.format == view.CaptureFormat && o.Out == "" && isTerminal(p.out):
		return usage{"a capture is nothing for a terminal", "--out FILE.pcapng, or | wireshark -k -i -"}
	case o.Speed > 0:
		o.format = view.SequenceFormat
	}
	o.options = p.labOptions(o.Width)
	o.options.From, o.options.To, o.options.Lane, o.options.Whole = o.From, o.To, o.Lane, o.Whole
	if o.Out != "" {
		o.options.ASCII, o.options.Color = false, false
	}
	return nil
}

// labOptions is how this terminal can be written to.
func (p *program) labOptions(width int) view.Options {
	o := view.Options{Width: width, ASCII: !line.WantUTF8(os.Getenv, runtime.GOOS == "windows") || os.Getenv("TERM") == "dumb"}
	if o.Width == 0 {
		o.Width = columns(p.out)
	}
	o.Color = isTerminal(p.out) && line.WantColor(os.Getenv)
	return o
}

// mayWrite finds out early that a file cannot be written.
func (o *labOutput) mayWrite() error {
	if _, err := os.Lstat(o.Out); err == nil && !o.Force {
		return failed{fmt.Sprintf("--out %s: there is such a file", text.Clean(o.Out)), "--force replaces it"}
	}
	return nil
}

// put shows a run, or writes it.
func (o *labOutput) put(ctx context.Context, p *program, lesson lab.Lesson, lines []lab.Line) error {
	if o.Lane != "" && !hasLane(lines, o.Lane) {
		return usage{fmt.Sprintf("--lane %s: there is no such lane", text.Clean(o.Lane)), "there are: " + strings.Join(lanesOf(lines), ", ")}
	}
	if o.Speed > 0 {
		return o.pass(ctx, p, view.Sequence(lesson, lines, o.options))
	}
	if o.Out == "" {
		return view.Write(p.out, o.format, lesson, lines, o.options)
	}
	var b bytes.Buffer
	if err := view.Write(&b, o.format, lesson, lines, o.options); err != nil {
		return err
	}
	if err := writeNew(o.Out, b.Bytes(), o.Force); err != nil {
		return failed{"--out: " + err.Error(), "name another file"}
	}
	end := labEnd(lines)
	p.talk("%s  run %s: %s in %s", end.Verdict, end.Fingerprint, text.Size(int64(b.Len())), o.Out)
	return nil
}

// writeNew writes a file that was not there, or, if it may be replaced, puts a
// whole one in its place.
func writeNew(name string, data []byte, replace bool) error {
	if !replace {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(name)
		}
		return err
	}
	if s, err := os.Stat(name); err == nil && !s.Mode().IsRegular() { // such as /dev/null, or a pipe
		return os.WriteFile(name, data, 0o666)
	}
	whole := name + ".part"
	if err := os.WriteFile(whole, data, 0o666); err != nil {
		return err
	}
	if err := os.Rename(whole, name); err != nil {
		os.Remove(whole)
		return err
	}
	return nil
}

// longestPause is between two rows that pass by: who watches shall not think
// that it hangs.
const longestPause = 3 * time.Second

// pass lets rows pass by, each at its time.
func (o *labOutput) pass(ctx context.Context, p *program, rows []view.Row) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, r := range rows {
		if i > 0 && r.Timed && rows[i-1].Timed && r.At > rows[i-1].At {
			gap := min(time.Duration(float64(r.At-rows[i-1].At)/o.Speed), longestPause)
			timer.Reset(gap)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if _, err := fmt.Fprintln(p.out, r.Text); err != nil {
			return err
		}
	}
	return nil
}

func lanesOf(lines []lab.Line) (names []string) {
	for _, l := range lines {
		if l.K == "lane" {
			names = append(names, l.Lane)
		}
	}
	return names
}

func hasLane(lines []lab.Line, name string) bool {
	for _, n := range lanesOf(lines) {
		if n == name {
			return true
		}
	}
	return false
}
