//go:build linux

package main_test

// The room changes hands: on a LAN, while everybody talks.

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/room/roomtest"
)

// handing tells a state of a handover.
func handing(state string) func(line) bool {
	return func(l line) bool { return l.Type == "handover" && l.State == state }
}

func moved(l line) bool { return l.Type == "link" && l.State == "moved" }

// handover has one hand the room over to another, and waits until everybody has
// gone there. It tells how long that took from the other's yes, and how long nothing
// was stored.
func (s *stage) handover(from, to *actor) (took time.Duration, pause string) {
	s.t.Helper()
	begun := time.Now()
	since := func(is func(line) bool) func(line) bool {
		return func(l line) bool { return l.at.After(begun) && is(l) }
	}
	from.now().say("/handover " + to.nick)
	to.now().sees("an offer", since(handing("offered")))
	yes := time.Now()
	to.now().say("/accept")
	for _, a := range s.actors {
		l := a.now().sees("the move", since(moved))
		took = max(took, l.at.Sub(yes))
	}
	done := from.now().sees("that it is done", since(handing("done")))
	if i := strings.Index(done.Text, "still for "); i >= 0 {
		pause = done.Text[i+len("still for "):]
	}
	s.heir = to
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "handover", Count: 1})
	return took, pause
}

// Four people talk while the room goes from one to the next: nothing is lost,
// nothing comes twice, and everybody is there within 5 s.
func TestLANHandover(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
	}{{"udp", []string{"--transport", "udp"}}, {"tcp", []string{"--transport", "tcp"}}, {"plaintext", []string{"--plaintext"}}} {
		if c.name != "udp" && !thorough {
			t.Logf("over %s with -tags slow", c.name)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const each, every = 125, 12 * time.Millisecond
			s := newStage(t, "ana", "ben", "cyn", "dan")
			s.open(append([]string{"--topic", "optics"}, c.flags...), c.flags)
			ana, ben, cyn := s.actors[0], s.actors[1], s.actors[2]
			if c.name != "plaintext" {
				ana.now().say("/op dan")
			}
			talking := s.talk(each, 400, every, s.actors...)
			<-time.After(300 * time.Millisecond)
			took, pause := s.handover(ana, ben)
			t.Logf("FIGURE handover of a room with 4 people who say %d things/s, %s: everybody moved %v after the yes (target 5s), the room stood still for %s",
				4*time.Second/every, c.name, round(took), pause)
			if took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			talking.Wait()
			took, pause = s.handover(ben, ana)
			t.Logf("FIGURE and back: %v, %s", round(took), pause)
			took, pause = s.handover(ana, cyn)
			t.Logf("FIGURE and on: %v, %s", round(took), pause)
			s.settle(20 * time.Second)
			roles := s.roles(cyn)
			want := map[string]string{"ana": "op", "ben": "op", "cyn": "host", "dan": "op"}
			if c.name == "plaintext" {
				want = map[string]string{"ana": "member", "ben": "member", "cyn": "host", "dan": "member"}
			}
			if fmt.Sprint(roles) != fmt.Sprint(want) {
				t.Errorf("roles: %v, want %v", roles, want)
			}
			if c.name == "udp" {
				s.afterwards(ana, cyn)
			}
			s.judge()
		})
	}
}

// quits has somebody leave as people do.
func (s *stage) quits(a *actor) {
	s.t.Helper()
	a.now().say("/quit")
	a.now().exits(0)
	s.rec.Add(roomtest.Record{Op: roomtest.End, Who: a.now().who, Dead: true})
}

// afterwards has one who hosted the room try to do so again, and the one who
// hosts it now end and come back.
func (s *stage) afterwards(old, now *actor) {
	s.t.Helper()
	s.quits(old)
	s.heir = old
	r := old.start()
	s.heir = now
	r.exits(4)
	if all := r.out.all(); len(all) != 1 || all[0].Type != "error" || all[0].Code != "moved" || !strings.Contains(all[0].Text, "handed over to cyn") {
		s.t.Errorf("the old host comes back to: %v", r.story())
	}
	old.flags = now.flags
	old.start()
	old.seated()
	s.quits(now)
	begun := time.Now()
	now.start()
	now.seated()
	for _, a := range s.actors {
		if a != now {
			a.now().sees("the room again", func(l line) bool {
				return l.at.After(begun) && l.Type == "link" && (l.State == "resumed" || l.State == "switched")
			})
		}
	}
	s.settle(20 * time.Second)
	for _, l := range old.now().out.all() {
		if l.Code == "new_log" {
			s.t.Errorf("the room has another log: %s", l.text)
		}
	}
}

// roles are those of the people whom somebody's program lists.
func (s *stage) roles(a *actor) map[string]string {
	s.t.Helper()
	begun := time.Now()
	a.now().say("/names")
	l := a.now().sees("the names", func(l line) bool { return l.at.After(begun) && l.Type == "members" })
	roles := map[string]string{}
	list, _ := l.Members.([]any)
	for _, m := range list {
		p, _ := m.(map[string]any)
		roles[fmt.Sprint(p["nick"])] = fmt.Sprint(p["role"])
	}
	return roles
}
