package main_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/text"
)

// mark stands in every hostile text, so that it is found wherever it comes out.
const mark = "zQz"

// golden is what people have sent to terminals to make them obey. Each has
// mark in it. Bytes that are no UTF-8 have a set of their own (rawGolden): JSON
// cannot hold them.
var golden = map[string]string{
	"title, OSC 0":        "\x1b]0;zQz\x07",
	"title, OSC 2":        "\x1b]2;zQz\x1b\\",
	"hyperlink, OSC 8":    "\x1b]8;;http://zQz\x1b\\click\x1b]8;;\x1b\\",
	"clipboard, OSC 52":   "\x1b]52;c;elF6\x07zQz",
	"font query":          "\x1b]50;?\x07zQz",
	"DCS":                 "\x1bPq#0zQz\x1b\\",
	"DECRQSS":             "\x1bP$q\"pzQz\x1b\\",
	"huge counts":         "zQz\x1b[1000000000C\x1b[1000000000b\x1b[1000000000@",
	"colour":              "\x1b[31mzQz",
	"our own colour":      "\x1b[0m\x1b[2K\x1b[?2004lzQz",
	"clear":               "\x1b[2J\x1b[H\x1b[3JzQz",
	"alternate screen":    "\x1b[?1049hzQz",
	"reports":             "\x1b[c\x1b[6n\x1b[21tzQz",
	"reset":               "\x1bczQz",
	"APC, PM, SOS":        "\x1b_a\x1b^b\x1bXczQz",
	"bell":                "\azQz\a\a",
	"shift out and in":    "\x0eqqq zQz\x0f",
	"overwrite":           "zQz\rroot: give me your password",
	"backspace":           "zQz\b\b\bben",
	"delete, nul, XOFF":   "z\x7f\x00\x13zQz",
	"vertical":            "zQz\v\f\x85x",
	"another's line":      "zQz\n15:04 root: zQz\n* rok is a moderator",
	"at the line's end":   "zQz\n\n\n12:34 --> rok joined\r\n! not sent: rok\n",
	"separators":          "zQz\u2028root: zQz\u2029* rok zQz",
	"8-bit CSI":           "\u009b31mzQz\u009b2J",
	"8-bit OSC":           "\u009d0;zQz\u009c",
	"8-bit DCS, SOS, NEL": "\u0090zQz\u0098\u0085",
	"half a sequence":     "zQz\x1b",
	"the other half":      "]0;zQz\x07",
	"bidi override":       "zQz\u202egnp.exe\u202c",
	"bidi isolates":       "\u2067zQz\u2066a\u2069\u2069\u2069",
	"right to left":       "\u05e9\u05dc\u05d5\u05dd zQz 15:04 :\u05d0\u05d1",
	"Arabic and marks":    "\u202b\u0627zQz\u200e\u200f\u061c",
	"zalgo":               "zQz" + strings.Repeat("e\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b", 8),
	"mark on nothing":     "\u0301\u0302zQz",
	"wide emoji":          "zQz" + strings.Repeat("👩🏽‍❤️‍💋‍👨🏿", 4),
	"wide letters":        "zQz" + strings.Repeat("漢字", 12),
	"flags, keycaps":      "🇩🇪🇩zQz1\ufe0f\u20e3\ufe0f",
	"tabs":                "\tzQz\t\t\t\t\tx",
	"nothing to be seen":  "zQz\u200b\u2060\ufeff\u00ad\u2800\u3164\U000e0041\U000e007f",
	"a long word":         "zQz" + strings.Repeat("x", 150),
	"spaces":              "zQz" + strings.Repeat(" ", 75) + "root: zQz",
	"blank of Braille":    "zQz" + strings.Repeat("\u2800", 70) + "root: zQz",
	"JSON":                `zQz","type":"kick","x":"\u001b]0;a`,
	"logfmt":              "zQz\" level=ERROR msg=\"root: zQz\nlevel=INFO",
	"format":              "zQz%s%!d%[1]*d%n",
	"tmux passthrough":    "\x1bPtmux;\x1b\x1b]52;c;elF6\x07zQz\x1b\\",
}

// rawGolden are bytes that no message may have, being no UTF-8.
var rawGolden = []string{"\x9b31mzQz", "\x9d0;zQz\x9c", "\xc0\x9b2JzQz", "zQz\xff\xfe", "\xed\xa0\x80zQz", "zQz\xe2\x82"}

