//go:build linux

package main_test

// Carriers that stop working under a conversation. Who has no wish sits by
// UDP, goes over to TCP when UDP falls silent, and comes back.

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/room/roomtest"
)

// party is a room on a LAN, its host and members with no wish for a carrier.
type party struct {
	*lan
	t      testing.TB
	boxes  []*box
	rec    *roomtest.Recorder
	host   *proc
	people []*proc // the members
	sent   int
}

// newParty makes a LAN and a room on it. Members sit there by UDP, or, as in
// "ben/tcp", by what they wish. planned is how many messages will be said.
func newParty(t testing.TB, planned int, names ...string) *party {
	t.Helper()
	wishes := make([]string, len(names))
	for i, name := range names {
		names[i], wishes[i], _ = strings.Cut(name, "/")
	}
	l := newLAN(t, names...)
	p := &party{lan: l, t: t, boxes: l.boxes()}
	p.rec = p.boxes[0].record(planned)
	for _, b := range p.boxes {
		b.rec = p.rec
	}
	p.host = p.boxes[0].host(names[0], "physics")
	for i, name := range names[1:] {
		wish := cmp.Or(wishes[i+1], "auto")
		m := p.boxes[i+1].join(name, p.boxes[0].ip, "--transport", wish)
		if ready := m.sees("ready", kind("ready")); (ready.Transport == "tcp") != (wish == "tcp") {
			if wish != "auto" {
				t.Fatalf("%s sits there by %s", name, ready.Transport)
			}
			m.onto("udp", m.start, patience) // the machine was too busy to answer a datagram within 300 ms
		}
		p.people = append(p.people, m)
	}
	return p
}

// everybody is the host's own seat and the members.
func (p *party) everybody() []*proc { return append([]*proc{p.host}, p.people...) }

// speak has each say the next n things.
func (p *party) speak(n int, who ...*proc) {
	p.t.Helper()
	for i := range n {
		for _, q := range who {
			p.boxes[0].tell(q, "", numbered(q.name, p.sent+i, 100))
		}
	}
	p.sent += n
}

// stored waits until each has had n of what it said accepted since it was
// waited for last, and returns the number of the last.
func (p *party) stored(n int, who ...*proc) (last uint64) {
	p.t.Helper()
	for _, q := range who {
		count := 0
		q.awaitWithin(2*patience, "everything accepted", func(l line) bool {
			if l.Type == "accepted" {
				last = max(last, l.Seq)
				count++
			}
			return count == n
		})
	}
	return last
}

// judge has the checker decide. What the hub dropped is the fault.
func (p *party) judge(last uint64) {
	p.t.Helper()
	if n := p.lost(); n > 0 {
		p.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "blocked", Count: n})
	}
	p.boxes[0].judge(last, p.host, p.people...)
}

// links are what somebody was told of its connection since a time.
func (q *proc) links(since time.Time) (all []line) {
	for _, l := range q.out.all() {
		if l.Type == "link" && !l.at.Before(since) {
			all = append(all, l)
		}
	}
	return all
}

// onto waits until somebody sits by a carrier after a time, and returns how long
// that took.
func (q *proc) onto(carrier string, since time.Time, limit time.Duration) time.Duration {
	q.t.Helper()
	l, _, err := q.out.find(0, limit, func(l line) bool {
		return l.Type == "link" && l.State != "lost" && l.Transport == carrier && l.at.After(since)
	})
	if err != nil {
		q.t.Errorf("%s does not come over to %s: %v; %v", q.name, carrier, err, shown(q.links(since)))
		return limit
	}
	return l.at.Sub(since).Round(time.Millisecond)
}

func shown(lines []line) (all []string) {
	for _, l := range lines {
		all = append(all, l.text)
	}
	return all
}

