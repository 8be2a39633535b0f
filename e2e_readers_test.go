package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// maxReadersRSS is what stopped readers may cost the host.
const maxReadersRSS = 16 << 20

// Members who sit down and then read nothing cost the host little memory, and
// the others little time. What the host keeps of what is said anyway is told by
// a host without them, which hears the same.
func TestStoppedReaders(t *testing.T) {
	needProc(t)
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) {
			const readers = 20
			without, calm := stoppedReaders(t, via, 0)
			with, busy := stoppedReaders(t, via, readers)
			t.Logf("FIGURE %d stopped readers over %s: resident memory %+.1f MiB, without them %+.1f MiB (target: 16 MiB more); p99 of others %v, without %v (target: twice)",
				readers, via, mib(with), mib(without), at(busy, 99), at(calm, 99))
			if with-without > maxReadersRSS && !raceEnabled {
				t.Errorf("they cost %d bytes", with-without)
			}
		})
	}
}

// stoppedReaders has 2,000 texts said before so many stopped readers, and returns
// by how much the host has grown, and how long messages of others take then.
func stoppedReaders(t *testing.T, via string, readers int) (grown int64, busy []time.Duration) {
	const speakers, texts, size = 5, 400, 1000
	b := loopback(t)
	if !raceEnabled {
		b.program = release(t)
	}
	pid := b.host("ana", "physics", "--headless").cmd.Process.Pid
	p := newPair(t, newClient(t, b.addr(), via).polite("ben"), newClient(t, b.addr(), via).polite("cyn"))
	p.measure(200, 5*time.Millisecond)

	before := rss(t, pid)
	for i := range readers {
		newClient(t, b.addr(), via).rude(fmt.Sprint("stone", i))
	}
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
	busy = p.measure(400, 5*time.Millisecond)
	grown = max(after, rss(t, pid)) - before
	for _, f := range all {
		f.end()
	}
	return grown, busy
}
