package text

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what people have sent to terminals to make them obey, and what
// each comes out as.
var hostile = []struct{ name, in, out string }{
	{"window title", "\x1b]0;owned\x07", "␛]0;owned␇"},
	{"window title, ST", "\x1b]2;owned\x1b\\", "␛]2;owned␛\\"},
	{"hyperlink", "\x1b]8;;http://a\x1b\\b\x1b]8;;\x1b\\", "␛]8;;http://a␛\\b␛]8;;␛\\"},
	{"clipboard", "\x1b]52;c;cm0gLXJm\x07", "␛]52;c;cm0gLXJm␇"},
	{"font query", "\x1b]50;?\x07", "␛]50;?␇"},
	{"DCS", "\x1bPq#0\x1b\\", "␛Pq#0␛\\"},
	{"DECRQSS", "\x1bP$q\"p\x1b\\", "␛P$q\"p␛\\"},
	{"tmux passthrough", "\x1bPtmux;\x1b\x1b]52;c;QQ==\x07\x1b\\", "␛Ptmux;␛␛]52;c;QQ==␇␛\\"},
	{"huge count", "\x1b[1000000000C\x1b[999999999b", "␛[1000000000C␛[999999999b"},
	{"colour", "\x1b[31mred\x1b[0m", "␛[31mred␛[0m"},
	{"clear screen", "\x1b[2J\x1b[H", "␛[2J␛[H"},
	{"device attributes", "\x1b[c\x1b[6n\x1bZ", "␛[c␛[6n␛Z"},
	{"reset", "\x1bc", "␛c"},
	{"APC, PM, SOS", "\x1b_a\x1b^b\x1bXc", "␛_a␛^b␛Xc"},
	{"bell", "\a\a\a", "␇␇␇"},
	{"shift out, shift in", "\x0eqqq\x0f", "␎qqq␏"},
	{"overwrite", "ben: hi\rana: yes", "ben: hi␍ana: yes"},
	{"backspace", "abc\b\b\bxyz", "abc␈␈␈xyz"},
	{"delete", "a\x7fb", "a␡b"},
	{"nul", "a\x00b", "a␀b"},
	{"XOFF", "\x13", "␓"},
	{"another's line", "hi\n15:04 ben: yes", "hi⏎15:04 ben: yes"},
	{"line separators", "a\u2028b\u2029c\u0085d", "a⏎b⏎c␛Ed"},
	{"vertical moves", "a\vb\fc", "a␋b␌c"},
	{"C1 CSI", "\u009b31m", "␛[31m"},
	{"C1 OSC, ST", "\u009d0;x\u009c", "␛]0;x␛\\"},
	{"C1 DCS, APC", "\u0090\u009f", "␛P␛_"},
	{"raw 0x9B", "\x9b31m", "\ufffd31m"},
	{"raw 0x9D and 0x9C", "\x9d0;x\x9c", "\ufffd0;x\ufffd"},
	{"overlong ESC", "\xc0\x9b[2J", "\ufffd\ufffd[2J"},
	{"half a character", "\xe2\x82", "\ufffd\ufffd"},
	{"surrogate", "\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
	{"tab", "a\tb", "a    b"},
	{"override", "abc\u202egnp.exe", "abc\ufffdgnp.exe"},
	{"all embeddings and isolates", "\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069x", strings.Repeat("\ufffd", 8) + "x"},
	{"foreign isolate", "\u2068abc\u2069", "abc"},
	{"isolate closed early", "\u2069\u05d0", "\u2068\ufffd\u05d0\u2069"},
	{"Hebrew", "\u05e9\u05dc\u05d5\u05dd", "\u2068\u05e9\u05dc\u05d5\u05dd\u2069"},
	{"Arabic and Latin", "abc \u0633\u0644\u0627\u0645", "\u2068abc \u0633\u0644\u0627\u0645\u2069"},
	{"Arabic digits", "\u0661\u0662", "\u2068\u0661\u0662\u2069"},
	{"marks of direction in Hebrew", "\u05d0 C++\u200e", "\u2068\u05d0 C++\u200e\u2069"},
	{"marks of direction elsewhere", "a\u200eb\u200fc\u061cd", "abcd"},
	{"tags", "hi\U000e0068\U000e0069\U000e007f", "hi"},
	{"zero-width", "a\u200bb\u2060c\ufeffd\u00ade", "abcde"},
	{"interlinear notes", "\ufff9a\ufffab\ufffb", "ab"},
	{"Hangul fillers", "a\u3164\uffa0\u115f\u1160b", "ab"},
	{"non-characters", "\ufdd0\uffff\U0010ffff", "\ufffd\ufffd\ufffd"},
	{"Arabic number sign", "\u06001", "\ufffd1"},
	{"five marks", "a\u0301\u0302\u0303\u0304\u0305b", "a\u0301\u0302\u0303\u0304b"},
	{"zalgo", "a" + strings.Repeat("\u0301", 100) + "b", "a\u0301\u0301\u0301\u0301b"},
	{"mark on nothing", "\u0301a", "\u25cc\u0301a"},
	{"mark on a space", "a \u0301", "a \u25cc\u0301"},
	{"mark on a mark of ours", "\x1b\u0301", "␛\u25cc\u0301"},
	{"Burmese keeps five marks", "\u1000\u103b\u103d\u102d\u102f\u1037", "\u1000\u103b\u103d\u102d\u102f\u1037"},
	{"lone selector", "\ufe0fa\ufe0fb \ufe0f", "ab "},
	{"two selectors", "\u2764\ufe0f\ufe0f", "\u2764\ufe0f"},
	{"heart", "\u2764\ufe0f", "\u2764\ufe0f"},
	{"keycap", "1\ufe0f\u20e3", "1\ufe0f\u20e3"},
	{"ideographic selector", "\u845b\U000e0100", "\u845b\U000e0100"},
	{"family", "👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"},
	{"kiss with skin", "👩🏽‍❤️‍💋‍👨🏿", "👩🏽‍❤️‍💋‍👨🏿"},
	{"endless family", strings.Repeat("👨‍", 7) + "👨", "👨‍👨‍👨‍👨‍👨👨‍👨‍👨"},
	{"flags", "🇩🇪🏳️‍🌈", "🇩🇪🏳️‍🌈"},
	{"joiner between letters", "a\u200db\u200cc", "abc"},
	{"joiners in a row", "👨\u200d\u200d\u200d👩", "👨\u200d👩"},
	{"joiner at the end", "👨\u200d", "👨"},
	{"Persian", "\u0645\u06cc\u200c\u062e", "\u2068\u0645\u06cc\u200c\u062e\u2069"},
	{"Sinhala conjunct", "\u0dc1\u0dca\u200d\u0dbb", "\u0dc1\u0dca\u200d\u0dbb"},
	{"skin on a letter", "a🏽🏽b", "ab"},
	{"jamo in a heap", "\u1100\u1100\u1100\u1161\u1161", "\u1100\u1161"},
	{"plain", "Hello, world!", "Hello, world!"},
	{"Chinese, Thai, Russian", "你好 สวัสดี привет", "你好 สวัสดี привет"},
}

func TestClean(t *testing.T) {
	for _, c := range hostile {
		if got := Clean(c.in); got != c.out {
			t.Errorf("%s: Clean(%q) = %q, want %q", c.name, c.in, got, c.out)
		}
		for i := range c.in { // as if cut by a fragment's end, or by a nick
			checkClean(t, Clean(c.in[:i])+Clean(c.in[i:]))
		}
	}
}

// checkClean checks that s holds nothing a terminal obeys.
func checkClean(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("%q is not valid UTF-8", s)
	}
	depth := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Cc, r):
			t.Fatalf("%q has the control character %U", s, r)
		case r == fsi:
			depth++
		case r == pdi:
			depth--
		case unicode.In(r, unicode.Bidi_Control) && (depth == 0 || override(r)):
			t.Fatalf("%q has the bidi control %U, depth %d", s, r, depth)
		}
		if depth < 0 || depth > 1 {
			t.Fatalf("isolates of %q do not match", s)
		}
	}
	if depth != 0 {
		t.Fatalf("isolates of %q do not match", s)
	}
}

