//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The configuration is read where the system has it, and a newcomer is told once
// what to do first: on a terminal, never in a pipe.
func TestConfigAndFirstSteps(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	path := filepath.Join(b.home("ana"), ".config", "parley", "parley.conf")
	if stdout, _, code := b.once("ana", "", "config", "--init"); code != 0 || stdout != path+"\n" {
		t.Fatalf("config --init: exit code %d, %q", code, stdout)
	}
	for _, args := range [][]string{{"rooms", "--wait", "1ms"}, {"rooms", "--wait", "1ms", "--json"}, {"config"}} {
		if stdout, stderr, _ := b.once("ana", "", args...); strings.Contains(stdout+stderr, "First time here") {
			t.Errorf("%v: %s%s", args, stdout, stderr)
		}
	}
	for i, args := range [][]string{{"--quiet"}, {}, {}} {
		term := b.onTerminal("ana", []string{"TERM=xterm"}, append([]string{"rooms", "--wait", "1ms"}, args...)...)
		<-term.done
		if said := strings.Contains(string(term.screen), "First time here? parley joins one of these"); said != (i == 1) {
			t.Errorf("start %d: the hint is there: %v", i, said)
		}
	}
	if err := os.WriteFile(path, []byte("nick = carla\nhistory = 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := b.host("bea", "physics")
	for _, c := range []struct {
		args []string
		nick string
	}{{nil, "carla"}, {[]string{"--nick", "dora"}, "dora"}, {[]string{"--config", "none", "--nick", "eve"}, "eve"}} {
		p := b.parley("ana", append([]string{"join", b.addr(), "--json"}, c.args...)...)
		if ready := p.await("ready", kind("ready")); ready.Nick != c.nick {
			t.Errorf("%v: ready as %q", c.args, ready.Nick)
		}
		p.stdin.Close()
		p.exits(0)
	}
	if err := os.WriteFile(path, []byte("nick = carla\n\nhistroy = 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := b.once("ana", "", "join", b.addr()); code != 2 || !strings.HasPrefix(stderr, "parley: "+path+":3: there is no key histroy; did you mean history?") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	host.lives()
}

// A shell offers the rooms that are heard, and never a name that it would take
// for something else.
func TestShellCompletesRooms(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("SKIPPED: bash is missing")
	}
	b := loopback(t)
	b.parley("ana", "host", "physics", "photo-7", "ph$(touch${IFS}x)", "ph;id", "--headless", "--json", "--port", "0").await("ready", kind("ready"))
	cmd := exec.Command("bash", "--norc", "-c", `source <("$0" completion bash)
COMP_WORDS=("$0" join ph); COMP_CWORD=2
for ((n = 0; n < 20; n++)); do
	_parley
	((${#COMPREPLY[@]} > 1)) && break
done
echo "${COMPREPLY[*]}"`, b.program)
	cmd.Dir = t.TempDir()
	cmd.Env = b.environ("ben")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "photo-7 physics\n" {
		t.Errorf("%v, %q", err, out)
	}
	if left, err := os.ReadDir(b.home("ben")); err != nil || len(left) > 0 {
		t.Errorf("a key was pressed, and %v was made (%v)", left, err)
	}
}
