package room

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	"parley/transport"
)

// expulsion is why a seat is being put out.
type expulsion struct {
	code, by, reason string
	until            time.Time // zero: for good, or for once
}

// words tells whom it hits.
func (x *expulsion) words(room string, now time.Time) string {
	done := "put out of "
	if x.code == codeBanned {
		done = "banned from "
	}
	if done += room; !x.until.IsZero() {
		done += " for " + lasting(x.until.Sub(now))
	}
	return "you were " + done + (&sentence{by: x.by, reason: x.reason}).words(now)
}

// expel puts out all seats of a key, after a kick or a ban of it was shown to
// them. That they left is said next; they cannot come back before.
func (c *core) expel(now time.Time, r report) {
	x := &expulsion{code: codeKicked, by: r.By, reason: r.Reason, until: r.Until}
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
	c.putOut(now, &expulsion{codeBanned, b.by, b.reason, b.until}, func(s *seat) bool {
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
		if s.quiet { // of which the log knows nothing
			if x.code == codeKicked {
				c.sentHome.put(s.id, x)
			}
			c.remove(s, x.code, x.words(c.host.Name, now))
			continue
		}
		s.out = x
		c.expelled++
		c.receipts.forget(s)
		if l := s.link; l != nil {
			l.ended, s.link = true, nil
			l.out.finish(encode(report{Type: typeBye, Code: x.code, Text: x.words(c.host.Name, now)}))
		}
		c.waiting = append(c.waiting, &item{seat: s, cmd: command{Type: typeLeave}})
	}
	c.turnOut(now)
}

// turnOut sends away whoever waits to be let in and was banned or locked out
// meanwhile.
func (c *core) turnOut(now time.Time) {
	for _, l := range c.knocking() {
		no := c.shutOut(now, seatID{}, c.keyAt(l), roleMember, l.address())
		if no == nil {
			no = c.lockedOut(now, c.keyAt(l), roleMember)
		}
		if no != nil {
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
	if r.ops.has(key) { // whom others could lock out by whoever shares the address
		from = netip.Addr{}
	}
	if b := r.banned(key, from, now); b != nil {
		return &Refused{Code: codeBanned, Text: "you are banned from " + name + b.words(now)}
	}
	if s := c.seats[id]; s != nil && s.out != nil {
		return &Refused{Code: s.out.code, Text: s.out.words(name, now)}
	}
	if x := c.sentHome.get(id); x != nil {
		return &Refused{Code: x.code, Text: x.words(name, now)}
	}
	if k := r.kicked.get(id); k != nil { // it was away when it happened
		return &Refused{Code: codeKicked, Text: (&expulsion{code: codeKicked, by: k.by, reason: k.reason}).words(name, now)}
	}
	return nil
}

// lockedOut tells why a newcomer may not come in now.
func (c *core) lockedOut(now time.Time, key transport.Key, role string) *Refused {
	r := &c.state.rules
	if r.locked.over(now) || role == roleHost || !r.stranger(key) {
		return nil
	}
	no := &Refused{Code: codeLocked, Text: "nobody new comes into " + c.host.Name + " now: it was locked"}
	if c.verifier == nil { // else it is not for everybody to know by whom and why
		no.Text += r.locked.words(now)
	}
	return no
}
