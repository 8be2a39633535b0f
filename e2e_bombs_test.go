package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/tcp"
	"parley/transport"
)

// bombs are messages that no program of ours sends.
func bombs() map[string][]byte {
	const size = 16 << 10
	nested := func(open, shut string) string {
		n := (size - 100) / len(open+shut)
		return strings.Repeat(open, n) + strings.Repeat(shut, n)
	}
	all := map[string][]byte{
		"nothing but depth": []byte(nested("[", "]")), "depth": []byte(`{"type":"message","text":` + nested(`[`, `]`) + `}`),
		"objects": []byte(`{"type":"message","x":` + strings.Repeat(`{"x":`, 2500) + `1` + strings.Repeat(`}`, 2500) + `}`),
		"missed":  []byte(`{"type":"got","got":1,"missed":[[]` + strings.Repeat(`,[]`, 5000) + `]}`),
		"members": []byte(`{"type":"message","members":[{}` + strings.Repeat(`,{}`, 5000) + `]}`),
		"garbage": []byte(strings.Repeat("\x80\xff\x00{", 4000)), "large": []byte(`{"type":"message","text":"` + strings.Repeat("x", 65000) + `"}`),
		"null": []byte(`null`), "a number": []byte(`1e999`), "a list": []byte(`["message"]`), "a byte": {0}, "no type": []byte(`{}`),
		"got all": []byte(`{"type":"got","got":18446744073709551615,"missed":[[0,18446744073709551615]]}`),
		"twice":   []byte(`{"type":"message","type":"leave","id":"","text":"x"}`),
	}
	for _, kind := range []string{"join", "message", "action", "whisper", "nick", "topic", "away", "names", "got", "leave", "kick", "welcome"} {
		all[kind+" of escapes"] = []byte(`{"type":"` + kind + `","text":"` + strings.Repeat(`\u0007`, 2700) + `"}`)
		all[kind+" of surrogates"] = []byte(`{"type":"` + kind + `","nick":"` + strings.Repeat(`\ud800`, 2700) + `"}`)
		all[kind+" to a long nick"] = wired("type", kind, "to", strings.Repeat("é", 4000), "nick", strings.Repeat("é", 4000), "id", strings.Repeat("0", 32))
	}
	return all
}

// Messages that are made to hurt are refused one by one, or end the connection
// that they came by; the room does not notice.
func TestBombsAtHost(t *testing.T) {
	needProc(t)
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			ana := b.host("ana", "physics")
			ben := b.join("ben", b.addr(), "--transport", via)
			pid := ana.cmd.Process.Pid
			before := rss(t, pid)
			n := 0
			for what, msg := range bombs() {
				n++
				for range 2 { // once from a seat, once from the street
					c := newClient(t, b.addr(), via)
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					conn, err := c.connect(ctx)
					if err == nil && n%2 == 0 {
						err = conn.Send(ctx, wired("type", "join", "v", 1, "nick", fmt.Sprint("tom", n)))
					}
					if err == nil {
						err = conn.Send(ctx, msg)
					}
					if err != nil {
						t.Errorf("%s: %v", what, err)
					} else {
						conn.Receive(ctx) // whatever the answer
						conn.cut()
					}
					cancel()
				}
			}
			ben.say("still here")
			ana.await("a word", said("still here"))
			ana.say("so am I")
			ben.await("the answer", said("so am I"))
			t.Logf("FIGURE %d bombs over %s: resident memory %+.1f MiB", 2*n, via, mib(rss(t, pid)-before))
			if talk := ana.talk.all(); len(talk) > 0 {
				t.Errorf("they made the host say %q", talk[0].text)
			}
		})
	}
}

// An id stands for one message for ever: the same one again is accepted again
// and said once, another under its id is refused, and somebody else's ids are
// his own. Nobody takes a seat by knowing what is public of it, or by its
// secret alone.
func TestReusedIDsAndGuessedSeats(t *testing.T) {
	b := loopback(t)
	ana := b.host("ana", "physics")
	tom, tim := newClient(t, b.addr(), "udp"), newClient(t, b.addr(), "udp")
	answer := func(c *owned, wanted string) map[string]any {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for {
			msg, err := c.Receive(ctx)
			if err != nil {
				t.Fatalf("waiting for %s: %v", wanted, err)
			}
			var r map[string]any
			if json.Unmarshal(msg, &r); strings.Contains(wanted, r["type"].(string)) {
				return r
			}
		}
	}
	conn, err := tom.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.cut)
	conn.Send(t.Context(), wired("type", "join", "v", 1, "nick", "tom"))
	welcome := answer(conn, "welcome")
	id := strings.Repeat("ab", 16)
	say := func(c *owned, text string) map[string]any {
		t.Helper()
		c.Send(t.Context(), wired("type", "message", "id", id, "text", text))
		return answer(c, "accepted failed")
	}
	first, again, other := say(conn, "mine"), say(conn, "mine"), say(conn, "another")
	if first["type"] != "accepted" || again["seq"] != first["seq"] || other["code"] != "id_used" {
		t.Errorf("first %v, again %v, another %v", first, again, other)
	}
	if theirs := say(tim.rude("tim"), "theirs"); theirs["type"] != "accepted" || theirs["seq"] == first["seq"] {
		t.Errorf("somebody else's: %v", theirs)
	}
	ana.say("the end")
	ana.await("the end", said("the end"))
	once(t, ana, "tom", "mine")

	for what, session := range map[string]any{"its secret": welcome["session"], "its name": welcome["seat"], "zeros": strings.Repeat("0", 32), "a word": "please"} {
		thief := newClient(t, b.addr(), "udp")
		c, err := thief.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.cut)
		c.Send(t.Context(), wired("type", "join", "v", 1, "nick", "thief", "session", session, "log", welcome["log"]))
		r := answer(c, "welcome error")
		if r["nick"] == "tom" || r["resumed"] == true {
			t.Errorf("with %s: %v", what, r)
		}
		if r["type"] == "welcome" {
			c.Send(t.Context(), wired("type", "leave"))
			answer(c, "bye")
		}
	}
	if a := say(conn, "mine"); a["seq"] != first["seq"] {
		t.Errorf("the seat's owner: %v", a)
	}
}

