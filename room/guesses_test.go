package room

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// answers returns the messages that wait for a link, and empties it.
func answers(l *link) (all []report) {
	w := l.out.take(work{})
	if w.begin != nil {
		all = append(all, w.begin.welcome)
		l.out.sent = l.out.head
	}
	for _, x := range w.letters {
		r, _ := parseReport(x.data)
		all = append(all, r)
	}
	if w.last != nil {
		r, _ := parseReport(w.last)
		all = append(all, r)
	}
	return all
}

// guesser is somebody who tries passwords on a link.
type guesser struct {
	*link
	p      *play
	asking *asking
}

// guesser begins a join and goes as far as the host's offer.
func (p *play) guesser(from string, key byte) *guesser {
	g := &guesser{p: p, link: p.linkFrom(from)}
	g.peer.Binding = [32]byte{1, key}
	p.ids++
	g.peer.Key = transport.Key{key, byte(p.ids), byte(p.ids >> 8), byte(p.ids >> 16), 2}
	return g
}

var passwordKeys = map[string]keys{}

// try offers a password, and returns the answers that are there at once.
func (g *guesser) try(nick, password string) []report {
	p := g.p
	p.core.command(p.now, g.link, command{Type: typeJoin, V: Version, Nick: nick})
	p.settle()
	if all := answers(g.link); len(all) != 1 || all[0].Type != typeProve {
		return all
	}
	h := p.core.host
	g.asking = newAsking(bound(proofOf(g.peer.Binding, h.roomKey(), h.HostKey, g.peer.Key, h.Name)), newNonce())
	p.core.command(p.now, g.link, command{Type: typeProve, Scram: g.asking.first()})
	all := answers(g.link)
	if len(all) != 1 || all[0].Type != typeProve {
		return all
	}
	o, err := g.asking.read(all[0].Scram)
	if err != nil {
		panic(err)
	}
	id := fmt.Sprint(password, o.salt)
	if _, ok := passwordKeys[id]; !ok {
		passwordKeys[id] = derive(password, o.salt, o.rounds)
	}
	p.core.command(p.now, g.link, command{Type: typeProve, Scram: g.asking.final(o, passwordKeys[id])})
	p.settle()
	return answers(g.link)
}

// outcome is what the last of some answers says.
func last(all []report) string {
	if len(all) == 0 {
		return ""
	}
	r := all[len(all)-1]
	if r.Code == "" {
		return r.Type
	}
	return r.Type + " " + r.Code
}

func newGuarded() *play {
	p := newPlay(&Host{Name: "physics", Password: verifierOf("secret")})
	p.settle()
	return p
}

func TestThePasswordOpensTheRoom(t *testing.T) {
	p := newGuarded()
	ana := p.guesser("10.0.0.1:1", 1)
	all := ana.try("ana", "secret")
	if last(all) != "welcome" || !ana.asking.convinced(all[0].Scram) {
		t.Fatalf("%+v", all)
	}
	ben := p.guesser("10.0.0.1:1", 2)
	if got := last(ben.try("ben", "sekret")); got != "error password" {
		t.Errorf("a wrong one: %s", got)
	}
	if got := last(ben.try("ben", "secret")); got != "welcome" {
		t.Errorf("the right one on the same connection: %s", got)
	}
	if n := len(p.core.newLinks) + len(p.core.parked) + len(p.core.guesses.waiting); n != 0 {
		t.Errorf("%d are left over", n)
	}
}

// Nobody learns anything of the room before he has proved the password, and
// the name that is taken is refused after.
func TestTheNameComesAfterThePassword(t *testing.T) {
	p := newGuarded()
	p.guesser("10.0.0.1:1", 1).try("ana", "secret")
	ben := p.guesser("10.0.0.2:1", 2)
	if got := last(ben.try("ana", "wrong")); got != "error password" {
		t.Error(got)
	}
	all := ben.try("ana", "secret")
	if last(all) != "error nick_taken" {
		t.Errorf("%+v", all)
	}
	p.core.command(p.now, ben.link, command{Type: typeJoin, V: Version, Nick: "ben"})
	p.settle()
	if all := answers(ben.link); last(all) != "welcome" || !ben.asking.convinced(all[0].Scram) {
		t.Errorf("%+v", all)
	}
}

