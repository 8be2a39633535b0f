//go:build !nolab

package view

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/lab"
	"parley/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

// saved are runs that were saved, whatever lessons do since.
var saved = []string{"handshake", "holblocking", "loss", "broadcast"}

// lesson is one whose words no release changes.
func lesson(name string) lab.Lesson {
	return lab.Lesson{
		Number: 6, Name: name, Topic: "ordered, guaranteed",
		Claim:    "Over a cable of {delay}: TCP keeps order, so one lost message makes later ones wait.",
		Setup:    "A says things to B over a cable of {delay}. One frame is lost, once.",
		Question: lab.Question{Text: "Message 5 is lost once. Which come late?", Answers: []string{"only 5", "5, 6 and 7"}, Right: 1, Why: "they wait for it"},
		So:       "our own transport numbers its messages",
		Filters:  map[string]string{"what was sent again": "tcp.analysis.retransmission", "what we lost": `frame.comment contains "lab:drop"`},
		Defaults: lab.Settings{"delay": "20ms"},
		Uses:     []string{"delay"},
	}
}

// run reads a saved run.
func run(t testing.TB, name string) []lab.Line {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	runs, err := Read(f)
	if err != nil || len(runs) != 1 {
		t.Fatal(len(runs), err)
	}
	return runs[0]
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test ./lab/view -update writes it anew, and git diff shows what changed:\n%s", name, got)
	}
}

// Every view looks as it did, at both widths, in Unicode and in ASCII.
func TestViews(t *testing.T) {
	for _, name := range saved {
		lines := run(t, name)
		for _, format := range Formats[:4] {
			for _, o := range []Options{{Width: 80}, {Width: 80, ASCII: true}, {Width: 120}, {Width: 120, ASCII: true}, {Width: 40}} {
				kind := map[bool]string{true: "ascii", false: "unicode"}[o.ASCII]
				t.Run(fmt.Sprint(name, format, o.Width, kind), func(t *testing.T) {
					var b bytes.Buffer
					if err := Write(&b, format, lesson(name), lines, o); err != nil {
						t.Fatal(err)
					}
					fits(t, b.String(), o)
					o.Color = true
					coloured := joined(Rows(format, lesson(name), lines, o))
					if own.ReplaceAllString(coloured, "") != b.String() || coloured == b.String() {
						t.Errorf("colour says something else:\n%s", coloured)
					}
					compare(t, fmt.Sprintf("%s-%s-%d-%s.txt", name, format, o.Width, kind), b.Bytes())
				})
			}
		}
	}
}

// The formats for programs are as they were.
func TestFiles(t *testing.T) {
	for _, name := range []string{"handshake", "holblocking"} {
		lines := run(t, name)
		for _, format := range []string{CSVFormat, MarkdownFormat, CastFormat} {
			var b bytes.Buffer
			if err := Write(&b, format, lesson(name), lines, Options{Width: 80}); err != nil {
				t.Fatal(err)
			}
			compare(t, name+"."+format, b.Bytes())
		}
	}
}

// What is written as lines is read as the same.
func TestReadsWhatItWrites(t *testing.T) {
	lines := run(t, "loss")
	var b bytes.Buffer
	if err := Write(&b, JSONFormat, lab.Lesson{}, lines, Options{}); err != nil {
		t.Fatal(err)
	}
	again, err := Read(bytes.NewReader(append(bytes.Clone(b.Bytes()), b.Bytes()...)))
	if err != nil || len(again) != 2 || len(again[1]) != len(lines) {
		t.Fatalf("%d runs, %v", len(again), err)
	}
}

func TestReadNamesTheLine(t *testing.T) {
	for _, c := range []struct{ file, says string }{
		{"", "empty"},
		{"{\"k\":\"run\",\"v\":1}\n\n{\"k\":\"frame\",\"t\":", "line 3: this is no JSON"},
		{"{\"k\":\"run\",\"v\":1}\n{\"t\":1}\n", "line 2 has no kind"},
		{"{\"k\":\"frame\"}\n", "line 1 is of a run that has not begun"},
		{"{\"k\":\"run\",\"v\":9}\n", "line 1: the run was saved by a later parley"},
		{"{\"k\":\"run\",\"v\":1}\n{\"k\":\"msg\",\"t\":\"soon\"}\n", "line 2: \"t\" cannot be a string"},
		{"hello\n", "line 1"},
	} {
		if _, err := Read(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.file, err, c.says)
		}
	}
}