// goldens returns the set, always in the same order.
func goldens() (names []string) {
	for name := range golden {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ownSequences are the sequences that the program itself writes to a terminal, all of
// them: a name's colour or dim, and back; the line being typed, drawn anew;
// pasting announced or not; the screen cleared.
var ownSequences = regexp.MustCompile(`^\x1b\[(?:(?:(0|2|3[1-6]|9[12456])m)|\?2004[hl]|K|(\d+)C|H\x1b\[2J)`)

// screenRow is a row as it stands on the screen, and whether the program or the
// line editor has put it there.
type screenRow struct {
	text   string
	edited bool
}

// readScreen reads what the program wrote to a terminal of a width and fails
// at the first byte that is neither to be seen nor one of the program's own
// sequences. It returns the rows.
func readScreen(screen string, width int) (rows []screenRow, err error) {
	var row strings.Builder
	coloured, edited := false, false
	for i := 0; i < len(screen); {
		rest := screen[i:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case strings.HasPrefix(rest, "\r\n"):
			if coloured {
				return rows, fmt.Errorf("the colour does not end in the row %q", row.String())
			}
			rows = append(rows, screenRow{row.String(), edited})
			row.Reset()
			edited = false
			size = 2
		case r == '\r':
			if !strings.HasPrefix(rest, "\r\x1b[") || strings.HasPrefix(rest, "\r\x1b[H") {
				return rows, fmt.Errorf("a carriage return that moves nothing of ours: %.40q", rest)
			}
			if strings.HasPrefix(rest, "\r\x1b[K") {
				rows = append(rows, screenRow{row.String(), edited})
				row.Reset()
				edited = true
			}
		case r == 0x1b:
			found := ownSequences.FindStringSubmatch(rest)
			if found == nil {
				return rows, fmt.Errorf("a sequence that is not ours: %.40q, after %q", rest, tail(screen[:i], 60))
			}
			if found[1] != "" {
				if (found[1] != "0") == coloured {
					return rows, fmt.Errorf("colours do not match: %.40q", rest)
				}
				coloured = !coloured
			}
			if n, _ := strconv.Atoi(found[2]); n > width || found[2] != "" && (i == 0 || screen[i-1] != '\r') {
				return rows, fmt.Errorf("the cursor is moved to where there is no row: %.40q", rest)
			}
			size = len(found[0])
		case r == utf8.RuneError && size == 1:
			return rows, fmt.Errorf("bytes that are no UTF-8: %.40q, after %q", rest, tail(screen[:i], 60))
		case r < 0x20 || 0x7f <= r && r < 0xa0:
			return rows, fmt.Errorf("the control character %U in %.40q, after %q", r, rest, tail(screen[:i], 60))
		case 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2067 || r == 0x2028 || r == 0x2029 || 0xe0000 <= r && r <= 0xe007f:
			return rows, fmt.Errorf("%U in %.40q, after %q", r, rest, tail(screen[:i], 60))
		default:
			row.WriteRune(r)
		}
		i += size
	}
	if coloured {
		return rows, fmt.Errorf("the colour does not end in %q", row.String())
	}
	rows = append(rows, screenRow{row.String(), edited})
	for _, row := range rows {
		if opened, closed := strings.Count(row.text, "\u2068"), strings.Count(row.text, "\u2069"); opened != closed {
			return rows, fmt.Errorf("%d isolates are opened and %d closed in %q", opened, closed, row.text)
		}
		if w := text.Width(row.text); w > width {
			return rows, fmt.Errorf("%d cells on a screen of %d: %q", w, width, row.text)
		}
	}
	return rows, nil
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// forged are the ways in which the texts of the golden set would like to begin
// a row: as somebody's words, or as the program's.
var forged = regexp.MustCompile(`^(?:\d\d:\d\d )?(?:root: |\* rok|! not sent: rok|--> rok)`)

// looksRight fails the test if a screen has anything on it that a hostile text
// put there by itself.
func looksRight(t testing.TB, what, screen string, width int) []screenRow {
	t.Helper()
	rows, err := readScreen(screen, width)
	if err != nil {
		t.Errorf("%s, %d columns: %v", what, width, err)
	}
	for _, row := range rows {
		if forged.MatchString(row.text) {
			t.Errorf("%s, %d columns: a row that passes for another's: %q", what, width, row.text)
		}
	}
	return rows
}

// The reader of screens is itself tested: it lets through what the program
// writes, and nothing else.
func TestScreenReader(t *testing.T) {
	for _, good := range []string{
		"\r\x1b[K> hi\r\x1b[4C", "\x1b[?2004h\r\x1b[K\x1b[2m12:00 \x1b[0m\x1b[31mana\x1b[0m: hi\r\n\r\x1b[K> \r\x1b[2C", "\x1b[H\x1b[2J", "␛[31m\r\n",
		"\u2068\u05d0\u2069",
	} {
		if _, err := readScreen(good, 40); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, name := range goldens() {
		if s := golden[name]; text.Clean(s) != s && strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 && r != '\n' || 0x7f <= r && r < 0xa0 }) {
			if _, err := readScreen(s, 1000); err == nil {
				t.Errorf("%s: %q passes", name, s)
			}
		}
	}
	for _, bad := range append([]string{"a\rb", "a\nb", "\a", "\x1b[5C", "\r\x1b[99C", "\x1b[31mred\r\n", "\x1b[0m", "\x1b[2J", "\u202e", "\u2068", strings.Repeat("x", 41), "\x1b[41m"}, rawGolden...) {
		if _, err := readScreen(bad, 40); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