func TestLines(t *testing.T) {
	got := strings.Join(Lines("a\x1b\nשלום\n\n\tb"), "|")
	if want := "a␛|\u2068שלום\u2069||    b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Lines(""); len(got) != 1 || got[0] != "" {
		t.Errorf("no text is %q, want one empty line", got)
	}
}

func TestMark(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"plain", "plain"},
		{"a\tb\nc", "a\tb\nc"},
		{"a\r\nb\rc", "a\nb␍c"},
		{"\x1b[31m\u009b\x7f\x00", "␛[31m␛[␡␀"},
		{"\xffa", "\ufffda"},
		{"👨‍👩‍👧\u202e\u200e", "👨‍👩‍👧\u202e\u200e"}, // not ours to judge
	} {
		if got := Mark(c.in); got != c.out {
			t.Errorf("Mark(%q) = %q, want %q", c.in, got, c.out)
		}
	}
}

func TestValid(t *testing.T) {
	for _, s := range []string{"a", "a\tb\nc", strings.Repeat("ä", MaxText/2), "👨‍👩‍👧", "\u202e"} {
		if err := Valid(s); err != nil {
			t.Errorf("%.20q: %v", s, err)
		}
	}
	for s, want := range map[string]string{
		"":                               "empty",
		strings.Repeat("x", MaxText+1):   "4097 bytes",
		"\xff":                           "UTF-8",
		"ab\x1b[31m":                     "U+001B at byte 2",
		"\r":                             "U+000D",
		"\u009b":                         "U+009B",
		"a\x7f":                          "U+007F",
		"a" + strings.Repeat("\x00", 10): "U+0000",
	} {
		if err := Valid(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want one with %q", s, err, want)
		}
	}
}

