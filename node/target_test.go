package node

import (
	"net/netip"
	"strings"
	"testing"

	"parley/transport"
)

func TestParseTarget(t *testing.T) {
	key := transport.Key{1, 2, 3}
	for _, c := range []struct {
		in   string
		want Target
	}{
		{"physics", Target{Room: "physics"}},
		{"#physics", Target{Room: "physics"}},
		{" physics ", Target{Room: "physics"}},
		{"physik.raum-3", Target{Room: "physik.raum-3"}},
		{"10.0.0.5", Target{Host: "10.0.0.5"}},
		{"10.0.0.5:7700", Target{Host: "10.0.0.5", Port: 7700}},
		{"10.0.0.5/physics", Target{Host: "10.0.0.5", Room: "physics"}},
		{"box:7700/physics", Target{Host: "box", Port: 7700, Room: "physics"}},
		{"box/", Target{Host: "box"}},
		{"10.0.0.5:7667", Target{Host: "10.0.0.5", Port: 7667}},
		{"::1", Target{Host: "::1"}},
		{"[::1]", Target{Host: "::1"}},
		{"[::1]:7700", Target{Host: "::1", Port: 7700}},
		{"[fe80::1%eth0]:7700/x", Target{Host: "fe80::1%eth0", Port: 7700, Room: "x"}},
		{"fe80::1%eth0", Target{Host: "fe80::1%eth0"}},
		{"[::1]/physics", Target{Host: "::1", Room: "physics"}},
		{"parley://10.0.0.5:7700/physics#" + key.String(), Target{Host: "10.0.0.5", Port: 7700, Room: "physics", Key: key}},
		{"PARLEY://box", Target{Host: "box"}},
		{"parley://box/caf%C3%A9", Target{Host: "box", Room: "café"}},
		{"parley://[::1]:9/x", Target{Host: "::1", Port: 9, Room: "x"}},
	} {
		got, err := ParseTarget(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{
		"", "  ", ":7667", "/x", "box:", "box:0", "box:65536", "box:x", "a/b/c", "[::1", "[::1]x:1", "1:2:3:x/y",
		"parley://", "parley:///x", "parley://box/a/b", "parley://box/x#short", "parley://box/x#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "parley://u@box/x", "parley://box:99999/x", "parley://box/x?y",
	} {
		if got, err := ParseTarget(in); err == nil {
			t.Errorf("ParseTarget(%q) = %+v, want an error", in, got)
		}
	}
}

func TestLinkRoundTrip(t *testing.T) {
	for _, at := range []string{"10.0.0.5:7667", "[::1]:7700", "[fe80::1%eth0]:7700"} {
		for _, room := range []string{"physics", "café", "a%b", "日本", "x+y&z=?"} {
			for _, key := range []transport.Key{{}, {9}} {
				link := Link(netip.MustParseAddrPort(at), room, key)
				got, err := ParseTarget(link)
				want := Target{Room: room, Host: netip.MustParseAddrPort(at).Addr().String(), Port: netip.MustParseAddrPort(at).Port(), Key: key}
				if err != nil || got != want {
					t.Errorf("%s: %+v, %v; want %+v", link, got, err, want)
				}
			}
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"physics", "10.0.0.5:7700/x", "[::1]:1", "::1", "parley://box:1/caf%C3%A9#", "a:b:c", "//", "#", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			return
		}
		if got.Host == "" && got.Room == "" && strings.TrimSpace(s) != "#" {
			t.Fatalf("%q: neither host nor room", s)
		}
		if got.Host == "" || strings.TrimSpace(got.String()) != got.String() || got.Key != (transport.Key{}) {
			return
		}
		again, err := ParseTarget(got.String())
		if err != nil || again != got {
			t.Fatalf("%q -> %+v -> %q -> %+v, %v", s, got, got.String(), again, err)
		}
	})
}

func TestJoinLine(t *testing.T) {
	for _, c := range [][3]string{
		{"10.0.0.5:7667", "", "parley join 10.0.0.5"},
		{"10.0.0.5:7667", "lab", "parley join 10.0.0.5/lab"},
		{"10.0.0.5:7700", "lab", "parley join 10.0.0.5:7700/lab"},
		{"[::1]:7667", "", "parley join ::1"},
		{"[::1]:7667", "lab", "parley join [::1]/lab"},
		{"10.0.0.5:7667", "köln_2", "parley join 10.0.0.5/köln_2"},
		{"10.0.0.5:7667", "$(reboot)", "parley join '10.0.0.5/$(reboot)'"},
		{"10.0.0.5:7667", "x;'reboot'&", `parley join '10.0.0.5/x;'\''reboot'\''&'`},
		{"[::1]:7700", "", "parley join [::1]:7700"},
	} {
		if got := JoinLine(netip.MustParseAddrPort(c[0]), c[1]); got != c[2] {
			t.Errorf("JoinLine(%s, %q) = %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
