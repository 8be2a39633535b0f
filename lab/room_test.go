//go:build !nolab

package lab

import (
	"fmt"
	"testing"
	"time"

	"parley/lab/wire"
	"parley/node"
)

// party is a room of some members on a cable that loses 2 %.
func party(t *testing.T, via node.Transport, members, each int, every time.Duration) string {
	t.Helper()
	p := Party{Members: members, Each: each, Every: every, Via: via, Recorder: wire.NewRecorder("party"), Wire: wire.Config{
		Seed: 7,
		Way:  wire.Way{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: .02},
	}}
	heard, err := p.Run(wire.Test(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range heard {
		if n != members*each {
			t.Errorf("%s: heard %v, want %d each", via, heard, members*each)
			break
		}
	}
	frames, _ := p.Recorder.Frames()
	return fmt.Sprint(p.Recorder.Fingerprint(), " ", len(frames))
}

// TestRoomRepeats has three people say twenty things, on both carriers.
func TestRoomRepeats(t *testing.T) {
	for _, via := range []node.Transport{node.UDP, node.TCP} {
		if shuffled {
			t.Log("not repeated: the race detector shuffles goroutines")
			party(t, via, 3, 20, 500*time.Millisecond)
			continue
		}
		seen := map[string]int{}
		odd := 0
		for range 20 {
			got, runs, ok := Agree(func() string { return party(t, via, 3, 20, 500*time.Millisecond) })
			if !ok {
				t.Fatalf("%s: no two of %d runs agree", via, runs)
			}
			odd += runs - 2
			seen[got]++
		}
		t.Logf("%s: %v; %d runs were odd", via, seen, odd)
		if len(seen) != 1 {
			t.Errorf("%s: %v", via, seen)
		}
	}
}
