//go:build !nolab

package main_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"parley/lab"
	"parley/text"
)

// labs runs parley lab with args, in a directory, without a terminal.
func labs(t *testing.T, dir string, args ...string) (out, talk string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t), append([]string{"lab"}, args...)...)
	cmd.Dir = cmp.Or(dir, t.TempDir())
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// Each command does what it says, and says it in lines of 80 columns.
func TestLabCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		says []string
	}{
		{"", []string{"parley lab run holblocking", "parley lab quiz", "three-way handshake"}},
		{"list", []string{"handshake", "holblocking"}},
		{"show 6", []string{"holblocking", "Question", "--delay=20ms", "parley lab run holblocking"}},
		{"show plan", []string{"50 minutes", "exit ticket"}},
		{"run holblocking", []string{"PASS", "!80", "tcp.analysis.retransmission", lab.Golden()["holblocking"]}},
		{"run HANDSHAKE -o sequence", []string{"SYN+ACK", "connect ok", "accept ok", "reads the end", "►", "PASS"}},
		{"run 6 -o timeline", []string{"r5-8", "(6)", "#5x", "innocent"}},
		{"run 6 -o timeline --width 120 --lane udp", []string{"what programs read", "1 2 3 4 6 7 8 9"}},
		{"run 6 -o members", []string{"(5 never came)", "(!80)", "missing 1"}},
		{"run 6 -o md", []string{"# Lesson 6: holblocking", "| check | got | want |"}},
		{"run 6 -o cast", []string{`{"version":2`, `"o",`}},
		{"run 6 --drop none", []string{"INFO", "it cannot fail"}},
		{"run 6 --drop none --messages 500 --loss 2%", []string{"<=20", "a column is", "▁"}},
		{"run 6 --lane udp -o sequence --from 60ms --to 130ms", []string{"o5", "lost: rule"}},
		{"run handshake --seeds 1..3", []string{"median", "3 of 3"}},
		{"run handshake --seed random", []string{"run "}},
		{"sweep 6 --every 5ms..20ms/5ms", []string{"by every", "15ms", "innocent"}},
		{"sweep 6 --delay 5ms,20ms -o md", []string{"| delay |", "| 20ms |"}},
		{"quiz 6", []string{"Message 5 is lost once", "a ■"}},
		{"quiz 6 --answer b", []string{"✓ Right", "PASS"}},
		{"quiz 6 --answer a", []string{"It is b", "PASS"}},
		{"verify handshake 6 --repeat 3", []string{"PASS", "2 of 2", "6 runs"}},
		{"verify 3 -o md", []string{"| 3 | handshake | PASS |", "1 of 1"}},
	} {
		out, talk, code := labs(t, "", strings.Fields(c.args)...)
		if code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", c.args, code, out, talk)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in\n%s", c.args, want, out)
			}
		}
		most := 80
		switch {
		case strings.Contains(c.args, "-o md"), strings.Contains(c.args, "-o cast"):
			continue
		case strings.Contains(c.args, "120"):
			most = 120
		}
		for l := range strings.Lines(out) {
			if w := text.Width(strings.TrimSuffix(l, "\n")); w > most {
				t.Errorf("%s: %d columns: %s", c.args, w, l)
			}
		}
	}
}

// What is for programs can be read by programs.
func TestLabJSON(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"list", "show 6", "show plan", "run 6", "run handshake --seeds 1..2", "sweep 6 --every 5ms,20ms", "quiz 6", "verify 3", "doctor", "run nothing", "run 6 --loss much"} {
		out, talk, _ := labs(t, "", append(strings.Fields(args), "--json")...)
		if talk != "" || out == "" {
			t.Errorf("%s: %q", args, talk)
		}
		for l := range strings.Lines(out) {
			var v struct{ K, Type string }
			if err := json.Unmarshal([]byte(l), &v); err != nil || v.K+v.Type == "" {
				t.Errorf("%s: %v: %s", args, err, l)
			}
		}
	}
	out, _, _ := labs(t, "", "run", "6", "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) < 49 || strings.Join(rows[0], " ") != "lesson seed transport host msg sent_ns read_ns wait_ns copies lost late innocent" {
		t.Errorf("%v, %d rows", err, len(rows))
	}
	for _, r := range rows {
		if r[2] == "tcp" && r[4] == "5" && (r[7] != "80000000" || r[10] != "true") {
			t.Error(r)
		}
	}
}