func TestWhoDoesNotProveIsTurnedAway(t *testing.T) {
	p := newGuarded()
	for name, steps := range map[string][]command{
		"a proof nobody asked for": {{Type: typeProve, Scram: "p=parley-proof,,n=room,r=x"}},
		"no proof":                 {{Type: typeJoin, V: Version, Nick: "ana"}, {Type: typeProve}},
		"another user":             {{Type: typeJoin, V: Version, Nick: "ana"}, {Type: typeProve, Scram: "p=parley-proof,,n=root,r=x"}},
		"no channel":               {{Type: typeJoin, V: Version, Nick: "ana"}, {Type: typeProve, Scram: "n,,n=room,r=x"}},
	} {
		g := p.guesser("10.0.0.1:1", 1)
		for _, c := range steps {
			p.core.command(p.now, g.link, c)
			p.settle()
		}
		if got := last(answers(g.link)); got != "error protocol" || !g.ended {
			t.Errorf("%s: %s", name, got)
		}
	}
	g := p.guesser("10.0.0.1:1", 1)
	g.peer.Binding = [32]byte{}
	if got := last(g.try("ana", "secret")); got != "error password" || !g.ended {
		t.Errorf("no binding: %s", got)
	}
	if n := p.core.guesses.wrong.times; len(n) != 0 {
		t.Error("counted as guesses")
	}
}

// A proof for another channel is told from a wrong password, and is no guess.
func TestAProofForAnotherChannel(t *testing.T) {
	p := newGuarded()
	g := p.guesser("10.0.0.1:1", 1)
	g.peer.Key = transport.Key{9} // what the member believes; the host has another
	believed := *g.link
	believed.peer.Key = transport.Key{8}
	real := g.link
	g.link = &believed
	p.core.command(p.now, real, command{Type: typeJoin, V: Version, Nick: "ana"})
	p.settle()
	answers(real)
	g.asking = newAsking(bound(proofOf(g.peer.Binding, p.core.host.roomKey(), p.core.host.HostKey, g.peer.Key, "physics")), "nonce")
	p.core.command(p.now, real, command{Type: typeProve, Scram: g.asking.first()})
	o, _ := g.asking.read(answers(real)[0].Scram)
	p.core.command(p.now, real, command{Type: typeProve, Scram: g.asking.final(o, derive("secret", o.salt, o.rounds))})
	if got := last(answers(real)); got != "error relay" || len(p.core.guesses.wrong.times) != 0 {
		t.Errorf("%s, %d guesses", got, len(p.core.guesses.wrong.times))
	}
}

// attack is row X9: a guesser with many addresses, who always has a proof
// waiting on every connection he may have, and makes a new one for each that ended.
type attack struct {
	p     *play
	bots  []*guesser
	tries int
	wrong []time.Time
}

// sources are the addresses of an attack, with so many connections each.
func (a *attack) sources(n, each int) {
	for i := range n * each {
		a.bots = append(a.bots, a.p.guesser(fmt.Sprintf("10.1.%d.%d:%d", i%n/250, i%n%250+1, 1000+i), byte(i)))
	}
}

// press has everybody try who does not wait.
func (a *attack) press() {
	for i, b := range a.bots {
		for range 2 {
			switch all := answers(b.link); {
			case b.ended:
				a.p.core.detach(a.p.now, b.link, "")
				a.bots[i] = a.p.guesser(b.peer.Addr.String(), byte(i))
				b = a.bots[i]
			case len(all) > 0 && last(all) == "error password":
				a.wrong = append(a.wrong, a.p.now)
			}
			if b.parked != nil {
				break
			}
			a.tries++
			if got := last(b.try("bot", fmt.Sprint("guess", a.tries%7))); got == "error password" {
				a.wrong = append(a.wrong, a.p.now)
			}
		}
	}
}

// pass lets time go by in steps of a second, until stop.
func (a *attack) pass(d time.Duration, stop func() bool) time.Duration {
	step := time.Second
	if stop == nil {
		step = 5 * time.Second
	}
	for at := time.Duration(0); at < d; at += step {
		if stop != nil && stop() {
			return at
		}
		a.p.pass(step)
		a.press()
	}
	return d
}

// most is the largest number of wrong passwords in any minute.
func (a *attack) most() (most int) {
	slices.SortFunc(a.wrong, func(x, y time.Time) int { return x.Compare(y) })
	for i := range a.wrong {
		n := count(a.wrong[:i+1], func(t time.Time) bool { return a.wrong[i].Sub(t) < time.Minute })
		most = max(most, n)
	}
	return most
}

