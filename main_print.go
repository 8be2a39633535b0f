package main

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"parley/text"
)

const (
	// narrowest is the width below which rows are not made narrower.
	narrowest = 20
	// further begins each further row of a line, so that nothing a line
	// holds can pass for a line of its own.
	further = "  | "
)

// columns is how wide w is if it is a terminal, else 0.
func columns(w io.Writer) int {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || !isTerminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 {
		width = 80 // what a terminal has that does not say
	}
	return max(width, narrowest)
}

// print prints a line for people. On a terminal it is broken into rows
// narrower than that.
func (p *program) print(w io.Writer, line string) {
	fmt.Fprintf(w, "%s\n", rows(clean(line), columns(w)))
}

// printWords is print, but what has no spaces stays in one piece, for it may be
// a link or a command that is there to be copied.
func (p *program) printWords(w io.Writer, line string) {
	line = clean(line)
	width := columns(w)
	for word := range strings.FieldsSeq(line) {
		if text.Width(word) >= width-len(further) {
			width = 0
		}
	}
	fmt.Fprintf(w, "%s\n", rows(line, width))
}

// rows breaks a clean line for a terminal of a width; 0: it is left whole.
func rows(line string, width int) string {
	if width == 0 || text.Width(line) < width {
		return line
	}
	return strings.Join(text.Wrap(line, width-1, width-1-len(further)), "\n"+further)
}