// Whatever cannot be done is refused: with the reason, and with what to do.
func TestLabRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"there.csv":    "",
		"broken.jsonl": "{\"k\":\"run\",\"v\":1,\"lesson\":\"handshake\"}\n{\"k\":\"frame\",\"t\":\n",
		"chat.jsonl":   "{\"type\":\"message\"}\n",
		"later.jsonl":  "{\"k\":\"run\",\"v\":7}\n",
		"empty.jsonl":  "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		says []string
	}{
		{"run holbloking", 2, []string{"did you mean holblocking?", "parley lab list"}},
		{"run \x1b[2J", 2, []string{"no lesson", "parley lab list"}},
		{"show 99", 2, []string{"no lesson"}},
		{"quiz handshak", 2, []string{"did you mean handshake?"}},
		{"verify handshake nothing", 2, []string{"no lesson"}},
		{"holblocking", 2, []string{"parley lab run holblocking"}},
		{"run 6 --loss 200%", 2, []string{"--loss=200%", "0% to 100%"}},
		{"run 6 --loss 100%", 2, []string{"nothing would ever arrive"}},
		{"run 6 --delay 5ms+-9ms", 2, []string{"jitter"}},
		{"run 6 --size 100", 2, []string{"--size=100", "means nothing in lesson holblocking", "--delay"}},
		{"run 6 --drop A>B:data#500", 2, []string{"nothing matched"}},
		{"run 6 --drop A:data", 2, []string{"FROM>TO"}},
		{"run 6 --seed x", 2, []string{"--seed=x", "whole number"}},
		{"run 6 --seeds 9..1", 2, []string{"--seeds=9..1"}},
		{"run handshake --seeds 1..1000", 2, []string{"at most 100"}},
		{"run handshake --seeds 1..3 --seed 4", 2, []string{"one run, or many"}},
		{"run handshake --seeds 1..3 -o timeline", 2, []string{"-o timeline shows one run"}},
		{"run 6 --real", 2, []string{"virtual LAN"}},
		{"run 6 -o pdf", 2, []string{"--output"}},
		{"run 6 -o md --out x.csv", 2, []string{"x.csv is for csv"}},
		{"run 6 --out x.doc", 2, []string{"ending"}},
		{"run 6 --out x.txt -o csv", 2, []string{"for text"}},
		{"run 6 --out there.csv", 1, []string{"there is such a file", "--force"}},
		{"run 6 --out nowhere/x.csv", 1, []string{"nowhere"}},
		{"run 6 --capture wifi:A --out x.pcapng", 2, []string{"no such place", "tcp:A"}},
		{"run 6 --capture tcp --out x.pcapng", 2, []string{"which host"}},
		{"run 6 --width 7", 2, []string{"20 to 400"}},
		{"run 6 --from 2s --to 1s", 2, []string{"--from"}},
		{"run 6 --lane wifi", 2, []string{"no such lane", "there are: tcp"}},
		{"run 6 --speed 0.1 -o csv", 2, []string{"--speed"}},
		{"sweep 6", 2, []string{"range", "--size 1000..9000/500"}},
		{"sweep 7 --loss 0%..5%/0%", 2, []string{"the step is nothing", "0%..10%/2%"}},
		{"sweep 6 --every 5ms..20s/1ms", 2, []string{"more than 100"}},
		{"sweep 6 --every 20ms..5ms/1ms", 2, []string{"the first is more"}},
		{"sweep 6 --every 5ms..20ms/0ms", 2, []string{"the step"}},
		{"sweep 6 --delay 5ms,20ms --every 5ms,20ms", 2, []string{"one at a time"}},
		{"sweep 6 --transport udp,tcp", 2, []string{"--transport"}},
		{"sweep 6 --every 5ms..x", 2, []string{"--every=5ms..x"}},
		{"sweep 6 --every 5ms,20ms -o sequence", 2, []string{"-o sequence shows one run"}},
		{"quiz 6 --answer z", 2, []string{"a to "}},
		{"quiz --answer a", 2, []string{"one lesson"}},
		{"verify --repeat 0", 2, []string{"--repeat"}},
		{"replay nothing.jsonl", 1, []string{"nothing.jsonl", "--out FILE.jsonl"}},
		{"replay broken.jsonl", 1, []string{"broken.jsonl: line 2"}},
		{"replay chat.jsonl", 1, []string{"line 1 has no kind"}},
		{"replay later.jsonl", 1, []string{"later parley"}},
		{"replay empty.jsonl", 1, []string{"it is empty"}},
	} {
		out, talk, code := labs(t, dir, strings.Fields(c.args)...)
		if code != c.code || out != "" || !strings.HasPrefix(talk, "parley: ") || strings.Contains(talk, "\x1b") {
			t.Errorf("%s: exit code %d, %q, %q", c.args, code, out, talk)
		}
		for _, want := range c.says {
			if !strings.Contains(talk, want) {
				t.Errorf("%s: %q is missing in\n%s", c.args, want, talk)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "x.*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// A run that is saved and shown again is the same; one of other makers says so.
func TestLabSavesAndReplays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, talk, code := labs(t, dir, "run", "6", "--out", "run.jsonl"); code != 0 || out != "" || !strings.Contains(talk, lab.Golden()["holblocking"]) {
		t.Fatalf("exit code %d, %q, %q", code, out, talk)
	}
	for _, format := range []string{"table", "sequence", "timeline", "members", "csv", "md", "jsonl"} {
		one, _, _ := labs(t, dir, "run", "6", "-o", format)
		two, talk, code := labs(t, dir, "replay", "run.jsonl", "-o", format)
		if one != two || talk != "" || code != 0 {
			t.Errorf("%s: exit code %d, %q: it is not what was run", format, code, talk)
		}
	}
	if _, _, code := labs(t, dir, "run", "6", "--out", "run.jsonl", "--force", "--seed", "8"); code != 0 {
		t.Error("it is not replaced")
	}
	saved, err := os.ReadFile(filepath.Join(dir, "run.jsonl"))
	if err != nil || !bytes.Contains(saved, []byte(`"seed":8`)) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fail.jsonl"), regexp.MustCompile(`"verdict":"[A-Z]*"`).ReplaceAll(saved, []byte(`"verdict":"FAIL"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, code := labs(t, dir, "replay", "fail.jsonl"); code != 1 || !strings.Contains(out, " FAIL") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	old := regexp.MustCompile(`"engine":"[^"]*"`).ReplaceAll(saved, []byte(`"engine":"0/old\u001b[2J"`))
	old = bytes.ReplaceAll(old, []byte(`"host":"B"`), []byte(`"host":"\u001b]0;x\u0007"`))
	if err := os.WriteFile(filepath.Join(dir, "old.jsonl"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "sequence", "timeline", "members"} {
		out, talk, code := labs(t, dir, "replay", "old.jsonl", "-o", format)
		if code != 0 || !strings.Contains(talk, "0/old") || strings.ContainsAny(out+talk, "\x1b\x07") {
			t.Errorf("exit code %d, %q, %q", code, talk, out)
		}
	}
	if _, talk, code := labs(t, dir, "run", "handshake", "--capture", "tcp:B", "--out", "b.pcapng"); code != 0 {
		t.Errorf("exit code %d, %s", code, talk)
	}
	capture, err := os.ReadFile(filepath.Join(dir, "b.pcapng"))
	if err != nil || !bytes.HasPrefix(capture, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		t.Errorf("%v, %.8q", err, capture)
	}
}

// In another locale, on a simple terminal, or without colours, nothing is lost.
func TestLabPlain(t *testing.T) {
	t.Parallel()
	for _, env := range [][]string{{"LC_ALL=C", "TERM=xterm"}, {"LC_ALL=C.UTF-8", "TERM=dumb"}} {
		cmd := exec.CommandContext(t.Context(), program(t), "lab", "run", "6", "-o", "sequence")
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.Output()
		if err != nil || bytes.ContainsFunc(out, func(r rune) bool { return r > '~' }) || !bytes.Contains(out, []byte("#5 ---")) {
			t.Errorf("%v: %v\n%s", env, err, out)
		}
	}
}

// Two commands agree, and a proof that fails is told by the exit code.
func TestLabDoctor(t *testing.T) {
	t.Parallel()
	out, talk, code := labs(t, "", "doctor")
	if code != 0 || talk != "" || !strings.Contains(out, "repeats itself") || !strings.Contains(out, "All is well") {
		t.Errorf("exit code %d, %q\n%s", code, talk, out)
	}
}

// Every lesson proves what it claims, by the bytes that it always has.
func TestLabVerify(t *testing.T) {
	t.Parallel()
	out, talk, code := labs(t, "", "verify")
	if want := fmt.Sprintf("%d of %d in ", len(lab.Lessons), len(lab.Lessons)); code != 0 || talk != "" || !strings.Contains(out, want) {
		t.Errorf("exit code %d, %q\n%s", code, talk, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log("FIGURE lab verify:", lines[len(lines)-1])
}
