//go:build linux

package main_test

import (
	"regexp"
	"strings"
	"testing"
)

// In the lobby, two rooms that look alike are told apart by their keys, Enter
// alone picks neither, and the one that is picked is the one that is joined.
func TestTerminalLobbyTwins(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	keys := make(map[string]*proc)
	for name, room := range map[string]string{"ana": "physics", "eve": "рhysics"} { // the second begins in Cyrillic
		own := *b
		own.port = freePort(t)
		p := own.host(name, room)
		keys[p.sees("ready", kind("ready")).Key[:8]] = p
	}
	term := b.onTerminal("ben", nil, "--plain")
	term.shows("key ")
	term.shows("key ")
	term.shows("to host a room: ") // and nothing is offered
	term.types("\n")
	term.shows("to host a room: ")
	term.types("1\n")
	term.shows("Your name")
	term.mu.Lock()
	first := regexp.MustCompile(` 1  \S+.*\r\n +key (\S{8})  (\w+ ){7}\w+\r\n`).FindStringSubmatch(string(term.screen))
	term.mu.Unlock()
	if first == nil {
		t.Fatal("the words of the first are not shown below it")
	}
	term.types("ben\n")
	term.shows("first time in")
	keys[first[1]].await("ben", comes("ben"))
}

// Rooms that are known, and strangers under their names, are marked in the
// lobby, and a stranger that is picked is refused.
func TestTerminalLobbyMarks(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--headless")
	b.once("ben", "", "send", "physics", "hi", "--nick", "ben")
	term := b.onTerminal("ben", nil, "--plain")
	term.shows("encrypted, known")
	term.shows("[1]")
	term.types("\x04")
	term.exits(0)
	ana.kill()
	b.host("eve", "physics")
	term = b.onTerminal("ben", nil, "--plain")
	term.shows("OTHER KEY")
	term.shows("to host a room: ")
	term.types("1\n")
	term.shows("Your name")
	term.types("ben\n")
	term.shows("physics has another key than before")
	term.shows("parley pins accept physics")
	term.exits(4)
}

// On a terminal with colours and more than ASCII, /link draws the code for
// cameras, black on white; elsewhere there is the link alone.
func TestTerminalLink(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	link := b.host("ana", "physics").sees("ready", kind("ready")).Link
	for _, c := range []struct {
		name  string
		env   []string
		drawn bool
	}{
		{"colour", []string{"TERM=xterm-256color", "LANG=C.UTF-8"}, true},
		{"ascii", []string{"TERM=xterm-256color", "LANG=C"}, false},
		{"monochrome", []string{"TERM=xterm-256color", "LANG=C.UTF-8", "NO_COLOR=1"}, false},
		{"dumb", []string{"TERM=dumb", "LANG=C.UTF-8"}, false},
	} {
		term := b.onTerminal(c.name, c.env, "join", b.addr(), "--lines", "--nick", c.name)
		term.shows("you are " + c.name)
		term.types("/link\r")
		term.shows("its key: ")
		term.mu.Lock()
		screen := string(term.screen)
		term.mu.Unlock()
		rows := drawn(strings.Split(screen, "\n"))
		if c.drawn != (len(rows) >= 15) || !c.drawn && len(rows) > 0 {
			t.Errorf("%s: %d rows of a code", c.name, len(rows))
		}
		if c.drawn && !strings.Contains(screen, "\x1b[38;5;16;48;5;231m") {
			t.Errorf("%s: the code is not black on white", c.name)
		}
		if !strings.Contains(strings.ReplaceAll(screen, "\r\n", ""), link[:40]) {
			t.Errorf("%s: no link", c.name)
		}
		term.types("\x04")
		term.exits(0)
	}
}
