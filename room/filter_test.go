package room

import (
	"strings"
	"testing"
)

func TestFilterMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		stops   []string
		lets    []string
	}{
		{"heck", []string{"heck", "Oh HECK!", "what the h\u0435ck", "he\u200bck", "ｈｅｃｋ", "(heck)", "heck\nno", "heck-no"},
			[]string{"checked", "hecks", "he ck", "", "hec"}},
		{"heck*", []string{"heckler", "heck", "HECKING well"}, []string{"check", "hec"}},
		{"*eck", []string{"heck", "eck"}, []string{"hecks"}},
		{"h*c*k", []string{"hck", "hxxcxxk"}, []string{"hk", "ck", "hkc"}},
		{"h*h", []string{"hh", "hah"}, []string{"h"}},
		{"bad  phrase", []string{"a Bad, phrase", "bad\nphrase!"}, []string{"bad", "phrase bad", "badphrase"}},
		{"b.a.d", []string{"b a d", "B-A-D"}, []string{"bad"}},
		{"größe", []string{"GRÖSSE", "gro\u0308ße"}, []string{"grosse"}},
		{"漢字", []string{"漢字", "x 漢字"}, []string{"漢字は"}},
		{"漢字*", []string{"漢字は"}, nil},
		{"/h.ck/", []string{"heck", "checked"}, []string{"HECK", "hck"}},
		{"/(?i)^h.ck$/", []string{"HECK"}, []string{"checked"}},
		{"links", []string{"http://x", "see HTTPS://example.org/a", "www.example.org", "example.com", "mail me: mailto:a@b", "ftp.example.net/pub", "files.lan/x", "gopher://x"},
			[]string{"links", "e.g. this", "3.14", "foo.go", "end.Next sentence", "1/2", "a:b", "http:"}},
		{"actions", nil, []string{"actions"}},
	} {
		f, err := newFilter(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		r := rules{filters: []*filter{f}}
		for _, s := range c.stops {
			if r.stop(Message, s) == nil {
				t.Errorf("%q does not stop %q", c.pattern, s)
			}
		}
		for _, s := range c.lets {
			if r.stop(Message, s) != nil {
				t.Errorf("%q stops %q", c.pattern, s)
			}
		}
	}
	for pattern, kind := range map[string]Kind{"actions": Act, "whispers": Whisper} {
		f, _ := newFilter(pattern)
		if r := (rules{filters: []*filter{f}}); r.stop(kind, "x") != f || r.stop(Message, "x") != nil || f.kind() != pattern {
			t.Errorf("%s", pattern)
		}
	}
}

func TestBadFilters(t *testing.T) {
	for _, pattern := range []string{"", "*", "**", "  ", "...", "all", "a\nb", "a\x1bb", strings.Repeat("x", 257), "/(/", "/(?=x)/", `/\1/`,
		"/(x{100}){100}/", "/.{1000}/", "/" + strings.Repeat("(a|b|c){20}", 20) + "/", "\xff"} {
		if err := CheckFilter(pattern); err == nil {
			t.Errorf("%.40q is taken", pattern)
		}
	}
	if err := CheckFilter("//"); err == nil {
		t.Error("two slashes are a filter")
	}
}

// FuzzFilter makes filters of anything, and holds anything against them.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"heck*", "*a*b*", "/a+/", "links", "b.a.d", "ſ*ı", "/[[:alpha:]]{9}/", "|*|"} {
		f.Add(s, "some heck of a text, https://example.org/ "+s)
	}
	f.Fuzz(func(t *testing.T, pattern, said string) {
		one, err := newFilter(pattern)
		if err != nil {
			return
		}
		r := rules{filters: []*filter{one}}
		r.stop(Message, said)
		r.stop("", said)
		if one.words != nil && !strings.Contains(pattern, "*") && r.stop(Message, "x "+pattern+" x") == nil {
			t.Errorf("%q does not stop itself", pattern)
		}
	})
}
