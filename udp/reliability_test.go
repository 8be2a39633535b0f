package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"parley/transport"
)

// checkOnce checks that messages 0 to n-1 were received, each once, and in
// order if that was asked for.
func checkOnce(t *testing.T, what string, got [][]byte, n int, ordered bool) {
	t.Helper()
	seen := make([]bool, n)
	for i, msg := range got {
		k := simNumber(msg)
		if k < 0 || k >= n || seen[k] || ordered && k != i {
			t.Fatalf("%s: as message %d of %d came %d", what, i, n, k)
		}
		seen[k] = true
	}
	if len(got) != n {
		t.Fatalf("%s: %d of %d messages came", what, len(got), n)
	}
}

// TestReliability: what is sent by a reliable lane arrives, once, through
// nearly anything, both ways at once.
func TestReliability(t *testing.T) {
	hostile := wire{loss: 0.3, dup: 0.2, late: 0.3, corrupt: 0.02, delay: millisecond, jitter: 100 * millisecond, lateBy: 50 * millisecond}
	for seed := range uint64(sessions) {
		for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered} {
			const n = 1000
			s := newSim(t, seed, seed%2 == 0, hostile)
			for k := range n {
				s.mustSend(0, lane, simMessage(k, 1+int(s.random.Uint32()%4096)))
				s.mustSend(1, lane, simMessage(k, 1+int(s.random.Uint32()%400)))
			}
			took := s.now
			if !s.run(s.now+600*second, func() bool { return len(s.got[0]) == n && len(s.got[1]) == n }) {
				t.Fatalf("seed %d: %d and %d of %d came: %v, %v", seed, len(s.got[0]), len(s.got[1]), n, s.links[0].err, s.links[1].err)
			}
			s.run(s.now+5*second, nil) // what comes late comes not again
			for i := range 2 {
				checkOnce(t, fmt.Sprintf("seed %d, %v, end %d", seed, lane, i), s.got[i], n, lane == transport.Ordered)
			}
			if seed < 2 {
				st := s.links[0].snapshot(s.now)
				t.Logf("seed %d, %v: %v; sent %d, lost %d, spurious %d", seed, lane, duration(took), st.Sent, st.Lost, st.Spurious)
			}
		}
	}
}

// TestQuiet: on a good network nothing is sent twice, and the round trip is
// what it is.
func TestQuiet(t *testing.T) {
	s := newSim(t, 1, true, wire{delay: 150 * microsecond})
	for k := range 1000 {
		s.mustSend(k%2, transport.Ordered, simMessage(k, 100))
		s.run(s.now+3*millisecond, nil)
	}
	s.run(s.now+ackDelay, nil)
	for i := range 2 {
		st := s.links[i].snapshot(s.now)
		if st.Lost > 0 || st.Resent > 0 || st.Repeated > 0 || st.InFlight > 0 || st.Queued > 0 {
			t.Errorf("end %d: %+v", i, st)
		}
		if rtt := instant(st.RTT); rtt < 300*microsecond || rtt > 600*microsecond {
			t.Errorf("end %d: a round trip of %v on a wire of 0.3 ms", i, st.RTT)
		}
	}
}

// TestOrderedWaitsUnorderedDoesNot: one lost packet holds back what follows in
// the ordered lane, and nothing in the unordered one.
func TestOrderedWaitsUnorderedDoesNot(t *testing.T) {
	for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered} {
		s := newSim(t, 1, true, wire{delay: 5 * millisecond})
		s.run(second, nil)
		dropped := false
		s.seen = func(from int, _ []byte, _ netip.AddrPort) bool {
			first := from == 0 && !dropped
			dropped = dropped || first
			return !first
		}
		for k := range 3 {
			s.mustSend(0, lane, simMessage(k, 1000))
			s.run(s.now+100*microsecond, nil)
		}
		s.run(s.now+6*millisecond, nil)
		if want := map[transport.Delivery]int{transport.Ordered: 0, transport.Unordered: 2}[lane]; len(s.got[1]) != want {
			t.Errorf("%v: %d messages before the lost one came again, want %d", lane, len(s.got[1]), want)
		}
		s.run(s.now+second, nil)
		checkOnce(t, fmt.Sprint(lane), s.got[1], 3, lane == transport.Ordered)
	}
}

