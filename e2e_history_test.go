package main_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// found is the answer to who looks something up.
type found struct {
	Code   string  `json:"code"`
	Text   string  `json:"text"`
	State  string  `json:"state"`
	Count  int     `json:"count"`
	Events []event `json:"events"`
}

func (p *proc) finds(t *testing.T, line string) (f found) {
	t.Helper()
	p.say(line)
	got := p.await("what is found", kind("found"))
	if err := json.Unmarshal([]byte(got.text), &f); err != nil || f.Count != len(f.Events) {
		t.Fatalf("%s: %v", got.text, err)
	}
	for _, e := range f.Events {
		if e.Replay == nil || !*e.Replay {
			t.Errorf("it is not marked as said earlier: %+v", e)
		}
	}
	return f
}

// room is how the box's room is asked for where its name is to be known
// before the connection.
func (b *box) room() string { return b.addr() + "/physics" }

// What was said can be looked at by who saw it, and by nobody else: in the room,
// after the host is gone, and after everybody has left.
func TestHistoryIsWhatOneSaw(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	if r := ana.sees("ready", kind("ready")); !strings.Contains(r.text, `"kept":true,"keep":"90d"`) {
		t.Errorf("ready: %s", r.text)
	}
	ben, cyn := b.join("ben", b.room()), b.join("cyn", b.room())
	ana.await("cyn", func(l line) bool { return l.Type == "join" && l.Nick == "cyn" })
	ben.say("the lens focuses light")
	ben.await("his message", said("the lens focuses light"))
	ben.say("/msg ana the secret lens")
	for _, p := range []*proc{ben, ana} {
		p.await("the whisper", kind("whisper"))
	}
	ana.say("光が速い")
	for _, p := range []*proc{ben, cyn} {
		p.await("ana's message", said("光が速い"))
	}
	for p, want := range map[*proc]int{ana: 2, ben: 2, cyn: 1} {
		if f := p.finds(t, "/search lens"); f.Count != want || f.State != "host" || f.Code != "search" || f.Text != "lens" {
			t.Errorf("%s finds %+v", p.name, f)
		}
		if f := p.finds(t, "/lastlog"); f.Count != want+1 {
			t.Errorf("%s sees last %+v", p.name, f)
		}
		if f := p.finds(t, "/search 光"); f.Count != 1 {
			t.Errorf("%s finds %+v", p.name, f)
		}
	}
	// The others say what they have a few times a second, and not at once.
	ben.sees("delivered to both", func(l line) bool { return l.Type == "delivered" && l.Seq == 4 && l.Count == 2 })
	ben.say("/delivered 4")
	if d := ben.await("who has it", func(l line) bool { return l.Type == "delivered" && l.State == "asked" }); d.Seq != 4 || d.Count != 2 || d.Of != 2 {
		t.Errorf("delivered: %s", d.text)
	}
	ana.kill()
	ben.await("the loss", kind("link"))
	cyn.await("the loss", kind("link"))
	for p, want := range map[*proc]int{ben: 2, cyn: 1} {
		if f := p.finds(t, "/search LENS"); f.Count != want || f.State != "copy" {
			t.Errorf("without the host %s finds %+v", p.name, f)
		}
		file := filepath.Join(b.dir, p.name+".csv")
		p.say("/export " + file)
		p.await("the export", func(l line) bool {
			return l.Type == "notice" && l.Code == "exported" && strings.Contains(l.text, "your own copy")
		})
		content, _ := os.ReadFile(file)
		if rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll(); err != nil || strings.Contains(string(content), "secret") != (want == 2) || len(rows) < 5 {
			t.Errorf("%s exports %v\n%s", p.name, err, content)
		}
		p.say("/quit")
		p.exits(0)
	}
	for name, want := range map[string]int{"ana": 2, "ben": 2, "cyn": 1} {
		b.historyOf(t, name, want)
	}
}

// historyOf looks at what one name has of the room physics, all others being gone.
func (b *box) historyOf(t *testing.T, name string, lenses int) {
	t.Helper()
	out, talk, code := b.once(name, "", "history", "physics", "--search", "lens", "--json")
	if code != 0 || strings.Count(out, `"replay":true`) != lenses || strings.Contains(out, "secret") != (lenses == 2) {
		t.Errorf("%s: %d\n%s%s", name, code, out, talk)
	}
	out, _, code = b.once(name, "", "history", "physics", "--since", "1h")
	if code != 0 || !strings.Contains(out, "ben: the lens focuses light") || strings.Contains(out, "secret") != (lenses == 2) {
		t.Errorf("%s: %d\n%s", name, code, out)
	}
	file := filepath.Join(b.dir, name+".md")
	if _, talk, code = b.once(name, "", "history", "physics", "--export", file); code != 0 || !strings.Contains(talk, "events are in") {
		t.Errorf("%s: %d %s", name, code, talk)
	}
	if content, err := os.ReadFile(file); err != nil || strings.Contains(string(content), "secret") != (lenses == 2) {
		t.Errorf("%s: %v %s", name, err, content)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"physics", "--export", file}, 2, "is there already"},
		{[]string{"physics", "--export", "x.exe"}, 2, "must end in"},
		{[]string{"physics", "--search", "nobody"}, 3, "nothing was said in physics"},
		{[]string{"physics", "--since", "2199-01-01"}, 3, "leave out --since"},
		{[]string{"physics", "--since", "soon"}, 2, "is no time"},
		{[]string{"physics", "--check", "--search", "x"}, 2, "for the whole"},
		{[]string{"chemistry"}, 3, "parley join chemistry"},
		{[]string{"physics", "--check"}, 0, ""},
		{nil, 0, ""},
	} {
		if out, talk, code := b.once(name, "", append([]string{"history"}, c.args...)...); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("%s: history %q: %d\n%s%s", name, c.args, code, out, talk)
		}
	}
}

