//go:build !nolab

package own

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/lab"
	"parley/lab/wire"
	"parley/text"
)

// try runs a transport and returns what it tells.
func try(t *testing.T, source string, s lab.Settings) (lines []lab.Line, err error) {
	t.Helper()
	err = Do(wire.Test(t), lab.Request{Own: source, Settings: s}, func(l lab.Line) { lines = append(lines, l) })
	return lines, err
}

// rows returns the rows of a table, by wire and by whom.
func rows(lines []lab.Line, name string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, l := range lines {
		if l.K == "row" && l.Name == name {
			row := map[string]string{}
			for i, c := range l.Cells {
				row[scoreCols[i]] = c
			}
			all[row["wire"]+" "+row["by"]] = row
		}
	}
	return all
}

// seeds is the settings with as many as there is time for: the race detector
// takes ten times as long.
func seeds() lab.Settings {
	if raced {
		return lab.Settings{"seeds": "1"}
	}
	return nil
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Errorf("%v", err)
	}
	return x
}

func last(lines []lab.Line) lab.Line { return lines[len(lines)-1] }

// TestHope has send and hope be what bare UDP is.
func TestHope(t *testing.T) {
	lines, err := try(t, hope, seeds())
	if err != nil {
		t.Fatal(err)
	}
	score, beside := rows(lines, "score"), rows(lines, "rivals")
	for _, w := range wires {
		mine, bare := score[w.Name+" yours"], beside[w.Name+" bare UDP"]
		for _, col := range []string{"missing", "doubled", "invented", "disordered", "p99 ms", "datagrams", "bytes", "verdict"} {
			if mine[col] != bare[col] {
				t.Errorf("%s: %s %s, and of bare UDP %s", w.Name, col, mine[col], bare[col])
			}
		}
		for _, rival := range []string{"parley", "TCP"} {
			if r := beside[w.Name+" "+rival]; r["verdict"] != good {
				t.Errorf("%s by %s: %v", w.Name, rival, r)
			}
		}
	}
	for wire, verdict := range map[string]string{"clean": good, "loss 5%": "loses", "loss 20%": "loses", "shuffle": "doubles, disorders", "burst 30%": "loses"} {
		if got := score[wire+" yours"]["verdict"]; got != verdict {
			t.Errorf("%s: %s, want %s", wire, got, verdict)
		}
	}
	if end := last(lines); end.OK || end.Verdict != "FAIL" {
		t.Errorf("%+v", end)
	}
}

// TestStopAndWait is right everywhere, and slow everywhere.
func TestStopAndWait(t *testing.T) {
	lines, err := try(t, stopAndWait, seeds())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wires {
		mine, ours := rows(lines, "score")[w.Name+" yours"], rows(lines, "rivals")[w.Name+" parley"]
		ratio := number(t, mine["p99 ms"]) / number(t, ours["p99 ms"])
		t.Logf("%s: p99 %.1f times ours, bytes %.2f times", w.Name, ratio, number(t, mine["bytes"])/number(t, ours["bytes"]))
		if mine["verdict"] != good || ratio < 10 && !raced {
			t.Errorf("%s: %v", w.Name, mine)
		}
	}
	if end := last(lines); !end.OK || end.Verdict != "PASS" {
		t.Errorf("%+v", end)
	}
}

// TestSelective is right everywhere, and about as fast as our own transport.
func TestSelective(t *testing.T) {
	lines, err := try(t, selective, seeds())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wires {
		mine, ours := rows(lines, "score")[w.Name+" yours"], rows(lines, "rivals")[w.Name+" parley"]
		ratio := number(t, mine["p99 ms"]) / number(t, ours["p99 ms"])
		t.Logf("%s: p99 %.1f times ours, bytes %.2f times", w.Name, ratio, number(t, mine["bytes"])/number(t, ours["bytes"]))
		if mine["verdict"] != good || !raced && (ratio > 2.5 || number(t, mine["bytes"]) > 1.2*number(t, ours["bytes"])) {
			t.Errorf("%s: %v; ours %v", w.Name, mine, ours)
		}
	}
}

// TestManySeeds has the two that claim to be right be so on many more.
func TestManySeeds(t *testing.T) {
	many := "20"
	if raced {
		many = "2"
	}
	for i, source := range []string{stopAndWait, selective} {
		lines, err := try(t, source, lab.Settings{"seed": "1000", "seeds": many, "messages": "60", "ours": "no"})
		if err != nil {
			t.Fatal(err)
		}
		if end := last(lines); !end.OK {
			t.Errorf("example %d: %v", i+2, rows(lines, "score"))
		}
	}
}

