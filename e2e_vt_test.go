//go:build linux

package main_test

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A vt is what a terminal makes of what programs write to it: as much of it as a
// full screen of single cells needs.
type vt struct {
	w, h, x, y  int
	top, bottom int // of what scrolls
	cells       [][]rune
	last        rune

	// ink turns what a program asks for in colours into what is kept of that above the
	// runes of cells, from paintShift on, and of empty ones. Nil: colours are not looked at.
	ink       func(params []string) (pen, empty rune)
	pen, bare rune
}

// paintShift is how many bits a rune takes.
const paintShift = 21

func newVT(w, h int) *vt {
	v := &vt{w: w, h: h, bottom: h - 1}
	for range h {
		v.cells = append(v.cells, v.blank())
	}
	return v
}

func (v *vt) blank() []rune { return slices.Repeat([]rune{' ' | v.bare}, v.w) }

func (v *vt) String() string {
	rows := make([]string, v.h)
	for i, row := range v.cells {
		plain := slices.Clone(row)
		for j := range plain {
			plain[j] &= 1<<paintShift - 1
		}
		rows[i] = strings.TrimRight(string(plain), " ")
	}
	return strings.Join(rows, "\n")
}

// write takes b, and returns what of it is not all there yet.
func (v *vt) write(b []byte) []byte {
	for len(b) > 0 {
		n := 1
		switch c := b[0]; {
		case c == 0x1b:
			if n = v.escape(b); n == 0 {
				return b
			}
		case c == '\r':
			v.x = 0
		case c == '\n':
			v.down()
		case c == '\b':
			v.x = max(0, v.x-1)
		case c == '\t':
			v.x = min(v.w-1, v.x/8*8+8)
		case c < 0x20:
		case !utf8.FullRune(b):
			return b
		default:
			var r rune
			r, n = utf8.DecodeRune(b)
			v.put(r)
		}
		b = b[n:]
	}
	return nil
}

func (v *vt) put(r rune) {
	if v.x >= v.w {
		v.x = 0
		v.down()
	}
	v.cells[v.y][v.x], v.last = r|v.pen, r
	v.x++
}

func (v *vt) down() {
	if v.y == v.bottom {
		v.scroll(v.top, 1)
	} else {
		v.y = min(v.h-1, v.y+1)
	}
}

// scroll moves the rows from one to the bottom up by n, down if it is negative.
func (v *vt) scroll(from, n int) {
	for ; n > 0; n-- {
		v.cells = slices.Insert(slices.Delete(v.cells, from, from+1), v.bottom, v.blank())
	}
	for ; n < 0; n++ {
		v.cells = slices.Insert(slices.Delete(v.cells, v.bottom, v.bottom+1), from, v.blank())
	}
}

// escape takes a sequence and tells how long it was; 0: it is not all there.
func (v *vt) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case ']':
		if end := strings.IndexByte(string(b), '\a'); end >= 0 {
			return end + 1
		}
		return 0
	case 'M':
		if v.y == v.top {
			v.scroll(v.top, -1)
		} else {
			v.y = max(0, v.y-1)
		}
		return 2
	case '[':
	default:
		return 2
	}
	n := 2
	for n < len(b) && (b[n] < 0x40 || b[n] > 0x7e) {
		n++
	}
	if n == len(b) {
		return 0
	}
	if params := string(b[2:n]); !strings.ContainsAny(params, "?>=$ ") {
		v.control(b[n], strings.Split(params, ";"))
	}
	return n + 1
}

func (v *vt) control(final byte, params []string) {
	param := func(i, unless int) int {
		if i < len(params) {
			if n, err := strconv.Atoi(params[i]); err == nil && n > 0 {
				return n
			}
		}
		return unless
	}
	n := param(0, 1)
	row := v.cells[v.y]
	wipe := func(from, to int) {
		for i := from; i < min(to, v.w); i++ {
			row[i] = ' ' | v.bare
		}
	}
	switch final {
	case 'm':
		if v.ink != nil {
			v.pen, v.bare = v.ink(params)
		}
	case 'A':
		v.y = max(0, v.y-n)
	case 'B', 'e':
		v.y = min(v.h-1, v.y+n)
	case 'C', 'a':
		v.x = min(v.w-1, v.x+n)
	case 'D':
		v.x = max(0, min(v.x, v.w-1)-n)
	case 'E':
		v.x, v.y = 0, min(v.h-1, v.y+n)
	case 'F':
		v.x, v.y = 0, max(0, v.y-n)
	case 'G', '`':
		v.x = min(v.w, n) - 1
	case 'd':
		v.y = min(v.h, n) - 1
	case 'H', 'f':
		v.y, v.x = min(v.h, n)-1, min(v.w, param(1, 1))-1
	case 'I':
		v.x = min(v.w-1, (v.x/8+n)*8)
	case 'Z':
		v.x = max(0, ((v.x+7)/8-n)*8)
	case 'K':
		switch param(0, 0) {
		case 0:
			wipe(v.x, v.w)
		case 1:
			wipe(0, v.x+1)
		default:
			wipe(0, v.w)
		}
	case 'J':
		from := v.y + 1
		if param(0, 0) == 0 {
			wipe(v.x, v.w)
		} else {
			from = 0
		}
		for i := from; i < v.h; i++ {
			v.cells[i] = v.blank()
		}
	case 'X':
		wipe(v.x, v.x+n)
	case 'P':
		row = append(slices.Delete(row, min(v.x, v.w), min(v.x+n, v.w)), v.blank()...)
		v.cells[v.y] = row[:v.w:v.w]
	case '@':
		v.cells[v.y] = slices.Insert(row, v.x, v.blank()[:min(n, v.w)]...)[:v.w:v.w]
	case 'b':
		for range n {
			v.put(v.last)
		}
	case 'r':
		v.top, v.bottom = min(v.h, n)-1, min(v.h, param(1, v.h))-1
		v.x, v.y = 0, 0
	case 'S':
		v.scroll(v.top, n)
	case 'T':
		v.scroll(v.top, -n)
	case 'L':
		v.scroll(v.y, -n)
	case 'M':
		v.scroll(v.y, n)
	}
}

// A fullscreen is a terminal whose screen is looked at as a person does.
type fullscreen struct {
	*terminal
	vt   *vt
	fed  int
	rest []byte
}

// sees waits until all words are on the screen at once.
func (f *fullscreen) sees(words ...string) {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		f.mu.Lock()
		b, more := append(f.rest, f.screen[f.fed:]...), f.more
		f.fed = len(f.screen)
		f.mu.Unlock()
		f.rest = slices.Clone(f.vt.write(b))
		screen := f.vt.String()
		missing := slices.IndexFunc(words, func(w string) bool { return !strings.Contains(screen, w) })
		if missing < 0 {
			return
		}
		select {
		case <-more:
		case <-f.done:
			f.t.Fatalf("%s has ended before %q was seen:\n%s", f.name, words[missing], screen)
		case <-deadline:
			f.t.Fatalf("%s waits for %q:\n%s", f.name, words[missing], screen)
		}
	}
}

// watched is the screen of a terminal of 80 columns.
func watched(term *terminal) *fullscreen { return &fullscreen{terminal: term, vt: newVT(80, 24)} }
