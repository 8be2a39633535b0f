package udp

import (
	"net/netip"
	"slices"
	"testing"

	"parley/transport"
)

// TestNarrowPathIsUsed: on a path of so many packets a second, with a queue, what
// arrives is most of what it carries, whatever the size of the messages, and
// little is sent in vain.
func TestNarrowPathIsUsed(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		queue int
		delay instant
	}{
		{50, 10, 500 * microsecond}, {50, 50, 500 * microsecond}, {50, 10, 20 * millisecond}, {500, 50, 500 * microsecond},
	} {
		for _, size := range []int{200, 1000, 10_000} {
			s := newSim(t, 1, true, wire{delay: c.delay, jitter: 100 * microsecond})
			s.run(second, nil)
			s.wires[0].queue = &packetQueue{per: instant(float64(second) / c.rate), most: c.queue}
			const warm, lasts = 5, 20
			var n, bytes, before, at, sent int
			for start, warmed := s.now, false; s.now < start+(warm+lasts)*second; {
				for ; s.send(0, transport.Ordered, simMessage(n, size)); n++ {
				}
				s.run(s.now+5*millisecond, nil)
				for ; at < len(s.got[1]); at++ {
					bytes += len(s.got[1][at])
				}
				if !warmed && s.now >= start+warm*second {
					warmed, before, sent = true, bytes, s.sent[0]
				}
			}
			share := float64(bytes-before) / (lasts * c.rate * largePacket)
			waste := float64(s.sent[0]-sent) / (lasts * c.rate)
			t.Logf("FIGURE %v packets a second, a queue of %d, %v, messages of %d bytes: text of %.0f %% of what passes (target 85), %.2f packets sent for one (target 1.25)",
				c.rate, c.queue, duration(c.delay), size, 100*share, waste)
			if share < .85 || waste > 1.25 {
				t.Errorf("%v packets a second, a queue of %d, %v, messages of %d bytes: text of %.0f %% of what passes, %.2f packets sent for one",
					c.rate, c.queue, duration(c.delay), size, 100*share, waste)
			}
		}
	}
}

// TestLossIsCheap: 100 messages a second, what the late ones wait, one way, and
// what the whole costs in packets both ways and in bytes with headers of Ethernet, IP and UDP.
func TestLossIsCheap(t *testing.T) {
	const n, size, headers = 4000, 200, 42
	for _, c := range []struct {
		wire           wire
		late           instant // of a hundred, the last but one
		packets, bytes float64 // a message; for a byte of text
	}{
		{wire{delay: 100 * microsecond}, millisecond, 1.5, 1.58},
		{wire{delay: 100 * microsecond, loss: .05}, 4 * millisecond, 2.25, 2},
		{wire{delay: 100 * microsecond, loss: .1}, 5 * millisecond, 2.45, 2.2},
		{wire{delay: 100 * microsecond, loss: .2}, 12 * millisecond, 2.6, 2.65},
		{wire{delay: 100 * microsecond, loss: .3}, 25 * millisecond, 2.7, 3.15},
		{wire{delay: 20 * millisecond, loss: .01}, 45 * millisecond, 2.05, 2.8}, // the round trip takes 40 ms: repaired within less
	} {
		s := newSim(t, 1, false, wire{delay: c.wire.delay})
		s.run(second, nil)
		s.wires = [2]wire{c.wire, c.wire}
		s.sent, s.size = [2]int{}, [2]int{}
		var pushed, waits []instant
		look := func() bool {
			for ; len(waits) < len(s.got[1]); waits = append(waits, s.now-pushed[len(waits)]) {
			}
			return false
		}
		for i := range n {
			pushed = append(pushed, s.now)
			s.mustSend(0, transport.Ordered, simMessage(i, size))
			s.run(s.now+10*millisecond, look)
		}
		s.run(s.now+5*second, look)
		checkOnce(t, "lossy", s.got[1], n, true)
		slices.Sort(waits)
		late, packets := waits[n*99/100], float64(s.sent[0]+s.sent[1])/n
		bytes := float64(s.size[0]+s.size[1]+headers*(s.sent[0]+s.sent[1])) / (n * size)
		t.Logf("FIGURE %v, %.0f %% lost: p99 %v (target %v), %.2f packets a message, %.2f bytes on the wire for one of text",
			duration(c.wire.delay), 100*c.wire.loss, duration(late), duration(c.late), packets, bytes)
		if late > c.late || packets > c.packets || bytes > c.bytes {
			t.Errorf("%v, %.0f %% lost: p99 %v, %.2f packets a message, %.2f bytes on the wire for one of text",
				duration(c.wire.delay), 100*c.wire.loss, duration(late), packets, bytes)
		}
	}
}

// TestOneForSixteen counts packets that ask for no hurry: the first ones wait for
// ackDelay, the sixteenth is acknowledged at once, and one out of order, too.
func TestOneForSixteen(t *testing.T) {
	l := newLink(1, true, netip.AddrPort{}, nil, 0, 0)
	for n := range uint64(ackEvery) {
		now := instant(n) * millisecond
		want := ackDelay // after the first of them
		if n == ackEvery-1 {
			want = now
		}
		if l.note(n, []byte{framePing}, false, now); l.ackBy != want {
			t.Errorf("packet %d is acknowledged at %v, not %v", n, duration(l.ackBy), duration(want))
		}
	}
	l.pending, l.ackBy = 0, never
	if l.note(ackEvery+1, []byte{framePing}, false, second); l.ackBy != second {
		t.Errorf("one after a gap is acknowledged at %v", duration(l.ackBy))
	}
}

// TestOneAnswerARound: many losses of one round make the window smaller once.
func TestOneAnswerARound(t *testing.T) {
	c, rtt := newCongestion(), rttEstimate{smoothed: 20 * shortTrip, least: 20 * shortTrip}
	whole := float64(1 << 20)
	c.window = int(whole)
	for n := range uint64(10) {
		c.lost(n, 10, &rtt)
	}
	if want := int(whole * lossFactor); c.window != want {
		t.Errorf("the window is %d, not %d", c.window, want)
	}
	if c.lost(10, 20, &rtt); c.window >= 1<<19 {
		t.Errorf("after a loss in the next round it is %d", c.window)
	}
}
