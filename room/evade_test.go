package room

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// A ban of addresses holds for IPv6, too, of which limits on strangers count
// whole networks.
func TestBanOfIPv6(t *testing.T) {
	for _, addr := range []string{"[fd00:1:2:3::7]:1", "[fe80::7%eth0]:1", "[::ffff:10.0.0.9]:1"} {
		c := newCourt(t, nil)
		cyn := c.from(1, "udp", addr)
		c.has(c.sit(cyn, "cyn", ""), "welcome")
		c.types(c.host, "/ban -a cyn")
		c.has(c.sit(c.from(2, "udp", addr), "innocent", ""), "error banned")
	}
	c := newCourt(t, nil)
	c.has(c.sit(c.from(1, "udp", "[fd00:1:2:3::7]:1"), "cyn", ""), "welcome")
	c.types(c.host, "/ban -a cyn")
	c.has(c.sit(c.from(3, "udp", "[fd00:1:2:3::8]:1"), "near", ""), "welcome") // the network is everybody's
}

// A ban is not forgotten for others that are over, whichever host reads the log.
func TestBansOutliveOthers(t *testing.T) {
	c := newCourt(t, nil)
	c.member("eve", 5)
	c.types(c.host, "/ban eve")
	c.member("max", 6)
	c.types(c.host, "/mute max")
	for i := range maxSentences + 10 {
		l := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{byte(i), byte(i >> 8), 3}, Via: "udp", Addr: c.from(0, "udp", fmt.Sprintf("10.%d.%d.1:1", i>>8, i&255)).peer.Addr}}
		c.core.attach(c.now, l)
		nick := fmt.Sprint("cy", i)
		c.has(c.sit(l, nick, ""), "welcome")
		c.types(c.host, "/mute "+nick+" 1m")
		c.types(c.host, "/ban "+nick+" 1m")
		c.now = c.now.Add(2 * time.Minute)
		c.core.tick(c.now)
		c.settle()
		c.sees(l)
		c.sees(c.host)
	}
	c.has(c.sit(c.from(5, "udp", "10.9.0.5:1"), "eve", ""), "error banned")
	c.restart()
	c.has(c.sit(c.from(5, "udp", "10.9.0.5:1"), "eve", ""), "error banned")
	c.has(c.sit(c.from(6, "udp", "10.9.0.6:1"), "max2", ""), "muted")
}

// An op cannot lock out other ops by a puppet at the address they share.
func TestOpsKeepOut(t *testing.T) {
	c := newCourt(t, nil)
	eve, ops := c.from(5, "udp", "10.0.0.5:1"), c.from(6, "udp", "10.0.0.5:2")
	c.sit(eve, "eve", "")
	c.sit(ops, "ben", "")
	c.types(c.host, "/op eve")
	c.types(c.host, "/op ben")
	c.sit(c.from(7, "tcp", "10.0.0.5:3"), "puppet", "")
	c.types(eve, "/ban -a puppet")
	session := secretOf(ops)
	c.core.detach(c.now, ops, "")
	c.has(c.sit(c.from(6, "udp", "10.0.0.5:2"), "ben", session), "welcome op")
}

// Who has a key is no guest, whatever he says: a ban of him is of his key, and
// not of all who share the address.
func TestNoGuestWithKey(t *testing.T) {
	c := newCourt(t, nil)
	cyn := c.from(1, "udp", "10.0.0.1:1")
	c.core.command(c.now, cyn, command{Type: typeJoin, V: Version, Nick: "cyn", Guest: true})
	c.settle()
	c.has(c.sees(cyn), "welcome member")
	c.types(c.host, "/ban cyn")
	c.has(c.sit(c.from(2, "udp", "10.0.0.1:2"), "innocent", ""), "welcome")
	c.has(c.sit(c.from(1, "udp", "10.0.0.1:2"), "cyn2", ""), "error banned")
}

// Who is muted does not write his words into his name, or into why he is away.
func TestMuteIsMute(t *testing.T) {
	for _, who := range []string{"cyn", "all"} {
		c := newCourt(t, nil)
		cyn, ben := c.member("cyn", 1), c.member("ben", 2)
		c.types(c.host, "/mute "+who)
		c.sees(ben)
		c.sees(cyn)
		c.has(c.types(cyn, "/nick ben-is-a-liar"), "failed muted")
		c.has(c.types(cyn, "/away ben is a liar"), "failed muted")
		c.want(c.types(cyn, "/away away"), "")
		if got := c.sees(ben); strings.Contains(got, "liar") {
			t.Error(got)
		}
		c.types(c.host, "/unmute "+who)
		c.has(c.types(cyn, "/nick cynthia"), "nick cynthia")
	}
}

// A quiet seat that was away when its key was kicked does not come back by itself.
func TestKickOfTheQuiet(t *testing.T) {
	c := newCourt(t, nil)
	quiet := func(session string) (*link, string) {
		l := c.from(1, "udp", "10.0.0.1:1")
		c.core.command(c.now, l, command{Type: typeJoin, V: Version, Nick: "cyn", Session: session, Quiet: true})
		c.settle()
		return l, c.sees(l)
	}
	l, got := quiet("")
	c.has(got, "welcome")
	session := secretOf(l)
	c.core.detach(c.now, l, "")
	c.has(c.types(c.host, "/kick cyn"), "kick hana cyn")
	_, got = quiet(session)
	c.has(got, "error kicked")
	_, got = quiet("")
	c.has(got, "welcome")
}

