package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// The rules of names and texts, one test each. The tests of the functions
// (clean_test.go, name_test.go) have more of every kind.

// nickRow is a nick, and either what it is made into or a word of the refusal.
type nickRow struct{ in, out, refused string }

func checkNicks(t *testing.T, rows []nickRow) {
	t.Helper()
	for _, r := range rows {
		got, err := Nick(r.in)
		switch {
		case r.refused == "" && (err != nil || got != r.out):
			t.Errorf("Nick(%.60q) = %q, %v, want %q", r.in, got, err, r.out)
		case r.refused != "" && (err == nil || !strings.Contains(err.Error(), r.refused)):
			t.Errorf("Nick(%.60q) = %q, %v, want it refused because of %q", r.in, got, err, r.refused)
		}
	}
}

// A nick is a nickname of RFC 8266, of 1 to 32 code points in at most 64 bytes.
func TestNicksArePRECIS(t *testing.T) {
	checkNicks(t, []nickRow{
		{in: "ana", out: "ana"},
		{in: "  ana ", out: "ana"},
		{in: "Ａｎａ", out: "Ana"}, // width
		{in: "ﬁona", out: "fiona"},
		{in: "re\u0301mi", out: "rémi"},
		{in: "①", out: "1"},
		{in: "x²", out: "x2"},
		{in: "ⅷ", out: "viii"},
		{in: "🦊", out: "🦊"},
		{in: strings.Repeat("a", 32), out: strings.Repeat("a", 32)},
		{in: strings.Repeat("é", 32), out: strings.Repeat("é", 32)},
		{in: strings.Repeat("é", 33), refused: "1 to 32"},
		{in: strings.Repeat("桜", 21), out: strings.Repeat("桜", 21)},
		{in: strings.Repeat("桜", 22), refused: "64 bytes"},
		{in: "\ufdfa", refused: "spaces"}, // folds to four words
		{in: "", refused: "1 to 32"},
		{in: "   ", refused: "1 to 32"},
		{in: "a b", refused: "one word"},
		{in: "a\u3000b", refused: "one word"},
		{in: "a\u2800b", refused: "invisible"},
		{in: "a：b", refused: "':'"}, // folds to a colon
		{in: "a,b", refused: "','"},
		{in: "\xffana", refused: "UTF-8"},
		{in: "@ana", refused: "begin with @"}, {in: "#ana", refused: "begin with #"}, {in: "/ana", refused: "begin with /"}, {in: "-ana", refused: "begin with -"},
		{in: "＠ana", refused: "begin with @"},
		// What the program's own lines begin with.
		{in: "*ana", refused: "begin with *"}, {in: "!ana", refused: "begin with !"}, {in: "|ana", refused: "begin with |"},
		{in: "<ana", refused: "begin with <"}, {in: ">ana", refused: "begin with >"}, {in: "<--ana", refused: "begin with <"},
		{in: "[ana]", out: "[ana]"}, {in: "_ana_", out: "_ana_"}, {in: "a-b", out: "a-b"}, {in: "ana*", out: "ana*"},
	})
}

// No nick can be read as another one with something behind it, as a line of the program's own,
// or as the beginning of one.
func TestNicksThatImitate(t *testing.T) {
	checkNicks(t, []nickRow{
		{in: "[12:00]", refused: "':'"}, {in: "12∶00", refused: "'∶'"}, {in: "ana꞉", refused: "'꞉'"}, {in: "anaː", refused: "'ː'"}, {in: "ana׃", refused: "'׃'"},
		{in: "ana(host)", refused: "'('"}, {in: "（op）", refused: "'('"}, {in: "ana)", refused: "')'"},
		{in: "-->", refused: "needs a letter"}, {in: "-->ana", refused: "begin with -"}, {in: "→ana", refused: "'→'"}, {in: "ana→ben", refused: "'→'"},
		{in: "➜ana", refused: "'➜'"}, {in: "⟶ana", refused: "'⟶'"}, {in: "⬅ana", refused: "'⬅'"}, {in: "￩ana", refused: "'←'"},
		{in: "───", refused: "'─'"}, {in: "─now─", refused: "'─'"}, {in: "█", refused: "'█'"}, {in: "│ana", refused: "'│'"},
		{in: "*", refused: "needs a letter"}, {in: "!", refused: "needs a letter"},
		{in: "host", refused: "kept"}, {in: "host!", refused: "kept"}, {in: "_host_", refused: "kept"}, {in: "hοst.", refused: "mix"}, {in: "host🦊", refused: "kept"},
		{in: "the", refused: "kept"}, {in: "nobody", refused: "kept"}, {in: "Everybody", refused: "kept"},
		{in: "theo", out: "theo"}, {in: "hosts", out: "hosts"}, {in: "7", out: "7"}, {in: "[ana]", out: "[ana]"}, {in: "🦊", out: "🦊"}, {in: "✿ana", out: "✿ana"},
	})
	for _, in := range []string{"ana(host)", "→ana", "12∶00", "─ana─", "the", "host!"} {
		if got := Suggest(in, func(string) bool { return false }); got == "" || got != mustNick(t, got) {
			t.Errorf("for %q is suggested %q", in, got)
		}
	}
}