// TestRepeats has the same file and seed give the same bytes, and each other seed
// others.
func TestRepeats(t *testing.T) {
	seen := map[string]bool{}
	var told string
	for range 10 {
		lines, err := try(t, selective, lab.Settings{"seeds": "1", "ours": "no", "messages": "50"})
		if err != nil {
			t.Fatal(err)
		}
		seen[last(lines).Fingerprint] = true
		if all := fmt.Sprint(lines); told != "" && all != told {
			t.Error("it tells something else")
		} else {
			told = all
		}
	}
	if len(seen) != 1 {
		t.Errorf("%v", seen)
	}
	lines, err := try(t, selective, lab.Settings{"seeds": "1", "seed": "8", "ours": "no", "messages": "50"})
	if err != nil || seen[last(lines).Fingerprint] {
		t.Errorf("another seed: %v, %v", last(lines).Fingerprint, err)
	}
}

// TestFaults has mistakes be where they are, with what to do.
func TestFaults(t *testing.T) {
	const rest = "\ndef on_datagram(data):\n    pass\n"
	for _, c := range []struct{ source, at, hint string }{
		{"def on_say(text):\n    sned(text)\n" + rest, "own.star:2:5: undefined: sned", "misspelt"},
		{"import time\n", "own.star:1:1: got 'import'|own.star:1:1", "Starlark, a smaller Python"},
		{"n = 0\ndef on_say(text):\n    n += 1\n" + rest, "own.star:3:5: local variable n referenced before assignment", "state.next"},
		{"def on_say(text):\n    state.n += 1\n" + rest, "own.star:2:10: state has no n", "on_start|set it"},
		{"def on_say(text):\n    x = {}\n    x[text] = x[7]\n" + rest, "own.star:3:16: key 7 not in dict", "comes twice, or late"},
		{"def on_say(text):\n    send(7)\n" + rest, "own.star:2:9: send: want text, got int", ""},
		{"def on_say(text):\n    send(\"7\" + 8)\n" + rest, "own.star:2:14: unknown binary op: string + int", "str(n)"},
		{"def on_say(text):\n    set_timer(1, 10)\n" + rest, "own.star:2:14: set_timer: there is no on_timer(name)", ""},
		{"def on_say(text):\n    send(text)\ndef on_datagram(data):\n    unpack(data)\n", "own.star:4:11: unpack: this datagram was not made by pack", "the other end"},
		{"def on_say():\n    pass\n" + rest, "own.star:1:1: on_say takes 0 values; it is called as on_say(text)", ""},
		{"def on_say(text):\n    pass\n", "own.star: there is no function on_datagram(data)", "--example 1"},
		{"send(\"x\")\n", "own.star:1:5: send: only inside of a callback", ""},
		{"def on_say(text):\n  if 1\n    pass\n" + rest, "own.star:3:1: got newline, want ':'", ""},
		{"def on_say(text):\n    fail(\"no\", 1)\n" + rest, "own.star:2:9: fail: no 1", ""},
	} {
		_, err := try(t, c.source, lab.Settings{"seeds": "1", "ours": "no"})
		var f *Fault
		if !errors.As(err, &f) {
			t.Errorf("%q: %v", c.source, err)
			continue
		}
		if !anyOf(err.Error(), c.at) || !anyOf(err.Error(), c.hint) {
			t.Errorf("%s\nwant %s, %s", err, c.at, c.hint)
		}
	}
}

// anyOf tells whether a text has one of those in it that have | between them.
func anyOf(s, of string) bool {
	for one := range strings.SplitSeq(of, "|") {
		if strings.Contains(s, one) {
			return true
		}
	}
	return false
}

// TestFaultSays has an error show the line, what it is about, and the log.
func TestFaultSays(t *testing.T) {
	_, err := try(t, "def on_say(text):\n\tlog(\"saying\", text)\n\tx = text + 1\ndef on_datagram(data):\n\tpass\n", lab.Settings{"file": "/tmp/mine.star", "wire": "loss=5%"})
	const want = `mine.star:3:11: unknown binary op: string + int
    3 |  x = text + 1
      |           ^
  in on_say, on A at 100 ms, wire loss=5%, seed 7
  make text of a number with str(n), or send several values with pack(n, text)
  log:   100 ms A  saying A#1 hello`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

// TestSettings has impossible ones say which it is, and why.
func TestSettings(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"wire", "loss=120%", "want a share"},
		{"wire", "loss=100%", "nothing would ever arrive"},
		{"wire", "bad", "one of: clean, loss 5%"},
		{"wire", "loss=5%,bad", "want NAME=VALUE"},
		{"wire", "burst=95%", "burst: want"},
		{"wire", "burst=NaN%", "burst: want"},
		{"wire", "wings=2", "no such setting"},
		{"wire", "mtu=900", "means nothing"},
		{"wire", "loss=A>B:2%", "both ways"},
		{"wire", "delay=10ms+-20ms", "before they are sent"},
		{"seed", "x", "whole number"},
		{"seeds", "0", "from 1 to 20"},
		{"messages", "1001", "from 1 to 1000"},
		{"every", "1us", "want a time"},
		{"color", "red", "means nothing"},
	} {
		_, err := try(t, hope, lab.Settings{c.name: c.value})
		if field, ok := lab.Misused(err); !ok || field == "own" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s: %v, want %s", c.name, c.value, err, c.want)
		}
	}
}

