package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley/room"
)

// gated is a machine whose datagrams, or streams, a test can stop.
type gated struct {
	machine
	*gate
}

// gate is what does not pass at a machine.
type gate struct {
	mu               sync.Mutex
	in, out, streams bool          // stopped
	hold             time.Duration // what is stopped on the way out comes so late instead
	refuse           error         // what is to be sent fails with this
	held             int           // datagrams
	dials            int           // of streams
}

func (g *gate) set(f func(g *gate)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// block stops datagrams, or lets them pass, both ways.
func (g *gate) block(on bool) { g.set(func(g *gate) { g.in, g.out = on, on }) }

func (g gated) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	pc, err := g.machine.ListenPacket(ctx, network, address)
	return gatedPackets{pc, g.gate}, err
}

func (g gated) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	g.mu.Lock()
	g.dials++
	stopped := g.streams
	g.mu.Unlock()
	if stopped {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return g.machine.DialContext(ctx, network, address)
}

type gatedPackets struct {
	net.PacketConn
	gate *gate
}

func (p gatedPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.refuse != nil:
		return 0, g.refuse
	case g.out && g.hold > 0:
		late := append([]byte(nil), b...)
		if b[0]&^15 == 0x40 { // a packet, and not the beginning of another conversation
			g.held++
		}
		time.AfterFunc(g.hold, func() { p.PacketConn.WriteTo(late, to) })
		return len(b), nil
	case g.out:
		return len(b), nil
	}
	return p.PacketConn.WriteTo(b, to)
}

func (p gatedPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.PacketConn.ReadFrom(b)
		p.gate.mu.Lock()
		stopped := p.gate.in
		p.gate.mu.Unlock()
		if err != nil || !stopped {
			return n, from, err
		}
	}
}

// gatedNode is a node behind a gate.
func (w *world) gatedNode(addr string, change ...func(*Node)) (*Node, *gate) {
	g := &gate{}
	n := w.node(addr, append(change, func(n *Node) { n.Net = gated{n.Net.(machine), g} })...)
	return n, g
}

// links are what somebody was told of its connection: the state and the carrier.
func (s *seated) links() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.seen {
		if e.Type == room.Link {
			list = append(list, e.State+" "+e.Transport)
		}
	}
	return list
}

// talk has each side say something every so often, for a time, and then both
// have heard all of it, once and in one order.
func talk(w *world, ana, ben *seated, what string, every, for_ time.Duration) {
	w.Helper()
	n := 0
	for end := time.Now().Add(for_); time.Now().Before(end); n++ {
		ana.says(fmt.Sprint(what, " ana ", n))
		ben.says(fmt.Sprint(what, " ben ", n))
		time.Sleep(every)
	}
	ana.says(what + " over")
	ben.hears(what + " over")
	ben.says(what + " over, too")
	ana.hears(what + " over, too")
	ben.hears(what + " over, too")
	a, b := ana.said(), ben.said()
	seen := map[string]bool{}
	for i := range a {
		if i >= len(b) || a[i] != b[i] || seen[a[i]] {
			w.Fatalf("%s: they heard %d and %d messages, other ones from %d on: %q", what, len(a), len(b), i, a[i])
		}
		seen[a[i]] = true
	}
}

// pair is a host's seat and a member behind a gate, who sits by UDP.
func pair(w *world, change ...func(*Node)) (h *Hosting, ana, ben *seated, g *gate) {
	w.Helper()
	h = w.open(w.node("10.0.0.1"), "physics")
	own, err := h.Sit(w.Context(), room.JoinOptions{Nick: "ana"})
	if err != nil {
		w.Fatal(err)
	}
	n, g := w.gatedNode("10.0.0.2", change...)
	ben = w.join(n, "10.0.0.1", "ben")
	if ready := ben.Ready(); ready.Transport != "udp" {
		w.Fatalf("ben sits there by %s", ready.Transport)
	}
	return h, w.watch(own), ben, g
}

// What an hour of good datagrams proves is over when they stop.
func TestBlockedAfterAnHour(t *testing.T) {
	for _, way := range []struct {
		name    string
		in, out bool
	}{{"both ways", true, true}, {"to the member", true, false}, {"to the host", false, true}} {
		t.Run(way.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				_, ana, ben, g := pair(w)
				talk(w, ana, ben, "first", 10*time.Second, time.Hour)
				g.set(func(g *gate) { g.in, g.out = way.in, way.out })
				began := time.Now()
				ben.says("into the dark")
				e := ben.await("the switch", func(e room.Event) bool { return e.Type == room.Link })
				took := time.Since(began)
				if e.State != "switched" || e.Transport != "tcp" || e.Why != "udp silent for 2.5 s" || took > 3*time.Second {
					t.Errorf("after %v: %+v", took, e)
				}
				t.Logf("FIGURE datagrams blocked %s after an hour, to sitting there by TCP: %v (target 3.5s)", way.name, took)
				talk(w, ana, ben, "then", 100*time.Millisecond, 5*time.Second)
			})
		})
	}
}

