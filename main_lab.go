//go:build !nolab

package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"parley/lab"
	"parley/lab/own"
	"parley/text"
)

// A labCmd is the lab: how TCP and UDP behave, to be seen, predicted and
// measured.
type labCmd struct {
	Menu   labMenuCmd   `cmd:"" default:"1" hidden:""`
	List   labListCmd   `cmd:"" help:"List the lessons with their claims."`
	Show   labShowCmd   `cmd:"" help:"Print one lesson: claim, set-up, question; or plan, 50 minutes with a class. Runs nothing."`
	Run    labRunCmd    `cmd:"" help:"Run a lesson and prove its numbers."`
	Quiz   labQuizCmd   `cmd:"" help:"Ask first, then run: one lesson, or all of them with a score."`
	Sweep  labSweepCmd  `cmd:"" help:"Run a lesson over a range of one setting: --size 1000..9000/500, --loss 0%,2%,5%."`
	Serve  labServeCmd  `cmd:"" help:"Serve the class's page: lessons for the projector, votes and texts from phones."`
	Replay labReplayCmd `cmd:"" help:"Show a saved run again, in any of the views."`
	Verify labVerifyCmd `cmd:"" help:"Prove every lesson again: before class, and in tests."`
	Own    labOwnCmd    `cmd:"" help:"Write your own transport: run FILE.star on bad wires, and see how good it is."`
	Doctor labDoctorCmd `cmd:"" help:"Say what this computer and this network allow."`

	Wireshark labWiresharkCmd `cmd:"" help:"Print the dissector that has Wireshark understand what this program sends."`
}

// beEngine makes the lab's engine of a process that was started to be one.
func beEngine(args []string) {
	if len(args) == 2 && args[1] == lab.EngineArg {
		lab.Serve(own.Serve)
	}
}

// labSettings are what can be asked of a lesson. Their names are the lab's;
// --transport is everybody's.
type labSettings struct {
	Delay    string `env:"-" group:"Wire:" placeholder:"TIME" help:"Cable length as time: 20ms, or 20ms+-5ms."`
	Loss     string `env:"-" group:"Wire:" placeholder:"SHARE" help:"Frames lost, each direction: 2%; A>B:2% for one."`
	Dup      string `env:"-" group:"Wire:" placeholder:"SHARE" help:"Frames doubled: 5%."`
	Reorder  string `env:"-" group:"Wire:" placeholder:"SHARE:TIME" help:"Frames held back, and for how long: 5%:50ms."`
	Corrupt  string `env:"-" group:"Wire:" placeholder:"SHARE" help:"Frames with one bit flipped: 20%."`
	Rate     string `env:"-" group:"Wire:" placeholder:"BITS" help:"Bits per second: 2mbit; 0 is unlimited."`
	Queue    string `env:"-" group:"Wire:" placeholder:"FRAMES" help:"Frames the cable's queue holds when there is a rate: 25."`
	MTU      string `name:"mtu" env:"-" group:"Wire:" placeholder:"BYTES" help:"Largest IP packet: 1500."`
	Drop     string `env:"-" group:"Wire:" placeholder:"RULE,..." help:"Named victims: A>B:data#5, B>A:ack#2, *:syn#1; none: not even the lesson's own."`
	Cut      string `env:"-" group:"Wire:" placeholder:"TIME" help:"Unplug the cable at this time: 2s."`
	Hosts    string `env:"-" group:"Run:" placeholder:"N" help:"Members on the LAN."`
	Messages string `env:"-" group:"Run:" placeholder:"N" help:"How many messages."`
	Every    string `env:"-" group:"Run:" placeholder:"TIME" help:"Time between two messages: 20ms."`
	Size     string `env:"-" group:"Run:" placeholder:"BYTES" help:"Bytes of a message."`
	Reader   string `env:"-" group:"Run:" placeholder:"late|eager" help:"When the receiver reads."`
	Until    string `env:"-" group:"Run:" placeholder:"TIME" help:"Stop the virtual clock here."`
	Seed     string `env:"-" group:"Run:" placeholder:"N" help:"Same seed, same bytes. Default: 7; random picks one and prints it."`
	Seeds    string `env:"-" group:"Run:" placeholder:"A..B" help:"Many runs: least, median, most."`
}

// settings are those that were given.
func (s labSettings) settings(p *program) lab.Settings {
	given := lab.Settings{}
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		name, value := strings.ToLower(v.Type().Field(i).Name), v.Field(i).String()
		if name == "drop" && value == "none" { // instead of the lesson's own
			value = ""
		}
		if value != "" || p.typed[name] {
			given[name] = value
		}
	}
	if p.typed["transport"] && p.flags.Transport != "auto" {
		given["transport"] = p.flags.Transport
	}
	return given
}

// labLesson finds a lesson.
func labLesson(name string) (lab.Lesson, error) {
	lesson, near, ok := lab.Find(name)
	switch {
	case ok:
		return lesson, nil
	case near != "":
		return lesson, usage{fmt.Sprintf("there is no lesson %q; did you mean %s?", text.Clean(name), near), "parley lab list shows all of them"}
	}
	return lesson, usage{fmt.Sprintf("there is no lesson %q", text.Clean(name)), "parley lab list shows all of them"}
}

// labRun runs a lesson and returns what it tells.
func labRun(ctx context.Context, q lab.Request) (lines []lab.Line, err error) {
	err = lab.Engine{}.Run(ctx, q, func(l lab.Line) error {
		lines = append(lines, l)
		return nil
	})
	return lines, labError(ctx, q.Lesson, err)
}

// labError is an error of the engine as the program tells it.
func labError(ctx context.Context, lesson string, err error) error {
	switch _, misused := lab.Misused(err); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case misused:
		return usage{err.Error(), "parley lab show " + lesson + " says what can be set"}
	case errors.Is(err, lab.ErrEngine):
		return err
	}
	return impossible{"the lab's engine could not be started: " + err.Error(), "parley lab doctor looks why"}
}

// labEnd is the line that ends a run.
func labEnd(lines []lab.Line) (end lab.Line) {
	for _, l := range lines {
		if l.K == "end" {
			end = l
		}
	}
	return end
}

// labJudge is the exit code that a run stands for, as an error.
func labJudge(lines []lab.Line) error {
	if labEnd(lines).Verdict == "FAIL" {
		return errQuiet(exitFailure)
	}
	return nil
}
