package room

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"parley/text"
	"parley/transport"
)

// A room may have several hosts, which append to one log. What they know of each
// other is what the log says, and which of them there are (Host.Tell). A member whose
// host is gone goes to another, with its session: the log knows the seat, and
// gives it a new host. Of those who do not come, the others say that they left.

// maxHosts bounds the hosts that members are told of: one they can reach is among
// so many, and the longest of them stay under half of maxWire.
const maxHosts = 16

// movedSeat is the reason of a join by which a seat goes to another host.
const movedSeat = "moved"

// fleet is what is known of the hosts of a room.
type fleet struct {
	told     bool
	ids      map[string]bool
	keys     []transport.Key
	shown    []Move               // what members are told, ours first
	form     []byte               // the message that tells it
	gone     map[string]time.Time // hosts with people, since when they are not there
	surveyed bool                 // gone holds what the log, as far as it was opened, says

	absent    map[string]absences // who is away at other hosts
	absentAt  time.Time           // when they were told last who is away here
	absentDue time.Time           // when they are to be told; zero: they need not be
	turn      uint64              // of what they were told
	some      bool                // they were told of somebody
}

// places are hosts as a member reads them. No more are read than a host tells.
type places []Move

// UnmarshalJSON reads an array of places.
func (p *places) UnmarshalJSON(b []byte) (err error) {
	*p, err = few((*p)[:0], b, maxHosts)
	return err
}

// Tell says which hosts the room has now, this one among them. Who is not named for 30 s
// has its people's leaves said, so it is not to be called with less than is known;
// an empty list says that nothing is.
func (h *Host) Tell(hosts []Move) {
	h.setup()
	list := slices.Clone(hosts)
	for i := range list {
		list[i].At = slices.Clone(list[i].At[:min(len(list[i].At), maxPlaces)])
	}
	h.do(func(now time.Time, c *core) { c.meet(now, list) })
}

// Reach says whether the log of a room of several hosts can be written to. That may be
// known before anything is said that cannot be stored; and where nothing is heard of
// the log either, what is said would wait for it unheard.
func (h *Host) Reach(ok bool) {
	h.setup()
	h.do(func(now time.Time, c *core) {
		switch c.cut = !ok && c.several(); {
		case c.cut:
			c.troubled(now, false, nil)
		case c.trouble != nil && !c.trouble.sure && !c.asking && c.several():
			c.healed()
		}
	})
}

// Named tells whether somebody is called that, by text.Key, or is about to be. Where
// nobody can tell it is true.
func (h *Host) Named(name string) bool {
	h.setup()
	answer := make(chan bool, 1)
	if h.do(func(_ time.Time, c *core) { answer <- c.named(name) }) != nil {
		return true
	}
	select {
	case yes := <-answer:
		return yes
	case <-h.ended:
		return true
	case <-time.After(boundsTime): // it does not run yet
		return true
	}
}

func (c *core) named(name string) bool {
	return c.state.seq < max(c.opening, c.need) || len(c.state.names[name]) > 0 || len(c.quiet[name]) > 0 ||
		slices.ContainsFunc(c.batch, func(it *item) bool { return it.claim == name })
}

// several tells whether the room has, or may have, other hosts than this.
func (c *core) several() bool { return c.fleet.told || c.host.Names != nil }

// hostID is how the log names the host with a key.
func hostID(key transport.Key) string { return hex.EncodeToString(key[:8]) }

// otherHosts are the keys of the room's other hosts, whose users are hosts like ours.
func (c *core) otherHosts() (keys []transport.Key) {
	for _, k := range c.fleet.keys {
		if k != c.host.HostKey {
			keys = append(keys, k)
		}
	}
	return keys
}

// meet takes in which hosts there are.
func (c *core) meet(now time.Time, all []Move) {
	f := &c.fleet
	if len(all) == 0 {
		f.told, f.gone = false, nil
		return
	}
	before := f.ids
	f.told, f.ids, f.keys = true, make(map[string]bool, len(all)), nil
	for _, m := range all {
		f.ids[hostID(m.Host)] = true
		f.keys = append(f.keys, m.Host)
	}
	f.ids[c.host.id()] = true
	c.meetAbsent(now, before)
	slices.SortFunc(f.keys, func(a, b transport.Key) int { return bytes.Compare(a[:], b[:]) })
	c.survey(now)
	shown := c.shown(all)
	form := encode(report{Type: typeHosts, Hosts: shown})
	if bytes.Equal(form, f.form) {
		return
	}
	f.shown, f.form = shown, form
	for l := range c.links {
		if l.seat != nil && !l.ended && !l.seat.guest {
			l.out.control(form, false)
		}
	}
}

// shown are the hosts that our members are told of: ours, and those that follow it by
// their keys, so that the people of a host which is gone do not all go to one.
func (c *core) shown(all []Move) places {
	usable := slices.DeleteFunc(slices.Clone(all), func(m Move) bool { return !m.valid() })
	for i := range usable {
		usable[i].Nick = text.Truncate(usable[i].Nick, maxName)
	}
	slices.SortFunc(usable, func(a, b Move) int { return bytes.Compare(a.Host[:], b.Host[:]) })
	own := c.host.HostKey
	i, _ := slices.BinarySearchFunc(usable, own, func(m Move, k transport.Key) int { return bytes.Compare(m.Host[:], k[:]) })
	return append(slices.Clone(usable[i:]), usable[:i]...)[:min(len(usable), maxHosts)]
}

