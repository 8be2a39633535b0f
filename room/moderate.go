package room

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

// The ranks of people. One acts on those below; the host on everybody.
const (
	rankGuest = iota
	rankMember
	rankOp
	rankHost
)

// expulsion is why a seat is being put out.
type expulsion struct{ code, by, reason string }

// words tells whom it hits.
func (x *expulsion) words(room string) string {
	done := "put out of "
	if x.code == codeBanned {
		done = "banned from "
	}
	return "you were " + done + room + (&sentence{by: x.by, reason: x.reason}).words(time.Time{})
}

// deed is a decided act: what to store, who may see it, and more.
type deed struct {
	report   report
	audience []transport.Key
	from     []netip.Addr // addresses that it holds for
	note     string       // for who did it
}

// decide are what decides each act.
var decide = map[Kind]func(*core, time.Time, *item) (deed, *Refused){
	Kick: (*core).decideKick, Ban: (*core).decideBan, Unban: (*core).decideUnban, Mute: (*core).decideMute, Unmute: (*core).decideUnmute,
	Op: (*core).decideOp, Deop: (*core).decideDeop, Slow: (*core).decideSlow, Lock: (*core).decideLock, Unlock: (*core).decideUnlock,
	Topic: (*core).decideText, Motd: (*core).decideText, Filter: (*core).decideFilter, Unfilter: (*core).decideUnfilter,
	Approve: (*core).decideApprove, Deny: (*core).decideDeny,
}

// checkAct decides what the host or an op does to others. Nothing else is
// decided until it is stored and folded, so whoever loses a right has lost it.
func (c *core) checkAct(now time.Time, it *item, id [16]byte, held *holds) {
	s, kind := it.seat, Kind(it.cmd.Type)
	self := kind == Deop && (it.cmd.Nick == "" || text.Key(it.cmd.Nick) == text.Key(s.nick))
	do := decide[kind]
	switch {
	case do == nil: // told by the host alone
		c.fail(it, codeUnknown, "nobody can do that")
		return
	case !c.keeper(s) && !self:
		c.fail(it, codeNotAllowed, "only the host and ops may do that: /names tells who they are")
		return
	case !line(it.cmd.Reason):
		c.fail(it, codeTooLong, fmt.Sprintf("a reason is one line of at most %d bytes without control characters", maxLine))
		return
	}
	d, no := do(c, now, it)
	if no != nil {
		c.fail(it, no.Code, no.Text)
		return
	}
	d.report.Type, d.report.Reason = cmp.Or(d.report.Type, it.cmd.Type), it.cmd.Reason
	if kind == Topic {
		d.report.From = s.nick
	} else {
		d.report.By = s.nick
	}
	held.rules = true
	c.put(now, it, id, d.audience, "", d.report)
	for _, a := range d.from {
		c.put(now, &item{}, c.newID(), c.hosts(), "",
			report{Type: string(Address), By: s.nick, Code: d.report.Type, Nick: d.report.Nick, Key: d.report.Key, Addr: a.String()})
	}
	if d.note != "" {
		it.link.out.control(encode(report{Type: string(Notice), Text: d.note}), false)
	}
}

// settings has the host's own settings stored, as far as the log has them not.
func (c *core) settings() {
	own := func(cmd command) { c.waiting = append(c.waiting, &item{cmd: cmd}) }
	if c.host.Approve {
		own(command{Type: string(Approve), State: stateOn})
	}
	if c.host.Slow > 0 {
		own(command{Type: string(Slow), Seconds: c.host.Slow})
	}
	for _, pattern := range c.host.Filters {
		own(command{Type: string(Filter), Text: pattern})
	}
}

// checkOwn decides on one of the host's own settings.
func (c *core) checkOwn(now time.Time, it *item, held *holds) {
	r, cmd := &c.state.rules, it.cmd
	var audience []transport.Key
	switch kind := Kind(cmd.Type); {
	case kind == Topic && (c.state.topic != "" || cmd.Text == "" || !line(cmd.Text)),
		kind == Approve && r.approval,
		kind == Slow && r.slow == time.Duration(cmd.Seconds)*time.Second,
		kind == Filter && r.filtered(cmd.Text):
		return
	case kind == Filter:
		audience = []transport.Key{c.host.HostKey}
	}
	c.put(now, it, c.newID(), audience, "", report{Type: cmd.Type, Text: cmd.Text, Seconds: cmd.Seconds, State: cmd.State})
}

