//go:build !nolab

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/lab"
	"parley/text"
)

// Sequence is the view of each frame on its way, with the call that caused it
// at its one end and what it led to at the other.
func Sequence(lesson lab.Lesson, lines []lab.Line, o Options) []Row {
	s, p := tell(lesson, lines, o), &page{Options: o}
	p.head(s, false)
	if len(s.lanes) == 0 {
		p.space()
		p.add(say(" Nothing is told of any frame."))
	}
	for _, n := range s.lanes {
		p.space()
		p.lane(n)
	}
	p.proof(s, false)
	return p.rows
}

// The bounds of a diagram.
const (
	maxRows  = 64 // of a lane; more are cut
	firstOf  = 16 // rows that are kept of a long one, at its begin,
	lastOf   = 4  // at its end,
	around   = 2  // and on each side of one that is worth seeing,
	maxWorth = 10 // up to so many of those
)

// lane draws one.
func (p *page) lane(n *lane) {
	events := n.events(p.Options)
	d := &diagram{page: p, lane: n, unit: unitFor(lastOfAll(events)), wants: n.wants()}
	switch {
	case len(events) == 0:
		p.add(span{" " + n.name, n.style()}, say("   nothing happens"+p.window()))
		return
	case p.width() < narrow:
		d.draw = d.listed
		p.add(span{" " + n.name, n.style()})
	case len(n.hosts) <= 2:
		d.two(events)
	case p.width() >= 9+12*len(n.hosts):
		d.many()
	default:
		d.draw = d.listed
		p.add(span{" " + n.name, n.style()}, span{fmt.Sprintf("   %d hosts", len(n.hosts)), faint})
	}
	if d.at == nil && d.mid == 0 {
		events = together(events)
	}
	keep := worth(events, p.Whole)
	hidden := 0
	for i, e := range events {
		if !keep[i] {
			hidden++
			continue
		}
		d.skip(hidden, events[i-min(i, hidden)].at)
		hidden = 0
		p.at, p.now = e.at, true
		d.draw(e)
	}
	d.skip(hidden, 0)
	p.now = false
}

// window says which part is shown.
func (p *page) window() string {
	if p.From == 0 && p.To == 0 {
		return ""
	}
	to := "the end"
	if p.To > 0 {
		to = p.To.String()
	}
	return fmt.Sprintf(" from %v to %s", p.From, to)
}

// worth chooses what of a long lane is shown.
func worth(events []*event, whole bool) []bool {
	keep := make([]bool, len(events))
	for i := range keep {
		keep[i] = whole || len(events) <= maxRows || i < firstOf || i >= len(events)-lastOf
	}
	found := 0
	for i, e := range events {
		if keep[i] || found == maxWorth {
			continue
		}
		if e.frame != nil && (e.frame.Resent || e.fate.Fate == "drop" || e.fate.Fate == "corrupt" || e.copy > 0) || e.bad {
			found++
			for j := max(0, i-around); j < min(len(events), i+around+1); j++ {
				keep[j] = true
			}
		}
	}
	for i := 1; i < len(keep); i++ { // to say that rows are missing takes a row, too
		if i >= 2 && keep[i] && keep[i-2] || i >= 3 && keep[i] && keep[i-3] {
			keep[i-1], keep[i-2] = true, true
		}
	}
	return keep
}

// A diagram is a lane being drawn.
type diagram struct {
	*page
	lane             *lane
	unit             unit
	wants            map[uint32]int
	draw             func(e *event)
	left, right, mid int   // columns beside the two lifelines, and between them
	at               []int // columns of many lifelines
}

// skip says that rows are left out.
func (d *diagram) skip(n int, at time.Duration) {
	if n == 0 {
		return
	}
	hint := ""
	if at > 0 {
		hint = fmt.Sprintf("   (--from %v shows them)", at.Truncate(time.Millisecond))
	}
	d.add(span{fmt.Sprintf("%s... %s like these%s", strings.Repeat(" ", timeColumn+2), count(n, "row"), hint), faint})
}

// timeColumn is how wide the instants are.
const timeColumn = 8

// The bounds of a picture of two hosts.
const (
	leastMid  = 20
	mostMid   = 56
	leastSide = 8
)

