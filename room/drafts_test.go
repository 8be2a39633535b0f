package room

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// desk is Drafts in memory: what one program after the other finds.
type desk struct {
	mu      sync.Mutex
	drafts  []Draft
	session string
	synced  int // drafts up to here are safe
	syncs   int
	closed  bool
	fails   error
}

func (d *desk) Session(string) string { return d.session }

func (d *desk) Open(_ string, key transport.Key, session string, limit int) ([]Draft, int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = false
	if key == (transport.Key{}) {
		d.session = session
	}
	return slices.Clone(d.drafts), 0, nil
}

func (d *desk) Put(one Draft) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails == nil {
		d.drafts = append(d.drafts, one)
	}
	return d.fails
}

func (d *desk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	d.synced = len(d.drafts)
	return d.fails
}

func (d *desk) Drop(ids []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drafts = slices.DeleteFunc(d.drafts, func(o Draft) bool { return slices.Contains(ids, o.ID) })
	d.synced = min(d.synced, len(d.drafts))
	return nil
}

func (d *desk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

func (d *desk) count() (drafts, syncs int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.drafts), d.syncs
}

// What is said is a draft until it is stored. It is called pending when it is
// safe, which costs nothing while the host answers, and goes out when it is back.
func TestDraftsUntilStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := NewMemory()
		h := open(t, pipes, func(h *Host) { h.Log = log })
		d := new(desk)
		ben := h.join("ben", func(o *JoinOptions) { o.Drafts = d })
		say(t, ben, "one")
		heard(t, ben, "one")
		time.Sleep(time.Second)
		if n, syncs := d.count(); n != 0 || syncs != 0 {
			t.Errorf("%d drafts, %d syncs", n, syncs)
		}
		h.close()
		id := say(t, ben, "two")
		if e := kind(t, ben, Pending); e.ID != id || e.Text != "two" || d.synced != 1 {
			t.Errorf("pending: %+v with %d synced", e, d.synced)
		}
		if u := ben.Unsent(); len(u) != 1 || u[0].ID != id || !u[0].Kept || u[0].Before || u[0].Code != "" {
			t.Errorf("unsent: %+v", u)
		}
		h.reopen(log)
		if e := kind(t, ben, Accepted); e.ID != id {
			t.Errorf("accepted: %+v", e)
		}
		heard(t, ben, "two")
		time.Sleep(time.Second)
		if n, _ := d.count(); n != 0 || len(ben.Unsent()) != 0 {
			t.Errorf("%d drafts are left", n)
		}
		leave(t, ben)
		if !d.closed {
			t.Error("the drafts are open still")
		}
		h.close()
	})
}

// Whoever sits down next sends what was left: with its ids, so that what was
// stored is not stored again, and its own is shown once.
func TestDraftsOfBefore(t *testing.T) {
	for _, plain := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			log := NewMemory()
			h := open(t, pipes, func(h *Host) { h.Log, h.Plaintext = log, plain })
			id, d := identity(t), new(desk)
			if plain {
				id = transport.Identity{}
			}
			as := func(o *JoinOptions) { o.Identity, o.Drafts, o.Room, o.History = id, d, "physics", 100 }
			first := h.join("ben", as)
			say(t, first, "stored")
			heard(t, first, "stored")
			kept := slices.Clone(d.drafts) // it was killed before it could drop that
			if len(kept) == 0 {
				t.Fatal("no draft")
			}
			leave(t, first)
			d.drafts = append(kept, Draft{ID: strings.Repeat("ab", 16), Type: Message, Text: "not stored", At: time.Now()},
				Draft{ID: strings.Repeat("cd", 16), Type: Message, Text: "old", At: time.Now().Add(-8 * 24 * time.Hour)},
				Draft{ID: strings.Repeat("ef", 16), Type: Whisper, To: "cyn", ToKey: transport.Key{1}, Text: "to another", At: time.Now()})
			second := h.join("ben", as)
			if e := kind(t, second, Failed); e.Code != codeExpired || e.Text != "old" {
				t.Errorf("failed: %+v", e)
			}
			if e := kind(t, second, Notice); e.Code != NoticeDrafts || e.Count != 3 || e.Text != "3 messages from before are being sent" {
				t.Errorf("notice: %+v", e)
			}
			refused, shown, said := false, false, false // the first in whichever order
			until(t, second, "the others", func(e Event) bool {
				refused = refused || e.Type == Failed && e.Code == codeNoNick && e.Text == "to another"
				if e.Type == Message && !shown {
					if shown = true; e.Text != "stored" || !e.Replay {
						t.Errorf("the first is shown as %+v", e)
					}
				}
				said = said || e.Type == Message && e.Text == "not stored" && !e.Replay
				return refused && said
			})
			typed(t, second, "/resend cd")
			if e := heard(t, second, "old"); e.ID != strings.Repeat("cd", 16) {
				t.Errorf("the expired one has another id: %+v", e)
			}
			found, err := log.Page(context.Background(), transport.Key{}, 1<<62, 100)
			times := map[string]int{}
			for _, e := range found {
				times[e.Words]++
			}
			if err != nil || times["stored"] != 1 || times["not stored"] != 1 || times["old"] != 1 || times["to another"] != 0 {
				t.Errorf("the log has %v, %v", times, err)
			}
			leave(t, second)
			if len(d.drafts) != 0 {
				t.Errorf("left: %+v", d.drafts)
			}
			h.close()
		})
	}
}

