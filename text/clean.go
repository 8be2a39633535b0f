package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of what one letter can carry, so that no text paints over its
// neighbours and no cluster is wider on a screen than Width believes.
const (
	maxRow   = 4 // combining marks in a row
	maxMarks = 8 // combining marks in a cluster
	maxJoins = 4 // joiners in an emoji: the longest in use have three
)

// Clean returns s as it may be shown on one line of a terminal; see the package
// comment for the rules.
func Clean(s string) string {
	if printable(s) {
		return s
	}
	// What was cleaned before comes with its isolate, which is ours.
	if inner, ok := strings.CutPrefix(s, string(fsi)); ok {
		if inner, ok = strings.CutSuffix(inner, string(pdi)); ok {
			s = inner
		}
	}
	c := cleaner{rtl: rightToLeft(s)}
	c.out.Grow(len(s) + 2*utf8.UTFMax)
	if c.rtl {
		c.out.WriteRune(fsi)
	}
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		c.add(r, s[i+size:])
	}
	if c.rtl {
		c.out.WriteRune(pdi)
	}
	return c.out.String()
}

// printable tells whether s is plain ASCII, as most text is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// cleaner is the state of one Clean: where in a cluster we are.
type cleaner struct {
	out   strings.Builder
	rtl   bool // the text has right-to-left letters
	prev  rune // the last rune kept; 0 where nothing can be put on it
	row   int  // combining marks in a row
	marks int  // combining marks in this cluster
	joins int  // emoji joiners in this cluster
	emoji bool // the cluster ends in an emoji that a joiner may follow
}

// add shows r, or what stands for it; rest is what follows it.
func (c *cleaner) add(r rune, rest string) {
	switch {
	case r == '\n' || r == '\u2028' || r == '\u2029':
		c.stop(newline)
	case r == '\t':
		c.out.WriteString(tab)
		c.prev, c.emoji = 0, false
	case 0x80 <= r && r < 0xa0:
		c.stop(escape)
		c.letter(r - 0x40)
	case control(r):
		writeMark(&c.out, r)
		c.prev, c.emoji = 0, false
	case override(r) || nonCharacter(r) || unicode.Is(prepended, r):
		c.stop(bad)
	case r == lrm || r == rlm || r == alm:
		if c.rtl {
			c.stop(r)
		}
	case r == zwj || r == zwnj:
		c.join(r, rest)
	case variation(r):
		if varies(r, c.prev) {
			c.keep(r) // c.emoji stays as it is
		}
	case invisible(r):
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc):
		c.mark(r)
	case repeats(c.prev, r):
	case skinTone(r) && c.prev != 0 && !unicode.IsSpace(c.prev):
		if pictograph(c.prev) {
			c.keep(r)
		}
	default:
		c.letter(r)
	}
}

// keep shows r as a further part of the cluster.
func (c *cleaner) keep(r rune) {
	c.out.WriteRune(r)
	c.prev = r
}

// stop shows r and lets nothing be put on it.
func (c *cleaner) stop(r rune) {
	c.out.WriteRune(r)
	c.prev, c.emoji = 0, false
}

// letter shows r, which begins a cluster unless something joins it to the last.
func (c *cleaner) letter(r rune) {
	if c.prev != zwj && !virama(c.prev) {
		c.marks, c.joins = 0, 0
	}
	c.row, c.emoji = 0, pictograph(r)
	c.keep(r)
	if r == bad || ours(r) {
		c.prev, c.emoji = 0, false
	}
}

// mark shows the combining mark r if its cluster has room for it.
func (c *cleaner) mark(r rune) {
	if c.prev == 0 || unicode.IsSpace(c.prev) || c.prev == zwj || c.prev == zwnj {
		c.letter(base)
	}
	spacing := unicode.Is(unicode.Mc, r)
	if c.marks == maxMarks || c.row == maxRow && !spacing {
		return
	}
	c.marks++
	c.row++
	if spacing {
		c.row = 0
	}
	c.emoji = false
	c.keep(r)
}

// join shows the joiner r where it joins something.
func (c *cleaner) join(r rune, rest string) {
	next, _ := utf8.DecodeRuneInString(rest)
	switch {
	case r == zwj && c.emoji && c.prev != zwj && pictograph(next) && c.joins < maxJoins:
		c.joins++
		c.keep(r)
	case unicode.In(c.prev, joining...) && unicode.IsLetter(next) && unicode.In(next, joining...):
		c.keep(r)
	}
}

