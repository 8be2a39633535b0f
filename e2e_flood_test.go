package main_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// floods are the ways to bother a room, as the n-th command of the i-th member.
var floods = []struct {
	what string
	next func(i, n int) []byte
}{
	{"long texts", func(i, n int) []byte { return command("type", "message", "text", strings.Repeat("x", 4096)) }},
	{"short texts", func(i, n int) []byte { return command("type", "message", "text", fmt.Sprint(n)) }},
	{"whispers", func(i, n int) []byte { return command("type", "whisper", "to", "cyn", "text", fmt.Sprint(n)) }},
	{"names", func(i, n int) []byte { return command("type", "names") }},
	{"nicks", func(i, n int) []byte { return command("type", "nick", "nick", fmt.Sprintf("tom%d-%d", i, n%1000)) }},
	{"topics", func(i, n int) []byte { return command("type", "topic", "text", fmt.Sprintf("topic %d", n)) }},
	{"away", func(i, n int) []byte { return command("type", "away", "text", fmt.Sprint(n)) }},
	{"nonsense", func(i, n int) []byte { return command("type", "dance", "text", strings.Repeat("x", 15000)) }},
}

// maxFloodRSS is how much a flood may add to the host's memory beside what
// its log keeps: at most 64 MiB, of a far longer flood.
const maxFloodRSS = 24 << 20

// comers come and go as fast as they can, with one key each or with a new one
// each time, until stop is called, which returns how often they got in.
func comers(c *client, count int, fresh bool) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	var mu sync.Mutex
	in := 0
	for i := range count {
		work.Go(func() {
			mine := newClient(c.t, c.addr.String(), c.via)
			mine.from = c.from
			for n := 0; ctx.Err() == nil; n++ {
				if fresh {
					mine = newClient(c.t, c.addr.String(), c.via)
					mine.from = c.from
				}
				conn, err := mine.sit(ctx, fmt.Sprintf("mouse%d-%d", i, n%1000))
				if err != nil {
					continue
				}
				mu.Lock()
				in++
				mu.Unlock()
				conn.Send(ctx, wired("type", "leave"))
				conn.Close()
			}
		})
	}
	return func() int {
		cancel()
		work.Wait()
		return in
	}
}

// bothered is a room with a host and two people, who are measured.
type bothered struct {
	*box
	t    testing.TB
	via  string
	pid  int
	host *proc
	pair *pair
	calm []time.Duration
}

func newBothered(t testing.TB, via string, probes int) *bothered {
	t.Helper()
	needProc(t)
	b := loopback(t)
	if !raceEnabled {
		b.program = release(t)
	}
	host := b.host("ana", "physics")
	r := &bothered{box: b, t: t, via: via, pid: host.cmd.Process.Pid, host: host}
	r.pair = newPair(t, newClient(t, b.addr(), via).polite("ben"), newClient(t, b.addr(), via).polite("cyn"))
	r.calm = r.pair.measure(probes, 5*time.Millisecond)
	return r
}

// compare measures the two under a flood, and prints what it does to them.
func (r *bothered) compare(what string, probes int, said func() int64) {
	r.t.Helper()
	before := rss(r.t, r.pid)
	busy := r.pair.measure(probes, 5*time.Millisecond)
	r.host.lives()
	r.t.Logf("FIGURE %s over %s, %d commands handed over: others' p50 %v, before %v; p99 %v, before %v (target twice); resident memory %+.1f MiB",
		what, r.via, said(), at(busy, 50), at(r.calm, 50), at(busy, 99), at(r.calm, 99), mib(rss(r.t, r.pid)-before))
	if grown := rss(r.t, r.pid) - before; grown > maxFloodRSS && !raceEnabled {
		r.t.Errorf("%s: resident memory grew by %d bytes", what, grown)
	}
}

// flooders have count members say what next makes as fast as it is taken.
func (r *bothered) flooders(count int, next func(i, n int) []byte) (said func() int64, stop func()) {
	r.t.Helper()
	var all []*flooder
	for i := range count {
		conn := newClient(r.t, r.addr(), r.via).rude(fmt.Sprint("tom", i))
		all = append(all, pester(conn, func(n int) []byte { return next(i, n) }))
	}
	said = func() (n int64) {
		for _, f := range all {
			n += f.said.Load()
		}
		return n
	}
	return said, func() {
		for _, f := range all {
			f.end()
		}
	}
}

// Five members flood the room, each in a way of his own, and one comes and goes:
// nothing of the others is lost, and they hardly notice.
func TestChatFlood(t *testing.T) {
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) {
			r := newBothered(t, via, 100)
			said, stop := r.flooders(5, func(i, n int) []byte { return floods[i].next(i, n) })
			leave := comers(newClient(t, r.addr(), via), 1, false)
			r.compare("a flood of everything by five members", 300, said)
			r.compare("the same, now that it is paced,", 300, said)
			stop()
			if in := leave(); in < 5 || in > 20 {
				t.Errorf("somebody came in %d times", in)
			}
		})
	}
}