// Datagrams work again after a while: soon they are used again, and only once
// for each time that they fail.
func TestClimbsBack(t *testing.T) {
	for _, c := range []struct{ dark, within time.Duration }{
		{3 * time.Second, 35 * time.Second}, {11 * time.Second, 35 * time.Second}, {60 * time.Second, 65 * time.Second}, {30 * time.Minute, 11 * time.Minute},
	} {
		inBubble(t, func(w *world) {
			_, ana, ben, g := pair(w)
			g.block(true)
			talk(w, ana, ben, "dark", time.Second, c.dark)
			g.block(false)
			healed := time.Now()
			for len(ben.links()) < 2 && time.Since(healed) < 20*time.Minute {
				time.Sleep(100 * time.Millisecond)
			}
			took := time.Since(healed)
			t.Logf("FIGURE datagrams blocked for %v, works again to used again: %v (target %v)", c.dark, took, c.within)
			if got := fmt.Sprint(ben.links()); got != "[switched tcp switched udp]" || took > c.within {
				t.Errorf("blocked for %v, after %v: %v", c.dark, took, got)
			}
			talk(w, ana, ben, "light", time.Second, 2*time.Minute)
			if got := len(ben.links()); got != 2 {
				t.Errorf("%v", ben.links())
			}
		})
	}
}

// Datagrams come and go.
func TestFlaps(t *testing.T) {
	for _, period := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 20 * time.Second} {
		inBubble(t, func(w *world) {
			_, ana, ben, g := pair(w)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for n := range int(10 * time.Minute / period) {
					g.block(n%2 == 0)
					time.Sleep(period)
				}
				g.block(false)
			}()
			talk(w, ana, ben, "flapping", 500*time.Millisecond, 10*time.Minute)
			<-done
			got := len(ben.links())
			t.Logf("FIGURE datagrams %v off and on for 10 min: %d switches", period, got)
			if limit := map[bool]int{true: 2, false: 16}[period <= 2*time.Second]; got > limit {
				t.Errorf("%v off and on: %d switches: %v", period, got, ben.links())
			}
		})
	}
}

// What was under way on the old path comes when the new one is in use: it is
// dropped and counted.
func TestOldPathDelivers(t *testing.T) {
	inBubble(t, func(w *world) {
		h, ana, ben, g := pair(w)
		talk(w, ana, ben, "first", 100*time.Millisecond, time.Second)
		g.set(func(g *gate) { g.in, g.out, g.hold = true, true, 5*time.Second })
		for n := range 20 {
			ben.says(fmt.Sprint("late ", n))
			time.Sleep(100 * time.Millisecond)
		}
		before := h.datagrams.Strays()
		ben.await("the switch", func(e room.Event) bool { return e.Type == room.Link && e.Transport == "tcp" })
		talk(w, ana, ben, "then", 100*time.Millisecond, 4*time.Second)
		time.Sleep(3 * time.Second)
		g.mu.Lock()
		held := g.held
		g.out, g.hold = true, 0
		g.mu.Unlock()
		time.Sleep(6 * time.Second)
		dropped := h.datagrams.Strays() - before
		t.Logf("FIGURE %d datagrams held for 5 s came after the switch: %d dropped and counted", held, dropped)
		if held < 20 || int(dropped) != held {
			t.Errorf("%d held, %d dropped", held, dropped)
		}
		talk(w, ana, ben, "at last", 100*time.Millisecond, time.Second)
	})
}

// A wish for a carrier holds whatever happens.
func TestForcedStaysForced(t *testing.T) {
	inBubble(t, func(w *world) {
		_, ana, ben, g := pair(w, func(n *Node) { n.Transport = UDP })
		g.block(true)
		ben.says("into the dark")
		ben.await("the loss", func(e room.Event) bool { return e.Type == room.Link && e.State == "lost" })
		time.Sleep(45 * time.Second)
		g.block(false)
		healed := time.Now()
		ana.hears("into the dark")
		if took := time.Since(healed); took > 3*time.Second || g.dials != 0 {
			t.Errorf("after %v; %d streams were tried", took, g.dials)
		}
	})
}

