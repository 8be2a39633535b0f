package room

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"parley/transport"
)

// roster is who is here in wire form, by nick. What is said of each is written
// once: where thousands come in, each is told of thousands.
type roster struct {
	lines []rosterLine // nil: to be written anew
	whole [][]byte     // all the messages, as of an event; many ask at once when all come back
	at    uint64
}

type rosterLine struct {
	person *person
	data   []byte
}

// changed has all be written anew.
func (r *roster) changed() { r.lines, r.whole = nil, nil }

func (a rosterLine) compare(b rosterLine) int {
	return cmp.Or(strings.Compare(a.person.name, b.person.name), bytes.Compare(a.person.seat[:], b.person.seat[:]))
}

// enrol puts somebody who has come into the roster.
func (c *core) enrol(p *person) {
	if r := &c.roster; r.lines != nil {
		c.strike(p.seat)
		l := c.line(p)
		i, _ := slices.BinarySearchFunc(r.lines, l, rosterLine.compare)
		r.lines = slices.Insert(r.lines, i, l)
	}
}

// strike takes out who has left.
func (c *core) strike(id seatID) {
	r := &c.roster
	r.lines = slices.DeleteFunc(r.lines, func(l rosterLine) bool { return l.person.seat == id })
	r.whole = nil
}

// line tells of one person.
func (c *core) line(p *person) rosterLine {
	o := occupant{Person: Person{Nick: p.nick, Transport: p.via, Role: p.role, Key: p.key, Since: p.since}, Seat: p.seat.String()}
	if s := c.seats[p.seat]; s != nil {
		o.Away, o.Transport = s.away, s.via
	}
	if c.host.Plaintext {
		o.Key = transport.Key{} // it proves nothing
	}
	return rosterLine{p, encode(o)}
}

// tellAll returns the messages that tell who is here.
func (c *core) tellAll() [][]byte {
	if r := &c.roster; r.at != c.state.seq || r.whole == nil {
		r.whole, r.at = c.tellPeople(""), c.state.seq
	}
	return c.roster.whole
}

// tellPeople is tellAll, as the answer to the command id.
func (c *core) tellPeople(id string) (messages [][]byte) {
	r := &c.roster
	if r.lines == nil {
		r.lines = make([]rosterLine, 0, len(c.state.people))
		for p := range maps.Values(c.state.people) {
			r.lines = append(r.lines, c.line(p))
		}
		slices.SortFunc(r.lines, rosterLine.compare)
	}
	for rest := r.lines; ; {
		n := min(len(rest), maxPeople)
		messages = append(messages, membersForm(id, c.state.seq, rest[:n], n < len(rest)))
		if rest = rest[n:]; len(rest) == 0 {
			return messages
		}
	}
}

// membersForm returns a message with some of the people, as encode would write it.
func membersForm(id string, seq uint64, some []rosterLine, more bool) []byte {
	size := 128
	for _, l := range some {
		size += len(l.data) + 1
	}
	b := append(make([]byte, 0, size), `{"type":"members"`...)
	if seq > 0 {
		b = strconv.AppendUint(append(b, `,"seq":`...), seq, 10)
	}
	if id != "" {
		b = append(append(append(b, `,"id":"`...), id...), '"')
	}
	for i, l := range some {
		between := ","
		if i == 0 {
			between = `,"members":[`
		}
		b = append(append(b, between...), l.data...)
	}
	if len(some) > 0 {
		b = append(b, ']')
	}
	if more {
		b = append(b, `,"more":true`...)
	}
	return append(b, '}')
}