// TestWords has everything that is said arrive as it is.
func TestWords(t *testing.T) {
	said := newTalk(100, defaultEvery)
	if seen := map[string]int{}; len(said.of("A")) != 50 || len(said.of("B")) != 50 {
		t.Error("they do not take turns")
	} else {
		for _, w := range said.texts {
			seen[w]++
		}
		if seen["ok"] < 10 || len(seen) < 80 {
			t.Errorf("%v", seen)
		}
	}
}

// TestJudge scores what is shown.
func TestJudge(t *testing.T) {
	talk := talk{every: time.Second, texts: []string{"a", "x", "ok", "y", "ok", "z", "b", "w"}}
	for _, c := range []struct{ shows, want string }{
		{"a ok ok b", "0 0 0 0"},
		{"a ok b", "1 0 0 0"},
		{"a ok ok ok b", "0 1 0 0"},
		{"ok a ok b", "0 0 0 1"},
		{"a b ok ok", "0 0 0 2"},
		{"a a ok ok b", "0 1 0 0"},
		{"a ok ok b c x", "0 0 2 0"}, // x is what B said itself
		{"", "4 0 0 0"},
	} {
		j := newJudge(talk)
		for i := range talk.texts {
			j.say(speaker(i+1), i+1, 0)
		}
		for _, w := range strings.Fields(c.shows) {
			j.show("B", w, 1)
		}
		for _, w := range []string{"x", "y", "z", "w"} {
			j.show("A", w, 1)
		}
		s := j.score()
		if got := fmt.Sprint(s.Missing, s.Doubled, s.Invented, s.Disordered); got != c.want {
			t.Errorf("%s: %s, want %s", c.shows, got, c.want)
		}
	}
}

// TestNoisy has who sends without end fail, though nothing else is wrong.
func TestNoisy(t *testing.T) {
	const noisy = `
def on_start():
    set_timer("beat", 500)
def on_timer(name):
    send("beat")
    set_timer("beat", 500)
def on_say(text):
    send("=" + text)
def on_datagram(data):
    if data[0] == "=":
        deliver(data[1:])
`
	lines, err := try(t, noisy, lab.Settings{"wire": "clean", "seeds": "2"})
	if err != nil {
		t.Fatal(err)
	}
	if v := rows(lines, "score")["clean yours"]["verdict"]; v != "never rests" || last(lines).OK {
		t.Errorf("%s, %+v", v, last(lines))
	}
	// A timer that sends nothing disturbs nobody.
	lines, err = try(t, strings.Replace(noisy, `send("beat")`, "pass", 1), lab.Settings{"wire": "clean", "seeds": "2"})
	if err != nil || !last(lines).OK {
		t.Errorf("%v, %+v", err, last(lines))
	}
}

// TestReport is at most 80 columns wide, and plain.
func TestReport(t *testing.T) {
	for i, x := range Examples {
		lines, err := try(t, regexp.MustCompile(`def on_say.*\n`).ReplaceAllString(x, "$0    log(\"said\", text)\n"), lab.Settings{"seeds": "1", "messages": "30"})
		if err != nil {
			t.Fatal(err)
		}
		report := Report("mine.star", lines)
		for _, row := range append(report, strings.Split(strings.TrimSpace(API), "\n")...) {
			if text.Width(row) > 80 || text.Clean(row) != row {
				t.Errorf("%d columns: %q", text.Width(row), row)
			}
		}
		all := strings.Join(report, "\n")
		for _, want := range []string{"Log of the run", "said A#1 hello", "burst 30%", "bare UDP", "exactly once and in order on", last(lines).Fingerprint} {
			if !strings.Contains(all, want) {
				t.Errorf("example %d: no %q in\n%s", i+1, want, all)
			}
		}
	}
	for name := range builtins {
		if !strings.Contains(API, name) && name != "str" && name != "repr" {
			t.Errorf("the API does not tell of %s", name)
		}
	}
}
