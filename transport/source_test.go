package transport

import (
	"net/netip"
	"testing"
)

func TestSource(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1":               "10.0.0.1",
		"::ffff:10.0.0.1":        "10.0.0.1",
		"127.0.0.1":              "127.0.0.1",
		"::1":                    "::1",
		"2001:db8:1:2:3::4":      "2001:db8:1:2::",
		"2001:db8:1:2:3::4%eth0": "2001:db8:1:2::",
		"fd00:1:2:3:4:5:6:7f":    "fd00:1:2:3::",
		"fe80::1%eth0":           "fe80::1%eth0",
		"fe80::1%eth1":           "fe80::1%eth1",
		"fe80::2%eth0":           "fe80::2%eth0",
	} {
		if got := Source(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("source of %s: %v, want %s", addr, got, want)
		}
	}
	if got := Source(netip.Addr{}); got.IsValid() {
		t.Errorf("source of no address: %v", got)
	}
	a := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() { Source(a) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