// two prepares a diagram of two hosts, with as much room beside them as what
// stands there needs.
func (d *diagram) two(events []*event) {
	d.left, d.right = leastSide, leastSide
	for _, e := range events {
		left, right := d.beside(e)
		d.left, d.right = max(d.left, text.Width(left)), max(d.right, text.Width(right))
	}
	room := d.width() - timeColumn - 5 - leastMid
	for d.left+d.right > room {
		if d.left >= d.right {
			d.left--
		} else {
			d.right--
		}
	}
	d.mid = min(d.width()-timeColumn-5-d.left-d.right, mostMid)
	d.draw = d.arrow
	left, right := d.host(0), d.host(1)
	title := " " + d.cut(d.lane.name, d.mid-2) + " "
	pad := d.mid - text.Width(title)
	d.add(span{d.padLeft(d.unit.name, timeColumn) + " ", faint}, span{d.padLeft(left, d.left+2), strong},
		say(strings.Repeat(" ", pad/2)), span{title, d.lane.style()}, say(strings.Repeat(" ", pad-pad/2)), span{right, strong})
}

// beside is what stands at the two sides of an event.
func (d *diagram) beside(e *event) (left, right string) {
	switch {
	case e.frame == nil && e.host == d.host(0):
		return e.text, ""
	case e.frame == nil:
		return "", e.text
	case e.frame.From == d.host(1):
		return e.got(d.unit, true), e.cause
	}
	return e.cause, e.got(d.unit, false)
}

// host is the name of a host.
func (d *diagram) host(i int) string {
	if i < len(d.lane.hosts) {
		return d.lane.hosts[i]
	}
	return ""
}

// arrow draws an event between two lifelines.
func (d *diagram) arrow(e *event) {
	left, right := d.beside(e)
	body, st := strings.Repeat(" ", d.mid), plain
	leftStyle, rightStyle := badIf(e.bad), badIf(e.bad)
	if e.frame != nil {
		back := e.frame.From == d.host(1)
		body, st = d.shaft(e, back), e.style()
		if leftStyle, rightStyle = plain, e.feel(); back {
			leftStyle, rightStyle = rightStyle, leftStyle
		}
	}
	d.add(span{d.padLeft(d.unit.say(e.at), timeColumn) + " ", faint}, span{d.padLeft(left, d.left), leftStyle},
		say(" "+d.stroke()), span{body, st}, say(d.stroke()+" "), span{d.cut(right, d.right), rightStyle})
}

// style is that of what is on its way.
func (e *event) style() style {
	if e.fate.Fate == "drop" || e.fate.Fate == "corrupt" {
		return lostStyle
	}
	return e.frame.style()
}

// got is when a frame arrived and what it led to, the time next to the
// lifeline; or why it did not.
func (e *event) got(u unit, mirrored bool) string {
	switch e.fate.Fate {
	case "drop":
		if e.fate.Why == "loss" || e.fate.Why == "" {
			return "lost by chance"
		}
		return "lost: " + e.fate.Why
	case "":
		return "?"
	}
	words := []string{u.say(e.fate.At)}
	for _, f := range e.effects {
		words = append(words, f.text)
	}
	if mirrored {
		slices.Reverse(words)
	}
	return strings.Join(words, "  ")
}

// feel is the style of what a frame led to.
func (e *event) feel() style {
	if e.fate.Fate == "drop" {
		return lostStyle
	}
	for _, f := range e.effects {
		if f.bad {
			return lostStyle
		}
		if strings.HasPrefix(f.text, "holds") {
			return lateStyle
		}
	}
	return plain
}

// shaft draws a frame between two lifelines.
func (d *diagram) shaft(e *event, back bool) string {
	line, right, left := d.glyph("─", "-"), d.glyph("►", ">"), d.glyph("◄", "<")
	word := d.cut(d.word(e), d.mid-5)
	n := d.mid - text.Width(word) - 2 // without the word and the spaces around it
	end := ""
	switch {
	case e.fate.Fate == "drop":
		n, end = n/2, d.glyph("✗", "x")
	case e.fate.Fate == "":
		n = n / 2
	}
	if back {
		s := " " + word + " "
		if end == "" && e.fate.Fate != "" {
			return left + strings.Repeat(line, n-1) + s
		}
		return strings.Repeat(" ", d.mid-n-text.Width(s)) + end + strings.Repeat(line, max(0, n-len([]rune(end)))) + s
	}
	s := word + " "
	n++
	if end == "" && e.fate.Fate != "" {
		return s + strings.Repeat(line, n-1) + right
	}
	return d.pad(s+strings.Repeat(line, max(0, n-len([]rune(end))))+end, d.mid)
}