// Of a room that keeps nothing nobody keeps anything, and who keeps nothing has no
// copy of a room that does.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		host, join []string
		ready      bool
	}{{"room", []string{"--keep", "none"}, nil, false}, {"member", nil, []string{"--keep", "none"}, true}} {
		b := loopback(t)
		ana := b.host("ana", "physics", c.host...)
		ben := b.join("ben", b.room(), c.join...)
		if r := ben.sees("ready", kind("ready")); strings.Contains(r.text, `"keep":"90d"`) != c.ready {
			t.Errorf("%s: %s", c.name, r.text)
		}
		ben.say("hello")
		ben.await("hello", said("hello"))
		ben.say("/quit")
		ben.exits(0)
		ana.say("/quit")
		ana.exits(0)
		if left, _ := os.ReadDir(filepath.Join(b.dir, "ben", "parley", "history")); len(left) > 0 {
			t.Errorf("%s: ben has %v", c.name, left)
		}
		if _, talk, code := b.once("ben", "", "history", "physics"); code != 3 {
			t.Errorf("%s: %d %s", c.name, code, talk)
		}
	}
}

// Several programs of one user write one copy, and one that was away has what it
// was replayed.
func TestSeveralWriteOneCopy(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ana.say("one")
	ana.await("one", said("one"))
	ben, too := b.join("ben", b.room()), b.parley("ben", "tail", b.room(), "--json")
	too.await("the replay", said("one"))
	ana.say("two")
	ben.await("two", said("two"))
	too.await("two", said("two"))
	ben.say("/quit")
	ben.exits(0)
	ana.say("three")
	too.await("three", said("three"))
	too.cmd.Process.Signal(os.Interrupt)
	too.ends()
	out, _, code := b.once("ben", "", "history", "physics")
	if code != 0 || strings.Count(out, "ana: ") != 3 || !strings.Contains(out, "ana: three") {
		t.Errorf("%d\n%s", code, out)
	}
	if copies, _ := filepath.Glob(filepath.Join(b.dir, "ben", "parley", "history", "*.copy")); len(copies) != 1 {
		t.Errorf("%v", copies)
	}
	if _, talk, code := b.once("ben", "", "history", "physics", "--check"); code != 0 {
		t.Errorf("%d %s", code, talk)
	}
}

// A damaged log shows nothing that was not said, names the way out, and that way
// leads out.
func TestDamagedHistory(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	for range 50 {
		ana.say("the same words again")
	}
	for range 50 {
		ana.await("it", said("the same words again"))
	}
	ana.say("/quit")
	ana.exits(0)
	logs, _ := filepath.Glob(filepath.Join(b.dir, "ana", "parley", "history", "*.log"))
	if len(logs) != 1 {
		t.Fatal(logs)
	}
	content, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := strings.Replace(string(content), "same words", "other text", 1)
	if damaged == string(content) {
		t.Fatal("the words are not in the file")
	}
	os.WriteFile(logs[0], []byte(damaged), 0o600)
	out, talk, code := b.once("ana", "", "history", "physics")
	if code != 1 || strings.Contains(out, "other text") || !strings.Contains(talk, "--repair") {
		t.Errorf("shown: %d\n%s%s", code, out, talk)
	}
	if out, talk, code = b.once("ana", "", "history", "physics", "--check"); code != 1 || !strings.Contains(talk, "--repair") || !strings.Contains(out, logs[0]) {
		t.Errorf("checked: %d\n%s%s", code, out, talk)
	}
	if out, talk, code = b.once("ana", "", "history", "physics", "--repair"); code != 0 || !strings.Contains(out, "1 are lost") && !strings.Contains(out, "1 is lost") {
		t.Errorf("repaired: %d\n%s%s", code, out, talk)
	}
	out, talk, code = b.once("ana", "", "history", "physics", "--search", "same")
	if code != 0 || strings.Count(out, "ana: the same words again") != 49 {
		t.Errorf("after: %d\n%s%s", code, out, talk)
	}
	if out, talk, code = b.once("ana", "", "history", "physics", "--check"); code != 0 {
		t.Errorf("checked again: %d\n%s%s", code, out, talk)
	}
}
