package udp

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"parley/transport"
)

// hotPair is two links that hand each other packets at once.
type hotPair struct {
	a, b *link
	now  instant
	buf  [largePacket]byte
	msg  [100]byte
	into []byte
}

func newHotPair(tb testing.TB, plain bool) *hotPair {
	s := newSim(tb, 1, plain, wire{delay: 50 * microsecond})
	s.run(second, nil)
	return &hotPair{a: s.links[0], b: s.links[1], now: s.now, into: make([]byte, 0, largePacket)}
}

// round sends a message each way and everything that this brings about.
func (p *hotPair) round(tb testing.TB) {
	p.a.push(transport.Ordered, p.msg[:])
	p.b.push(transport.Unordered, p.msg[:])
	for range 3 {
		p.now += 100 * microsecond
		p.pass(p.a, p.b)
		p.pass(p.b, p.a)
	}
	p.now += ackDelay
	p.pass(p.a, p.b)
	p.pass(p.b, p.a)
	for _, l := range []*link{p.a, p.b} {
		msg, ok := l.pop(p.into)
		if p.into = msg; !ok || len(msg) != len(p.msg) {
			tb.Fatalf("received %d bytes", len(msg))
		}
	}
}

func (p *hotPair) pass(from, to *link) {
	from.tick(p.now)
	for {
		b, _ := from.poll(p.buf[:0], p.now)
		if b == nil {
			break
		}
		to.handle(b, to.peer, p.now)
	}
	from.wake(p.now)
	to.restless(p.now)
}

// TestLinksDoNotAllocate: sending, sealing, opening, acknowledging, receiving.
func TestLinksDoNotAllocate(t *testing.T) {
	for _, plain := range []bool{true, false} {
		p := newHotPair(t, plain)
		for range 200 {
			p.round(t)
		}
		if n := testing.AllocsPerRun(1000, func() { p.round(t) }); n != 0 && !raceEnabled {
			t.Errorf("plain %v: %v allocations for a message each way", plain, n)
		}
		if lost := p.a.stats.Lost + p.b.stats.Lost; lost > 0 {
			t.Errorf("plain %v: %d packets lost", plain, lost)
		}
	}
}

// BenchmarkLink sends and receives a message of 200 bytes, a packet, and
// acknowledges every second.
func BenchmarkLink(b *testing.B) {
	for name, plain := range map[string]bool{"sealed": false, "plaintext": true} {
		b.Run(name, func(b *testing.B) {
			p := newHotPair(b, plain)
			msg := make([]byte, 200)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				p.now += 20 * microsecond
				p.a.push(transport.Ordered, msg)
				p.pass(p.a, p.b)
				p.pass(p.b, p.a)
				var ok bool
				if p.into, ok = p.b.pop(p.into); !ok {
					b.Fatal("nothing came")
				}
			}
		})
	}
}

// loop is a net.PacketConn without a system: what is written to one end can be
// read from the other. It allocates nothing.
type loop struct {
	in, out chan *[]byte
	free    chan *[]byte
	at, to  *net.UDPAddr
	closed  chan struct{}
}

func newLoop() (a, b *loop) {
	one, two, free := make(chan *[]byte, 256), make(chan *[]byte, 256), make(chan *[]byte, 1024)
	x, y := net.UDPAddrFromAddrPort(clientAddr), net.UDPAddrFromAddrPort(serverAddr)
	a = &loop{in: one, out: two, free: free, at: x, to: y, closed: make(chan struct{})}
	b = &loop{in: two, out: one, free: free, at: y, to: x, closed: make(chan struct{})}
	for range cap(free) {
		buf := make([]byte, 0, 2048)
		free <- &buf
	}
	return a, b
}

func (l *loop) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-l.in:
		n := copy(b, *p)
		l.free <- p
		return n, l.to, nil
	case <-l.closed:
		return 0, nil, net.ErrClosed
	}
}

func (l *loop) WriteTo(b []byte, _ net.Addr) (int, error) {
	select {
	case p := <-l.free:
		*p = append((*p)[:0], b...)
		select {
		case l.out <- p:
		default:
			l.free <- p // full: lost
		}
	default:
	}
	return len(b), nil
}

func (l *loop) Close() error                     { close(l.closed); return nil }
func (l *loop) LocalAddr() net.Addr              { return l.at }
func (l *loop) SetDeadline(time.Time) error      { return nil }
func (l *loop) SetReadDeadline(time.Time) error  { return nil }
func (l *loop) SetWriteDeadline(time.Time) error { return nil }

