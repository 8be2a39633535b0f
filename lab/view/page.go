//go:build !nolab

package view

import (
	"strings"
	"time"

	"parley/text"
)

// Options say how a view is to look.
type Options struct {
	Width    int           // in columns; 0: 80
	ASCII    bool          // nothing but ASCII, also in names and texts
	Color    bool          // repeat in colour what is said
	From, To time.Duration // only this part of each lane; To 0: to the end
	Lane     string        // only this lane; empty: all
	Whole    bool          // leave nothing out, however long
}

// The bounds of widths, in columns.
const (
	usual    = 80
	narrow   = 60 // below it there are lists instead of pictures
	least    = 20
	roomy    = 110 // from it on there is room for a column more
	mostWide = 400
)

// width is how many columns there are.
func (o Options) width() int {
	if o.Width == 0 {
		return usual
	}
	return min(max(o.Width, least), mostWide)
}

// A Row is a row of a view, without a line break, and the virtual time of what
// it shows, if it shows something that happens.
type Row struct {
	Text  string
	At    time.Duration
	Timed bool
}

// A style is what colour repeats.
type style byte

const (
	plain style = iota
	faint
	strong
	tcpStyle
	udpStyle
	lostStyle
	againStyle
	lateStyle
	goodStyle
	badStyle
)

// sgr are the styles as terminals know them.
var sgr = [...]string{plain: "", faint: "2", strong: "1", tcpStyle: "36", udpStyle: "33", lostStyle: "1;31", againStyle: "35", lateStyle: "1;33", goodStyle: "1;32", badStyle: "1;31"}

// A span is text of one style.
type span struct {
	text  string
	style style
}

// say is a span without a style.
func say(s string) span { return span{s, plain} }

// A page is a view in the making.
type page struct {
	Options
	rows []Row
	at   time.Duration
	now  bool // rows have the time at
}

// cut shortens clean text to w columns.
func (p *page) cut(s string, w int) string {
	s = text.Truncate(s, w)
	if p.ASCII {
		s = strings.ReplaceAll(s, "…", "~")
	}
	return s
}

// pad shortens or fills up text to exactly w columns.
func (p *page) pad(s string, w int) string {
	s = p.cut(s, w)
	return s + strings.Repeat(" ", max(0, w-text.Width(s)))
}

// padLeft does so with the text at the right.
func (p *page) padLeft(s string, w int) string {
	s = p.cut(s, w)
	return strings.Repeat(" ", max(0, w-text.Width(s))) + s
}

// add adds a row, cut where the page ends, without spaces at its end.
func (p *page) add(spans ...span) {
	left := p.width()
	row := make([]span, 0, len(spans))
	for _, s := range spans {
		if p.ASCII { // the lessons' own words
			s.text = asciiOnly(s.text)
		}
		w := text.Width(s.text)
		if w > left {
			s.text, w = p.cut(s.text, left), left
		}
		row = append(row, s)
		if left -= w; left == 0 {
			break
		}
	}
	for i := len(row) - 1; i >= 0; i-- {
		if row[i].text = strings.TrimRight(row[i].text, " "); row[i].text != "" {
			break
		}
	}
	var b strings.Builder
	for _, s := range row {
		if p.Color && s.style != plain && strings.TrimSpace(s.text) != "" {
			b.WriteString("\x1b[" + sgr[s.style] + "m" + s.text + "\x1b[0m")
		} else {
			b.WriteString(s.text)
		}
	}
	p.rows = append(p.rows, Row{b.String(), p.at, p.now})
}

// space adds an empty row, unless there is one.
func (p *page) space() {
	if n := len(p.rows); n > 0 && p.rows[n-1].Text != "" {
		p.rows = append(p.rows, Row{})
	}
}

// ends adds a row with one text at its left edge and one at its right, or two
// rows if there is no room for both.
func (p *page) ends(left, right []span) {
	free := p.width() - 1 - widthOf(left) - widthOf(right)
	if free < 2 {
		p.add(left...)
		if widthOf(right) > 0 {
			p.add(append([]span{say(" ")}, right...)...)
		}
		return
	}
	p.add(append(append(left, say(strings.Repeat(" ", free))), right...)...)
}

func widthOf(spans []span) (w int) {
	for _, s := range spans {
		w += text.Width(s.text)
	}
	return w
}

// label is how wide the words before a paragraph are.
const label = 11

// paragraph adds text, broken into rows, with a word before it.
func (p *page) paragraph(word, s string, st style) {
	indent, head := label, p.pad(" "+word, label)
	if word == "" {
		indent, head = 1, " "
	}
	if p.width() < narrow {
		indent = 2
		if word != "" {
			head += " "
		}
	}
	room := p.width() - indent - 1
	for i, row := range text.Wrap(s, p.width()-text.Width(head)-1, room) {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.add(span{head, faint}, span{row, st})
	}
}

// rule adds a line across the page.
func (p *page) rule() {
	dash := "─"
	if p.ASCII {
		dash = "-"
	}
	p.add(span{" " + strings.Repeat(dash, p.width()-2), faint})
}

// glyph is one of two forms of a sign.
func (p *page) glyph(unicode, ascii string) string {
	if p.ASCII {
		return ascii
	}
	return unicode
}
