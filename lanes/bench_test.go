package lanes

import (
	"net"
	"net/netip"
	"testing"

	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// What recording costs a packet, and what it adds to a message that goes over
// loopback and is received.
func BenchmarkPacket(b *testing.B) {
	r := New()
	trace := r.UDP()
	frames := append([]byte{0x10, 7, 64 | 200>>8, 200}, `{"seq":42,"at":"2026-11-23T05:05:27.895Z","id":"20ac70de85f0df18119abbdb1066f35c","type":"message","from":"ana"}`...)[:4+100]
	b.ReportAllocs()
	for n := range uint64(b.N) {
		trace.Sent(udp.Packet{Conn: 7, Number: n, Size: 130, Frames: frames})
	}
}

func BenchmarkUDP(b *testing.B) {
	for _, name := range []string{"off", "on"} {
		b.Run(name, func(b *testing.B) {
			server, client := udpEnd(b), udpEnd(b)
			if name == "on" {
				server.Trace = New().UDP()
			}
			exchange(b, server, client, server.Socket.LocalAddr().(*net.UDPAddr).AddrPort())
		})
	}
}

func BenchmarkTCP(b *testing.B) {
	for _, name := range []string{"off", "on"} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server, client := &tcp.Endpoint{Listener: l}, &tcp.Endpoint{}
			if name == "on" {
				server.Trace = New().TCP()
			}
			exchange(b, server, client, netip.MustParseAddrPort(l.Addr().String()))
		})
	}
}

func udpEnd(b *testing.B) *udp.Endpoint {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return &udp.Endpoint{Socket: pc}
}

// exchange has the server send messages of 150 bytes as fast as the client takes them.
func exchange(b *testing.B, server, client end, addr netip.AddrPort) {
	defer server.Close()
	defer client.Close()
	ctx := b.Context()
	go func() {
		c, err := server.Accept(ctx)
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := c.Receive(ctx); err != nil {
			return
		}
		msg := append([]byte(`{"seq":42,`), make([]byte, 140)...)
		for range b.N {
			if c.Send(ctx, msg) != nil {
				return
			}
		}
		c.Receive(ctx)
	}()
	c, err := client.Dial(ctx, addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(ctx, []byte("go")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := c.Receive(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
}

type end interface {
	transport.Dialer
	transport.Listener
}