// survey finds whose hosts are not there.
func (c *core) survey(now time.Time) {
	f := &c.fleet
	if f.surveyed = c.state.seq >= c.opening; !f.told || !f.surveyed {
		return
	}
	gone := map[string]time.Time{}
	for _, p := range c.state.people {
		if !f.ids[p.host] && gone[p.host].IsZero() {
			gone[p.host] = now
			if since := f.gone[p.host]; !since.IsZero() {
				gone[p.host] = since
			}
		}
	}
	f.gone = gone
}

// missed takes in that somebody sits at a host, by the log.
func (c *core) missed(now time.Time, host string) {
	if f := &c.fleet; f.told && f.surveyed && !f.ids[host] && f.gone[host].IsZero() {
		f.gone[host] = now
	}
}

// tickFleet has the leaves said of those whose host is gone.
func (c *core) tickFleet(now time.Time) {
	f := &c.fleet
	if f.told && !f.surveyed && c.state.seq >= c.opening {
		c.survey(now)
	}
	for id, since := range f.gone {
		if now.Sub(since) < lingering {
			continue
		}
		delete(f.gone, id)
		var left []*person
		for _, p := range c.state.people {
			if p.host == id {
				left = append(left, p)
			}
		}
		slices.SortFunc(left, func(a, b *person) int { return cmp.Compare(a.born, b.born) })
		for _, p := range left {
			c.waiting = append(c.waiting, &item{orphan: p, release: p.name, owner: p.key.String()})
		}
	}
}

// wakeFleet returns when tickFleet is due, zero for never.
func (c *core) wakeFleet() (at time.Time) {
	for _, since := range c.fleet.gone {
		if t := since.Add(lingering); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if t := c.fleet.absentDue; !t.IsZero() && c.shares() && (at.IsZero() || t.Before(at)) {
		at = t
	}
	return at
}

// orphanID is the id of the leave of somebody whose host is gone: the same, whichever
// hosts say it, so that it is said once. It is said under the room's key, which is no
// member's: under his own he could use up the id before, and stay for ever.
func orphanID(seat seatID, born uint64) (id [16]byte) {
	sum := sha256.Sum256(strconv.AppendUint([]byte("parley orphan 1\n"+seat.String()), born, 10))
	copy(id[:], sum[:])
	return id
}

// checkOrphan decides on the leave of somebody whose host is gone.
func (c *core) checkOrphan(now time.Time, it *item, held *holds) bool {
	p := it.orphan
	switch {
	case c.state.people[p.seat] != p || c.fleet.ids[p.host] || !c.fleet.told: // it went elsewhere, or its host is back
		return true
	case c.readonly() || c.stuck() || held.names[p.name] || held.names[p.seat.String()]:
		return false
	}
	if len(c.state.names[p.name])+len(c.quiet[p.name]) > 1 {
		it.release = ""
	}
	held.names[p.name], held.names[p.seat.String()] = true, true
	c.putAs(now, it, c.host.Key.Key(), orphanID(p.seat, p.born), nil, "", report{Type: typeLeave, Nick: p.nick, Reason: "lost", Seat: p.seat.String()})
	return true
}

// elsewhereSeat returns who has a seat at another host, by the log.
func (c *core) elsewhereSeat(id seatID) *person {
	if p := c.state.people[id]; p != nil && c.several() && p.host != c.host.id() {
		return p
	}
	return nil
}

// checkMoved decides whether somebody who sat at another host may sit here, on the
// same seat and under the same name. It was let in there; what holds against it now is
// known here, too.
func (c *core) checkMoved(now time.Time, it *item, held *holds, s *seat, p *person) bool {
	l := it.link
	switch {
	case p.key != s.key:
		return c.turnAway(l, codeSession, "this seat is another key's")
	case it.cmd.Epoch > 0 && it.cmd.Epoch <= p.epoch:
		return c.turnAway(l, codeStale, "this seat was joined again since")
	case c.crowded(l.from()):
		return c.turnAway(l, codeFull, "your address has as many seats in the room as one may")
	case held.names[p.name]:
		return false
	case c.readonly() || c.stuck(): // that it sits here now is an entry
		l.out.control(refusal(codeNotStored, c.noSeat()), true)
		return true
	}
	if !it.counted { // each is an entry for everybody; whoever shares an address may all have to move at once
		it.counted = true
		c.charge(now, c.paceOf(now, s.key), nil, changeCost)
	}
	if s.nick, it.seat, it.moved = p.nick, s, true; p.role == roleHost {
		s.role = roleHost
	}
	s.quiet, s.away = false, c.away(p)
	it.claim, it.owner = p.name, s.key.String()
	held.names[p.name], held.names[s.id.String()], held.links[l] = true, true, true
	c.put(now, it, c.newID(), nil, "", report{Type: typeJoin, Nick: p.nick, Seat: s.id.String(), Host: c.host.id(),
		Transport: s.via, Role: c.roleNow(s), Key: s.key, Reason: movedSeat, Epoch: it.cmd.Epoch})
	return true
}

// tellHosts gives the node which hosts the room has. The caller holds mu.
func (m *Member) tellHosts(all places) {
	if len(all) == 0 || m.o.Guest {
		return
	}
	usable := make([]Move, 0, len(all))
	for i := range all {
		if all[i].valid() {
			usable = append(usable, all[i])
		}
	}
	if len(usable) > 0 {
		if m.hosts = usable; m.o.Hosts != nil {
			m.o.Hosts(slices.Clone(usable))
		}
	}
}

// hostNamed tells which host a key is, for people. The caller holds mu.
func (m *Member) hostNamed(key transport.Key) string {
	for _, h := range m.hosts {
		if h.Host == key && h.Nick != "" {
			return h.Nick
		}
	}
	return "another host"
}
