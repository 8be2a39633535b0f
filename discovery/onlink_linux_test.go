package discovery

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// What comes from another network is not heard.
func TestKeepOnLink(t *testing.T) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4zero})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	links := []Interface{{Prefixes: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.9.9.1/24"), netip.MustParsePrefix("127.7.0.1/16")}}}
	if err := keepOnLink(ipv4.NewPacketConn(pc), links); err != nil {
		t.Fatal(err)
	}
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: pc.LocalAddr().(*net.UDPAddr).Port}
	for _, from := range []string{"127.8.0.1", "127.0.0.1", "127.7.200.3"} {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)}, to)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(from))
		c.Close()
	}
	pc.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 100)
	if n, _, err := pc.ReadFromUDP(b); err != nil || string(b[:n]) != "127.7.200.3" { // the last that was sent
		t.Errorf("heard %q, %v", b[:n], err)
	}
}
