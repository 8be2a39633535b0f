//go:build slow && linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/room"
	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// guesses collects when a host has said that a password was wrong.
type guesses struct {
	mu    sync.Mutex
	wrong int // so far as has been heard
	tried int
}

// guess tries passwords from one address of this computer until ctx ends, on a
// connection with a new key whenever the last has ended.
func (g *guesses) guess(ctx context.Context, t testing.TB, i int, to netip.AddrPort) {
	from := fmt.Sprintf("127.0.1.%d", i%50+1)
	for n := 0; ctx.Err() == nil; n++ {
		id, err := transport.NewIdentity()
		if err != nil {
			t.Error(err)
			return
		}
		var d transport.Dialer
		var over func()
		if i%2 == 0 {
			s, err := net.ListenPacket("udp4", from+":0")
			if err != nil {
				t.Error(err)
				return
			}
			e := &udp.Endpoint{Socket: s, Identity: id}
			d, over = e, func() { e.Close(); s.Close() }
		} else {
			local := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			e := &tcp.Endpoint{DialContext: local.DialContext, Identity: id}
			d, over = e, func() { e.Close() }
		}
		o := room.JoinOptions{Nick: fmt.Sprintf("bot%d", i), Identity: id, Password: func(_ context.Context, _ string, wrong int) (string, bool) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.tried++; wrong > 0 {
				g.wrong++
			}
			return fmt.Sprint("guess ", i, n, wrong), true
		}}
		_, err = room.Join(ctx, o, room.Dial(func(ctx context.Context) (transport.Conn, error) { return d.Dial(ctx, to) }))
		over()
		var refused *room.Refused
		switch {
		case err == nil:
			t.Errorf("bot %d is let in", i)
			return
		case errors.As(err, &refused) && refused.Code == "password":
			t.Errorf("bot %d stopped guessing: %v", i, err)
			return
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// TestGuesser is row X9 in real time: a guesser with 50 addresses and three
// connections from each, over both carriers, against the program.
func TestGuesser(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	good := b.written("good", secret, 0o600)
	log := filepath.Join(b.dir, "log")
	ana := b.host("ana", "physics", "--password-file", good, "--log-level", "info", "--log-file", log)
	ben := b.join("ben", b.addr(), "--password-file", good)
	ben.say("/quit")
	ben.ends()

	var g guesses
	ctx, cancel := context.WithCancel(context.Background())
	var bots sync.WaitGroup
	defer bots.Wait()
	defer cancel()
	began := time.Now()
	for i := range 150 {
		bots.Go(func() { g.guess(ctx, t, i, netip.MustParseAddrPort(b.addr())) })
	}
	deadline := time.After(time.Minute)
	for looked := 0; looked < 10; { // until the room's budget is used up
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatalf("only %d were looked at", looked)
		}
		g.mu.Lock()
		looked = g.wrong
		g.mu.Unlock()
	}
	start := time.Now()
	b.join("ben", b.addr(), "--password-file", good)
	known := time.Since(start)
	start = time.Now()
	cyn := b.joining("cyn", b.addr(), "--password-file", good)
	cyn.awaitWithin(5*time.Minute, "ready", kind("ready"))
	newcomer := time.Since(start)
	for time.Since(began) < 75*time.Second { // a whole minute, and what follows it
		select {
		case <-time.After(time.Second):
		case <-ana.done:
			t.Fatal("the host has ended")
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	wrong := wrongAt(t, log)
	most := 0
	for i, at := range wrong {
		n := 0
		for _, o := range wrong[:i+1] {
			if at.Sub(o) < time.Minute-5*time.Millisecond { // the log writes milliseconds, and not at once
				n++
			}
		}
		most = max(most, n)
	}
	t.Logf("FIGURE guesser with 50 addresses: %d passwords tried in %v, %d looked at, %d in the busiest minute (at most 10)",
		g.tried, round(time.Since(began)), len(wrong), most)
	t.Logf("FIGURE meanwhile: who proved it before is in after %v, a newcomer after %v (at most 5m0s)", round(known), round(newcomer))
	if most > 10 {
		t.Errorf("%d guesses in a minute; in after %v", most, known)
	}
}

// wrongAt reads from the host's log when it found a password wrong.
func wrongAt(t testing.TB, log string) (all []time.Time) {
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if !strings.Contains(line, "a password was wrong") {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			t.Fatal(line, err)
		}
		all = append(all, at)
	}
	return all
}
