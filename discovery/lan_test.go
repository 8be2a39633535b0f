package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lan is broadcast domains in memory. Interfaces of the same name are on one
// wire; "lo" is each machine's own.
type lan struct {
	mu       sync.Mutex
	rng      *rand.Rand
	loss     float64
	delay    time.Duration // each datagram takes up to this long
	machines []*machineNet
	tap      func(sent)
}

// sent is a datagram as somebody sent it.
type sent struct {
	at       time.Time
	by       *machineNet
	from, to netip.AddrPort
	data     []byte
}

func newLAN(seed uint64) *lan {
	return &lan{rng: rand.New(rand.NewPCG(seed, 1)), delay: time.Millisecond}
}

// machineNet is one machine's Net.
type machineNet struct {
	lan     *lan
	ifaces  []Interface
	sockets []*memSocket
	broken  error // what sending gives
}

// machine adds a machine with a loopback interface and eth0, at 10.0.0.n and fe80::n.
func (l *lan) machine(n byte) *machineNet {
	m := &machineNet{lan: l}
	m.ifaces = []Interface{
		{Index: 1, Name: "lo", Flags: net.FlagUp | net.FlagLoopback, Prefixes: prefixes("127.0.0.1/8", "::1/128")},
		m.eth("eth0", 2, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 24).String(),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: n}), 64).String()),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.machines = append(l.machines, m)
	return m
}

func (m *machineNet) eth(name string, index int, addrs ...string) Interface {
	return Interface{Index: index, Name: name, Flags: net.FlagUp | net.FlagBroadcast | net.FlagMulticast, Prefixes: prefixes(addrs...)}
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// change edits the machine's interfaces.
func (m *machineNet) change(edit func()) {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	edit()
}

func (m *machineNet) Interfaces() ([]Interface, error) {
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	list := slices.Clone(m.ifaces)
	for i := range list {
		list[i].Prefixes = slices.Clone(list[i].Prefixes)
	}
	return list, nil
}

// link returns the interface that has an address, if it is up.
func (m *machineNet) link(a netip.Addr) *Interface {
	for i := range m.ifaces {
		for _, p := range m.ifaces[i].Prefixes {
			if p.Addr() == a.WithZone("") && m.ifaces[i].Flags&net.FlagUp != 0 {
				return &m.ifaces[i]
			}
		}
	}
	return nil
}

func (m *machineNet) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	if want := map[bool]string{true: "udp4", false: "udp6"}[at.Addr().Is4()]; network != want {
		return nil, errors.New("wrong network")
	}
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	s := &memSocket{net: m, at: at, inbox: make(chan sent, 256), closed: make(chan struct{})}
	switch {
	case at.Addr().IsMulticast():
		i := slices.IndexFunc(m.ifaces, func(i Interface) bool { return i.Name == at.Addr().Zone() })
		if i < 0 {
			return nil, syscall.ENODEV
		}
		s.index = m.ifaces[i].Index
	case at.Port() == 0:
		if m.link(at.Addr()) == nil {
			return nil, syscall.EADDRNOTAVAIL
		}
		s.at = netip.AddrPortFrom(at.Addr(), uint16(20000+m.lan.rng.IntN(40000)))
	}
	m.sockets = append(m.sockets, s)
	return s, nil
}

type memSocket struct {
	net    *machineNet
	at     netip.AddrPort
	index  int // of the interface on which a group was joined
	inbox  chan sent
	closed chan struct{}
	once   sync.Once
}

func (s *memSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-s.inbox:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

func (s *memSocket) Close() error {
	s.once.Do(func() {
		s.net.lan.mu.Lock()
		defer s.net.lan.mu.Unlock()
		s.net.sockets = slices.DeleteFunc(s.net.sockets, func(o *memSocket) bool { return o == s })
		close(s.closed)
	})
	return nil
}

func (s *memSocket) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(s.at) }
func (s *memSocket) SetDeadline(time.Time) error      { return nil }
func (s *memSocket) SetReadDeadline(time.Time) error  { return nil }
func (s *memSocket) SetWriteDeadline(time.Time) error { return nil }

func (s *memSocket) WriteTo(b []byte, addr net.Addr) (int, error) {
	l, m := s.net.lan, s.net
	l.mu.Lock()
	defer l.mu.Unlock()
	to := addr.(*net.UDPAddr).AddrPort()
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	link := m.link(s.at.Addr())
	switch {
	case m.broken != nil:
		return 0, m.broken
	case link == nil:
		return 0, syscall.ENETUNREACH
	}
	d := sent{at: time.Now(), by: m, from: s.at, to: to, data: slices.Clone(b)}
	if l.tap != nil {
		l.tap(d)
	}
	for _, other := range l.machines {
		for i := range other.ifaces {
			in := &other.ifaces[i]
			own := other == m
			if in.Flags&net.FlagUp == 0 || in.Name != link.Name && !(own && m.link(to.Addr()) == in) || link.Name == "lo" && !own {
				continue
			}
			other.deliver(in, d)
		}
	}
	return len(b), nil
}

// deliver gives a datagram that came in by an interface to the sockets it is for.
func (m *machineNet) deliver(in *Interface, d sent) {
	a := d.to.Addr()
	all := a == netip.MustParseAddr("255.255.255.255") ||
		slices.ContainsFunc(in.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() && p.Bits() < 31 && lastOf(p) == a })
	mine := slices.ContainsFunc(in.Prefixes, func(p netip.Prefix) bool { return p.Addr() == a.WithZone("") })
	if d.from.Addr().Is6() {
		d.from = netip.AddrPortFrom(d.from.Addr().WithZone(in.Name), d.from.Port())
	}
	for i := len(m.sockets) - 1; i >= 0; i-- {
		s := m.sockets[i]
		local := s.at.Addr()
		switch {
		case s.at.Port() != d.to.Port():
		case all && local.IsUnspecified(), a.IsMulticast() && local.IsMulticast() && s.index == in.Index:
			m.lan.post(s, d)
		case mine && (local.IsUnspecified() && a.Is4() || local.WithZone("") == a.WithZone("")):
			m.lan.post(s, d)
			return // unicast: the last to bind
		}
	}
}

func (l *lan) post(s *memSocket, d sent) {
	if l.rng.Float64() < l.loss {
		return
	}
	time.AfterFunc(time.Duration(l.rng.Int64N(int64(l.delay)+1)), func() {
		select {
		case s.inbox <- d:
		default:
		}
	})
}

// chacha is a seeded source of randomness for a Service.
func chacha(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// watch collects what Browse says.
type watch struct {
	mu   sync.Mutex
	list []Sighting
}

func (w *watch) heard(s Sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, s)
}

func (w *watch) all() []Sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// now returns the rooms that are there, by name.
func (w *watch) now() map[string]Sighting {
	rooms := map[[32]byte]Sighting{}
	for _, s := range w.all() {
		rooms[s.Key] = s
	}
	named := map[string]Sighting{}
	for _, s := range rooms {
		if !s.Gone {
			named[s.Name] = s
		}
	}
	return named
}

// start runs f until the test or stop ends it.
func start(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}
