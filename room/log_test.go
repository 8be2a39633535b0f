package room

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

func TestMemory(t *testing.T) {
	ctx := t.Context()
	m := NewMemory()
	a, b, c := transport.Key{1}, transport.Key{2}, transport.Key{3}
	entry := func(k transport.Key, n byte, words string, to ...transport.Key) Entry {
		return Entry{Key: k, ID: [16]byte{n}, Body: []byte(`{"type":"message"}`), Words: words, Audience: to}
	}
	r, err := m.Append(ctx, []Entry{entry(a, 1, "Hello there"), entry(a, 1, "again"), entry(b, 1, "hello", a, b)})
	if want := []Result{{Seq: 1}, {Seq: 1, Duplicate: true}, {Seq: 2}}; err != nil || !slices.Equal(r, want) {
		t.Fatalf("%v %v", r, err)
	}
	if r, _ = m.Append(ctx, []Entry{entry(b, 1, "x"), entry(a, 2, "more")}); !slices.Equal(r, []Result{{2, true}, {Seq: 3}}) {
		t.Fatalf("%v", r)
	}
	seqs := func(es []Entry, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		for _, e := range es {
			fmt.Fprint(&b, e.Seq, " ")
		}
		return b.String()
	}
	for _, tc := range []struct{ got, want string }{
		{seqs(m.Page(ctx, c, everything, 10)), "1 3 "},
		{seqs(m.Page(ctx, b, everything, 2)), "2 3 "},
		{seqs(m.Page(ctx, a, 3, 10)), "1 2 "},
		{seqs(m.Page(ctx, a, 0, 10)), ""},
		{seqs(m.Search(ctx, c, "HELLO", everything, 10)), "1 "},
		{seqs(m.Search(ctx, a, "hello", everything, 10)), "1 2 "},
		{seqs(m.Search(ctx, a, "there hello", everything, 10)), "1 "},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
	stop := errors.New("stop")
	var tail []Entry
	err = m.Tail(ctx, 1, func(es []Entry) error {
		if tail = append(tail, es...); len(tail) == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || seqs(tail, nil) != "2 3 " {
		t.Errorf("%v %v", tail, err)
	}
}

// shared is another Log: a toy in which somebody else appends beside us, whose
// Append knows nothing of what Tail has shown, and whose Tail comes late and
// in odd pieces. It fails as it is told.
type shared struct {
	*Memory
	late time.Duration // of Tail
	mu   sync.Mutex
	fail []error // for the next Appends
	half bool    // a failing Append stores all the same
}

func (s *shared) Append(ctx context.Context, batch []Entry) ([]Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fail) > 0 {
		err := s.fail[0]
		if s.fail = s.fail[1:]; s.half {
			s.Memory.Append(ctx, batch)
		}
		if err != nil {
			return nil, err
		}
	}
	return s.Memory.Append(ctx, batch)
}

func (s *shared) Tail(ctx context.Context, after uint64, each func([]Entry) error) error {
	return s.Memory.Tail(ctx, after, func(es []Entry) error {
		if err := sleep(ctx, s.late); err != nil {
			return err
		}
		for piece := range slices.Chunk(es, 3) {
			if err := each(piece); err != nil {
				return err
			}
		}
		return nil
	})
}

// others appends what another host of the same room would.
func (s *shared) others(t *testing.T, key byte, body report) {
	t.Helper()
	id := [16]byte{}
	copy(id[:], fmt.Sprintf("%s%s", body.Type, body.Text))
	_, err := s.Memory.Append(t.Context(), []Entry{{Key: transport.Key{key}, ID: id, At: time.Now().UTC(), Body: encode(body), Words: body.Text}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnotherWriter has somebody append to our log: its people are in our
// roster, its words on our screens, and its numbers between ours.
func TestAnotherWriter(t *testing.T) {
	for _, late := range []time.Duration{0, 30 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			log := &shared{Memory: NewMemory(), late: late}
			log.others(t, 9, report{Type: "topic", From: "zoe", Text: "light"})
			seat := seatID{7}.String()
			log.others(t, 9, report{Type: "join", Nick: "zoe", Seat: seat, Host: "elsewhere", Role: "member", Transport: "tcp"})
			h := open(t, pipes, func(h *Host) { h.Log = log })
			ana := h.join("ana", nil)
			if r := ana.Ready(); r.Text != "light" || r.Seq != 3 {
				t.Errorf("%+v", r)
			}
			if r := refused(t, h, JoinOptions{Nick: "zoe", Identity: identity(t)}); r.Code != "nick_taken" {
				t.Errorf("%+v", r)
			}
			for i := range 20 {
				say(t, ana, fmt.Sprint("ours ", i))
				log.others(t, 9, report{Type: "message", From: "zoe", Text: fmt.Sprint("theirs ", i)})
			}
			var last uint64
			for n := 0; n < 40; {
				e, err := ana.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if e.Type == Message {
					if n++; e.Seq <= last {
						t.Errorf("%d after %d", e.Seq, last)
					}
					last = e.Seq
				}
			}
			log.others(t, 9, report{Type: "nick", From: "zoe", Nick: "zed", Seat: seat})
			kind(t, ana, Renamed)
			if got := ana.Names(); len(got) != 2 || got[1].Nick != "zed" {
				t.Errorf("%v", got)
			}
			log.others(t, 9, report{Type: "leave", Nick: "zed", Seat: seat, Reason: "quit"})
			kind(t, ana, Left)
			if _, err := log.Memory.Append(t.Context(), []Entry{{Key: transport.Key{9}, ID: [16]byte{99}, Body: []byte("no event")}}); err != nil {
				t.Fatal(err)
			}
			say(t, ana, "after")
			if e := heard(t, ana, "after"); e.Seq != 47 {
				t.Errorf("%+v", e)
			}
			leave(t, ana)
			h.close()
		})
	}
}

// TestNotStored has the log refuse, and then fail without a word about what
// it stored: the first is a definite failure, the second nobody notices.
func TestNotStored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &shared{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log = log })
		defer h.close()
		ana := h.join("ana", nil)
		defer leave(t, ana)
		log.mu.Lock()
		log.fail = []error{fmt.Errorf("disk full: %w", ErrNotStored)}
		log.mu.Unlock()
		id := say(t, ana, "one")
		if e := kind(t, ana, Failed); e.ID != id || e.Code != "not_stored" || e.Text != "one" || !strings.Contains(e.Reason, "disk") {
			t.Errorf("%+v", e)
		}
		until(t, ana, "writable", func(e Event) bool { return e.Type == Notice && e.Code == codeWritable })
		log.mu.Lock()
		log.fail, log.half = []error{errors.New("timeout"), errors.New("timeout")}, true
		log.mu.Unlock()
		id = say(t, ana, "two")
		if e := until(t, ana, "two", func(e Event) bool { return e.Type == Accepted || e.Type == Failed }); e.Type != Accepted || e.ID != id {
			t.Errorf("%+v", e)
		}
		say(t, ana, "three")
		if e := heard(t, ana, "three"); e.Seq != 4 {
			t.Errorf("%+v", e)
		}
	})
}

