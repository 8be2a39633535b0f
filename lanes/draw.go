package lanes

import (
	"fmt"
	"strings"
	"time"

	"parley/text"
)

// A Look is how lanes are drawn.
type Look struct {
	Width, Height int
	Column        time.Duration // of time for each column; 0: 100 ms
	ASCII         bool          // arrows and lines in ASCII; the marks always are
	Color         bool
	Impair        string // what is done to what this program sends; empty: nothing
	Frozen        bool   // it stands still
	Hint          string // how to end it
}

const (
	LeastColumn = tick        // of time for a column: one slot
	MostColumn  = time.Second // and what fills a screen with all that is kept
	usualColumn = 100 * time.Millisecond

	labelWidth = 17 // carrier, name, direction
	tellWidth  = 24 // what stands at the right
	leastWidth = 60 // for that; narrower ones do without
)

// A View is a board at rest, to be drawn.
type View struct {
	now    time.Duration
	lanes  []lane // those that can be drawn, UDP first
	more   int    // lanes that have no slots
	totals [2]Counts
}

// View copies what there is to be drawn. Into is a View not needed any more, whose
// space is used again; or nil.
func (r *Recorder) View(into *View) *View {
	if into == nil {
		into = new(View)
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.board.sweep(now)
	into.now, into.totals, into.more = now, r.board.totals, 0
	spare := into.lanes[:cap(into.lanes)]
	into.lanes = into.lanes[:0]
	for _, via := range []Via{UDP, TCP} {
		for _, l := range r.board.lanes {
			switch {
			case l.via != via:
			case l.drawing == nil:
				into.more++
			default:
				d := new(drawing)
				if n := len(into.lanes); n < len(spare) && spare[n].drawing != nil {
					d = spare[n].drawing
				}
				d.out, d.in = l.drawing.out, l.drawing.in
				shown := *l
				shown.drawing, shown.conn = d, nil
				into.lanes = append(into.lanes, shown)
			}
		}
	}
	return into
}

// Rows draws v in at most o.Height rows of o.Width cells.
func (v *View) Rows(o Look) []string {
	p := &painter{v: v, o: o}
	if o.Column < LeastColumn || o.Column > MostColumn {
		p.o.Column = usualColumn
	}
	p.o.Column = p.o.Column / tick * tick
	if p.tells = tellWidth; o.Width < leastWidth {
		p.tells = 0
	}
	p.columns = max(1, o.Width-labelWidth-p.tells)
	rows := []string{p.head()}
	foot := p.foot()
	room := o.Height - len(rows) - len(foot)
	if room > 2*len(v.lanes) || room >= 6 {
		rows = append(rows, p.axis())
		room--
	}
	rows = append(rows, p.body(room)...)
	rows = append(rows, foot...)
	if len(rows) > o.Height {
		rows = rows[:max(o.Height, 0)]
	}
	return rows
}

type painter struct {
	v       *View
	o       Look
	columns int // of time
	tells   int // cells at the right
}

// body are the lanes: a pair of rows each, or one row each where there is no
// room for pairs. Those that have no room at all are counted.
func (p *painter) body(room int) (rows []string) {
	all, more := p.v.lanes, p.v.more
	if len(all) == 0 {
		return []string{p.cut(" nobody is here yet: lanes begin when somebody comes in", p.o.Width)}
	}
	pairs := 2*len(all)+min(more, 1) <= room
	if !pairs && len(all)+min(more, 1) > room {
		all = p.some(max(room-1, 1))
		more += len(p.v.lanes) - len(all)
	}
	for i := range all {
		l := &all[i]
		out := p.lane(l.drawing.out[:], l.via, true)
		in := p.lane(l.drawing.in[:], l.via, false)
		if !pairs {
			rows = append(rows, p.label(l, p.arrows()[2])+p.merge(out, in)+p.tell(p.brief(l)))
			continue
		}
		rows = append(rows, p.label(l, p.arrows()[0])+p.draw(out)+p.tell(p.link(l)),
			p.label(nil, p.arrows()[1])+p.draw(in)+p.tell(p.brief(l)))
	}
	if more > 0 {
		rows = append(rows, p.cut(fmt.Sprintf(" and %d more", more), p.o.Width))
	}
	return rows
}

// some are so many lanes of both carriers: a third is TCP's, if it has as many.
func (p *painter) some(n int) (some []lane) {
	all := p.v.lanes
	first := 0 // of TCP
	for first < len(all) && all[first].via == UDP {
		first++
	}
	streams := min(len(all)-first, max(n/3, n-first))
	some = append(some, all[:n-streams]...)
	return append(some, all[first:first+streams]...)
}

func (p *painter) arrows() [3]string {
	if p.o.ASCII {
		return [3]string{"->", "<-", "<>"}
	}
	return [3]string{" →", " ←", " ↔"}
}

// cut is text.Truncate, in ASCII if that is wanted.
func (p *painter) cut(s string, w int) string {
	short := text.Truncate(s, w)
	if p.o.ASCII && short != s {
		short = strings.Replace(short, "…", "~", 1)
	}
	return short
}

func (p *painter) bar() string {
	if p.o.ASCII {
		return "|"
	}
	return "│"
}

// label is what stands before a lane.
func (p *painter) label(l *lane, arrow string) string {
	carrier, name := "", ""
	if l != nil {
		carrier, name = strings.ToUpper(l.via.String()), l.name()
		if l.ended > 0 {
			carrier = "end"
		}
	}
	const cells = labelWidth - 1 - 4 - 1 - 2 - 1
	name = p.cut(name, cells)
	return fmt.Sprintf(" %-4s%s%s ", carrier, name+strings.Repeat(" ", max(0, cells-text.Width(name)+1)), arrow)
}

// tell is what stands behind a lane.
func (p *painter) tell(words string) string {
	if p.tells == 0 {
		return ""
	}
	return p.bar() + " " + p.cut(words, p.tells-2)
}

// link is how the connection is.
func (p *painter) link(l *lane) string {
	if !l.counted {
		return "rtt      -"
	}
	return fmt.Sprintf("rtt %6s win %5s", Millis(l.stats.RTT), Bytes(uint64(l.stats.Window)))
}

// brief is what a lane comes to.
func (p *painter) brief(l *lane) string {
	c := l.counts
	if l.via == TCP {
		return fmt.Sprintf("%5d sent      R%4d", c.Sent, c.Again)
	}
	return fmt.Sprintf("%5d sent x%4d R%4d", c.Sent, c.Lost, c.Again)
}

// cell is what happened in one column.
type cell struct {
	flags flags
	seq   uint32
	via   Via
}

// lane gathers slots into columns. The last one is now.
func (p *painter) lane(row []slot, via Via, out bool) []cell {
	cells := make([]cell, p.columns)
	per := uint32(p.o.Column / tick)
	last := uint32(p.v.now/tick) / per
	for i := range cells {
		back := uint32(len(cells) - 1 - i)
		cells[i].via = via
		if back > last {
			continue
		}
		first := (last - back) * per
		for t := first; t < first+per; t++ {
			s := &row[t%slots]
			if s.tick != t || s.flags == 0 {
				continue
			}
			cells[i].flags |= s.flags
			if cells[i].seq == 0 && out {
				cells[i].seq = s.seq
			}
		}
	}
	return cells
}

// marks are what stands for a cell, the most important first: the rest of them,
// and the number of the message, is written where there is room behind.
func (c cell) marks(color bool) (marks []string) {
	put := func(f flags, mark, style string) {
		if c.flags&f == 0 {
			return
		}
		if color {
			mark = "\x1b[" + style + "m" + mark + "\x1b[0m"
		}
		marks = append(marks, mark)
	}
	carrier, style := "o", "36"
	if c.via == TCP {
		carrier, style = "#", "32"
	}
	put(lost, "x", "1;91")
	put(again, "R", "1;93")
	put(repeated, "d", "95")
	if c.flags&lost == 0 { // else x tells of it
		put(talk, carrier, style)
	}
	if len(marks) == 0 {
		put(ack, "-", "2")
	}
	if len(marks) > 0 && c.seq > 0 && c.flags&(talk|again|lost) != 0 {
		for _, digit := range fmt.Sprint(c.seq) {
			marks = append(marks, string(digit))
		}
	}
	return marks
}

// draw draws a lane, a cell for each column.
func (p *painter) draw(cells []cell) string {
	var b strings.Builder
	for i := 0; i < len(cells); {
		marks := cells[i].marks(p.o.Color)
		if len(marks) == 0 {
			b.WriteByte(' ')
			i++
			continue
		}
		free := 1 // what only acknowledges makes way for a number
		for i+free < len(cells) && cells[i+free].flags&^ack == 0 && cells[i].flags&^ack != 0 {
			free++
		}
		whole := len(marks) <= free
		glyphs := 0
		for glyphs < len(marks) && !digit(marks[glyphs]) {
			glyphs++
		}
		if !whole { // half a number would be another one
			marks = marks[:min(glyphs, free)]
		}
		for _, m := range marks {
			b.WriteString(m)
		}
		i += len(marks)
	}
	return b.String()
}

func digit(mark string) bool { return len(mark) == 1 && mark[0] >= '0' && mark[0] <= '9' }

// merge draws both directions in one row: what was sent goes before.
func (p *painter) merge(out, in []cell) string {
	for i := range out {
		if out[i].flags&^ack == 0 && in[i].flags != 0 {
			out[i] = in[i]
		} else {
			out[i].flags |= in[i].flags & repeated
		}
	}
	return p.draw(out)
}

// head is the first row: what it is.
func (p *painter) head() string {
	left, short := " lanes: o UDP  # TCP  - ack  x lost  R sent again  d came twice", " o UDP # TCP - ack x lost R again d twice"
	right := p.o.Hint + " "
	if p.o.Frozen {
		right = "STOPPED  " + right
	}
	if text.Width(left)+text.Width(right) >= p.o.Width {
		left = short
	}
	if text.Width(left)+text.Width(right) >= p.o.Width && !p.o.Frozen {
		right = ""
	}
	left = p.cut(left, p.o.Width-text.Width(right))
	row := left + strings.Repeat(" ", max(0, p.o.Width-text.Width(left)-text.Width(right))) + right
	if p.o.Color {
		return "\x1b[1m" + row + "\x1b[0m"
	}
	return row
}

// axis is a row that tells how long ago a column was.
func (p *painter) axis() string {
	row := []byte(strings.Repeat(" ", p.columns))
	put := func(at int, words string) {
		if at >= 0 && at+len(words) <= len(row) {
			copy(row[at:], words)
		}
	}
	put(len(row)-3, "now")
	per := int(time.Second / p.o.Column)
	for s := 1; s*per < len(row); s++ {
		if words := fmt.Sprintf("-%ds", s); per > len(words)+1 || s%2 == 0 && 2*per > len(words)+1 || s%5 == 0 {
			put(len(row)-1-s*per, words)
		}
	}
	words := fmt.Sprintf("a column: %d ms", p.o.Column.Milliseconds())
	return strings.Repeat(" ", labelWidth) + string(row) + p.tell(words)
}

// foot are the last rows: what all comes to.
func (p *painter) foot() (rows []string) {
	add := func(words string) { rows = append(rows, p.cut(words, p.o.Width)) }
	for _, via := range []Via{UDP, TCP} {
		if c := p.v.totals[via]; c != (Counts{}) {
			add(" " + c.Words(via))
		}
	}
	if p.o.Impair != "" {
		add(" impair  " + p.o.Impair)
	}
	return rows
}
