package udp

import (
	"fmt"
	"testing"

	"parley/transport"
)

// TestPolicedPath: a path that passes so many packets a second and drops the
// rest, the member's way. What is said goes on as fast as that allows, without
// many times as many packets, and at full speed when it is over.
func TestPolicedPath(t *testing.T) {
	const lasts = 20
	for _, c := range []struct {
		rate float64
		size int
		most float64 // packets sent, for one that passes
	}{{50, 1040, 2.7}, {50, 10_000, 2.7}, {200, 1040, 2.5}, {10, 1040, 6}} { // 15 a second leave in any case
		for seed := range uint64(1 + sessions/50) {
			what := fmt.Sprintf("%v packets a second, messages of %d bytes, seed %d", c.rate, c.size, seed)
			s := newSim(t, seed, seed%2 == 0, wire{delay: 500 * microsecond, jitter: 100 * microsecond})
			s.run(second, nil)
			s.wires[0].police = c.rate
			sent, until, n := s.sent[0], s.now+lasts*second, 0
			for s.now < until {
				for ; s.send(0, transport.Ordered, simMessage(n, c.size)); n++ {
				}
				s.run(s.now+5*millisecond, nil)
			}
			text, packets := float64(len(s.got[1])*c.size), float64(s.sent[0]-sent)
			share, waste := text/(lasts*c.rate*largePacket), packets/(lasts*c.rate)
			if share < .85 || waste > c.most {
				t.Errorf("%s: text of %.0f %% of what passes, %.1f packets sent for one", what, 100*share, waste)
			}
			s.wires[0].police = 0
			healed := s.now
			if !s.run(s.now+second, func() bool { return len(s.got[1]) == n }) {
				t.Fatalf("%s: %d of %d messages came in a second after it was over", what, len(s.got[1]), n)
			}
			drained := s.now - healed
			for range 1000 {
				s.mustSend(0, transport.Ordered, simMessage(n, 1000))
				n++
			}
			s.run(s.now+second, func() bool { return len(s.got[1]) == n })
			took := s.now - healed - drained
			checkOnce(t, what, s.got[1], n, true)
			if took > 200*millisecond || s.links[0].choke.holds {
				t.Errorf("%s: a megabyte after it was over took %v, held %v", what, duration(took), s.links[0].choke.holds)
			}
			if seed == 0 {
				t.Logf("FIGURE %s: text of %.0f %% of what passes (target 85), %.1f packets sent for one (target %.1f); over, what waited came within %v, a megabyte more within %v",
					what, 100*share, waste, c.most, duration(drained), duration(took))
			}
		}
	}
}

// TestLossIsNotANarrowPath: neither random loss nor darkness nor disorder makes
// the choke hold, whether much is said or little.
func TestLossIsNotANarrowPath(t *testing.T) {
	for _, c := range []struct {
		what string
		wire wire
		dark instant // in each second
	}{
		{"20 % lost", wire{loss: .2, delay: 500 * microsecond}, 0},
		{"30 % lost", wire{loss: .3, delay: 500 * microsecond, jitter: 200 * microsecond}, 0},
		{"40 % lost", wire{loss: .4, delay: 500 * microsecond}, 0},
		{"40 % lost, 20 ms", wire{loss: .4, delay: 20 * millisecond, jitter: 10 * millisecond}, 0},
		{"half late", wire{late: .5, lateBy: 10 * millisecond, delay: 500 * microsecond}, 0},
		{"dark for half the time", wire{delay: 500 * microsecond}, second / 2},
	} {
		for _, load := range []struct {
			every instant
			size  int
		}{{millisecond, 20_000}, {5 * millisecond, 600}, {60 * millisecond, 600}} {
			s := newSim(t, 1, true, c.wire)
			s.run(second, nil)
			n, held, steps := 0, 0, 0
			for until := s.now + 10*second; s.now < until && steps < 2000; steps++ {
				for _, i := range []int{0, 1} {
					s.wires[i].cut = s.now%second < c.dark
				}
				if s.send(0, transport.Ordered, simMessage(n, load.size)) {
					n++
				}
				s.run(s.now+load.every, nil)
				if s.links[0].choke.holds {
					held++
				}
			}
			s.wires[0].cut, s.wires[1].cut = false, false
			s.run(s.now+30*second, func() bool { return len(s.got[1]) == n })
			checkOnce(t, c.what, s.got[1], n, true)
			if held*1000 > steps { // by chance, and briefly
				t.Errorf("%s, %d bytes each %v: the choke held in %d of %d moments", c.what, load.size, duration(load.every), held, steps)
			}
		}
	}
}
