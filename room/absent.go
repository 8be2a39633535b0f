package room

import (
	"maps"
	"time"
)

// Who is away is no entry of the log: it is over as soon as somebody comes back. Where
// several hosts serve a room, each tells the others which of its people are away, and
// why: when that changes, when a host has come, and, while anybody is, every half
// minute, since what is told may be lost. A telling replaces those before it.

const (
	// absentEvery is when who is away is told again.
	absentEvery = 30 * time.Second
	// maxAbsent bounds those of one host who are known to be away; of more nothing is known.
	maxAbsent = 1000
	// maxTelling bounds the size of one part of a telling.
	maxTelling = 3 << 10
)

// absences is who is away at one host.
type absences struct {
	turn uint64            // of the telling that this is of
	why  map[seatID]string // never empty texts
}

// absent notes that somebody here went away, came back or has left.
func (c *core) absent(now time.Time) {
	c.roster.changed()
	if c.several() {
		c.fleet.tellAbsent(now)
	}
}

// tellAbsent has the others told soon, though not too often.
func (f *fleet) tellAbsent(now time.Time) {
	at := now
	if soon := f.absentAt.Add(receiptEvery); soon.After(at) {
		at = soon
	}
	if f.absentDue.IsZero() || at.Before(f.absentDue) {
		f.absentDue = at
	}
}

// tickAbsent tells the other hosts who is away here, when it is time.
func (c *core) tickAbsent(now time.Time) {
	f := &c.fleet
	if f.absentDue.IsZero() || now.Before(f.absentDue) || !c.shares() {
		return
	}
	f.absentAt, f.absentDue = now, time.Time{}
	parts, size := []map[string]string{{}}, 0
	for id, s := range c.seats {
		if s.away == "" || s.quiet {
			continue
		}
		n := len(encode(s.away)) + len(`"",:`) + 2*len(id)
		if size += n; size > maxTelling {
			parts, size = append(parts, map[string]string{}), n
		}
		parts[len(parts)-1][id.String()] = s.away
		f.absentDue = now.Add(absentEvery)
	}
	some := len(parts[0]) > 0
	if !some && !f.some {
		return
	}
	f.some, f.turn = some, max(f.turn+1, uint64(now.UnixMilli()))
	for host := range f.ids {
		if host == c.host.id() {
			continue
		}
		for _, p := range parts {
			c.host.Received(host, encode(hearsay{Log: hexID(c.logID), To: host, From: c.host.id(), Turn: f.turn, Away: p}))
		}
	}
}

// meetAbsent takes in that there are other hosts than before.
func (c *core) meetAbsent(now time.Time, before map[string]bool) {
	f := &c.fleet
	for host := range f.absent {
		if !f.ids[host] {
			delete(f.absent, host)
			c.roster.changed()
		}
	}
	for host := range f.ids {
		if !before[host] {
			f.tellAbsent(now)
		}
	}
}

// heardAbsent takes in who is away at another host.
func (c *core) heardAbsent(x hearsay) {
	f := &c.fleet
	was := f.absent[x.From]
	if x.Turn == 0 || x.Turn < was.turn {
		return
	}
	is := absences{x.Turn, map[seatID]string{}}
	if x.Turn == was.turn { // another part of it
		is.why = maps.Clone(was.why)
	}
	for id, why := range x.Away {
		if seat, ok := parseID(id); ok && why != "" && line(why) && len(is.why) < maxAbsent {
			is.why[seat] = why
		}
	}
	if f.absent == nil {
		f.absent = map[string]absences{}
	}
	f.absent[x.From] = is
	if !maps.Equal(is.why, was.why) {
		c.roster.changed()
	}
}

// away tells why somebody is away; empty: it is here, or nobody knows.
func (c *core) away(p *person) string {
	if s := c.seats[p.seat]; s != nil {
		return s.away
	}
	return c.fleet.absent[p.host].why[p.seat]
}
