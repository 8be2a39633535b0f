package node

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"syscall"

	"parley/discovery"
)

// systemNet is the machine's own network.
type systemNet struct{}

func (systemNet) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	return new(net.ListenConfig).ListenPacket(ctx, network, address)
}

func (systemNet) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, network, address)
}

func (systemNet) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (systemNet) Discovery() discovery.Net { return discovery.System() }

// LookupNetIP makes systemNet a Resolver.
func (systemNet) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// logged is a Net that tells a log, at its debug level, what is done with its
// sockets: bind, listen, accept, connect, send and recv, with addresses and
// sizes, never with what is said. It costs the sockets their batched system
// calls, so it is put in only where somebody reads the log.
type logged struct {
	Net
	log *slog.Logger
}

func (l logged) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	pc, err := l.Net.ListenPacket(ctx, network, address)
	if err != nil {
		l.log.Debug("bind", "network", network, "addr", address, "error", err)
		return nil, err
	}
	l.log.Debug("bind", "network", network, "addr", pc.LocalAddr().String())
	return loggedPackets{pc, l.log}, nil
}

func (l logged) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := l.Net.Listen(ctx, network, address)
	if err != nil {
		l.log.Debug("listen", "network", network, "addr", address, "error", err)
		return nil, err
	}
	l.log.Debug("bind", "network", network, "addr", ln.Addr().String())
	l.log.Debug("listen", "network", network, "addr", ln.Addr().String())
	return loggedListener{ln, l.log}, nil
}

func (l logged) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := l.Net.DialContext(ctx, network, address)
	if err != nil {
		l.log.Debug("connect", "network", network, "to", address, "error", err)
		return nil, err
	}
	l.log.Debug("connect", "network", network, "to", address, "from", c.LocalAddr().String())
	return loggedStream{c, l.log}, nil
}

func (l logged) Discovery() discovery.Net { return loggedDiscovery{l.Net.Discovery(), l.log} }

// LookupNetIP passes on what the Net behind can do.
func (l logged) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if r, ok := l.Net.(Resolver); ok {
		return r.LookupNetIP(ctx, network, host)
	}
	return nil, errNoNames
}

type loggedDiscovery struct {
	discovery.Net
	log *slog.Logger
}

func (l loggedDiscovery) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	pc, err := l.Net.ListenPacket(ctx, network, address)
	if err != nil {
		l.log.Debug("bind", "network", network, "addr", address, "error", err)
		return nil, err
	}
	l.log.Debug("bind", "network", network, "addr", pc.LocalAddr().String())
	return loggedPackets{pc, l.log}, nil
}

type loggedPackets struct {
	net.PacketConn
	log *slog.Logger
}

func (p loggedPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := p.PacketConn.ReadFrom(b)
	if err == nil {
		p.log.Debug("recv", "network", "udp", "bytes", n, "from", from.String())
	}
	return n, from, err
}

func (p loggedPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	p.log.Debug("send", "network", "udp", "bytes", len(b), "to", to.String()) // before the answer can be logged
	n, err := p.PacketConn.WriteTo(b, to)
	if err != nil {
		p.log.Debug("send", "network", "udp", "bytes", n, "to", to.String(), "error", err)
	}
	return n, err
}

// SyscallConn lets socket options through.
func (p loggedPackets) SyscallConn() (syscall.RawConn, error) { return rawConn(p.PacketConn) }

type loggedListener struct {
	net.Listener
	log *slog.Logger
}

func (l loggedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.log.Debug("accept", "network", "tcp", "from", c.RemoteAddr().String())
	return loggedStream{c, l.log}, nil
}

type loggedStream struct {
	net.Conn
	log *slog.Logger
}

func (s loggedStream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 {
		s.log.Debug("recv", "network", "tcp", "bytes", n, "from", s.RemoteAddr().String())
	}
	return n, err
}

func (s loggedStream) Write(b []byte) (int, error) {
	s.log.Debug("send", "network", "tcp", "bytes", len(b), "to", s.RemoteAddr().String())
	n, err := s.Conn.Write(b)
	if err != nil {
		s.log.Debug("send", "network", "tcp", "bytes", n, "to", s.RemoteAddr().String(), "error", err)
	}
	return n, err
}

// SyscallConn lets socket options through.
func (s loggedStream) SyscallConn() (syscall.RawConn, error) { return rawConn(s.Conn) }

func rawConn(socket any) (syscall.RawConn, error) {
	if s, ok := socket.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, syscall.ENOTSUP
}
