package node

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

func TestKernelTables(t *testing.T) {
	got := readNeighbors(strings.NewReader("IP address       HW type     Flags       HW address            Mask     Device\n" +
		"10.0.0.1         0x1         0x2         02:fc:00:00:00:05     *        eth0\n" +
		"10.0.0.9         0x1         0x0         00:00:00:00:00:00     *        eth0\nnonsense\n"))
	if len(got) != 2 || got[netip.MustParseAddr("10.0.0.1")] != linkAnswers || got[netip.MustParseAddr("10.0.0.9")] != linkSilent {
		t.Errorf("neighbors: %v", got)
	}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("SKIPPED: the table below is a little-endian machine's")
	}
	routes := readRouters(strings.NewReader("Iface\tDestination\tGateway \tFlags\n" +
		"eth0\t00000000\t0100000A\t0003\t0\neth0\t0000000A\t00000000\t0001\t0\neth0\tzz\tyy\n"))
	if len(routes) != 1 || routes[0] != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("routers: %v", routes)
	}
}
