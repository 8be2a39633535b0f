//go:build !nolab

package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"parley/lab/wire"
)

// A Host is a machine of a lane with sockets whose every call is told. It is on
// the lane's LAN or, for what is honest there, this machine itself: then a known
// port, such as ":7", is whatever port was free.
type Host struct {
	name string
	lane *Lane
	wire *wire.Host // nil: this machine
}

// Host adds a host to a lane.
func (l *Lane) Host(name string) *Host {
	h := &Host{name: name, lane: l}
	if l.LAN != nil {
		h.wire = l.LAN.Host(name)
	}
	return h
}

// realPorts are the ports of this machine that stand for known ones.
type realPorts struct {
	mu    sync.Mutex
	ports map[string]string // "B:7/tcp" -> "127.0.0.1:40123"
}

var known = realPorts{ports: map[string]string{}}

// call notes a call that a program made.
func (h *Host) call(fn string, n int, msgs []int, began time.Duration, err error) {
	l := Line{K: "call", T: began, Host: h.name, Fn: fn, N: n, Msgs: msgs, Took: h.lane.Now() - began}
	if err != nil {
		l.Err = plain(err)
	}
	h.lane.line(l)
}

// plain says an error as a person would.
func plain(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ETIMEDOUT):
		return "timed out"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "deadline"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case errors.Is(err, io.EOF):
		return "end of stream"
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// Dial connects, to "B:7" for instance.
func (h *Host) Dial(network, address string) (*Conn, error) {
	began := h.lane.Now()
	var c net.Conn
	var err error
	if h.wire != nil {
		c, err = h.wire.DialContext(context.Background(), network, address)
	} else {
		known.mu.Lock()
		to, ok := known.ports[address+"/"+network]
		known.mu.Unlock()
		if !ok {
			to = "127.0.0.1:9"
		}
		c, err = net.Dial(network, to)
	}
	h.call("connect", 0, nil, began, err)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, host: h, stream: strings.HasPrefix(network, "tcp")}, nil
}

// Listen listens for connections, on ":7" for instance.
func (h *Host) Listen(address string) (*Listener, error) {
	began := h.lane.Now()
	var ln net.Listener
	var err error
	if h.wire != nil {
		ln, err = h.wire.Listen(context.Background(), "tcp", address)
	} else if ln, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
		known.mu.Lock()
		known.ports[h.name+address+"/tcp"] = ln.Addr().String()
		known.mu.Unlock()
	}
	h.call("bind", 0, nil, began, err)
	if err != nil {
		return nil, err
	}
	h.call("listen", 0, nil, began, nil)
	return &Listener{Listener: ln, host: h}, nil
}

// Packet opens a datagram socket, on ":7" for instance.
func (h *Host) Packet(address string) (*PacketConn, error) {
	began := h.lane.Now()
	var c net.PacketConn
	var err error
	if h.wire != nil {
		c, err = h.wire.ListenPacket(context.Background(), "udp", address)
	} else if c, err = net.ListenPacket("udp", "127.0.0.1:0"); err == nil {
		known.mu.Lock()
		known.ports[h.name+address+"/udp"] = c.LocalAddr().String()
		known.mu.Unlock()
	}
	h.call("bind", 0, nil, began, err)
	if err != nil {
		return nil, err
	}
	return &PacketConn{PacketConn: c, host: h}, nil
}

// Addr is where another's port is, to be sent to.
func (h *Host) Addr(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(h.wire.Addr(), port)
}

// Listener is a net.Listener whose calls are told.
type Listener struct {
	net.Listener
	host *Host
}

// AcceptConn waits for the next connection.
func (l *Listener) AcceptConn() (*Conn, error) {
	began := l.host.lane.Now()
	c, err := l.Listener.Accept()
	l.host.call("accept", 0, nil, began, err)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, host: l.host, stream: true}, nil
}

// acceptSoon is AcceptConn that gives up, and with it the listener: a connection
// that the other side takes for made may never come here.
func (l *Listener) acceptSoon() (*Conn, error) {
	stop := time.AfterFunc(tooLong+patience, func() { l.Listener.Close() })
	defer stop.Stop()
	return l.AcceptConn()
}

// Close ends it.
func (l *Listener) Close() error {
	l.host.call("close", 0, nil, l.host.lane.Now(), nil)
	return l.Listener.Close()
}

// Conn is a net.Conn whose calls are told. Reads and writes are one
// goroutine's each.
type Conn struct {
	net.Conn
	host        *Host
	stream      bool
	read, wrote uint64 // bytes of the stream so far
}

// messages are those that some bytes carry a part of.
func (c *Conn) messages(p []byte, offset uint64) []int {
	if c.host.lane.ids == nil || len(p) == 0 {
		return nil
	}
	return c.host.lane.ids(p, c.stream, offset)
}

// Write writes, and tells how long that blocked.
func (c *Conn) Write(p []byte) (int, error) {
	began := c.host.lane.Now()
	msgs := c.messages(p, c.wrote)
	n, err := c.Conn.Write(p)
	c.wrote += uint64(n)
	c.host.call("write", n, msgs, began, err)
	return n, err
}

// Read reads what one call gives.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.host.lane.line(Line{K: "call", T: c.host.lane.Now(), Host: c.host.name, Fn: "read", Err: plain(err)})
		return n, err
	}
	c.host.lane.line(Line{K: "read", T: c.host.lane.Now(), Host: c.host.name, N: n, Msgs: c.messages(p[:n], c.read), Text: c.host.lane.told(p[:n])})
	c.read += uint64(n)
	return n, nil
}

// Close closes.
func (c *Conn) Close() error {
	c.host.call("close", 0, nil, c.host.lane.Now(), nil)
	return c.Conn.Close()
}

// CloseWrite closes the sending half.
func (c *Conn) CloseWrite() error {
	c.host.call("shutdown", 0, nil, c.host.lane.Now(), nil)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// PacketConn is a net.PacketConn whose calls are told.
type PacketConn struct {
	net.PacketConn
	host *Host
}

// WriteTo sends a datagram.
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	began := c.host.lane.Now()
	n, err := c.PacketConn.WriteTo(p, to)
	c.host.call("sendto", n, c.messages(p), began, err)
	return n, err
}

// ReadFrom waits for a datagram.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(p)
	if err != nil {
		c.host.lane.line(Line{K: "call", T: c.host.lane.Now(), Host: c.host.name, Fn: "recvfrom", Err: plain(err)})
		return n, from, err
	}
	c.host.lane.line(Line{K: "read", T: c.host.lane.Now(), Host: c.host.name, N: n, Msgs: c.messages(p[:n]), Text: c.host.lane.told(p[:n])})
	return n, from, nil
}

// Read reads the next datagram, whoever sent it.
func (c *PacketConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

func (c *PacketConn) messages(p []byte) []int {
	if c.host.lane.ids == nil || len(p) == 0 {
		return nil
	}
	return c.host.lane.ids(p, false, 0)
}

// Close closes.
func (c *PacketConn) Close() error {
	c.host.call("close", 0, nil, c.host.lane.Now(), nil)
	return c.PacketConn.Close()
}
