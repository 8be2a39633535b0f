package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/transport"
)

// TestSilentOneWay: that packets come from the peer does not tell that it hears
// us. Whichever way is cut, whoever sends, and at rest: the member finds out.
func TestSilentOneWay(t *testing.T) {
	for _, cut := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		for _, c := range []struct {
			name   string
			speaks [2]bool // the member, the host
			limit  instant // until the member finds the host silent for suspicious
		}{
			{"both speak", [2]bool{true, true}, 3 * second},
			{"the member speaks", [2]bool{true, false}, 3 * second},
			{"the host speaks", [2]bool{false, true}, 3500 * millisecond},
			{"nobody speaks", [2]bool{}, 5 * second},
		} {
			const suspicious = 2500 * time.Millisecond
			s := newSim(t, 1, false, wire{delay: millisecond})
			say := func(until instant, done func() bool) {
				for s.now < until && !(done != nil && done()) {
					for i, speaks := range c.speaks {
						if speaks {
							s.send(i, transport.Ordered, simMessage(0, 100))
						}
					}
					s.run(s.now+50*millisecond, nil)
				}
			}
			say(3600*second/10, nil) // however long it was good
			s.run(s.now+20*second, nil)
			say(s.now+second, nil)
			s.wires[0].cut, s.wires[1].cut = cut[0], cut[1]
			began := s.now
			say(s.now+20*second, func() bool { return s.links[0].silent(s.now) >= suspicious })
			if took := s.now - began; took > c.limit {
				t.Errorf("cut %v, %s: found out after %v", cut, c.name, duration(took))
			}
		}
	}
}

// TestShortDarkness: darkness of 2 s is over for the conversation soon after it
// is for the wire, so that nobody runs away from it.
func TestShortDarkness(t *testing.T) {
	for offset := range instant(40) {
		s := newSim(t, uint64(offset), false, wire{delay: millisecond})
		s.run(10*second+offset*70*millisecond, nil)
		s.wires[0].cut, s.wires[1].cut = true, true
		s.send(0, transport.Ordered, simMessage(0, 100))
		most := time.Duration(0)
		for end := s.now + 2*second; s.now < end; {
			s.run(s.now+20*millisecond, nil)
		}
		s.wires[0].cut, s.wires[1].cut = false, false
		for end := s.now + 2*second; s.now < end; {
			s.run(s.now+20*millisecond, nil)
			most = max(most, s.links[0].silent(s.now))
		}
		if most >= 2400*time.Millisecond || s.links[0].silent(s.now) > 0 {
			t.Errorf("offset %d: silent for up to %v", offset, most)
		}
	}
}

// TestProbe: a probe is padded, and answered, or not.
func TestProbe(t *testing.T) {
	onLAN(t, 2, false, goodLink, func(r *rig) {
		a, b := r.connect()
		r.talk(a, b, 0, 10)
		time.Sleep(duration(4 * ackDelay)) // until nothing is under way
		var full atomic.Int32
		r.taps[0].watch(func(b []byte, _ netip.AddrPort) bool {
			if len(b) == basePacket {
				full.Add(1)
			}
			return true
		})
		for n := range int32(3) {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			if err := a.Probe(ctx); err != nil || full.Load() != n+1 {
				t.Errorf("probe %d: %v, %d full packets", n, err, full.Load())
			}
			cancel()
		}
		r.taps[0].watch(func(b []byte, _ netip.AddrPort) bool { return len(b) < basePacket }) // a narrow path
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := a.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("through a narrow path: %v", err)
		}
		r.taps[0].watch(nil)
		a.Close()
		if err := a.Probe(context.Background()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// refusing is a socket whose system may refuse to send.
type refusing struct {
	net.PacketConn
	err atomic.Pointer[error]
}

func (s *refusing) WriteTo(b []byte, to net.Addr) (int, error) {
	if err := s.err.Load(); err != nil {
		return 0, *err
	}
	return s.PacketConn.WriteTo(b, to)
}

// TestStuck: it is known for how long the system has sent nothing of ours.
func TestStuck(t *testing.T) {
	onLAN(t, 2, false, goodLink, func(r *rig) {
		s := &refusing{PacketConn: r.ends[0].Socket}
		r.ends[0].Socket = s
		a, b := r.connect()
		r.talk(a, b, 0, 10)
		for err, counts := range map[error]bool{syscall.EPERM: true, syscall.ENETUNREACH: true, syscall.ENOBUFS: false, syscall.ECONNREFUSED: false} {
			time.Sleep(30 * time.Second)
			begin := time.Now()
			s.err.Store(&err)
			a.Send(context.Background(), simMessage(10, 10))
			for a.Stats().Stuck < time.Second && time.Since(begin) < 2*time.Second {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(begin); (took < 1100*time.Millisecond) != counts {
				t.Errorf("%v: noticed after %v", err, took)
			}
			s.err.Store(nil)
			time.Sleep(500 * time.Millisecond)
			if got := a.Stats(); got.Stuck != 0 || got.Silent != 0 {
				t.Errorf("%v is over: %+v", err, got)
			}
		}
	})
}
