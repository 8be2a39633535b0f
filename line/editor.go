package line

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"parley/text"
)

// maxPast is how many lines can be called back with the arrow up.
const maxPast = 100

// prompt stands before what is being typed.
const prompt = "> "

// An editor is the line being typed on a terminal: keys in, what to do out. It
// is shown in one row, whatever it holds, so that what comes in between can be put above it.
type editor struct {
	line     string
	pos      int    // of the cursor, in bytes, between clusters
	rest     []byte // the beginning of a key
	pasting  bool
	cr       bool // the last pasted character was a carriage return
	past     []string
	at       int    // in past; len(past): the line itself
	kept     string // the line, while the past is looked at
	complete func(word string, first bool) []string

	tries []string // what Tab offers
	tried int
	from  int // where the word that Tab completes begins
}

// What a key asks for beside editing.
type wish int

const (
	none   wish = iota
	send        // the line, which is still there
	stop        // Ctrl-C on an empty line
	finish      // Ctrl-D on an empty line
	wipe        // Ctrl-L
)

// Keys that are sequences, by what follows ESC.
var sequences = map[string]func(*editor){
	"[A": (*editor).older, "OA": (*editor).older, "[B": (*editor).newer, "OB": (*editor).newer,
	"[C": (*editor).right, "OC": (*editor).right, "[D": (*editor).left, "OD": (*editor).left,
	"[H": (*editor).home, "OH": (*editor).home, "[1~": (*editor).home, "[7~": (*editor).home,
	"[F": (*editor).end, "OF": (*editor).end, "[4~": (*editor).end, "[8~": (*editor).end,
	"[3~":   (*editor).remove,
	"[1;5C": (*editor).wordRight, "[1;3C": (*editor).wordRight, "f": (*editor).wordRight,
	"[1;5D": (*editor).wordLeft, "[1;3D": (*editor).wordLeft, "b": (*editor).wordLeft,
	"[200~": func(e *editor) { e.pasting = true }, "[201~": func(e *editor) { e.pasting = false },
}

// controls are the keys that are control characters, as other line editors have them.
var controls = map[rune]func(*editor){
	0x01: (*editor).home, 0x02: (*editor).left, 0x04: (*editor).remove, 0x05: (*editor).end, 0x06: (*editor).right,
	0x08: (*editor).erase, 0x7f: (*editor).erase, 0x0b: func(e *editor) { e.line = e.line[:e.pos] },
	0x0e: (*editor).newer, 0x10: (*editor).older, 0x15: func(e *editor) { e.line, e.pos = e.line[e.pos:], 0 },
	0x17: func(e *editor) { to := e.pos; e.wordLeft(); e.line = e.line[:e.pos] + e.line[to:] },
}

// feed takes what the terminal sent up to the first key that is a wish, and
// returns what is left of it.
func (e *editor) feed(b []byte) (wish, []byte) {
	b = append(e.rest, b...)
	e.rest = nil
	for len(b) > 0 {
		n, w := e.key(b)
		if n == 0 { // more of it must come
			e.rest = slices.Clone(b)
			return none, nil
		}
		b = b[n:]
		if w != none {
			return w, b
		}
	}
	return none, nil
}

// key takes one key from the front of b and tells how long it was.
func (e *editor) key(b []byte) (int, wish) {
	if b[0] == 0x1b {
		return e.sequence(b), none
	}
	if !utf8.FullRune(b) {
		return 0, none
	}
	r, n := utf8.DecodeRune(b)
	if r != '\t' {
		e.tries = nil
	}
	switch {
	case e.pasting:
		if r == '\r' || r == '\n' && !e.cr {
			e.insert("\n")
		} else if r != '\n' {
			e.insert(string(r))
		}
		e.cr = r == '\r'
	case r == '\r' || r == '\n':
		return n, send
	case r == 0x03 && e.line == "":
		return n, stop
	case r == 0x03:
		e.set("")
	case r == 0x04 && e.line == "":
		return n, finish
	case r == 0x0c:
		return n, wipe
	case r == '\t':
		e.tab()
	case controls[r] != nil:
		controls[r](e)
	case r < 0x20 || r == utf8.RuneError && n == 1:
	default:
		e.insert(string(r))
	}
	return n, none
}

// sequence takes a key that begins with ESC: 0 if it is not all there.
func (e *editor) sequence(b []byte) int {
	if e.pasting { // anything but the end is text
		end := []byte("\x1b[201~")
		if bytes.HasPrefix(b, end) {
			e.pasting = false
			return len(end)
		}
		if bytes.HasPrefix(end, b) {
			return 0
		}
		e.insert("\x1b")
		return 1
	}
	if len(b) < 2 {
		return 0
	}
	n := 2
	if b[1] == '[' || b[1] == 'O' {
		for n < len(b) && (b[n] < 0x40 || b[n] > 0x7e) && n < 32 {
			n++
		}
		if n == len(b) {
			return 0
		}
		n++
	}
	e.tries = nil
	if act := sequences[string(b[1:n])]; act != nil {
		act(e)
	}
	return n
}

