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

// few is up to how many messages have their waiting times listed; more are
// drawn.
const few = 40

// maxReceivers is how many rows of receivers a lane has; more are summed up.
const maxReceivers = 6

// A hearing is what became of the messages of a lane for one receiver.
type hearing struct {
	name string
	lane *lane
	msgs []lab.Line
	many bool // it is of several receivers
}

// hearings are the receivers of all lanes, in order. Those of a lane that are
// too many are one.
func (s *story) hearings() (all []*hearing) {
	for _, n := range s.lanes {
		by := map[string]*hearing{}
		var order []*hearing
		for _, m := range n.msgs {
			h := by[m.Host]
			if h == nil {
				h = &hearing{name: n.name, lane: n}
				if by[m.Host] = h; len(by) > 1 {
					h.name += " " + m.Host
				}
				order = append(order, h)
			}
			h.msgs = append(h.msgs, m)
		}
		if len(order) > 1 {
			order[0].name = n.name + " " + order[0].msgs[0].Host
		}
		if len(order) > maxReceivers {
			one := &hearing{name: fmt.Sprintf("%s (%d receivers)", n.name, len(order)), lane: n, msgs: n.msgs, many: true}
			order = []*hearing{one}
		}
		all = append(all, order...)
	}
	return all
}

// wait is how long a message took.
func wait(m lab.Line) time.Duration { return max(0, minus(m.At, m.Sent)) }

// about is a waiting time for pictures and lists: programs act at instants that
// are odd by a few microseconds.
func about(m lab.Line) time.Duration { return wait(m).Round(100 * time.Microsecond) }

// waits shows how long messages took.
func (p *page) waits(s *story) {
	all := s.hearings()
	if len(all) == 0 {
		return
	}
	most := 0
	for _, h := range all {
		most = max(most, len(h.cells()))
	}
	p.space()
	if most > few {
		p.histogram(all)
		p.sparks(all)
		return
	}
	p.add(span{" waiting time, ms", faint}, span{"    ! late   x never came", faint})
	p.list(all)
}

// list lists the waiting time of each message, as many side by side as there is
// room for.
func (p *page) list(all []*hearing) {
	name, cell := 3, 2
	seen := map[int]bool{}
	cells := make([]map[int]span, len(all))
	for i, h := range all {
		name = max(name, min(text.Width(h.name), p.width()/3))
		cells[i] = h.cells()
		for n, c := range cells[i] {
			seen[n], cell = true, max(cell, len(c.text), len(fmt.Sprint(n)))
		}
	}
	order := sorted(seen)
	per := max(1, (p.width()-name-4)/(cell+2))
	tails := per >= len(order)
	blocks := (len(order) + per - 1) / per
	per = (len(order) + blocks - 1) / max(1, blocks) // all as long
	for len(order) > 0 {
		part := order[:min(per, len(order))]
		order = order[len(part):]
		row := []span{say(" "), {p.pad("msg", name), faint}}
		for _, n := range part {
			row = append(row, span{"  " + p.padLeft(fmt.Sprint(n), cell), faint})
		}
		p.add(row...)
		for i, h := range all {
			row := []span{say(" "), {p.pad(h.name, name), h.lane.style()}}
			for _, n := range part {
				c := cells[i][n]
				row = append(row, span{"  " + p.padLeft(c.text, cell), c.style})
			}
			if tails && !h.many {
				row = append(row, span{"   " + tallied(h.msgs), faint})
			}
			p.add(row...)
		}
	}
}

// cells are what became of each message: how long it took or, with many
// receivers, how many have it.
func (h *hearing) cells() map[int]span {
	type sum struct{ got, all int }
	sums, cells := map[int]sum{}, map[int]span{}
	for _, m := range h.msgs {
		n := m.Msgs[0]
		s := sums[n]
		if s.all++; !m.Lost {
			s.got++
		}
		if sums[n] = s; !h.many {
			cells[n] = span{waitCell(m), waitStyle(m)}
		}
	}
	if !h.many {
		return cells
	}
	for n, s := range sums {
		cells[n] = span{fmt.Sprintf("%d/%d", s.got, s.all), plain}
		if s.got < s.all {
			cells[n] = span{cells[n].text, lostStyle}
		}
	}
	return cells
}

// waitCell is how long a message took, in milliseconds.
func waitCell(m lab.Line) string {
	s := unit{"ms", time.Millisecond}.say(about(m))
	switch {
	case m.Lost:
		return "x"
	case m.Late:
		return "!" + s
	}
	return s
}

func waitStyle(m lab.Line) style {
	switch {
	case m.Lost:
		return lostStyle
	case m.Late:
		return lateStyle
	}
	return plain
}