// Streams that are blocked while datagrams are in use concern nobody.
func TestStreamsBlocked(t *testing.T) {
	inBubble(t, func(w *world) {
		_, ana, ben, g := pair(w)
		g.set(func(g *gate) { g.streams = true })
		talk(w, ana, ben, "meanwhile", time.Second, time.Minute)
		if got := ben.links(); len(got) > 0 {
			t.Errorf("%v", got)
		}
		began := time.Now()
		g.block(true)
		ben.says("into the dark")
		ben.await("the loss", func(e room.Event) bool { return e.Type == room.Link && e.State == "lost" })
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("told after %v", took)
		}
		time.Sleep(40 * time.Second)
		g.block(false)
		talk(w, ana, ben, "after", 100*time.Millisecond, 10*time.Second)
		if got := fmt.Sprint(ben.links()); got != "[lost udp resumed udp]" {
			t.Errorf("%v", got)
		}
	})
}

// Our own system will not send datagrams.
func TestCannotSend(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EPERM} {
		inBubble(t, func(w *world) {
			_, ana, ben, g := pair(w)
			time.Sleep(time.Minute)
			began := time.Now()
			g.set(func(g *gate) { g.refuse = &net.OpError{Op: "write", Net: "udp", Err: errno} })
			ben.says("through here")
			e := ben.await("the switch", func(e room.Event) bool { return e.Type == room.Link })
			if took := time.Since(began); took > 1500*time.Millisecond || e.State != "switched" || e.Transport != "tcp" {
				t.Errorf("%v: after %v: %+v", errno, took, e)
			}
			talk(w, ana, ben, "then", 100*time.Millisecond, time.Second)
		})
	}
}

// The host's computer gets another address and says nothing of it: who sat down
// by address or by name finds it by the room's key.
func TestHostMoves(t *testing.T) {
	for _, target := range []string{"10.0.0.1", "physics"} {
		for _, via := range []Transport{Auto, UDP, TCP} {
			inBubble(t, func(w *world) {
				host := w.node("10.0.0.1")
				w.open(host, "physics")
				n := w.node("10.0.0.2", func(n *Node) { n.Transport = via })
				ben := w.join(n, target, "ben")
				time.Sleep(20 * time.Second)
				host.Net.(machine).Move("10.0.0.77/24")
				began := time.Now()
				ben.says("where are you")
				ben.hears("where are you")
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%s by %s: found after %v: %v", target, via, took, ben.links())
				}
			})
		}
	}
}

// TestClimb steps through a schedule.
func TestClimb(t *testing.T) {
	var c climb
	now := time.Unix(1e9, 0)
	due := func(what string, want time.Duration) {
		t.Helper()
		if got := c.next.Sub(now); got != want {
			t.Errorf("%s: tries %v later, want %v", what, got, want)
		}
	}
	c.fell(now)
	due("first", firstClimb)
	for _, want := range []time.Duration{30, 60, 120, 240, 480, 600, 600} {
		now = c.next
		c.tried(now)
		due("tried", want*time.Second)
		c.fell(now) // another stream in its place changes nothing
		due("still on a stream", want*time.Second)
	}
	now = c.next
	c.tried(now)
	c.rose(now)
	for _, want := range []time.Duration{60, 120, 240, 480, 600, 600} {
		now = now.Add(20 * time.Second) // datagrams fail again soon
		c.fell(now)
		due("failed again soon", want*time.Second)
		now = c.next
		c.tried(now)
		c.rose(now)
	}
	now = now.Add(mostClimb)
	c.fell(now)
	due("failed after they had lasted", firstClimb)
}

// TestElsewhere tells a host that has moved from one that has more addresses.
func TestElsewhere(t *testing.T) {
	at := func(list ...string) (ts []target) {
		for _, a := range list {
			ts = append(ts, target{addr: netip.MustParseAddr(a)})
		}
		return ts
	}
	for _, c := range []struct {
		heard, old []target
		want       bool
	}{
		{at(), at("10.0.0.1"), false},
		{at("10.0.0.1"), at("10.0.0.1"), false},
		{at("10.0.0.1", "fe80::1%eth0"), at("10.0.0.1"), false},
		{at("fe80::1%eth0"), at("fe80::1%eth1"), false},
		{at("10.0.0.2", "fe80::1%eth0"), at("10.0.0.1"), true},
		{at("10.0.0.2"), at(), true},
	} {
		if got := elsewhere(c.heard, c.old); got != c.want {
			t.Errorf("heard at %v, was at %v: %v", c.heard, c.old, got)
		}
	}
}
