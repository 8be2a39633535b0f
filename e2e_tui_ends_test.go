//go:build linux

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

const leavesScreen = "\x1b[?1049l"

var inColour = []string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}

// cooked tells whether the terminal shows and edits what is typed, as a shell's does.
func (term *terminal) cooked() bool {
	var state syscall.Termios
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, term.master.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&state))); errno != 0 {
		term.t.Fatal(errno)
	}
	return state.Lflag&(syscall.ICANON|syscall.ECHO) == syscall.ICANON|syscall.ECHO
}

// Any terminal will do that knows what all do.
func TestFullScreenTerminals(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	for _, kind := range []string{"screen", "linux", "xterm", "vt100", "nobody-knows-this"} {
		term := watched(b.onTerminal(kind, []string{"TERM=" + kind, "LC_ALL=C", "NO_COLOR=1"}, "--nick", "ana"))
		term.sees("Rooms on this network", "listening ...")
		term.types("q")
		term.exits(0)
		for _, r := range string(term.screen) {
			if r > 0x7e {
				t.Errorf("%s: %q where only ASCII is shown", kind, r)
				break
			}
		}
		if strings.Contains(string(term.screen), "\x1b[3") {
			t.Errorf("%s: colours, though none are wanted: %q", kind, term.screen)
		}
	}
}

// However the program ends, the terminal is given back as it was.
func TestFullScreenGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	for name, end := range map[string]func(term *fullscreen){
		"term": func(term *fullscreen) { term.cmd.Process.Signal(syscall.SIGTERM) },
		"hup":  func(term *fullscreen) { term.cmd.Process.Signal(syscall.SIGHUP) },
		"q":    func(term *fullscreen) { term.types("q") },
	} {
		term := watched(b.onTerminal(name, inColour))
		term.sees("Rooms on this network")
		if term.cooked() {
			t.Errorf("%s: keys are not taken one by one", name)
		}
		end(term)
		term.shows(leavesScreen)
		if code := 130; name == "q" {
			term.exits(0)
		} else {
			term.exits(code)
		}
	}
}

// Why a room cannot be entered is on the normal screen, with the exit code that
// scripts know.
func TestFullScreenTellsWhy(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics")
	for _, c := range []struct {
		target, types, says string
		code                int
	}{
		{"chess", "", "no room called chess", 3},
		{fmt.Sprintf("127.0.0.1:%d", freePort(t)), "", "nobody answers", 5},
		{b.addr(), "\x1b", "is taken", 4},
		{b.addr(), "\x03", "", 130},
	} {
		term := watched(b.onTerminal("ben", inColour, "join", c.target, "--nick", "ana", "--transport", "tcp"))
		if c.types != "" {
			term.sees("taken")
			term.types(c.types)
		}
		term.shows(leavesScreen)
		term.shows(c.says)
		term.exits(c.code)
	}
	b.columns = 19
	term := b.onTerminal("cyn", inColour, "join", b.addr(), "--nick", "cyn")
	term.shows("too")
	term.shows("cyn")
	term.types("\x04")
	term.exits(0)
}

// A room with another key than before is entered when its words have been compared.
func TestFullScreenOtherKey(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--headless")
	b.once("ben", "", "send", "physics", "hi", "--nick", "ben")
	ana.kill()
	eve := b.host("eve", "physics")
	term := watched(b.onTerminal("ben", inColour, "--nick", "ben"))
	term.sees("OTHER KEY")
	term.types("\r")
	term.sees("another key than before", "now:", "Type accept")
	term.types("accept\r")
	eve.await("ben", comes("ben"))
	term.sees("ben (you)")
	term.resizes(3, 24)
	term.sees("too")
	term.types("typed blindly")
	term.resizes(80, 24)
	term.sees("> typed blindly")
	term.types("\r")
	eve.await("it", from("ben", "typed blindly"))
	term.types("/quit\r")
	term.exits(0)
	again := watched(b.onTerminal("ben", inColour, "join", b.addr(), "--nick", "ben"))
	again.sees("ben (you)", "typed blindly")
	again.types("\x1b[A\x1b[A")
	again.sees("> typed blindly") // typed in another life
	again.types("\x15/quit\r")
	again.exits(0)
}

// A file is offered, taken and there, all on the screen.
func TestFullScreenFile(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	dir := t.TempDir()
	term := watched(b.onTerminal("ben", inColour, "join", b.addr(), "--nick", "ben", "--downloads", dir))
	term.sees("ben (you)")
	ana.say("/send ben " + b.written("notes.txt", strings.Repeat("what was said about lenses\n", 1000), 0o644))
	term.sees("offers you notes.txt (27 kB): /take 1")
	term.types("/ta\t1\r")
	term.sees("checked:")
	if got, err := os.ReadFile(filepath.Join(dir, "notes.txt")); err != nil || len(got) != 27000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	term.types("/quit\r")
	term.exits(0)
}

// The first screen is there at once, and what is typed is seen at once while two
// hundred messages a second come in. Both are told; only what nobody could work
// with fails, for other tests run meanwhile.
func TestFullScreenFigures(t *testing.T) {
	b := loopback(t)
	var firsts []time.Duration
	for range 3 {
		began := time.Now()
		term := watched(b.onTerminal("ben", inColour, "--nick", "ben"))
		term.sees("Rooms on this network")
		firsts = append(firsts, time.Since(began))
		term.types("q")
		term.exits(0)
	}
	slices.Sort(firsts)
	t.Logf("FIGURE first screen after %v (median of %d; target 100ms)", firsts[1].Round(time.Millisecond), len(firsts))
	b.host("ana", "physics")
	term := watched(b.onTerminal("ben", inColour, "join", b.addr(), "--nick", "ben"))
	term.sees("ben (you)")
	const talkers = 3
	stop, ended := make(chan struct{}), make(chan struct{}, talkers)
	t.Cleanup(func() { // when the programs have ended, and so what is written to them
		for range talkers {
			<-ended
		}
	})
	defer close(stop)
	for i := range talkers {
		talker := b.join(fmt.Sprint("talker", i), b.addr())
		go func() {
			defer func() { ended <- struct{}{} }()
			tick := time.NewTicker(15 * time.Millisecond)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-tick.C:
					if _, err := fmt.Fprintf(talker.stdin, "message %d, which is about as long as what people say\n", n); err != nil {
						return
					}
				case <-stop:
					return
				}
			}
		}()
	}
	term.sees("message 20")
	var echoes []time.Duration
	line := ""
	for len(echoes) < 100 {
		letter := string(rune('a' + len(echoes)%26))
		if line += letter; len(line) > 60 {
			term.types("\x15")
			line = letter
		}
		began := time.Now()
		term.types(letter)
		term.sees("\n> " + line)
		echoes = append(echoes, time.Since(began))
	}
	slices.Sort(echoes)
	p99 := echoes[len(echoes)*99/100]
	t.Logf("FIGURE typing echo while 200 messages a second come in: p50 %v, p99 %v, worst %v (target p99 20ms)",
		echoes[len(echoes)/2].Round(100*time.Microsecond), p99.Round(100*time.Microsecond), echoes[len(echoes)-1].Round(100*time.Microsecond))
	if firsts[0] > 5*time.Second || p99 > 2*time.Second {
		t.Errorf("far too slow: %v, %v", firsts, p99)
	}
	if !strings.Contains(term.vt.String(), "talker") {
		t.Error("nothing came in meanwhile")
	}
}
