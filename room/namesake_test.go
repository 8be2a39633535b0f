package room

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/transport"
)

// TestDraftForANamesake sits down, after a crash, in another plaintext room of the name: what
// was said in the first one is not said there.
func TestDraftForANamesake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := new(desk)
		as := func(o *JoinOptions) { o.Identity, o.Drafts, o.Room = transport.Identity{}, d, "physics" }
		first := open(t, pipes, func(h *Host) { h.Plaintext = true })
		ben := first.join("ben", as)
		first.close()
		say(t, ben, "between us")
		kind(t, ben, Pending)
		ben.Leave(t.Context(), "")
		second := open(t, pipes, func(h *Host) { h.Plaintext = true })
		defer second.close()
		ana := second.join("ana", func(o *JoinOptions) { o.Identity = transport.Identity{} })
		ben = second.join("ben", as)
		if e := kind(t, ben, Failed); e.Code != codeNewLog || e.Text != "between us" {
			t.Errorf("%+v", e)
		}
		say(t, ben, "hello")
		until(t, ana, "hello", func(e Event) bool {
			if e.Text == "between us" {
				t.Error("it is said to strangers")
			}
			return e.Text == "hello"
		})
		typed(t, ben, "/resend") // who means it says it
		heard(t, ana, "between us")
		leave(t, ana, ben)
	})
}

// TestWhisperToANamesake whispers to somebody who leaves before the whisper is sent;
// by then the nick is another's. Nobody but the one it was typed for reads it, neither in the
// life of the program that it was typed in, nor in the next one.
func TestWhisperToANamesake(t *testing.T) {
	for _, killed := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			log := NewMemory()
			h := open(t, pipes, func(h *Host) { h.Log = log })
			defer h.close()
			id, d := identity(t), new(desk)
			var down atomic.Bool
			var conns []transport.Conn
			dial := h.dial(id)
			ana, err := Join(t.Context(), JoinOptions{Nick: "ana", Identity: id, Drafts: d}, Dial(func(ctx context.Context) (transport.Conn, error) {
				if down.Load() {
					return nil, errDown
				}
				c, err := dial(ctx)
				if err == nil {
					conns = append(conns, c)
				}
				return c, err
			}))
			if err != nil {
				t.Fatal(err)
			}
			ben := h.join("ben", nil)
			cyn := h.join("cyn", nil)
			until(t, ana, "ben and cyn", func(e Event) bool { return e.Type == Joined && e.Nick == "cyn" })
			down.Store(true)
			conns[0].Close()
			typed(t, ana, "/msg ben the secret")
			typed(t, ana, "/msg cyn for cyn")
			kind(t, ana, Pending)
			left := slices.Clone(d.drafts)
			leave(t, ben)
			mal := h.join("ben", nil)
			if killed {
				ana.Leave(t.Context(), "")
				for _, u := range left {
					if u.ToKey == (transport.Key{}) {
						t.Errorf("the draft for %s does not say for whom it is", u.To)
					}
				}
				d.drafts = left
				ana = h.join("ana", func(o *JoinOptions) { o.Identity, o.Drafts, o.Nick = id, d, "anna" })
			}
			down.Store(false)
			if e := kind(t, ana, Failed); e.Code != codeNoNick || e.Text != "the secret" {
				t.Errorf("it failed with %+v", e)
			}
			heard(t, cyn, "for cyn")
			typed(t, ana, "/resend")
			if e := kind(t, ana, Failed); e.Code != codeNoNick || e.Text != "the secret" {
				t.Errorf("sent again, it failed with %+v", e)
			}
			typed(t, ana, "/msg ben hello, new one")
			until(t, mal, "what is for it", func(e Event) bool {
				if strings.Contains(e.Text, "secret") {
					t.Errorf("a namesake reads %q", e.Text)
				}
				return e.Text == "hello, new one"
			})
			time.Sleep(time.Second)
			leave(t, ana, cyn, mal)
		})
	}
}
