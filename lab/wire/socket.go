//go:build !nolab

package wire

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// socket is what all kinds of sockets have in common: an endpoint of the
// stack, which never waits, and the waiting.
type socket struct {
	host    *Host
	network string
	ep      tcpip.Endpoint
	wq      *waiter.Queue

	closing sync.Once
	closed  chan struct{}
	read    deadline
	write   deadline
}

func newSocket(h *Host, network string, ep tcpip.Endpoint, wq *waiter.Queue) *socket {
	return &socket{host: h, network: network, ep: ep, wq: wq, closed: make(chan struct{})}
}

// await calls try until it would not block. What is over goes before what is
// there, so that it does not matter which of them woke us.
func (s *socket) await(d *deadline, events waiter.EventMask, call string, try func() tcpip.Error) error {
	entry, ready := waiter.NewChannelEntry(events | waiter.EventErr | waiter.EventHUp)
	registered := false
	for {
		over := d.over()
		if isClosed(s.closed) || isClosed(s.host.lan.stop) {
			return net.ErrClosed
		}
		if isClosed(over) {
			return os.ErrDeadlineExceeded
		}
		err := try()
		if _, blocked := err.(*tcpip.ErrWouldBlock); !blocked {
			s.host.touch()
			return netError(call, err)
		}
		if !registered {
			registered = true
			s.wq.EventRegister(&entry)
			defer s.wq.EventUnregister(&entry)
			continue // it may have become ready meanwhile
		}
		select {
		case <-ready:
		case <-over:
		case <-s.closed:
		case <-s.host.lan.stop:
		}
	}
}

// opError wraps an error as the net package does; io.EOF it leaves alone.
func (s *socket) opError(op string, to net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: s.network, Source: s.LocalAddr(), Addr: to, Err: err}
}

// Close ends all waiting. What was written is still sent.
func (s *socket) Close() error {
	err := s.opError("close", nil, net.ErrClosed)
	s.closing.Do(func() {
		err = nil
		close(s.closed)
		s.ep.Close()
		s.host.touch()
	})
	return err
}

// LocalAddr returns a *net.UDPAddr or *net.TCPAddr.
func (s *socket) LocalAddr() net.Addr {
	a, _ := s.ep.GetLocalAddress()
	return s.addr(a)
}

// addr returns an address as the net package has it for the socket's network.
func (s *socket) addr(a tcpip.FullAddress) net.Addr {
	ap := addrPort(a)
	if s.network[:3] == "tcp" {
		return net.TCPAddrFromAddrPort(ap)
	}
	return net.UDPAddrFromAddrPort(ap)
}

func addrPort(a tcpip.FullAddress) netip.AddrPort {
	if a.Addr.Len() != 4 {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr.As4()), a.Port)
}

func fullAddress(ap netip.AddrPort) tcpip.FullAddress {
	a := tcpip.FullAddress{Port: ap.Port()}
	if ip := ap.Addr().Unmap(); ip.Is4() && !ip.IsUnspecified() {
		a.Addr = tcpip.AddrFrom4(ip.As4())
	}
	return a
}

// SetDeadline implements net.Conn and net.PacketConn.
func (s *socket) SetDeadline(t time.Time) error {
	s.read.set(t)
	s.write.set(t)
	return nil
}

// SetReadDeadline implements net.Conn and net.PacketConn.
func (s *socket) SetReadDeadline(t time.Time) error { s.read.set(t); return nil }

// SetWriteDeadline implements net.Conn and net.PacketConn.
func (s *socket) SetWriteDeadline(t time.Time) error { s.write.set(t); return nil }

// deadline is a channel that is closed at an instant, which may change.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	done  chan struct{}
}

// over returns the channel.
func (d *deadline) over() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = make(chan struct{})
	}
	return d.done
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() && d.done != nil {
		<-d.done // it has run out, or is about to
	}
	d.timer = nil
	if d.done == nil || isClosed(d.done) {
		d.done = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	done := d.done
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(done) })
		return
	}
	close(done)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// aLongTimeAgo is a deadline that ends whatever waits.
var aLongTimeAgo = time.Unix(1, 0)

// ctxError prefers why a context ended to what its end did to a call.
func ctxError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
