//go:build linux

package main_test

// A password that is typed on a terminal.

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// unseen fails the test if any of the words was ever on the screen.
func (term *terminal) unseen(words ...string) {
	term.t.Helper()
	term.mu.Lock()
	defer term.mu.Unlock()
	for _, w := range words {
		if strings.Contains(string(term.screen), w) {
			term.t.Errorf("%s's screen shows %q", term.name, w)
		}
	}
}

// A person is asked, unseen, and again after a slip; on the host's side twice.
func TestPasswordIsAskedFor(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	args := []string{"host", "physics", "--lines", "--password", "--nick", "ana", "--port", strings.TrimPrefix(b.addr(), "127.0.0.1:")}
	ana := b.onTerminal("ana", []string{"TERM=xterm"}, args...) // with an editor, which hides what is typed
	ana.shows("New password of physics: ")
	ana.types("hunter2\n")
	ana.shows("The same again: ")
	ana.types("hunter3\n")
	ana.shows("two different ones")
	ana.shows("New password of physics: ")
	ana.types("hunter2\n")
	ana.shows("The same again: ")
	ana.types("hunter2\n")
	ana.shows("open to those who know the password")

	ben := b.onTerminal("ben", nil, "join", b.addr(), "--plain", "--nick", "ben")
	ben.shows("Password of physics: ")
	ben.types("hunter1\n")
	ben.shows("the password is wrong")
	ben.shows("Password of physics: ")
	ben.types("hunter2\n")
	ana.shows("ben")
	ben.shows("/help lists")
	ben.types("hello\n")
	ana.shows("hello")
	ana.types("/password hunter4\r")
	ben.shows("changed the password")
	ana.unseen("hunter")
	ben.unseen("hunter")

	cyn := b.onTerminal("cyn", nil, "join", b.addr(), "--plain", "--nick", "cyn", "--transport", "tcp")
	cyn.shows("Password of physics: ")
	cyn.types("hunter2\n")
	cyn.shows("wrong")
	cyn.types("\n") // gives up
	cyn.exits(4)
	cyn.unseen("hunter")
}

// Whoever interrupts the question gets a terminal back that shows what is typed.
func TestPasswordQuestionIsInterrupted(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics", "--password-file", b.written("good", secret, 0o600))
	ben := b.onTerminal("ben", nil, "join", b.addr(), "--plain", "--nick", "ben")
	ben.shows("Password of physics: ")
	ben.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-ben.done:
	case <-time.After(patience):
		t.Fatal("still there")
	}
	ben.cmd.Wait()
	if code := ben.cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d", code)
	}
}