// A whisper of a program that was killed is not given up because its addressee is
// away: the host may have it. It goes to nobody else who has the name.
func TestWhisperDrafts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		d := new(desk)
		me := identity(t)
		as := func(o *JoinOptions) { o.Identity, o.Drafts, o.Room, o.History = me, d, "physics", 100 }
		cyn := h.join("cyn", nil)
		first := h.join("ben", as)
		typed(t, first, "/msg cyn psst")
		if e := kind(t, cyn, Whisper); e.Text != "psst" {
			t.Fatalf("%+v", e)
		}
		kept := slices.Clone(d.drafts)
		leave(t, first)
		leave(t, cyn)
		other := h.join("cyn", nil)
		d.drafts = append(kept, kept[0])
		d.drafts[1].ID, d.drafts[1].Text = strings.Repeat("ab", 16), "for the other one"
		second := h.join("ben", as)
		if e := kind(t, second, Accepted); e.ID != kept[0].ID {
			t.Errorf("accepted: %+v", e)
		}
		if e := kind(t, second, Failed); e.Code != codeNoNick || e.Text != "for the other one" {
			t.Errorf("failed: %+v", e)
		}
		leave(t, second)
		leave(t, other)
		h.close()
	})
}

// What the host refused is said again under a new id, and what cannot be kept is
// told once.
func TestResendAndUnkept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		ana := h.join("ana", h.own)
		d := &desk{fails: errors.New("no space left")}
		ben := h.join("ben", func(o *JoinOptions) { o.Drafts = d })
		typed(t, ana, "/mute ben")
		until(t, ben, "the mute", func(e Event) bool { return e.Type == Mute })
		id := say(t, ben, "hello?")
		if e := kind(t, ben, Failed); e.ID != id || e.Code != codeMuted {
			t.Errorf("failed: %+v", e)
		}
		if u := ben.Unsent(); len(u) != 1 || u[0].Code != codeMuted || u[0].Kept {
			t.Errorf("unsent: %+v", u)
		}
		typed(t, ana, "/unmute ben")
		until(t, ben, "the unmute", func(e Event) bool { return e.Type == Unmute })
		typed(t, ben, "/resend")
		if e := heard(t, ben, "hello?"); e.ID == id {
			t.Error("the id is the same")
		}
		if _, err := ben.Input(context.Background(), "/resend all"); err == nil {
			t.Error("there was something to send again")
		}
		h.close()
		say(t, ben, "one")
		say(t, ben, "two")
		if e := until(t, ben, "a notice", func(e Event) bool { return e.Type == Notice && e.Code == NoticeUnkept }); !strings.Contains(e.Text, "no space left") {
			t.Errorf("notice: %+v", e)
		}
		if u := ben.Unsent(); len(u) != 2 || u[0].Kept {
			t.Errorf("unsent: %+v", u)
		}
		ben.Leave(context.Background(), "")
		ana.Leave(context.Background(), "")
	})
}

// Nothing of what somebody said who was put out, or was told that it failed, is
// left to be sent.
func TestNothingIsLeftOfTheBanned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		d := new(desk)
		ben := h.join("ben", func(o *JoinOptions) { o.Drafts = d })
		h.close()
		id := say(t, ben, "one")
		say(t, ben, "two")
		kind(t, ben, Pending)
		ben.Withdraw(id)
		ben.Leave(context.Background(), "")
		if len(d.drafts) != 1 || d.drafts[0].Text != "two" {
			t.Errorf("left: %+v", d.drafts)
		}
		ben = &Member{drafts: d, err: &Refused{Code: codeBanned}, pending: []*saying{{cmd: command{ID: d.drafts[0].ID, Type: "message"}}}}
		ben.closeDrafts()
		if len(d.drafts) != 0 {
			t.Errorf("of who was banned: %+v", d.drafts)
		}
	})
}
