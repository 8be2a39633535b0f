package main_test

// A machine in the middle: it has a key of its own, ends the member's
// connection, opens another to the host, and passes on what is said.

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// relay is such a machine.
type relay struct {
	t      testing.TB
	id     transport.Identity // its own
	room   transport.Identity // of the room it makes up, which vouches for it
	to     netip.AddrPort
	change func(y *relay, said map[string]any)

	dial    transport.Dialer
	at      transport.Listener
	port    int
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	heard   strings.Builder // all that passed, in clear
}

// between puts a relay in front of the host at addr, by one carrier.
func between(t testing.TB, carrier, addr string, change func(*relay, map[string]any)) *relay {
	t.Helper()
	y := &relay{t: t, change: change, to: netip.MustParseAddrPort(addr)}
	for _, id := range []*transport.Identity{&y.id, &y.room} {
		var err error
		if *id, err = transport.NewIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	y.port = freePort(t)
	here := net.JoinHostPort("127.0.0.1", fmt.Sprint(y.port))
	if carrier == "udp" {
		listen := func(at string) net.PacketConn {
			s, err := net.ListenPacket("udp4", at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			return s
		}
		down, up := &udp.Endpoint{Socket: listen(here), Identity: y.id}, &udp.Endpoint{Socket: listen("127.0.0.1:0"), Identity: y.id}
		y.at, y.dial = down, up
		t.Cleanup(func() { up.Close() })
	} else {
		l, err := net.Listen("tcp4", here)
		if err != nil {
			t.Fatal(err)
		}
		up := &tcp.Endpoint{Identity: y.id}
		y.at, y.dial = &tcp.Endpoint{Listener: l, Identity: y.id}, up
		t.Cleanup(func() { up.Close() })
	}
	y.ctx, y.cancel = context.WithCancel(context.Background())
	y.running.Go(y.accept)
	t.Cleanup(func() {
		y.cancel()
		y.at.Close()
		y.running.Wait()
	})
	return y
}

func (y *relay) accept() {
	for {
		down, err := y.at.Accept(y.ctx)
		if err != nil {
			return
		}
		y.running.Go(func() { y.pass(down) })
	}
}

// pass connects a member to the host.
func (y *relay) pass(down transport.Conn) {
	defer down.Close()
	up, err := y.dial.Dial(y.ctx, y.to)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(y.ctx)
	defer cancel()
	y.running.Go(func() {
		defer up.Close()
		y.copy(ctx, up, down, nil)
	})
	y.copy(ctx, down, up, y.change)
}

func (y *relay) copy(ctx context.Context, to, from transport.Conn, change func(*relay, map[string]any)) {
	for {
		msg, err := from.Receive(ctx)
		if err != nil {
			return
		}
		y.mu.Lock()
		y.heard.Write(msg)
		y.mu.Unlock()
		if change != nil {
			var said map[string]any
			if json.Unmarshal(msg, &said) != nil {
				return
			}
			change(y, said)
			if msg, err = json.Marshal(said); err != nil {
				return
			}
		}
		if to.Send(ctx, msg) != nil {
			return
		}
	}
}

// vouch has the room that the relay made up vouch for the relay's own key.
func (y *relay) vouch(said map[string]any) {
	if said["vouch"] == nil {
		return
	}
	until := time.Now().Add(time.Hour).Unix()
	key := y.id.Key()
	text := append([]byte("parley vouch 1\n"), key[:]...)
	text = fmt.Appendf(text, "\n%d", until)
	said["vouch"] = map[string]any{"key": y.room.Key().String(), "until": until, "sig": y.room.Sign(text)}
}

// TestRelay is row X11: a member who has never been here before, and so has
// nothing to compare keys with, is kept from the wrong machine by the password.
func TestRelay(t *testing.T) {
	for _, carrier := range []string{"udp", "tcp"} {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			good := b.written("good", secret, 0o600)
			ana := b.host("ana", "physics", "--password-file", good)
			for name, c := range map[string]struct {
				change func(*relay, map[string]any)
				words  string
			}{
				"as it is":          {func(*relay, map[string]any) {}, "the room's key does not vouch for this host"},
				"with its own room": {(*relay).vouch, "not the same channel|somebody is in between"},
				"with a made-up welcome": {func(y *relay, said map[string]any) {
					if y.vouch(said); said["type"] == "error" {
						clear(said)
						said["type"], said["v"], said["room"], said["nick"], said["secure"] = "welcome", 1, "physics", "ben", true
						said["session"], said["log"], said["vouch"] = strings.Repeat("1", 32), strings.Repeat("2", 32), true
						y.vouch(said)
					}
				}, "does not know the password|not the room it says"},
			} {
				y := between(t, carrier, b.addr(), c.change)
				start := time.Now()
				_, stderr, code := b.once("ben-"+strings.ReplaceAll(name, " ", "-"), "", "join", fmt.Sprintf("127.0.0.1:%d/physics", y.port), "--nick", "ben",
					"--transport", carrier, "--password-file", good, "--no-input")
				t.Logf("FIGURE relay over %s, %s: exit code %d after %v: %s", carrier, name, code, round(time.Since(start)), strings.TrimSpace(stderr))
				if code != 4 || !saysAll(stderr, c.words) {
					t.Errorf("%s: exit code %d, want 4\n%s", name, code, stderr)
				}
				y.mu.Lock()
				if heard := y.heard.String(); strings.Contains(heard, secret) || strings.Contains(heard, `"members"`) || strings.Contains(heard, "ana") {
					t.Errorf("%s: the relay learns something: %s", name, heard)
				}
				y.mu.Unlock()
			}
			// The direct way is open, and the room was never disturbed.
			ben := b.join("ben", b.addr(), "--transport", carrier, "--password-file", good)
			ben.say("directly")
			ana.await("him", said("directly"))
			for _, l := range ana.out.all() {
				if l.Type == "join" && l.Nick == "ben" && l.Seq > 2 {
					t.Errorf("somebody got in by the relay: %s", l.text)
				}
			}
		})
	}
}
