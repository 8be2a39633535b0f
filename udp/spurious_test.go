package udp

import (
	"math"
	"testing"

	"parley/transport"
)

// TestSpurious: where nothing is lost, nothing is sent again, whatever the
// pace; and where packets overtake each other, not much.
func TestSpurious(t *testing.T) {
	for _, c := range []struct {
		name   string
		jitter instant
		most   float64
	}{{"steady", 0, 0}, {"0.3 ms", 300 * microsecond, 0.1}, {"10 ms", 10 * millisecond, 0.1}} {
		for _, gap := range []instant{0, millisecond, 10 * millisecond, 40 * millisecond, 300 * millisecond} {
			s := newSim(t, 1, true, wire{delay: 150 * microsecond, jitter: c.jitter})
			s.run(second, nil)
			before := s.links[0].stats
			for n := range 4000 {
				s.mustSend(0, transport.Ordered, simMessage(n, 200))
				s.run(s.now+gap, nil)
			}
			s.run(s.now+second, nil)
			st := s.links[0].stats
			again, sent := float64(st.Resent-before.Resent), float64(st.Sent-before.Sent)
			t.Logf("jitter %s, a message every %v: %.2f %% of %.0f packets sent again", c.name, duration(gap), 100*again/sent, sent)
			if again > c.most*sent {
				t.Errorf("jitter %s, a message every %v: %.0f of %.0f packets were sent again", c.name, duration(gap), again, sent)
			}
		}
	}
}

// TestWhatLateOnesTaughtIsForgotten: where packets overtook each other once and
// later only get lost, they are given up as soon as at first.
func TestWhatLateOnesTaughtIsForgotten(t *testing.T) {
	for _, taught := range []float64{5, 60, mostReorder} {
		var r recovery
		r.init(0)
		r.reorder, r.late = taught, mostLate
		for i := range instant(16 * unlearn) {
			r.record(sentPacket{at: i * millisecond, state: lost})
			r.forget(i*millisecond + rememberLost)
		}
		if math.Round(r.reorder) != leastReorder || r.late > granularity {
			t.Errorf("of %v packets, %v are left, and %v", taught, r.reorder, duration(r.late))
		}
	}
}
