//go:build linux && slow

package main_test

// The room changes hands, and one of the two is killed in the middle.

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"parley/room/roomtest"
)

// TestLANHandoverKilled kills the old host, or the new one, at some moment between
// the yes and the end, again and again. Whoever was killed is started again. The
// room is where it was, or where it went, and never in two places; nothing that was
// accepted is lost.
func TestLANHandoverKilled(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"ana", "ben"} {
		for n := range 12 {
			t.Run(fmt.Sprintf("%s %d", victim, n), func(t *testing.T) {
				t.Parallel()
				handoverKilled(t, victim, time.Duration(n)*15*time.Millisecond+rand.N(15*time.Millisecond))
			})
		}
	}
}

func handoverKilled(t *testing.T, victim string, after time.Duration) {
	s := newStage(t, "ana", "ben", "cyn", "dan")
	s.open(nil, nil)
	ana, ben, cyn, dan := s.actors[0], s.actors[1], s.actors[2], s.actors[3]
	talking := s.talk(60, 400, 20*time.Millisecond, cyn, dan)
	<-time.After(200 * time.Millisecond)
	ana.now().say("/handover ben")
	ben.now().sees("an offer", handing("offered"))
	ben.now().say("/accept")
	<-time.After(after)
	killed := time.Now()
	who := ana
	if victim == "ben" {
		who = ben
	}
	who.die()
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "killed", Count: 1})
	where := s.again(ana, ben, who)
	talking.Wait()
	var back time.Duration
	for _, a := range []*actor{cyn, dan} {
		if _, ok := until(time.Minute, func() bool { return a.now().unanswered() == 0 }); !ok {
			t.Errorf("%s has no answer to %d sentences", a.nick, a.now().unanswered())
		}
		for _, l := range a.now().changes(killed, "resumed", "moved", "switched") {
			back = max(back, l.at.Sub(killed))
		}
	}
	t.Logf("FIGURE %s killed %v after the yes: the room is %s's, everybody there %v after the kill", victim, round(after), where.nick, round(back))
	s.settle(time.Minute)
	s.judge()
}

// again starts who was killed again, as somebody would who wants the room back,
// and returns who hosts it then.
func (s *stage) again(ana, ben, who *actor) *actor {
	hosts := func(a *actor) bool { return s.isHost(a) }
	if who == ana {
		r := ana.start() // to host
		select {
		case <-r.seated:
			return ana
		case <-r.done:
			if r.code != 4 {
				s.t.Fatalf("the old host ends with %d", r.code)
			}
		case <-time.After(patience):
			s.t.Fatal("the old host neither hosts nor ends")
		}
		if _, ok := until(patience, func() bool { return hosts(ben) }); !ok {
			s.t.Fatal("nobody hosts the room")
		}
		s.heir = ben
		ana.start()
		ana.seated()
		return ben
	}
	// The new host: where the room stayed, it joins again; else it hosts.
	gone := func(l line) bool { return l.Type == "handover" && (l.State == "failed" || l.State == "done") }
	l := ana.now().sees("what became of it", gone)
	if l.State == "done" {
		s.heir = ben
	}
	ben.start()
	ben.seated()
	return s.host()
}

// isHost tells whether somebody's program says that it hosts the room.
func (s *stage) isHost(a *actor) bool {
	for _, l := range a.now().out.all() {
		if l.Type == "handover" && l.State == "done" {
			return true
		}
	}
	return false
}
