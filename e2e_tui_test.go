//go:build linux

package main_test

import (
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// resizes gives the terminal another size, as a window manager does.
func (f *fullscreen) resizes(columns, rows int) {
	f.t.Helper()
	f.mu.Lock()
	f.vt, f.fed, f.rest = newVT(columns, rows), len(f.screen), nil
	f.mu.Unlock()
	size := [4]uint16{uint16(rows), uint16(columns), 0, 0}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.master.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		f.t.Fatal(errno)
	}
}

// The full screen, as a newcomer uses it: a room is heard, Enter goes in, the name
// is taken, people talk, the host is gone and comes back, the window changes.
func TestFullScreen(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	term := watched(b.onTerminal("ben", []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}, "--nick", "ana"))
	term.sees("physics")
	term.types("\r")
	term.sees("taken")
	term.types("\x15ben\r") // what is suggested is wiped
	ana.await("ben", comes("ben"))
	term.sees("ben (you)")

	ana.say("welcome, ben")
	term.sees("welcome")
	term.types("hello\r")
	ana.await("his message", from("ben", "hello"))
	term.sees("✓✓")
	term.types("@an\t psst\r")
	ana.await("his whisper", func(l line) bool { return l.Type == "whisper" && l.From == "ben" })
	term.types("\x1b[200~one\ntwo\x1b[201~")
	term.sees("Paste")
	term.types("\r")
	ana.await("what he pasted", from("ben", "one\ntwo"))

	term.resizes(40, 12)
	term.sees("two ✓✓")
	term.types("half ")
	ana.say("a small screen")
	term.sees("small")
	term.types("a line\r")
	ana.await("the line", from("ben", "half a line"))
	term.resizes(100, 30)
	term.sees("half a line ✓✓", "a small screen")

	ana.kill()
	term.sees("LOST")
	term.types("kept for you\r")
	term.sees("unsent")
	again := b.host("ana", "physics")
	again.await("what was said meanwhile", from("ben", "kept for you"))
	term.sees("connected again", "kept for you ✓")

	term.types("/sea\tkept\r")
	term.sees("said with")
	term.types("\r") // closes it
	term.types("/quit\r")
	term.exits(0)
}

// The terminal is given back as it was, and a room that wants a password asks on
// the screen.
func TestFullScreenPassword(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	secret := b.written("secret", "sesame\n", 0o600)
	ana := b.host("ana", "staff", "--password-file", secret)
	term := watched(b.onTerminal("ben", []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}, "join", b.addr(), "--nick", "ben"))
	term.sees("wants")
	term.types("wrong\r")
	term.sees("wrong")
	term.types("sesame\r")
	ana.await("ben", comes("ben"))
	term.sees("ben (you)")
	term.types("\x03")
	term.sees("Ctrl-C again leaves")
	term.types("\x03")
	term.exits(0)
	term.seen = 0
	term.shows("\x1b[?1049l") // the screen that was there before
}

// On the full screen the lanes stand above the talk.
func TestFullScreenLanes(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	term := watched(b.onTerminal("ana", []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}, "host", "demo", "--nick", "ana", "--lanes",
		"--port", strconv.Itoa(b.port)))
	term.sees("nobody is here yet")
	ben := b.join("ben", b.addr(), "--transport", "udp")
	ben.say("hello")
	term.sees("UDP ben", "ben: hello", "messages")
	term.types("/impair loss=30%\r")
	term.sees("impair  loss=30%")
	term.types("/impair loss=much\r")
	term.sees("nothing has changed", "impair  loss=30%")
	term.types("\x1bOQ") // F2
	term.sees("ben: hello")
	term.types("/lanes stop\r")
	term.sees("STOPPED")
	term.types("/quit\r/quit\r") // others are here: it may ask
	term.exits(0)
}
