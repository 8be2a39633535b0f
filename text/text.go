// Package text decides what may be shown and how wide it is.
//
// Three kinds of text pass through it, each at one place:
//
//   - What a person typed or piped goes through [Mark] before it is sent:
//     control characters become visible marks, line breaks stay.
//   - What a host is asked to keep is checked by [Valid], [Nick] and
//     [RoomName]. A host refuses; it never repairs.
//   - What a terminal is about to show goes through [Clean] or [Lines], always,
//     wherever it came from. Files, JSON and the log keep the original.
//
// # What a terminal gets
//
// Clean's output is valid UTF-8 without a single control character, so there
// is nothing in it that a terminal could obey. Cleaning again changes nothing.
//
//	control characters     ␀ to ␟ and ␡; ⏎ for a line break, four spaces for
//	                       a tab; U+0080 to U+009F as what they stand for in
//	                       seven bits, such as ␛[ for U+009B
//	bytes that are no      U+FFFD, one each: a raw 0x9B is such a byte
//	UTF-8
//	embeddings, overrides, U+FFFD. Text with right-to-left letters comes out
//	isolates               between U+2068 and U+2069 (first strong isolate),
//	                       so it cannot reorder what stands beside it. Marks
//	                       of direction (U+200E, U+200F, U+061C) stay inside
//	                       such text and are cut elsewhere
//	combining marks        four in a row and eight on a letter, the rest cut;
//	                       one that has no letter gets ◌
//	joiners                kept inside emoji, four at most, and between letters
//	                       of scripts that join; cut elsewhere
//	variation selectors    kept behind what they can vary, cut elsewhere
//	tags, fillers and      cut
//	other invisibles
//
// # Names
//
// A nick is what RFC 8266 makes of it, less what would let one person look like
// another: see [Nick]. Two nicks with the same [Key] are the same name.
//
// # Width
//
// [Width] counts terminal cells by grapheme cluster, from one table for the whole program.
package text

import (
	"strings"
	"unicode/utf8"
)

const (
	fsi     = '\u2068' // first strong isolate
	pdi     = '\u2069' // pop directional isolate
	lrm     = '\u200e'
	rlm     = '\u200f'
	alm     = '\u061c'
	zwnj    = '\u200c'
	zwj     = '\u200d'
	bad     = utf8.RuneError
	newline = '\u23ce' // shown for a line break
	escape  = '\u241b' // and for ESC
	blank   = '\u2800' // a letter of Braille that looks like a space, and counts as none
	base    = '\u25cc' // what a lone combining mark is put on
	tab     = "    "   // four cells wherever it stands: a real tab's width depends on what is before it
)

// MaxText is the size in bytes of the longest message a person can send: a
// screenful and a half, and small enough that a room message fits one frame.
const MaxText = 4096

// Mark makes what was typed or piped fit to be sent: control characters
// become visible marks, bytes that are not UTF-8 become U+FFFD, the line breaks
// of other systems become \n. Line breaks and tabs stay; so does all else.
func Mark(s string) string {
	if firstControl(s) < 0 && utf8.ValidString(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s) + 16)
	for i, r := range s {
		switch {
		case r == '\n', r == '\t':
			out.WriteRune(r)
		case r == '\r' && strings.HasPrefix(s[i:], "\r\n"):
		case control(r):
			writeMark(&out, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// control tells whether r is a control character: C0, DEL or C1.
func control(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

// firstControl returns the index of the first control character other than
// line break and tab, or -1.
func firstControl(s string) int {
	for i, r := range s {
		if control(r) && r != '\n' && r != '\t' {
			return i
		}
	}
	return -1
}

// writeMark writes the visible mark of the control character r.
func writeMark(out *strings.Builder, r rune) {
	switch {
	case r < 0x20:
		out.WriteRune('\u2400' + r)
	case r == 0x7f:
		out.WriteRune('\u2421')
	default: // ESC and a letter mean the same in seven bits
		out.WriteRune(escape)
		out.WriteRune(r - 0x40)
	}
}

// Lines cleans text of several lines: one clean string for each, at least one.
func Lines(s string) []string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = Clean(line)
	}
	return lines
}
