package room

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestClockSteps has the host's clock put right in the middle of a conversation, by a
// day and by a second, either way, and this reaches the core undamped, as it would on
// a system without a clock that only goes forward: what is said is accepted, in the
// order it was said, whatever its time says; nobody is taken for gone, or held back
// for long.
func TestClockSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Second, -time.Second, 24 * time.Hour, -24 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			p := newPlay(&Host{})
			p.now = time.Unix(1e9, 0)
			people := []*link{p.join("ana"), p.join("ben"), p.join("cyn")}
			var said []string
			for n := range 40 {
				if n%10 == 5 {
					p.now = p.now.Add(step)
				}
				p.now = p.now.Add(100 * time.Millisecond)
				text := fmt.Sprint("number ", n)
				p.say(people[n%3], text)
				p.core.tick(p.now)
				p.settle()
				said = append(said, text)
			}
			var stored []string
			for i, e := range p.log.entries {
				if ev, _ := e.Event(); ev.Type == Message {
					stored = append(stored, ev.Text)
				} else if ev.Type == Left {
					t.Errorf("%s has left: %s", ev.Nick, ev.Reason)
				}
				if e.Seq != uint64(i+1) {
					t.Errorf("number %d is at %d", e.Seq, i+1)
				}
			}
			if !slices.Equal(stored, said) {
				t.Errorf("stored in another order, or not at all: %q", stored)
			}
			for _, l := range people {
				if l.ended || l.seat == nil || l.seat.link != l {
					t.Errorf("a seat has lost its connection")
				}
			}
		})
	}
}
