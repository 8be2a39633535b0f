package transporttest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
)

// A Machine is a computer on a LAN. Its methods have the shape of those of
// net.ListenConfig and net.Dialer.
type Machine struct {
	lan  *LAN
	name string

	// guarded by lan.mu
	prefixes  []netip.Prefix
	sockets   []*packetConn // in the order bound
	listeners []*listener
	lastPort  uint16
}

// firstPort is where the ports begin that a Machine picks by itself.
const firstPort = 49152

// Machine adds a machine whose only interface has the given addresses, each
// with the length of its subnet, as "10.0.0.1/24" or "fe80::1/64".
func (l *LAN) Machine(name string, addrs ...string) *Machine {
	m := &Machine{lan: l, name: name, lastPort: firstPort}
	l.mu.Lock()
	defer l.mu.Unlock()
	m.prefixes = parsePrefixes(addrs)
	l.machines = append(l.machines, m)
	return m
}

func parsePrefixes(addrs []string) (prefixes []netip.Prefix) {
	for _, a := range addrs {
		prefixes = append(prefixes, netip.MustParsePrefix(a))
	}
	return prefixes
}

// Name returns the machine's name.
func (m *Machine) Name() string { return m.name }

// Addr returns the machine's first address.
func (m *Machine) Addr() netip.Addr {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	if len(m.prefixes) == 0 {
		return netip.Addr{}
	}
	return m.prefixes[0].Addr()
}

// Move gives the machine other addresses, as a laptop has after changing its
// network. Sockets bound to no address go on from the new one. Streams are
// stuck, and no one is told.
func (m *Machine) Move(addrs ...string) {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	m.prefixes = parsePrefixes(addrs)
	m.lan.retryStreams()
}

// Kill ends all programs of the machine: its sockets are closed, and the
// streams to it break with a reset. The machine can be used again.
func (m *Machine) Kill() {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	for _, s := range slices.Clone(m.sockets) {
		s.close()
	}
	for _, ln := range slices.Clone(m.listeners) {
		ln.close()
	}
	for _, s := range m.lan.allStreams() {
		if s.machine == m {
			s.abort()
		}
	}
}

// Interfaces returns the loopback interface and the one on the LAN.
func (m *Machine) Interfaces() []Interface {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	const up = net.FlagUp | net.FlagRunning | net.FlagMulticast
	return []Interface{
		{"lo", 1, net.FlagUp | net.FlagRunning | net.FlagLoopback,
			[]netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}},
		{"eth0", 2, up | net.FlagBroadcast, slices.Clone(m.prefixes)},
	}
}

// has tells whether ip is the machine's own, loopback apart.
func (m *Machine) has(ip netip.Addr) bool {
	ip = ip.WithZone("")
	return slices.ContainsFunc(m.prefixes, func(p netip.Prefix) bool { return p.Addr() == ip })
}

// local tells whether a socket may be bound to ip.
func (m *Machine) local(ip netip.Addr) bool {
	return ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || m.has(ip)
}

// source returns the address from which the machine reaches to.
func (m *Machine) source(to netip.Addr) (netip.Addr, bool) {
	to = to.WithZone("")
	if to.IsLoopback() {
		if to.Is4() {
			return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
		}
		return netip.IPv6Loopback(), true
	}
	anywhere := to.IsMulticast() || to == limitedBroadcast
	for _, p := range m.prefixes {
		if p.Addr().Is4() == to.Is4() && (anywhere || p.Contains(to)) {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// broadcastOf returns the last address of an IPv4 subnet.
func broadcastOf(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// family says which of IPv4 and IPv6 a network's name means.
func family(network string) (v4, v6 bool, err error) {
	switch network {
	case "udp", "tcp":
		return true, true, nil
	case "udp4", "tcp4":
		return true, false, nil
	case "udp6", "tcp6":
		return false, true, nil
	}
	return false, false, net.UnknownNetworkError(network)
}

// resolve reads an address to bind to, of which the host may be missing.
func (m *Machine) resolve(network, address string) (binding, error) {
	v4, v6, err := family(network)
	if err != nil {
		return binding{}, err
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return binding{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return binding{}, err
	}
	ip := netip.IPv6Unspecified()
	if !v6 {
		ip = netip.IPv4Unspecified()
	}
	if host != "" {
		if ip, err = netip.ParseAddr(host); err != nil {
			return binding{}, err
		}
	}
	if ip = ip.Unmap(); ip.Is4() && !v4 || ip.Is6() && !v6 {
		return binding{}, &net.AddrError{Err: "address of the wrong family", Addr: address}
	}
	if !m.local(ip) {
		return binding{}, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return binding{netip.AddrPortFrom(ip.WithZone(""), uint16(port)), v4 && v6}, nil
}

// freePort returns a port for which taken is false.
func (m *Machine) freePort(taken func(uint16) bool) uint16 {
	for {
		m.lastPort = max(m.lastPort+1, firstPort)
		if !taken(m.lastPort) {
			return m.lastPort
		}
	}
}

// binding is what a socket or listener is bound to.
type binding struct {
	netip.AddrPort
	dual bool // the unspecified IPv6 address means IPv4 too
}

// hears tells whether what is sent to ip, one of the machine's addresses or
// one that means several machines, is for the binding.
func (b binding) hears(ip netip.Addr) bool {
	switch b.Addr() {
	case netip.IPv6Unspecified():
		return ip.Is6() || b.dual
	case netip.IPv4Unspecified():
		return ip.Is4()
	}
	return b.Addr() == ip
}

// clash tells whether two bindings hear the same.
func (b binding) clash(o binding) bool {
	return b.Port() == o.Port() && (b.hears(o.Addr()) || o.hears(b.Addr()))
}

// ListenPacket opens a socket for datagrams: network "udp", "udp4" or "udp6".
// Its addresses are *net.UDPAddr, and its WriteTo never waits.
func (m *Machine) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	return m.listenPacket(ctx, network, address, false)
}

// ListenShared is ListenPacket for a port that several sockets share, if all
// do: as with SO_REUSEADDR, broadcasts and groups reach all of them, other
// datagrams the one that was bound last.
func (m *Machine) ListenShared(ctx context.Context, network, address string) (net.PacketConn, error) {
	return m.listenPacket(ctx, network, address, true)
}

func (m *Machine) listenPacket(ctx context.Context, network, address string, shared bool) (net.PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	at, err := m.resolve(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	taken := func(port uint16) bool {
		want := binding{netip.AddrPortFrom(at.Addr(), port), at.dual}
		return slices.ContainsFunc(m.sockets, func(s *packetConn) bool {
			return s.at.clash(want) && !(shared && s.shared)
		})
	}
	if at.Port() == 0 {
		at.AddrPort = netip.AddrPortFrom(at.Addr(), m.freePort(taken))
	} else if taken(at.Port()) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.UDPAddrFromAddrPort(at.AddrPort), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	s := newPacketConn(m, network, at, shared)
	m.sockets = append(m.sockets, s)
	return s, nil
}
