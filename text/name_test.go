package text

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNick(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"ana", "ana"}, {"Ana", "Ana"}, {" ana ", "ana"}, {"ａｎａ", "ana"}, {"O'Brien", "O'Brien"}, {"x", "x"}, {"7", "7"},
		{"jean-luc", "jean-luc"}, {"a_b.c", "a_b.c"}, {"Zoë", "Zoë"}, {"Zoe\u0308", "Zoë"}, {"søren", "søren"},
		{"Мария", "Мария"}, {"Νίκος", "Νίκος"}, {"王小明", "王小明"}, {"さくらサクラ桜", "さくらサクラ桜"}, {"J小明", "J小明"},
		{"김철수", "김철수"}, {"สมชาย", "สมชาย"}, {"मोहन", "मोहन"}, {"שרה", "שרה"}, {"محمد", "محمد"}, {"🦊", "🦊"}, {"ana🦊", "ana🦊"},
		{"ana٣", ""}, {"محمد٣", "محمد٣"},
		{"", "1 to 32"}, {"   ", "1 to 32"}, {strings.Repeat("a", 32), strings.Repeat("a", 32)}, {strings.Repeat("a", 33), "1 to 32"},
		{strings.Repeat("a", 300), "1 to 32"}, {strings.Repeat("桜", 22), "64 bytes"}, {strings.Repeat("a", 1<<20), "1 to 32"},
		{"a b", "one word"}, {"a\u00a0b", "one word"}, {"a\u3000b", "one word"}, {"a\u2028b", "one word"}, {"a\tb", "one word"}, {"a\nb", "one word"},
		{"@ana", "begin with @"}, {"#ana", "begin with #"}, {"/ana", "begin with /"}, {"-ana", "begin with -"}, {"＠ana", "begin with @"},
		{"a:b", "':'"}, {"a,b", "','"}, {"a：b", "':'"}, {"℀", "a/c"},
		{"ana\x1b[31m", "U+001B"}, {"ana\u009b", "U+009B"}, {"an\x7fa", "U+007F"}, {"\xff", "UTF-8"}, {"a\x00", "U+0000"},
		{"ana\u202e", "U+202E"}, {"a\u2066na", "U+2066"}, {"ana\u200b", "U+200B"}, {"an\u00ada", "U+00AD"}, {"a\u200dna", "U+200D"}, {"ana\ufeff", "U+FEFF"},
		{"ana\U000e0061", "U+E0061"}, {"ana\ufe0f", "U+FE0F"}, {"\u3164", "U+3164"}, {"\u2800", "U+2800"}, {"ana\ue000", "U+E000"}, {"ana\u0378", "U+0378"}, {"ana\uffff", "U+FFFF"},
		{"a\u0301\u0301\u0301\u0301\u0301\u0301", "combining"}, {"\u0301a", "combining"}, {"...", "needs a letter"}, {"***", "needs a letter"},
		{"аna", "mix Cyrillic and Latin"}, {"еvan", "mix Cyrillic and Latin"}, {"ανa", "mix Greek and Latin"}, {"пaypal", "mix"}, {"나ナ", "mix"}, {"שa", "mix"},
		{"server", "kept"}, {"Server", "kept"}, {"HOST", "kept"}, {"system", "kept"}, {"Admin", "kept"}, {"adm1n", "kept"}, {"h0st", "kept"}, {"аdmіn", "mix"}, {"ѕуѕтем", "kept"}, {"ｈｏｓｔ", "kept"}, {"you", "kept"},
	} {
		got, err := Nick(c.in)
		if err != nil && (got != "" || c.out == c.in || !strings.Contains(err.Error(), c.out)) {
			t.Errorf("Nick(%.40q): error %v, want %q", c.in, err, c.out)
		}
		if err == nil && got != c.out {
			t.Errorf("Nick(%.40q) = %q, want %q", c.in, got, c.out)
		}
		if err != nil {
			checkClean(t, err.Error())
		}
	}
}

