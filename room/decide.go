package room

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

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
	if full(&c.state.rules.bans, t.key, now) {
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
	if full(&c.state.rules.mutes, t.key, now) {
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
			return c.unmute(it, p.nick, p.key)
		}
	}
	for key, m := range r.mutes.all {
		if !m.over(now) && text.Key(m.nick) == name {
			return c.unmute(it, m.nick, key)
		}
	}
	return d, &Refused{Code: codeUnchanged, Text: fmt.Sprintf("%.64q is not muted", text.Clean(it.cmd.Nick))}
}

// unmute has whoever was muted speak again. What the host did to an op is the
// host's to take back.
func (c *core) unmute(it *item, nick string, key transport.Key) (d deed, no *Refused) {
	if own := c.rank(it.seat.role, it.seat.key); own < rankHost && c.rank(roleMember, key) >= own {
		return d, &Refused{Code: codeNotAllowed, Text: nick + " is an op: only the host can do that"}
	}
	return deed{report: report{Nick: nick, Key: key}}, nil
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
	switch {
	case t.rank == rankOp:
	case t.key == s.key:
		return d, &Refused{Code: codeUnchanged, Text: "you are no op"}
	default:
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
	keys := append([]transport.Key{c.host.HostKey}, c.otherHosts()...)
	for _, s := range c.seats {
		if s.role == roleHost && !slices.Contains(keys, s.key) {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// privy are those who may see what is about filters: nobody learns from the
// log what to write around.
func (c *core) privy(it *item) []transport.Key {
	return append([]transport.Key{c.host.HostKey, it.seat.key}, c.otherHosts()...)
}

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
	if f.steps+c.state.rules.work() > maxSteps {
		return d, &Refused{Code: codeTooMany, Text: "the filters of this room are too much work together: make this one shorter, or take another away"}
	}
	return deed{report: report{Text: f.pattern}, audience: c.privy(it)}, nil
}

func (c *core) decideUnfilter(now time.Time, it *item) (d deed, no *Refused) {
	if it.cmd.Text != everyFilter && !c.state.rules.filtered(it.cmd.Text) || len(c.state.rules.filters) == 0 {
		return d, &Refused{Code: codeUnchanged, Text: "there is no such filter: /filter lists them"}
	}
	return deed{report: report{Text: it.cmd.Text}, audience: c.privy(it)}, nil
}
