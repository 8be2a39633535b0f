package discovery

import (
	"crypto/ed25519"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A lead is asked as long as it answers, and three rounds more; on other networks not at all.
func TestLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		d := &dice{source: zeroes{}}
		b := newBrowser(now, d, func([32]byte) bool { return false }, func(Sighting) {}, new(Counters))
		b.linksAre(now, []Interface{{Index: 1, Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}}, false)
		at := netip.MustParseAddrPort("10.0.0.2:7668")
		b.lead(now, netip.MustParseAddrPort("10.9.0.2:7668"))
		b.lead(now, at)
		b.lead(now, at)
		asked, last := 0, time.Duration(0)
		for end := now.Add(time.Minute); now.Before(end); {
			out, wake := b.tick(now)
			for _, p := range out {
				if p.to.IsValid() {
					asked++
					last = wake.Sub(end.Add(-time.Minute))
					if p.to != at || p.far {
						t.Errorf("%v is asked", p.to)
					}
				}
			}
			now = wake
		}
		if asked < 4 || asked > 6 || last > 10*time.Second {
			t.Errorf("asked %d times until %v", asked, last)
		}
		for i := range byte(100) {
			b.lead(now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 100 + i}), 7668))
		}
		if len(b.leads) != maxLeads {
			t.Errorf("%d leads are kept", len(b.leads))
		}
	})
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Whoever asks from another network is answered directly alone, and only from a private one
// or as a friend.
func TestWhoMayAskFromElsewhere(t *testing.T) {
	for _, c := range []struct {
		from   string
		direct bool
		want   int
	}{
		{"10.9.0.2:1000", true, 1}, {"10.9.0.2:1000", false, 0}, {"203.0.113.5:1000", true, 0}, {"198.51.100.7:1000", true, 1}, {"10.0.0.2:1000", true, 1},
	} {
		now := time.Unix(1e9, 0)
		a := newAnnouncer(now, &dice{source: zeroes{}}, func() []Room { return nil }, func(string) {}, new(Counters))
		a.friends = []netip.Addr{netip.MustParseAddr("198.51.100.7")}
		a.linksAre(now, []Interface{{Index: 1, Name: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}}, false)
		q := appendQuery(nil, maxDatagram, 0, [8]byte{1})
		if c.direct {
			a.handleDirect(now, netip.MustParseAddrPort(c.from), netip.MustParseAddr("10.0.0.1"), q)
		} else {
			a.handle(now, netip.MustParseAddrPort(c.from), q)
		}
		if len(a.answers) != c.want {
			t.Errorf("%+v: %d answers", c, len(a.answers))
		}
	}
}

// The record that takes a room back is one that others can read.
func TestTakenBack(t *testing.T) {
	var m dnsmessage.Message
	if err := m.Unpack(takenBack("physik ä (0011aabb)")); err != nil {
		t.Fatal(err)
	}
	if len(m.Answers) != 1 || m.Answers[0].Header.TTL != 0 || m.Answers[0].Header.Name.String() != "_parley._udp.local." {
		t.Fatalf("%+v", m)
	}
	if to := m.Answers[0].Body.(*dnsmessage.PTRResource).PTR.String(); to != "physik ä (0011aabb)._parley._udp.local." {
		t.Errorf("it takes back %q", to)
	}
}

// What is said unasked has all that one needs to go there: for the longest name, too.
func TestAnnouncement(t *testing.T) {
	r := newResponder(&dice{source: zeroes{}}, false, func(string) {})
	link := Interface{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fe80::1/64")}}
	for _, name := range []string{"physics", "v1.2", strings.Repeat("ä", 31)} {
		o := Room{Name: name, UDP: 7667, TCP: 7667, Signer: ed25519.NewKeyFromSeed(make([]byte, 32))}
		var m dnsmessage.Message
		if err := m.Unpack(r.announcement(o, link)); err != nil {
			t.Fatal(name, err)
		}
		got := make(map[string]int)
		for _, a := range m.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.PTRResource:
				if body.PTR.String() != r.instance(o)+"._parley._udp.local." || a.Header.TTL == 0 {
					t.Errorf("%s: %+v", name, a)
				}
			case *dnsmessage.SRVResource:
				if body.Port != 7667 || body.Target.String() != "parley-00000000.local." {
					t.Errorf("%s: %+v", name, body)
				}
			case *dnsmessage.TXTResource:
				if !slices.Contains(body.TXT, "room="+name) {
					t.Errorf("%s: %q", name, body.TXT)
				}
			case *dnsmessage.AResource:
				if body.A != [4]byte{10, 77, 0, 1} {
					t.Errorf("%s: %v", name, body.A)
				}
			}
			got[a.Header.Type.String()]++
		}
		if want := map[string]int{"TypePTR": 1, "TypeSRV": 1, "TypeTXT": 1, "TypeA": 1}; !maps.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A name in DNS has 63 bytes, and no half letters.
func TestInstanceNames(t *testing.T) {
	r := newResponder(&dice{source: zeroes{}}, false, func(string) {})
	for range 2 {
		o := Room{Name: "aääääääääääääääääääääääääääääää"}
		if got := r.instance(o); len(got) > maxLabel || got[len(got)-len(" (00000000)"):] != " (00000000)" {
			t.Errorf("%q", got)
		}
	}
}