func TestKey(t *testing.T) {
	for _, same := range [][]string{
		{"Alice", "alice", "ALICE", "AIice", "A1ice", "A|ice", "аlісе", "Ａｌｉｃｅ", "𝐀lice", "ᎪLICE"},
		{"bob", "B0B", "вов", "ВОВ", "boЬ", "b〇b"},
		{"Nina", "NINA", "ΝΙΝΑ", "nına", "NİNA", "ꓠꓲꓠꓮ"},
		{"oleg", "0leg", "οleg", "Oleg", "օleg"},
		{"cop", "сор", "СОР"},
		{"xyz", "хуz", "ХУZ"},
		{"strasse", "straße", "STRASSE"},
		{"Zoë", "Zoe\u0308", "ZOË"},
		{"カナ", "ｶﾅ", "力ナ"},
		{"a-b", "a–b", "a‐b", "a−b"},
		{"محمد", "محـمد"}, {"علي", "على"},
	} {
		for _, nick := range same[1:] {
			if Key(nick) != Key(same[0]) {
				t.Errorf("%q has key %q, %q has %q", nick, Key(nick), same[0], Key(same[0]))
			}
		}
	}
	keys := map[string]string{}
	for _, nick := range []string{"ana", "anna", "ána", "ben", "bens", "cyn", "m", "vv", "w", "Мария", "иван", "王", "ana2", "ana22", "5", "s", "van", "nan"} {
		if other, ok := keys[Key(nick)]; ok {
			t.Errorf("%q and %q have one key", nick, other)
		}
		keys[Key(nick)] = nick
	}
}

func TestSuggest(t *testing.T) {
	var names []string
	taken := func(nick string) bool {
		for _, n := range names {
			if Key(n) == Key(nick) {
				return true
			}
		}
		return false
	}
	names = []string{"Ana", "guest"}
	for _, c := range []struct{ in, out string }{
		{"ana", "ana2"}, {"ben", "ben"}, {"admin", "guest2"}, {"John Smith", "JohnSmith"}, {"-x", "x"}, {"\x1b\x07", "guest2"}, {"", "guest2"}, {"аna", "guest2"},
	} {
		if got := Suggest(c.in, taken); got != c.out {
			t.Errorf("Suggest(%q) = %q, want %q", c.in, got, c.out)
		}
	}
	names = nil
	for i := range 12 { // each takes what was suggested to it
		got := Suggest("ana", taken)
		if want := fmt.Sprint("ana", i+1); i > 0 && got != want {
			t.Fatalf("suggestion %d is %q, want %q", i, got, want)
		}
		names = append(names, got)
	}
	for _, long := range []string{strings.Repeat("a", 32), strings.Repeat("桜", 21), strings.Repeat("é", 32), "year20260000"} {
		names = []string{long}
		got := Suggest(long, taken)
		if nick, err := Nick(got); err != nil || nick != got || !strings.HasSuffix(got, "2") {
			t.Errorf("Suggest(%q) = %q: %v", long, got, err)
		}
	}
	if got := Suggest("ana", func(string) bool { return true }); got != "" {
		t.Errorf("where every name is taken, got %q", got)
	}
}

func TestRoomName(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"physics", "physics"}, {"Klasse-7b", "Klasse-7b"}, {"物理", "物理"}, {"cafe\u0301", "café"}, {"🦊", "🦊"}, {strings.Repeat("a", 63), strings.Repeat("a", 63)},
		{"", "1 to 63"}, {strings.Repeat("a", 64), "1 to 63"}, {strings.Repeat("a", 1<<20), "1 to 63"}, {"a b", "one word"}, {"a\u00a0b", "one word"}, {"a\nb", "one word"},
		{"a/b", "'/'"}, {"#a", "'#'"}, {"a:b", "':'"}, {"a\x1b]0;x\a", "U+001B"}, {"a\u009b", "U+009B"}, {"a\u202e", "U+202E"}, {"a\u200b", "U+200B"}, {"a\U000e0061", "U+E0061"}, {"\xff", "UTF-8"},
	} {
		got, err := RoomName(c.in)
		if err != nil && (got != "" || !strings.Contains(err.Error(), c.out)) || err == nil && got != c.out {
			t.Errorf("RoomName(%.40q) = %q, %v, want %q", c.in, got, err, c.out)
		}
	}
	if RoomKey("Physics") != RoomKey("ｐｈｙsics") || RoomKey("a") == RoomKey("b") {
		t.Error("room keys do not compare as they should")
	}
}