// A proof that fails says which number is wrong; an exploration cannot fail.
func TestVerdicts(t *testing.T) {
	check := lab.Line{K: "check", Name: "missing.udp", Got: 7, Want: "1"}
	for verdict, says := range map[string]string{"FAIL": "does not hold", "INFO": "it cannot fail"} {
		lines := []lab.Line{{K: "run"}, check, {K: "end", Verdict: verdict, Fingerprint: "0-0-0"}}
		text := joined(Table(lesson("x"), lines, Options{}))
		if !strings.Contains(text, verdict) || !strings.Contains(text, says) || verdict == "INFO" && strings.Contains(text, "does not hold") {
			t.Error(text)
		}
	}
	if text := joined(Table(lesson("x"), []lab.Line{{K: "run"}, check}, Options{})); !strings.Contains(text, "CUT OFF") {
		t.Error(text)
	}
}

// Of many receivers it is told how many have a message.
func TestManyReceivers(t *testing.T) {
	lines := []lab.Line{{K: "run"}, {K: "lane", Lane: "udp"}}
	for i := range 50 {
		lines = append(lines, lab.Line{K: "msg", Lane: "udp", Host: fmt.Sprint("m", i), Msgs: []int{1}, At: 1, Lost: i%5 == 0})
	}
	if text := joined(Table(lab.Lesson{}, lines, Options{})); !strings.Contains(text, "40/50") {
		t.Error(text)
	}
}

// However much of one thing a file has, it is shown in reasonable time.
func TestMuchOfTheSame(t *testing.T) {
	for _, l := range []lab.Line{
		{K: "call", Lane: "a", Host: "A", Fn: "write", N: 1}, {K: "frame", Lane: "a", From: "A", To: "B", Proto: "udp", Len: 1, Msgs: []int{1}},
		{K: "msg", Lane: "a", Host: "B", Msgs: []int{1}}, {K: "read", Lane: "a", Host: "B", Msgs: []int{1}}, {K: "fate", Lane: "a", ID: 0, To: "B", Fate: "deliver"},
	} {
		lines := []lab.Line{{K: "run"}, {K: "lane", Lane: "a", Hosts: []string{"A", "B"}}, {K: "frame", Lane: "a", From: "A", To: "B", Proto: "udp", Len: 1, Msgs: []int{1}}, {K: "call", Lane: "a", Host: "A", Fn: "write", N: 1}}
		for range 20_000 {
			lines = append(lines, l)
		}
		began := time.Now()
		for _, format := range Formats[:4] {
			Rows(format, lab.Lesson{}, lines, Options{})
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: %v", l.K, took)
		} else {
			t.Logf("20,000 of %s: %v", l.K, took)
		}
	}
}

