//go:build !nolab

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// runOwn runs parley lab own, with a script if there is one.
func runOwn(t *testing.T, script string, args ...string) (out, talk string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mine.star")
	if script != "" {
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append([]string{file}, args...)
	}
	cmd := exec.Command(program(t), append([]string{"lab", "own"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(3*patience, func() { cmd.Process.Kill() })
	defer stop.Stop()
	cmd.Wait()
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// TestLabOwn has a student take an example, run it, break it, and look closer.
func TestLabOwn(t *testing.T) {
	t.Parallel()
	examples := map[string]string{}
	for _, n := range []string{"1", "2", "3"} {
		out, talk, code := runOwn(t, "", "--example", n)
		if code != 0 || talk != "" || !strings.HasPrefix(out, "# "+n+". ") {
			t.Fatalf("--example %s: exit code %d, %q\n%s", n, code, talk, out)
		}
		examples[n] = out
	}
	few := []string{"--seeds", "1", "--messages", "40"}
	for _, c := range []struct {
		name, script string
		args         []string
		code         int
		out, talk    string
	}{
		{"send and hope", examples["1"], few, 1, "exactly once and in order on 1 of 5 wires", ""},
		{"stop and wait", examples["2"], few, 0, "exactly once and in order on 5 of 5 wires", ""},
		{"selective", examples["3"], few, 0, "PASS", ""},
		{"one wire", examples["1"], append([]string{"--wire", "clean", "--alone"}, few...), 0, "1 of 1 wires", ""},
		{"a picture", examples["1"], append([]string{"--wire", "loss=30%", "-o", "sequence", "--alone"}, few...), 1, "lost by chance", ""},
		{"lines", examples["1"], append([]string{"--wire", "clean", "--json", "--alone"}, few...), 0, `{"k":"end","ok":true,"verdict":"PASS"`, ""},
		{"a mistake", "def on_say(text):\n    sedn(text)\n", few, 2, "", "mine.star:2:5: undefined: sedn"},
		{"a loop", "def on_say(text):\n    while True:\n        pass\ndef on_datagram(data):\n    pass\n", few, 2, "", "more than 500000 steps in one call"},
		{"too much", "def on_say(text):\n    x = \"a\" * 1000000\n    x.replace(\"\", x)\ndef on_datagram(data):\n    pass\n", few, 2, "", "MB of memory"},
		{"a wire", examples["1"], []string{"--wire", "loss=200%"}, 2, "", "want a share"},
		{"no file", "", nil, 2, "", "--example 1"},
		{"no such file", "", []string{"/nowhere/x.star"}, 2, "", "/nowhere/x.star"},
		{"all there is", "", []string{"--api"}, 0, "set_timer(name, ms)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, talk, code := runOwn(t, c.script, c.args...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(talk, c.talk) {
				t.Errorf("exit code %d, want %d\n%s\n%s", code, c.code, out, talk)
			}
		})
	}
}
