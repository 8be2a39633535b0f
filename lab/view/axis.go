//go:build !nolab

package view

import (
	"fmt"
	"math"
	"parley/text"
	"slices"
	"strings"
	"time"
)

// scale chooses how long a column is: what follows the other usually should
// have room for its name. Where little happens in a long time, the axis is
// logarithmic.
func (t *axis) scale() {
	wide, all, shortest := 2, 0, time.Duration(0)
	var gaps []time.Duration
	var first, last time.Duration
	for _, p := range t.parts {
		t.name = max(t.name, min(text.Width(p.name), 16))
		var before *mark
		for i := range p.marks {
			m := &p.marks[i]
			first, last = min(first, m.at), max(last, m.at)
			if m.at > 0 && (shortest == 0 || m.at < shortest) {
				shortest = m.at
			}
			if m.rank == aside {
				continue
			}
			all, wide = all+1, max(wide, min(text.Width(m.text), 6))
			if before != nil && m.at > before.at && minus(m.at, before.at) >= atOnce {
				gaps = append(gaps, minus(m.at, before.at))
			}
			before = m
		}
	}
	t.cols = t.width() - t.name - 3
	if t.width() >= roomy {
		t.side = sideWidth
		t.cols -= t.side + 3
	}
	t.per = max(5, wide+1)
	if slices.Sort(gaps); len(gaps) > 0 {
		t.step = niceBelow(gaps[len(gaps)/4])
	} else {
		t.step = niceStep(max(1, minus(last, first)) / time.Duration(max(1, t.cols/t.per-1)))
	}
	if last >= inSeconds {
		t.unit = unit{"s", time.Second}
	}
	if shortest > 0 && all <= sparse && len(gaps) > 0 && gaps[len(gaps)-1]/gaps[len(gaps)/4] >= farApart {
		t.log, t.first, t.last = true, max(time.Microsecond, shortest), last
	}
}

// When an axis is logarithmic: so few marks, and the longest pause so many times
// longer than a short one.
const (
	sparse   = 150
	farApart = 10
)

// atOnce is what is one instant to a person.
const atOnce = 100 * time.Microsecond

// column is where an instant is on a piece that begins at from.
func (t *axis) column(at, from time.Duration) int {
	if !t.log {
		return int(float64(minus(at, from)) / float64(t.step) * float64(t.per))
	}
	if at < t.first {
		return 0
	}
	return t.per + int(math.Log(float64(at)/float64(t.first))/math.Log(float64(t.last)/float64(t.first))*float64(max(1, t.cols-2*t.per)))
}

// niceBelow is the last of 1, 2, 5, 10, 20 ... µs that is not more.
func niceBelow(d time.Duration) time.Duration {
	best := time.Microsecond
	for step := time.Microsecond; step <= time.Hour; step *= 10 {
		for _, k := range []time.Duration{1, 2, 5} {
			if step*k <= d {
				best = step * k
			}
		}
	}
	return best
}

// staves draws the axis in as many pieces as it takes.
func (t *axis) staves() {
	long := t.step * time.Duration(max(1, t.cols/t.per))
	if t.log {
		long = math.MaxInt64
	}
	worth, asides := map[int]bool{}, map[int]bool{}
	for _, p := range t.parts {
		for _, m := range p.marks {
			if i := floor(m.at, long); m.rank != aside {
				worth[i] = worth[i] || m.worth
			} else {
				asides[i] = false
			}
		}
	}
	if len(worth) == 0 { // nobody says anything
		worth = asides
	}
	order := sorted(worth)
	keep := map[int]bool{}
	for i, n := range order {
		if t.Whole && i < maxWhole || len(order) <= maxStaves || i < 2 || i == len(order)-1 || worth[n] && len(keep) < maxStaves-1 {
			keep[n] = true
		}
	}
	hidden, before := 0, 0
	for i, n := range order {
		if !keep[n] {
			hidden++
			continue
		}
		switch {
		case hidden > 0:
			t.rule()
			t.add(span{fmt.Sprintf(" ... %s like these   (--from, --to, --whole)", count(hidden, "piece")), faint})
		case i > 0 && n > before+1:
			t.rule()
			t.add(span{" ... " + short(long*time.Duration(min(n-before-1, 1<<20))) + " in which nothing happens", faint})
		}
		hidden, before = 0, n
		t.stave(n, long)
	}
	t.rule()
}