// TestAGuesserGetsTenAMinute is row X9.
func TestAGuesserGetsTenAMinute(t *testing.T) {
	for _, each := range []int{1, 4} {
		t.Run(fmt.Sprint(each, " connections each"), func(t *testing.T) { guessing(t, each) })
	}
}

func guessing(t *testing.T, each int) {
	p := newGuarded()
	ana := p.guesser("10.0.0.1:1", 1)
	if got := last(ana.try("ana", "secret")); got != "welcome" {
		t.Fatal(got)
	}
	p.core.command(p.now, ana.link, command{Type: typeLeave})
	p.settle()
	key := ana.peer.Key

	a := &attack{p: p}
	a.sources(50, each)
	a.press()
	dee := p.guesser("10.0.0.9:1", 9) // comes at the worst time: right behind all of them
	cold := last(dee.try("dee", "secret"))
	took := a.pass(10*time.Minute, func() bool { cold += last(answers(dee.link)); return dee.seat != nil })
	t.Logf("FIGURE newcomer who comes with a guesser of 50 addresses is in after %v (at most 5m0s)", took)
	if dee.seat == nil || took > 5*time.Minute {
		t.Errorf("the newcomer: %s after %v", cold, took)
	}

	a.pass(10*time.Minute, nil)
	ana = p.guesser("10.0.0.1:1", 1)
	ana.peer.Key = key
	if got := last(ana.try("ana", "secret")); got != "welcome" {
		t.Errorf("who has proved it before: %s", got)
	}
	cyn := p.guesser("10.0.0.3:1", 3)
	cyn.try("cyn", "secret")
	took = a.pass(10*time.Minute, func() bool { return cyn.seat != nil })
	t.Logf("FIGURE newcomer who comes 10 minutes after the guesser is in after %v (at most 5m0s)", took)
	if cyn.seat == nil || took > 5*time.Minute {
		t.Errorf("another newcomer is in after %v", took)
	}
	t.Logf("FIGURE a guesser with 50 addresses and %d connections tried %d passwords in %v and %d were looked at, %d in the busiest minute (at most 10)",
		len(a.bots), a.tries, p.now.Sub(time.Unix(1000, 0)), len(a.wrong), a.most())
	if a.most() > roomGuesses || len(a.wrong) < 50 {
		t.Errorf("%d guesses in a minute, %d in all", a.most(), len(a.wrong))
	}
}

// One source gets three at once, and then less and less.
func TestASourceIsSlowedDown(t *testing.T) {
	p := newGuarded()
	a := &attack{p: p}
	a.sources(1, 4)
	a.press()
	if len(a.wrong) != sourceGuesses {
		t.Errorf("%d at once", len(a.wrong))
	}
	a.pass(30*time.Minute, nil)
	if n := a.most(); n > sourceGuesses {
		t.Errorf("%d in a minute", n)
	}
	late := count(a.wrong, func(at time.Time) bool { return p.now.Sub(at) < 10*time.Minute })
	if late > 10 || late < 5 {
		t.Errorf("%d in the last 10 minutes", late)
	}
	p.now = p.now.Add(2 * forgiven)
	if n := p.core.guesses.failed(p.now, netip.MustParseAddr("10.1.0.1")); n != 0 {
		t.Errorf("%d failures are not forgiven", n)
	}
}

// A source whose last guess within a minute was its third has firstPause to wait,
// though by then the first of them does not count any more.
func TestThePauseBeginsWithTheThird(t *testing.T) {
	g, now := newGuesses(), time.Unix(1000, 0)
	q := &guess{source: netip.MustParseAddr("10.1.0.1")}
	for range sourceGuesses {
		now = now.Add(guessSpan/2 - time.Second)
		g.blame(now, q.source)
	}
	if at := g.earliest(now, q, 0).Sub(now); at != firstPause {
		t.Errorf("the next may be looked at in %v", at)
	}
}

// After an hour without a wrong password, one more is like the first.
func TestAnHourForgives(t *testing.T) {
	g, now := newGuesses(), time.Unix(1000, 0)
	q := &guess{source: netip.MustParseAddr("10.1.0.1")}
	for range 2 * sourceGuesses {
		g.blame(now, q.source)
	}
	now = now.Add(forgiven)
	g.blame(now, q.source)
	if n, at := g.failed(now, q.source), g.earliest(now, q, 0).Sub(now); n != 1 || at != 0 {
		t.Errorf("%d failures, and the next may be looked at in %v", n, at)
	}
}