// take returns the line and begins a new one.
func (e *editor) take() string {
	line := e.line
	if line != "" && secretFrom(line) == len(line) && (len(e.past) == 0 || e.past[len(e.past)-1] != line) {
		if len(e.past) == maxPast {
			e.past = slices.Delete(e.past, 0, 1)
		}
		e.past = append(e.past, line)
	}
	e.at = len(e.past)
	e.set("")
	return line
}

func (e *editor) set(line string) { e.line, e.pos = line, len(line) }

func (e *editor) insert(s string) {
	if len(e.line)+len(s) <= maxTyped {
		e.line = e.line[:e.pos] + s + e.line[e.pos:]
		e.pos += len(s)
	}
}

func (e *editor) home() { e.pos = 0 }
func (e *editor) end()  { e.pos = len(e.line) }

func (e *editor) right() {
	cluster, _ := ansi.FirstGraphemeCluster(e.line[e.pos:], ansi.GraphemeWidth)
	e.pos += len(cluster)
}

func (e *editor) left() {
	last := 0
	for at := 0; at < e.pos; {
		last = at
		cluster, _ := ansi.FirstGraphemeCluster(e.line[at:], ansi.GraphemeWidth)
		at += max(len(cluster), 1)
	}
	e.pos = last
}

func (e *editor) erase() {
	to := e.pos
	e.left()
	e.line = e.line[:e.pos] + e.line[to:]
}

func (e *editor) remove() {
	from := e.pos
	e.right()
	e.line, e.pos = e.line[:from]+e.line[e.pos:], from
}

func (e *editor) wordLeft() {
	before := strings.TrimRight(e.line[:e.pos], " ")
	e.pos = strings.LastIndexByte(before, ' ') + 1
}

func (e *editor) wordRight() {
	word := strings.TrimLeft(e.line[e.pos:], " ")
	start := len(e.line) - len(word)
	if n := strings.IndexByte(word, ' '); n >= 0 {
		e.pos = start + n
	} else {
		e.pos = len(e.line)
	}
}

func (e *editor) older() {
	if e.at > 0 {
		if e.at == len(e.past) {
			e.kept = e.line
		}
		e.at--
		e.set(e.past[e.at])
	}
}

func (e *editor) newer() {
	if e.at < len(e.past) {
		e.at++
		if e.at == len(e.past) {
			e.set(e.kept)
		} else {
			e.set(e.past[e.at])
		}
	}
}

// tab completes the word before the cursor, and again with the next that fits.
func (e *editor) tab() {
	if e.complete == nil {
		return
	}
	if e.tries == nil {
		e.from = strings.LastIndexByte(e.line[:e.pos], ' ') + 1
		e.tries, e.tried = e.complete(e.line[e.from:e.pos], e.from == 0), -1
		if len(e.tries) == 0 {
			e.tries = nil
			return
		}
	}
	e.tried = (e.tried + 1) % len(e.tries)
	e.line = e.line[:e.from] + e.tries[e.tried] + e.line[e.pos:]
	e.pos = e.from + len(e.tries[e.tried])
}

// draw returns what shows the editor in a row of width cells, the cursor at
// its place. The row is empty before, or is an older one of the editor's.
func (e *editor) draw(width int) string {
	room := max(width-len(prompt)-1, 1)
	line, pos := veiled(e.line, e.pos)
	before, after := line[:pos], line[pos:]
	for len(before) > 32*room {
		before = before[fitting(before, 1):]
	}
	var cuts []int // where clusters of before begin
	for at := 0; at < len(before); {
		cuts = append(cuts, at)
		cluster, _ := ansi.FirstGraphemeCluster(before[at:], ansi.GraphemeWidth)
		at += max(len(cluster), 1)
	}
	cuts = append(cuts, len(before))
	// Scrolled to the cursor. Width is not additive, for text.Clean may add
	// marks, but it grows with the text, so halving finds what fits.
	before = before[cuts[sort.Search(len(cuts)-1, func(i int) bool { return text.Width(text.Clean(before[cuts[i]:])) <= room })]:]
	column := len(prompt) + text.Width(text.Clean(before))
	after = after[:fitting(after, room)]
	cuts = cuts[:0]
	for at := range after { // where its runes begin
		cuts = append(cuts, at)
	}
	cuts = append(cuts, len(after))
	over := sort.Search(len(cuts), func(i int) bool { return text.Width(text.Clean(before+after[:cuts[i]])) > room })
	shown := text.Clean(before + after[:cuts[max(over-1, 0)]])
	return "\r\x1b[K" + prompt + shown + "\r" + ansi.CursorForward(column)
}

// fitting bounds what of s can be seen in a row of w cells: marks and all.
func fitting(s string, w int) int {
	n := min(len(s), 32*w)
	for n > 1 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}