func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		in  string
		w   int
		out string
	}{
		{"hello", 5, "hello"}, {"hello", 4, "hel…"}, {"hello", 1, "…"}, {"hello", 0, ""}, {"hello", -1, ""},
		{"漢字漢字", 5, "漢字…"}, {"漢字漢字", 4, "漢…"}, {"漢字", 4, "漢字"}, {"👨‍👩‍👧x", 2, "…"}, {"👨‍👩‍👧x", 3, "👨‍👩‍👧x"},
		{Clean("שלום"), 3, "\u2068של…\u2069"}, {Clean("a" + strings.Repeat("\u0301", 99) + "b"), 2, "a\u0301\u0301\u0301\u0301b"},
	} {
		if got := Truncate(c.in, c.w); got != c.out || Width(got) > max(c.w, 0) {
			t.Errorf("Truncate(%q, %d) = %q, %d wide, want %q", c.in, c.w, got, Width(got), c.out)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		in          string
		first, rest int
		out         string
	}{
		{"hello", 0, 0, "hello"}, {"hello", 5, 5, "hello"}, {"hello world", 5, 5, "hello|world"}, {"hello world", 8, 8, "hello|world"},
		{"hello world", 3, 5, "hel|lo|world"}, {"aaaa bb cc", 4, 5, "aaaa|bb cc"}, {"漢字漢字", 3, 4, "漢|字漢|字"}, {"漢字", 1, 2, "|漢|字"}, {"漢字", 1, 1, "|漢|字"},
		{"a   b", 2, 2, "a | b"}, {"", 3, 3, ""}, {"👨‍👩‍👧👨‍👩‍👧", 3, 3, "👨‍👩‍👧|👨‍👩‍👧"},
		{Clean("שלום עולם"), 4, 4, "\u2068שלום\u2069|\u2068עולם\u2069"},
	} {
		if got := strings.Join(Wrap(c.in, c.first, c.rest), "|"); got != c.out {
			t.Errorf("Wrap(%q, %d, %d) = %q, want %q", c.in, c.first, c.rest, got, c.out)
		}
	}
}

// Of long lines each row is looked at once: in the time that was needed for
// one row after the other to be measured to the end, this test would not end.
func TestWrapLong(t *testing.T) {
	for _, in := range []string{strings.Repeat("a", 1<<20), strings.Repeat("a ", 1<<19)} {
		rows := Wrap(in, 1, 80)
		if got := strings.Join(rows, ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(in, " ", "") {
			t.Error("something was lost")
		}
	}
}

func FuzzNick(f *testing.F) {
	for _, s := range []string{"ana", "Ana2", "аna", "a：b", "桜", "🦊", "İ", "ﬀ", "محمد٣", "admin", "a\u0301", "\u1e9b\u0323"} {
		f.Add(s)
	}
	for _, c := range hostile {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nick, err := Nick(s)
		if err == nil {
			if again, err := Nick(nick); err != nil || again != nick {
				t.Fatalf("Nick(%q) = %q, and again %q, %v", s, nick, again, err)
			}
			if n := utf8.RuneCountInString(nick); n > maxNick || len(nick) > maxNickBytes || strings.ContainsAny(nick, " :,\n") {
				t.Fatalf("Nick(%q) = %q", s, nick)
			}
			if clean := strings.Trim(Clean(nick), "\u2068\u2069"); clean != nick {
				t.Fatalf("Nick(%q) = %q, shown as %q", s, nick, clean)
			}
			if Key(nick) != Key(strings.ToUpper(nick)) && Key(nick) != Key(strings.ToLower(nick)) {
				t.Fatalf("case counts in the key of %q", nick)
			}
		} else {
			checkClean(t, err.Error())
		}
		first := true
		free := Suggest(s, func(string) bool { first = !first; return !first })
		if nick, err := Nick(free); err != nil || nick != free {
			t.Fatalf("Suggest(%q) = %q: %q, %v", s, free, nick, err)
		}
		if room, err := RoomName(s); err == nil {
			if again, err := RoomName(room); err != nil || again != room {
				t.Fatalf("RoomName(%q) = %q, and again %q, %v", s, room, again, err)
			}
		}
	})
}
