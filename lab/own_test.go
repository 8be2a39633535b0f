//go:build !nolab

package lab

import (
	"testing"
	"time"

	"parley/lab/wire"
)

// TestOwnLane runs a lane until two runs agree, and tells of one alone.
func TestOwnLane(t *testing.T) {
	for _, c := range []struct {
		name        string
		runs, notes int
		hear        func(l *Lane, run int)
	}{
		{"agrees at once", 2, 0, func(l *Lane, run int) { l.heardBy(l.B, 1) }},
		{"is odd once", 3, 0, func(l *Lane, run int) {
			if run > 1 {
				l.heardBy(l.B, 1)
			}
		}},
		{"never agrees", maxRuns, 1, func(l *Lane, run int) {
			time.Sleep(time.Duration(run) * time.Millisecond)
			l.heardBy(l.B, 1)
		}},
	} {
		n := 0
		lesson := Lesson{Name: "own", Defaults: Settings{"delay": "1ms"}, run: func(r *Run) {
			r.ownLane("ours", "parley", r.config(), whole, func(l *Lane) {
				n++
				l.said(1)
				c.hear(l, n)
			})
		}}
		r, err := Do(wire.Test(t), lesson, Request{})
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for _, l := range r.Lines {
			kinds[l.K]++
		}
		if n != c.runs || len(r.Lanes) != 1 || kinds["lane"] != 1 || kinds["msg"] != 1 || kinds["note"] != c.notes {
			t.Errorf("%s: %d runs, %d lanes, %v", c.name, n, len(r.Lanes), kinds)
		}
	}
}