func mustNick(t *testing.T, nick string) string {
	t.Helper()
	got, err := Nick(nick)
	if err != nil {
		t.Errorf("Nick(%q): %v", nick, err)
	}
	return got
}

// Nicks are unique by case fold and by skeleton: those of a row are one name,
// and no two rows are.
func TestNicksAreUniqueBySkeleton(t *testing.T) {
	seen := map[string]string{}
	for _, row := range [][]string{
		{"evan", "Evan", "EVAN", "ｅｖａｎ", "𝐞𝐯𝐚𝐧", "еvan", "eѵan"}, // Cyrillic е, ѵ
		{"arne", "Ame", "ARNE", "аrnе"},                          // rn is m
		{"modem", "modern", "rnodern", "MODEM"},
		{"lil", "LIL", "Iil", "1i1", "l|l", "ӏіӏ", "ιιι", "ⅼⅰⅼ", "ꓲꓲꓲ", "וון"},
		{"bob", "B0B", "вов", "ВОВ", "ᏴОᏴ"},
		{"nina", "ΝΙΝΑ", "nına", "NINA"},
		{"cop", "сор", "СОР"},
		{"xyz", "хуz", "ХУZ", "ΧΥΖ"},
		{"jen", "ϳen", "jеn"},
		{"strasse", "Straße", "STRASSE"},
		{"æon", "aeon", "ӕon"},
		{"zoë", "Zoe\u0308"},
		{"zoe"},
		{"dara", "ԁаrа", "ꓒara"},
		{"warta", "ᎳARTA", "ɯarta"},
		{"ooo", "000", "ооо", "οοο", "ⲟⲟⲟ", "ооО", "ዐዐዐ", "๐๐๐"},
		{"Michal\u030c", "Michal\u0306"},
		{"φως", "фως"},
		{"カナ", "ｶﾅ", "力ナ"},
		{"محمد", "محـمد"}, {"علي", "على"},
		{"rb", "гb"},
		{"ben"}, {"bens"}, {"ána"}, {"ana"}, {"anna"}, {"vv"}, {"w"}, {"cl"}, {"ö"}, {"o"}, {"иван"}, {"王"}, {"user2"}, {"user22"},
	} {
		for _, nick := range row[1:] {
			if Key(nick) != Key(row[0]) {
				t.Errorf("%q has the key %q, and %q has %q", nick, Key(nick), row[0], Key(row[0]))
			}
		}
		if other, ok := seen[Key(row[0])]; ok {
			t.Errorf("%q and %q have one key, %q", row[0], other, Key(row[0]))
		}
		seen[Key(row[0])] = row[0]
	}
}

// No letter is in two classes of lookalikes: the second would undo the first.
func TestLookalikesAreClasses(t *testing.T) {
	seen := map[rune]string{}
	for _, class := range strings.Fields(classes) {
		for _, r := range class {
			if other, ok := seen[r]; ok {
				t.Errorf("%c %U is in %s and in %s", r, r, class, other)
			}
			seen[r] = class
		}
		first, _ := utf8.DecodeRuneInString(class)
		if want := Key(string(first)); Key(want) != want {
			t.Errorf("the key of %s is not its own key", class)
		}
		for _, r := range class {
			if Key(string(r)) != Key(string(first)) {
				t.Errorf("%c %U has the key %q, and %c has %q", r, r, Key(string(r)), first, Key(string(first)))
			}
		}
	}
}

