package room

import (
	"fmt"
	"time"

	"parley/text"
	"parley/transport"
)

// Where newcomers are approved, who is unknown knocks: the join is put off
// (wait.go), the host and the ops are told, and one of them lets the newcomer in or
// does not. A key that was let in, and not put out since, need not knock again.

// knock puts a newcomer's join off until the host or an op has decided.
func (c *core) knock(now time.Time, it *item, session [16]byte, key transport.Key) bool {
	l := it.link
	nick, err := text.Nick(it.cmd.Nick)
	switch {
	case err != nil:
		c.meter.refuses(codeNick)
		l.out.control(encode(report{Type: string(Failure), Code: codeNick, Text: err.Error()}), true)
		return true
	case !c.free(nick, key, seatOf(session), it.cmd.Share || it.cmd.Quiet): // in the room: whom would they let in?
		c.refuseNick(it, nick, string(Failure))
		return true
	case l.parked == nil && !c.mayPark(l, codeApproval):
		return c.turnAway(l, codeFull, "too many ask to come in just now: try again later")
	}
	for _, o := range c.knocking() {
		if o != l && text.Key(o.parked.join.cmd.Nick) == text.Key(nick) { // likewise
			if c.keyAt(o) != key {
				c.meter.refuses(codeTaken)
				l.out.control(encode(report{Type: string(Failure), Code: codeTaken, Nick: nick,
					Text: fmt.Sprintf("somebody asks to come in as %q already: choose another name", nick)}), true)
				return true
			}
			c.unpark(now, o) // a former try of the same person
			c.turnAway(o, codeReplaced, "you ask from elsewhere, too")
		}
	}
	it.cmd.Session, it.cmd.Nick = hexID(session), nick // the key may be made of the session
	words := c.host.Name + " lets nobody new in unasked: the host and the ops were told that you are here"
	if c.announce(now, c.knockOf(nick, key, it.cmd.Guest)) == 0 {
		words = c.host.Name + " lets nobody new in unasked, and nobody who decides is here: you wait until somebody is"
	}
	c.park(now, it, codeApproval, words)
	return true
}

// knocking are the links that wait to be let in.
func (c *core) knocking() (all []*link) {
	for _, l := range c.parked {
		if l.parked.code == codeApproval && !l.ended {
			all = append(all, l)
		}
	}
	return all
}

// keyAt is the key under which a link that knocks would sit.
func (c *core) keyAt(l *link) transport.Key {
	session, _ := parseID(l.parked.join.cmd.Session)
	return c.keyFor(l, session)
}

// knockOf is what keepers hear of somebody who knocks.
func (c *core) knockOf(nick string, key transport.Key, guest bool) []byte {
	r := report{Type: string(Notice), Code: codeKnock, Nick: nick, Text: fmt.Sprintf("%s asks to come in: /approve %s or /deny %s", c.caller(nick, key, guest), nick, nick)}
	if !c.host.Plaintext && !guest {
		r.Key = key
	}
	return encode(r)
}

// caller names somebody who knocks, with the words by which the key can be
// compared.
func (c *core) caller(nick string, key transport.Key, guest bool) string {
	switch {
	case guest:
		return nick + ", a guest without a key,"
	case c.host.Plaintext:
		return nick
	}
	words := nick + " (key: " + text.KeyWords(key)
	if before, known := c.state.rules.gone.all[text.Key(nick)]; known && before.key != key {
		words += ", which is not that of the " + before.nick + " who was here before"
	}
	return words + ")"
}

// knocker is somebody whom a keeper's program was told of.
type knocker struct {
	key   transport.Key // zero: none that is proved
	other bool          // somebody else asked under that name before
}

// knocked takes in that somebody knocks. The caller holds mu.
func (m *Member) knocked(r *report) {
	name := text.Key(r.Nick)
	before, again := m.knockers[name]
	if m.knockers == nil || len(m.knockers) >= wards[codeApproval].all && !again {
		m.knockers = make(map[string]knocker)
	}
	m.knockers[name] = knocker{r.Key, again && (before.other || before.key != r.Key)}
}

// approving says with an approval whom the keeper means: who was told last to ask under that
// name. Where that is somebody else than before, the keeper may have read of the first alone, and is told so once.
func (m *Member) approving(cmd *command) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := text.Key(cmd.Nick)
	k := m.knockers[name]
	if cmd.Key = k.key; k.other {
		m.knockers[name] = knocker{key: k.key}
		return &Refused{Code: codeKey, Text: fmt.Sprintf("somebody else asks to come in as %.64q than before: compare the key that was told last, then say it again", text.Clean(cmd.Nick))}
	}
	return nil
}

