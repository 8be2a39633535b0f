//go:build !nolab

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"parley/lab"
	"parley/lab/view"
)

// A labVerifyCmd proves lessons again.
type labVerifyCmd struct {
	Lessons []string `arg:"" optional:"" name:"lesson" complete:"lessons" help:"Names or numbers. Default: all."`
	Repeat  int      `env:"-" default:"1" placeholder:"N" help:"Run each so often, up to 100 times: all have to be alike."`
	labOutput
}

// maxRepeat bounds --repeat.
const maxRepeat = 100

// Run runs the lessons, some at once, and tells of each in order.
func (c *labVerifyCmd) Run(ctx context.Context, p *program) error {
	lessons, err := c.choose()
	if err != nil {
		return err
	}
	if err := c.settle(p); err != nil {
		return err
	}
	if err := c.onlyNumbers("check of all lessons"); err != nil {
		return err
	}
	if c.Repeat < 1 || c.Repeat > maxRepeat {
		return usage{fmt.Sprintf("--repeat: want 1 to %d", maxRepeat), ""}
	}
	var requests []lab.Request
	for _, l := range lessons {
		for range c.Repeat {
			requests = append(requests, lab.Request{Lesson: l.Name, Quiet: true})
		}
	}
	began, golden := time.Now(), lab.Golden()
	var all []view.Proof
	live := c.format == view.TableFormat && c.Out == ""
	err = labMany(ctx, requests, func(i int, a labAnswer) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if never := (impossible{}); errors.As(a.err, &never) { // no lesson can be run
			return a.err
		}
		l := lessons[i/c.Repeat]
		if i%c.Repeat == 0 {
			all = append(all, view.Proof{Lesson: l, Golden: golden[l.Name]})
		}
		proof := &all[len(all)-1]
		proof.Add(a.lines, a.took, a.err)
		if live && (i+1)%c.Repeat == 0 {
			return p.writeRows(view.ProofRows(*proof, c.options))
		}
		return nil
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	if live {
		err = p.writeRows(view.ProofSum(all, took, c.options))
	} else {
		err = c.write(p, func(w io.Writer) error { return view.WriteProofs(w, c.format, all, took, c.options) })
	}
	for _, proof := range all {
		if err == nil && !proof.OK() {
			err = errQuiet(exitFailure)
		}
	}
	return err
}

// choose finds the lessons.
func (c *labVerifyCmd) choose() ([]lab.Lesson, error) {
	if len(c.Lessons) == 0 {
		return lab.Lessons, nil
	}
	var all []lab.Lesson
	for _, word := range c.Lessons {
		for name := range strings.SplitSeq(word, ",") {
			l, err := labLesson(name)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
	}
	return all, nil
}
