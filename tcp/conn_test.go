package tcp

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// pairOf returns the ends of a Conn between two Endpoints.
func pairOf(t testing.TB, client, host *Endpoint) (a, b transport.Conn) {
	t.Helper()
	t.Cleanup(func() { client.Close(); host.Close() })
	type result struct {
		c   transport.Conn
		err error
	}
	accepted := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		c, err := host.Accept(ctx)
		accepted <- result{c, err}
	}()
	a, err := client.Dial(ctx, addrPort(host.Listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	return a, r.c
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func overLoopback(plaintext bool) func(*testing.T) (a, b transport.Conn) {
	return func(t *testing.T) (a, b transport.Conn) {
		return pairOf(t, &Endpoint{Plaintext: plaintext}, &Endpoint{Listener: loopback(t), Plaintext: plaintext})
	}
}

// onLAN returns a client's and a host's Endpoint on two machines.
func onLAN(t *testing.T, link transporttest.Link, plaintext bool) (lan *transporttest.LAN, client, host *Endpoint) {
	t.Helper()
	lan = transporttest.NewLAN(1, link)
	ana, ben := lan.Machine("ana", "10.0.0.1/24"), lan.Machine("ben", "10.0.0.2/24")
	ln, err := ben.Listen(t.Context(), "tcp4", "10.0.0.2:7667")
	if err != nil {
		t.Fatal(err)
	}
	return lan, &Endpoint{DialContext: ana.DialContext, Plaintext: plaintext}, &Endpoint{Listener: ln, Plaintext: plaintext}
}

func overLAN(link transporttest.Link, plaintext bool) func(*testing.T) (a, b transport.Conn) {
	return func(t *testing.T) (a, b transport.Conn) {
		_, client, host := onLAN(t, link, plaintext)
		return pairOf(t, client, host)
	}
}

func TestConn(t *testing.T) {
	good := transporttest.Link{Delay: 200 * time.Microsecond}
	bad := transporttest.Link{Delay: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.05}
	t.Run("plain over loopback", func(t *testing.T) { transporttest.TestConn(t, transporttest.Real, overLoopback(true)) })
	t.Run("secure over loopback", func(t *testing.T) { transporttest.TestConn(t, transporttest.Real, overLoopback(false)) })
	t.Run("plain over a LAN", func(t *testing.T) { transporttest.TestConn(t, synctest.Test, overLAN(good, true)) })
	t.Run("secure over a LAN", func(t *testing.T) { transporttest.TestConn(t, synctest.Test, overLAN(good, false)) })
	t.Run("plain over a bad LAN", func(t *testing.T) { transporttest.TestConn(t, synctest.Test, overLAN(bad, true)) })
	t.Run("secure over a bad LAN", func(t *testing.T) { transporttest.TestConn(t, synctest.Test, overLAN(bad, false)) })
}
