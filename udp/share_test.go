package udp

import (
	"testing"

	"parley/transport"
)

// simReno is a flow of another kind on the sim's link: one more packet in each
// round trip, half as many after a loss.
type simReno struct {
	window   float64
	flying   int
	sent     uint64
	recovery uint64
	bytes    int
	on       []renoPacket
}

type renoPacket struct {
	at     instant // when its acknowledgement comes, or is missed
	number uint64
	lost   bool
}

const renoPacketSize = 1500

// run sends what the window allows and takes what has become of it. Everything
// through one link comes in order.
func (r *simReno) run(k *bottleneck, delay, now instant) {
	for len(r.on) > 0 && r.on[0].at <= now {
		p := r.on[0]
		r.on = r.on[1:]
		r.flying--
		switch {
		case !p.lost:
			r.bytes += renoPacketSize
			r.window += 1 / r.window
		case p.number >= r.recovery:
			r.recovery = r.sent
			r.window = max(r.window/2, 2)
		}
	}
	for float64(r.flying+1) <= r.window {
		wait, ok := k.pass(renoPacketSize, now)
		if !ok {
			wait = k.free - now
		}
		r.on = append(r.on, renoPacket{now + wait + delay, r.sent, !ok})
		r.sent++
		r.flying++
	}
}

// TestSharesANarrowLink: who pours through a link of 10 Mbit/s beside another
// flow leaves it a good part, be its queue short or long, and uses what there is.
func TestSharesANarrowLink(t *testing.T) {
	for _, queue := range []instant{25 * millisecond, 50 * millisecond, 100 * millisecond} {
		const warm, lasts, rate = 10, 40, 10e6 / 8
		const delay = 100 * microsecond
		s := newSim(t, 1, true, wire{delay: delay, jitter: 20 * microsecond})
		s.run(second, nil)
		k := &bottleneck{rate: rate / float64(second), queue: queue}
		s.wires[0].link = k
		r := &simReno{window: 10}
		var got, bytes, at int
		count := func() {
			for ; at < len(s.got[1]); at++ {
				got += len(s.got[1][at])
			}
		}
		for start, n, warmed := s.now, 0, false; s.now < start+(warm+lasts)*second; {
			for ; s.send(0, transport.Ordered, simMessage(n, 1000)); n++ {
			}
			r.run(k, 2*delay, s.now)
			s.run(s.now+200*microsecond, nil)
			if count(); !warmed && s.now >= start+warm*second {
				warmed, got, bytes = true, 0, r.bytes
			}
		}
		x, y := float64(got), float64(r.bytes-bytes)
		jain, used := (x+y)*(x+y)/(2*(x*x+y*y)), (x+y)/(lasts*rate)
		t.Logf("FIGURE queue of %v: %.2f and %.2f Mbit/s, Jain's index %.3f (target .9), %.0f %% used", duration(queue), x*8/1e6/lasts, y*8/1e6/lasts, jain, 100*used)
		if jain < .9 || used < .85 {
			t.Errorf("queue of %v: %.2f and %.2f Mbit/s, Jain's index %.3f", duration(queue), x*8/1e6/lasts, y*8/1e6/lasts, jain)
		}
	}
}