// Controls, what cannot be seen, what has no meaning yet or none for others,
// and what turns the direction of writing have no place in a name.
func TestNicksHoldNothingHidden(t *testing.T) {
	var rows []nickRow
	add := func(refused string, from, to rune) {
		for r := from; r <= to; r++ {
			rows = append(rows, nickRow{in: "a" + string(r) + "b", refused: refused})
		}
	}
	add("control", 0x00, 0x08)
	add("control", 0x0e, 0x1f)
	add("control", 0x7f, 0x84)
	add("control", 0x86, 0x9f)
	for _, r := range "\t\n\v\f\r\u0085\u2028\u2029\u00a0\u2003" {
		rows = append(rows, nickRow{in: "a" + string(r) + "b", refused: "one word"})
	}
	add("invisible", 0x202a, 0x202e)
	add("invisible", 0x2066, 0x2069)
	add("invisible", 0x200b, 0x200f)
	add("invisible", 0xe0020, 0xe007f)
	add("invisible", 0xfe00, 0xfe0f)
	add("invisible", 0xad, 0xad)
	add("invisible", 0xfeff, 0xfeff)
	add("unassigned or private", 0xe000, 0xe000)
	add("unassigned or private", 0xf0000, 0xf0000)
	add("unassigned or private", 0x378, 0x378)
	add("unassigned or private", 0xffff, 0xffff)
	rows = append(rows, nickRow{in: "a\xed\xa0\x80b", refused: "UTF-8"}) // a surrogate
	checkNicks(t, rows)
}

// The letters of a name are of one script, or of those one language mixes, and
// of none that nobody writes with.
func TestNicksHaveOneScript(t *testing.T) {
	checkNicks(t, []nickRow{
		{in: "Мария", out: "Мария"}, {in: "Νίκος", out: "Νίκος"}, {in: "محمد", out: "محمد"}, {in: "שרה", out: "שרה"},
		{in: "桜ちゃんネコx", out: "桜ちゃんネコx"}, {in: "김민수x", out: "김민수x"}, {in: "王ㄅx", out: "王ㄅx"}, {in: "สมชาย2", out: "สมชาย2"},
		{in: "иван2", out: "иван2"}, {in: "ana🦊", out: "ana🦊"},
		{in: "аna", refused: "mix Cyrillic and Latin"}, {in: "еvan", refused: "mix Cyrillic and Latin"}, {in: "ανa", refused: "mix Greek and Latin"},
		{in: "иνан", refused: "mix Cyrillic and Greek"}, {in: "שa", refused: "mix Hebrew and Latin"}, {in: "나ナ", refused: "mix Hangul and Katakana"},
		{in: "aᏒ", refused: "mix Latin and Cherokee"}, {in: "aꓮ", refused: "mix Latin and Lisu"}, {in: "٣a", refused: "mix Arabic and Latin"},
		{in: "𐊠𐊡", refused: "nobody writes"}, {in: "ᚱᚢᚾ", refused: "nobody writes"}, {in: "𐌁𐌂", refused: "nobody writes"},
	})
}

// Marks do not pile up: four in a row and eight on a letter, in a name and on
// the screen; and no mark crosses a letter out.
func TestMarksDoNotPileUp(t *testing.T) {
	checkNicks(t, []nickRow{
		{in: "a\u0323\u0301", out: "ạ́"},
		{in: "q\u0301\u0302\u0303\u0304", out: "q\u0301\u0302\u0303\u0304"},
		{in: "q\u0301\u0302\u0303\u0304\u0305", refused: "4 combining marks"},
		{in: "\u0301a", refused: "combining"},
		{in: "o\u0338", refused: "U+0338"}, {in: "a\u20dd", refused: "U+20DD"}, {in: "ø", out: "ø"},
	})
	for n := range 40 {
		shown := Clean("a" + strings.Repeat("\u0301", n) + "b")
		if want := min(n, maxRow) + 2; utf8.RuneCountInString(shown) != want || Width(shown) != 2 {
			t.Errorf("%d marks: %q, %d cells", n, shown, Width(shown))
		}
		spacing := Clean("\u1000" + strings.Repeat("\u103b", n) + "\u1000")
		if want := min(n, maxMarks) + 2; utf8.RuneCountInString(spacing) != want {
			t.Errorf("%d spacing marks: %q", n, spacing)
		}
	}
}