// rank is what somebody may do.
func (c *core) rank(role string, key transport.Key) int {
	switch {
	case role == roleHost || !c.host.Plaintext && key == c.host.HostKey && key != transport.Key{}:
		return rankHost
	case role == roleGuest:
		return rankGuest
	case c.state.rules.ops.has(key) && !c.host.Plaintext:
		return rankOp
	}
	return rankMember
}

// keeper tells whether somebody may act on others.
func (c *core) keeper(s *seat) bool { return c.rank(s.role, s.key) >= rankOp }

// roleNow is the role of a seat as it is told.
func (c *core) roleNow(s *seat) string {
	if c.rank(s.role, s.key) == rankOp {
		return roleOp
	}
	return s.role
}

// fleeting tells whether a seat's key is gone when its program ends, so that it
// is known by its address.
func (c *core) fleeting(role string) bool { return c.host.Plaintext || role == roleGuest }

// target is whom an act is about.
type target struct {
	nick, role string
	key        transport.Key
	rank       int
	here       bool
}

// aim finds whom an act is about, and whether the seat may do that to it. Who has
// left lately can be found, too.
func (c *core) aim(it *item, gone bool) (t target, no *Refused) {
	name := text.Key(it.cmd.Nick)
	shown := fmt.Sprintf("%.64q", text.Clean(it.cmd.Nick))
	left := c.state.rules.gone.get(name)
	switch people, quiet := c.state.names[name], c.quiet[name]; {
	case len(people) > 0:
		t = target{nick: people[0].nick, role: people[0].role, key: people[0].key, here: true}
	case len(quiet) > 0:
		t = target{nick: quiet[0].nick, role: quiet[0].role, key: quiet[0].key, here: true}
	case left.nick != "" && gone && c.fleeting(left.role):
		return t, &Refused{Code: codeNoNick, Text: left.nick + " has left, and without a key that lasts only who is here can be held"}
	case left.nick != "" && gone:
		t = target{nick: left.nick, role: left.role, key: left.key}
	default:
		return t, &Refused{Code: codeNoNick, Text: "nobody here is called " + shown + ": /names tells who is"}
	}
	t.rank = c.rank(t.role, t.key)
	own := c.rank(it.seat.role, it.seat.key)
	switch {
	case t.key == it.seat.key:
		return t, &Refused{Code: codeSelf, Text: "that is you"}
	case t.rank == rankHost:
		return t, &Refused{Code: codeNotAllowed, Text: t.nick + " is the host: nobody can do that to the host"}
	case own <= t.rank:
		return t, &Refused{Code: codeNotAllowed, Text: t.nick + " is an op like you: only the host can do that"}
	}
	return t, nil
}