// Who has not proved the password learns nothing of who did what in the room.
func TestLockTellsStrangersNothing(t *testing.T) {
	v, err := NewVerifier("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	c := newCourt(t, func(h *Host) { h.Password = v })
	c.types(c.host, "/lock ana's surprise party")
	if got := c.sit(c.from(1, "udp", "10.0.0.1:1"), "eve", ""); strings.Contains(got, "surprise") || strings.Contains(got, "hana") {
		t.Error(got)
	}
}

// What filters cost the host counts against who has them work.
func TestFiltersCountAgainstTheSender(t *testing.T) {
	c := newCourt(t, nil)
	cyn, ben := c.member("cyn", 1), c.member("ben", 2)
	c.types(c.host, "/op ben")
	spends := func(l *link, words string) float64 {
		before := l.seat.pace.said.tokens
		c.types(l, words)
		return before - l.seat.pace.said.tokens
	}
	long := strings.Repeat("a", 4000)
	if n := spends(cyn, long); n > 10 {
		t.Errorf("without filters it costs %v", n)
	}
	for i := range 4 {
		c.has(c.types(c.host, fmt.Sprintf("/filter /(a?|b*|[a-z]x?){40}z%d$/", i)), "filter hana")
	}
	if n := spends(cyn, long); n < 50 {
		t.Errorf("the most work costs %v", n)
	}
	if n := spends(cyn, "hi"); n > 2 {
		t.Errorf("a short message costs %v", n)
	}
	if n := spends(ben, long); n > 10 {
		t.Errorf("an op, whom nothing is filtered of, pays %v", n)
	}
	words := "/filter " + strings.TrimSpace(strings.Repeat("a ", 100))
	for i := range 24 {
		if got := c.types(c.host, fmt.Sprint(words, " ", i)); strings.Contains(got, "too much work together") {
			return
		}
	}
	t.Error("words without end are taken")
}

// The work of the worst filters for the longest message.
func BenchmarkFilters(b *testing.B) {
	r := newRules()
	for i, steps := 0, 0; ; i++ {
		f, err := newFilter(fmt.Sprintf("/(a?|b*|[a-z]x?){40}z%d$/", i))
		if err != nil {
			b.Fatal(err)
		}
		if steps += f.steps; steps > maxSteps {
			break
		}
		r.filters = append(r.filters, f)
	}
	said := strings.Repeat("a", 4096)
	for b.Loop() {
		r.stop(Message, said)
	}
}

// Whoever reads the log comes to the same rules as the host that wrote it,
// whenever he reads it; and whoever is banned is not here.
func TestRulesAreOfTheLog(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newCourt(t, func(h *Host) {
			if h.Plaintext = seed%4 == 3; h.Plaintext {
				h.HostKey = transport.Key{}
			}
		})
		links := []*link{c.host}
		for range 500 {
			c.now = c.now.Add(time.Duration(r.IntN(40)) * time.Second)
			c.core.tick(c.now)
			c.settle()
			c.types(c.host, "/unlock")
			nick := func() string { return fmt.Sprint("n", r.IntN(12)) }
			l := links[r.IntN(len(links))]
			if l.ended || l.seat == nil {
				l = c.host
			}
			switch r.IntN(4) {
			case 0:
				k := byte(1 + r.IntN(12))
				n := c.from(k, "udp", fmt.Sprintf("10.0.0.%d:1", k))
				c.core.command(c.now, n, command{Type: typeJoin, V: Version, Nick: nick(), Quiet: r.IntN(5) == 0, Deaf: r.IntN(5) == 0, Guest: r.IntN(3) == 0, Share: r.IntN(3) == 0})
				c.settle()
				links = append(links, n)
			case 1:
				if l == c.host {
					continue
				}
				c.enter(l, []string{"hi", "/me hi", "/quit", "/nick " + nick(), "/away x", "/msg " + nick() + " x", "/topic x"}[r.IntN(7)])
				if r.IntN(10) == 0 {
					c.core.detach(c.now, l, "")
				}
			default:
				c.enter(l, []string{"/kick " + nick(), "/ban " + nick(), "/ban -a " + nick() + " 1m", "/unban " + nick(), "/mute " + nick() + " 1m", "/mute " + nick(), "/mute all 1m", "/unmute all",
					"/unmute " + nick(), "/op " + nick(), "/deop " + nick(), "/slow 5", "/slow off", "/lock", "/unlock", "/approve on", "/approve off", "/approve " + nick(), "/deny " + nick(),
					"/filter w" + nick(), "/unfilter all", "/motd x"}[r.IntN(22)])
			}
			c.settle()
			for _, l := range links {
				c.sees(l)
			}
			for _, s := range c.core.seats {
				if b := c.core.state.rules.bans.get(s.key); s.link != nil && s.role != roleHost && !b.over(c.now) {
					t.Fatalf("seed %d: %s is banned and here", seed, s.nick)
				}
			}
		}
		s := newState()
		for _, e := range c.log.entries {
			s.fold(e, wireForm(e))
		}
		shown := func(r rules) string {
			var filters []string
			for _, f := range r.filters {
				filters = append(filters, f.pattern)
			}
			r.filters = nil
			words := fmt.Sprint(filters, r.ops, r.slow, r.spoke, r.approval, r.known, r.gone, r.motd, r.silence, r.locked)
			for _, list := range []table[transport.Key, *sentence]{r.bans, r.mutes} {
				for _, k := range list.order {
					words += fmt.Sprint("\n", k, *list.all[k])
				}
			}
			for _, k := range r.kicked.order {
				words += fmt.Sprint("\n", k, *r.kicked.all[k])
			}
			return words
		}
		if live, read := shown(c.core.state.rules), shown(s.rules); live != read {
			t.Errorf("seed %d:\n%s\n\n%s", seed, live, read)
		}
		if len(c.log.entries) < 100 {
			t.Errorf("seed %d: only %d entries", seed, len(c.log.entries))
		}
	}
}
