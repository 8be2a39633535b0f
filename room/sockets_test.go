package room

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// The carriers over loopback: new sockets for each pair.

func init() {
	carriers["udp"] = struct {
		carrier
		real bool
	}{overUDP, true}
	carriers["tcp"] = struct {
		carrier
		real bool
	}{overTCP, true}
}

func overUDP(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
	socket := func() net.PacketConn {
		s, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	at := socket()
	h := &udp.Endpoint{Socket: at, Identity: host}
	m := &udp.Endpoint{Socket: socket(), Identity: member}
	t.Cleanup(func() { m.Close(); h.Close() })
	return meet(t, h, m, at.LocalAddr().(*net.UDPAddr).AddrPort())
}

func overTCP(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, m := &tcp.Endpoint{Listener: l, Identity: host}, &tcp.Endpoint{Identity: member}
	t.Cleanup(func() { m.Close(); h.Close() })
	return meet(t, h, m, l.Addr().(*net.TCPAddr).AddrPort())
}

// meet connects two endpoints.
func meet(t testing.TB, l transport.Listener, d transport.Dialer, at netip.AddrPort) (host, member transport.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	accepted := make(chan error, 1)
	go func() {
		var err error
		host, err = l.Accept(ctx)
		accepted <- err
	}()
	member, err := d.Dial(ctx, at)
	if err == nil {
		err = <-accepted
	}
	if err != nil {
		t.Errorf("connect: %v", err)
		return pipes(t, transport.Identity{}, transport.Identity{})
	}
	return host, member
}
