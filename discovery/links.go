package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Interface is an interface of the machine with its addresses.
type Interface struct {
	Index    int
	Name     string
	Flags    net.Flags
	Prefixes []netip.Prefix // each the address itself, with the length of its network's prefix
}

// Net is the network as discovery needs it; [System] is the machine's own.
type Net interface {
	// Interfaces lists the interfaces as they are now.
	Interfaces() ([]Interface, error)

	// ListenPacket opens a socket of one of three kinds, told apart by the
	// address. Their addresses are *net.UDPAddr, Close ends a pending read,
	// and write deadlines work.
	//
	//	udp4 0.0.0.0:PORT       hears what is broadcast to PORT on any interface
	//	udp6 [ff12::…%IF]:PORT  hears that group on the interface IF
	//	udp4 ADDR:0, udp6 [ADDR%IF]:0
	//	                        sends from that address, by its interface, broadcasts
	//	                        and multicasts too, and hears what comes to it
	//	udp4 ADDR:PORT, udp6 [ADDR]:PORT
	//	                        hears what is sent to that address alone, and
	//	                        answers from it, across routers
	//	udp4 0.0.0.0:0          sends wherever routes lead
	//
	// Those with PORT share it with other programs that ask for it so.
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
}

// group is where those who listen on IPv6 are: a transient group (ff1x) of the
// link (x = 2), numbered "parley".
var group = netip.MustParseAddr("ff12::7061:726c:6579")

const (
	maxLinks   = 32 // interfaces used; more are the inside of virtual switches
	maxPerLink = 4  // IPv4 addresses of one interface
	maxFails   = 3  // in a row before a warning: sockets also fail while an interface comes up
	sendWait   = 100 * time.Millisecond
	maxErrors  = 64 // in reading, before a pause, lest a lasting one spin
	errorWait  = 100 * time.Millisecond
	inboxSize  = 64
)

// links holds the sockets on all interfaces, and reads from them.
type links struct {
	net     Net
	port    uint16
	only    []string
	warn    func(string)
	debug   func(string)
	count   *Counters
	inbox   chan *datagram
	done    chan struct{}
	readers sync.WaitGroup

	direct, far bool // such sockets are wanted

	now     []Interface
	order   []endpoint // of sockets wanted
	sockets map[endpoint]*socket
	failing map[endpoint]int // times in a row
	warned  map[string]bool  // interfaces that were warned about
}

// endpoint is what a socket is for. An interface that was made anew has a new
// index, and its sockets are too: an old one would have lost its group.
type endpoint struct {
	index  int
	link   string
	local  netip.AddrPort // port 0: a private socket
	prefix netip.Prefix   // of a private IPv4 socket
	kind   use
}

// use tells sockets apart that are no part of a link's traffic.
type use int

const (
	onLinks use = iota
	direct      // hears what is sent to one of our addresses
	far         // asks peers, wherever they are
)

type socket struct {
	net.PacketConn
	everyone []net.Addr // where a private socket reaches everyone
}

type datagram struct {
	from netip.AddrPort
	at   netip.Addr // our address that it was sent to, if by a direct socket
	size int
	data [maxDatagram + 1]byte // one more, to know what is too long
}

var datagrams = sync.Pool{New: func() any { return new(datagram) }}

func newLinks(n Net, port uint16, only []string, warn func(string), count *Counters) *links {
	return &links{net: n, port: port, only: only, warn: warn, count: count, inbox: make(chan *datagram, inboxSize),
		done: make(chan struct{}), sockets: map[endpoint]*socket{}, failing: map[endpoint]int{},
		warned: map[string]bool{}}
}

// refresh looks at the interfaces, and closes and opens sockets accordingly. It
// tells whether the usable addresses have changed, and whether there are new ones.
func (l *links) refresh(ctx context.Context) (changed, fresh bool) {
	all, err := l.net.Interfaces()
	if err != nil {
		l.warn(fmt.Sprintf("cannot list the network interfaces: %v", err))
		return false, false
	}
	usable := l.usable(all)
	changed = !slices.EqualFunc(l.now, usable, func(a, b Interface) bool {
		return a.Index == b.Index && a.Name == b.Name && slices.Equal(a.Prefixes, b.Prefixes)
	})
	l.now = usable
	l.order = []endpoint{{local: netip.AddrPortFrom(netip.IPv4Unspecified(), l.port)}}
	for _, i := range usable {
		l.order = append(l.order, endpoints(i, l.port)...)
		if l.direct {
			l.order = append(l.order, doors(i, l.port)...)
		}
	}
	if l.far {
		l.order = append(l.order, endpoint{local: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), kind: far})
	}
	for e, s := range l.sockets {
		if !slices.Contains(l.order, e) {
			s.Close()
			delete(l.sockets, e)
		}
	}
	for e := range l.failing {
		if !slices.Contains(l.order, e) {
			delete(l.failing, e)
		}
	}
	for _, e := range l.order {
		if l.sockets[e] == nil && l.open(ctx, e) {
			fresh = true
		}
	}
	return changed, fresh
}

