package node

import (
	"fmt"
	"testing"
	"time"

	"parley/transport/transporttest"
)

// poor is a network that one can work with.
var poor = transporttest.Link{Loss: 0.1, Dup: 0.05, Delay: time.Millisecond, Jitter: 10 * time.Millisecond}

// fault is something that happens while everybody speaks.
type fault struct {
	name string
	last time.Duration // roughly
	do   func(tr *trial)
}

const (
	// burst is how long people speak before a fault, and after it.
	burst = 3 * time.Second
	// noticed is how long it may take until a member says that its host is
	// silent, while it has something to say; reached how long, when all is
	// well again, until it is back.
	noticed = 5 * time.Second
	reached = 5 * time.Second
)

// Whatever happens to the network, what is said arrives once and in one order,
// and members say when they are cut off and when they are back.
func TestFaults(t *testing.T) {
	var faults []fault
	for _, d := range []time.Duration{2 * time.Second, 10 * time.Second, 40 * time.Second} {
		faults = append(faults, fault{fmt.Sprintf("two cut off for %v", d), d, func(tr *trial) { twoCutOff(tr, d) }})
	}
	for _, d := range []time.Duration{500 * time.Millisecond, 5 * time.Second, 40 * time.Second} {
		faults = append(faults, fault{fmt.Sprintf("blackout of %v", d), d, func(tr *trial) { blackout(tr, d) }})
	}
	faults = append(faults,
		fault{"one way cut", 10 * time.Second, oneWayCut},
		fault{"moves", 10 * time.Second, moves},
		fault{"host restarted", 10 * time.Second, hostRestarted},
		fault{"member killed", 10 * time.Second, memberKilled},
	)
	all := settings()
	for i, f := range faults {
		for seed := range uint64(runs) {
			s := all[4+(i+int(seed))%4] // mixed rooms
			t.Run(fmt.Sprintf("%s/%s/%d", f.name, s.name, seed+1), func(t *testing.T) {
				inTrial(t, s, seed+1, poor, func(tr *trial) {
					tr.speakAll(60, 2*burst+f.last)
					time.Sleep(burst)
					f.do(tr)
					tr.within(drained)
					tr.disturbed("loss", "reordering", "fault")
				})
			})
		}
	}
}

// drained is how long everything may take to be known by all, from the last
// fault or word on.
const drained = 10 * time.Second

// member returns the machine of a member.
func (s *speaker) machine() *transporttest.Machine { return s.node.Net.(tapped).Machine }

// cut cuts some members off, or mends that.
func (tr *trial) cut(cut bool, members ...*speaker) {
	var island []*transporttest.Machine
	for _, p := range members {
		island = append(island, p.machine())
	}
	tr.lan.Partition(cut, island...)
}

func twoCutOff(tr *trial, d time.Duration) {
	start := time.Now()
	tr.cut(true, tr.people[3], tr.people[4])
	time.Sleep(d)
	tr.cut(false, tr.people[3], tr.people[4])
	tr.settle()
	for i, p := range tr.people {
		tr.wantLink(p, start, d, i >= 3 && d > noticed, i >= 3)
	}
}

func blackout(tr *trial, d time.Duration) {
	start := time.Now()
	dark := poor
	dark.Cut = true
	tr.lan.SetAll(dark)
	time.Sleep(d)
	tr.lan.SetAll(poor)
	tr.settle()
	for i, p := range tr.people {
		tr.wantLink(p, start, d, i > 0 && d > noticed, i > 0)
	}
}

// oneWayCut cuts what the host sends to one member, and what another sends to
// the host.
func oneWayCut(tr *trial) {
	const d = 10 * time.Second
	start := time.Now()
	host, deaf, mute := tr.people[0].machine(), tr.people[3].machine(), tr.people[4].machine()
	dark := poor
	dark.Cut = true
	tr.lan.Set(host, deaf, dark)
	tr.lan.Set(mute, host, dark)
	time.Sleep(d)
	tr.lan.Set(host, deaf, poor)
	tr.lan.Set(mute, host, poor)
	tr.settle()
	for i, p := range tr.people {
		tr.wantLink(p, start, d, i >= 3, i >= 3)
	}
}

// moves gives two members' machines other addresses, twice. Datagrams go on
// from there; for streams that is the end.
func moves(tr *trial) {
	for n := range 2 {
		start := time.Now()
		for i := 3; i <= 4; i++ {
			tr.people[i].machine().Move(fmt.Sprintf("10.0.0.%d/24", 100+10*n+i))
		}
		time.Sleep(5 * time.Second)
		tr.wantLink(tr.people[3], start, 0, false, false)
		tr.wantLink(tr.people[4], start, 0, true, true)
	}
	tr.settle()
	if at := tr.people[3].Ready().Transport; at != "udp" {
		tr.Errorf("m3 sits there by %s", at)
	}
}

// hostRestarted kills the host's computer, and starts it again with the same
// keys and record.
func hostRestarted(tr *trial) {
	start := time.Now()
	tr.people[0].die()
	time.Sleep(8 * time.Second)
	members := tr.people
	tr.openRoom().say(tr.script("m0:2", 20, burst))
	down := time.Since(start)
	tr.settle()
	for _, p := range members[1:] {
		tr.wantLink(p, start, down, true, true)
	}
}

// memberKilled kills two members' programs, and starts them again.
func memberKilled(tr *trial) {
	for _, p := range tr.people[3:5] {
		tr.restart(p)
	}
}

// restart kills a program and starts it again, on the same computer with the
// same key.
func (tr *trial) restart(p *speaker) {
	p.die()
	time.Sleep(2 * time.Second)
	back := tr.join(p.Nick(), &Node{Net: p.node.Net, Transport: p.node.Transport, Identity: p.node.Identity,
		Plaintext: tr.plain, NoDiscovery: true})
	back.say(tr.script(back.who, 20, burst))
}

// wantLink demands that somebody was told of a fault that began at start and
// took d, if must; it may have been if may.
func (tr *trial) wantLink(p *speaker, start time.Time, d time.Duration, must, may bool) {
	tr.Helper()
	var lost, back time.Time
	for _, e := range p.linkEvents("") { // without "lost", if the next connection was there at once
		if lost.IsZero() && !e.At.Before(start) {
			lost = e.At
		}
		if !lost.IsZero() && e.State != "lost" {
			back = e.At
		}
	}
	switch {
	case !may && !lost.IsZero():
		tr.Errorf("%s was cut off %v after the start of what does not concern it: %+v", p.who, lost.Sub(start), p.linkEvents("lost"))
	case must && lost.IsZero():
		tr.Errorf("%s never said that it was cut off", p.who)
	case !lost.IsZero() && back.IsZero():
		tr.Errorf("%s was never back", p.who)
	case !lost.IsZero():
		tr.Logf("%s noticed after %v, was back %v after all was well", p.who, lost.Sub(start), back.Sub(start.Add(d)))
		if must && lost.Sub(start) > noticed {
			tr.Errorf("%s noticed only after %v", p.who, lost.Sub(start))
		}
		if must && d > 0 && back.Sub(start.Add(d)) > reached {
			tr.Errorf("%s was back only after %v", p.who, back.Sub(start.Add(d)))
		}
	}
}
