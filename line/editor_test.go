package line

import (
	"strings"
	"testing"
	"unicode"

	"parley/text"
)

func TestEditor(t *testing.T) {
	const up, down, right, left, home, end, del = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~"
	for _, c := range []struct{ name, keys, want string }{ // | is the cursor
		{"plain", "hello", "hello|"},
		{"left and right", "ac" + left + "b" + right + "d", "abcd|"},
		{"home and end", "b" + home + "a" + end + "c", "abc|"},
		{"emacs", "b\x01a\x05c\x02\x02X\x06", "aXb|c"},
		{"erase", "abc\x7f\b", "a|"},
		{"erase an emoji", "a👨‍👩‍👧\x7f", "a|"},
		{"erase a letter with marks", "ae\u0301\x7f", "a|"},
		{"delete", "abc" + home + del + "\x04", "|c"},
		{"kill", "ab cd" + left + left + "\x0b", "ab |"},
		{"kill to the front", "ab cd" + left + left + "\x15", "|cd"},
		{"kill a word", "ab cd  \x17\x17", "|"},
		{"words", "ab cd ef\x1bb\x1b[1;5D|\x1bf", "ab |cd| ef"},
		{"clear", "abc\x03d", "d|"},
		{"history", "one\rtwo\rnew" + up + up + up, "one|"},
		{"history and back", "one\rtwo\rnew" + up + up + down + down + down, "new|"},
		{"history without repeats", "one\rone\r\r" + up + up + up, "one|"},
		{"paste", "\x1b[200~a\r\nb\rc\nd\te\x1b[31m\x03\x1b[201~f", "a\nb\nc\nd\te\x1b[31m\x03f|"},
		{"unknown keys", "a\x1b[15~\x1b[1;2P\x1bOP\x00\x1c\x1d\xffb", "ab|"},
		{"split keys", "a\x1b", "a|"},
		{"Tab", "b\t", "ben: |"},
		{"Tab again", "b\t\t", "bob: |"},
		{"Tab round", "b\t\t\t", "ben: |"},
		{"Tab in the middle", "hi @be\t", "hi @ben |"},
		{"Tab without sense", "x\t", "x|"},
		{"Tab for a command", "/tim\t", "/timestamp |"},
		{"Chinese", "漢字" + left + "x", "漢x|字"},
	} {
		for _, step := range []int{1, 1000} {
			e := editor{complete: offers}
			for b := []byte(c.keys); len(b) > 0; {
				n := min(step, len(b))
				for rest := b[:n]; len(rest) > 0; {
					var w wish
					if w, rest = e.feed(rest); w == send {
						e.take()
					}
				}
				b = b[n:]
			}
			if got := e.line[:e.pos] + "|" + e.line[e.pos:]; got != c.want {
				t.Errorf("%s, in steps of %d: %q, want %q", c.name, step, got, c.want)
			}
		}
	}
}

func offers(word string, first bool) []string {
	m := newFake()
	for _, nick := range []string{"ana", "ben", "bob"} {
		m.people = append(m.people, roomPerson(nick))
	}
	s := session{seat: m}
	return s.complete(word, first)
}

func TestEditorWishes(t *testing.T) {
	for keys, want := range map[string]wish{"a\r": send, "\n": send, "\x03": stop, "a\x03": none, "\x04": finish, "a\x04": none, "\x0c": wipe, "a": none} {
		var e editor
		if got, _ := e.feed([]byte(keys)); got != want {
			t.Errorf("%q: %v, want %v", keys, got, want)
		}
	}
	var e editor
	if w, rest := e.feed([]byte("a\rb")); w != send || e.take() != "a" || string(rest) != "b" {
		t.Errorf("%v, %q left", w, rest)
	}
}

func TestEditorIsBounded(t *testing.T) {
	var e editor
	e.feed([]byte(strings.Repeat("x", 2*maxTyped)))
	if len(e.line) != maxTyped {
		t.Errorf("holds %d bytes", len(e.line))
	}
	for i := range 2 * maxPast {
		e.set(strings.Repeat("y", i))
		e.take()
	}
	if len(e.past) != maxPast {
		t.Errorf("holds %d lines of the past", len(e.past))
	}
}

func TestEditorDraws(t *testing.T) {
	for _, c := range []struct {
		line  string
		back  int // clusters from the end
		width int
		want  string
	}{
		{"", 0, 20, "> \r\x1b[2C"},
		{"hello", 0, 20, "> hello\r\x1b[7C"},
		{"hello", 5, 20, "> hello\r\x1b[2C"},
		{"hello world", 0, 10, "> o world\r\x1b[9C"},
		{"hello world", 11, 10, "> hello w\r\x1b[2C"},
		{"漢字", 1, 20, "> 漢字\r\x1b[4C"},
		{"漢字漢字漢字", 0, 10, "> 字漢字\r\x1b[8C"},
		{"a\nb\tc\x1b", 0, 20, "> a⏎b    c␛\r\x1b[11C"},
	} {
		e := editor{}
		e.set(c.line)
		for range c.back {
			e.left()
		}
		if got := e.draw(c.width); got != "\r\x1b[K"+c.want {
			t.Errorf("%q in %d: %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

// A long line is drawn at every key: that must not take a time that is felt.
func BenchmarkEditorDraws(b *testing.B) {
	e := editor{}
	e.set(strings.Repeat("word 漢 ", text.MaxText/9))
	for b.Loop() {
		e.draw(80)
	}
}

func FuzzEditor(f *testing.F) {
	for _, s := range []string{"hello\x7f\r", "\x1b[A\x1b[B\x1b[200~a\r\nb\x1b[201~", "漢字\x1b[D\x1b[3~", "a\x17\x15\x0b\x01\x05\t", "שלום\x1b[D", "👨‍👩‍👧\x7f", "\xff\x9b\x00"} {
		f.Add([]byte(s), uint8(20))
	}
	f.Fuzz(func(t *testing.T, keys []byte, width uint8) {
		e := editor{complete: offers}
		for len(keys) > 0 {
			var w wish
			if w, keys = e.feed(keys); w == send {
				e.take()
			}
			if e.pos < 0 || e.pos > len(e.line) || len(e.line) > maxTyped {
				t.Fatalf("cursor at %d of %q", e.pos, e.line)
			}
			row, _ := strings.CutPrefix(e.draw(int(width)), "\r\x1b[K")
			shown, move, ok := strings.Cut(row, "\r\x1b[")
			if !ok || text.Width(shown) > max(int(width)-1, len(prompt)+1) || !strings.HasSuffix(move, "C") {
				t.Fatalf("%q drawn as %q in %d cells", e.line, row, width)
			}
			for _, r := range shown {
				if unicode.Is(unicode.Cc, r) {
					t.Fatalf("%q drawn as %q", e.line, shown)
				}
			}
		}
	})
}
