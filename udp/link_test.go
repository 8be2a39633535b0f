package udp

import (
	"testing"

	"parley/transport"
)

// TestBareIsNotCredit: bare messages that were received are no licence to send
// others without bound, or a peer that obeys would look like one that does not.
func TestBareIsNotCredit(t *testing.T) {
	s := newSim(t, 1, true, wire{delay: 100 * microsecond})
	for n := range 3000 {
		s.mustSend(0, transport.Bare, simMessage(n, 1000))
		s.run(s.now+100*microsecond, nil)
	}
	s.run(s.now+second, nil)
	s.paused[1] = true
	for n, sent := 0, true; n < 10_000 && sent; n++ {
		sent = s.send(0, transport.Ordered, simMessage(n, 1000))
		s.run(s.now+100*microsecond, nil)
	}
	s.run(s.now+5*second, nil)
	if s.links[0].stage != open || s.links[1].stage != open {
		t.Fatalf("stages %d, %d: %v, %v", s.links[0].stage, s.links[1].stage, s.links[0].err, s.links[1].err)
	}
	if kept := s.links[1].waiting; kept > window {
		t.Errorf("%d bytes wait to be received, more than the credit of %d", kept, window)
	}
}

// TestBlackoutMemory: however long nothing gets through, what waits to be sent
// again does not grow.
func TestBlackoutMemory(t *testing.T) {
	s := newSim(t, 1, true, wire{delay: millisecond})
	s.run(second, nil)
	l, n := s.links[0], 0
	for ; n < 3000; n++ { // the window grows
		s.mustSend(0, transport.Ordered, simMessage(n, 1000))
	}
	s.run(s.now+second, nil)
	s.wires[0].cut = true
	for ; s.send(0, transport.Ordered, simMessage(n, 1000)); n++ {
	}
	s.run(s.now+10*millisecond, func() bool { return !l.startable(0) })
	l.cc.window = leastWindow // as after many losses
	s.wires[0].cut = false
	s.run(s.now+ackDelay+10*millisecond, func() bool { return l.resend.len() > 50 }) // a probe tells that all was lost
	s.wires[0].cut, s.wires[1].cut = true, true
	most := l.resend.len()
	if most < 50 {
		t.Fatalf("only %d pieces are to be sent again when the blackout begins", most)
	}
	s.run(s.now+25*second, func() bool {
		most = max(most, l.resend.len())
		return most > 100_000
	})
	if most > 3000 {
		t.Errorf("%d pieces of 128 KiB wait to be sent again", most)
	}
	s.wires = [2]wire{{delay: millisecond}, {delay: millisecond}}
	if !s.run(s.now+20*second, func() bool { return l.out[0].held == 0 }) {
		t.Errorf("%d bytes never arrived", l.out[0].held)
	}
}
