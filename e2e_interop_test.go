package main_test

import (
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
)

// A client in another language, written from the protocol descriptions alone,
// sits in a plaintext room: it says and hears, acknowledges and sends again.
func TestInterop(t *testing.T) {
	for _, c := range []struct {
		carrier string
		drop    string // every so many-th datagram is lost by the client
	}{{"udp", "4"}, {"tcp", "0"}} {
		t.Run(c.carrier, func(t *testing.T) {
			t.Parallel()
			interop(t, c.carrier, c.drop)
		})
	}
}

func interop(t *testing.T, carrier, drop string) {
	const each = 30
	py := needPython(t)
	b := loopback(t)
	ana := b.host("ana", "physics", "--plaintext")
	ben := b.join("ben", b.addr(), "--plaintext")
	host, port, _ := net.SplitHostPort(b.addr())
	cmd := exec.Command(py, "-B", filepath.Join("testdata", "interop", "client.py"), carrier, host, port, "ana", drop)
	client := start(t, "client.py", cmd, nil)

	client.await("that the name is taken", func(l line) bool { return l.Type == "error" && l.Code == "nick_taken" })
	ready := client.await("ready", kind("ready"))
	if ready.Room != "physics" || ready.Secure == nil || *ready.Secure {
		t.Errorf("its welcome: %s", ready.text)
	}
	nick := ready.Nick
	came := ana.await("its coming", comes(nick))
	if came.Transport != carrier {
		t.Errorf("it came over %s, shown as %s", carrier, came.text)
	}

	for n := range each {
		client.say(numbered("py", n, n*n*4))
		ana.say(numbered("ana", n, n*n*4))
	}
	for n := range each {
		for _, p := range []*proc{ana, ben} {
			p.await("the client's message", from(nick, numbered("py", n, n*n*4)))
		}
	}
	client.sees("the host's last message", from("ana", numbered("ana", each-1, (each-1)*(each-1)*4)))
	ana.say("counted?")
	ana.await("that both have it", func(l line) bool { return l.Type == "delivered" && l.Count == 2 && l.Of == 2 && l.Seq > 2*each })

	ana.say("/msg " + nick + " psst")
	client.await("a whisper", func(l line) bool { return l.Type == "whisper" && l.Text == "psst" })
	ana.say("/msg ben not for you")
	client.await("that there was something", kind("skip"))
	client.say("/to ben a word")
	ben.await("the client's whisper", func(l line) bool { return l.Type == "whisper" && l.From == nick && l.Text == "a word" })

	client.say("/saycut said and cut")
	again := client.await("ready", kind("ready"))
	if again.State != "resumed" || again.Nick != nick {
		t.Errorf("it came back: %s", again.text)
	}
	client.await("the answer", func(l line) bool { return l.Type == "accepted" && l.Text == "said and cut" })
	client.say("the end")
	ana.await("the end", from(nick, "the end"))
	client.stdin.Close()
	client.exits(0)
	left := ana.await("its leaving", func(l line) bool { return l.Type == "leave" && l.Nick == nick })
	if left.Reason != "quit" {
		t.Errorf("it left with goodbye: %s", left.text)
	}
	once(t, ana, nick, "said and cut")
	if carrier == "udp" {
		repaired(t, client)
	}
}

// once checks that somebody's message, or coming, was shown once.
func once(t *testing.T, p *proc, nick, text string) {
	t.Helper()
	said, came := 0, 0
	for _, l := range p.out.all() {
		if from(nick, text)(l) {
			said++
		}
		if comes(nick)(l) {
			came++
		}
	}
	if said != 1 || came != 1 {
		t.Errorf("%s saw %q %d times, and %s come %d times", p.name, text, said, nick, came)
	}
}

// repaired checks that something was lost, and sent again.
func repaired(t *testing.T, client *proc) {
	t.Helper()
	var stats struct{ Sent, Received, Acked, Resent, Repeated, Dropped, Corrupt int }
	l := client.sees("its counters", kind("stats"))
	if err := json.Unmarshal([]byte(l.text), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Dropped == 0 || stats.Resent == 0 || stats.Acked == 0 || stats.Received == 0 || stats.Corrupt != 0 {
		t.Errorf("want packets dropped, sent again and acknowledged, and none corrupt: %s", l.text)
	}
	t.Logf("the client's counters: %+v", stats)
}
