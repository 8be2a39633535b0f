package room

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// knock asks for a seat from an address, with a key.
func (p *play) knock(key byte, addr, nick string, quiet bool) *link {
	l := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{key, 2}, Via: "udp", Addr: netip.MustParseAddrPort(addr + ":1")}}
	p.core.attach(p.now, l)
	p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: nick, Quiet: quiet})
	p.settle()
	return l
}

// bye leaves by the front door.
func (p *play) bye(l *link) {
	p.core.command(p.now, l, command{Type: typeLeave})
	p.settle()
	p.core.detach(p.now, l, "")
}

// TestPaceIsOfTheKey has one person speak from many seats, and from the same
// computer as many people: a person has one pace, a computer that of some.
func TestPaceIsOfTheKey(t *testing.T) {
	for _, c := range []struct {
		what string
		key  func(i int) byte
		addr func(i int) string
		pays float64 // for how many members
	}{
		{"one key", func(int) byte { return 1 }, func(i int) string { return fmt.Sprint("10.0.0.", 1+i) }, 1},
		{"one address", func(i int) byte { return byte(i) }, func(int) string { return "10.0.0.1" }, addressShare},
		{"this computer", func(i int) byte { return byte(i) }, func(int) string { return "127.0.0.1" }, 8},
		{"neither", func(i int) byte { return byte(i) }, func(i int) string { return fmt.Sprint("10.0.0.", 1+i) }, 8},
	} {
		p := newPlay(&Host{Burst: 100, Rate: 10})
		var all []*link
		for i := range 8 {
			all = append(all, p.knock(c.key(i), c.addr(i), fmt.Sprint("n", i), false))
		}
		p.pass(time.Minute)
		for range 200 {
			for _, l := range all {
				p.say(l, "x")
				p.settle()
			}
		}
		var wait time.Duration
		for _, l := range all {
			wait = max(wait, l.out.paused().Sub(p.now))
		}
		said := 8.0 * 200
		if want := (said/c.pays - 100) / 10; wait.Seconds() < want*0.9 || wait.Seconds() > want*1.1 {
			t.Errorf("%s: the wait is %v, want %.1f s", c.what, wait, want)
		}
	}
}

// lines counts how often somebody came in, by everybody's screen.
func (p *play) lines() (n int) {
	for _, e := range p.log.entries {
		if r, err := parseReport(wireForm(e)); err == nil && r.Type == typeJoin {
			n++
		}
	}
	return n
}

// TestComingAndGoing has somebody come and go in a loop, with one key and with
// ever new ones: the room sees some of it and then little.
func TestComingAndGoing(t *testing.T) {
	for _, c := range []struct {
		what string
		key  func(i int) byte
		most int
	}{
		{"one key", func(int) byte { return 1 }, joinBurst + 10 + 1},
		{"new keys", func(i int) byte { return byte(i) }, addressShare*(joinBurst+10) + 1},
	} {
		p := newPlay(&Host{})
		p.knock(200, "10.0.0.2", "ana", false)
		var inside []*link
		refused := 0
		for i := range 600 { // a minute of it
			l := p.knock(c.key(i), "10.0.0.1", fmt.Sprint("n", i), false)
			inside = append(inside, l)
			for j, l := range inside {
				if l != nil && l.seat != nil {
					p.bye(l)
					inside[j] = nil
				}
			}
			if strings.Contains(types(l), codeTooOften) {
				refused++
			}
			p.pass(100 * time.Millisecond)
		}
		if n := p.lines() - 1; n < c.most*8/10 || n > c.most || refused == 0 {
			t.Errorf("%s: 600 times at the door: %d lines, at most %d wanted, and %d refused", c.what, n, c.most, refused)
		}
		if l := p.knock(201, "10.0.0.3", "ben", false); l.seat == nil {
			t.Errorf("%s: somebody else: %s", c.what, types(l))
		}
		if l := p.knock(1, "10.0.0.4", "script", true); l.seat == nil {
			t.Errorf("%s: without a line: %s", c.what, types(l))
		}
	}
}

