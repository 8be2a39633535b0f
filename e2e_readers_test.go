package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	// maxReadersRSS is what stopped readers may cost the host, beside what the
	// room's log keeps of what is said.
	maxReadersRSS = 16 << 20
	// logged is what the log keeps of a text, beside the text and its wire form.
	logged = 1 << 10
)

// Members who sit down and then read nothing cost the host little memory, and
// the others no time.
func TestStoppedReaders(t *testing.T) {
	needProc(t)
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) { stoppedReaders(t, via) })
	}
}

func stoppedReaders(t *testing.T, via string) {
	const readers, speakers, texts, size = 20, 5, 400, 1000
	b := loopback(t)
	if !raceEnabled {
		b.program = release(t)
	}
	pid := b.host("ana", "physics", "--headless").cmd.Process.Pid
	p := newPair(t, newClient(t, b.addr(), via).polite("ben"), newClient(t, b.addr(), via).polite("cyn"))
	calm := p.measure(200, 5*time.Millisecond)

	before := rss(t, pid)
	for i := range readers {
		newClient(t, b.addr(), via).rude(fmt.Sprint("stone", i))
	}
	seated := rss(t, pid)
	text := strings.Repeat("x", size)
	var all []*flooder
	for i := range speakers {
		all = append(all, pester(newClient(t, b.addr(), via).rude(fmt.Sprint("tom", i)), func(n int) []byte {
			if n >= texts {
				return nil
			}
			return command("type", "message", "text", text)
		}))
	}
	for _, f := range all {
		<-f.spoken
	}
	p.measure(1, time.Millisecond) // all before it has been heard
	after := rss(t, pid)
	busy := p.measure(200, 5*time.Millisecond)
	grown := max(after, rss(t, pid)) - before
	for _, f := range all {
		f.end()
	}
	log := int64(speakers * texts * (2*size + logged))
	t.Logf("FIGURE %d stopped readers over %s, %d texts of %d bytes: resident memory %+.1f MiB when seated, %+.1f MiB in the end, of which the log %.1f MiB (target 16 MiB besides); p99 of others %v, before %v",
		readers, via, speakers*texts, size, mib(seated-before), mib(grown), mib(log), at(busy, 99), at(calm, 99))
	if grown-log > maxReadersRSS && !raceEnabled {
		t.Errorf("resident memory grew by %d bytes", grown)
	}
}
