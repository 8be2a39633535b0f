//go:build !nolab

package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/lab/wire"
)

// hold holds a class that does what commands say, and returns its lines.
func hold(t *testing.T, settings Settings, commands ...Command) (lines []Line, printed string) {
	t.Helper()
	var in, out bytes.Buffer
	enc := json.NewEncoder(&in)
	enc.Encode(Request{Live: true, Settings: settings})
	for _, c := range commands {
		enc.Encode(c)
	}
	Answer(wire.Test(t), &in, &out)
	printed = out.String()
	if err := ReadLines(&out, func(l Line) error { lines = append(lines, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines, printed
}

// script is a class in which two people say things, one of which is lost.
func script() []Command {
	all := []Command{{Do: "join", Host: "blue heron"}, {Do: "join", Host: "red fox"}, {Do: "go", Until: time.Second}}
	for i := range 6 {
		who := []string{"blue heron", "red fox"}[i%2]
		all = append(all, Command{Do: "say", Host: who, Msg: i + 1, Text: fmt.Sprintf("number %d", i)},
			Command{Do: "go", Until: time.Second + time.Duration(i+1)*103*time.Millisecond})
		if i == 2 {
			all = append(all, Command{Do: "drop", Rule: "red fox>board:data#1"}, Command{Do: "drop", Rule: "red fox>board:data#2"}, Command{Do: "drop", Rule: "red fox>board:data#3"})
		}
		if i == 3 {
			all = append(all, Command{Do: "go", Until: 3 * time.Second}, Command{Do: "wire", Settings: Settings{"delay": "50ms"}})
			break
		}
	}
	all = append(all, Command{Do: "say", Host: "blue heron", Msg: 9, Text: "slower"}, Command{Do: "go", Until: 5 * time.Second},
		Command{Do: "leave", Host: "red fox"}, Command{Do: "go", Until: 6 * time.Second}, Command{Do: "end"})
	return all
}

// TestClass has each text arrive by each transport, but for the one that is lost
// by UDP, and comes later by the others.
func TestClass(t *testing.T) {
	lines, printed := hold(t, nil, script()...)
	took := map[string]time.Duration{}
	clocks := 0
	for _, l := range lines {
		switch l.K {
		case "msg":
			took[fmt.Sprint(l.Lane, l.Msgs[0])] = l.At - l.Sent
		case "error":
			t.Error(l.Text)
		case "clock":
			clocks++
		}
	}
	for _, msg := range []int{1, 2, 3} {
		for _, lane := range classLanes {
			if took[fmt.Sprint(lane, msg)] != 20*time.Millisecond {
				t.Errorf("message %d by %s took %v", msg, lane, took[fmt.Sprint(lane, msg)])
			}
		}
	}
	if _, ok := took["udp4"]; ok || took["tcp4"] < 200*time.Millisecond || took["parley4"] < 40*time.Millisecond || took["parley4"] > took["tcp4"] {
		t.Errorf("the lost one: %v", took)
	}
	for _, lane := range classLanes {
		if took[lane+"9"] != 50*time.Millisecond {
			t.Errorf("the last one by %s: %v", lane, took[lane+"9"])
		}
	}
	end := lines[len(lines)-1]
	if end.K != "end" || end.Fingerprint == "" || clocks != 8 {
		t.Errorf("it ends with %+v, after %d clocks", end, clocks)
	}
	t.Log(took)
	if shuffled {
		return
	}
	for range 5 {
		if _, again := hold(t, nil, script()...); again != printed {
			t.Fatal("the same commands gave another class")
		}
	}
}

// TestClassRefuses has commands that make no sense change nothing.
func TestClassRefuses(t *testing.T) {
	long := strings.Repeat("x", maxSaid+1)
	commands := []Command{
		{Do: "join", Host: "a"}, {Do: "join", Host: "a"}, {Do: "join", Host: "board"}, {Do: "join", Host: "x\x1b[2J"}, {Do: "join"},
		{Do: "say", Host: "nobody", Msg: 1, Text: "x"}, {Do: "say", Host: "a", Text: "x"}, {Do: "say", Host: "a", Msg: 1, Text: long},
		{Do: "say", Host: "a", Msg: 1, Text: "a\x021\x02b"}, {Do: "say", Host: "a", Msg: 1, Text: "two\nlines"},
		{Do: "leave", Host: "b"}, {Do: "dance"}, {Do: "drop", Rule: "nonsense"}, {Do: "wire", Settings: Settings{"loss": "200%"}},
		{Do: "go", Until: time.Hour}, {Do: "go", Until: time.Second}, {Do: "end"},
	}
	lines, _ := hold(t, nil, commands...)
	errors := 0
	for _, l := range lines {
		if l.K == "error" {
			errors++
			if strings.ContainsAny(l.Text, "\x1b\x02\n") {
				t.Errorf("%q", l.Text)
			}
		}
	}
	if errors != len(commands)-3 {
		t.Errorf("%d of %d were refused", errors, len(commands)-3)
	}
}

// TestClassOf30 has thirty people say ten things each on a cable that loses 5 %.
func TestClassOf30(t *testing.T) {
	var commands []Command
	for i := range 30 {
		commands = append(commands, Command{Do: "join", Host: fmt.Sprint("s", i)}, Command{Do: "go", Until: time.Duration(i+1) * 50 * time.Millisecond})
	}
	msg, at := 0, 5*time.Second
	for range 10 {
		for i := range 30 {
			msg++
			at += 17 * time.Millisecond
			commands = append(commands, Command{Do: "say", Host: fmt.Sprint("s", i), Msg: msg, Text: "hello"}, Command{Do: "go", Until: at})
		}
	}
	commands = append(commands, Command{Do: "go", Until: at + 20*time.Second}, Command{Do: "end"})
	begin := time.Now()
	lines, _ := hold(t, Settings{"loss": "5%"}, commands...)
	got := map[string]int{}
	for _, l := range lines {
		if l.K == "msg" && l.Copies == 1 {
			got[l.Lane]++
		}
		if l.K == "error" {
			t.Error(l.Text)
		}
	}
	t.Logf("%v in %v", got, time.Since(begin))
	if got[laneTCP] != 300 || got[laneParley] != 300 || got[laneUDP] > 299 || got[laneUDP] < 250 {
		t.Errorf("of 300: %v", got)
	}
}