// TestBareLane: nothing is sent again, nothing comes twice, and what is lost is
// what the wire loses.
func TestBareLane(t *testing.T) {
	const n = 5000
	s := newSim(t, 1, false, wire{loss: 0.2, dup: 0.1, delay: millisecond, jitter: millisecond})
	for k := range n {
		if !s.send(0, transport.Bare, simMessage(k, 300)) {
			t.Fatalf("message %d had to wait", k)
		}
		s.run(s.now+millisecond, nil)
	}
	s.run(s.now+second, nil)
	seen := map[int]bool{}
	for _, msg := range s.got[1] {
		if k := simNumber(msg); k < 0 || seen[k] {
			t.Fatalf("%d came, again or damaged", k)
		} else {
			seen[k] = true
		}
	}
	if len(seen) < n*77/100 || len(seen) > n*83/100 {
		t.Errorf("%d of %d came over a wire that loses a fifth", len(seen), n)
	}
	s.paused[1] = true // nobody receives: the newest are dropped, the sender does not wait
	for k := range 2000 {
		if !s.send(0, transport.Bare, simMessage(k, 1000)) {
			t.Fatalf("message %d had to wait", k)
		}
		s.run(s.now+millisecond, nil)
	}
	if kept := s.links[1].ready.len(); kept > window {
		t.Errorf("%d bytes of bare messages wait to be received", kept)
	}
}

// TestPacking: what is ready together shares datagrams.
func TestPacking(t *testing.T) {
	s := newSim(t, 1, true, wire{delay: millisecond})
	s.run(second, nil)
	before := s.sent[0]
	for k := range 200 { // as SendBatch does it
		s.links[0].push(transport.Ordered, simMessage(k, 40))
	}
	s.serve(0)
	s.run(s.now+10*millisecond, nil)
	checkOnce(t, "packed", s.got[1], 200, true)
	if used := s.sent[0] - before; used > 9 {
		t.Errorf("200 messages of 40 bytes took %d datagrams", used)
	}
}

// TestBlackouts: up to 20 s without a datagram lose nothing, 40 s end the
// link in time. What another pair of links does is not touched.
func TestBlackouts(t *testing.T) {
	for _, c := range []struct {
		dark instant
		ways []int
		dies bool
	}{
		{second / 2, []int{0, 1}, false}, {2 * second, []int{0, 1}, false}, {5 * second, []int{0, 1}, false},
		{20 * second, []int{0, 1}, false}, {20 * second, []int{0}, false}, {20 * second, []int{1}, false},
		{40 * second, []int{0, 1}, true}, {40 * second, []int{0}, true}, {40 * second, []int{1}, true},
	} {
		s := newSim(t, 3, true, wire{delay: millisecond})
		s.run(second, nil)
		n := 0
		for ; n < 50; n++ {
			s.mustSend(0, transport.Ordered, simMessage(n, 200))
			s.mustSend(1, transport.Ordered, simMessage(n, 200))
		}
		begin := s.now
		for _, i := range c.ways {
			s.wires[i].cut = true
		}
		for ; n < 100; n++ {
			s.send(0, transport.Ordered, simMessage(n, 200))
			s.send(1, transport.Ordered, simMessage(n, 200))
			s.run(s.now+millisecond, nil)
		}
		died := [2]instant{}
		s.run(begin+c.dark, func() bool {
			for i, l := range s.links {
				if l.stage == gone && died[i] == 0 {
					died[i] = s.now - begin
				}
			}
			return false
		})
		for _, i := range c.ways {
			s.wires[i].cut = false
		}
		healed := s.now
		s.run(s.now+10*second, func() bool { return len(s.got[0]) == n && len(s.got[1]) == n })
		if !c.dies {
			for i := range 2 {
				checkOnce(t, fmt.Sprintf("%v of darkness in %v", duration(c.dark), c.ways), s.got[i], n, true)
			}
			t.Logf("%v of darkness in %v: all there %v later", duration(c.dark), c.ways, duration(s.now-healed))
			continue
		}
		for i, l := range s.links {
			if !errors.Is(l.err, transport.ErrLost) || died[i] < 29*second || died[i] > 32*second {
				t.Errorf("%v of darkness in %v: end %d died after %v: %v", duration(c.dark), c.ways, i, duration(died[i]), l.err)
			}
		}
	}
}

// TestIdleDay counts what an idle link costs.
func TestIdleDay(t *testing.T) {
	s := newSim(t, 1, false, wire{delay: millisecond})
	s.run(60*second, nil)
	before, bytes := s.sent, s.size
	const hours = 24
	s.run(s.now+hours*3600*second, nil)
	const headers = 20 + 8 // of IPv4 and UDP
	minute := 0
	for i, l := range s.links {
		packets := s.sent[i] - before[i]
		minute += (s.size[i] - bytes[i] + headers*packets) / (hours * 60)
		if l.stage != open {
			t.Errorf("end %d: %v", i, l.err)
		}
	}
	t.Logf("FIGURE an idle conversation, both ways, headers included: %d bytes a minute (target 6000)", minute)
	if minute > 6000 {
		t.Errorf("%d bytes a minute at rest", minute)
	}
	s.mustSend(0, transport.Ordered, simMessage(0, 10))
	s.run(s.now+second, nil)
	checkOnce(t, "after a day", s.got[1], 1, true)
}