// A stranger who comes again and again under new keys must not drive what is
// said off the keepers' screens: they are told of knockBurst newcomers at once and
// then of one every knockEvery, and once that there are more.
const (
	knockBurst = 16
	knockEvery = 5 * time.Second
)

// announce tells the keepers that somebody knocks, and counts them.
func (c *core) announce(now time.Time, notice []byte) (told int) {
	often := flow{knockBurst, 1 / knockEvery.Seconds()}
	if c.knocks.after(now, 1, often) <= 0 {
		c.knocks.take(now, 1, often)
		c.manyKnock = false
		return c.tellKeepers(notice)
	}
	if c.manyKnock {
		return c.tellKeepers(nil)
	}
	c.manyKnock = true
	return c.tellKeepers(encode(report{Type: string(Notice), Code: codeKnock, Text: "more ask to come in: /approve lists them, /lock turns all of them away"}))
}

// tellKeepers sends a notice, if there is one, to the host and the ops, and counts
// them.
func (c *core) tellKeepers(notice []byte) (told int) {
	for _, s := range c.seats {
		if s.link != nil && !s.deaf && c.keeper(s) {
			if told++; notice != nil {
				s.link.out.control(notice, false)
			}
		}
	}
	return told
}

// tellKnocks tells a keeper who just came who waits.
func (c *core) tellKnocks(s *seat) {
	if s.deaf || !c.keeper(s) {
		return
	}
	for _, l := range c.knocking() {
		cmd := l.parked.join.cmd
		s.link.out.control(c.knockOf(cmd.Nick, c.keyAt(l), cmd.Guest), false)
	}
}

// decideApprove lets in somebody who knocks, or turns approval on or off.
func (c *core) decideApprove(now time.Time, it *item) (d deed, no *Refused) {
	if it.cmd.Nick != "" {
		return c.answerKnock(it)
	}
	on := it.cmd.State == stateOn
	switch {
	case !on && it.cmd.State != stateOff:
		return d, &Refused{Code: codeUsage, Text: "on, off or a NICK"}
	case on == c.state.rules.approval:
		return d, &Refused{Code: codeUnchanged, Text: "approval is " + it.cmd.State + " already"}
	}
	d.report.State = it.cmd.State
	return d, nil
}

// answerKnock finds who knocks.
func (c *core) answerKnock(it *item) (d deed, no *Refused) {
	for _, l := range c.knocking() {
		if nick := l.parked.join.cmd.Nick; text.Key(nick) == text.Key(it.cmd.Nick) {
			key := c.keyAt(l)
			if it.cmd.Key != (transport.Key{}) && it.cmd.Key != key {
				return d, &Refused{Code: codeKey, Text: fmt.Sprintf("%s is somebody else than the one you were told of before: compare the key, then say it again", c.caller(nick, key, l.parked.join.cmd.Guest))}
			}
			return deed{report: report{Nick: nick, Key: key}}, nil
		}
	}
	return d, &Refused{Code: codeNoNick, Text: fmt.Sprintf("nobody called %.64q asks to come in: /approve lists who does", text.Clean(it.cmd.Nick))}
}

// decideDeny sends somebody away who knocks. Members need not know of it.
func (c *core) decideDeny(now time.Time, it *item) (d deed, no *Refused) {
	d, no = c.answerKnock(it)
	d.audience = append(c.privy(it), c.state.rules.ops.order...)
	return d, no
}

// admit checks again the joins of those who wait, where that is of use.
func (c *core) admit(now time.Time) {
	for _, l := range c.knocking() {
		if !c.state.rules.approval || !c.state.rules.stranger(c.keyAt(l)) {
			c.waiting = append(c.waiting, c.unpark(now, l))
		}
	}
}

// deny sends away who was denied.
func (c *core) deny(now time.Time, r report) {
	for _, l := range c.knocking() {
		if c.keyAt(l) == r.Key {
			c.unpark(now, l)
			c.turnAway(l, codeDenied, "you were not let into "+c.host.Name+sentenceOf(r).words(now))
		}
	}
}

// listKnocks answers who waits.
func (c *core) listKnocks() (none string, lines []string) {
	for _, l := range c.knocking() {
		cmd := l.parked.join.cmd
		lines = append(lines, c.caller(cmd.Nick, c.keyAt(l), cmd.Guest)+" asks to come in")
	}
	if c.state.rules.approval {
		return "newcomers wait to be let in; nobody waits now", lines
	}
	return "newcomers come in unasked: /approve on has them wait", lines
}