// The words by which the program speaks are nobody's name, in no letters.
func TestReservedNicks(t *testing.T) {
	var rows []nickRow
	for _, word := range reserved {
		rows = append(rows, nickRow{in: word, refused: "kept"}, nickRow{in: strings.ToUpper(word), refused: "kept"},
			nickRow{in: strings.ToUpper(word[:1]) + word[1:], refused: "kept"}, nickRow{in: " " + word + " ", refused: "kept"},
			nickRow{in: strings.NewReplacer("o", "0", "i", "1", "m", "rn").Replace(word), refused: "kept"},
			nickRow{in: strings.Map(func(r rune) rune { return r - 'a' + 'ａ' }, word), refused: "kept"},
			nickRow{in: word + "2", out: word + "2"})
	}
	rows = append(rows,
		nickRow{in: "ѕуѕтем", refused: "kept"}, nickRow{in: "ноѕт", refused: "kept"}, nickRow{in: "ор", refused: "kept"}, // Cyrillic
		nickRow{in: "аdmіn", refused: "mix"}, nickRow{in: "adrnin", refused: "kept"}, nickRow{in: "adm|n", refused: "kept"},
		nickRow{in: "moderat0r", refused: "kept"}, nickRow{in: "par1ey", refused: "kept"}, nickRow{in: "0p", refused: "kept"}, nickRow{in: "ΟΡ", refused: "kept"},
		nickRow{in: "opal", out: "opal"}, nickRow{in: "hostess", out: "hostess"}, nickRow{in: "servera", out: "servera"})
	checkNicks(t, rows)
}

// A text is UTF-8 without control characters but line break and tab. The host
// refuses others, and whoever types them sends marks that can be seen instead.
func TestTextsHaveNoControls(t *testing.T) {
	for r := range rune(0x100) {
		s := "a" + string(r) + "b"
		refused := r < 0x20 && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0
		if err := Valid(s); (err != nil) != refused {
			t.Errorf("Valid(%q): %v", s, err)
		}
		if marked := Mark(s); Valid(marked) != nil || refused == (marked == s) {
			t.Errorf("Mark(%q) = %q", s, marked)
		}
		checkClean(t, Clean(s))
		if raw := "a" + string([]byte{byte(r)}) + "b"; r >= 0x80 {
			if Valid(raw) == nil || !strings.ContainsRune(Mark(raw), bad) || !strings.ContainsRune(Clean(raw), bad) {
				t.Errorf("%q: %v, %q, %q", raw, Valid(raw), Mark(raw), Clean(raw))
			}
		}
	}
	for _, c := range hostile {
		checkClean(t, Clean(Mark(c.in)))
	}
}

// Text from right to left is shown between isolates of ours, and no other
// control of direction is: what stands beside it stays where it is.
func TestDirectionIsIsolated(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"abc", "abc"},
		{"שלום", "\u2068שלום\u2069"},
		{"abc שלום 15:04", "\u2068abc שלום 15:04\u2069"},
		{"\u202eabc", "\ufffdabc"},
		{"\u2067\u2069שלום\u2069\u2069", "\u2068\ufffd\ufffdשלום\ufffd\ufffd\u2069"},
		{"\u2068abc", "\ufffdabc"},
		{"abc\u200f", "abc"},
	} {
		got := Clean(c.in)
		if got != c.out {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.out)
		}
		for w := range 12 {
			checkClean(t, Truncate(got, w))
			for _, row := range Wrap(got, w+1, w+1) {
				checkClean(t, row)
			}
		}
	}
}

// A row is never wider than what it is made for, whatever it holds.
func TestRowsFit(t *testing.T) {
	texts := []string{strings.Repeat("e\u0301\u0302\u0303\u0304\u0305\u0306", 50), strings.Repeat("👩🏽‍❤️‍💋‍👨🏿", 30), strings.Repeat("漢字", 60), strings.Repeat("\t", 40),
		strings.Repeat("🇩🇪🇩", 20), strings.Repeat("1\ufe0f\u20e3", 40), strings.Repeat("x", 300), strings.Repeat("שלום ", 40), strings.Repeat("ab \u2800", 60), strings.Repeat("☠️a", 40), strings.Repeat("각", 40)}
	for _, c := range hostile {
		texts = append(texts, strings.Repeat(c.in+" ", 20))
	}
	for _, s := range texts {
		for _, line := range Lines(s) {
			for _, w := range []int{2, 13, 19, 20, 39, 40, 79, 80} {
				for _, row := range Wrap(line, w, max(w-6, 2)) {
					if Width(row) > w {
						t.Errorf("%q, a row of %.60q, is %d cells wide, not %d", row, s, Width(row), w)
					}
				}
				if cut := Truncate(line, w); Width(cut) > w {
					t.Errorf("%q, cut from %.60q, is %d cells wide, not %d", cut, s, Width(cut), w)
				}
			}
		}
	}
}
