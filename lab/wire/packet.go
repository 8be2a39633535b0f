//go:build !nolab

package wire

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strconv"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A PacketConn is a datagram socket: a net.PacketConn, and a net.Conn if it
// was dialed. It may broadcast.
type PacketConn struct {
	*socket
	connected bool
}

var (
	_ net.PacketConn = (*PacketConn)(nil)
	_ net.Conn       = (*PacketConn)(nil)
)

// datagramSocket makes a socket that is bound to nothing.
func (h *Host) datagramSocket(network string) (*PacketConn, error) {
	wq := new(waiter.Queue)
	ep, err := h.stack.NewEndpoint(udp.ProtocolNumber, ipv4.ProtocolNumber, wq)
	if err != nil {
		return nil, netError("socket", err)
	}
	ep.SocketOptions().SetBroadcast(true)
	ep.SocketOptions().SetIPv4RecvError(false)
	return &PacketConn{socket: newSocket(h, network, ep, wq)}, nil
}

// ListenPacket opens a datagram socket: network "udp" or "udp4".
func (h *Host) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := h.listenPacket(ctx, network, address, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenShared is ListenPacket for a port that several sockets share, if all
// do. If the address is a group's, the socket hears what is sent to it.
func (h *Host) ListenShared(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := h.listenPacket(ctx, network, address, true)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (h *Host) listenPacket(ctx context.Context, network, address string, shared bool) (*PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	at, err := h.resolve(network, "udp", address, true)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	c, err := h.datagramSocket(network)
	if err == nil && shared {
		c.ep.SocketOptions().SetReuseAddress(true)
	}
	if err == nil {
		err = netError("bind", c.ep.Bind(fullAddress(at)))
	}
	if err == nil && at.Addr().IsMulticast() {
		err = c.Join(at.Addr())
	}
	if err != nil {
		if c != nil {
			c.ep.Close()
		}
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.UDPAddrFromAddrPort(at), Err: err}
	}
	return c, nil
}

// resolve reads an address, of which the host may be missing.
func (h *Host) resolve(network, proto, address string, local bool) (netip.AddrPort, error) {
	if network != proto && network != proto+"4" {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "unknown port", Addr: address}
	}
	ip := netip.IPv4Unspecified()
	if !local {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if host != "" {
		if ip, err = netip.ParseAddr(host); err != nil {
			if ip = h.lookup(host); !ip.IsValid() {
				return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
		}
	}
	if ip = ip.Unmap(); local && ip == netip.IPv6Unspecified() {
		ip = netip.IPv4Unspecified()
	}
	if !ip.Is4() {
		return netip.AddrPort{}, &net.AddrError{Err: "this network speaks IPv4", Addr: address}
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// lookup finds a host by its name.
func (h *Host) lookup(name string) netip.Addr {
	for _, o := range h.lan.Hosts() {
		if o.name == name {
			return o.addr
		}
	}
	return netip.Addr{}
}

// Join has the socket hear what is sent to a group.
func (c *PacketConn) Join(group netip.Addr) error {
	return netError("setsockopt", c.ep.SetSockOpt(&tcpip.AddMembershipOption{
		NIC: cableNIC, MulticastAddr: tcpip.AddrFrom4(group.As4())}))
}

// SkipChecksum has the socket send datagrams without a checksum, which UDP over
// IPv4 allows.
func (c *PacketConn) SkipChecksum() { c.ep.SocketOptions().SetNoChecksum(true) }

// dialUDP connects a datagram socket, which sends nothing.
func (h *Host) dialUDP(network string, to netip.AddrPort) (*PacketConn, error) {
	c, err := h.datagramSocket(network)
	if err != nil {
		return nil, err
	}
	if err := c.ep.Connect(fullAddress(to)); err != nil {
		c.ep.Close()
		return nil, netError("connect", err)
	}
	c.connected = true
	return c, nil
}

// ReadFrom implements net.PacketConn.
func (c *PacketConn) ReadFrom(p []byte) (n int, from net.Addr, err error) {
	err = c.await(&c.read, waiter.ReadableEvents, "read", func() tcpip.Error {
		w := tcpip.SliceWriter(p)
		r, err := c.ep.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
		if err == nil {
			n, from = min(r.Count, len(p)), c.addr(r.RemoteAddr) // what does not fit is gone
			return nil
		}
		return c.takeError(err)
	})
	return n, from, c.opError("read", nil, err)
}

// takeError returns the error that waits on the socket, such as of an ICMP
// message, if a call would else block.
func (c *PacketConn) takeError(err tcpip.Error) tcpip.Error {
	if _, blocked := err.(*tcpip.ErrWouldBlock); blocked {
		if waiting := c.ep.LastError(); waiting != nil {
			return waiting
		}
	}
	return err
}

// WriteTo implements net.PacketConn.
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", to, &net.AddrError{Err: "not a *net.UDPAddr", Addr: to.String()})
	}
	if c.connected {
		return 0, c.opError("write", to, net.ErrWriteToConnected)
	}
	full := fullAddress(u.AddrPort())
	return c.send(p, to, &full)
}

func (c *PacketConn) send(p []byte, to net.Addr, full *tcpip.FullAddress) (n int, err error) {
	c.mayFragment(len(p))
	err = c.await(&c.write, waiter.WritableEvents, "write", func() tcpip.Error {
		written, err := c.ep.Write(bytes.NewReader(p), tcpip.WriteOptions{To: full})
		n = int(written)
		return err
	})
	return n, c.opError("write", to, err)
}

// mayFragment has a datagram that is larger than a packet cut by the stack, which
// else cuts it, too, but gives all its datagrams the number 0, so that their
// fragments are mixed up. Smaller ones say that they must not be cut, as Linux has
// it.
func (c *PacketConn) mayFragment(size int) {
	const headers = 20 + 8
	discover := tcpip.PMTUDiscoveryWant
	if size > int(c.host.link.mtu)-headers {
		discover = tcpip.PMTUDiscoveryDont
	}
	c.ep.SetSockOptInt(tcpip.MTUDiscoverOption, int(discover))
}

// Read implements net.Conn.
func (c *PacketConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

// Write implements net.Conn.
func (c *PacketConn) Write(p []byte) (int, error) { return c.send(p, c.RemoteAddr(), nil) }

// RemoteAddr implements net.Conn.
func (c *PacketConn) RemoteAddr() net.Addr {
	if !c.connected {
		return nil
	}
	a, _ := c.ep.GetRemoteAddress()
	return c.addr(a)
}
