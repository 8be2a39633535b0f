//go:build linux && slow

package main_test

// The room changes hands, and one of the two is killed in the middle.

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/node"
	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
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

// A room with 100,000 things said changes hands while people talk: only the last
// entries have it stand still.
func TestLANHandoverLarge(t *testing.T) {
	const entries = 100_000
	s := newStage(t, "ana", "ben", "cyn")
	ana, ben, cyn := s.actors[0], s.actors[1], s.actors[2]
	ana.start()
	ana.seated()
	key, err := transport.ParseKey(ana.now().sees("ready", kind("ready")).Key)
	if err != nil {
		t.Fatal(err)
	}
	s.quits(ana)
	h := &node.Histories{Dir: filepath.Join(ana.box.home("ana"), "parley", "history")}
	log, release, err := h.Open(s.room, key)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < entries; n += 1000 {
		batch := make([]room.Entry, 1000)
		for i := range batch {
			text := fmt.Sprintf("old-%d %s", n+i, strings.Repeat("abcdefghi ", 10))
			batch[i] = room.Entry{Key: key, At: time.Now(), Body: fmt.Appendf(nil, `{"type":"message","from":"old","text":%q}`, text), Words: text}
			binary.BigEndian.PutUint64(batch[i].ID[:], uint64(n+i+1))
		}
		if _, err := log.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.actors {
		a.start()
		a.seated()
	}
	talking := s.talk(300, 200, 10*time.Millisecond, ana, cyn)
	took, pause := s.handover(ana, ben)
	t.Logf("FIGURE handover of a room with %d entries while 200 things/s are said: everybody moved %v after the yes, the room stood still for %s", entries, round(took), pause)
	talking.Wait()
	s.settle(time.Minute)
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
	if l, _, err := ana.now().out.find(0, 15*time.Second, gone); err == nil && l.State == "done" { // else it had not begun
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
