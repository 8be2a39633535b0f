package main_test

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
)

// What goes wrong ends with the exit code that scripts rely on, and with words
// that help.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics", "--no-discovery")
	nobody := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	for _, c := range []struct {
		name  string
		code  int
		words string // one of them, separated by |, is on stderr
		args  []string
	}{
		{"version", 0, "", []string{"version"}},
		{"help", 0, "", []string{"--help"}},
		{"an unknown flag", 2, "--fast", []string{"join", "physics", "--fast"}},
		{"an unknown command", 2, "dance", []string{"dance", "now"}},
		{"an unknown carrier", 2, "transport", []string{"join", "physics", "--transport", "pigeon"}},
		{"impaired TCP", 2, "TCP", []string{"join", "physics", "--transport", "tcp", "--impair", "loss=20%"}},
		{"a mad impairment", 2, "loss", []string{"join", "physics", "--impair", "loss=often"}},
		{"nothing to join", 2, "", []string{"join", "--no-input"}},
		{"a room nobody has", 3, "nowhere", []string{"join", "nowhere", "--nick", "x"}},
		{"a room nobody has, to send to", 3, "nowhere", []string{"send", "nowhere", "hi", "--nick", "x"}},
		{"another room of that host", 3, "physics", []string{"join", b.addr() + "/chemistry", "--nick", "x"}},
		{"a taken name", 4, "taken|ana", []string{"join", b.addr(), "--nick", "ana", "--no-input"}},
		{"a taken name over TCP", 4, "taken|ana", []string{"join", b.addr(), "--nick", "ANA", "--no-input", "--transport", "tcp"}},
		{"plaintext to a secure room", 4, "plaintext|encrypted", []string{"join", b.addr(), "--nick", "x", "--plaintext"}},
		{"nobody there", 5, "127.0.0.1", []string{"join", nobody, "--nick", "x"}},
		{"nobody there, to send to", 5, "127.0.0.1", []string{"send", nobody, "hi", "--nick", "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			own := *b
			own.t = t
			stdout, stderr, code := own.once("someone-"+strings.ReplaceAll(c.name, " ", "-"), "", c.args...)
			found := c.words == ""
			for word := range strings.SplitSeq(c.words, "|") {
				found = found || strings.Contains(stderr, word)
			}
			if code != c.code || !found || c.code != 0 && stdout != "" {
				t.Errorf("exit code %d, want %d, and %q on stderr\nstdout: %s\nstderr: %s", code, c.code, c.words, stdout, stderr)
			}
		})
	}
}

// With --json a refusal is one error object, and nothing else.
func TestRefusedInJSON(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics")
	p := b.parley("x", "join", b.addr(), "--nick", "ana", "--json", "--no-input")
	p.exits(4)
	lines := p.out.all()
	if len(lines) != 1 || lines[0].Type != "error" || lines[0].Code != "nick_taken" || lines[0].Suggest == "" || lines[0].Text == "" {
		t.Fatalf("want one error with code nick_taken and a suggestion: %v", lines)
	}
	free := lines[0].Suggest
	b.join(free, b.addr())
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	if windows {
		t.Skip("SKIPPED: there is no interrupt to send on Windows")
	}
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr())
	ben.cmd.Process.Signal(os.Interrupt)
	ben.exits(130)
	left := ana.await("his leaving", kind("leave"))
	if left.Nick != "ben" || left.Reason != "quit" {
		t.Errorf("an interrupted member says goodbye: %s", left.text)
	}
	ana.cmd.Process.Signal(os.Interrupt)
	ana.exits(130)
}

