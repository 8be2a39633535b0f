package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

const (
	// stalledFiles are as many as a host passes on at once, of keys that have as many
	// as one may.
	stalledFiles, stalledPer = 64, 4
	// maxStalledRSS is what they may cost the host: what waits in both directions of
	// 128 connections.
	maxStalledRSS = 128 << 20
)

// Whoever sends both ways over as many files as there can be, and reads nothing, costs
// the host memory for what waits, and no more; the others talk as before.
func TestStalledFiles(t *testing.T) {
	needProc(t)
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) {
			b := loopback(t)
			if !raceEnabled {
				b.program = release(t)
			}
			pid := b.host("ana", "physics", "--headless").cmd.Process.Pid
			p := newPair(t, newClient(t, b.addr(), via).polite("ben"), newClient(t, b.addr(), via).polite("cyn"))
			calm := p.measure(200, 5*time.Millisecond)
			before := rss(t, pid)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for i := range stalledFiles / stalledPer {
				give, take := newFiler(t, b.addr(), via, i, "give"), newFiler(t, b.addr(), via, i, "take")
				for n := range stalledPer {
					stall(t, ctx, give, take, fmt.Sprintf("%032x", i*stalledPer+n+1))
				}
			}
			busy := p.measure(400, 5*time.Millisecond)
			grown := rss(t, pid) - before
			t.Logf("FIGURE %d stalled files over %s: resident memory %+.1f MiB (target: %.0f MiB more); p99 of others %v, without %v",
				stalledFiles, via, mib(grown), mib(maxStalledRSS), at(busy, 99), at(calm, 99))
			if grown > maxStalledRSS && !raceEnabled {
				t.Errorf("they cost %d bytes", grown)
			}
		})
	}
}

// filer is a seat that gives or takes files.
type filer struct {
	*client
	seat          *owned
	nick, session string
	side          string
}

func newFiler(t *testing.T, addr, via string, i int, side string) *filer {
	t.Helper()
	f := &filer{client: newClient(t, addr, via), nick: fmt.Sprint(side, i), side: side}
	f.session = fmt.Sprintf("%x%030x", map[string]int{"give": 0xa1, "take": 0xb2}[side], i+1)
	conn, err := f.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.cut)
	conn.Send(t.Context(), wired("type", "join", "v", 1, "nick", f.nick, "session", f.session, "files", true))
	if err := welcomed(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	f.seat = conn
	return f
}

// waits for a message about a file.
func (f *filer) waits(state, id string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	for {
		msg, err := f.seat.Receive(ctx)
		if err != nil {
			f.t.Fatalf("%s waits for %s: %v", f.nick, state, err)
		}
		if s := string(msg); strings.Contains(s, `"`+state+`"`) && strings.Contains(s, id) {
			return
		}
	}
}

// carries makes a connection for a file.
func (f *filer) carries(id string) transport.Conn {
	f.t.Helper()
	conn, err := f.connect(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(conn.cut)
	conn.Send(f.t.Context(), wired("type", "carry", "v", 1, "room", "physics", "session", f.session, "id", id, "side", f.side))
	return conn
}

// stall has a file under way of which both sides send without end, and neither reads.
func stall(t *testing.T, ctx context.Context, give, take *filer, id string) {
	t.Helper()
	file := map[string]any{"id": id, "name": "a.bin", "size": 1 << 40, "sum": strings.Repeat("0f", 32)}
	give.seat.Send(ctx, command("type", "file", "state", "offer", "to", take.nick, "file", file))
	take.waits("offered", id)
	take.seat.Send(ctx, command("type", "file", "state", "take", "file", map[string]any{"id": id, "size": 0}))
	give.waits("taken", id)
	for _, c := range []transport.Conn{give.carries(id), take.carries(id)} {
		go func() {
			msg, err := c.Receive(ctx)
			var said struct{ State string }
			if json.Unmarshal(msg, &said); err != nil || said.State != "ready" {
				t.Errorf("%s, %v", msg, err)
				return
			}
			for chunk := make([]byte, 60_000); c.Send(ctx, chunk) == nil; {
			}
		}()
	}
}
