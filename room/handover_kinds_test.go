package room

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// moves hands the room over from ana to ben, and has whoever dials from then on
// reach the new host.
func (s *estate) moves() {
	s.t.Helper()
	s.take = func(ctx context.Context, o Offer) error {
		return Take(ctx, s.connect(s.benID, nil), o, there, s, func(string, string) {})
	}
	s.offer()
	if err := <-s.took; err != nil {
		s.t.Fatalf("the room was not taken: %v", err)
	}
	s.hall.mu.Lock()
	s.hall.host, s.hall.id = s.heir, s.benID
	s.hall.mu.Unlock()
}

// following has a member go where the room goes.
func following(o *JoinOptions) { o.Moved = func(Move) {} }

// settled waits until a member sits at the new host.
func settled(t *testing.T, m *Member) {
	t.Helper()
	until(t, m, "the new host", func(e Event) bool { return e.Type == Hosted })
}

// Whoever comes anew has to prove the password at the new host; whoever was in the
// room has not.
func TestHandoverOfPassword(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v, err := NewVerifier("open sesame")
		if err != nil {
			t.Fatal(err)
		}
		s := inherit(t, func(h *Host) { h.Password = v }, knowing("open sesame"))
		defer s.close()
		asked := 0
		cyn := s.hall.join("cyn", func(o *JoinOptions) {
			following(o)
			o.Password = func(context.Context, string, int) (string, bool) { asked++; return "open sesame", true }
		})
		s.moves()
		settled(t, cyn)
		if asked != 1 || !s.heir.Guarded() {
			t.Errorf("asked %d times; guarded: %v", asked, s.heir.Guarded())
		}
		id := identity(t)
		for _, password := range []func(context.Context, string, int) (string, bool){
			nil,
			func(_ context.Context, _ string, wrong int) (string, bool) { return "open says me", wrong == 0 },
		} {
			o := JoinOptions{Nick: "eve", Identity: id, Password: password}
			if r := refusedAs(t, o, s.hall.dial(id)); r.Code != codePassword {
				t.Errorf("%+v", r)
			}
		}
		dan := s.hall.join("dan", knowing("open sesame"))
		say(t, dan, "hello")
		heard(t, cyn, "hello")
		leave(t, cyn, dan)
	})
}

// What the keepers of a room decided holds at the new host: who is banned, muted or
// filtered, that the room is locked, slow, and lets in only who is approved.
func TestHandoverOfRules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := inherit(t, func(h *Host) { h.Slow, h.Filters = 30, []string{"heck"} }, nil)
		defer s.close()
		typed(t, s.ana, "/approve on")
		var letIn []*Member
		for _, nick := range []string{"cyn", "dan", "eve"} {
			id := identity(t)
			come := make(chan *Member, 1)
			go func() {
				m, err := Join(context.Background(), JoinOptions{Nick: nick, Identity: id, Moved: func(Move) {}}, s.hall.dial(id))
				if err != nil {
					t.Errorf("%s: %v", nick, err)
				}
				come <- m
			}()
			time.Sleep(time.Second)
			typed(t, s.ana, "/approve "+nick)
			letIn = append(letIn, <-come)
		}
		cyn, dan, eve := letIn[0], letIn[1], letIn[2]
		defer func() {
			for _, m := range letIn {
				m.Leave(context.Background(), "")
			}
		}()
		typed(t, s.ana, "/mute dan noise")
		typed(t, s.ana, "/ban eve gone")
		kind(t, cyn, Ban)
		s.moves()
		settled(t, cyn)
		settled(t, dan)

		refused := func(m *Member, words, code string) {
			t.Helper()
			say(t, m, words)
			if e := until(t, m, code, func(e Event) bool { return e.Type == Failed }); e.Code != code {
				t.Errorf("%q: %+v", words, e)
			}
		}
		refused(dan, "hi", codeMuted)
		refused(cyn, "oh heck", codeFiltered)
		say(t, cyn, "one")
		heard(t, cyn, "one")
		refused(cyn, "two", codeSlowMode)
		if r := refusedAs(t, JoinOptions{Nick: "eve", Identity: eve.o.Identity}, s.hall.dial(eve.o.Identity)); r.Code != codeBanned {
			t.Errorf("%+v", r)
		}
		// Who was approved comes back, and newcomers wait for the new host's word.
		leave(t, cyn)
		again, err := Join(context.Background(), JoinOptions{Nick: "cyn", Identity: cyn.o.Identity}, s.hall.dial(cyn.o.Identity))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		id := identity(t)
		if m, err := Join(ctx, JoinOptions{Nick: "fay", Identity: id}, s.hall.dial(id)); err == nil {
			t.Error("a newcomer is let in")
			m.Leave(context.Background(), "")
		}
		leave(t, again)
	})
}