// tallied says what became of messages in words.
func tallied(msgs []lab.Line) string {
	late, innocent, missing := 0, 0, 0
	for _, m := range msgs {
		if m.Lost {
			missing++
		}
		if m.Late && !m.Lost {
			late++
		}
		if m.Innocent && !m.Lost {
			innocent++
		}
	}
	var words []string
	if missing > 0 {
		words = append(words, fmt.Sprint(missing, " missing"))
	}
	if late > 0 {
		words = append(words, fmt.Sprint(late, " late"))
	}
	if innocent > 0 {
		words = append(words, fmt.Sprint(innocent, " innocent"))
	}
	return strings.Join(words, ", ")
}

// buckets is how many rows a histogram has.
const buckets = 8

// histogram draws how many messages took how long, a column of bars for each
// receiver.
func (p *page) histogram(all []*hearing) {
	var longest time.Duration
	for _, h := range all {
		for _, m := range h.msgs {
			if !m.Lost {
				longest = max(longest, about(m))
			}
		}
	}
	step := niceStep(longest / buckets)
	name := 9
	fits := max(1, (p.width()-name-1)/16)
	for len(all) > fits {
		p.histogram(all[:fits])
		all = all[fits:]
		p.space()
	}
	bar := min((p.width()-name-1)/len(all)-2, 40)
	counts, most := make([][buckets + 2]int, len(all)), make([]int, len(all))
	for i, h := range all {
		for _, m := range h.msgs {
			b := buckets + 1
			if !m.Lost {
				b = int(min(max(0, about(m)-1)/step, buckets))
			}
			counts[i][b]++
			most[i] = max(most[i], counts[i][b])
		}
	}
	row := []span{{p.padLeft("ms", name-2) + "  ", faint}}
	for _, h := range all {
		row = append(row, span{p.pad(h.name, bar) + "  ", h.lane.style()})
	}
	p.add(row...)
	for b := range buckets + 2 {
		any := false
		word := unit{"ms", time.Millisecond}.say(step * time.Duration(b+1))
		row = []span{}
		for i := range all {
			n := counts[i][b]
			any = any || n > 0
			st := plain
			if b == buckets+1 && n > 0 {
				st = lostStyle
			}
			row = append(row, span{p.bar(n, most[i], bar) + "  ", st})
		}
		switch {
		case b == buckets+1:
			word = "lost"
		case b == buckets:
			word = ">" + unit{"ms", time.Millisecond}.say(step*buckets)
		default:
			word = "<=" + word
		}
		if any || b < 2 {
			p.add(append([]span{{p.padLeft(word, name-2) + "  ", faint}}, row...)...)
		}
	}
}

// bar is a number as a bar and in digits.
func (p *page) bar(n, most, w int) string {
	if n == 0 {
		return p.pad(".", w)
	}
	digits := grouped(int64(n))
	room := max(1, w-len(digits)-1)
	return p.pad(strings.Repeat(p.glyph("█", "#"), max(1, n*room/max(1, most)))+" "+digits, w)
}

// niceStep is the next of 1, 2, 5, 10, 20 ... ms.
func niceStep(d time.Duration) time.Duration {
	for step := time.Millisecond; step < time.Duration(1)<<56; step *= 10 {
		for _, k := range []time.Duration{1, 2, 5} {
			if d <= step*k {
				return step * k
			}
		}
	}
	return max(d, 1)
}

// sparks draws how long messages took, one after the other.
func (p *page) sparks(all []*hearing) {
	name := 3
	for _, h := range all {
		name = max(name, min(text.Width(h.name), p.width()/3))
	}
	room := p.width() - name - 4
	each := 1
	var longest time.Duration
	for _, h := range all {
		each = max(each, (len(h.msgs)+room-1)/room)
		for _, m := range h.msgs {
			longest = max(longest, about(m))
		}
	}
	p.space()
	p.paragraph("", fmt.Sprintf("waiting time; a column is %s, the longest wait; x: one never came", count(each, "message")), faint)
	for _, h := range all {
		p.add(say(" "), span{p.pad(h.name, name), h.lane.style()}, say("  "+p.spark(h.msgs, each, longest)))
	}
	p.add(span{" " + strings.Repeat(" ", name) + "  " + p.levels(0) + " 0 ms   " + p.levels(7) + " " + short(longest), faint})
}

// levels is a sign for one of eight heights.
func (p *page) levels(n int) string {
	return p.glyph(string([]rune("▁▂▃▄▅▆▇█")[n]), string("..::ooO#"[n]))
}

func (p *page) spark(msgs []lab.Line, each int, longest time.Duration) string {
	var b strings.Builder
	for part := range slices.Chunk(msgs, each) {
		var w time.Duration
		lost := false
		for _, m := range part {
			w, lost = max(w, wait(m)), lost || m.Lost
		}
		if lost {
			b.WriteString("x")
		} else {
			b.WriteString(p.levels(int(float64(w) / float64(max(1, longest)) * 7)))
		}
	}
	return b.String()
}
