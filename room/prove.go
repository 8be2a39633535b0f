package room

import (
	"fmt"
	"slices"
	"time"

	"parley/transport"
)

// Codes of refusals that have to do with a password.
const (
	codeRelay      = "relay"       // the proof was made for another connection
	codeOpened     = "opened"      // there is no password any more
	codeNotAllowed = "not_allowed" // this is somebody else's to do
)

// proving is a join whose password is being proved.
type proving struct {
	join   *item
	giving *giving // nil: the host has asked, and nothing has come yet
}

// challenge has a newcomer prove the password, where there is one and he has
// not yet; false where nothing stands in his way. The host's own seat in this very
// program proves nothing; any other of his does.
func (c *core) challenge(now time.Time, it *item) bool {
	l := it.link
	if c.verifier == nil || l.proved == c.verifier || l.peer.Via == "pipe" && c.roleOf(l, it.cmd) == roleHost {
		return false
	}
	if l.peer.Binding == ([32]byte{}) || l.peer.Key == (transport.Key{}) {
		return c.turnAway(l, codePassword, "the room has a password, which cannot be proved over this connection")
	}
	l.proving = &proving{join: it}
	l.out.control(encode(report{Type: typeProve, Room: c.host.Name, Vouch: c.voucher(now)}), true)
	return true
}

// roomKey is the key that members know the room by.
func (h *Host) roomKey() transport.Key {
	if h.Key.IsZero() {
		return h.HostKey
	}
	return h.Key.Key()
}

// prove takes in a step of the exchange.
func (c *core) prove(now time.Time, l *link, text string) {
	p := l.proving
	switch {
	case p == nil:
		c.turnAway(l, codeProtocol, "nobody asked for a proof")
		return
	case c.verifier == nil: // it was taken off meanwhile
		c.turnAway(l, codeOpened, openedNow)
		return
	}
	if p.giving == nil {
		h := c.host
		data := proofOf(l.peer.Binding, h.roomKey(), h.HostKey, l.peer.Key, h.Name)
		g, err := newGiving(c.verifier, bound(data), newNonce(), text)
		if err != nil {
			c.turnAway(l, codeProtocol, "that was "+err.Error())
			return
		}
		p.giving = g
		l.out.control(encode(report{Type: typeProve, Scram: g.offered}), true)
		return
	}
	l.proving = nil
	proof, err := p.giving.read(text)
	switch {
	case err == errChannel:
		if now.Sub(c.relayed) >= guessSpan { // whoever does it on purpose should not fill the log
			c.relayed = now
			c.host.Logger.Warn("a proof of the password was made for another connection", "room", c.host.Name, "addr", l.peer.Addr.String())
		}
		c.turnAway(l, codeRelay, "not the same channel: somebody is in between you and the host")
	case err != nil:
		c.turnAway(l, codeProtocol, "that was "+err.Error())
	default:
		q := &guess{from: l.from(), key: l.peer.Key, link: l, join: p.join, proof: proof}
		c.guesses.add(now, q)
		c.judge(now)
		c.queue(now, q)
	}
}

// queue puts off the join of a proof that was not looked at. When too many
// wait, whoever would be the last has to go.
func (c *core) queue(now time.Time, q *guess) {
	if !slices.Contains(c.guesses.waiting, q) {
		return
	}
	ward := wards[codePassword]
	all, each := c.waitFor(q.link, codePassword)
	if each >= ward.each {
		c.crowdOut(now, q)
		return
	}
	if all >= ward.all {
		last := c.guesses.worst()
		c.crowdOut(now, last)
		if last == q {
			return
		}
	}
	c.park(now, q.join, codePassword, c.queueing(now, q))
}

// crowdOut refuses a proof because too many wait.
func (c *core) crowdOut(now time.Time, q *guess) {
	c.guesses.drop(q.link)
	c.unpark(now, q.link)
	c.turnAway(q.link, codeFull, "too many passwords are being tried here now: try again in a minute")
}

// queueing tells how long a proof has to wait.
func (c *core) queueing(now time.Time, q *guess) string {
	wait := c.guesses.wait(now, q).Round(time.Second)
	return fmt.Sprintf("wrong passwords were tried here: yours is looked at in about %d s", max(wait/time.Second, 1))
}

// queued is the proof that waits for a link.
func (g *guesses) queued(l *link) *guess {
	if i := slices.IndexFunc(g.waiting, func(q *guess) bool { return q.link == l }); i >= 0 {
		return g.waiting[i]
	}
	return nil
}

// judge looks at the proofs that may be looked at.
func (c *core) judge(now time.Time) {
	for q := c.guesses.next(now); q != nil; q = c.guesses.next(now) {
		l := q.link
		c.unpark(now, l)
		if q.proof.verifier != c.verifier {
			c.meter.refuses(codePassword)
			l.out.control(refusal(codePassword, changedNow), true)
			continue
		}
		answer, right := q.proof.check()
		if !right {
			c.guesses.failure(now, q)
			c.host.Logger.Info("a password was wrong", "room", c.host.Name, "addr", l.peer.Addr.String(), "key", l.peer.Key.String()) // as seldom as the budget says
			c.meter.refuses(codePassword)
			l.out.control(refusal(codePassword, "the password is wrong"), true)
			continue
		}
		c.guesses.success(now, q)
		l.proved, l.answer = c.verifier, answer
		c.waiting = append(c.waiting, q.join)
	}
}

// checkPassword decides a change of the password. Only the host's own seat, in
// the host's program, may make one, so that no verifier crosses a wire.
func (c *core) checkPassword(now time.Time, it *item) bool {
	id, ok := parseID(it.cmd.ID)
	s, v := it.seat, it.cmd.Verifier
	what := "has changed the password"
	switch {
	case !ok:
		c.fail(it, codeProtocol, "a change needs an id of 32 hex digits")
		return true
	case s.role != roleHost || it.link.peer.Via != "pipe":
		c.fail(it, codeNotAllowed, notHost)
		return true
	case c.host.Plaintext:
		c.fail(it, codeNotAllowed, "a plaintext room has no password: anyone on the network could read past it")
		return true
	case c.host.Guests:
		c.fail(it, codeNotAllowed, "a room that lets guests in has no password: guests cannot prove one without showing it to everybody")
		return true
	case v == nil && c.verifier == nil:
		c.fail(it, codeNotAllowed, "the room has no password")
		return true
	case v == nil:
		what = "has taken the password off: anyone may join"
	case c.verifier == nil:
		what = "has set a password for those who join from now on"
	}
	if seq, _, ok := c.state.stored(s.key, id, ""); ok {
		c.accept(it, seq)
		return true
	}
	if _, ok := c.flying[entryID{s.key, id}]; ok {
		return false
	}
	c.put(now, it, id, nil, "", report{Type: string(Notice), Code: codePassword, By: s.nick, Text: s.nick + " " + what})
	return true
}

const notHost = "only the host may change the password, in the program that hosts the room"

// setPassword has newcomers prove another password from now on, or none. Who is
// seated stays; who was about to prove the old one has to begin again.
func (c *core) setPassword(now time.Time, v *Verifier) {
	c.verifier = v
	for _, q := range c.guesses.reset() {
		c.unpark(now, q.link)
		if v == nil {
			c.turnAway(q.link, codeOpened, openedNow)
		} else {
			c.meter.refuses(codePassword)
			q.link.out.control(refusal(codePassword, changedNow), true)
		}
	}
}

const (
	changedNow = "the password was changed just now"
	// Who has begun to prove the password sits down with nobody who does not
	// prove it, too, and so has to come anew.
	openedNow = "the password was taken off just now: join again"
)