// TestKnockingAllTheTime has somebody ask to come in, and go, in a loop: the
// host is not asked as often.
func TestKnockingAllTheTime(t *testing.T) {
	p := newPlay(&Host{Approve: true})
	host := &link{out: newOutbox(false), peer: transport.Peer{Via: "pipe", Key: p.core.host.HostKey}}
	p.core.attach(p.now, host)
	p.core.command(p.now, host, command{Type: typeJoin, V: Version, Nick: "ana"})
	p.settle()
	if host.seat == nil || host.seat.role != roleHost {
		t.Fatalf("the host: %s", types(host))
	}
	types(host)
	asked := 0
	for i := range 600 {
		l := p.knock(1, "10.0.0.1", fmt.Sprint("n", i), i%2 == 0)
		p.core.detach(p.now, l, "")
		asked += strings.Count(types(host), codeKnock)
		p.pass(100 * time.Millisecond)
	}
	if asked == 0 || asked > joinBurst+11 {
		t.Errorf("the host was asked %d times", asked)
	}
}

// TestHeldJoin waits for its turn: it is let in at its time, once, and may not
// ask for more meanwhile.
func TestHeldJoin(t *testing.T) {
	p := newPlay(&Host{})
	for i := range joinBurst {
		p.bye(p.knock(1, "10.0.0.1", fmt.Sprint("n", i), false))
	}
	l := p.knock(1, "10.0.0.1", "ana", false)
	want(t, l, "")
	p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: "zoe"})
	p.settle()
	want(t, l, "error protocol")
	if at := p.core.wake(); at.Sub(p.now) > maxHeld {
		t.Errorf("it is to be let in after %v", at.Sub(p.now))
	}
	gone := p.knock(1, "10.0.0.1", "bob", false)
	want(t, gone, "error too_often")
	p.pass(maxHeld)
	if l.seat == nil || l.seat.nick != "ana" || len(p.core.held) != 0 {
		t.Errorf("it waits yet: %s", types(l))
	}
}

// TestSeatsOfOneKey has one person sit down again and again.
func TestSeatsOfOneKey(t *testing.T) {
	p := newPlay(&Host{})
	for i := range maxKeySeats + 3 {
		if l := p.knock(1, fmt.Sprint("10.0.0.", i), fmt.Sprint("n", i), true); (l.seat != nil) != (i < maxKeySeats) {
			t.Errorf("%d: seated %v: %s", i, l.seat != nil, types(l))
		}
	}
	if l := p.knock(2, "10.0.0.1", "ben", false); l.seat == nil {
		t.Errorf("somebody else: %s", types(l))
	}
}

// TestPacesAreBounded has more sources than are remembered: who is here keeps
// his debt, and who has none is forgotten first.
func TestPacesAreBounded(t *testing.T) {
	p := newPlay(&Host{Burst: 10, Rate: 1})
	ana := p.knock(1, "10.0.0.1", "ana", false)
	for range 100 {
		p.say(ana, "x")
		p.settle()
	}
	owed := p.core.paceOf(p.now, ana.seat.key).said.tokens
	for i := range 3 * maxPaces {
		q := p.core.paceOf(p.now, transport.Key{byte(i), byte(i >> 8), 3})
		q.joins.take(p.now, joinBurst, joining(q))
		if len(p.core.paces) > maxPaces {
			t.Fatalf("%d are remembered", len(p.core.paces))
		}
		if i > maxPaces && len(p.core.paces) < maxPaces*7/8 { // they owe all the same: an eighth goes at a time
			t.Fatalf("only %d are remembered", len(p.core.paces))
		}
	}
	if got := p.core.paceOf(p.now, ana.seat.key).said.tokens; got != owed || owed > -80 {
		t.Errorf("she owes %v, and owed %v", got, owed)
	}
}