// pause is the longest that somebody was shown nothing, from a time until the
// message seq.
func (q *proc) pause(since time.Time, seq uint64) (longest time.Duration) {
	last := since
	for _, l := range q.out.all() {
		if l.Type != "message" || l.at.Before(since) {
			continue
		}
		longest, last = max(longest, l.at.Sub(last)), l.at
		if l.Seq >= seq {
			break
		}
	}
	return longest.Round(time.Millisecond)
}

// blocks are the ways to keep UDP from passing between the host and the others.
var blocks = []struct {
	name  string
	block func(p *party)
}{
	{"both ways", func(p *party) { p.drop("meta l4proto udp") }},
	{"from the members", func(p *party) { p.drop(`oifname "port1" meta l4proto udp`) }},
	{"from the host", func(p *party) { p.drop(`iifname "port1" meta l4proto udp`) }},
}

// burst blocks UDP while everybody speaks.
func burst(t *testing.T, each int, block func(*party)) {
	t.Helper()
	t.Parallel()
	p := newParty(t, 4*each, "ana", "ben", "cyn", "dan", "eve")
	p.speak(each, p.people...)
	p.people[0].await("some accepted", func(l line) bool { return l.Type == "accepted" })
	blocked := time.Now()
	block(p)
	p.people[0].cursor = 0
	last := p.stored(each, p.people...)
	var took, pauses []time.Duration
	for _, q := range p.people {
		took = append(took, q.onto("tcp", blocked, patience))
		q.sees("the last message", func(l line) bool { return l.Type == "message" && l.Seq >= last })
		pauses = append(pauses, q.pause(blocked, last))
	}
	t.Logf("FIGURE UDP blocked in mid-burst of 4 x %d messages, to sitting there by TCP: %v (target 3.5s)", each, took)
	t.Logf("FIGURE the same, longest pause of what is shown: %v (target 4s)", pauses)
	if slices.Max(took) > 10*time.Second {
		t.Errorf("over on TCP only after %v", slices.Max(took))
	}
	for _, q := range p.people {
		t.Logf("%s: %v", q.name, shown(q.links(blocked)))
	}
	p.judge(last)
}

// UDP is blocked while everybody talks.
func TestLANFallsBackInMidBurst(t *testing.T) { burst(t, 100, blocks[0].block) }

// passes lets time pass, in which somebody is told nothing of its connection.
func (q *proc) passes(d time.Duration) {
	q.t.Helper()
	if l, _, err := q.out.find(len(q.out.all()), d, kind("link")); err == nil {
		q.t.Errorf("%s: %s", q.name, l.text)
	}
}

// A member with a wish for a carrier keeps to it, whatever becomes of that.
func TestLANForcedStaysForced(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben")
			boxes := l.boxes()
			ana := boxes[0].host("ana", "physics", "--no-discovery")
			ben := boxes[1].join("ben", boxes[0].ip, "--transport", transport, "--no-discovery")
			began := time.Now()
			l.drop("meta l4proto " + transport)
			ben.say("into the dark")
			lost := ben.await("that the link is lost", func(l line) bool { return l.Type == "link" && l.State == "lost" })
			t.Logf("FIGURE %s alone, blocked and something said, to the notice: %v (target 3s)", transport, lost.at.Sub(began).Round(time.Millisecond))
			l.heal()
			healed := time.Now()
			ben.await("the link", func(l line) bool { return l.Type == "link" && l.State == "resumed" })
			heard := ana.await("the message", said("into the dark"))
			t.Logf("FIGURE %s alone, healed to the message: %v (target 3s)", transport, heard.at.Sub(healed).Round(time.Millisecond))
			ben.say("/quit")
			ben.exits(0)
			got := l.machines[1].counted()
			other := got["tcp_out"].Packets
			if transport == "tcp" {
				other = got["udp_out"].Packets
			}
			if other != 0 || got[transport+"_out"].Packets == 0 {
				t.Errorf("--transport %s: counted %+v", transport, got)
			}
		})
	}
}
