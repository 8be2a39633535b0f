//go:build !nolab

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"parley/lab"
	"parley/lab/own"
	"parley/lab/view"
	"parley/text"
)

func init() {
	examples["lab own"] = `
  parley lab own --example 1 > mine.star
                                 the smallest transport: send and hope
  parley lab own mine.star       run it on five wires, and see how good it is
  parley lab own --example 3     selective acknowledgements, to read
  parley lab own --api           all that a transport can do
  parley lab own mine.star --wire loss=20%,dup=5%,burst=10% --seed 3
  parley lab own mine.star --wire 'loss 20%' -o sequence --to 500ms
                                 each datagram of a run that goes wrong
`
}

// ownHelp is the interface of a transport, in short.
const ownHelp = `The file is Starlark, a small Python. Both ends run it.
Write on_say(text), on_datagram(data), and if you like on_start(), on_timer(name).
Call send(data), deliver(text), set_timer(name, ms), cancel_timer(name), now(), log(...),
pack(...), unpack(data). Keep what changes in state: state.next = 0. role is "A" or "B".`

// Help is shown below the command's flags.
func (labOwnCmd) Help() string { return ownHelp }

// A labOwnCmd runs a transport that a student wrote.
type labOwnCmd struct {
	File     string `arg:"" optional:"" help:"The transport, in Starlark; - reads it from standard input."`
	Example  int    `env:"-" placeholder:"1|2|3" help:"Print an example: 1 send and hope, 2 stop and wait, 3 selective acknowledgements."`
	API      bool   `name:"api" env:"-" help:"Print all that a transport can call, and what is asked of it."`
	Wire     string `env:"-" group:"Wire:" placeholder:"NAME=VALUE,..." help:"One wire instead of five: loss=20%, dup=5%, reorder=5%:50ms, delay=20ms+-5ms, corrupt=1%, burst=30%, with commas between; or one of the five by its name."`
	Messages string `env:"-" group:"Run:" placeholder:"N" help:"How many messages are said in a run. Default: 100."`
	Every    string `env:"-" group:"Run:" placeholder:"TIME" help:"How often each end says one. Default: 20ms."`
	Seed     string `env:"-" group:"Run:" placeholder:"N" help:"The first seed. Default: 7."`
	Seeds    string `env:"-" group:"Run:" placeholder:"N" help:"How many runs on each wire, with seeds in a row. Default: 5."`
	Alone    bool   `env:"-" group:"Run:" help:"Do not run ours, TCP and bare UDP beside it."`
	Capture  string `env:"-" group:"Output:" placeholder:"HOST" help:"What this end saw, for -o pcapng: A or B. Default: A."`
	labOutput
}

// Run runs it.
func (c *labOwnCmd) Run(ctx context.Context, p *program) error {
	switch {
	case c.API:
		_, err := io.WriteString(p.out, own.API)
		return err
	case c.Example != 0 && (c.Example < 1 || c.Example > len(own.Examples)):
		return usage{fmt.Sprintf("--example=%d: there are 1 to %d", c.Example, len(own.Examples)), "parley lab own --help says what they are"}
	case c.Example != 0:
		_, err := io.WriteString(p.out, own.Examples[c.Example-1])
		return err
	case c.File == "":
		return usage{"which file? A transport is a file in Starlark", "parley lab own --example 1 > mine.star makes one to begin with"}
	}
	if c.Capture != "" && c.Capture != "A" && c.Capture != "B" {
		return usage{"--capture=" + text.Clean(c.Capture) + ": the ends are A and B", "parley lab own --help says more"}
	}
	if err := c.settle(p); err != nil {
		return err
	}
	source, err := c.source(p)
	if err != nil {
		return err
	}
	q := lab.Request{Own: source, Settings: lab.Settings{"file": filepath.Base(c.File)}}
	for name, value := range map[string]string{"wire": c.Wire, "messages": c.Messages, "every": c.Every, "seed": c.Seed, "seeds": c.Seeds} {
		if value != "" {
			q.Settings[name] = value
		}
	}
	if c.Alone {
		q.Settings["ours"] = "no"
	}
	if c.format == view.CaptureFormat {
		q.Captures = []string{"A"}
		if c.Capture != "" {
			q.Captures[0] = c.Capture
		}
	}
	return c.run(ctx, p, q)
}

// run has an engine run it, and shows what came of it.
func (c *labOwnCmd) run(ctx context.Context, p *program, q lab.Request) error {
	var lines []lab.Line
	err := own.Run(ctx, lab.Engine{}, q, func(l lab.Line) error {
		lines = append(lines, l)
		return nil
	})
	switch _, misused := lab.Misused(err); {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case own.Broken(err):
		said := strings.Split(err.Error(), "\n")
		p.report(failure{code: "script", text: said[0], more: said[1:]})
		return errQuiet(exitUsage)
	case misused:
		return usage{err.Error(), "parley lab own --help says what can be set"}
	default:
		return labError(ctx, "own", err)
	}
	lesson := lab.Lesson{Name: "own", Topic: "your own transport", Claim: filepath.Base(c.File)}
	if c.format != view.TableFormat {
		err = c.put(ctx, p, lesson, lines)
	} else {
		err = c.report(p, lines)
	}
	if err != nil {
		return err
	}
	return labJudge(lines)
}

// runOwn runs a transport that was written in the page.
func runOwn(r *http.Request, source string, settings map[string]string, each func(lab.Line) error) error {
	return own.Run(r.Context(), lab.Engine{}, lab.Request{Own: source, Settings: settings, Bytes: true}, each)
}

// report writes the score.
func (c *labOwnCmd) report(p *program, lines []lab.Line) error {
	report := strings.Join(own.Report(filepath.Base(c.File), lines), "\n") + "\n"
	if c.Out == "" {
		_, err := io.WriteString(p.out, report)
		return err
	}
	if err := writeNew(c.Out, []byte(report), c.Force); err != nil {
		return failed{"--out: " + err.Error(), "name another file"}
	}
	return nil
}

// source reads the file.
func (c *labOwnCmd) source(p *program) (string, error) {
	var r io.Reader = p.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", usage{text.Clean(err.Error()), "parley lab own --example 1 > mine.star makes one to begin with"}
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, own.MaxSource+1))
	switch {
	case err != nil:
		return "", failed{text.Clean(err.Error()), "is it a file?"}
	case len(strings.TrimSpace(string(b))) == 0:
		return "", usage{text.Clean(c.File) + " is empty", "parley lab own --example 1 > mine.star makes one to begin with"}
	}
	return string(b), nil
}