// floor is which piece an instant is in.
func floor(at, long time.Duration) int {
	n := at / long
	if at < 0 && at%long != 0 {
		n--
	}
	return int(n)
}

// stave draws a piece.
func (t *axis) stave(n int, long time.Duration) {
	t.rule()
	from := time.Duration(n) * long
	head, ticks := t.ruler(from)
	t.beside(append([]span{say(" "), {t.pad(t.unitName(), t.name) + " ", faint}}, head.spans()...), "what programs read", faint)
	blank := say(strings.Repeat(" ", t.name+2))
	t.beside(append([]span{blank}, ticks.spans()...), "", plain)
	lane := -1
	for _, p := range t.parts {
		if lane >= 0 && p.of != lane {
			t.beside([]span{blank, say(strings.Repeat(" ", t.cols))}, "", plain)
		}
		lane = p.of
		t.hostRows(p, from, long)
	}
}

// unitName is what stands before the numbers of the axis.
func (t *axis) unitName() string {
	if t.log {
		return "time"
	}
	return t.unit.name
}

// ruler is the numbers and strokes of a piece.
func (t *axis) ruler(from time.Duration) (head, ticks *canvas) {
	head, ticks = newCanvas(t.cols), newCanvas(t.cols)
	if t.log {
		head.put(0, "0", faint)
		ticks.put(0, t.stroke(), faint)
		for d := time.Microsecond; d <= t.last && d < 1<<60; d *= 10 {
			if x := t.column(d, 0); d >= t.first {
				ticks.put(x, t.stroke(), faint)
				head.put(x, strings.ReplaceAll(axisTime(d), " ", ""), faint)
			}
		}
		return head, ticks
	}
	every := (9 + t.per - 1) / t.per // steps between two numbers
	for i := 0; i*t.per < t.cols-4; i += every {
		head.put(i*t.per, t.unit.say(from+t.step*time.Duration(i)), faint)
	}
	for x := 0; x < t.cols; x += t.per {
		ticks.put(x, t.stroke(), faint)
	}
	return head, ticks
}

// axisTime is a power of ten of time.
func axisTime(d time.Duration) string {
	if d >= time.Second {
		return grouped(int64(d/time.Second)) + "s"
	}
	return millis(d) + "ms"
}

// beside adds a row with words beside the axis, if there is room for such.
func (t *axis) beside(row []span, words string, st style) {
	if t.side > 0 {
		row = append(row, span{" " + t.stroke() + " ", faint}, span{t.cut(words, t.side), st})
	}
	t.add(row...)
}

func (p *page) stroke() string { return p.glyph("│", "|") }

// maxLayers is how many rows marks of one host may take where they are dense.
const maxLayers = 3

// hostRows draws the marks of a host that are in a piece.
func (t *axis) hostRows(p *part, from, long time.Duration) {
	rows := []*canvas{newCanvas(t.cols)}
	var reads []string
	more := 0
	for _, r := range []rank{message, loss, aside} {
		for _, m := range p.marks {
			if m.rank != r || floor(m.at, long) != floor(from, long) {
				continue
			}
			if m.read {
				reads = append(reads, m.text[1:])
			}
			x := t.column(m.at, from)
			if !t.place(&rows, x, m) && r != aside {
				more++
			}
		}
	}
	name, words := p.name, strings.Join(reads, " ")
	for _, c := range rows {
		t.beside(append([]span{say(" "), {t.pad(name, t.name) + " ", p.lane.style()}}, c.spans()...), words, plain)
		name, words = "", ""
	}
	if more > 0 {
		t.add(span{fmt.Sprintf(" %s ... and %d more", t.pad("", t.name), more), faint})
	}
}

// place puts a mark where there is room for it.
func (t *axis) place(rows *[]*canvas, x int, m mark) bool {
	w := text.Width(m.text)
	for layer := range maxLayers {
		if m.rank == aside && layer > 0 {
			return false
		}
		if layer == len(*rows) {
			*rows = append(*rows, newCanvas(t.cols))
		}
		c := (*rows)[layer]
		if at := min(x, t.cols-w); at >= 0 && (c.free(at-1, w+1) || at == 0 && c.free(at, w)) {
			c.put(at, m.text, m.style)
			return true
		}
	}
	return false
}