// Whoever has made a mistake waits behind those who have not.
func TestFewerFailuresComeFirst(t *testing.T) {
	p := newGuarded()
	a := &attack{p: p}
	a.sources(4, 1)
	for range 10 {
		a.press()
	}
	if len(a.wrong) != roomGuesses {
		t.Fatalf("%d wrong", len(a.wrong))
	}
	clumsy, neat := p.guesser("10.1.0.4:99", 8), p.guesser("10.0.0.7:1", 7)
	if got := last(clumsy.try("clumsy", "secret")); got != "wait password" {
		t.Fatal(got)
	}
	if got := last(neat.try("neat", "secret")); got != "wait password" {
		t.Fatal(got)
	}
	p.core.guesses.last = false // the longest waiting's turn, which does not matter here
	p.pass(time.Minute)
	if neat.seat == nil {
		t.Error("the newcomer without a mistake waits still")
	}
}

// Who draws one address after the other from his own network is one source, and
// comes after others of it who have not failed.
func TestSourcesOfIPv6(t *testing.T) {
	g, now := newGuesses(), time.Unix(1000, 0)
	for i := range 5 {
		from := netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1))
		g.failure(now, &guess{from: from, source: transport.Source(from)})
	}
	known, fresh := &guess{from: netip.MustParseAddr("2001:db8::1"), link: &link{}}, &guess{from: netip.MustParseAddr("2001:db8::99"), link: &link{}}
	other := &guess{from: netip.MustParseAddr("2001:db8:0:1::1"), link: &link{}}
	for _, q := range []*guess{known, fresh, other} {
		g.add(now, q)
	}
	if at := g.earliest(now, fresh, 0); at.Sub(now) < 20*time.Second {
		t.Errorf("another address of the same network may go on after %v", at.Sub(now))
	}
	if at := g.earliest(now, other, 0); at.After(now) {
		t.Errorf("another network waits for %v", at.Sub(now))
	}
	if compare(other, fresh) >= 0 || compare(fresh, known) >= 0 {
		t.Error("the order is not by failures")
	}
}

// The tables and queues of the budgets are bounded.
func TestGuessesAreBounded(t *testing.T) {
	g := newGuesses()
	now := time.Unix(1000, 0)
	for i := range maxSources + 200 {
		q := &guess{from: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), source: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), key: transport.Key{byte(i), byte(i >> 8), 1}}
		now = now.Add(time.Second)
		g.failure(now, q)
		g.success(now, q)
		q.key[0]++
	}
	if len(g.sources) > maxSources || len(g.known) > maxKnown || len(g.wrong.times) > roomGuesses {
		t.Errorf("%d sources, %d keys, %d times", len(g.sources), len(g.known), len(g.wrong.times))
	}
	p := newGuarded()
	a := &attack{p: p}
	a.sources(150, 3)
	a.press()
	a.pass(5*time.Second, nil)
	if n := len(p.core.guesses.waiting); n > wards[codePassword].all || n != len(p.core.parked) {
		t.Errorf("%d proofs wait on %d links", n, len(p.core.parked))
	}
	neat := p.guesser("10.0.0.7:1", 7)
	neat.try("neat", "secret")
	took := a.pass(30*time.Minute, func() bool { return neat.seat != nil || neat.ended })
	t.Logf("FIGURE newcomer among a guesser of 150 addresses is in after %v", took)
	if neat.seat == nil {
		t.Errorf("a newcomer is not let in")
	}
}

