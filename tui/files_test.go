package tui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/room"
)

// A file that is offered rings, and stays in sight until it is answered; what is
// under way has a bar, and whoever leaves meanwhile is asked.
func TestFilesAreSeen(t *testing.T) {
	b := newBench(t, Options{ASCII: true}, 80, 24)
	b.sits(1, "physics")
	b.took()
	f := room.File{N: 3, ID: "a", Name: "notes.txt", Size: 1000}
	b.files(f, room.FileOffered, false)
	if got := b.took(); !strings.Contains(got, "doRing") {
		t.Errorf("an offer does not ring: %s", got)
	}
	for range 30 {
		b.says(1, room.Event{Type: room.Message, From: "ben", Text: "and on"})
	}
	b.sees("ben offers you notes.txt (1 kB): /take 3 or /refuse 3")
	b.files(f, room.FileTaken, false)
	f.Bytes = 500
	b.files(f, room.FileProgress, false)
	b.sees("notes.txt from ben: 50 % of 1 kB [###############...............]")
	b.took()
	b.tell(actionMsg{win: 1, action: room.Action{Do: "quit"}})
	if got := b.took(); got != "" {
		t.Errorf("left in the middle of a file: %s", got)
	}
	f.Path = "/home/ana/notes.txt"
	b.files(f, room.FileDone, false)
	b.sees("checked: /home/ana/notes.txt")
	if strings.Contains(b.screen(), "####") {
		t.Error("the bar stays")
	}
}

// What was typed is there another day, but no password, and nothing after a space.
func TestPastOutlivesTheProgram(t *testing.T) {
	name := filepath.Join(t.TempDir(), "typed")
	s := newShell(t.Context(), Options{Past: name}, nil)
	s.own(func() { s.keepPast(name) })
	b := &bench{t: t, model: s.m}
	b.sits(1, "physics")
	b.sits(2, "secrets") // which keeps nothing
	b.current().edit.set("not for the disk")
	b.press("enter")
	b.show(0)
	b.current().ready.Kept = true
	for _, line := range []string{"first", "two\nlines", "/password hunter2", " hidden", "last"} {
		b.current().edit.set(line)
		b.press("enter")
	}
	s.effects(b.effects)
	s.cancel()
	s.tasks.Wait()
	if got := strings.Join(loadPast(name), "|"); got != "first|two\nlines|last" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(name); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	var long []byte
	for range 5 * maxPast {
		long = append(long, pastLine(strings.Repeat("x", 400))...)
		long = append(long, pastLine("y")...)
	}
	os.WriteFile(name, append(long, "broken\n"...), 0o600)
	if got := loadPast(name); len(got) != maxPast {
		t.Errorf("%d lines", len(got))
	}
	if info, err := os.Stat(name); err != nil || info.Size() > maxPastFile {
		t.Errorf("%v %v", info.Size(), err)
	}
}

// Scrolling, counters and files leave room for the talk on the smallest screen.
func TestSmallestScreen(t *testing.T) {
	b := newBench(t, Options{}, 20, 5)
	b.sits(1, "physics")
	b.files(room.File{N: 1, ID: "a", Name: "waves.pdf", Size: 3 << 20}, room.FileOffered, false)
	b.says(1, room.Event{Type: room.Message, From: "ben", Text: "hello there", At: noon.Add(time.Minute)})
	b.types("an answer")
	b.sees("hello there", "> an answer")
}
