//go:build !nolab

package main

import (
	"fmt"
	"strings"

	"parley/lab"
	"parley/lab/view"
)

// A labMenuCmd is parley lab without a command.
type labMenuCmd struct{}

// Run says what there is, and what to type first.
func (labMenuCmd) Run(p *program) error {
	if p.flags.JSON {
		return labListCmd{}.Run(p)
	}
	return p.writeRows(view.Menu(lab.Lessons, p.labOptions(0)))
}

// writeRows prints rows.
func (p *program) writeRows(rows []view.Row) error {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.Text + "\n")
	}
	_, err := fmt.Fprint(p.out, b.String())
	return err
}

// A labListCmd lists the lessons.
type labListCmd struct{}

// labLessonLine is a lesson as it is printed for programs.
type labLessonLine struct {
	Type     string       `json:"type"`
	Number   int          `json:"number"`
	Name     string       `json:"name"`
	Topic    string       `json:"topic"`
	Claim    string       `json:"claim"`
	Defaults lab.Settings `json:"defaults,omitempty"`
	Uses     []string     `json:"uses,omitempty"`
	Real     bool         `json:"real"`
	Setup    string       `json:"setup,omitempty"`
	Question string       `json:"question,omitempty"`
	Answers  []string     `json:"answers,omitempty"`
	So       string       `json:"so,omitempty"`
}

func lessonLine(l lab.Lesson) labLessonLine {
	claim, _ := l.ClaimWith(nil)
	return labLessonLine{Type: "lesson", Number: l.Number, Name: l.Name, Topic: l.Topic, Claim: claim, Defaults: l.Defaults, Uses: l.Uses, Real: l.Real}
}

// Run lists them.
func (labListCmd) Run(p *program) error {
	if p.flags.JSON {
		for _, l := range lab.Lessons {
			p.printJSON(lessonLine(l))
		}
		return nil
	}
	return p.writeRows(view.List(lab.Lessons, p.labOptions(0)))
}

// A labShowCmd prints a lesson without running it.
type labShowCmd struct {
	Lesson string `arg:"" complete:"lessons" help:"Its name or number; or plan."`
}

// planName is what is shown that is no lesson.
const planName = "plan"

// Run prints it.
func (c *labShowCmd) Run(p *program) error {
	if c.Lesson == planName && p.flags.JSON {
		for _, step := range view.PlanSteps {
			p.printJSON(struct {
				Type    string `json:"type"`
				Minutes string `json:"minutes"`
				Name    string `json:"name"`
				Text    string `json:"text"`
			}{"step", step[0], step[1], step[2]})
		}
		return nil
	}
	if c.Lesson == planName {
		return p.writeRows(view.Plan(p.labOptions(0)))
	}
	l, err := labLesson(c.Lesson)
	if err != nil {
		return err
	}
	if p.flags.JSON {
		line := lessonLine(l)
		line.Setup, line.Question, line.Answers, line.So = l.Setup, l.Question.Text, l.Question.Answers, l.So
		p.printJSON(line)
		return nil
	}
	return p.writeRows(view.Card(l, p.labOptions(0)))
}