// A change puts nobody out; the old password does not open any more, the new one does.
func TestChangingThePassword(t *testing.T) {
	p := newGuarded()
	host := p.link()
	host.peer = transport.Peer{Key: p.core.host.HostKey, Via: "pipe", Secure: true}
	p.core.command(p.now, host, command{Type: typeJoin, V: Version, Nick: "hana"})
	p.settle()
	if got := last(answers(host)); got != "welcome" {
		t.Fatalf("the host's own seat: %s", got)
	}
	ana := p.guesser("10.0.0.1:1", 1)
	ana.try("ana", "secret")
	change := func(l *link, v *Verifier) string {
		p.ids++
		p.core.command(p.now, l, command{Type: typePassword, ID: fmt.Sprintf("%032x", p.ids), Verifier: v})
		p.settle()
		return last(answers(l))
	}
	if got := change(ana.link, verifierOf("mine")); got != "failed not_allowed" {
		t.Errorf("a member changes it: %s", got)
	}
	a := &attack{p: p}
	a.sources(4, 4)
	for range 5 {
		a.press()
	}
	waits := p.guesser("10.0.0.2:1", 2)
	if got := last(waits.try("waits", "secret")); got != "wait password" {
		t.Fatal(got)
	}
	if got := change(host, verifierOf("other")); got != "accepted" {
		t.Errorf("the host changes it: %s", got)
	}
	if got := last(answers(waits.link)); got != "error password" {
		t.Errorf("who waited with the old one: %s", got)
	}
	if len(p.core.parked) != 0 || len(p.core.guesses.waiting) != 0 {
		t.Error("somebody still waits with the old one")
	}
	if ana.ended || ana.seat == nil {
		t.Error("a member was put out")
	}
	p.pass(2 * time.Minute)
	ben := p.guesser("10.0.0.3:1", 3)
	if got := last(ben.try("ben", "secret")); got != "error password" {
		t.Errorf("the old one: %s", got)
	}
	if got := last(ben.try("ben", "other")); got != "welcome" {
		t.Errorf("the new one: %s", got)
	}
	cyn := p.guesser("10.0.0.4:1", 4)
	p.core.command(p.now, cyn.link, command{Type: typeJoin, V: Version, Nick: "cyn"})
	p.settle()
	if got := last(answers(cyn.link)); got != "prove" {
		t.Error(got)
	}
	if got := change(host, nil); got != "accepted" {
		t.Errorf("the host takes it off: %s", got)
	}
	p.core.command(p.now, cyn.link, command{Type: typeProve, Scram: "whatever"})
	p.settle()
	if got := last(answers(cyn.link)); got != "error opened" {
		t.Errorf("who was about to prove it: %s", got)
	}
	dan := p.guesser("10.0.0.5:1", 5)
	p.core.command(p.now, dan.link, command{Type: typeJoin, V: Version, Nick: "dan"})
	p.settle()
	if got := last(answers(dan.link)); got != "welcome" {
		t.Errorf("without a password: %s", got)
	}
	if got := change(host, nil); got != "failed not_allowed" {
		t.Errorf("it was off already: %s", got)
	}
}

// BenchmarkGuessQueued is what a guess costs a host whose budget is used up and
// whose queue is full: it is refused or takes the place of a worse one.
func BenchmarkGuessQueued(b *testing.B) {
	g := newGuesses()
	now := time.Unix(1000, 0)
	at := func(i int) *guess {
		return &guess{from: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), key: transport.Key{byte(i), byte(i >> 8)}, link: &link{}}
	}
	for i := range wards[codePassword].all {
		g.add(now, at(i))
		if q := g.next(now); q != nil {
			g.failure(now, q)
		}
	}
	for i := 0; b.Loop(); i++ {
		q := at(i % 1000)
		g.add(now, q)
		if g.next(now) != nil {
			b.Fatal("looked at")
		}
		g.drop(g.worst().link)
	}
}

// Who is asked for comes last: a password that is wrong brings nobody to the
// door, and who is locked out or banned is not even asked for it.
func TestThePasswordAmongTheOtherChecks(t *testing.T) {
	c := newCourt(t, func(h *Host) { h.Approve, h.Password = true, verifierOf("secret") })
	cyn := c.guesser("10.0.0.1:1", 1)
	if got := last(cyn.try("cyn", "wrong")); got != "error password" {
		t.Error(got)
	}
	if got := c.sees(c.host); strings.Contains(got, "asks to come in") {
		t.Errorf("it brings somebody to the door: %s", got)
	}
	if got := last(cyn.try("cyn", "secret")); got != "wait approval" {
		t.Error(got)
	}
	c.has(c.sees(c.host), "asks to come in: /approve cyn or /deny cyn")
	c.types(c.host, "/approve cyn")
	if all := answers(cyn.link); last(all) != "welcome" || !cyn.asking.convinced(all[0].Scram) {
		t.Errorf("approved: %+v", all)
	}
	c.types(c.host, "/ban cyn")
	again := c.guesser("10.0.0.1:2", 1)
	again.peer.Key = cyn.peer.Key
	if got := last(again.try("cyn", "secret")); got != "error banned" {
		t.Errorf("banned: %s", got)
	}
	c.types(c.host, "/lock")
	if got := last(c.guesser("10.0.0.2:1", 2).try("dee", "secret")); got != "error locked" {
		t.Errorf("locked out: %s", got)
	}
}
