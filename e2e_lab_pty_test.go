//go:build linux && !nolab

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/lab"
)

// On a terminal the quiz asks, takes no for an answer, runs, and counts.
func TestLabQuizAsks(t *testing.T) {
	t.Parallel()
	term := loopback(t).onTerminal("quiz", []string{"LC_ALL=C.UTF-8"}, "lab", "quiz")
	first := lab.Lessons[0]
	term.shows(first.Name)
	term.shows("Your answer (a-")
	term.types("z\n")
	term.shows("a letter from a to")
	term.types(string(rune('a'+first.Question.Right)) + "\n")
	term.shows("Right")
	term.shows("PASS")
	term.shows("Enter for lesson 2 of")
	term.types("\n")
	term.shows(lab.Lessons[1].Name)
	term.types("\n") // skipped
	term.shows("Answer")
	term.types("\x04")
	term.shows("1 of 1 right.")
	<-term.done
	if err := term.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// What passes by slowly can be stopped, and leaves the terminal as it was.
func TestLabSpeedStops(t *testing.T) {
	t.Parallel()
	term := loopback(t).onTerminal("speed", []string{"LC_ALL=C.UTF-8"}, "lab", "run", "holblocking", "--speed", "0.01")
	term.shows("connect")
	term.types("\x03")
	<-term.done
	term.cmd.Wait()
	if code := term.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(string(term.screen), "PASS") || strings.Contains(string(term.screen), "parley:") {
		t.Errorf("%q", term.screen)
	}
}

// Where the program cannot start itself, no lesson can be run, and it says so.
func TestLabImpossible(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"run 6": 3, "verify": 3, "sweep 6 --every 5ms,20ms": 3, "doctor": 1} {
		dir := t.TempDir()
		all, err := os.ReadFile(program(t))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "parley"), all, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec 3<parley; rm parley; exec /proc/self/fd/3 lab "+args)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want || !strings.Contains(string(out), "could not be started") {
			t.Errorf("%s: exit code %d\n%s", args, code, out)
		}
	}
}
