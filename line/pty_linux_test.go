package line

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/charmbracelet/x/ansi"

	"parley/room"
	"parley/text"
)

// openPTY returns both ends of a terminal of the given size.
func openPTY(t *testing.T, columns int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("SKIPPED, no terminal to be had: ", err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	raw.Control(func(fd uintptr) {
		unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)})
	})
	if err != nil {
		t.Skip("SKIPPED, no terminal to be had: ", err)
	}
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("SKIPPED, no terminal to be had: ", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// glass is what a person sees: it understands what the screen uses, and
// counts all else.
type glass struct {
	mu      sync.Mutex
	rows    []string
	column  int
	bells   int
	strange []string
}

func (g *glass) watch(master *os.File) {
	b := make([]byte, 4096)
	rest := ""
	for {
		n, err := master.Read(b)
		if err != nil {
			return
		}
		g.mu.Lock()
		rest = g.draw(rest + string(b[:n]))
		g.mu.Unlock()
	}
}

// draw draws s, and returns the beginning of a sequence at its end.
func (g *glass) draw(s string) string {
	for s != "" {
		if len(g.rows) == 0 {
			g.rows = []string{""}
		}
		row := &g.rows[len(g.rows)-1]
		switch s[0] {
		case '\r':
			g.column = 0
		case '\n':
			g.rows = append(g.rows, strings.Repeat(" ", g.column))
		case '\a':
			g.bells++
		case 0x1b:
			end := strings.IndexFunc(s[1:], func(r rune) bool { return r != '[' && r >= 0x40 && r <= 0x7e })
			if end < 0 {
				return s
			}
			g.obey(s[2 : end+2])
			s = s[end+2:]
			continue
		default:
			cluster, cells := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
			*row = ansi.Cut(*row+strings.Repeat(" ", 200), 0, g.column) + cluster + ansi.Cut(*row, g.column+cells, 1000)
			g.column += cells
			s = s[len(cluster):]
			continue
		}
		s = s[1:]
	}
	return ""
}

func (g *glass) obey(sequence string) {
	row := &g.rows[len(g.rows)-1]
	switch {
	case sequence == "K":
		*row = ansi.Cut(*row, 0, g.column)
	case sequence == "2J":
		g.rows, g.column = []string{""}, 0
	case sequence == "H" || sequence == "?2004h" || sequence == "?2004l" || strings.HasSuffix(sequence, "m"):
	case strings.HasSuffix(sequence, "C"):
		n, _ := strconv.Atoi(strings.TrimSuffix(sequence, "C"))
		g.column += max(n, 1)
	default:
		g.strange = append(g.strange, sequence)
	}
}

func (g *glass) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	rows := make([]string, len(g.rows))
	for i, row := range g.rows {
		rows[i] = strings.TrimRight(row, " ")
	}
	return strings.Join(rows, "\n")
}

// sees waits until the last rows on the glass are want.
func (g *glass) sees(t *testing.T, want ...string) {
	t.Helper()
	end := "\n" + strings.Join(want, "\n")
	g.await(t, end, func(got string) bool { return strings.HasSuffix("\n"+got, end) })
}

// shows waits until the screen shows this and nothing else.
func (g *glass) shows(t *testing.T, want string) {
	t.Helper()
	g.await(t, want, func(got string) bool { return got == want })
}

