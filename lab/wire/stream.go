//go:build !nolab

package wire

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const backlog = 128 // connections that wait for Accept

// A Conn is one end of a TCP connection.
type Conn struct {
	*socket
	remote net.Addr
}

var _ net.Conn = (*Conn)(nil)

// DialContext connects: network "tcp", "tcp4", "udp" or "udp4".
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	proto := "tcp"
	if network == "udp" || network == "udp4" {
		proto = "udp"
	}
	to, err := h.resolve(network, proto, address, false)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if err = ctx.Err(); err == nil {
		if proto == "udp" {
			var c *PacketConn
			if c, err = h.dialUDP(network, to); err == nil {
				return c, nil
			}
		} else {
			var c *Conn
			if c, err = h.dialTCP(ctx, network, to); err == nil {
				return c, nil
			}
		}
	}
	var addr net.Addr = net.TCPAddrFromAddrPort(to)
	if proto == "udp" {
		addr = net.UDPAddrFromAddrPort(to)
	}
	return nil, &net.OpError{Op: "dial", Net: network, Addr: addr, Err: err}
}

func (h *Host) dialTCP(ctx context.Context, network string, to netip.AddrPort) (*Conn, error) {
	wq := new(waiter.Queue)
	ep, failed := h.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, wq)
	if failed != nil {
		return nil, netError("socket", failed)
	}
	c := &Conn{socket: newSocket(h, network, ep, wq), remote: net.TCPAddrFromAddrPort(to)}
	defer context.AfterFunc(ctx, func() { c.write.set(aLongTimeAgo) })()
	started := false
	err := c.await(&c.write, waiter.WritableEvents, "connect", func() tcpip.Error {
		if !started {
			started = true
			err := ep.Connect(fullAddress(to))
			if _, ok := err.(*tcpip.ErrConnectStarted); ok {
				h.touch()
				return &tcpip.ErrWouldBlock{}
			}
			return err
		}
		if ep.Readiness(waiter.WritableEvents|waiter.EventErr|waiter.EventHUp) == 0 {
			return &tcpip.ErrWouldBlock{}
		}
		return ep.LastError()
	})
	if err != nil {
		c.Close()
		return nil, ctxError(ctx, err)
	}
	return c, nil
}

// A Listener accepts TCP connections.
type Listener struct{ *socket }

var _ net.Listener = Listener{}

// Listen opens a TCP socket for others to connect to: network "tcp" or "tcp4".
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return h.listenTCP(ctx, network, address, true)
}

// ListenAlone is Listen as programs in C do it that do not ask to have addresses
// used again (SO_REUSEADDR), which the net package does: it fails while an
// earlier connection of that port waits for its end.
func (h *Host) ListenAlone(ctx context.Context, network, address string) (net.Listener, error) {
	return h.listenTCP(ctx, network, address, false)
}

func (h *Host) listenTCP(ctx context.Context, network, address string, reuse bool) (net.Listener, error) {
	at, err := h.resolve(network, "tcp", address, true)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	wq := new(waiter.Queue)
	ep, failed := h.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, wq)
	if failed == nil {
		ep.SocketOptions().SetReuseAddress(reuse)
		if failed = ep.Bind(fullAddress(at)); failed == nil {
			failed = ep.Listen(backlog)
		}
		if failed != nil {
			ep.Close()
		}
	}
	if failed != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(at), Err: netError("bind", failed)}
	}
	return Listener{newSocket(h, network, ep, wq)}, nil
}

// Accept implements net.Listener.
func (l Listener) Accept() (net.Conn, error) {
	var c *Conn
	err := l.await(&l.read, waiter.ReadableEvents, "accept", func() tcpip.Error {
		var peer tcpip.FullAddress
		ep, wq, err := l.ep.Accept(&peer)
		if err == nil {
			c = &Conn{socket: newSocket(l.host, l.network, ep, wq), remote: net.TCPAddrFromAddrPort(addrPort(peer))}
		}
		return err
	})
	if err != nil {
		return nil, l.opError("accept", nil, err)
	}
	return c, nil
}

// Addr implements net.Listener.
func (l Listener) Addr() net.Addr { return l.LocalAddr() }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = c.await(&c.read, waiter.ReadableEvents, "read", func() tcpip.Error {
		w := tcpip.SliceWriter(p)
		r, err := c.ep.Read(&w, tcpip.ReadOptions{})
		if n = r.Count; err == nil {
			c.ep.ModerateRecvBuf(n)
		}
		return err
	})
	return n, c.opError("read", c.remote, err)
}

// Write implements net.Conn. It waits while the connection's buffer is full.
func (c *Conn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		err = c.await(&c.write, waiter.WritableEvents, "write", func() tcpip.Error {
			written, err := c.ep.Write(bytes.NewReader(p[n:]), tcpip.WriteOptions{})
			n += int(written)
			return err
		})
	}
	return n, c.opError("write", c.remote, err)
}

// CloseRead refuses what still comes.
func (c *Conn) CloseRead() error { return c.shutdown(tcpip.ShutdownRead) }

// CloseWrite says that no more comes from us: what was written, then a FIN.
func (c *Conn) CloseWrite() error { return c.shutdown(tcpip.ShutdownWrite) }

func (c *Conn) shutdown(how tcpip.ShutdownFlags) error {
	defer c.host.touch()
	return c.opError("close", c.remote, netError("shutdown", c.ep.Shutdown(how)))
}

// KeepAlive has the connection ask whether the peer is there when nothing has
// come for idle, and again every interval; when count questions have no answer, it
// is over.
func (c *Conn) KeepAlive(idle, interval time.Duration, count int) error {
	i, v := tcpip.KeepaliveIdleOption(idle), tcpip.KeepaliveIntervalOption(interval)
	for _, err := range []tcpip.Error{c.ep.SetSockOpt(&i), c.ep.SetSockOpt(&v), c.ep.SetSockOptInt(tcpip.KeepaliveCountOption, count)} {
		if err != nil {
			return netError("setsockopt", err)
		}
	}
	c.ep.SocketOptions().SetKeepAlive(true)
	c.host.touch()
	return nil
}

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// State returns the name of the connection's TCP state, such as ESTABLISHED.
func (c *Conn) State() string { return tcp.EndpointState(c.ep.State()).String() }
