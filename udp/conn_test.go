package udp_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
	"parley/udp"
)

// pair connects two endpoints over the sockets that listen gives.
func pair(t *testing.T, plain bool, listen func(i int) (net.PacketConn, netip.AddrPort)) (a, b transport.Conn) {
	t.Helper()
	var ends [2]*udp.Endpoint
	var at [2]netip.AddrPort
	for i := range ends {
		var pc net.PacketConn
		pc, at[i] = listen(i)
		ends[i] = &udp.Endpoint{Socket: pc, Plaintext: plain}
		t.Cleanup(func() {
			if err := ends[i].Close(); err != nil {
				t.Errorf("closing the endpoint: %v", err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	accepted := make(chan transport.Conn, 1)
	go func() {
		c, err := ends[1].Accept(ctx)
		if err != nil {
			t.Errorf("accept: %v", err)
		}
		accepted <- c
	}()
	a, err := ends[0].Dial(ctx, at[1])
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return a, <-accepted
}

func loopback(t *testing.T, plain bool) func(t *testing.T) (a, b transport.Conn) {
	return func(t *testing.T) (a, b transport.Conn) {
		return pair(t, plain, func(int) (net.PacketConn, netip.AddrPort) {
			pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return pc, pc.LocalAddr().(*net.UDPAddr).AddrPort()
		})
	}
}

func lan(t *testing.T, plain bool, seed uint64, link transporttest.Link) func(t *testing.T) (a, b transport.Conn) {
	return func(t *testing.T) (a, b transport.Conn) {
		n := transporttest.NewLAN(seed, link)
		return pair(t, plain, func(i int) (net.PacketConn, netip.AddrPort) {
			addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)})
			pc, err := n.Machine(fmt.Sprint("m", i), addr.String()+"/24").ListenPacket(context.Background(), "udp4", ":7667")
			if err != nil {
				t.Fatal(err)
			}
			return pc, netip.AddrPortFrom(addr, 7667)
		})
	}
}

// modes runs a test with keys and without.
func modes(t *testing.T, test func(t *testing.T, plain bool)) {
	t.Run("secure", func(t *testing.T) { test(t, false) })
	t.Run("plaintext", func(t *testing.T) { test(t, true) })
}

func TestConnOverLoopback(t *testing.T) {
	modes(t, func(t *testing.T, plain bool) {
		transporttest.TestConn(t, transporttest.Real, loopback(t, plain))
	})
}

func TestConnOverLossyLAN(t *testing.T) {
	links := map[string]transporttest.Link{
		"perfect": {Delay: 100 * time.Microsecond},
		"lossy":   {Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.2, Dup: 0.1},
		"hostile": {Delay: 5 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.3, Dup: 0.2, Reorder: 0.3, Corrupt: 0.02},
	}
	for name, link := range links {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, plain bool) {
				transporttest.TestConn(t, synctest.Test, lan(t, plain, 1, link))
			})
		})
	}
}

// TestConnOverManyLANs repeats the conformance suite on LANs with other seeds.
func TestConnOverManyLANs(t *testing.T) {
	for seed := range uint64(lans) {
		link := transporttest.Link{Delay: 300 * time.Microsecond, Jitter: time.Duration(seed%8*(seed%8)) * 3 * time.Millisecond,
			Loss: 0.1 * float64(seed%4), Dup: 0.05, Reorder: 0.05 * float64(seed%3), Corrupt: 0.01}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			modes(t, func(t *testing.T, plain bool) {
				transporttest.TestConn(t, synctest.Test, lan(t, plain, 100+seed, link))
			})
		})
	}
}
