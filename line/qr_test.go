package line

import (
	"strings"
	"testing"
	"testing/synctest"

	"parley/room"
	"parley/text"
)

const aLink = "parley://192.168.100.200:7667/physics#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// A link is drawn where the whole of it is seen at once: on a terminal of 80 by 24,
// too, and with as much margin as there is place for.
func TestQRFits(t *testing.T) {
	for _, c := range []struct {
		width, height, rows int
	}{
		{80, 24, 23}, {80, 25, 23}, {200, 60, 23}, {80, 23, 23}, {80, 22, 21}, {80, 21, 21}, {80, 20, 0}, {46, 60, 23}, {45, 60, 21}, {41, 60, 0}, {0, 0, 0},
	} {
		rows := QR(aLink, c.width, c.height, false)
		if len(rows) != c.rows {
			t.Errorf("%d by %d: %d rows, want %d", c.width, c.height, len(rows), c.rows)
		}
		for _, row := range rows {
			if text.Width(row) >= c.width {
				t.Errorf("%d by %d: a row of %d", c.width, c.height, text.Width(row))
			}
		}
	}
	plain, coloured := QR(aLink, 80, 24, false), QR(aLink, 80, 24, true)
	for i, row := range coloured {
		if !strings.HasPrefix(row, blackOnWhite) || !strings.HasSuffix(row, "\x1b[0m") || strings.Contains(plain[i], "\x1b") {
			t.Errorf("row %d: %q, %q", i, row, plain[i])
		}
	}
}

func TestWantUTF8(t *testing.T) {
	for env, want := range map[string]bool{
		"": false, "LANG=C": false, "LANG=de_DE.UTF-8": true, "LC_CTYPE=C.utf8 LANG=C": true,
		"LC_ALL=POSIX LANG=de_DE.UTF-8": false, "LC_ALL=en_US.UTF-8 LANG=C": true, "LANG=de_DE.ISO-8859-1": false,
	} {
		getenv := func(name string) string {
			for word := range strings.FieldsSeq(env) {
				if value, ok := strings.CutPrefix(word, name+"="); ok {
					return value
				}
			}
			return ""
		}
		if got := WantUTF8(getenv, false); got != want {
			t.Errorf("%q: %v", env, got)
		}
	}
	if !WantUTF8(func(string) string { return "" }, true) {
		t.Error("Windows shows more than ASCII")
	}
}

// What is known of a room's key stands beside it in a list.
func TestListingMarks(t *testing.T) {
	for pin, want := range map[string]string{"known": "  known", "changed": "  OTHER KEY", "new": "", "": ""} {
		base := Listing(room.Listing{Room: "physics"})
		if got := Listing(room.Listing{Room: "physics", Pin: pin}); got != base+want {
			t.Errorf("%s: %q", pin, got)
		}
	}
}

// /link tells how others come here, in every form that this output has.
func TestLinkCommand(t *testing.T) {
	for _, c := range []struct {
		what   string
		o      Options
		invite string
		want   string
	}{
		{"a terminal", Options{QR: func(link string) []string { return []string{"<" + link + ">"} }, Quiet: true}, aLink,
			"<" + aLink + ">\n* " + aLink + "\n  | its key: echo lizard\n"},
		{"a pipe", Options{Quiet: true}, aLink, "* " + aLink + "\n  | its key: echo lizard\n"},
		{"a program", Options{JSON: true, QR: func(string) []string { return []string{"x"} }}, aLink,
			`"code":"link","link":"` + aLink + `","words":"echo lizard"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newFake()
			m.ready.Invite, m.ready.Words = c.invite, "echo lizard"
			c.o.In = strings.NewReader("/link\n")
			b := start(t, c.o, m)
			b.wait(nil)
			if !strings.Contains(b.out.String(), c.want) {
				t.Errorf("%s: %q, want %q", c.what, b.out.String(), c.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{In: strings.NewReader("/link\n")}, newFake())
		b.wait(nil)
		if got := b.err.String() + b.out.String(); !strings.Contains(got, "nobody knows a link") {
			t.Errorf("without a link: %q", got)
		}
	})
}