// A run of 500 messages is shown in so many rows that one can look at them.
func TestLongRuns(t *testing.T) {
	lines := long(500)
	for format, most := range map[string]int{TableFormat: 60, SequenceFormat: 140, TimelineFormat: 140, MembersFormat: 70} {
		rows := Rows(format, lesson("long"), lines, Options{Width: 80})
		if len(rows) > most {
			t.Errorf("%s: %d rows", format, len(rows))
		}
		whole := Rows(format, lesson("long"), lines, Options{Width: 80, Whole: true})
		if len(whole) < len(rows) {
			t.Errorf("%s: %d rows of %d", format, len(rows), len(whole))
		}
	}
	text := joined(Table(lesson("long"), lines, Options{Width: 80}))
	for _, want := range []string{"lost", "<=20", "▁", "x: one never came"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if text := joined(Sequence(lesson("long"), lines, Options{Width: 80})); !strings.Contains(text, "rows like these   (--from ") {
		t.Error(text)
	}
	part := Sequence(lesson("long"), lines, Options{Width: 80, From: time.Second, To: 1100 * time.Millisecond})
	if text := joined(part); !strings.Contains(text, "o51 ") || strings.Contains(text, "o40 ") || strings.Contains(text, "o70 ") {
		t.Error(text)
	}
}

// long is a run of n messages, every tenth of them lost.
func long(n int) []lab.Line {
	lines := []lab.Line{{K: "run", V: 1, Lesson: "long", Seed: 7}, {K: "lane", Lane: "udp", What: "udp", Hosts: []string{"A", "B"}}}
	for i := 1; i <= n; i++ {
		at := time.Duration(i) * 20 * time.Millisecond
		fate := lab.Line{K: "fate", Lane: "udp", T: at, ID: uint64(i), To: "B", Fate: "deliver", At: at + 20*time.Millisecond}
		msg := lab.Line{K: "msg", Lane: "udp", Host: "B", Msgs: []int{i}, Sent: at, At: at + 20*time.Millisecond, Copies: 1}
		if i%10 == 0 {
			fate.Fate, fate.Why, fate.At = "drop", "loss", 0
			msg.Lost, msg.At, msg.Copies = true, 0, 0
		}
		lines = append(lines, lab.Line{K: "frame", Lane: "udp", T: at, ID: uint64(i), From: "A", To: "B", Proto: "udp", Len: 64, N: 106, Msgs: []int{i}}, fate, msg)
		if !msg.Lost {
			lines = append(lines, lab.Line{K: "show", Lane: "udp", T: msg.At, Host: "B", Msgs: []int{i}})
		}
	}
	return append(lines, lab.Line{K: "end", OK: true, Verdict: "INFO", Fingerprint: "0000-0000-0000"})
}

func joined(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.Text + "\n")
	}
	return b.String()
}

// own are the only escapes that a view may have, and only with colour.
var own = regexp.MustCompile("\x1b\\[[0-9;]*m")

// fits fails if a row is too wide, or has something that a terminal obeys.
func fits(t *testing.T, view string, o Options) {
	t.Helper()
	if o.Color {
		view = own.ReplaceAllString(view, "")
	}
	for l := range strings.Lines(view) {
		l = strings.TrimSuffix(l, "\n")
		if w := text.Width(l); w > o.width() {
			t.Fatalf("%d columns, not %d: %q", w, o.width(), l)
		}
		for _, r := range l {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || o.ASCII && r > 0x7e || r == 0x2028 || r == 0x202e {
				t.Fatalf("%q has %q", l, r)
			}
		}
	}
}

// A maker makes lines that no run would have.
type maker struct{ *rand.Rand }

func (m maker) pick(words ...string) string { return words[m.IntN(len(words))] }

func (m maker) name() string {
	return m.pick("A", "B", "m1", "m2", "*", "", "tcp", "x\x1b[2J", "a very long name of a host that nobody can mean", "光が速い", "\u202eevil", "e\u0301\u0301\u0301", "👩‍👩‍👧", "\n", "\x9b31m", "שלום")
}

func (m maker) span() time.Duration {
	switch m.IntN(8) {
	case 0:
		return math.MaxInt64
	case 1:
		return math.MinInt64
	case 2:
		return -time.Duration(m.IntN(1e9))
	case 3:
		return time.Duration(m.Int64())
	}
	return time.Duration(m.IntN(2000)) * time.Millisecond
}

func (m maker) msgs() (all []int) {
	for range m.IntN(4) {
		n := m.IntN(60)
		if m.IntN(20) == 0 {
			n = []int{math.MaxInt, math.MinInt, -1}[m.IntN(3)]
		}
		all = append(all, n)
	}
	return all
}

func (m maker) words() (all []string) {
	for range m.IntN(6) {
		all = append(all, m.name())
	}
	return all
}

