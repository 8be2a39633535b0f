package transporttest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// inboxSize is how many datagrams wait in a socket for a ReadFrom: about what
// a kernel's usual 208 KiB hold of small ones.
const inboxSize = 512

// maxDatagram is the largest payload of an IPv4 datagram.
const maxDatagram = 65507

// packetConn is a socket for datagrams.
type packetConn struct {
	machine *Machine
	network string
	at      binding
	shared  bool
	inbox   chan datagram
	closed  chan struct{} // closed with lan.mu held
	reading deadline
	writing deadline
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

func newPacketConn(m *Machine, network string, at binding, shared bool) *packetConn {
	return &packetConn{machine: m, network: network, at: at, shared: shared,
		inbox: make(chan datagram, inboxSize), closed: make(chan struct{})}
}

func (s *packetConn) opError(op string, to net.Addr, err error) error {
	return &net.OpError{Op: op, Net: s.network, Source: s.LocalAddr(), Addr: to, Err: err}
}

func (s *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(s.at.AddrPort) }

func (s *packetConn) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	over := s.reading.over()
	select { // a deadline or the end go before what is there
	case <-s.closed:
		return 0, nil, s.opError("read", nil, net.ErrClosed)
	case <-over:
		return 0, nil, s.opError("read", nil, os.ErrDeadlineExceeded)
	default:
	}
	select {
	case d := <-s.inbox:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-s.closed:
		return 0, nil, s.opError("read", nil, net.ErrClosed)
	case <-over:
		return 0, nil, s.opError("read", nil, os.ErrDeadlineExceeded)
	}
}

func (s *packetConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, s.opError("write", addr, &net.AddrError{Err: "not a UDP address", Addr: addr.String()})
	}
	to := udp.AddrPort()
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	s.machine.lan.mu.Lock()
	defer s.machine.lan.mu.Unlock()
	from, err := s.from(to.Addr())
	switch {
	case s.isClosed():
		err = net.ErrClosed
	case err == nil && len(b) > maxDatagram:
		err = os.NewSyscallError("sendto", syscall.EMSGSIZE)
	}
	if err != nil {
		return 0, s.opError("write", addr, err)
	}
	s.machine.transmit(netip.AddrPortFrom(from, s.at.Port()), to, slices.Clone(b))
	return len(b), nil
}

// from returns the address that a datagram to the given one comes from.
func (s *packetConn) from(to netip.Addr) (netip.Addr, error) {
	unreachable := os.NewSyscallError("sendto", syscall.ENETUNREACH)
	if s.at.Addr().Is4() != to.Is4() && !(s.at.Addr().IsUnspecified() && s.at.dual) {
		return netip.Addr{}, unreachable
	}
	if s.machine.has(to) && s.at.Addr().IsUnspecified() {
		return to, nil
	}
	source, ok := s.machine.source(to)
	if !ok {
		return netip.Addr{}, unreachable
	}
	if own := s.at.Addr(); !own.IsUnspecified() && !own.IsMulticast() {
		if !s.machine.local(own) || own.IsLoopback() && !to.IsLoopback() && !s.machine.has(to) {
			return netip.Addr{}, unreachable
		}
		source = own
	}
	return source, nil
}

// transmit sends a datagram to all whom its address means.
func (m *Machine) transmit(from, to netip.AddrPort, data []byte) {
	l, ip := m.lan, to.Addr()
	switch {
	case ip == netip.AddrFrom4([4]byte{127, 255, 255, 255}):
		m.carry(m, from, to, data, true)
	case ip.IsLoopback() || m.has(ip):
		m.carry(m, from, to, data, false)
	case ip.IsMulticast() || ip == limitedBroadcast:
		for _, other := range l.machines {
			m.carry(other, from, to, data, true)
		}
	case m.isBroadcast(ip):
		for _, other := range l.machines {
			if other.isBroadcast(ip) {
				m.carry(other, from, to, data, true)
			}
		}
	default:
		if other := l.owner(ip); other != nil {
			m.carry(other, from, to, data, false)
			return
		}
		l.total.Sent++
		l.total.Nowhere++
	}
}

