package tui

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"parley/talk"
	"parley/text"
)

const (
	maxPast  = 200       // lines that can be called back
	maxTyped = 256 << 10 // bytes of a line being typed: a long paste, sent in parts
)

// An edit is a line being typed, which may have several rows.
type edit struct {
	line string
	pos  int // of the cursor, in bytes, between clusters
	cut  string
	past []string
	at   int    // in past; len(past): the line itself
	kept string // the line, while the past is looked at

	tries []string // what Tab offers
	tried int
	from  int // where the word that Tab completes begins
}

func (e *edit) set(line string) { e.line, e.pos = line, len(line) }

func (e *edit) insert(s string) {
	if len(e.line)+len(s) <= maxTyped {
		e.line = e.line[:e.pos] + s + e.line[e.pos:]
		e.pos += len(s)
	}
}

// take returns the line and begins a new one.
func (e *edit) take() string {
	line := e.line
	if line != "" && talk.Secret(line) == len(line) && (len(e.past) == 0 || e.past[len(e.past)-1] != line) {
		if len(e.past) == maxPast {
			e.past = slices.Delete(e.past, 0, 1)
		}
		e.past = append(e.past, line)
	}
	e.at, e.kept = len(e.past), ""
	e.set("")
	return line
}

func (e *edit) left() {
	last := 0
	for at := 0; at < e.pos; {
		last = at
		at += step(e.line[at:])
	}
	e.pos = last
}

func (e *edit) right() {
	if e.pos < len(e.line) {
		e.pos += step(e.line[e.pos:])
	}
}

// step is how long the first cluster of s is.
func step(s string) int {
	cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	return max(len(cluster), 1)
}

func (e *edit) wordLeft() {
	before := strings.TrimRight(e.line[:e.pos], " \n")
	e.pos = strings.LastIndexAny(before, " \n") + 1
}

func (e *edit) wordRight() {
	word := strings.TrimLeft(e.line[e.pos:], " \n")
	start := len(e.line) - len(word)
	if n := strings.IndexAny(word, " \n"); n >= 0 {
		e.pos = start + n
	} else {
		e.pos = len(e.line)
	}
}

// kill cuts what is between the cursor and where move takes it.
func (e *edit) kill(move func()) {
	from := e.pos
	move()
	from, to := min(from, e.pos), max(from, e.pos)
	if to-from > 0 {
		e.cut = e.line[from:to]
		e.line, e.pos = e.line[:from]+e.line[to:], from
	}
}

// erase is kill, and what was cut before is kept.
func (e *edit) erase(move func()) {
	cut := e.cut
	e.kill(move)
	e.cut = cut
}

// swap exchanges the two clusters around the cursor.
func (e *edit) swap() {
	if e.pos == len(e.line) {
		e.left()
	}
	at := e.pos
	e.left()
	if first := e.line[e.pos:at]; first != "" && at < len(e.line) {
		second := e.line[at : at+step(e.line[at:])]
		e.line = e.line[:e.pos] + second + first + e.line[at+len(second):]
		e.pos = at + len(second)
	}
}

func (e *edit) older() {
	if e.at > 0 {
		if e.at == len(e.past) {
			e.kept = e.line
		}
		e.at--
		e.set(e.past[e.at])
	}
}

func (e *edit) newer() {
	if e.at < len(e.past) {
		if e.at++; e.at == len(e.past) {
			e.set(e.kept)
		} else {
			e.set(e.past[e.at])
		}
	}
}

// recall finds the last line before the one shown that has what.
func (e *edit) recall(what string, before int) (int, bool) {
	for i := min(before, len(e.past)) - 1; i >= 0; i-- {
		if strings.Contains(e.past[i], what) {
			return i, true
		}
	}
	return 0, false
}

// tab completes the word before the cursor, and again with the next that fits.
func (e *edit) tab(back bool, complete func(line, word string, first bool) []string) {
	if e.tries == nil {
		e.from = strings.LastIndexAny(e.line[:e.pos], " \n") + 1
		e.tries = complete(e.line[:e.from], e.line[e.from:e.pos], e.from == 0)
		if len(e.tries) == 0 {
			e.tries = nil
			return
		}
		if e.tried = -1; back {
			e.tried = 0
		}
	}
	if back {
		e.tried = (e.tried + len(e.tries) - 1) % len(e.tries)
	} else {
		e.tried = (e.tried + 1) % len(e.tries)
	}
	e.line = e.line[:e.from] + e.tries[e.tried] + e.line[e.pos:]
	e.pos = e.from + len(e.tries[e.tried])
}

// key does what an editing key says; false: it is none.
func (e *edit) key(name, typed string) bool {
	switch name {
	case "left", "ctrl+b":
		e.left()
	case "right", "ctrl+f":
		e.right()
	case "home", "ctrl+a":
		e.pos = 0
	case "end", "ctrl+e":
		e.pos = len(e.line)
	case "backspace", "ctrl+h":
		e.erase(e.left)
	case "delete", "ctrl+d":
		e.erase(e.right)
	case "ctrl+w", "alt+backspace":
		e.kill(e.wordLeft)
	case "alt+d":
		e.kill(e.wordRight)
	case "ctrl+u":
		e.kill(func() { e.pos = 0 })
	case "ctrl+k":
		e.kill(func() { e.pos = len(e.line) })
	case "ctrl+y":
		e.insert(e.cut)
	case "ctrl+t":
		e.swap()
	case "alt+b", "ctrl+left", "alt+left":
		e.wordLeft()
	case "alt+f", "ctrl+right", "alt+right":
		e.wordRight()
	case "alt+enter", "shift+enter", "ctrl+j":
		e.insert("\n")
	default:
		if typed == "" {
			return false
		}
		e.insert(typed)
	}
	e.tries = nil
	return true
}

// rows shows the line in at most most rows of width cells, the first behind lead,
// and tells where the cursor is. What does not fit is what is far from the cursor.
func (e *edit) rows(lead string, width, most int, veil bool) (rows []string, x, y int) {
	line, pos := talk.Veiled(e.line, e.pos)
	if veil {
		line, pos = strings.Repeat("*", len([]rune(e.line))), len([]rune(e.line[:e.pos]))
	}
	room := max(width-text.Width(lead)-1, 1)
	var cells int
	row := ""
	flush := func() { rows, row, cells = append(rows, row), "", 0 }
	for at := 0; ; {
		if at == pos {
			x, y = cells, len(rows)
		}
		if at >= len(line) {
			break
		}
		n := step(line[at:])
		if line[at] == '\n' {
			flush()
			at++
			continue
		}
		c := text.Clean(line[at : at+n])
		w := text.Width(c)
		if cells+w > room {
			flush()
			if at == pos {
				x, y = 0, len(rows)
			}
		}
		row, cells, at = row+c, cells+w, at+n
	}
	flush()
	first := max(0, min(y-most/2, len(rows)-most))
	rows = rows[first:min(first+most, len(rows))]
	for i := range rows {
		if i == 0 {
			rows[i] = lead + rows[i]
		} else {
			rows[i] = strings.Repeat(" ", text.Width(lead)) + rows[i]
		}
	}
	return rows, x + text.Width(lead), y - first
}
