package room

import (
	"time"

	"parley/text"
	"parley/transport"
)

// checkHosted has it stored that the room is ours now.
func (c *core) checkHosted(now time.Time, it *item, held *holds) {
	r := *it.own
	if seat, ok := parseID(r.Seat); ok {
		if p := c.state.people[seatID(seat)]; p != nil {
			r.Nick = p.nick
		}
	}
	held.rules = true
	c.put(now, it, c.newID(), nil, "", r)
}

// inherit takes in that a room has another host: whose seats people sit on, who
// may do what.
func (s *state) inherit(r report) {
	for _, p := range s.people {
		p.host = r.Host
		switch heir := p.seat.String() == r.Seat || r.Secure && p.key == r.Key; {
		case heir:
			p.role = roleHost
		case p.role == roleHost:
			p.role = roleMember
			if r.Secure {
				p.role = roleOp
				s.rules.ops.put(p.key, p.nick)
			}
		}
	}
	s.rules.ops.drop(r.Key)
}

// inherit makes seats of the people who sat at the old host: they come back.
func (c *core) inherit(now time.Time, r report) {
	if r.Host != c.host.id() || c.opening == never { // another's; in plaintext hosts have no ids
		return
	}
	for id, p := range c.state.people {
		switch s := c.seats[id]; {
		case s == nil:
			c.ghost(now, p)
		case p.role == roleOp: // which the log tells by the key
			s.role = roleMember
		default:
			s.role = p.role
		}
	}
	if c.begun != nil {
		close(c.begun)
		c.begun = nil
	}
}

// handedOver takes in, as a member, that the room has another host. The caller
// holds mu.
func (m *Member) handedOver(r *report) {
	heir := func(seat string, k Person) bool {
		return seat == r.Seat || !m.plain && k.Key == r.Key
	}
	after := func(role string) string {
		switch {
		case role != roleHost:
			return role
		case m.plain:
			return roleMember
		}
		return roleOp
	}
	if r.Seq > m.peopleSeq {
		for seat, p := range m.people {
			if p.Role = after(p.Role); heir(seat, p) {
				p.Role = roleHost
			}
			m.people[seat] = p
		}
	}
	if m.role = after(m.role); r.Seat == m.seat || !m.plain && r.Key == m.o.Identity.Key() {
		m.role = roleHost
	}
}

// key is the one of our seat: our own, or in plaintext the session's. The caller
// holds mu.
func (m *Member) key() transport.Key {
	if session, ok := parseID(m.session); ok && m.plain {
		return keyOf(session)
	}
	return m.o.Identity.Key()
}

// others tells whether anybody else is here.
func (m *Member) others() bool {
	for seat, p := range m.people {
		if seat != m.seat && p.Role != roleGuest && text.Key(p.Nick) != text.Key(m.nick) {
			return true
		}
	}
	return false
}