func (m maker) line() lab.Line {
	return lab.Line{
		K:    m.pick("run", "lane", "call", "frame", "fate", "read", "show", "msg", "sample", "state", "table", "row", "note", "check", "end", "error", "more"),
		Lane: m.pick("tcp", "udp", "udp", m.name()), What: m.name(), Hosts: m.words(), T: m.span(), ID: uint64(m.IntN(20)), Host: m.name(), From: m.name(), To: m.name(),
		Fn: m.pick("write", "connect", "accept", "close", m.name()), Proto: m.pick("tcp", "udp", "icmp", m.name()), Flags: m.pick("S", "SA", "PA", "FA", "R", "A", m.name()),
		Seq: m.Uint32(), Ack: m.Uint32(), Len: m.IntN(3000) - 100, N: m.IntN(3000) - 100, Msgs: m.msgs(), Resent: m.IntN(5) == 0, Fate: m.pick("deliver", "drop", "corrupt", m.name()),
		Why: m.name(), Took: m.span(), Err: m.pick("", "", m.name()), Sent: m.span(), At: m.span(), Copies: m.IntN(3), Late: m.IntN(2) == 0, Innocent: m.IntN(2) == 0, Lost: m.IntN(4) == 0,
		Name: m.pick("t", "u", m.name()), Cols: m.words(), Cells: m.words(), Text: m.name(), Got: m.Int64(), Want: m.name(), OK: m.IntN(2) == 0, Verdict: m.pick("PASS", "FAIL", "INFO", m.name()),
		Fingerprint: m.name(), Settings: m.pick("delay=20ms", "delay=\x1b[0m", m.name()),
	}
}

// FuzzViews shows lines that somebody made up: no view may fail, be wider than
// asked, or have in it what a terminal obeys.
func FuzzViews(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed, uint16(seed*31), byte(seed*7))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, how byte) {
		m := maker{rand.New(rand.NewPCG(seed, 1))}
		var lines []lab.Line
		for range n % 400 {
			lines = append(lines, m.line())
		}
		o := Options{Width: 20 + int(how)%140, ASCII: how&1 != 0, Color: how&2 != 0, Whole: how&4 != 0}
		if how&8 != 0 {
			o.From, o.To = 100*time.Millisecond, time.Second
		}
		for _, format := range Formats[:4] {
			fits(t, joined(Rows(format, lesson("made"), lines, o)), o)
		}
		fits(t, joined(Reveal(lesson("made"), lines, 0, o)), o)
		trials := []Trial{{"1", lines}, {m.name(), lines}}
		var b bytes.Buffer
		for _, format := range []string{TableFormat, CSVFormat, MarkdownFormat} {
			if err := WriteSweep(&b, format, lesson("made"), "size", trials, o); err != nil {
				t.Fatal(err)
			}
			if err := WriteSeeds(&b, format, lesson("made"), trials, o); err != nil {
				t.Fatal(err)
			}
		}
		for _, format := range []string{CSVFormat, MarkdownFormat, CastFormat} {
			if err := Write(&b, format, lesson("made"), lines, o); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// What is to be tried next can be tried.
func TestNextCanBeTyped(t *testing.T) {
	for name, command := range next {
		words := strings.Fields(command)
		l, _, ok := lab.Find(name)
		if !ok || words[1] != name {
			t.Errorf("%s: %s", name, command)
		}
		given := lab.Settings{}
		for i, w := range words {
			if s, ok := strings.CutPrefix(w, "--"); ok && s != "width" {
				given[s], _, _ = strings.Cut(words[i+1], "..")
			}
		}
		if _, err := l.ClaimWith(given); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
}

// FuzzRead reads files that somebody made up.
func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"k\":\"run\",\"v\":1}\n{\"k\":\"end\"}\n"))
	f.Add([]byte("{\"k\":\"frame\"}\n"))
	f.Add([]byte("\x00\n{"))
	f.Fuzz(func(t *testing.T, file []byte) {
		runs, err := Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		for _, lines := range runs {
			fits(t, joined(Table(lab.Lesson{}, lines, Options{Width: 60})), Options{Width: 60})
		}
	})
}
