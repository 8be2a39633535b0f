package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// dialFor dials for so long.
func (r *rig) dialFor(from int, limit time.Duration) (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return r.ends[from].Dial(ctx, r.at[1])
}

func wantRefused(t *testing.T, err error, reason transport.Reason) {
	t.Helper()
	var refused *transport.RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, transport.ErrRefused) || refused.Reason != reason {
		t.Errorf("%v; want refused: %v", err, reason)
	}
}

// TestRefusals: whoever is refused learns soon, and why.
func TestRefusals(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) { // one is encrypted and the other is not
			r.ends[1].Plaintext = !plain
			go r.ends[1].Accept(r.t.Context())
			begin := time.Now()
			_, err := r.dialFor(0, 10*time.Second)
			wantRefused(t, err, transport.ReasonMode)
			if took := time.Since(begin); took > 300*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
		onLAN(t, 3, plain, goodLink, func(r *rig) { // no room
			r.ends[1].MaxConns = 1
			a, b := r.connect()
			begin := time.Now()
			_, err := r.dialFor(2, 10*time.Second)
			wantRefused(t, err, transport.ReasonFull)
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %v", took)
			}
			r.talk(a, b, 0, 10)
			a.Close()
			b.Close()
			time.Sleep(time.Second)
			if _, err := r.dialFor(2, 10*time.Second); err != nil { // and now there is
				t.Errorf("after the other has gone: %v", err)
			}
		})
	})
}

// TestForgedRefusals: somebody who sees every datagram answers each with
// a REFUSE before the host does. The host's own words overrule it.
func TestForgedRefusals(t *testing.T) {
	onLAN(t, 2, false, goodLink, func(r *rig) {
		forged := 0
		r.taps[0].watch(func(b []byte, to netip.AddrPort) bool {
			var id uint64
			if h, ok := parseHello(b); ok {
				id = h.id
			} else if i, _, _, ok := parseShake(b); ok {
				id = i
			} else {
				return true
			}
			for _, reason := range []transport.Reason{transport.ReasonMode, transport.ReasonFull} {
				forged++
				r.taps[1].PacketConn.WriteTo(appendRefuse(nil, id, reason), net.UDPAddrFromAddrPort(r.at[0]))
			}
			return true
		})
		a, b := r.connect()
		r.talk(a, b, 0, 10)
		if forged < 4 {
			t.Errorf("%d forgeries", forged)
		}
	})
}

// TestAcceptOverflow: more come than are accepted. Those beyond the queue are
// told, the others wait.
func TestAcceptOverflow(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			go r.ends[1].Accept(canceled())
			refused, ok := 0, 0
			for range acceptQueue + 3 {
				time.Sleep(startInterval)
				c, err := r.dialFor(0, 10*time.Second)
				if err == nil {
					// Dial may have been faster than the queue's end.
					time.Sleep(20 * time.Millisecond)
					err = c.Send(r.t.Context(), []byte("hello"))
				}
				if err == nil {
					ok++
					continue
				}
				wantRefused(t, err, transport.ReasonFull)
				refused++
			}
			if ok != acceptQueue || refused != 3 {
				t.Errorf("%d wait and %d were refused", ok, refused)
			}
			for range ok {
				c, err := r.ends[1].Accept(r.t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if msg, err := c.Receive(r.t.Context()); string(msg) != "hello" {
					t.Fatalf("received %q, %v", msg, err)
				}
			}
		})
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestFloods: 20,000 datagrams of junk and 20,000 HELLOs from addresses that
// are not the sender's leave nothing behind and get no more than they are,
// while somebody honest gets in.
func TestFloods(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			host := r.ends[1]
			random := rand.New(rand.NewPCG(1, 2))
			flooder := &injector{tap: r.taps[1], in: make(chan injected, 256), over: make(chan struct{})}
			host.Socket = flooder
			host.Accept(canceled())
			var spent sync.WaitGroup
			spent.Go(func() {
				defer close(flooder.over)
				for n := range 40_000 {
					from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(random.Uint32()), byte(random.Uint32())}), uint16(1+random.IntN(65000)))
					b := make([]byte, 1+random.IntN(1400))
					for i := range b {
						b[i] = byte(random.Uint32())
					}
					if n%2 == 0 {
						h := hello{version: protocolVersion, mode: host.mode(), id: random.Uint64()}
						if n%4 == 0 {
							binary.BigEndian.PutUint64(h.token[:], random.Uint64())
						}
						b = appendHello(nil, h)
					} else if n%3 == 0 {
						b[0] = []byte{typeHello, typeRetry, typeRefuse, typeAccept, typeShake, packetSealed, packetPlain, packetPlain | packetFromHost}[random.IntN(8)]
					}
					flooder.in <- injected{b, from}
					if n%20 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
			time.Sleep(200 * time.Millisecond)
			begin := time.Now()
			a, b := r.connect()
			took := time.Since(begin)
			r.talk(a, b, 0, 50)
			spent.Wait()
			synctest.Wait()
			n := len(host.conns())
			for _, mu := range []*sync.Mutex{&r.taps[1].mu, &host.mu} {
				mu.Lock()
				defer mu.Unlock()
			}
			t.Logf("the honest member was in after %v; %d bytes in, %d out", took, r.taps[1].in, r.taps[1].size)
			if took > 500*time.Millisecond {
				t.Errorf("the honest member was in after %v", took)
			}
			if r.taps[1].size > r.taps[1].in {
				t.Errorf("%d bytes out for %d in", r.taps[1].size, r.taps[1].in)
			}
			if n != 1 {
				t.Errorf("%d Conns", n)
			}
			if len(host.limiter.halfOpen) != 0 || len(host.limiter.entries) > 1 {
				t.Errorf("the limiter knows of %d addresses, %d handshakes", len(host.limiter.entries), len(host.limiter.halfOpen))
			}
		})
	})
}