// TestRestart ends a host and opens it again over the same log: those who come
// back keep their seats, those who do not are said to be lost.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := NewMemory()
		h := open(t, pipes, func(h *Host) { h.Log = log })
		ana := h.join("ana", nil)
		h.join("ben", nil).cancel()
		synctest.Wait()
		h.conns[1].Close()
		h.close()
		if e := kind(t, ana, Link); e.State != "lost" || !strings.Contains(e.Why, "closed") {
			t.Errorf("%+v", e)
		}
		say(t, ana, "while it was away")
		h.reopen(log)
		if e := kind(t, ana, Link); e.State != "resumed" {
			t.Errorf("%+v", e)
		}
		if e := heard(t, ana, "while it was away"); e.Seq != 3 || e.Replay {
			t.Errorf("%+v", e)
		}
		if e := kind(t, ana, Left); e.Nick != "ben" || e.Reason != "lost" {
			t.Errorf("%+v", e)
		}
		synctest.Wait()
		if n := h.host.Members(); n != 1 {
			t.Errorf("%d members", n)
		}
		leave(t, ana)
		h.close()
	})
}

// TestNewLog comes back to a host that has forgotten everything.
func TestNewLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		ana := h.join("ana", nil)
		say(t, ana, "before")
		heard(t, ana, "before")
		ana.Flush(t.Context())
		h.close()
		h.reopen(nil)
		if e := kind(t, ana, Notice); e.Code != "new_log" {
			t.Errorf("%+v", e)
		}
		say(t, ana, "after")
		if e := heard(t, ana, "after"); e.Seq != 2 {
			t.Errorf("%+v", e)
		}
		leave(t, ana)
		h.close()
	})
}

func TestHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		go keep(ben)
		for i := range 500 {
			if i%3 == 0 {
				typed(t, ana, "/msg ben secret "+fmt.Sprint(i))
			}
			say(t, ana, fmt.Sprint("n", i))
			heard(t, ana, fmt.Sprint("n", i))
		}
		ana.Flush(t.Context())
		cyn := h.join("cyn", func(o *JoinOptions) { o.History = 200 })
		for i := 300; i < 500; i++ {
			if e := heard(t, cyn, fmt.Sprint("n", i)); !e.Replay {
				t.Fatalf("%+v", e)
			}
		}
		if e := kind(t, cyn, Joined); e.Replay || !e.Own {
			t.Errorf("%+v", e)
		}
		say(t, ana, "now")
		if e := heard(t, cyn, "now"); e.Replay {
			t.Errorf("%+v", e)
		}
		guest := h.join("guest7", func(o *JoinOptions) { o.History, o.Guest = 200, true })
		say(t, ana, "then")
		if e := until(t, guest, "then", func(e Event) bool { return e.Type == Message }); e.Text != "then" {
			t.Errorf("a guest got %+v", e)
		}
		d := until(t, ana, "delivered", func(e Event) bool { return e.Type == Delivered && e.Seq > cyn.Ready().Seq+2 && e.Count == e.Of })
		if d.Of != 2 {
			t.Errorf("guests do not count: %+v", d)
		}
		leave(t, ana, ben, cyn, guest)
	})
}
