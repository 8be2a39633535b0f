package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"parley/discovery"
)

// portAttempts is how many ports after the usual one are tried before any
// free one will do: more rooms than that on one computer are a test's.
const portAttempts = 32

// sockets are what a host listens on; packets or streams is nil when that
// carrier is not wanted.
type sockets struct {
	packets net.PacketConn
	streams net.Listener
	port    uint16
}

func (s *sockets) close() {
	if s.packets != nil {
		s.packets.Close()
	}
	if s.streams != nil {
		s.streams.Close()
	}
}

// listen opens the sockets of a host, both on one port: n.Port, and if that is
// taken and was not asked for, one of the next, or any.
func (n *Node) listen(ctx context.Context) (*sockets, error) {
	first := n.Port
	if first == 0 && !n.PortExplicit {
		first = Port
	}
	s, err := n.listenOn(ctx, first)
	if err == nil || n.PortExplicit && first != 0 || !errors.Is(err, errInUse) {
		return s, n.explain(err, first)
	}
	if first == 0 {
		return n.listenAny(ctx, first)
	}
	for port := first + 1; port > first && port <= first+portAttempts; port++ {
		if port == n.discoveryPort() {
			continue
		}
		if s, err = n.listenOn(ctx, port); err == nil || !errors.Is(err, errInUse) {
			return s, n.explain(err, port)
		}
	}
	return n.listenAny(ctx, first)
}

// listenAny opens them on any port, wanted not being free: one that the system thinks free has a good
// chance with the other carrier.
func (n *Node) listenAny(ctx context.Context, wanted uint16) (s *sockets, err error) {
	for range portAttempts {
		if s, err = n.listenOn(ctx, 0); err == nil || !errors.Is(err, errInUse) {
			break
		}
	}
	return s, n.explain(err, wanted)
}

// listenOn opens them on port, or on any one if it is 0.
func (n *Node) listenOn(ctx context.Context, port uint16) (*sockets, error) {
	s := &sockets{port: port}
	var err error
	if n.carries(UDP) {
		if s.packets, err = n.net.ListenPacket(ctx, "udp", n.bindAddr(port)); err != nil {
			return nil, err
		}
		s.port = portOf(s.packets.LocalAddr())
	}
	if n.carries(TCP) {
		if s.streams, err = n.net.Listen(ctx, "tcp", n.bindAddr(s.port)); err != nil {
			s.close()
			return nil, err
		}
		s.port = portOf(s.streams.Addr())
	}
	return s, nil
}

// bindAddr is the address to bind a port to.
func (n *Node) bindAddr(port uint16) string {
	host := ""
	if n.Bind.IsValid() {
		host = n.Bind.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// explain says for people why sockets could not be opened.
func (n *Node) explain(err error, port uint16) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errInUse):
		by := portOwner("udp", port)
		if by == "" || !n.carries(UDP) {
			by = portOwner("tcp", port)
		}
		if by == "" {
			by = "another program"
		}
		return &Error{Code: CodePort, Text: fmt.Sprintf("port %d is taken by %s", port, by),
			Hint: "leave out --port to use the next free one, or choose another", Err: err}
	case errors.Is(err, errNotOurs):
		return n.notOurs(err)
	case errors.Is(err, errForbidden):
		return &Error{Code: CodeSocket, Text: fmt.Sprintf("you may not use port %d", port),
			Hint: "choose a --port above 1023", Err: err}
	}
	return &Error{Code: CodeSocket, Text: err.Error(), Err: err}
}

// notOurs is the error for a Bind that this machine does not have.
func (n *Node) notOurs(err error) error {
	return &Error{Code: CodeSocket, Text: fmt.Sprintf("this computer does not have the address %s", n.Bind),
		Hint: "leave out --bind to use every address", Err: err}
}

// checkBind finds a Bind that nothing could be sent from before it looks as if
// nobody answered.
func (n *Node) checkBind() error {
	if !n.Bind.IsValid() || n.Bind.IsUnspecified() || n.Bind.IsLoopback() {
		return nil
	}
	interfaces, err := n.net.Discovery().Interfaces()
	if err != nil {
		return nil // who cannot look cannot tell
	}
	for _, i := range interfaces {
		for _, p := range i.Prefixes {
			if p.Addr().Unmap().WithZone("") == n.Bind.Unmap().WithZone("") {
				return nil
			}
		}
	}
	return n.notOurs(nil)
}

// discoveryPort is the one that rooms are announced on.
func (n *Node) discoveryPort() uint16 {
	if n.DiscoveryPort != 0 {
		return n.DiscoveryPort
	}
	return discovery.DefaultPort
}

// portOf is the port of a socket's address, whatever its network.
func portOf(a net.Addr) uint16 {
	at, _ := netip.ParseAddrPort(a.String())
	return at.Port()
}
