//go:build linux

package main_test

// What people see: the program on a terminal of its own.

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal is the program's keyboard and screen: what it wrote, byte for byte.
type terminal struct {
	t      testing.TB
	name   string
	master *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	screen []byte
	more   chan struct{}
	done   chan struct{}
	seen   int // where the next wait begins
}

// onTerminal runs the program on a terminal.
func (b *box) onTerminal(name string, env []string, args ...string) *terminal {
	b.t.Helper()
	master, slave := openTerminal(b.t, cmp.Or(b.columns, 80))
	cmd := b.command(b.program, args...)
	cmd.Env = append(b.environ(name), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	err := cmd.Start()
	slave.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	term := &terminal{t: b.t, name: name, master: master, cmd: cmd, more: make(chan struct{}), done: make(chan struct{})}
	go term.read()
	b.t.Cleanup(term.end)
	return term
}

func openTerminal(t testing.TB, columns int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED: no terminal to be had: %v", err)
	}
	var unlock, number int32
	size := [4]uint16{24, uint16(columns), 0, 0}
	for request, arg := range map[uintptr]unsafe.Pointer{
		syscall.TIOCSPTLCK: unsafe.Pointer(&unlock), syscall.TIOCGPTN: unsafe.Pointer(&number), syscall.TIOCSWINSZ: unsafe.Pointer(&size),
	} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(arg)); errno != 0 {
			t.Fatalf("terminal: %v", errno)
		}
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func (term *terminal) read() {
	defer close(term.done)
	buf := make([]byte, 4096)
	for {
		n, err := term.master.Read(buf)
		term.mu.Lock()
		term.screen = append(term.screen, buf[:n]...)
		close(term.more)
		term.more = make(chan struct{})
		term.mu.Unlock()
		if err != nil { // EIO: the program has ended
			return
		}
	}
}

func (term *terminal) end() {
	term.cmd.Process.Kill()
	term.cmd.Wait()
	<-term.done
	term.master.Close()
	if term.t.Failed() {
		term.t.Logf("%s's screen: %q", term.name, term.screen)
	}
}

func (term *terminal) types(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatalf("%s types %q: %v", term.name, text, err)
	}
}

// shows waits for text on the screen, after what was awaited last.
func (term *terminal) shows(text string) {
	term.t.Helper()
	deadline := time.After(patience)
	for {
		term.mu.Lock()
		screen, more := string(term.screen[term.seen:]), term.more
		term.mu.Unlock()
		if at := strings.Index(screen, text); at >= 0 {
			term.seen += at + len(text)
			return
		}
		select {
		case <-more:
		case <-deadline:
			term.t.Fatalf("%s waits for %q", term.name, text)
		}
	}
}

func (term *terminal) exits(code int) {
	term.t.Helper()
	select {
	case <-term.done:
	case <-time.After(patience):
		term.t.Fatalf("%s: still there after %v", term.name, patience)
	}
	term.cmd.Wait()
	if got := term.cmd.ProcessState.ExitCode(); got != code {
		term.t.Errorf("%s: exit code %d, want %d", term.name, got, code)
	}
}

// A name that is taken is asked for again, on a connection that is kept.
func TestTerminalAsksForAnotherName(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	term := b.onTerminal("ben", nil, "join", b.addr(), "--plain", "--nick", "ana", "--transport", "tcp")
	term.shows("taken")
	term.types("ben\n")
	ana.await("ben", comes("ben"))
	ana.say("welcome, ben")
	term.shows("welcome, ben")
	term.types("/quit\n")
	term.exits(0)
}

var clock = regexp.MustCompile(`\d\d:\d\d`)

// Times and colours are for terminals, and colours only for those that want
// them.
func TestTerminalTimesAndColours(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	for i, c := range []struct {
		name   string
		env    []string
		colour bool
	}{
		{"colour", []string{"TERM=xterm-256color"}, true},
		{"no colour", []string{"TERM=xterm-256color", "NO_COLOR=1"}, false},
		{"dumb", []string{"TERM=dumb"}, false},
	} {
		nick := fmt.Sprintf("ben%d", i)
		term := b.onTerminal(nick, c.env, "join", b.addr(), "--plain", "--nick", nick)
		ana.await(nick, comes(nick))
		ana.say("hello there")
		term.shows("hello there")
		term.mu.Lock()
		screen := string(term.screen)
		term.mu.Unlock()
		if got := strings.Contains(screen, "\x1b["); got != c.colour {
			t.Errorf("%s: colours shown: %v, want %v: %q", c.name, got, c.colour, screen)
		}
		if !clock.MatchString(screen) {
			t.Errorf("%s: no time shown: %q", c.name, screen)
		}
		term.types("\x04") // the end of input: leave
		term.exits(0)
	}
}

// Everything that is needed and was not given is asked for.
func TestTerminalAsks(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	term := b.onTerminal("ben", []string{"USER=", "LOGNAME="}, "join", "--plain")
	term.shows("physics") // what is on this network, or an address may be typed
	term.types(b.addr() + "\n")
	term.shows("name")
	term.types("ben\n")
	ana.await("ben", comes("ben"))
	term.types("hello\n")
	ana.await("his message", from("ben", "hello"))
}

// The lobby: rooms are listed, one that opens later is found when Enter asks
// again, a slip is answered, and whoever sits down is asked for a name.
func TestTerminalLobby(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	term := b.onTerminal("ben", nil, "--plain")
	term.shows("none heard yet")
	term.shows("to host")
	ana := b.host("ana", "physics")
	term.types("two words\n")
	term.shows("one word")
	term.shows("address to join")
	for deadline := time.Now().Add(patience); ; {
		term.types("\n")
		term.shows("address to join") // asked again
		term.mu.Lock()
		listed := strings.Contains(string(term.screen), "1  physics")
		term.mu.Unlock()
		if listed {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the room is not listed")
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-term.done:
			t.Fatal("the program has ended")
		}
	}
	term.types("7\n")
	term.shows("there is no number 7")
	term.types("1\n")
	term.shows("Your name")
	term.types("ana\n")
	term.shows("taken")
	term.types("ben\n")
	ana.await("ben", comes("ben"))
	term.shows("you are ben in physics")
	term.types("hello\n")
	ana.await("his message", from("ben", "hello"))
}

// A name that nobody announces opens a room of that name.
func TestTerminalLobbyHosts(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	term := b.onTerminal("ana", nil, "--plain", "--port", fmt.Sprint(b.port))
	term.shows("to host")
	term.types("physics\n")
	term.shows("Your name")
	term.types("ana\n")
	term.shows("The room physics is open")
	term.shows("you are hosting physics as ana")
	ben := b.join("ben", "physics")
	ben.say("found you")
	term.shows("ben: found you")
	term.types("/quit\n")
	term.shows("or /quit again to close it")
	term.types("/quit\n")
	term.exits(0)
}
