package room

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// refused joins and returns how it was refused.
func refused(t *testing.T, h *hall, o JoinOptions) *Refused {
	t.Helper()
	m, err := Join(t.Context(), o, h.dial(o.Identity))
	var r *Refused
	if !errors.As(err, &r) {
		if err == nil {
			leave(t, m)
		}
		t.Fatalf("%s is not refused: %v", o.Nick, err)
	}
	return r
}

func TestNamesAreUnique(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		defer leave(t, ana)
		for _, nick := range []string{"ana", "Ana", "ANA", "аnа"} { // the last with Cyrillic letters
			r := refused(t, h, JoinOptions{Nick: nick, Identity: identity(t)})
			if r.Code != "nick_taken" && r.Code != "nick_invalid" || r.Suggest == "" {
				t.Errorf("%q: %+v", nick, r)
			}
		}
		for _, nick := range []string{"", "a b", "@ana", "x\x1b[31m", strings.Repeat("x", 300), "a\u202eb"} {
			if r := refused(t, h, JoinOptions{Nick: nick, Identity: identity(t)}); r.Code != "nick_invalid" || r.Text == "" {
				t.Errorf("%q: %+v", nick, r)
			}
		}
	})
}

// TestAskAgain is refused a name and takes the one that is suggested, on the
// same connection.
func TestAskAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		first := h.join("ana", nil)
		asked := 0
		second := h.join("Ana", func(o *JoinOptions) {
			o.Ask = func(_ context.Context, r Refused) (string, bool) {
				asked++
				if r.Code != "nick_taken" {
					t.Errorf("refused with %+v", r)
				}
				return r.Suggest, true
			}
		})
		defer leave(t, first, second)
		if asked != 1 || second.Nick() == "ana" || second.Ready().Nick != second.Nick() || len(h.conns) != 2 {
			t.Errorf("asked %d times, is called %q on connection %d", asked, second.Nick(), len(h.conns))
		}
		if e := until(t, first, "a join", func(e Event) bool { return e.Type == Joined && !e.Own }); e.Nick != second.Nick() {
			t.Errorf("%+v", e)
		}
	})
}

func TestSharingANick(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		id := identity(t)
		mine := func(o *JoinOptions) { o.Identity = id }
		ana := h.join("ana", mine)
		defer leave(t, ana)
		if r := refused(t, h, JoinOptions{Nick: "ana", Identity: id}); r.Code != "nick_taken" {
			t.Errorf("without Share: %+v", r)
		}
		if r := refused(t, h, JoinOptions{Nick: "ana", Identity: identity(t), Share: true, Quiet: true}); r.Code != "nick_taken" {
			t.Errorf("another key: %+v", r)
		}
		other := h.join("ana", func(o *JoinOptions) { o.Identity, o.Share = id, true })
		send := h.join("ana", func(o *JoinOptions) { o.Identity, o.Quiet, o.Deaf = id, true, true })
		say(t, send, "from the shell")
		if e := heard(t, other, "from the shell"); e.From != "ana" || !e.Own {
			t.Errorf("%+v", e)
		}
		if n := h.host.Members(); n != 2 {
			t.Errorf("%d members, want 2: quiet seats do not count", n)
		}
		leave(t, other, send)
	})
}

// TestQuiet has a quiet seat come, speak and go without a line about it.
func TestQuiet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		tail := h.join("tail", func(o *JoinOptions) { o.Quiet = true })
		say(t, ana, "one")
		heard(t, tail, "one")
		if d := kind(t, ana, Delivered); d.Of != 1 || d.Count != 1 {
			t.Errorf("one who reads counts: %+v", d)
		}
		if r := refused(t, h, JoinOptions{Nick: "Tail", Identity: identity(t)}); r.Code != "nick_taken" {
			t.Errorf("a quiet seat's name: %+v", r)
		}
		typed(t, tail, "/nick other")
		say(t, tail, "two")
		if e := heard(t, ana, "two"); e.From != "other" || e.Seq != 3 {
			t.Errorf("%+v", e)
		}
		if got := ana.Names(); len(got) != 1 {
			t.Errorf("names %v", got)
		}
		leave(t, tail)
		say(t, ana, "three")
		if e := until(t, ana, "three", func(e Event) bool {
			if e.Type == Joined || e.Type == Left {
				t.Errorf("saw %+v", e)
			}
			return e.Text == "three" && e.Type == Message
		}); e.Seq != 4 {
			t.Errorf("%+v", e)
		}
		leave(t, ana)
	})
}

// TestLingering loses a connection for good: the leave is said after 30 s,
// and not before.
func TestLingering(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		defer leave(t, ana)
		kind(t, ben, Joined)
		h.mu.Lock()
		h.down = true
		h.conns[1].Close()
		h.mu.Unlock()
		began := time.Now()
		e := kind(t, ana, Left)
		if e.Nick != "ben" || e.Reason != "lost" || time.Since(began) < lingering {
			t.Errorf("after %v: %+v", time.Since(began), e)
		}
		if e := kind(t, ben, Link); e.State != "lost" || e.Why == "" {
			t.Errorf("%+v", e)
		}
		say(t, ben, "meanwhile")
		h.mu.Lock()
		h.down = false
		h.mu.Unlock()
		if e := kind(t, ben, Link); e.State != "resumed" {
			t.Errorf("%+v", e)
		}
		if e := until(t, ana, "ben again", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" }); e.Seq == 0 {
			t.Errorf("%+v", e)
		}
		heard(t, ana, "meanwhile")
		leave(t, ben)
		if e := kind(t, ana, Left); e.Reason != "quit" {
			t.Errorf("%+v", e)
		}
	})
}