func (m *Machine) isBroadcast(ip netip.Addr) bool {
	return slices.ContainsFunc(m.prefixes, func(p netip.Prefix) bool { return broadcastOf(p) == ip })
}

// carry takes one datagram to one machine, as well as the link lets it. It
// draws the same number of random values for each, so that what happens to a
// datagram does not depend on the link that earlier ones had.
func (m *Machine) carry(other *Machine, from, to netip.AddrPort, data []byte, toAll bool) {
	l := m.lan
	p, link := l.pair(m, other), l.linkOf(m, other)
	var draw [7]float64
	for i := range draw {
		draw[i] = p.rng.Float64()
	}
	l.count(p, func(c *Counts) *int { return &c.Sent }, 1)
	switch {
	case link.Cut:
		l.count(p, func(c *Counts) *int { return &c.Cut }, 1)
		return
	case link.MTU > 0 && len(data) > link.MTU:
		l.count(p, func(c *Counts) *int { return &c.TooBig }, 1)
		return
	case draw[0] < link.Loss:
		l.count(p, func(c *Counts) *int { return &c.Lost }, 1)
		return
	}
	data = slices.Clone(data) // receivers of a broadcast share nothing
	if draw[1] < link.Corrupt && len(data) > 0 {
		bit := int(draw[2] * float64(8*len(data)))
		data[bit/8] ^= 1 << (bit % 8)
		l.count(p, func(c *Counts) *int { return &c.Corrupted }, 1)
	}
	wait := link.Delay + time.Duration(draw[3]*float64(link.Jitter))
	if draw[4] < link.Reorder {
		wait += time.Millisecond + 2*(link.Delay+link.Jitter)
		l.count(p, func(c *Counts) *int { return &c.Reordered }, 1)
	}
	number := p.counts.Sent
	arrive := func() {
		if number < p.newest {
			l.count(p, func(c *Counts) *int { return &c.Overtaken }, 1)
		}
		p.newest = max(p.newest, number)
		other.deliver(p, from, to, data, toAll)
	}
	l.after(wait, arrive)
	if draw[5] < link.Dup {
		l.count(p, func(c *Counts) *int { return &c.Duplicated }, 1)
		l.after(link.Delay+time.Duration(draw[6]*float64(link.Jitter)), arrive)
	}
}

// deliver puts a datagram that has arrived into the sockets it is for.
func (m *Machine) deliver(p *pair, from, to netip.AddrPort, data []byte, toAll bool) {
	if from.Addr().IsLinkLocalUnicast() && from.Addr().Is6() {
		from = netip.AddrPortFrom(from.Addr().WithZone("eth0"), from.Port())
	}
	found := false
	for _, s := range slices.Backward(m.sockets) {
		if s.at.Port() != to.Port() || !s.at.hears(to.Addr()) {
			continue
		}
		found = true
		select {
		case s.inbox <- datagram{from, slices.Clone(data)}:
			m.lan.count(p, func(c *Counts) *int { return &c.Delivered }, 1)
		default:
			m.lan.count(p, func(c *Counts) *int { return &c.Overflowed }, 1)
		}
		if !toAll {
			break
		}
	}
	if !found && !toAll {
		m.lan.count(p, func(c *Counts) *int { return &c.Nowhere }, 1)
	}
}

func (s *packetConn) Close() error {
	s.machine.lan.mu.Lock()
	defer s.machine.lan.mu.Unlock()
	if s.isClosed() {
		return s.opError("close", nil, net.ErrClosed)
	}
	s.close()
	return nil
}

func (s *packetConn) close() {
	close(s.closed)
	s.reading.set(time.Time{})
	s.writing.set(time.Time{})
	s.machine.sockets = slices.DeleteFunc(s.machine.sockets, func(o *packetConn) bool { return o == s })
}

func (s *packetConn) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *packetConn) SetReadDeadline(t time.Time) error {
	if s.isClosed() {
		return s.opError("set", nil, net.ErrClosed)
	}
	s.reading.set(t)
	return nil
}

// SetWriteDeadline does nothing that shows: WriteTo never waits.
func (s *packetConn) SetWriteDeadline(t time.Time) error { return nil }