func (g *glass) await(t *testing.T, want string, ok func(string) bool) {
	t.Helper()
	for by := time.Now().Add(10 * time.Second); ; {
		got := g.String()
		if ok(got) {
			return
		}
		if time.Now().After(by) {
			t.Fatalf("the screen shows\n%s\nwant at its end\n%s", got, want)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestTerminal(t *testing.T) {
	master, slave := openPTY(t, 40)
	var g glass
	go g.watch(master)
	m := newFake()
	m.people = []room.Person{{Nick: "ana"}, {Nick: "ben"}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, Options{In: slave, Out: slave, Terminal: true, Color: true, Zone: time.UTC}, m, nil)
	}()
	keys := func(s string) { master.WriteString(s) }
	g.sees(t, "* /help lists the commands, Ctrl-D", "  | leaves", ">")

	keys("hello wo")
	g.sees(t, "> hello wo")
	m.come(said("ben", "are you there, ana? \x1b[2J"))
	g.sees(t, "ben: are you there, ana? ␛[2J", "> hello wo") // not torn
	keys("rld 漢字\x7f")
	g.sees(t, "> hello world 漢")
	m.come(said("ben", "a long line that must be broken here and not by the terminal"))
	g.sees(t, "ben: a long line that must be broken", "  | here and not by the terminal", "> hello world 漢")
	keys("\r")
	g.sees(t, "  | here and not by the terminal", "ana: hello world 漢", ">") // once
	keys("\x1b[200~two\rlines\x1b[201~")
	g.sees(t, "> two⏎lines")
	keys("\r")
	g.sees(t, "ana: two", "  | lines", ">")

	keys(strings.Repeat("x", text.MaxText) + "y\r") // too long: refused and kept
	g.sees(t, "! a message may have 4,096 bytes: send", "  | it in parts", "> "+strings.Repeat("x", 36)+"y")
	keys("\x7f\x15be\t\x1b[A\x1b[A")
	g.sees(t, "> hello world 漢")
	keys("\x03/clear\r")
	g.shows(t, ">")
	keys("half a line")
	g.sees(t, "> half a line")
	m.mu.Lock()
	m.hold = true
	m.mu.Unlock()
	keys("\r")
	g.sees(t, ">")
	for by := time.Now().Add(10 * time.Second); !strings.HasSuffix(m.lines(), "half a line") && time.Now().Before(by); {
		<-time.After(time.Millisecond)
	}
	keys("\x04") // while the host has not taken it yet
	m.mu.Lock()
	m.pending = 0
	m.mu.Unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.goodbye() == "" || g.bells != 1 || len(g.strange) > 0 {
		t.Errorf("left: %q, %d bells, strange: %q", m.goodbye(), g.bells, g.strange)
	}
	if said := m.lines(); said != "hello world 漢|two\nlines|half a line" {
		t.Errorf("said %q", said)
	}
	state, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || state.Lflag&unix.ICANON == 0 || state.Oflag&unix.OPOST == 0 {
		t.Error("the terminal is left raw: ", err)
	}
}

func TestTerminalEnds(t *testing.T) {
	for name, how := range map[string]struct {
		keys string
		want error
	}{"Ctrl-C": {"x\x03\x03", context.Canceled}, "Ctrl-D": {"\x04", nil}, "quit": {"/quit\r", nil}, "hang up": {"", nil}} {
		t.Run(name, func(t *testing.T) {
			master, slave := openPTY(t, 80)
			var g glass
			go g.watch(master)
			m := newFake()
			done := make(chan error, 1)
			go func() { done <- run(t.Context(), Options{In: slave, Out: slave, Terminal: true}, m, nil) }()
			g.sees(t, ">")
			if how.keys == "" {
				master.Close()
			}
			master.WriteString(how.keys)
			if err := <-done; how.keys != "" && !errors.Is(err, how.want) {
				t.Errorf("ended with %v", err)
			}
			if m.goodbye() == "" {
				t.Error("did not leave")
			}
		})
	}
}

// What is being typed fits the terminal again after it has become narrower.
func TestResizedTerminal(t *testing.T) {
	master, slave := openPTY(t, 80)
	var g glass
	go g.watch(master)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, Options{In: slave, Out: slave, Terminal: true}, newFake(), nil) }()
	g.sees(t, ">")
	typed := strings.Repeat("0123456789", 5)
	master.WriteString(typed)
	g.sees(t, "> "+typed)
	if err := control(master, func(fd int) {
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 20})
	}); err != nil {
		t.Fatal(err)
	}
	g.sees(t, "> "+typed[len(typed)-17:])
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
