package room

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// sits seats somebody who comes from addr with the key.
func (p *play) sits(nick, addr string, key transport.Key, change func(*link, *command)) *link {
	p.keys++
	l := &link{out: newOutbox(false), peer: transport.Peer{Key: key, Via: "udp"}}
	if addr != "" {
		l.peer.Addr = netip.MustParseAddrPort(addr)
	} else {
		l.peer.Via = "pipe"
	}
	cmd := command{Type: typeJoin, V: Version, Nick: nick, Share: true}
	if change != nil {
		change(l, &cmd)
	}
	p.core.attach(p.now, l)
	p.core.command(p.now, l, cmd)
	p.settle()
	return l
}

// Whose key is used from two computers at once is told so, once, and so is
// the other.
func TestKeyUsedElsewhere(t *testing.T) {
	silent := func(l *link, _ *command) { l.silent = func() time.Duration { return noReply } }
	for _, c := range []struct {
		what          string
		first, second string
		other         bool // the second has another key
		change        func(*link, *command)
		plain, told   bool
	}{
		{what: "two computers", first: "10.0.0.5:1", second: "10.0.0.6:1", told: true},
		{what: "two of IPv6", first: "[fe80::5]:1", second: "[fe80::6]:1", told: true},
		{what: "one that only sends", first: "10.0.0.5:1", second: "10.0.0.6:1", change: func(_ *link, c *command) { c.Quiet, c.Deaf = true, true }, told: true},
		{what: "two programs of a computer", first: "10.0.0.5:1", second: "10.0.0.5:2"},
		{what: "both families of a computer", first: "10.0.0.5:1", second: "[fe80::5]:1"},
		{what: "two people", first: "10.0.0.5:1", second: "10.0.0.6:1", other: true},
		{what: "this computer", first: "127.0.0.1:1", second: "127.0.0.2:1"},
		{what: "the host's seat", first: "", second: "10.0.0.6:1"},
		{what: "a guest", first: "10.0.0.5:1", second: "10.0.0.6:1", change: func(l *link, c *command) { l.peer.Via, c.Guest = "pipe", true }},
		{what: "one that may be gone", first: "10.0.0.5:1", second: "10.0.0.6:1", change: silent},
		{what: "plaintext", first: "10.0.0.5:1", second: "10.0.0.6:1", plain: true},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPlay(&Host{Name: "physics", Plaintext: c.plain})
			key, other := transport.Key{7}, transport.Key{7}
			if c.other {
				other = transport.Key{8}
			}
			var change func(*link, *command)
			if c.what == "one that may be gone" {
				change = c.change
			}
			first := p.sits("ana", c.first, key, change)
			types(first)
			second := p.sits("anb", c.second, other, c.change)
			one, two := types(first), types(second)
			if got := strings.Contains(one, "notice elsewhere"); got != c.told {
				t.Errorf("the first gets %q", one)
			}
			if got := strings.Contains(two, "notice elsewhere"); got != c.told {
				t.Errorf("the second gets %q", two)
			}
			if !strings.HasPrefix(two, "welcome") {
				t.Errorf("the second is not seated: %q", two)
			}
			third := p.sits("anc", c.second, other, c.change)
			if again := types(first); strings.Contains(again, "elsewhere") {
				t.Errorf("the first is told again: %q", again)
			}
			if three := types(third); strings.Contains(three, "elsewhere") != c.told {
				t.Errorf("the third gets %q", three)
			}
		})
	}
}

// A seat that its holder takes along to another address is one seat.
func TestMovingIsNotElsewhere(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	first := p.sits("ana", "10.0.0.5:1", transport.Key{7}, nil)
	session := hexID(first.seat.session)
	second := p.sits("ana", "10.0.0.6:1", transport.Key{7}, func(_ *link, c *command) { c.Session = session })
	if got := types(second); strings.Contains(got, "elsewhere") || !strings.HasPrefix(got, "welcome") {
		t.Errorf("who moves gets %q", got)
	}
}

// Nobody is refused because a clock is wrong, by however many years.
func TestVouchWithWrongClocks(t *testing.T) {
	for _, year := range []int{1970, 1999, 2026, 2038, 2150} {
		room, host := identity(t), identity(t)
		c := newCore(&Host{Name: "physics", Key: room, HostKey: host.Key()}, [16]byte{1})
		v := c.voucher(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		if !v.check(host.Key()) || v.check(room.Key()) {
			t.Errorf("a host in %d: its vouch is not good for it alone", year)
		}
		if later := c.voucher(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)); !later.check(host.Key()) {
			t.Errorf("a host in %d whose clock is put right", year)
		}
	}
}