// TestOwnGhost comes back after a crash, without the seat's secret: the same
// key takes its nick from its own lost seat.
func TestOwnGhost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		defer leave(t, ana)
		id := identity(t)
		h.join("ben", func(o *JoinOptions) { o.Identity = id }).cancel() // gone without a word
		synctest.Wait()
		h.conns[1].Close()
		synctest.Wait()
		if r := refused(t, h, JoinOptions{Nick: "ben", Identity: identity(t)}); r.Code != "nick_taken" {
			t.Errorf("%+v", r)
		}
		ben := h.join("ben", func(o *JoinOptions) { o.Identity = id })
		if e := kind(t, ana, Left); e.Nick != "ben" || e.Reason != "lost" {
			t.Errorf("%+v", e)
		}
		if got := ben.Names(); len(got) != 2 {
			t.Errorf("here are %v", got)
		}
		leave(t, ben)
	})
}

// TestSeatNeedsSecretAndKey tries to take a seat with one of the two.
func TestSeatNeedsSecretAndKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		defer leave(t, ana)
		c, err := h.dial(identity(t))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Send(t.Context(), encode(command{Type: typeJoin, V: Version, Nick: "ana", Session: ana.session}))
		msg, err := c.Receive(t.Context())
		if r, _ := parseReport(msg); err != nil || r.Code != "session" {
			t.Errorf("%s %v", msg, err)
		}
		c.Close()
	})
}

func TestFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.MaxSeats = 2 })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		if r := refused(t, h, JoinOptions{Nick: "cyn", Identity: identity(t)}); r.Code != "full" {
			t.Errorf("%+v", r)
		}
		leave(t, ben)
		cyn := h.join("cyn", nil)
		leave(t, ana, cyn)
	})
}

func TestWrongRoomAndVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		if r := refused(t, h, JoinOptions{Nick: "ana", Room: "chemistry", Identity: identity(t)}); r.Code != "no_room" {
			t.Errorf("%+v", r)
		}
		c, _ := h.dial(identity(t))(t.Context())
		c.Send(t.Context(), []byte(`{"type":"join","v":99,"nick":"ana"}`))
		if msg, _ := c.Receive(t.Context()); !strings.Contains(string(msg), `"version"`) {
			t.Errorf("%s", msg)
		}
		if _, err := c.Receive(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("the connection is kept: %v", err)
		}
		c.Close()
	})
}

// TestUndecided connects and never says a usable name.
func TestUndecided(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		c, _ := h.dial(identity(t))(t.Context())
		c.Send(t.Context(), encode(command{Type: typeJoin, V: Version, Nick: "@"}))
		began := time.Now()
		for {
			if _, err := c.Receive(t.Context()); err != nil {
				break
			}
		}
		if d := time.Since(began); d < undecided || d > undecided+10*time.Second {
			t.Errorf("hung up after %v", d)
		}
		c.Close()
	})
}

// TestVouch has members believe a host only if the room's key vouches for it.
func TestVouch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		other := identity(t)
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", func(o *JoinOptions) {
			o.Trust = func(_ string, k transport.Key) error {
				if k != h.host.Key.Key() {
					t.Errorf("trust asked about %v", k)
				}
				return nil
			}
		})
		if ana.Ready().Key != h.host.Key.Key() || !ana.Ready().Secure {
			t.Errorf("%+v", ana.Ready())
		}
		leave(t, ana)
		distrust := errors.New("not this one")
		if _, err := Join(t.Context(), JoinOptions{Nick: "ben", Trust: func(string, transport.Key) error { return distrust }}, h.dial(identity(t))); !errors.Is(err, distrust) {
			t.Errorf("%v", err)
		}
		h.id = other // the connections prove a key that is not vouched for
		if r := refused(t, h, JoinOptions{Nick: "cyn", Identity: identity(t)}); r.Code != "key" {
			t.Errorf("%+v", r)
		}
	})
}

// TestPlaintext seats people without keys, and keeps them apart.
func TestPlaintext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Plaintext = true })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		defer leave(t, ana, ben)
		if r := ana.Ready(); r.Secure || r.Key != (transport.Key{}) {
			t.Errorf("%+v", r)
		}
		typed(t, ana, "/msg ben psst")
		if e := heard(t, ben, "psst"); e.Type != Whisper || e.From != "ana" || e.To != "ben" {
			t.Errorf("%+v", e)
		}
		h.conns[1].Close()
		kind(t, ben, Link)
		say(t, ben, "again")
		heard(t, ana, "again")
		for _, p := range ana.Names() {
			if p.Key != (transport.Key{}) {
				t.Errorf("%+v has a key", p)
			}
		}
	})
}
