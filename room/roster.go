package room

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"parley/transport"
)

// roster is who is here in wire form, by nick, in pages of at most maxPeople. Where
// thousands come in, each is told of thousands: what is said of each is written
// once, and a page when somebody on it has come or gone; all who are told share it.
type roster struct {
	pages []*rosterPage // nil: to be written anew
}

type rosterPage struct {
	lines []rosterLine
	form  []byte // the message, if it is not the last; nil: to be written
}

type rosterLine struct {
	person *person
	data   []byte
}

// changed has all be written anew.
func (r *roster) changed() { r.pages = nil }

func (a rosterLine) compare(b rosterLine) int {
	return cmp.Or(strings.Compare(a.person.name, b.person.name), bytes.Compare(a.person.seat[:], b.person.seat[:]))
}

// add puts in a line, where it belongs. A page that is full becomes two.
func (r *roster) add(l rosterLine) {
	i, found := slices.BinarySearchFunc(r.pages, l, func(p *rosterPage, l rosterLine) int { return p.lines[0].compare(l) })
	if i > 0 && !found {
		i--
	}
	if len(r.pages) == 0 {
		r.pages = []*rosterPage{{}}
	}
	p := r.pages[i]
	at, _ := slices.BinarySearchFunc(p.lines, l, rosterLine.compare)
	if p.lines, p.form = slices.Insert(p.lines, at, l), nil; len(p.lines) <= maxPeople {
		return
	}
	half := &rosterPage{lines: slices.Clone(p.lines[maxPeople/2:])}
	clear(p.lines[maxPeople/2:])
	p.lines = p.lines[:maxPeople/2]
	r.pages = slices.Insert(r.pages, i+1, half)
}

// remove takes out the line of a seat.
func (r *roster) remove(id seatID) {
	for i, p := range r.pages {
		at := slices.IndexFunc(p.lines, func(l rosterLine) bool { return l.person.seat == id })
		if at < 0 {
			continue
		}
		if p.lines, p.form = slices.Delete(p.lines, at, at+1), nil; len(p.lines) == 0 {
			r.pages = slices.Delete(r.pages, i, i+1)
		}
		return
	}
}

// enrol puts somebody who has come into the roster.
func (c *core) enrol(p *person) {
	if c.roster.pages != nil {
		c.roster.remove(p.seat)
		c.roster.add(c.line(p))
	}
}

// line tells of one person.
func (c *core) line(p *person) rosterLine {
	o := occupant{Person: Person{Nick: p.nick, Transport: p.via, Role: p.role, Key: p.key, Since: p.since}, Seat: p.seat.String()}
	if o.Away = c.away(p); c.seats[p.seat] != nil {
		o.Transport = c.seats[p.seat].via
	}
	if c.host.Plaintext {
		o.Key = transport.Key{} // it proves nothing
	}
	return rosterLine{p, encode(o)}
}

// tellPeople returns the messages that tell who is here, in answer to a command
// if id is not empty. The last alone has the id, and as of which event they hold.
func (c *core) tellPeople(id string) (messages [][]byte) {
	r := &c.roster
	if len(r.pages) == 0 {
		lines := make([]rosterLine, 0, len(c.state.people))
		for _, p := range c.state.people {
			lines = append(lines, c.line(p))
		}
		slices.SortFunc(lines, rosterLine.compare)
		for some := range slices.Chunk(lines, maxPeople) {
			r.pages = append(r.pages, &rosterPage{lines: slices.Clone(some)})
		}
	}
	if len(r.pages) == 0 {
		return [][]byte{membersForm(id, c.state.seq, nil, false)}
	}
	last := len(r.pages) - 1
	messages = make([][]byte, 0, last+1)
	for _, p := range r.pages[:last] {
		if p.form == nil {
			p.form = membersForm("", 0, p.lines, true)
		}
		messages = append(messages, p.form)
	}
	return append(messages, membersForm(id, c.state.seq, r.pages[last].lines, false))
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
