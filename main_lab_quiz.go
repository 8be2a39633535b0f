//go:build !nolab

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/lab"
	"parley/lab/view"
)

// A labQuizCmd asks before it shows.
type labQuizCmd struct {
	Lesson string `arg:"" optional:"" complete:"lessons" help:"Its name or number. Default: all of them, with a score."`
	Answer string `env:"-" placeholder:"LETTER" help:"Answer with this instead of being asked: a, b, c or d."`
	Width  int    `env:"-" placeholder:"N" help:"Columns, 20 to 400. Default: the terminal's, else 80."`
}

// Run asks, runs, and says who was right.
func (c *labQuizCmd) Run(ctx context.Context, p *program) error {
	lessons := lab.Lessons
	if c.Lesson != "" {
		lesson, err := labLesson(c.Lesson)
		if err != nil {
			return err
		}
		lessons = []lab.Lesson{lesson}
	} else if c.Answer != "" {
		return usage{"--answer is of one lesson", "parley lab quiz holblocking --answer b"}
	}
	if c.Answer != "" {
		if _, err := c.choose(ctx, p, lessons[0]); err != nil {
			return err
		}
	}
	if c.Width != 0 && (c.Width < 20 || c.Width > 400) {
		return usage{"--width: want 20 to 400 columns", ""}
	}
	o := p.labOptions(c.Width)
	if c.Answer == "" && !p.mayAsk() {
		return c.print(p, lessons, o)
	}
	asked, right, failed := 0, 0, error(nil)
	for i, l := range lessons {
		if i > 0 {
			if _, err := p.ask(ctx, fmt.Sprintf("Enter for lesson %d of %d, Ctrl-D to end", i+1, len(lessons)), ""); err != nil {
				if ctx.Err() != nil {
					return err
				}
				break
			}
			fmt.Fprintln(p.out)
		}
		if err := p.writeRows(view.Question(l, o)); err != nil {
			return err
		}
		chosen, err := c.choose(ctx, p, l)
		if err != nil {
			var left errQuiet
			if ctx.Err() == nil && errors.As(err, &left) { // Ctrl-D
				break
			}
			return err
		}
		lines, err := labRun(ctx, lab.Request{Lesson: l.Name})
		if err != nil {
			return err
		}
		if err := p.writeRows(view.Reveal(l, lines, chosen, o)); err != nil {
			return err
		}
		if chosen >= 0 {
			asked++
		}
		if chosen == l.Question.Right {
			right++
		}
		if err := labJudge(lines); err != nil {
			failed = err
		}
	}
	if len(lessons) > 1 {
		fmt.Fprintf(p.out, "\n %d of %d right.\n", right, asked)
	}
	return failed
}

// choose asks for an answer until it is one; -1 is none.
func (c *labQuizCmd) choose(ctx context.Context, p *program, l lab.Lesson) (int, error) {
	last := string(rune('a' + len(l.Question.Answers) - 1))
	for {
		answer := c.Answer
		if answer == "" {
			var err error
			if answer, err = p.ask(ctx, fmt.Sprintf(" Your answer (a-%s, Enter to skip)", last), ""); err != nil {
				return -1, err
			}
		}
		answer = strings.ToLower(strings.TrimSpace(answer))
		if answer == "" {
			return -1, nil
		}
		if len(answer) == 1 && answer >= "a" && answer <= last {
			return int(answer[0] - 'a'), nil
		}
		if c.Answer != "" {
			return -1, usage{fmt.Sprintf("--answer: the answers of lesson %s are a to %s", l.Name, last), "parley lab quiz " + l.Name + " asks"}
		}
		p.say(" a letter from a to %s, please", last)
	}
}

// print prints questions for those who cannot be asked.
func (c *labQuizCmd) print(p *program, lessons []lab.Lesson, o view.Options) error {
	for i, l := range lessons {
		if p.flags.JSON {
			line := lessonLine(l)
			line.Type, line.Setup, line.Question, line.Answers = "question", l.Setup, l.Question.Text, l.Question.Answers
			p.printJSON(line)
			continue
		}
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		if err := p.writeRows(view.Question(l, o)); err != nil {
			return err
		}
	}
	if !p.flags.JSON {
		p.talk("to answer: parley lab quiz on a terminal, or parley lab quiz %s --answer LETTER", lessons[0].Name)
	}
	return nil
}