// rightToLeft tells whether s has anything that a terminal may order from right
// to left. The ranges are those that Unicode gives to such scripts, assigned or not.
func rightToLeft(s string) bool {
	for _, r := range s {
		if r < 0x590 {
			continue
		}
		if r <= 0x8ff || 0xfb1d <= r && r <= 0xfdff || 0xfe70 <= r && r <= 0xfeff ||
			0x10800 <= r && r <= 0x10fff || 0x1e800 <= r && r <= 0x1efff {
			if !unicode.In(r, unicode.Cf, unicode.M) && !nonCharacter(r) {
				return true
			}
		}
	}
	return false
}

// override tells whether r embeds, overrides or isolates a direction.
func override(r rune) bool {
	return 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

func nonCharacter(r rune) bool {
	return r&0xfffe == 0xfffe || 0xfdd0 <= r && r <= 0xfdef
}

// variation tells whether r is a variation selector.
func variation(r rune) bool {
	return 0xfe00 <= r && r <= 0xfe0f || 0xe0100 <= r && r <= 0xe01ef || 0x180b <= r && r <= 0x180d || r == 0x180f
}

// varies tells whether the selector r has a meaning behind prev.
func varies(r, prev rune) bool {
	switch {
	case r == 0xfe0e || r == 0xfe0f: // as text, as emoji
		return pictograph(prev) || '0' <= prev && prev <= '9' || prev == '#' || prev == '*'
	case r < 0xfe00:
		return unicode.Is(unicode.Mongolian, prev) && unicode.IsLetter(prev)
	}
	return unicode.In(prev, unicode.Lo, unicode.Sm)
}

// prepended are the format characters that are seen: signs that span the
// digits behind them, by as much as a terminal sees fit.
var prepended = &unicode.RangeTable{
	R16: []unicode.Range16{{0x600, 0x605, 1}, {0x6dd, 0x6dd, 1}, {0x70f, 0x70f, 1}, {0x890, 0x891, 1}, {0x8e2, 0x8e2, 1}},
	R32: []unicode.Range32{{0x110bd, 0x110bd, 1}, {0x110cd, 0x110cd, 1}},
}

// ignorable are those not of category Cf that no font shows either.
var ignorable = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x34f, 0x34f, 1}, {0x115f, 0x1160, 1}, {0x17b4, 0x17b5, 1}, {0x180b, 0x180f, 1}, {0x2065, 0x2065, 1},
		{0x3164, 0x3164, 1}, {0xfe00, 0xfe0f, 1}, {0xffa0, 0xffa0, 1}, {0xfff0, 0xfff8, 1},
	},
	R32: []unicode.Range32{{0xe0000, 0xe0fff, 1}},
}

// invisible tells whether r leaves no trace on a screen though it may on what
// is beside it.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, ignorable)
}

// repeats tells whether r would pile up on prev: parts of a Korean syllable,
// half-width voice marks. Each is shown once.
func repeats(prev, r rune) bool {
	if r < 0x1100 {
		return false
	}
	kind := func(r rune) int {
		switch {
		case 0x1100 <= r && r <= 0x115f || 0xa960 <= r && r <= 0xa97c:
			return 1
		case 0x1160 <= r && r <= 0x11a7 || 0xd7b0 <= r && r <= 0xd7c6:
			return 2
		case 0x11a8 <= r && r <= 0x11ff || 0xd7cb <= r && r <= 0xd7fb:
			return 3
		case r == 0xff9e || r == 0xff9f:
			return 4
		}
		return 0
	}
	k := kind(r)
	return k != 0 && k == kind(prev)
}

// ours tells whether r is shown for a control character.
func ours(r rune) bool { return 0x2400 <= r && r <= 0x2421 || r == newline }

// pictograph tells whether r can be part of a joined emoji.
func pictograph(r rune) bool {
	switch {
	case skinTone(r) || ours(r):
		return false
	case 0x1f000 <= r && r <= 0x1faff:
		return r < 0x1f1e6 || r > 0x1f1ff // flags are pairs of letters
	case 0x2190 <= r && r <= 0x2bff:
		return unicode.In(r, unicode.So, unicode.Sm)
	}
	return strings.ContainsRune("\u00a9\u00ae\u203c\u2049\u2122\u2139\u3030\u303d\u3297\u3299", r)
}

func skinTone(r rune) bool { return 0x1f3fb <= r && r <= 0x1f3ff }

// virama tells whether r ties the letter before it to the one behind it.
func virama(r rune) bool {
	if r < 0x900 || !unicode.In(r, unicode.Mn, unicode.Mc) {
		return false
	}
	var b [utf8.UTFMax]byte
	return norm.NFC.Properties(b[:utf8.EncodeRune(b[:], r)]).CCC() == 9
}

// joining are the scripts whose spelling needs joiners.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Mandaic, unicode.Nko, unicode.Mongolian,
	unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil,
	unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}
