package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// output gathers the datagrams of one turn, so that they leave together.
type output struct {
	buf   [burst * largePacket]byte
	n     int
	parts []part
}

var outputs = sync.Pool{New: func() any { return new(output) }}

// part is a datagram in output.buf.
type part struct {
	from, to int
	addr     netip.AddrPort
}

// gather takes what l wants sent; full tells that there may be more. The
// link's mutex is held.
func (o *output) gather(l *link, now instant) (full bool) {
	o.n, o.parts = 0, o.parts[:0]
	for len(o.parts) < burst {
		b, to := l.poll(o.buf[o.n:o.n:o.n+largePacket], now)
		if b == nil {
			return false
		}
		o.parts = append(o.parts, part{o.n, o.n + len(b), to})
		o.n += len(b)
	}
	return true
}

// flush sends what was gathered. A datagram that the system will not take is
// a lost datagram. It tells whether there were any, and whether one was taken.
func (o *output) flush(pc net.PacketConn, fast *fastSocket) (tried, took bool) {
	tried = len(o.parts) > 0
	for parts := o.parts; len(parts) > 0; {
		p := parts[0]
		size, n := p.to-p.from, 1
		for n < len(parts) && parts[n].addr == p.addr && parts[n-1].to-parts[n-1].from == size && parts[n].to-parts[n].from <= size {
			n++
		}
		whole := o.buf[p.from:parts[n-1].to]
		joined, err := false, error(nil)
		if n > 1 {
			joined, err = fast.writeSegments(whole, size, p.addr)
		}
		took = took || joined && !refusal(err)
		for i := 0; i < n && !joined; i++ {
			took = !refusal(fast.write(pc, o.buf[parts[i].from:parts[i].to], p.addr)) || took
		}
		parts = parts[n:]
	}
	o.parts = o.parts[:0]
	return tried, took
}

// refusal tells an error by which the system will not send to a peer, such as no
// route, no address of our own or a firewall, from those that say nothing of the
// path: a full buffer, a datagram too long, another one that was refused.
func refusal(err error) bool {
	for _, passing := range []error{nil, syscall.EAGAIN, syscall.ENOBUFS, syscall.EMSGSIZE, syscall.ECONNREFUSED, net.ErrClosed} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return true
}

// fastSocket does with a system's UDP socket what a net.PacketConn cannot:
// without allocation, and several datagrams in one call where the system has
// that. The zero value does as any PacketConn does.
type fastSocket struct {
	udp   *net.UDPConn // nil: not the system's
	raw   *rawSocket   // nil: writes may wait
	split atomic.Bool  // the system cuts what is sent
	buf   []byte       // for read, like one
	one   [1]received
}

func newFastSocket(pc net.PacketConn) *fastSocket {
	s := &fastSocket{}
	if s.udp, _ = pc.(*net.UDPConn); s.udp != nil {
		// The default holds under a hundred datagrams. Where the system
		// allows no more than some limit, it takes that.
		s.udp.SetReadBuffer(socketBuffer)
		s.udp.SetWriteBuffer(socketBuffer)
		s.tune()
	}
	return s
}

// received is a datagram, or several of size bytes each but the last.
type received struct {
	b    []byte
	size int
	from netip.AddrPort
}

// read waits for datagrams and gives what is there, until there is an error or
// give returns false, or once. What it gives is only valid during the call.
func (s *fastSocket) read(pc net.PacketConn, give func([]received) bool) (err error) {
	if s.raw != nil {
		return s.readMany(give)
	}
	if s.buf == nil {
		s.buf = make([]byte, 2<<10) // a longer datagram is none of ours
	}
	var n int
	var from netip.AddrPort
	if s.udp != nil {
		n, from, err = s.udp.ReadFromUDPAddrPort(s.buf)
	} else {
		var addr net.Addr
		n, addr, err = pc.ReadFrom(s.buf)
		if a, ok := addr.(*net.UDPAddr); ok {
			from = a.AddrPort()
		}
	}
	if err == nil && n > 0 {
		s.one[0] = received{s.buf[:n], n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
		give(s.one[:])
	}
	return err
}

// write sends b, or loses it where the system has no room for it now: one who
// waited would hold up everybody else.
func (s *fastSocket) write(pc net.PacketConn, b []byte, to netip.AddrPort) (err error) {
	switch {
	case s.raw != nil:
		err = s.writeNow(b, 0, to)
	case s.udp != nil:
		_, err = s.udp.WriteToUDPAddrPort(b, to)
	default:
		_, err = pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
	return err
}