// addresses are where the seats of a key are connected from, if that is not the
// host's own computer.
func (c *core) addresses(key transport.Key) (all []netip.Addr) {
	for _, s := range c.seats {
		a := s.from.WithZone("")
		if s.key == key && remote(a) && !slices.Contains(all, a) && len(all) < maxFrom && (c.host.Own == nil || !c.host.Own(a)) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

func (c *core) decideKick(now time.Time, it *item) (d deed, no *Refused) {
	t, no := c.aim(it, false)
	return deed{report: report{Nick: t.nick, Key: t.key}}, no
}

// term is when a sentence ends that begins now.
func term(now time.Time, seconds int) (until time.Time, no *Refused) {
	switch d := time.Duration(seconds) * time.Second; {
	case seconds < 0 || seconds > int(maxTerm/time.Second):
		return until, &Refused{Code: codeUsage, Text: fmt.Sprintf("a time is at most %s; without one it is for good", lasting(maxTerm))}
	case seconds > 0:
		until = now.Add(d).UTC().Truncate(time.Second)
	}
	return until, nil
}

func (c *core) decideBan(now time.Time, it *item) (d deed, no *Refused) {
	t, no := c.aim(it, true)
	if no != nil {
		return d, no
	}
	d.report = report{Nick: t.nick, Key: t.key}
	if d.report.Until, no = term(now, it.cmd.Seconds); no != nil {
		return d, no
	}
	c.state.rules.bans.dropAll(func(b *sentence) bool { return b.over(now) })
	if !c.state.rules.bans.has(t.key) && len(c.state.rules.bans.order) >= maxSentences {
		return d, &Refused{Code: codeTooMany, Text: fmt.Sprintf("%d are banned, which is the most: /bans lists them, /unban NICK lets one back in", maxSentences)}
	}
	if it.cmd.Address || c.fleeting(t.role) {
		d.from = c.addresses(t.key)
	}
	switch {
	case len(d.from) > 0:
	case c.fleeting(t.role):
		d.report.Type, d.report.Until = string(Kick), time.Time{}
		d.note = t.nick + " is only put out: the room knows people without a key by their address, and this one is the host's own"
	case it.cmd.Address:
		d.note = "the key of " + t.nick + " is banned, but no address: it is not known, or the host's own"
	}
	return d, nil
}

func (c *core) decideUnban(now time.Time, it *item) (d deed, no *Refused) {
	name := text.Key(it.cmd.Nick)
	for _, b := range c.state.rules.bans.all {
		if !b.over(now) && text.Key(b.nick) == name {
			d.report.Nick = b.nick
			return d, nil
		}
	}
	return d, &Refused{Code: codeUnchanged, Text: fmt.Sprintf("nobody called %.64q is banned: /bans lists who is", text.Clean(it.cmd.Nick))}
}

func (c *core) decideMute(now time.Time, it *item) (d deed, no *Refused) {
	if d.report.Until, no = term(now, it.cmd.Seconds); no != nil || it.cmd.Nick == "" {
		return d, no
	}
	t, no := c.aim(it, true)
	if no != nil {
		return d, no
	}
	c.state.rules.mutes.dropAll(func(m *sentence) bool { return m.over(now) })
	if !c.state.rules.mutes.has(t.key) && len(c.state.rules.mutes.order) >= maxSentences {
		return d, &Refused{Code: codeTooMany, Text: fmt.Sprintf("%d are muted, which is the most: /mute all mutes everybody", maxSentences)}
	}
	d.report.Nick, d.report.Key = t.nick, t.key
	if c.fleeting(t.role) {
		d.from = c.addresses(t.key)
	}
	return d, nil
}

func (c *core) decideUnmute(now time.Time, it *item) (d deed, no *Refused) {
	r := &c.state.rules
	if it.cmd.Nick == "" {
		if r.silence.over(now) {
			no = &Refused{Code: codeUnchanged, Text: "the room is not muted; /unmute NICK is for one person"}
		}
		return d, no
	}
	name := text.Key(it.cmd.Nick)
	for _, p := range c.state.names[name] { // under another nick now
		if !r.mutes.get(p.key).over(now) {
			return deed{report: report{Nick: p.nick, Key: p.key}}, nil
		}
	}
	for key, m := range r.mutes.all {
		if !m.over(now) && text.Key(m.nick) == name {
			return deed{report: report{Nick: m.nick, Key: key}}, nil
		}
	}
	return d, &Refused{Code: codeUnchanged, Text: fmt.Sprintf("%.64q is not muted", text.Clean(it.cmd.Nick))}
}

func (c *core) decideOp(now time.Time, it *item) (d deed, no *Refused) {
	t, no := c.aim(it, false)
	switch {
	case t.nick == "":
		return d, no
	case t.rank >= rankOp:
		return d, &Refused{Code: codeUnchanged, Text: t.nick + " has the rights of an op already"}
	case c.host.Plaintext:
		return d, &Refused{Code: codeNotAllowed, Text: "in a plaintext room nobody can prove to be anybody, so there are no ops"}
	case t.rank == rankGuest:
		return d, &Refused{Code: codeNotAllowed, Text: t.nick + " is a guest without a key, who cannot be an op"}
	case len(c.state.rules.ops.order) >= maxOps:
		return d, &Refused{Code: codeTooMany, Text: fmt.Sprintf("there are %d ops, which is the most", maxOps)}
	}
	return deed{report: report{Nick: t.nick, Key: t.key}}, no
}

// decideDeop lets everybody give up what they were given.
func (c *core) decideDeop(now time.Time, it *item) (d deed, no *Refused) {
	s := it.seat
	t := target{nick: s.nick, key: s.key, rank: c.rank(s.role, s.key)}
	if it.cmd.Nick != "" && text.Key(it.cmd.Nick) != text.Key(s.nick) {
		if t, no = c.aim(it, true); no != nil && no.Code != codeSelf {
			return c.deopAbsent(it, no)
		}
	}
	if t.rank != rankOp {
		return d, &Refused{Code: codeUnchanged, Text: t.nick + " is no op"}
	}
	return deed{report: report{Nick: t.nick, Key: t.key}}, nil
}

// deopAbsent lets the host take the rights from an op who is not here.
func (c *core) deopAbsent(it *item, no *Refused) (deed, *Refused) {
	if no.Code == codeNoNick && c.rank(it.seat.role, it.seat.key) == rankHost {
		for key, nick := range c.state.rules.ops.all {
			if text.Key(nick) == text.Key(it.cmd.Nick) {
				return deed{report: report{Nick: nick, Key: key}}, nil
			}
		}
	}
	return deed{}, no
}

func (c *core) decideSlow(now time.Time, it *item) (d deed, no *Refused) {
	switch n := it.cmd.Seconds; {
	case n < 0 || n > int(maxSlow/time.Second):
		return d, &Refused{Code: codeUsage, Text: fmt.Sprintf("between 1 and %d seconds, or off", maxSlow/time.Second)}
	case time.Duration(n)*time.Second == c.state.rules.slow:
		return d, &Refused{Code: codeUnchanged, Text: "slow mode is like that already"}
	}
	d.report.Seconds = it.cmd.Seconds
	return d, nil
}

func (c *core) decideLock(now time.Time, it *item) (d deed, no *Refused) { return d, nil }

func (c *core) decideUnlock(now time.Time, it *item) (d deed, no *Refused) {
	if c.state.rules.locked == nil {
		no = &Refused{Code: codeUnchanged, Text: "the room is not locked"}
	}
	return d, no
}

// decideText is about the topic and the message of the day.
func (c *core) decideText(now time.Time, it *item) (d deed, no *Refused) {
	if d.report.Text = it.cmd.Text; !line(it.cmd.Text) {
		no = &Refused{Code: codeTooLong, Text: fmt.Sprintf("it is one line of at most %d bytes without control characters", maxLine)}
	}
	return d, no
}

// hosts are those who may see addresses: in a plaintext room the host's seats
// have keys of their own.
func (c *core) hosts() []transport.Key {
	keys := []transport.Key{c.host.HostKey}
	for _, s := range c.seats {
		if s.role == roleHost && !slices.Contains(keys, s.key) {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// privy are those who may see what is about filters: nobody learns from the
// log what to write around.
func (c *core) privy(it *item) []transport.Key { return []transport.Key{c.host.HostKey, it.seat.key} }

func (c *core) decideFilter(now time.Time, it *item) (d deed, no *Refused) {
	f, err := newFilter(it.cmd.Text)
	all := c.state.rules.filters
	switch {
	case err != nil:
		return d, &Refused{Code: codeUsage, Text: err.Error()}
	case c.state.rules.filtered(f.pattern):
		return d, &Refused{Code: codeUnchanged, Text: "there is this filter already: /filter lists them"}
	case len(all) >= maxFilters:
		return d, &Refused{Code: codeTooMany, Text: fmt.Sprintf("there are %d filters, which is the most: /unfilter takes one away", maxFilters)}
	}
	steps := f.steps
	for _, o := range all {
		steps += o.steps
	}
	if steps > maxSteps {
		return d, &Refused{Code: codeTooMany, Text: "the regular expressions of this room are too much work together: make this one shorter, or take another away"}
	}
	return deed{report: report{Text: f.pattern}, audience: c.privy(it)}, nil
}

func (c *core) decideUnfilter(now time.Time, it *item) (d deed, no *Refused) {
	if it.cmd.Text != everyFilter && !c.state.rules.filtered(it.cmd.Text) || len(c.state.rules.filters) == 0 {
		return d, &Refused{Code: codeUnchanged, Text: "there is no such filter: /filter lists them"}
	}
	return deed{report: report{Text: it.cmd.Text}, audience: c.privy(it)}, nil
}

// expel puts out all seats of a key, after a kick or a ban of it was shown to
// them. That they left is said next; they cannot come back before.
func (c *core) expel(now time.Time, r report) {
	x := &expulsion{codeKicked, r.By, r.Reason}
	if Kind(r.Type) == Ban {
		if x.code = codeBanned; !r.Until.IsZero() && !now.Before(r.Until) {
			return // long ago
		}
	}
	c.putOut(now, x, func(s *seat) bool { return s.key == r.Key })
}

// expelFrom puts out who has no lasting key and comes from an address that was
// banned; with a second window one would be back otherwise.
func (c *core) expelFrom(now time.Time, r report) {
	a, err := netip.ParseAddr(r.Addr)
	b := c.state.rules.bans.get(r.Key)
	if Kind(r.Code) != Ban || err != nil || b.over(now) {
		return
	}
	c.putOut(now, &expulsion{codeBanned, b.by, b.reason}, func(s *seat) bool {
		return s.from.WithZone("") == a && c.fleeting(s.role) && s.role != roleHost
	})
}

// putOut ends the seats that are meant, and has it said that they left.
func (c *core) putOut(now time.Time, x *expulsion, meant func(*seat) bool) {
	var all []*seat
	for _, s := range c.seats {
		if s.out == nil && meant(s) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *seat) int { return cmp.Or(cmp.Compare(a.born, b.born), bytes.Compare(a.id[:], b.id[:])) })
	for _, s := range all {
		if s.quiet {
			c.remove(s, x.code, x.words(c.host.Name))
			continue
		}
		s.out = x
		c.receipts.forget(s)
		if l := s.link; l != nil {
			l.ended, s.link = true, nil
			l.out.finish(encode(report{Type: typeBye, Code: x.code, Text: x.words(c.host.Name)}))
		}
		c.waiting = append(c.waiting, &item{seat: s, cmd: command{Type: typeLeave}})
	}
	c.turnOut(now)
}

// turnOut sends away whoever waits to be let in and was banned meanwhile.
func (c *core) turnOut(now time.Time) {
	for _, l := range c.knocking() {
		if no := c.shutOut(now, seatID{}, c.keyAt(l), roleMember, l.from()); no != nil {
			c.unpark(now, l)
			c.turnAway(l, no.Code, no.Text)
		}
	}
}

// shutOut tells why a connection may not have the seat it asks for, or any.
func (c *core) shutOut(now time.Time, id seatID, key transport.Key, role string, from netip.Addr) *Refused {
	r, name := &c.state.rules, c.host.Name
	if role == roleHost {
		return nil
	}
	if b := r.banned(key, from.WithZone(""), now); b != nil {
		return &Refused{Code: codeBanned, Text: "you are banned from " + name + b.words(now)}
	}
	if s := c.seats[id]; s != nil && s.out != nil {
		return &Refused{Code: s.out.code, Text: s.out.words(name)}
	}
	if k := r.kicked.get(id); k != nil { // it was away when it happened
		return &Refused{Code: codeKicked, Text: (&expulsion{codeKicked, k.by, k.reason}).words(name)}
	}
	return nil
}

// speechless returns the mute that keeps a seat from speaking.
func (c *core) speechless(now time.Time, s *seat) *sentence {
	from := netip.Addr{}
	if c.fleeting(s.role) {
		from = s.from.WithZone("")
	}
	switch rank := c.rank(s.role, s.key); {
	case rank == rankHost:
		return nil
	case rank < rankOp && !c.state.rules.silence.over(now):
		return c.state.rules.silence
	}
	return c.state.rules.muted(s.key, from, now)
}

// forbidden tells why something may not be said now. The host and ops can
// always be asked.
func (c *core) forbidden(now time.Time, it *item) *Refused {
	s, kind, r := it.seat, Kind(it.cmd.Type), &c.state.rules
	if kind == Whisper && c.toKeeper(it.cmd.To) {
		return nil
	}
	m := c.speechless(now, s)
	switch {
	case m != nil && m.nick == "":
		return &Refused{Code: codeMuted, Text: "only the host and ops speak now: the room was muted" + m.words(now)}
	case m != nil:
		return &Refused{Code: codeMuted, Text: "you were muted" + m.words(now)}
	case c.keeper(s):
		return nil
	}
	if f := r.stop(kind, it.cmd.Text); f != nil {
		return &Refused{Code: codeFiltered, Text: "a filter of this room is against it (" + f.kind() + ")"}
	}
	if wait := r.wait(s.key, now); wait > 0 && kind != Whisper {
		return &Refused{Code: codeSlowMode, Text: fmt.Sprintf("slow mode: %s until your next message", lasting(wait))}
	}
	return nil
}

// toKeeper tells whether a whisper is to the host or an op.
func (c *core) toKeeper(nick string) bool {
	for _, p := range c.state.names[text.Key(nick)] {
		return c.rank(p.role, p.key) >= rankOp
	}
	return false
}

// keptFrom tells whether a filter is against words that are no message, such as
// names, from somebody.
func (c *core) keptFrom(role string, key transport.Key, words string) bool {
	return words != "" && c.rank(role, key) < rankOp && c.state.rules.stop("", words) != nil
}

const filteredName = "a filter of this room is against this name: choose another"

// tellLimits tells somebody who sat down what holds for him.
func (c *core) tellLimits(now time.Time, s *seat) {
	r := &c.state.rules
	c.tellKnocks(s)
	if s.deaf || c.rank(s.role, s.key) == rankHost {
		return
	}
	tell := func(code, words string) {
		s.link.out.control(encode(report{Type: string(Notice), Code: code, Text: words}), false)
	}
	if m := c.speechless(now, s); m != nil && m.nick == "" {
		tell(codeMuted, "only the host and ops speak now: the room was muted"+m.words(now))
	} else if m != nil {
		tell(codeMuted, "you were muted"+m.words(now)+"; the host and ops hear what you whisper to them")
	}
	if r.slow > 0 && !c.keeper(s) {
		tell(codeSlowMode, fmt.Sprintf("slow mode: one message every %s", lasting(r.slow)))
	}
}

// maxListed bounds the lines of an answer, so that it is one message.
const maxListed = 40

// tellRules answers what the host and ops may ask.
func (c *core) tellRules(now time.Time, it *item) {
	if _, ok := parseID(it.cmd.ID); !ok || !c.keeper(it.seat) {
		c.fail(it, codeNotAllowed, "only the host and ops may ask that")
		return
	}
	var lines []string
	none := "nobody is banned"
	switch it.cmd.Type {
	case typeBans:
		lines = c.listBans(now, c.rank(it.seat.role, it.seat.key) == rankHost)
	case typeFilters:
		none = "there are no filters: /filter WORD makes one"
		for _, f := range c.state.rules.filters {
			lines = append(lines, f.pattern)
		}
	case typeKnocks:
		none, lines = c.listKnocks()
	}
	if n := len(lines); n > maxListed {
		lines = append(lines[n-maxListed:], fmt.Sprintf("and %d before", n-maxListed))
	}
	it.link.out.control(encode(report{Type: string(Notice), Code: it.cmd.Type, Text: cmp.Or(strings.Join(lines, "\n"), none)}), false)
	c.accept(it, 0)
}

// listBans lists who is banned and muted. Addresses are for the host alone.
func (c *core) listBans(now time.Time, all bool) (lines []string) {
	for _, list := range []struct {
		word string
		*table[transport.Key, *sentence]
	}{{" is muted", &c.state.rules.mutes}, {" is banned", &c.state.rules.bans}} {
		for _, key := range list.order {
			b := list.all[key]
			if b.over(now) {
				continue
			}
			words := b.nick + list.word + b.words(now)
			for _, a := range b.from {
				if all {
					words += " (" + a.String() + ")"
				}
			}
			lines = append(lines, words)
		}
	}
	return lines
}