// sign is what kind of frame it is.
func (e *event) sign() string {
	switch {
	case e.copy > 0:
		return "d"
	case e.frame.Resent:
		return "R"
	case e.frame.Proto == "tcp":
		return "#"
	}
	return "o"
}

// word says what a frame is.
func (d *diagram) word(e *event) string {
	f := e.frame
	sign := e.sign()
	mark := ""
	if e.fate.Fate == "corrupt" {
		mark = "~ damaged"
	}
	switch {
	case len(f.Msgs) > 0 && f.Len > 0:
		return strings.TrimSpace(sign + numbers(f.Msgs) + " " + mark)
	case f.Proto == "tcp":
		return d.segment(f, sign)
	case f.Proto == "udp" || f.Proto == "tcp":
		return strings.TrimSpace(fmt.Sprintf("%s %s B %s", sign, grouped(int64(f.Len)), mark))
	}
	return strings.TrimSpace(strings.TrimPrefix(sign, "o") + " " + strings.ToUpper(f.Proto) + " " + mark)
}

// segment says what a TCP segment is that carries no known message.
func (d *diagram) segment(f *frame, sign string) string {
	names := map[byte]string{'S': "SYN", 'F': "FIN", 'R': "RST"}
	var words []string
	for i := range len(f.Flags) {
		if name, ok := names[f.Flags[i]]; ok {
			words = append(words, name)
		}
	}
	again := ""
	if sign == "R" || sign == "d" {
		again = sign + " "
	}
	acks := strings.Contains(f.Flags, "A")
	switch {
	case len(words) > 0 && acks && words[0] == "SYN":
		return again + strings.Join(append(words, "ACK"), "+")
	case len(words) > 0:
		return again + strings.Join(words, "+")
	case f.Len > 0:
		return again + fmt.Sprintf("%s B", grouped(int64(f.Len)))
	case f.Win == 0 && acks:
		return again + "ack, window 0"
	}
	if m, ok := d.wants[f.Ack]; ok && acks {
		return again + fmt.Sprintf("ack, wants %d", m)
	}
	return again + "ack"
}

// together makes one of events that are alike: what many hosts do at one
// instant, and what becomes of the copies of a frame.
func together(events []*event) (all []*event) {
	for _, e := range events {
		if len(all) > 0 {
			last := all[len(all)-1]
			alike := last.at == e.at && last.frame == e.frame && (e.frame != nil || last.text == e.text)
			if alike && e.frame != nil {
				alike = last.fate.Fate == e.fate.Fate && last.fate.At == e.fate.At && last.fate.Why == e.fate.Why && len(e.effects) == len(last.effects)
			}
			if alike {
				last.others++
				continue
			}
		}
		one := *e
		all = append(all, &one)
	}
	return all
}

// who names a host and how many others.
func (d *diagram) who(host string, others int) string {
	if host = d.cut(host, 12); others > 0 {
		host += fmt.Sprintf(" +%d", others)
	}
	return host
}

// listed tells an event in words, where there is no room for a picture.
func (d *diagram) listed(e *event) {
	instant := span{d.padLeft(d.unit.say(e.at), timeColumn) + " ", faint}
	if e.frame == nil {
		d.add(instant, say(d.who(e.host, e.others)+" "), span{e.text, badIf(e.bad)})
		return
	}
	to := e.fate.To
	if to == "" {
		to = e.frame.To
	}
	what := "arrives " + e.got(d.unit, false)
	if e.fate.Fate == "drop" {
		what = "x " + e.got(d.unit, false)
	} else if e.fate.Fate == "" {
		what = ""
	}
	d.add(instant, say(d.cut(e.frame.From, 12)+" > "+d.who(to, e.others)+" "), span{d.word(e), e.frame.style()}, say("  "+what))
}
