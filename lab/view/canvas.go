//go:build !nolab

package view

import (
	"strings"

	"parley/text"
)

// A canvas is one row whose columns are set in any order.
type canvas struct {
	cells  []string
	styles []style
}

func newCanvas(w int) *canvas { return &canvas{make([]string, w), make([]style, w)} }

// put sets text at a column, as far as there is room. What is not one column
// wide becomes a question mark.
func (c *canvas) put(x int, s string, st style) {
	for _, r := range s {
		if x < 0 {
			x++
			continue
		}
		if x >= len(c.cells) {
			return
		}
		cell := string(r)
		if r > 0x7e && text.Width(cell) != 1 {
			cell = "?"
		}
		c.cells[x], c.styles[x] = cell, st
		x++
	}
}

// free tells whether nothing is in w columns from x on.
func (c *canvas) free(x, w int) bool {
	for i := max(0, x); i < min(x+w, len(c.cells)); i++ {
		if c.cells[i] != "" {
			return false
		}
	}
	return x >= 0 && x+w <= len(c.cells)
}

// spans are the row.
func (c *canvas) spans() (all []span) {
	var b strings.Builder
	for i, cell := range c.cells {
		if i > 0 && c.styles[i] != c.styles[i-1] {
			all = append(all, span{b.String(), c.styles[i-1]})
			b.Reset()
		}
		if cell == "" {
			cell = " "
		}
		b.WriteString(cell)
	}
	if len(c.cells) > 0 {
		all = append(all, span{b.String(), c.styles[len(c.styles)-1]})
	}
	return all
}
