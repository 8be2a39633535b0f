package room

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
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
	case kind == Notice:
		c.put(now, it, c.newID(), nil, "", report{Type: cmd.Type, Code: cmd.State, Text: cmd.Text})
		return
	}
	c.put(now, it, c.newID(), audience, "", report{Type: cmd.Type, Text: cmd.Text, Seconds: cmd.Seconds, State: cmd.State})
}

// rank is what somebody may do.
func (c *core) rank(role string, key transport.Key) int {
	switch {
	case role == roleHost || !c.host.Plaintext && key != transport.Key{} && (key == c.host.HostKey || slices.Contains(c.fleet.keys, key)):
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
	if v := c.visitors.get(name); v.nick != "" && v.seq >= left.seq {
		left = v
	}
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
