//go:build !nolab

package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"parley/lab"
)

// Timeline is the view of all lanes on one axis of time, which begins where a
// lane's first message is sent, so that lanes can be compared.
func Timeline(lesson lab.Lesson, lines []lab.Line, o Options) []Row {
	s, p := tell(lesson, lines, o), &page{Options: o}
	p.head(s, false)
	p.space()
	if p.width() < narrow {
		p.add(say(" No room for an axis of time below 60 columns: as a list."))
		for _, n := range s.lanes {
			p.space()
			p.lane(n)
		}
		p.proof(s, false)
		return p.rows
	}
	t := &axis{page: p, unit: unit{"ms", time.Millisecond}}
	for i, n := range s.lanes {
		t.score(n, i)
	}
	t.scale()
	t.staves()
	p.longWaits(s)
	p.wire(s)
	p.proof(s, false)
	return p.rows
}

// A mark is something on the row of a host.
type mark struct {
	at    time.Duration
	text  string
	style style
	rank  rank // who has the better claim to room
	worth bool // one wants to see it
	read  bool
}

// A rank says who has the better claim to room.
type rank byte

const (
	message rank = iota // has to be seen
	loss                // has to be seen, below others if need be
	aside               // may be left out
)

// A part is the row of a host of a lane.
type part struct {
	name  string
	lane  *lane
	of    int // which lane
	marks []mark
}

// An axis is a timeline in the making.
type axis struct {
	*page
	parts []*part
	unit  unit
	name  int           // columns of names
	cols  int           // of the axis
	side  int           // of what is beside it
	log   bool          // each ten times longer takes as much room
	first time.Duration // what comes first, then
	last  time.Duration // and last
	step  time.Duration // so long are
	per   int           // so many columns
}

const (
	maxParts  = 8   // rows of hosts a lane has; more are left out
	maxStaves = 8   // that are drawn of a long run
	maxWhole  = 500 // where nothing is to be left out
	sideWidth = 32
)

// score notes what happens in a lane.
func (t *axis) score(n *lane, of int) {
	zero := n.begin()
	by := map[string]*part{}
	for i, h := range n.hosts {
		if i == maxParts {
			break
		}
		by[h] = &part{name: n.name + " " + h, lane: n, of: of}
		t.parts = append(t.parts, by[h])
	}
	put := func(host string, m mark) {
		if p := by[host]; p != nil && t.within(m.at) {
			m.at = minus(m.at, zero)
			p.marks = append(p.marks, m)
		}
	}
	d := &diagram{page: t.page, lane: n}
	for _, e := range n.events(Options{}) {
		if e.frame == nil {
			continue
		}
		put(e.frame.From, d.sent(e))
		for _, f := range e.effects {
			if strings.HasPrefix(f.text, "holds") {
				put(e.fate.To, mark{at: e.fate.At, text: "(" + numbers(e.frame.Msgs) + ")", style: lateStyle, worth: true})
			}
		}
	}
	for _, r := range n.gotten() {
		if len(r.Msgs) > 0 {
			put(r.Host, mark{at: r.T, text: "r" + numbers(r.Msgs), read: true, worth: len(r.Msgs) > 1})
		}
	}
	for _, p := range by {
		slices.SortStableFunc(p.marks, func(a, b mark) int { return cmp.Compare(a.at, b.at) })
	}
}

// begin is when a lane's first message is sent.
func (n *lane) begin() time.Duration {
	first, any := time.Duration(0), false
	for _, m := range n.msgs {
		if !any || m.Sent < first {
			first, any = m.Sent, true
		}
	}
	return first
}

// gotten are what programs got or, where they did not say, what people saw.
func (n *lane) gotten() []numbered {
	if len(n.reads) == 0 {
		return n.shows
	}
	return n.reads
}

// sent is the mark of a frame that leaves.
func (d *diagram) sent(e *event) mark {
	f := e.frame
	m := mark{at: e.at, style: e.style()}
	switch {
	case len(f.Msgs) > 0 && f.Len > 0:
		m.text = d.word(e)
		if i := strings.IndexByte(m.text, ' '); i > 0 {
			m.text = m.text[:i]
		}
	case f.Proto == "tcp" && strings.ContainsAny(f.Flags, "SFR"):
		m.text, m.rank = opening(f.Flags), aside
	case f.Len > 0:
		m.text, m.rank = e.sign(), aside
	default:
		m.text, m.rank = "-", aside
	}
	switch e.fate.Fate {
	case "drop":
		m.text, m.worth, m.rank = m.text+"x", true, min(m.rank, loss)
	case "corrupt":
		m.text, m.worth, m.rank = m.text+"~", true, min(m.rank, loss)
	}
	m.worth = m.worth || f.Resent || e.copy > 0
	return m
}

// opening is what opens or ends a connection.
func opening(flags string) string {
	switch {
	case strings.Contains(flags, "R"):
		return "RST"
	case strings.Contains(flags, "F"):
		return "FIN"
	case strings.Contains(flags, "A"):
		return "S+A"
	}
	return "SYN"
}