// TestStopped: an end that did not run for long does not blame the other.
func TestStopped(t *testing.T) {
	for _, pause := range []instant{2 * second, 10 * second, 28 * second, 40 * second} {
		for _, busy := range []bool{false, true} {
			s := newSim(t, 1, true, wire{delay: millisecond})
			s.run(14*second, nil)
			if busy {
				s.send(0, transport.Ordered, simMessage(0, 100))
			}
			s.frozen[0] = true
			s.run(s.now+pause, nil)
			s.frozen[0] = false
			s.serve(0) // its timers first, as it happens to be
			if s.links[0].stage == gone || s.links[0].silent(s.now) > 0 && !busy || s.links[0].silent(s.now) > duration(3*second) {
				t.Errorf("stopped for %v, busy %v: stage %d, it finds the peer silent for %v", duration(pause), busy, s.links[0].stage, s.links[0].silent(s.now))
			}
			s.run(s.now+4*second, nil)
			if pause < deadAfter-2*second && (s.links[0].stage != open || s.links[1].stage != open) {
				t.Errorf("stopped for %v, busy %v: %v, %v", duration(pause), busy, s.links[0].err, s.links[1].err)
			}
			s.run(s.now+deadAfter, nil) // what waited in its socket counts as heard now
			if pause > deadAfter && (s.links[0].stage != gone || s.links[1].stage != gone) {
				t.Errorf("stopped for %v, busy %v: nobody noticed", duration(pause), busy)
			}
		}
	}
}

// TestPathSizes: a path that carries 1280 bytes serves as well as one that
// carries more.
func TestPathSizes(t *testing.T) {
	for mtu, want := range map[int]int{1200: basePacket, 1280: basePacket, 1451: basePacket, 1452: largePacket, 0: largePacket} {
		for _, plain := range []bool{true, false} {
			s := newSim(t, 1, plain, wire{delay: millisecond, mtu: mtu})
			largest := 0
			s.seen = func(_ int, b []byte, _ netip.AddrPort) bool {
				largest = max(largest, len(b))
				return true
			}
			for k := range 300 {
				s.mustSend(0, transport.Ordered, simMessage(k, 5000))
			}
			s.run(s.now+10*second, nil)
			checkOnce(t, fmt.Sprint("MTU ", mtu), s.got[1], 300, true)
			if got := s.links[0].packet; got != want || largest > largePacket {
				t.Errorf("MTU %d, plain %v: packets of %d bytes, want %d; largest %d", mtu, plain, got, want, largest)
			}
			if st := s.links[0].stats; st.Lost > 3 {
				t.Errorf("MTU %d, plain %v: %d packets lost", mtu, plain, st.Lost)
			}
		}
	}
}

// TestReplay plays a whole session again, three times, whole and damaged, while
// it goes on: nothing changes but counters.
func TestReplay(t *testing.T) {
	for _, plain := range []bool{true, false} {
		s := newSim(t, 1, plain, wire{delay: millisecond})
		var taken [2][][]byte
		s.seen = func(from int, b []byte, _ netip.AddrPort) bool {
			taken[1-from] = append(taken[1-from], slices.Clone(b))
			return true
		}
		for k := range 100 {
			s.mustSend(k%2, transport.Ordered, simMessage(k/2, 700))
			s.mustSend(k%2, transport.Bare, simMessage(5000, 10))
			s.run(s.now+millisecond, nil)
		}
		s.run(s.now+second, nil)
		s.seen = nil
		before := [2]transport.Stats{s.links[0].stats, s.links[1].stats}
		received := [2]int{len(s.got[0]), len(s.got[1])}
		mallory := netip.MustParseAddrPort("192.0.2.66:666")
		for round := range 3 {
			for end, all := range taken {
				for _, b := range all {
					if b = slices.Clone(b); round > 0 {
						b[s.random.IntN(len(b))] ^= 1 << s.random.IntN(8)
					}
					from := s.at[1-end]
					if s.random.IntN(2) == 0 {
						from = mallory
					}
					s.arrive(120*second, end, from, b) // 2 minutes late
				}
			}
		}
		s.run(s.now+150*second, nil)
		for i, l := range s.links {
			if l.stage != open || l.peer == mallory || len(s.got[i]) != received[i] {
				t.Errorf("plain %v, end %d: stage %d, %v, peer %v, %d messages more", plain, i, l.stage, l.err, l.peer, len(s.got[i])-received[i])
			}
			if more := l.stats.Received - before[i].Received; more > 100 { // as many answer
				t.Errorf("plain %v, end %d: %d packets were taken", plain, i, more)
			}
			if more := l.stats.Sent - before[i].Sent; more > 100 { // of which 90 ask whether we are there
				t.Errorf("plain %v, end %d: it made us send %d packets", plain, i, more)
			}
		}
	}
}
