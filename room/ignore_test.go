package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"parley/transport"
)

// unseen checks that of what m is shown until stop comes nothing is of who.
func unseen(t *testing.T, m *Member, stop string, who ...string) {
	t.Helper()
	until(t, m, stop, func(e Event) bool {
		if e.Type != Members && (slices.Contains(who, e.From) || slices.Contains(who, e.Nick)) {
			t.Errorf("shown: %+v", e)
		}
		return e.Text == stop
	})
}

// TestIgnoreHoldsByKey has somebody who is ignored do whatever people do, under
// another name, too, and go and come again.
func TestIgnoreHoldsByKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		var ignored Ignored
		ana := h.join("ana", func(o *JoinOptions) { o.Ignored = &ignored })
		cyn := h.join("cyn", nil)
		key := identity(t)
		mine := func(o *JoinOptions) { o.Identity = key }
		ben := h.join("ben", mine)
		defer leave(t, ana, cyn)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
		typed(t, ana, "/ignore Ben")
		if e := kind(t, ana, Notice); !strings.Contains(e.Text, "ben is ignored") || !strings.Contains(e.Text, "under any name") ||
			!strings.Contains(e.Text, "/unignore ben") || !strings.Contains(e.Text, "end this program") {
			t.Errorf("%q", e.Text)
		}
		say(t, ben, "one")
		typed(t, ben, "/me waves")
		typed(t, ben, "/msg ana psst")
		typed(t, ben, "/nick bert")
		typed(t, ben, "/msg ana psst again")
		until(t, ben, "his whisper", func(e Event) bool { return e.Text == "psst again" && e.Type == Whisper })
		leave(t, ben)
		again := h.join("benno", mine)
		say(t, again, "back")
		heard(t, again, "back")
		typed(t, again, "/nick ben2")
		until(t, again, "his name", func(e Event) bool { return e.Type == Renamed })
		say(t, cyn, "stop")
		unseen(t, ana, "stop", "ben", "bert", "benno", "ben2")
		if _, err := ana.Input(t.Context(), "/reply to whom?"); err == nil {
			t.Error("a whisper that was not shown can be replied to")
		}
		typed(t, ana, "/ignore")
		if e := kind(t, ana, Notice); e.Text != "you ignore ben (now ben2)" {
			t.Errorf("%q", e.Text)
		}
		typed(t, ana, "/names")
		if e := kind(t, ana, Members); len(e.Members) != 3 {
			t.Errorf("%+v", e.Members)
		}
		// Somebody else who takes the old name is heard.
		other := h.join("ben", nil)
		say(t, other, "another ben")
		heard(t, ana, "another ben")
		// It goes along to the next room.
		third := h.join("zoe", func(o *JoinOptions) { o.Ignored, o.History = &ignored, 100 })
		say(t, again, "in the next room")
		synctest.Wait()
		say(t, cyn, "stop again")
		until(t, third, "stop again", func(e Event) bool {
			if e.From == "ben2" || e.From == "benno" && !e.Replay {
				t.Errorf("shown: %+v", e)
			}
			return e.Text == "stop again"
		})
		typed(t, ana, "/unignore ben2")
		if e := until(t, ana, "the answer", func(e Event) bool { return e.Type == Notice }); e.Text != "ben2 is heard again" {
			t.Errorf("%q", e.Text)
		}
		say(t, again, "heard")
		heard(t, ana, "heard")
		heard(t, third, "heard")
		typed(t, ana, "/unignore ben2")
		if e := kind(t, ana, Failure); e.Code != codeNoNick {
			t.Errorf("%+v", e)
		}
		leave(t, other, third, again)
	})
}

// TestIgnoreByName ignores somebody who is not here, and in a room where
// nobody proves a key.
func TestIgnoreByName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Plaintext = true })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		defer leave(t, ana)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
		typed(t, ana, "/ignore ben")
		if e := kind(t, ana, Notice); !strings.Contains(e.Text, "nobody proves a key") {
			t.Errorf("%q", e.Text)
		}
		typed(t, ana, "/ignore Zoe")
		if e := kind(t, ana, Notice); !strings.Contains(e.Text, "not here") || !strings.Contains(e.Text, "by name") {
			t.Errorf("%q", e.Text)
		}
		typed(t, ana, "/ignore")
		if e := kind(t, ana, Notice); e.Text != "you ignore Zoe (by name), ben (by name)" {
			t.Errorf("%q", e.Text)
		}
		zoe := h.join("zoe", nil)
		say(t, zoe, "hidden")
		say(t, ben, "hidden too")
		heard(t, ben, "hidden too")
		typed(t, ben, "/nick bert")
		say(t, ben, "stop")
		unseen(t, ana, "stop", "zoe", "ben")
		for _, me := range []string{"/ignore ana", "/ignore ANA"} {
			typed(t, ana, me)
			if e := kind(t, ana, Failure); e.Code != codeSelf {
				t.Errorf("%+v", e)
			}
		}
		leave(t, ben, zoe)
	})
}

func TestIgnoredIsBounded(t *testing.T) {
	var g Ignored
	for i := range maxIgnored {
		if !g.add(transport.Key{byte(i), 1}, fmt.Sprint("n", i)) {
			t.Fatalf("%d are too many", i)
		}
	}
	if g.add(transport.Key{0, 2}, "more") || !g.add(transport.Key{7, 1}, "seven") || len(g.list()) != maxIgnored {
		t.Error("there is no bound, or it bounds the known")
	}
	if !g.has(transport.Key{7, 1}, "x") || g.has(transport.Key{0, 9}, "seven") || !g.has(transport.Key{}, "seven") {
		t.Error("a key that is known does not decide")
	}
}
