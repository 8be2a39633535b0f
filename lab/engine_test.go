//go:build !nolab

package lab

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// engine is this test binary as one.
var engine = Engine{Env: []string{asEngine + "=1"}}

func TestEngine(t *testing.T) {
	var lines []Line
	err := engine.Run(context.Background(), Request{Lesson: "holblocking", Bytes: true}, func(l Line) error {
		lines = append(lines, l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, l := range lines {
		kinds[l.K]++
		if l.K == "frame" && len(l.Data) != l.N {
			t.Errorf("a frame of %d bytes with %d", l.N, len(l.Data))
		}
	}
	end := lines[len(lines)-1]
	if want := Golden()["holblocking"]; end.K != "end" || end.Verdict != "PASS" || end.Fingerprint != want {
		t.Errorf("it ends with %+v, want %s", end, want)
	}
	if kinds["msg"] != 96 || kinds["lane"] < 2 || kinds["frame"] != end.Frames || kinds["fate"] < end.Frames {
		t.Errorf("%v", kinds)
	}
}

// TestEngineRefuses has impossible requests say which setting it is, and why.
func TestEngineRefuses(t *testing.T) {
	for _, c := range []struct {
		q           Request
		field, want string
	}{
		{Request{Lesson: "holbloking"}, "lesson", "did you mean holblocking?"},
		{Request{Lesson: ""}, "lesson", "parley lab list"},
		{Request{Lesson: "6", Settings: Settings{"corrupt": "1%"}}, "corrupt", "means nothing in lesson holblocking"},
		{Request{Lesson: "6", Settings: Settings{"loss": "101%"}}, "loss", "want a share"},
		{Request{Lesson: "6", Settings: Settings{"loss": "100%"}}, "loss", "nothing would ever arrive"},
		{Request{Lesson: "6", Settings: Settings{"delay": "10ms+-20ms"}}, "delay", "before they are sent"},
		{Request{Lesson: "6", Settings: Settings{"drop": "A>B:data#999"}}, "drop", "nothing matched"},
		{Request{Lesson: "6", Settings: Settings{"drop": "A-B"}}, "drop", "no colon"},
		{Request{Lesson: "6", Settings: Settings{"wings": "2"}}, "wings", "no such setting"},
		{Request{Lesson: "6", Captures: []string{"tcp:C"}}, "capture", "there are tcp:A, tcp:B"},
		{Request{Lesson: "6", Real: true}, "real", "virtual LAN"},
	} {
		err := engine.Run(context.Background(), c.q, func(Line) error { return nil })
		field, ok := Misused(err)
		if !ok || field != c.field || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q about %q, want %q about %q", c.q, err, field, c.want, c.field)
		}
	}
}

// TestEngineIsCut has a run end when nobody wants it, or it takes too long.
func TestEngineIsCut(t *testing.T) {
	enough := errors.New("enough")
	err := engine.Run(context.Background(), Request{Lesson: "6"}, func(Line) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := engine.Start(ctx, Request{Live: true}, func(Line) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Close(); !errors.Is(err, ErrEngine) {
		t.Errorf("%v", err)
	}
}

// TestEngineHoldsAClass talks to one in a process.
func TestEngineHoldsAClass(t *testing.T) {
	clock := make(chan time.Duration, 100)
	var last Line
	s, err := engine.Start(context.Background(), Request{Live: true}, func(l Line) error {
		if last = l; l.K == "clock" {
			clock <- l.T
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Command{{Do: "join", Host: "a"}, {Do: "go", Until: time.Second}, {Do: "say", Host: "a", Msg: 1, Text: "hi"}} {
		if err := s.Do(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []time.Duration{time.Second, 2 * time.Second} {
		select {
		case got := <-clock:
			if got != want {
				t.Errorf("the clock shows %v, want %v", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the class does not answer")
		}
		if want == time.Second {
			s.Do(Command{Do: "go", Until: 2 * time.Second})
		}
	}
	if err := s.Close(); err != nil || last.K != "end" || last.Fingerprint == "" {
		t.Errorf("%v, %+v", err, last)
	}
}