// endpointPair connects two endpoints over the given sockets.
func endpointPair(tb testing.TB, plain bool, x, y net.PacketConn) (a, b transport.Conn) {
	ends := [2]*Endpoint{{Socket: x, Plaintext: plain}, {Socket: y, Plaintext: plain}}
	for _, e := range ends {
		tb.Cleanup(func() { e.Close() })
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	accepted := make(chan transport.Conn, 1)
	go func() {
		c, err := ends[1].Accept(ctx)
		if err != nil {
			tb.Errorf("accept: %v", err)
		}
		accepted <- c
	}()
	a, err := ends[0].Dial(ctx, netip.AddrPortFrom(addrOf(y).Addr().Unmap(), addrOf(y).Port()))
	if err != nil {
		tb.Fatal(err)
	}
	return a, <-accepted
}

func addrOf(pc net.PacketConn) netip.AddrPort { return pc.LocalAddr().(*net.UDPAddr).AddrPort() }

// TestConnDoesNotAllocate: a message there and one back, sockets apart. What a
// net.PacketConn asks for is an address on the heap for each datagram; a socket
// of the system is written to and read from without.
func TestConnDoesNotAllocate(t *testing.T) {
	for _, plain := range []bool{true, false} {
		x, y := newLoop()
		a, b := endpointPair(t, plain, x, y)
		ctx, msg := context.Background(), make([]byte, 100)
		round := func() {
			for _, way := range [][2]transport.Conn{{a, b}, {b, a}} {
				if err := way[0].Send(ctx, msg); err != nil {
					t.Fatal(err)
				}
				if _, err := way[1].Receive(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 500 {
			round()
		}
		before := a.(*Conn).Stats().Sent + b.(*Conn).Stats().Sent
		const runs = 1000
		n := testing.AllocsPerRun(runs, round)
		packets := float64(a.(*Conn).Stats().Sent+b.(*Conn).Stats().Sent-before) / (runs + 1)
		t.Logf("plain %v: %.1f allocations, %.1f packets for a message each way", plain, n, packets)
		if n > 2*packets && !raceEnabled { // the address, which is two objects
			t.Errorf("plain %v: %v allocations for %.1f packets", plain, n, packets)
		}
	}
}

// TestSocketsDoNotAllocate is the same over sockets of the system, where there
// is no address on the heap, with one message each way and with many.
func TestSocketsDoNotAllocate(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux is asked for datagrams without package net")
	}
	for _, plain := range []bool{true, false} {
		x, y := systemSockets(t)
		a, b := endpointPair(t, plain, x, y)
		ctx, msgs := context.Background(), make([][]byte, 32)
		for i := range msgs {
			msgs[i] = make([]byte, 200)
		}
		for _, batch := range []int{1, len(msgs)} {
			round := func() {
				for _, way := range [][2]transport.Conn{{a, b}, {b, a}} {
					if err := way[0].(transport.Batcher).SendBatch(ctx, msgs[:batch]); err != nil {
						t.Fatal(err)
					}
					for range batch {
						if _, err := way[1].Receive(ctx); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			for range 500 {
				round()
			}
			if n := testing.AllocsPerRun(500, round); n >= 1 && !raceEnabled {
				t.Errorf("plain %v: %v allocations for %d messages each way", plain, n, batch)
			}
		}
	}
}

func systemSockets(tb testing.TB) (x, y net.PacketConn) {
	var both [2]net.PacketConn
	for i := range both {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		both[i] = pc
	}
	return both[0], both[1]
}

// BenchmarkConn is messages over loopback: one there and one back, and as many
// as fit one way.
func BenchmarkConn(b *testing.B) {
	for name, plain := range map[string]bool{"sealed": false, "plaintext": true} {
		b.Run(name+"/ping pong of 100 bytes", func(b *testing.B) {
			x, y := systemSockets(b)
			p, q := endpointPair(b, plain, x, y)
			ctx, msg := context.Background(), make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				for _, way := range [][2]transport.Conn{{p, q}, {q, p}} {
					if err := way[0].Send(ctx, msg); err != nil {
						b.Fatal(err)
					}
					if _, err := way[1].Receive(ctx); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		for _, size := range []int{100, 16 << 10} {
			b.Run(name+"/one way "+map[int]string{100: "100 bytes", 16 << 10: "16 KiB"}[size], func(b *testing.B) {
				x, y := systemSockets(b)
				p, q := endpointPair(b, plain, x, y)
				ctx, msg := context.Background(), make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				done := make(chan error, 1)
				b.ResetTimer()
				go func() {
					for range b.N {
						if err := p.Send(ctx, msg); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for range b.N {
					if _, err := q.Receive(ctx); err != nil {
						b.Fatal(err)
					}
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
