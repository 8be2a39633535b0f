package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// output gathers the datagrams of one turn, or of several Conns' turns, so that
// they leave together.
type output struct {
	buf    [burst * largePacket]byte
	n      int
	parts  []part
	turns  []turn
	trains []train
}

var outputs = sync.Pool{New: func() any { return new(output) }}

// part is a datagram in output.buf.
type part struct {
	from, to int
	addr     netip.AddrPort
}

// turn is a Conn's part in an output.
type turn struct {
	c           *Conn
	now, at     instant // when it began, and when the next is due
	end         int     // of its parts
	full        bool    // there may be more
	tried, took bool    // there were datagrams, and one was taken by the system
}

// train is datagrams to one address that may leave as one: of size bytes each but
// the last.
type train struct {
	b    []byte
	size int
	addr netip.AddrPort
	turn int
	err  error
}

// gather takes what l wants sent; full tells that there may be more. The
// link's mutex is held.
func (o *output) gather(l *link, now instant) (full bool) {
	for o.n+largePacket <= len(o.buf) {
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
// a lost datagram. Each turn learns whether there were any, and whether one was taken.
func (o *output) flush(pc net.PacketConn, fast *fastSocket) {
	joins, at := fast.joins(), 0
	for i := range o.turns {
		t := &o.turns[i]
		for t.tried = at < t.end; at < t.end; {
			p, n := o.parts[at], at+1
			size := p.to - p.from
			for joins && n < t.end && o.parts[n].addr == p.addr && o.parts[n-1].to-o.parts[n-1].from == size && o.parts[n].to-o.parts[n].from <= size {
				n++
			}
			o.trains = append(o.trains, train{b: o.buf[p.from:o.parts[n-1].to], size: size, addr: p.addr, turn: i})
			at = n
		}
	}
	fast.writeTrains(pc, o.trains)
	for i := range o.trains {
		t := &o.turns[o.trains[i].turn]
		t.took = t.took || !refusal(o.trains[i].err)
	}
}

// reset forgets what was gathered.
func (o *output) reset() {
	clear(o.turns) // let go of the Conns
	o.n, o.parts, o.turns, o.trains = 0, o.parts[:0], o.turns[:0], o.trains[:0]
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

	// damage is what stands before the socket and befalls what is written, as long
	// as it does anything; nil: nothing does.
	damage *Impaired
	one    [1]received
}

func newFastSocket(pc net.PacketConn) *fastSocket {
	s := &fastSocket{}
	if s.damage, _ = pc.(*Impaired); s.damage != nil {
		pc = s.damage.PacketConn
	}
	if s.udp, _ = pc.(*net.UDPConn); s.udp != nil {
		// The default holds under a hundred datagrams. Where the system
		// allows no more than some limit, it takes that.
		s.udp.SetReadBuffer(socketBuffer)
		s.udp.SetWriteBuffer(socketBuffer)
		s.tune()
	}
	return s
}

// joins tells whether several datagrams can leave as one.
func (s *fastSocket) joins() bool { return s.raw != nil && s.split.Load() && !s.damaged() }

// damaged tells whether something befalls what is written.
func (s *fastSocket) damaged() bool { return s.damage != nil && s.damage.harms.Load() }

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

// writeTrains sends trains, as many in a call as the system takes, and notes
// what became of each.
func (s *fastSocket) writeTrains(pc net.PacketConn, trains []train) {
	if s.raw != nil && !s.damaged() {
		s.writeNow(trains)
	} else {
		for i := range trains {
			trains[i].err = s.write(pc, trains[i].b, trains[i].addr)
		}
	}
}

// write sends b, or loses it where the system has no room for it now: one who
// waited would hold up everybody else.
func (s *fastSocket) write(pc net.PacketConn, b []byte, to netip.AddrPort) (err error) {
	switch {
	case s.damaged():
		_, err = s.damage.WriteTo(b, net.UDPAddrFromAddrPort(to))
	case s.raw != nil:
		one := [...]train{{b: b, size: len(b), addr: to}}
		s.writeNow(one[:])
		err = one[0].err
	case s.udp != nil:
		_, err = s.udp.WriteToUDPAddrPort(b, to)
	default:
		_, err = pc.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
	return err
}