func TestCleanAllocatesNothingForPlainText(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Clean("most of what is said"); Mark("grün ist die Heide") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzClean(f *testing.F) {
	for i, c := range hostile {
		f.Add(c.in, uint8(i))
	}
	f.Fuzz(func(t *testing.T, s string, w uint8) {
		out := Clean(s)
		checkClean(t, out)
		if again := Clean(out); again != out {
			t.Fatalf("Clean(%q) = %q, and again %q", s, out, again)
		}
		if cut := Truncate(out, int(w)); Width(cut) > int(w) {
			t.Fatalf("Truncate(%q, %d) = %q, which is %d wide", out, w, cut, Width(cut))
		} else {
			checkClean(t, cut)
		}
		for i, row := range Wrap(out, int(w)%50+2, int(w)/4+2) {
			if checkClean(t, row); i > 0 && Width(row) > int(w)/4+2 || Width(row) > max(int(w)%50+2, int(w)/4+2) {
				t.Fatalf("Wrap(%q, %d, %d) has row %d, %q, %d wide", out, int(w)%50+2, int(w)/4+2, i, row, Width(row))
			}
		}
		for _, line := range Lines(s) {
			checkClean(t, line)
		}
		marked := Mark(s)
		if marked != "" && len(marked) <= MaxText {
			if err := Valid(marked); err != nil {
				t.Fatalf("Mark(%q) = %q: %v", s, marked, err)
			}
		}
		if Mark(marked) != marked {
			t.Fatalf("Mark(%q) = %q, and again %q", s, marked, Mark(marked))
		}
		if Clean(marked) != out && Clean(strings.ReplaceAll(s, "\r\n", "\n")) != Clean(marked) {
			t.Fatalf("what is sent of %q looks otherwise than it: %q", s, Clean(marked))
		}
	})
}
