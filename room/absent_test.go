package room

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Who is away is away to people of other hosts, too: in the list, when they whisper, after he went
// to another host, and to a host that came later; and though what hosts tell each other is lost.
func TestAwayAtAnotherHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var lossy atomic.Bool
		r := openRing(t, 3, pipes, func(_ int, h *Host) {
			pass := h.Received
			h.Received = func(to string, report []byte) {
				if !lossy.Load() {
					pass(to, report)
				}
			}
		})
		defer r.close()
		r.tell(0, 1)
		ana, way := r.join("ana", 0, nil)
		ben, _ := r.join("ben", 1, nil)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
		why := func(asks *Member) string {
			t.Helper()
			typed(t, asks, "/names")
			e := until(t, asks, "who is here", func(e Event) bool { return e.Type == Members })
			for _, p := range e.Members {
				if p.Nick == "ana" {
					return p.Away
				}
			}
			return "not here"
		}
		told := func(asks *Member, want string) {
			t.Helper()
			typed(t, asks, "/msg ana psst")
			typed(t, asks, "/me waits")
			saw := ""
			until(t, asks, "the end", func(e Event) bool {
				if e.Code == typeAway {
					saw = e.Text
				}
				return e.Type == Act
			})
			if saw != want {
				t.Errorf("who whispers is told %q, want %q", saw, want)
			}
		}

		typed(t, ana, "/away to lunch, "+strings.Repeat("<x>", 90))
		time.Sleep(time.Second)
		lunch := "to lunch, " + strings.Repeat("<x>", 90)
		if got := why(ben); got != lunch {
			t.Errorf("ben reads that ana is away: %q", got)
		}
		told(ben, "ana is away: "+lunch)

		way.better <- 1
		until(t, ana, "the move", moved)
		time.Sleep(time.Second)
		if got := why(ben); got != lunch {
			t.Errorf("after the move: %q", got)
		}

		cyn, _ := r.join("cyn", 2, nil)
		r.tell()
		time.Sleep(time.Second)
		if got := why(cyn); got != lunch {
			t.Errorf("at a host that came later: %q", got)
		}
		typed(t, ana, "/away dinner")
		typed(t, ana, "/back")
		time.Sleep(time.Second)
		for _, asks := range []*Member{ben, cyn} {
			if got := why(asks); got != "" {
				t.Errorf("ana is back, and %s reads %q", asks.Nick(), got)
			}
			told(asks, "")
		}
		lossy.Store(true)
		typed(t, ana, "/away gone")
		time.Sleep(time.Second)
		lossy.Store(false)
		if got := why(cyn); got != "" {
			t.Fatalf("what was lost is known: %q", got)
		}
		time.Sleep(absentEvery)
		if got := why(cyn); got != "gone" {
			t.Errorf("what was lost is not told again: %q", got)
		}
		leave(t, ana)
		time.Sleep(time.Second)
		if got := why(cyn); got != "not here" {
			t.Errorf("ana has left, and is away: %q", got)
		}
		leave(t, ben, cyn)
	})
}

// A telling in parts is put together, one that comes late is passed over, and of what makes no
// sense nothing is kept.
func TestTellingsOfAbsence(t *testing.T) {
	var c core
	c.fleet.ids = map[string]bool{"b": true}
	seat := strings.Repeat("ab", 16)
	id, _ := parseID(seat)
	why := func() string { return c.fleet.absent["b"].why[id] }
	c.heardAbsent(hearsay{From: "b", Turn: 5, Away: map[string]string{seat: "lunch"}})
	c.heardAbsent(hearsay{From: "b", Turn: 5, Away: map[string]string{strings.Repeat("cd", 16): "tea", "x": "y", strings.Repeat("ef", 16): "a\x1b[2J"}})
	if why() != "lunch" || len(c.fleet.absent["b"].why) != 2 {
		t.Errorf("%v", c.fleet.absent)
	}
	c.heardAbsent(hearsay{From: "b", Turn: 4, Away: map[string]string{seat: "breakfast"}})
	c.heardAbsent(hearsay{From: "b"})
	if why() != "lunch" {
		t.Errorf("an older telling, or none, counts: %q", why())
	}
	c.heardAbsent(hearsay{From: "b", Turn: 6})
	if why() != "" {
		t.Errorf("nobody is away, and %q", why())
	}
	many := map[string]string{}
	for n := range 2 * maxAbsent {
		many[seatID{byte(n), byte(n >> 8)}.String()] = "x"
	}
	c.heardAbsent(hearsay{From: "b", Turn: 7, Away: many})
	if n := len(c.fleet.absent["b"].why); n != maxAbsent {
		t.Errorf("%d are known", n)
	}
	c.meetAbsent(time.Now(), c.fleet.ids)
	if c.fleet.ids = nil; len(c.fleet.absent) != 1 {
		t.Error("forgotten")
	}
	if c.meetAbsent(time.Now(), nil); len(c.fleet.absent) != 0 {
		t.Error("a host that is gone is remembered")
	}
}