// usable selects the interfaces to speak on.
func (l *links) usable(all []Interface) (list []Interface) {
	for _, name := range l.only {
		if !slices.ContainsFunc(all, func(i Interface) bool { return i.Name == name }) {
			l.skip(name, "it does not exist")
		}
	}
	for _, i := range all {
		if len(l.only) > 0 && !slices.Contains(l.only, i.Name) {
			continue
		}
		why := ""
		switch {
		case i.Flags&net.FlagUp == 0 && len(l.only) == 0:
			l.debug(skipped(i.Name, "it is down")) // as many are that nobody uses
			continue
		case i.Flags&net.FlagUp == 0:
			why = "it is down"
		case i.Flags&net.FlagPointToPoint != 0:
			why = "it is point-to-point"
		case i.Flags&(net.FlagBroadcast|net.FlagMulticast|net.FlagLoopback) == 0:
			why = "it knows no broadcast"
		case len(list) == maxLinks:
			why = "there are too many"
		default:
			list = append(list, i)
			continue
		}
		l.skip(i.Name, why)
	}
	return list
}

// skip warns about an interface, once.
func (l *links) skip(name, why string) {
	if !l.warned[name] {
		l.warned[name] = true
		l.warn(skipped(name, why))
	}
}

func skipped(name, why string) string {
	return fmt.Sprintf("no discovery on interface %s: %s", name, why)
}

// endpoints lists the sockets for an interface.
func endpoints(i Interface, port uint16) (list []endpoint) {
	six := i.Flags&net.FlagMulticast != 0
	for _, p := range i.Prefixes {
		a := p.Addr()
		switch {
		case a.Is4() && len(list) < maxPerLink && i.Flags&(net.FlagBroadcast|net.FlagLoopback) != 0 &&
			a.IsLoopback() == (i.Flags&net.FlagLoopback != 0):
			list = append(list, endpoint{index: i.Index, link: i.Name, local: netip.AddrPortFrom(a, 0), prefix: p})
		case a.Is6() && a.IsLinkLocalUnicast() && six:
			six = false
			list = append(list,
				endpoint{index: i.Index, link: i.Name, local: netip.AddrPortFrom(a.WithZone(i.Name), 0)},
				endpoint{index: i.Index, link: i.Name, local: netip.AddrPortFrom(group.WithZone(i.Name), port)})
		}
	}
	return list
}

// doors lists the sockets for what is sent to our addresses alone. The system gives
// them what it would else give to any one of the programs that share the port.
func doors(i Interface, port uint16) (list []endpoint) {
	for _, p := range i.Prefixes {
		if p.Addr().Is4() && len(list) < maxPerLink {
			list = append(list, endpoint{index: i.Index, link: i.Name, local: netip.AddrPortFrom(p.Addr(), port), kind: direct})
		}
	}
	return list
}

// everyone lists where to send, from e, what is for all.
func (e endpoint) everyone(port uint16) (list []net.Addr) {
	a := e.local.Addr()
	switch {
	case e.local.Port() != 0, e.kind != onLinks:
		return nil
	case a.Is6():
		return []net.Addr{net.UDPAddrFromAddrPort(netip.AddrPortFrom(group.WithZone(e.link), port))}
	case a.IsLoopback():
		return []net.Addr{net.UDPAddrFromAddrPort(netip.AddrPortFrom(lastOf(e.prefix), port))}
	}
	limited := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), port))
	if e.prefix.Bits() > 30 {
		return []net.Addr{limited}
	}
	return []net.Addr{limited, net.UDPAddrFromAddrPort(netip.AddrPortFrom(lastOf(e.prefix), port))}
}

// lastOf returns the broadcast address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

func (l *links) open(ctx context.Context, e endpoint) bool {
	network := "udp4"
	if e.local.Addr().Is6() {
		network = "udp6"
	}
	conn, err := l.net.ListenPacket(ctx, network, net.JoinHostPort(e.local.Addr().String(), strconv.Itoa(int(e.local.Port()))))
	if err != nil {
		if ctx.Err() == nil {
			l.failed(e, err)
		}
		return false
	}
	delete(l.failing, e)
	s := &socket{conn, e.everyone(l.port)}
	l.sockets[e] = s
	l.readers.Go(func() { l.read(conn, e) })
	return true
}