// injector is a socket that also receives what was never sent.
type injector struct {
	*tap
	in   chan injected
	over chan struct{}
}

type injected struct {
	b    []byte
	from netip.AddrPort
}

func (s *injector) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		select {
		case d := <-s.in:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.tap.in += len(d.b)
			return copy(b, d.b), net.UDPAddrFromAddrPort(d.from), nil
		default:
		}
		select {
		case <-s.over:
			return s.tap.ReadFrom(b)
		default:
		}
		s.tap.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
		n, from, err := s.tap.ReadFrom(b)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			s.tap.SetReadDeadline(time.Time{})
			continue
		}
		return n, from, err
	}
}

// TestManySenders: several goroutines on several Conns of the same endpoints,
// through loss: every message once, in the order of its sender.
func TestManySenders(t *testing.T) {
	link := goodLink
	link.Loss, link.Dup, link.Reorder = 0.3, 0.2, 0.2
	link.Jitter = 20 * time.Millisecond
	onLAN(t, 4, false, link, func(r *rig) {
		const n, senders = 100, 3
		var all sync.WaitGroup
		for member := range 3 {
			from := []int{0, 2, 3}[member]
			a, b := r.dial(from, 1)
			for _, ends := range [][2]*Conn{{a, b}, {b, a}} {
				for who := range senders {
					all.Go(func() {
						for k := range n {
							if err := ends[0].Send(r.t.Context(), simMessage(who*1000+k, 20+k*37%3000)); err != nil {
								t.Errorf("send: %v", err)
								return
							}
						}
					})
				}
				all.Go(func() {
					var next [senders]int
					for range n * senders {
						msg, err := ends[1].Receive(r.t.Context())
						if err != nil {
							t.Errorf("receive: %v", err)
							return
						}
						k := simNumber(msg)
						if k < 0 || k%1000 != next[k/1000] {
							t.Errorf("message %d came out of turn", k)
							return
						}
						next[k/1000]++
					}
				})
			}
		}
		all.Wait()
	})
}

// TestWire holds what a plaintext conversation looks like on the wire: the
// order and the sizes that the package comment promises.
func TestWire(t *testing.T) {
	onLAN(t, 2, true, goodLink, func(r *rig) {
		var mu sync.Mutex
		var seen []string
		for i, s := range r.taps {
			s.watch(func(b []byte, _ netip.AddrPort) bool {
				mu.Lock()
				defer mu.Unlock()
				kind := fmt.Sprintf("%#02x", b[0])
				seen = append(seen, fmt.Sprint([]string{"member ", "host "}[i], kind, " ", len(b)))
				return true
			})
		}
		r.connect()
		time.Sleep(10 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		want := []string{"member 0x01 1200", "host 0x02 29", "member 0x01 1200", "host 0x04 1200", "member 0x5c 1200"}
		if len(seen) < 5 || !slices.Equal(seen[:5], want) {
			t.Errorf("on the wire: %q", seen)
		}
	})
}
