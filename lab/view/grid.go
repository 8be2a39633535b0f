//go:build !nolab

package view

import (
	"slices"
	"strings"

	"parley/text"
)

// A grid is rows of cells under heads, in columns as wide as it takes.
type grid struct {
	heads  []string
	rows   [][]span
	indent int
}

// maxColumns bounds a grid that somebody made up.
const maxColumns = 64

// gap is between two columns.
const gap = 2

// widestHead is how wide a head makes a column.
const widestHead = 24

// minColumn is how narrow a column may become before the grid is broken.
const minColumn = 6

// add adds a row without styles.
func (g *grid) add(cells ...string) {
	row := make([]span, len(cells))
	for i, c := range cells {
		row[i] = say(c)
	}
	g.rows = append(g.rows, row)
}

// columns is how many there are.
func (g *grid) columns() int {
	n := len(g.heads)
	for _, r := range g.rows {
		n = max(n, len(r))
	}
	return min(n, maxColumns)
}

// without leaves out the columns in which there is only one word.
func (g *grid) without(word string) *grid {
	left := &grid{indent: 1, rows: make([][]span, len(g.rows))}
	for i := range g.columns() {
		head, cells := g.column(i)
		if !slices.ContainsFunc(cells, func(c span) bool { return c.text != word }) {
			continue
		}
		left.heads = append(left.heads, head)
		for k, c := range cells {
			left.rows[k] = append(left.rows[k], c)
		}
	}
	return left
}

// column is all of one, the head first.
func (g *grid) column(i int) (head string, cells []span) {
	if i < len(g.heads) {
		head = g.heads[i]
	}
	for _, r := range g.rows {
		if i < len(r) {
			cells = append(cells, r[i])
		} else {
			cells = append(cells, span{})
		}
	}
	return head, cells
}

// numeric tells whether most of a column are numbers, so that it is set to the
// right.
func numeric(cells []span) bool {
	n, all := 0, 0
	for _, c := range cells {
		s := strings.TrimLeft(c.text, "-+!<>=")
		if s == "" || s == "x" || s == "never" {
			continue
		}
		all++
		if s[0] >= '0' && s[0] <= '9' && len(strings.Fields(s)) <= 3 {
			n++
		}
	}
	return all > 0 && n == all
}

// draw draws a grid, broken into several below each other, all with the first
// column, if there is not room for all columns.
func (p *page) draw(g *grid) {
	n := g.columns()
	if n == 0 {
		return
	}
	widths, needs, right := make([]int, n), make([]int, n), make([]bool, n)
	for i := range n {
		head, cells := g.column(i)
		for _, word := range strings.Fields(head) {
			needs[i] = max(needs[i], text.Width(word))
		}
		for _, c := range cells {
			needs[i] = max(needs[i], text.Width(c.text))
		}
		widths[i] = max(needs[i], min(text.Width(head), widestHead), 1)
		right[i] = i > 0 && numeric(cells)
	}
	room := p.width() - g.indent - 1
	widths[0] = min(widths[0], max(room/3, minColumn))
	needs[0] = min(needs[0], widths[0])
	for from := 1; ; {
		to, used := from, widths[0]
		for to < n && used+gap+min(needs[to], minColumn) <= room {
			used += gap + min(needs[to], minColumn)
			to++
		}
		if to == from && from < n { // not even one fits
			to = from + 1
		}
		part := append([]int{0}, span2(from, to)...)
		p.drawPart(g, part, fit(widths, needs, part, room), right)
		if from = to; from >= n {
			return
		}
		p.space()
	}
}

// span2 are the numbers from one up to, not including, another.
func span2(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// fit makes columns narrower until all fit: first heads are broken, then cells
// are, the widest first.
func fit(widths, needs []int, part []int, room int) map[int]int {
	w := map[int]int{}
	used := -gap
	for _, i := range part {
		w[i] = min(widths[i], room)
		used += w[i] + gap
	}
	for _, least := range []func(i int) int{func(i int) int { return needs[i] }, func(int) int { return 1 }} {
		for used > room {
			widest := -1
			for _, i := range part {
				if w[i] > least(i) && (widest < 0 || w[i]-least(i) > w[widest]-least(widest)) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			w[widest]--
			used--
		}
	}
	return w
}

// drawPart draws some columns.
func (p *page) drawPart(g *grid, part []int, widths map[int]int, right []bool) {
	set := func(s string, i int) string {
		if right[i] {
			return p.padLeft(s, widths[i])
		}
		return p.pad(s, widths[i])
	}
	line := func(cell func(i int) (string, style)) {
		// A cell may take several rows.
		parts, tall := map[int][]string{}, 1
		styles := map[int]style{}
		for _, i := range part {
			s, st := cell(i)
			parts[i], styles[i] = text.Wrap(s, widths[i], widths[i]), st
			tall = max(tall, len(parts[i]))
		}
		for k := range tall {
			spans := []span{say(strings.Repeat(" ", g.indent))}
			for n, i := range part {
				if n > 0 {
					spans = append(spans, say(strings.Repeat(" ", gap)))
				}
				s := ""
				if k < len(parts[i]) {
					s = parts[i][k]
				}
				spans = append(spans, span{set(s, i), styles[i]})
			}
			p.add(spans...)
		}
	}
	if len(g.heads) > 0 {
		line(func(i int) (string, style) {
			head, _ := g.column(i)
			return head, faint
		})
	}
	for _, r := range g.rows {
		line(func(i int) (string, style) {
			if i < len(r) {
				return r[i].text, r[i].style
			}
			return "", plain
		})
	}
}