// failed warns about what has failed several times in a row. Loopback may: it
// is one of several ways to the programs on this machine, and not all systems
// have it.
func (l *links) failed(e endpoint, err error) {
	l.failing[e]++
	switch {
	case l.failing[e] < maxFails || e.local.Addr().IsLoopback():
	case e.kind == direct: // those on the link find us all the same
	case e.kind == far:
		l.warn(fmt.Sprintf("cannot ask the peers: %v", err))
	case e.link == "":
		l.warn(fmt.Sprintf("cannot hear what is announced on port %d: %v", l.port, err))
	default:
		l.skip(e.link, err.Error())
	}
}

// read takes datagrams from one socket until it is closed. A group's socket
// hears on some systems what came by other interfaces, which have their own.
func (l *links) read(conn net.PacketConn, e endpoint) {
	for errs := 0; ; {
		d := datagrams.Get().(*datagram)
		n, addr, err := conn.ReadFrom(d.data[:])
		if err != nil {
			datagrams.Put(d)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if errs++; errs%maxErrors != 0 {
				continue // one datagram too long, or refused by its receiver, as some systems say here
			}
			select {
			case <-time.After(errorWait):
				continue
			case <-l.done:
				return
			}
		}
		from, ok := addr.(*net.UDPAddr)
		if !ok || n > maxDatagram || from.IP.To4() == nil && from.Zone != e.link {
			datagrams.Put(d)
			continue
		}
		ap := from.AddrPort()
		d.from, d.size, d.at = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), n, netip.Addr{}
		if e.kind == direct {
			d.at = e.local.Addr()
		}
		select {
		case l.inbox <- d:
		case <-l.done:
			return
		}
	}
}

// send sends to everyone on every link, or to one address by the socket whose
// network it is on.
func (l *links) send(p packet) {
	if !p.to.IsValid() {
		for _, e := range l.order {
			if s := l.sockets[e]; s != nil && len(s.everyone) > 0 {
				l.broadcast(e, s, p.data)
			}
		}
		return
	}
	var by *socket
	longest := -1
	for _, e := range l.order {
		if p.far && e.kind == far || p.from.IsValid() && e.kind == direct && e.local.Addr() == p.from {
			if s := l.sockets[e]; s != nil {
				l.write(s, p.data, net.UDPAddrFromAddrPort(p.to))
			}
			return
		}
	}
	for _, e := range l.order {
		bits := max(e.prefix.Bits(), 0)
		if s := l.sockets[e]; s != nil && e.reaches(p.to.Addr()) && bits > longest {
			by, longest = s, bits
		}
	}
	if by != nil {
		l.write(by, p.data, net.UDPAddrFromAddrPort(p.to))
	}
}

// broadcast uses all the ways there are from one address. One that works is
// enough.
func (l *links) broadcast(e endpoint, s *socket, data []byte) {
	var failure error
	sent := false
	for _, to := range s.everyone {
		if err := l.write(s, data, to); err != nil {
			failure = err
		} else {
			sent = true
		}
	}
	if sent {
		delete(l.failing, e)
	} else {
		l.failed(e, failure)
	}
}

func (l *links) write(s *socket, data []byte, to net.Addr) error {
	s.SetWriteDeadline(time.Now().Add(sendWait))
	_, err := s.WriteTo(data, to)
	if err == nil {
		l.count.Sent.Add(1)
	}
	return err
}

func (e endpoint) reaches(a netip.Addr) bool {
	if e.local.Port() != 0 || e.kind != onLinks {
		return false
	}
	if a.Is6() {
		return e.local.Addr().Is6() && a.Zone() == e.link
	}
	return e.prefix.IsValid() && e.prefix.Contains(a)
}

// close ends all reading.
func (l *links) close() {
	close(l.done)
	for _, s := range l.sockets {
		s.Close()
	}
	l.readers.Wait()
}

// onLink tells whether an address is on a network that we are on.
func onLink(links []Interface, a netip.Addr) bool {
	for _, i := range links {
		if a.Is6() {
			if a.IsLinkLocalUnicast() && a.Zone() == i.Name {
				return true
			}
			continue
		}
		for _, p := range i.Prefixes {
			if p.Contains(a) {
				return true
			}
		}
	}
	return false
}
