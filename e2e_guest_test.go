package main_test

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// guest is a bare text client: a socket, and all that came out of it.
type guest struct {
	t    testing.TB
	conn net.Conn
	mu   sync.Mutex
	got  []byte
	more chan struct{} // closed and replaced whenever there is more
	done chan struct{} // closed when the other side has closed
}

func dialGuest(t testing.TB, addr string) *guest {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{t: t, conn: c, more: make(chan struct{}), done: make(chan struct{})}
	go g.read()
	t.Cleanup(func() {
		c.Close()
		<-g.done
	})
	return g
}

func (g *guest) read() {
	defer close(g.done)
	buf := make([]byte, 4096)
	for {
		n, err := g.conn.Read(buf)
		g.mu.Lock()
		g.got = append(g.got, buf[:n]...)
		close(g.more)
		g.more = make(chan struct{})
		g.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// text returns all that came, and a channel that is closed when there is more.
func (g *guest) text() (string, chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return string(g.got), g.more
}

func (g *guest) types(text string) {
	g.t.Helper()
	if _, err := io.WriteString(g.conn, text); err != nil {
		g.t.Fatalf("guest types %.40q: %v", text, err)
	}
}

// gets waits until text has come.
func (g *guest) gets(text string) {
	g.t.Helper()
	deadline := time.After(patience)
	for {
		got, more := g.text()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-more:
		case <-g.done:
			if got, _ = g.text(); !strings.Contains(got, text) {
				g.t.Fatalf("the guest's connection ended before %q came; it had %q", text, got)
			}
		case <-deadline:
			g.t.Fatalf("the guest waits for %q; it has %q", text, got)
		}
	}
}

func from(nick, text string) func(line) bool {
	return func(l line) bool { return l.Type == "message" && l.From == nick && l.Text == text }
}

func comes(nick string) func(line) bool {
	return func(l line) bool { return l.Type == "join" && l.Nick == nick }
}

// Whatever way a bare client frames its lines, they arrive as lines.
func TestGuestFraming(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--guests")
	ben := b.join("ben", b.addr())
	if ready := ben.sees("ready", kind("ready")); ready.Guests == nil || !*ready.Guests {
		t.Errorf("members are not told that guests read along: %s", ready.text)
	}

	g := dialGuest(t, b.addr()) // says nothing, and is asked after a second
	deadline := time.After(patience)
	for text, more := g.text(); text == ""; text, more = g.text() {
		select {
		case <-more:
		case <-deadline:
			t.Fatal("a silent guest is not asked for a name")
		}
	}
	g.types("gil\n")
	ana.await("gil", comes("gil"))
	g.types("plain line\n")
	ben.await("the line", from("gil", "plain line"))
	g.types("crlf line\r\nand another\r\n")
	ben.await("a CRLF line", from("gil", "crlf line"))
	ben.await("the one after it", from("gil", "and another"))
	g.types("no newline at all")
	ben.await("a line without newline", from("gil", "no newline at all"))

	word := "übergrößenträger 你好"
	for i := range len(word) { // byte by byte, so that every rune is split
		g.types(word[i : i+1])
	}
	g.types("\n")
	ben.await("a line that came in bytes", from("gil", word))
	ben.say("hello guest")
	g.gets("hello guest")

	g.types(strings.Repeat("x", 5000) + "\n")
	g.gets("4,096")
	g.types("still here\n")
	ben.await("a line after the long one", func(l line) bool {
		if len(l.Text) > 4096 {
			t.Error("5,000 bytes went through")
		}
		return from("gil", "still here")(l)
	})
	g.conn.Close()
	left := ana.await("gil's leaving", kind("leave"))
	if left.Nick != "gil" {
		t.Errorf("who left: %s", left.text)
	}
}

// A first line that cannot be a name is a message. A name that is taken is
// refused, and another may be tried on the same connection.
func TestGuestNames(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--guests")

	script := dialGuest(t, b.addr())
	script.types("hello: is anybody here?")
	said := ana.await("the message", func(l line) bool { return l.Text == "hello: is anybody here?" })
	if !strings.HasPrefix(said.From, "guest") {
		t.Errorf("its sender is %q", said.From)
	}
	script.types("another line without newline")
	ana.await("the next one", from(said.From, "another line without newline"))

	twin := dialGuest(t, b.addr())
	twin.types("ana\n")
	twin.gets("taken")
	twin.types("ana-too\n")
	ana.await("the second try", comes("ana-too"))
	twin.types("@ana psst\n")
	ana.await("the whisper", func(l line) bool { return l.Type == "whisper" && l.From == "ana-too" && l.Text == "psst" })
	if got, _ := script.text(); strings.Contains(got, "psst") {
		t.Errorf("another guest saw a whisper: %q", got)
	}
	twin.types("/names\n")
	twin.gets(said.From)
	twin.types("/quit\n")
	ana.await("the leaving", func(l line) bool { return l.Type == "leave" && l.Nick == "ana-too" && l.Reason == "quit" })

	late := dialGuest(t, b.addr())
	late.types("late\n")
	ana.await("the late one", comes("late"))
	ana.say("only now")
	late.gets("only now")
	if got, _ := late.text(); strings.Contains(got, "anybody here") {
		t.Errorf("a guest gets no replay: %q", got)
	}
}

// What others say cannot take over a guest's terminal.
func TestGuestSeesCleanText(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--guests")
	g, evil := dialGuest(t, b.addr()), dialGuest(t, b.addr())
	g.types("gil\n")
	ana.await("gil", comes("gil"))
	evil.types("evil\n")
	ana.await("evil", comes("evil"))
	evil.types("a\x1b]0;title\x07b\x9b31mc\rd\xff\xfe \u202eback\nthe end\n")
	ana.await("the line", from("evil", "the end"))
	g.gets("the end")
	got, _ := g.text()
	if strings.ContainsAny(got, "\x1b\x07\u009b\u202e") || strings.Contains(strings.ReplaceAll(got, "\r\n", "\n"), "\r") || !utf8.ValidString(got) {
		t.Errorf("the guest was sent %q", got)
	}
}

// A room without --guests lets nobody in who does not speak the protocol.
func TestNoGuests(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	g := dialGuest(t, b.addr())
	g.types("gil\nhello\n")
	b.join("ben", b.addr(), "--transport", "tcp")
	ana.await("ben", func(l line) bool {
		if l.Nick == "gil" || l.Text == "hello" {
			t.Errorf("a guest came in: %s", l.text)
		}
		return comes("ben")(l)
	})
}

// The clients that every computer has.
func TestGuestPrograms(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--guests")
	port := strconv.Itoa(b.port)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"nc", []string{"nc", b.ip, port}},
		{"telnet", []string{"telnet", b.ip, port}},
		{"python3", []string{"", "-u", "-c", pythonGuest, b.ip, port}},
	} {
		if c.name == "python3" {
			c.args[0] = python()
		}
		if _, err := exec.LookPath(c.args[0]); err != nil {
			t.Logf("SKIPPED %s: it is missing here", c.name)
			continue
		}
		nick := c.name + "-user"
		p := start(t, nick, exec.Command(c.args[0], c.args[1:]...), nil)
		p.say(nick)
		ana.await("its coming", comes(nick))
		p.say("hello from " + c.name)
		ana.await("its message", from(nick, "hello from "+c.name))
		ana.say(fmt.Sprintf("hello to %s too", c.name))
		p.await("the answer", has(fmt.Sprintf("hello to %s too", c.name)))
		p.kill()
		ana.await("its leaving", func(l line) bool { return l.Type == "leave" && l.Nick == nick })
	}
}

// pythonGuest sends each line without its newline, in a single send, as the
// chat exercises of many courses do.
const pythonGuest = `
import socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def read():
    while True:
        b = s.recv(1024)
        if not b: break
        print(b.decode('utf-8', 'replace'), flush=True)
threading.Thread(target=read, daemon=True).start()
for line in sys.stdin:
    s.send(line.rstrip('\n').encode())
`
