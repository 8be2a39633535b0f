//go:build linux && picture

package main_test

// The picture in the README, drawn from the real program:
//
//	go test -tags picture -run TestPicture .

import (
	"fmt"
	"html"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The picture, in the units of SVG.
const (
	pictureFile = "testdata/screen.svg"
	cellWidth   = 8.4
	cellHeight  = 18
	fontSize    = 14
	windowBar   = 30
	windowGap   = 24
	pictureBack = "#1b1d23"
	pictureText = "#d6d9e0"
)

// Two people talk, each in a window.
func TestPicture(t *testing.T) {
	b := loopback(t)
	env := []string{"TERM=xterm-256color", "COLORTERM=truecolor", "LC_ALL=C.UTF-8"}
	var windows []*painted
	open := func(name, title string, args ...string) *painted {
		w := &painted{fullscreen: watched(b.onTerminal(name, env, args...)), title: title}
		w.resizes(84, 19)
		w.vt.ink = w.inks.take
		windows = append(windows, w)
		return w
	}
	ana := open("ana", "ana's computer: parley host physics", "host", "physics", "--nick", "ana", "--port", strconv.Itoa(b.port), "--topic", "waves, and what they carry", "--qr", "off")
	ana.sees("1 here", "F1")
	ben := open("ben", "ben's computer: parley, Enter", "--nick", "ben")
	ben.sees("physics")
	ben.types("\r")
	ben.sees("2 here")
	says := func(w *painted, text, seen string) {
		w.types(text + "\r")
		for _, w := range windows {
			w.sees(seen)
		}
	}
	says(ben, "hi ana, does this need the internet?", "internet")
	says(ana, "no: this Wi-Fi is enough, or a cable", "a cable")
	says(ana, "/me waves at the room", "waves at")
	cyn := b.join("cyn", b.addr())
	ana.sees("cyn")
	cyn.say("ben: and it is encrypted, by itself")
	ben.sees("by itself")
	ana.sees("by itself")
	says(ben, "@ana who else reads this one?", "who else")
	says(ana, "@ben nobody", "nobody")
	ben.sees("3 here")
	says(ben, "what did we lose on the way?", "we lose")
	ben.sees("we lose on the way? ✓✓")
	ben.types("/stats\r")
	ben.sees("round trip")
	ana.types("nothing: what gets lost is se")
	ana.sees("is se")
	if err := os.WriteFile(pictureFile, []byte(picture(windows)), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is drawn", pictureFile)
}

// painted is a full screen in colours.
type painted struct {
	*fullscreen
	title string
	inks  palette
}

// ink is how a cell is drawn.
type ink struct {
	fore, back                              string
	bold, dim, italic, underline, backwards bool
}

// palette numbers the inks that are used; 0 is none.
type palette struct {
	now  ink
	used []ink
}

func (p *palette) number(i ink) rune {
	if i == (ink{}) {
		return 0
	}
	at := slices.Index(p.used, i)
	if at < 0 {
		at = len(p.used)
		p.used = append(p.used, i)
	}
	return rune(at+1) << paintShift
}

func (p *palette) of(cell rune) ink {
	if n := cell >> paintShift; n > 0 {
		return p.used[n-1]
	}
	return ink{}
}

// take is what a program asks for.
func (p *palette) take(params []string) (pen, empty rune) {
	i := &p.now
	for len(params) > 0 {
		n, _ := strconv.Atoi(params[0])
		params = params[1:]
		switch {
		case n == 0:
			*i = ink{}
		case n == 1:
			i.bold = true
		case n == 2:
			i.dim = true
		case n == 3:
			i.italic = true
		case n == 4:
			i.underline = true
		case n == 7:
			i.backwards = true
		case n == 22:
			i.bold, i.dim = false, false
		case n == 23:
			i.italic = false
		case n == 24:
			i.underline = false
		case n == 27:
			i.backwards = false
		case n == 38 || n == 48:
			colour, rest := longColour(params)
			if params = rest; n == 38 {
				i.fore = colour
			} else {
				i.back = colour
			}
		case n >= 30 && n <= 37:
			i.fore = colours[n-30]
		case n == 39:
			i.fore = ""
		case n >= 40 && n <= 47:
			i.back = colours[n-40]
		case n == 49:
			i.back = ""
		case n >= 90 && n <= 97:
			i.fore = colours[n-90+8]
		case n >= 100 && n <= 107:
			i.back = colours[n-100+8]
		}
	}
	return p.number(*i), p.number(ink{back: i.back})
}

// colours are the sixteen that everybody chooses anew.
var colours = [16]string{"#2b2e37", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
	"#6b7280", "#ef8891", "#b1d69a", "#f0d197", "#82c2f5", "#d699e8", "#7ecbd5", "#ffffff"}

// longColour reads 5;N or 2;R;G;B.
func longColour(params []string) (colour string, rest []string) {
	number := func(i int) int { n, _ := strconv.Atoi(params[i]); return n }
	switch {
	case len(params) >= 2 && params[0] == "5":
		switch n := number(1); {
		case n < 16:
			colour = colours[n]
		case n < 232:
			level := func(v int) int { return []int{0, 95, 135, 175, 215, 255}[v%6] }
			colour = fmt.Sprintf("#%02x%02x%02x", level((n-16)/36), level((n-16)/6), level(n-16))
		default:
			colour = fmt.Sprintf("#%[1]02x%[1]02x%[1]02x", 8+10*(n-232))
		}
		return colour, params[2:]
	case len(params) >= 4 && params[0] == "2":
		return fmt.Sprintf("#%02x%02x%02x", number(1), number(2), number(3)), params[4:]
	}
	return "", nil
}

// picture draws the windows, one below the other.
func picture(windows []*painted) string {
	var s strings.Builder
	v := windows[0].vt
	width := float64(v.w)*cellWidth + 24
	height := windowBar + float64(v.h)*cellHeight + 12
	total := float64(len(windows))*(height+windowGap) - windowGap
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="%d" role="img" aria-label="parley: two people in a room, each at a terminal">`+"\n",
		width, total, width, fontSize)
	for i, w := range windows {
		fmt.Fprintf(&s, `<g transform="translate(0 %.0f)"><rect width="%.1f" height="%.1f" rx="8" fill="%s"/><path d="M0 %d V8 a8 8 0 0 1 8 -8 H%.1f a8 8 0 0 1 8 8 V%d Z" fill="#2c303a"/>`,
			float64(i)*(height+windowGap), width, height, pictureBack, windowBar-6, width-8, windowBar-6)
		fmt.Fprintf(&s, `<text x="%.1f" y="17" fill="#9aa1ae" text-anchor="middle" font-size="12">%s</text>`+"\n", width/2, html.EscapeString(w.title))
		fmt.Fprintf(&s, `<g transform="translate(12 %d)" xml:space="preserve">`+"\n", windowBar)
		for y, row := range w.vt.cells {
			w.row(&s, y, row)
		}
		fmt.Fprintf(&s, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" opacity="0.7"/></g></g>`+"\n",
			float64(w.vt.x)*cellWidth, w.vt.y*cellHeight, cellWidth, cellHeight, pictureText)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// row draws runs of cells of one ink.
func (w *painted) row(s *strings.Builder, y int, row []rune) {
	for from := 0; from < len(row); {
		to := from + 1
		for to < len(row) && row[to]>>paintShift == row[from]>>paintShift {
			to++
		}
		w.run(s, from, y, row[from:to])
		from = to
	}
}

func (w *painted) run(s *strings.Builder, x, y int, cells []rune) {
	i := w.inks.of(cells[0])
	fore, back := i.fore, i.back
	if fore == "" {
		fore = pictureText
	}
	if i.backwards {
		if back == "" {
			back = pictureBack
		}
		fore, back = back, fore
	}
	if back != "" {
		fmt.Fprintf(s, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, float64(x)*cellWidth, y*cellHeight, float64(len(cells))*cellWidth+0.3, cellHeight, back)
	}
	text := make([]rune, len(cells))
	for j, c := range cells {
		text[j] = c & (1<<paintShift - 1)
	}
	words := strings.TrimRight(string(text), " ")
	skip := len(words) - len(strings.TrimLeft(words, " "))
	if words = words[skip:]; words == "" {
		return
	}
	style := ""
	for _, o := range []struct {
		on  bool
		say string
	}{{i.bold, ` font-weight="bold"`}, {i.dim, ` opacity="0.65"`}, {i.italic, ` font-style="italic"`}, {i.underline, ` text-decoration="underline"`}} {
		if o.on {
			style += o.say
		}
	}
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"%s>%s</text>`+"\n", float64(x+skip)*cellWidth,
		float64(y)*cellHeight+13.5, float64(len([]rune(words)))*cellWidth, fore, style, html.EscapeString(words))
}