// A locked room is locked at the new host.
func TestHandoverOfLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := inherit(t, nil, nil)
		defer s.close()
		cyn := s.hall.join("cyn", following)
		typed(t, s.ana, "/lock exam")
		kind(t, cyn, Lock)
		s.moves()
		settled(t, cyn)
		id := identity(t)
		if r := refusedAs(t, JoinOptions{Nick: "dan", Identity: id}, s.hall.dial(id)); r.Code != codeLocked || !strings.Contains(r.Text, "exam") {
			t.Errorf("%+v", r)
		}
		leave(t, cyn)
	})
}

// A room is handed over with its delivery, and while what is said gets lost on the
// way: what was accepted is known to everybody afterwards, once.
func TestHandoverByDelivery(t *testing.T) {
	for _, d := range []transport.Delivery{transport.Unordered, transport.Bare} {
		t.Run(d.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := inherit(t, func(h *Host) { h.Delivery = d }, nil)
				defer s.close()
				s.hall.mu.Lock()
				s.hall.carrier = cables(7, func(c *cable) { c.delay, c.jitter, c.loss = time.Millisecond, 5*time.Millisecond, 0.1 })
				s.hall.mu.Unlock()
				cyn := s.hall.join("cyn", following)
				dan := s.hall.join("dan", following)
				const each = 50
				for i := range each {
					say(t, dan, fmt.Sprint("before ", i))
				}
				s.moves()
				for i := range each {
					say(t, dan, fmt.Sprint("after ", i))
				}
				if err := dan.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if s.heir.Delivery != d || cyn.Ready().Delivery != d.String() {
					t.Errorf("delivery %v, %s", s.heir.Delivery, cyn.Ready().Delivery)
				}
				seen, gaps := map[string]int{}, 0
				leave(t, dan) // which is told reliably, however what is said travels
				until(t, cyn, "the end", func(e Event) bool {
					switch {
					case e.Type == Gap:
						gaps += e.Count
					case e.Type.said():
						seen[e.Text]++
					}
					return e.Type == Left && e.Nick == "dan"
				})
				for words, n := range seen {
					if n != 1 {
						t.Errorf("%q came %d times", words, n)
					}
				}
				if len(seen)+gaps != 2*each || d == transport.Unordered && gaps > 0 {
					t.Errorf("%d came, %d are told to be missing", len(seen), gaps)
				}
				page, err := s.heir.Log.Page(t.Context(), transport.Key{}, 1<<62, 1000)
				stored := 0
				for _, e := range page {
					if e.Words != "" {
						stored++
					}
				}
				if err != nil || stored < 2*each {
					t.Errorf("the log has %d messages, %v", stored, err)
				}
				leave(t, cyn)
			})
		})
	}
}

// Of a room of which nobody knows whose it is nobody is told that it was not taken.
func TestHandoverDoubtIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := inherit(t, nil, nil)
		defer s.close()
		s.take = func(context.Context, Offer) error { return &Doubt{Err: errCut, Words: "type this there"} }
		s.offer()
		<-s.took
		if e := until(t, s.ben, "the end", handedState("failed")); e.Text != "type this there" {
			t.Errorf("%q", e.Text)
		}
	})
}

// A room whose older entries are not there any more is handed over with what they
// add up to: a ban that nobody can read holds, and newcomers are passed over them.
func TestHandoverOfPrunedLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := NewMemory()
		s := inherit(t, func(h *Host) { h.Log = log }, nil)
		defer s.close()
		cyn := s.hall.join("cyn", following)
		eve := s.hall.join("eve", nil)
		typed(t, s.ana, "/topic the old topic")
		typed(t, s.ana, "/ban eve gone")
		kind(t, cyn, Ban)
		for i := range 20 {
			say(t, s.ana, fmt.Sprint("old ", i))
			heard(t, cyn, fmt.Sprint("old ", i))
		}
		time.Sleep(checkpointAfter + time.Second)
		say(t, s.ana, "and a checkpoint")
		heard(t, cyn, "and a checkpoint")
		synctest.Wait()
		log.mu.Lock()
		saved := log.savedAt
		log.limit = 3 * entryCost
		log.forget()
		gone := log.base
		log.limit = maxMemory
		log.mu.Unlock()
		if saved == 0 || gone == 0 || gone > saved {
			t.Fatalf("%d entries are gone, the checkpoint is of %d", gone, saved)
		}
		s.moves()
		settled(t, cyn)
		if now, _, _ := s.heir.Log.Bounds(t.Context()); now != gone {
			t.Errorf("%d entries are gone here, %d there", gone, now)
		}
		if r := refusedAs(t, JoinOptions{Nick: "eve", Identity: eve.o.Identity}, s.hall.dial(eve.o.Identity)); r.Code != codeBanned {
			t.Errorf("%+v", r)
		}
		dan := s.hall.join("dan", func(o *JoinOptions) { o.History = 100 })
		if dan.Ready().Text != "the old topic" {
			t.Errorf("the topic: %q", dan.Ready().Text)
		}
		heard(t, dan, "and a checkpoint")
		say(t, dan, "hello")
		heard(t, cyn, "hello")
		eve.Leave(context.Background(), "")
		leave(t, cyn, dan)
	})
}
