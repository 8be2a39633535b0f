package udp

import (
	"fmt"
	"testing"

	"parley/transport"
)

// TestNothingWaitsForALateAcknowledgement: over a good path, whoever sends
// messages one after the other as there is room does not wait 25 ms for it,
// whatever their sizes.
func TestNothingWaitsForALateAcknowledgement(t *testing.T) {
	for _, sizes := range [][]int{{65536}, {65536, 65504}, {65490, 65536}, {65472, 65536}, {65471, 65536}, {32768, 32768, 65504}, {30000, 65536, 40000}, {300, 65536, 65536}} {
		what := fmt.Sprint("messages of ", sizes)
		s := newSim(t, 1, true, wire{delay: 200 * microsecond})
		s.run(second, nil)
		for n := range 40 { // until there are no losses to be wary of
			s.mustSend(0, transport.Ordered, simMessage(n, 300))
			s.run(s.now+100*millisecond, nil)
		}
		for n := range 40 {
			begin := s.now
			s.mustSend(0, transport.Ordered, simMessage(40+n, sizes[n%len(sizes)]))
			if took := s.now - begin; took > 15*millisecond {
				t.Errorf("%s: number %d waited %v for room", what, n, duration(took))
			}
		}
		s.run(s.now+second, nil)
		checkOnce(t, what, s.got[1], 80, true)
	}
}
