package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// rig is endpoints on a LAN in memory, in a bubble of virtual time.
type rig struct {
	t     *testing.T
	lan   *transporttest.LAN
	ends  []*Endpoint
	hosts []*transporttest.Machine
	taps  []*tap
	at    []netip.AddrPort

	leaving []func() // what else ends with the test
}

// tap is a socket that shows what passes, and may drop it.
type tap struct {
	net.PacketConn
	mu   sync.Mutex
	out  func(b []byte, to netip.AddrPort) bool // false: drop
	sent int
	size int
	in   int // bytes received
}

func (s *tap) WriteTo(b []byte, to net.Addr) (int, error) {
	s.mu.Lock()
	s.sent, s.size = s.sent+1, s.size+len(b)
	pass := s.out == nil || s.out(b, to.(*net.UDPAddr).AddrPort())
	s.mu.Unlock()
	if !pass {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, to)
}

func (s *tap) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(b)
	s.mu.Lock()
	s.in += n
	s.mu.Unlock()
	return n, from, err
}

func (s *tap) watch(out func(b []byte, to netip.AddrPort) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = out
}

// onLAN runs test in a bubble, with n endpoints; no goroutine may be left.
func onLAN(t *testing.T, n int, plain bool, link transporttest.Link, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, lan: transporttest.NewLAN(1, link)}
		for i := range n {
			r.add(i, plain)
		}
		test(r)
		for _, e := range r.ends {
			e.Close()
		}
		for _, f := range r.leaving {
			f()
		}
	})
}

func (r *rig) add(i int, plain bool) *Endpoint {
	m := r.lan.Machine(fmt.Sprint("m", i), fmt.Sprintf("10.0.0.%d/24", 1+i))
	pc, err := m.ListenPacket(context.Background(), "udp4", ":7667")
	if err != nil {
		r.t.Fatal(err)
	}
	s := &tap{PacketConn: pc}
	e := &Endpoint{Socket: s, Plaintext: plain}
	r.ends, r.hosts, r.taps = append(r.ends, e), append(r.hosts, m), append(r.taps, s)
	r.at = append(r.at, netip.AddrPortFrom(m.Addr(), 7667))
	return e
}

// connect has end 0 dial end 1.
func (r *rig) connect() (a, b *Conn) {
	r.t.Helper()
	return r.dial(0, 1)
}

func (r *rig) dial(from, to int) (a, b *Conn) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	accepted := make(chan transport.Conn, 1)
	go func() {
		c, err := r.ends[to].Accept(ctx)
		if err != nil {
			r.t.Errorf("accept: %v", err)
			close(accepted)
			return
		}
		accepted <- c
	}()
	c, err := r.ends[from].Dial(ctx, r.at[to])
	if err != nil {
		r.t.Fatalf("dial: %v", err)
	}
	host, ok := <-accepted
	if !ok {
		r.t.FailNow()
	}
	return c.(*Conn), host.(*Conn)
}

// talk sends messages from to to-1 and wants them to arrive.
func (r *rig) talk(a, b *Conn, from, to int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		for n := from; n < to; n++ {
			if err := a.Send(ctx, simMessage(n, 300)); err != nil {
				done <- fmt.Errorf("send %d: %w", n, err)
				return
			}
		}
		done <- nil
	}()
	for n := from; n < to; n++ {
		msg, err := b.Receive(ctx)
		if err != nil || simNumber(msg) != n {
			r.t.Fatalf("message %d: received %d bytes, %v", n, len(msg), err)
		}
	}
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

// bothModes runs a test with keys and without.
func bothModes(t *testing.T, test func(t *testing.T, plain bool)) {
	t.Run("secure", func(t *testing.T) { test(t, false) })
	t.Run("plaintext", func(t *testing.T) { test(t, true) })
}

var goodLink = transporttest.Link{Delay: 500 * time.Microsecond, Jitter: 200 * time.Microsecond}

// TestMove: a machine gets another address in the middle of a conversation,
// the member's and then the host's, and it goes on.
func TestMove(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		onLAN(t, 2, plain, goodLink, func(r *rig) {
			a, b := r.connect()
			r.talk(a, b, 0, 50)
			r.talk(b, a, 0, 50)
			r.hosts[0].Move("10.0.0.77/24")
			r.talk(a, b, 50, 100)
			r.talk(b, a, 50, 100)
			if got := b.Peer().Addr.Addr().String(); got != "10.0.0.77" {
				t.Errorf("the member is at %v for the host", got)
			}
			r.hosts[1].Move("10.0.0.88/24")
			r.talk(b, a, 100, 150)
			r.talk(a, b, 100, 150)
			if got := a.Peer().Addr.Addr().String(); got != "10.0.0.88" {
				t.Errorf("the host is at %v for the member", got)
			}
			r.hosts[0].Move("10.0.0.99/24") // and while nobody speaks
			time.Sleep(20 * time.Second)
			r.talk(b, a, 150, 200)
		})
	})
}

// TestCopier: somebody copies every datagram and sends it from his own address,
// faster than the original. He gets no more than challenges for it.
func TestCopier(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		link := goodLink
		link.Delay = 5 * time.Millisecond
		onLAN(t, 2, plain, link, func(r *rig) {
			a, b := r.connect()
			r.talk(a, b, 0, 10)
			m := r.lan.Machine("mallory", "10.0.0.66/24")
			mallory, err := m.ListenPacket(context.Background(), "udp4", ":666")
			if err != nil {
				t.Fatal(err)
			}
			defer mallory.Close()
			fast := transporttest.Link{Delay: time.Millisecond}
			r.lan.Set(m, r.hosts[0], fast)
			r.lan.Set(m, r.hosts[1], fast)
			for _, s := range r.taps {
				s.watch(func(b []byte, to netip.AddrPort) bool {
					if to.Addr() != m.Addr() {
						mallory.WriteTo(slices.Clone(b), net.UDPAddrFromAddrPort(to))
					}
					return true
				})
			}
			r.talk(a, b, 10, 300)
			r.talk(b, a, 0, 300)
			if a.Peer().Addr != r.at[1] || b.Peer().Addr != r.at[0] {
				t.Errorf("the peers are at %v and %v", a.Peer().Addr, b.Peer().Addr)
			}
			for i := range 2 {
				got := r.lan.CountsOf(r.hosts[i], m).Sent
				t.Logf("end %d sent him %d datagrams", i, got)
				if got > 60 {
					t.Errorf("end %d sent the copier %d datagrams", i, got)
				}
			}
		})
	})
}

// TestNarrowFromTheStart: over a path that does not carry 1200 bytes, no Conn
// comes into being, and Dial says so when its time is over.
func TestNarrowFromTheStart(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		link := goodLink
		link.MTU = 1000
		onLAN(t, 2, plain, link, func(r *rig) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			begin := time.Now()
			_, err := r.ends[0].Dial(ctx, r.at[1])
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		})
		for _, mtu := range []int{1280, 1200} {
			link.MTU = mtu
			onLAN(t, 2, plain, link, func(r *rig) {
				a, b := r.connect()
				r.talk(a, b, 0, 300)
				r.talk(b, a, 0, 300)
			})
		}
	})
}

// pop reads the next message received into b.
func (l *link) pop(b []byte) (msg []byte, ok bool) {
	if l.ready.len() == 0 {
		return b, false
	}
	msg = l.take(b[:0], 0)
	return msg[:copy(msg, msg[4:])], true
}
