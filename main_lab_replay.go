//go:build !nolab

package main

import (
	"context"
	"fmt"
	"os"

	"parley/lab"
	"parley/lab/view"
	"parley/lab/wire"
	"parley/text"
)

// A labReplayCmd shows a saved run again.
type labReplayCmd struct {
	File string `arg:"" complete:"files" help:"What -o jsonl wrote; - for standard input."`
	labOutput
}

// Run shows it. Nothing is run: what the file says is shown, true or not.
func (c *labReplayCmd) Run(ctx context.Context, p *program) error {
	if err := c.settle(p); err != nil {
		return err
	}
	in := p.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return failed{err.Error(), "parley lab run LESSON --out FILE.jsonl saves a run"}
		}
		defer f.Close()
		in = f
	}
	runs, err := view.Read(in)
	if err != nil {
		return failed{text.Clean(c.File) + ": " + err.Error(), "parley lab run LESSON --out FILE.jsonl saves a run"}
	}
	if len(runs) > 1 && c.Out != "" && c.format != view.JSONFormat {
		return usage{fmt.Sprintf("there are %d runs in %s, and --out is one file", len(runs), text.Clean(c.File)), "leave out --out"}
	}
	var judged error
	for i, lines := range runs {
		if i > 0 && view.IsText(c.format) {
			fmt.Fprintln(p.out)
		}
		if c.format == view.JSONFormat && len(runs) > 1 {
			for _, more := range runs[1:] {
				lines = append(lines, more...)
			}
			return c.put(ctx, p, lab.Lesson{}, lines)
		}
		if err := c.show(ctx, p, lines); err != nil {
			return err
		}
		if err := labJudge(lines); err != nil {
			judged = err
		}
	}
	return judged
}

// show shows one run.
func (c *labReplayCmd) show(ctx context.Context, p *program, lines []lab.Line) error {
	run := lines[0]
	lesson, _, known := lab.Find(run.Lesson)
	if run.Engine != "" && run.Engine != wire.Engine {
		p.talk("saved by the engine %s; this is %s: run again, its fingerprint may differ", run.Engine, wire.Engine)
	}
	if !known {
		p.talk("the run is of a lesson %q, which this parley does not have", run.Lesson)
	}
	for _, l := range lines {
		if l.K == "error" {
			p.talk("what was asked could not be run: %s", l.Text)
		}
	}
	return c.put(ctx, p, lesson, lines)
}