// A nick that could fool or harm somebody is refused, with the rule.
func TestBadNicks(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics")
	for name, nick := range map[string]string{
		"escape":     "a\x1b[31mred",
		"bidi":       "abc\u202egnp",
		"too long":   strings.Repeat("x", 300),
		"spaces":     "a b",
		"colon":      "a:b",
		"at":         "@ben",
		"empty":      "",
		"confusable": "аnа", // Cyrillic
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := *b
			own.t = t
			p := own.parley("bad-"+name, "join", b.addr(), "--nick="+nick, "--json", "--no-input")
			if name == "empty" { // as if none were given: whatever the computer calls its user
				p.await("ready or an error", kind("ready", "error"))
				return
			}
			p.ends()
			lines := p.out.all()
			if (p.code != 4 && p.code != 2) || len(lines) != 1 || lines[0].Type != "error" || len(lines[0].Text) < 10 {
				t.Errorf("exit code %d, output %v", p.code, lines)
			}
			for _, l := range append(lines, p.talk.all()...) {
				if strings.ContainsFunc(l.text, unicode.IsControl) || strings.Contains(l.text, "\u202e") {
					t.Errorf("the refusal repeats what is dangerous: %q", l.text)
				}
			}
		})
	}
}

func TestLongMessage(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	for _, transport := range []string{"udp", "tcp"} {
		ben := b.join("ben-"+transport, b.addr(), "--transport", transport)
		fits, over := strings.Repeat("é", 2048), strings.Repeat("é", 2048)+"x"
		ben.say(fits)
		ana.await("4,096 bytes", said(fits))
		ben.say(over)
		refused := ben.await("that it is too long", kind("failed", "error"))
		if !strings.Contains(refused.text, "4,096") && !strings.Contains(refused.text, "4096") {
			t.Errorf("the refusal does not name the limit: %.200s", refused.text)
		}
		ben.say("short")
		ana.await("what is short", func(l line) bool {
			if l.Text == over {
				t.Error("4,097 bytes went through")
			}
			return l.Text == "short"
		})
	}
}

// Garbage is met with silence: no answer, no line, no harm.
func TestGarbage(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	rng := rand.NewChaCha8([32]byte{7})
	u, err := net.Dial("udp", b.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for n := range 300 {
		junk := make([]byte, n*5)
		rng.Read(junk)
		if n%7 == 0 && n > 0 {
			copy(junk, bytes.Repeat([]byte{byte(n / 7)}, 3)) // the first byte is what tells packets apart
		}
		u.Write(junk)
	}
	var streams []net.Conn
	for n := range 12 {
		c, err := net.Dial("tcp", b.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		junk := make([]byte, 1+n*100)
		rng.Read(junk)
		c.Write(junk)
		streams = append(streams, c)
	}
	ben := b.join("ben", b.addr(), "--transport", "udp")
	ben.say("all is well")
	ana.await("a good member's message", said("all is well"))
	b.join("cyn", b.addr(), "--transport", "tcp")
	u.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := u.Read(make([]byte, 2000)); err == nil {
		t.Errorf("garbage was answered with %d bytes", n)
	}
	for _, c := range streams {
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(make([]byte, 2000)); n > 0 {
			t.Errorf("garbage on a stream was answered with %d bytes, %v", n, err)
		}
	}
	if talk := ana.talk.all(); len(talk) > 0 {
		t.Errorf("garbage made the host say %q", talk[0].text)
	}
}

// A port that was asked for and is taken is an error; another is not tried.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics")
	p := b.parley("ben", "host", "maths", "--nick", "ben", "--port", strconv.Itoa(b.port), "--no-input")
	p.exits(1)
	if talk := p.story(); !strings.Contains(talk, strconv.Itoa(b.port)) {
		t.Errorf("the error does not name the port: %s", talk)
	}
}

// A member whose host has gone says so, keeps trying, and keeps what was typed
// meanwhile.
func TestHostGone(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			ana := b.host("ana", "physics")
			ben := b.join("ben", b.addr(), "--transport", transport)
			ben.say("before")
			ana.await("it", said("before"))
			ana.kill()
			ben.say("typed meanwhile")
			lost := ben.await("that the link is lost", func(l line) bool { return l.Type == "link" && l.State == "lost" })
			if lost.Why == "" {
				t.Errorf("no reason: %s", lost.text)
			}
			ben.lives()
			ana = b.host("ana", "physics")
			ana.await("what was typed", func(l line) bool { return l.Text == "typed meanwhile" && l.From == "ben" })
			ben.await("that it is stored", func(l line) bool { return l.Type == "accepted" && l.Text == "typed meanwhile" })
			ben.say("and on")
			ana.await("what comes after", said("and on"))
		})
	}
}