// A host that floods its members, invents people and counts as it likes makes a
// member keep little; its user can leave at any time.
func TestHostileHost(t *testing.T) {
	needProc(t)
	const count = 4000
	text, wide := strings.Repeat("x", 4000), strings.Repeat("w", 250)
	for what, next := range map[string]func(n int) []byte{
		"an endless history": func(n int) []byte {
			return wired("type", "message", "seq", n+1, "at", "2026-01-02T15:04:05.000Z", "from", "eve", "text", text)
		},
		"people": func(n int) []byte {
			return wired("type", "join", "seq", n+1, "nick", fmt.Sprint(wide[:200], n), "seat", fmt.Sprintf("%0240x", n), "transport", wide, "role", wide)
		},
		"a list without end": func(n int) []byte {
			var all []any
			for i := range 20 {
				all = append(all, map[string]any{"nick": wide, "seat": fmt.Sprintf("%0240x", 20*n+i)})
			}
			return wired("type", "members", "more", true, "members", all)
		},
		"jumps":    func(n int) []byte { return wired("type", "message", "seq", 1000*n+1, "from", "eve", "text", text) },
		"receipts": func(n int) []byte { return wired("type", "delivered", "delivered", [][3]int{{n, 1, 2}, {n, 2, 2}}) },
		"notices":  func(n int) []byte { return wired("type", "notice", "text", text) },
		"riddles":  func(n int) []byte { return wired("type", fmt.Sprint("riddle", n), "text", text) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			addr, joins := poser(t, next, count)
			ben := b.join("ben", addr, "--plaintext", "--transport", "tcp", "--no-discovery")
			pid := ben.cmd.Process.Pid
			before, most := rss(t, pid), int64(0)
			for range 20 { // two seconds of it
				most = max(most, rss(t, pid))
				select {
				case <-ben.done:
					t.Fatal("it is gone")
				case <-time.After(100 * time.Millisecond):
				}
			}
			ben.say("/quit")
			ben.ends()
			if n := joins(); n == 0 || n > 20 {
				t.Errorf("it came %d times", n)
			}
			t.Logf("FIGURE a host with %s: a member's resident memory %+.1f MiB", what, mib(most-before))
			if most-before > 48<<20 && !raceEnabled {
				t.Errorf("resident memory grew by %d bytes", most-before)
			}
		})
	}
}

// poser is a host in plaintext that says what next makes, count times to
// everybody who comes. joins tells how often somebody has.
func poser(t *testing.T, next func(n int) []byte, count int) (addr string, joins func() int) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &tcp.Endpoint{Listener: listener, Plaintext: true}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	var mu sync.Mutex
	came := 0
	serve := func(c transport.Conn) {
		defer c.Close()
		if _, err := c.Receive(ctx); err != nil {
			return
		}
		mu.Lock()
		came++
		mu.Unlock()
		work.Go(func() {
			for {
				if _, err := c.Receive(ctx); err != nil {
					return
				}
			}
		})
		err := errors.Join(
			c.Send(ctx, wired("type", "welcome", "v", 1, "room", "physics", "nick", "ben", "role", "member", "log", strings.Repeat("a", 32),
				"session", strings.Repeat("b", 32), "seat", strings.Repeat("c", 32), "lane", "ordered", "delivery", "ordered")),
			c.Send(ctx, wired("type", "members", "members", []any{})))
		for n := 0; n < count && err == nil; n++ {
			err = c.Send(ctx, next(n))
		}
		if err == nil {
			<-ctx.Done()
		}
	}
	work.Go(func() {
		for {
			c, err := e.Accept(ctx)
			if err != nil {
				return
			}
			work.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		cancel()
		e.Close()
		listener.Close()
		work.Wait()
	})
	return listener.Addr().String(), func() int {
		mu.Lock()
		defer mu.Unlock()
		return came
	}
}
