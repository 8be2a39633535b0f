package room

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

func texts(f Look) string {
	var all []string
	for _, e := range f.Events {
		all = append(all, string(e.Type)+" "+e.Text)
	}
	return strings.TrimSpace(strings.Join(all, ", ") + map[bool]string{true: " and earlier"}[f.More])
}

// TestAsk reads the log backwards and looks for words in it, as those whom it
// concerns, those whom it does not, and those who may not.
func TestAsk(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			h := open(t, pipes, func(h *Host) { h.Plaintext = plaintext })
			defer h.close()
			ana, ben, cyn := h.join("ana", nil), h.join("ben", nil), h.join("cyn", nil)
			guest := h.join("eve", func(o *JoinOptions) { o.Guest, o.Quiet = true, true })
			for _, m := range []*Member{ben, cyn, guest} {
				go keep(m)
			}
			say(t, ana, "light one")
			typed(t, ana, "/msg ben light secret")
			say(t, ana, "sound two")
			typed(t, ana, "/me sees light")
			if err := ana.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			answer := func(m *Member, words string, before uint64, n int) string {
				t.Helper()
				f, err := m.Page(t.Context(), before, n)
				if words != "" {
					f, err = m.Search(t.Context(), words, before, n)
				}
				if err != nil {
					return err.Error()
				}
				for _, e := range f.Events {
					if !e.Replay || e.Own != (m == ana) && e.Type.said() || plaintext && e.Key != (transport.Key{}) {
						t.Errorf("%+v", e)
					}
				}
				return texts(f)
			}
			for _, tc := range []struct {
				who    *Member
				words  string
				before uint64
				n      int
				want   string
			}{
				{ana, "", 0, 3, "whisper light secret, message sound two, action sees light and earlier"},
				{ben, "", 0, 3, "whisper light secret, message sound two, action sees light and earlier"},
				{cyn, "", 0, 3, "message light one, message sound two, action sees light and earlier"},
				{cyn, "", 5, 10, "join , join , join , message light one"},
				{cyn, "", 2, 10, "join"},
				{cyn, "", 1, 10, ""},
				{cyn, "", 1 << 63, 1, "action sees light and earlier"},
				{ana, "light", 0, 10, "message light one, whisper light secret, action sees light"},
				{cyn, "light", 0, 10, "message light one, action sees light"},
				{cyn, "light", 0, 1, "action sees light and earlier"},
				{cyn, "light", 6, 1, "message light one"},
				{cyn, "secret", 0, 10, ""},
				{ben, "secret light", 0, 10, "whisper light secret"},
				{ben, "a\nb", 0, 1, "words to look for are one line of at most 400 bytes"},
				{ben, strings.Repeat("x", 401), 0, 1, "words to look for are one line of at most 400 bytes"},
			} {
				if got := answer(tc.who, tc.words, tc.before, tc.n); got != tc.want {
					t.Errorf("%s %q before %d: got %q, want %q", tc.who.Nick(), tc.words, tc.before, got, tc.want)
				}
			}
			if got := answer(guest, "", 0, 9); !strings.Contains(got, "guests") {
				t.Errorf("a guest is told %q", got)
			}
			leave(t, ana, ben, cyn, guest)
		})
	}
}

// TestAskMuch asks for more than fits an answer, and goes on from there until
// everything has come, once and in order.
func TestAskMuch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Burst = 1 << 20 })
		defer h.close()
		ana := h.join("ana", nil)
		for i := range 150 {
			say(t, ana, fmt.Sprintf("%d %s", i, strings.Repeat(`"\`, 100*(i%20))))
			heard(t, ana, fmt.Sprintf("%d %s", i, strings.Repeat(`"\`, 100*(i%20))))
		}
		ana.Flush(t.Context())
		var all []Event
		before, questions := uint64(0), 0
		for {
			f, err := ana.Page(t.Context(), before, maxPage-1)
			if err != nil || len(f.Events) == 0 || len(f.Events) > maxPage-1 {
				t.Fatal(err, len(f.Events))
			}
			all = append(f.Events, all...)
			before = f.Events[0].Seq
			if questions++; !f.More {
				break
			}
		}
		for i, e := range all {
			if e.Seq != uint64(i+1) {
				t.Fatalf("%d: %+v", i, e)
			}
		}
		if len(all) != 151 || questions < 4 {
			t.Errorf("%d events, %d questions", len(all), questions)
		}
		leave(t, ana)
	})
}

// slowRead is a Log whose Page takes a while.
type slowRead struct {
	*Memory
	took    atomic.Int64
	reading atomic.Int64
	most    atomic.Int64
}

func (s *slowRead) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]Entry, error) {
	if now := s.reading.Add(1); now > s.most.Load() {
		s.most.Store(now)
	}
	defer s.reading.Add(-1)
	if err := sleep(ctx, time.Duration(s.took.Load())); err != nil {
		return nil, err
	}
	return s.Memory.Page(ctx, viewer, before, n)
}

// TestAskSlowly has the log take its time: the room goes on, who asks in vain is
// told, who lost the connection gets the answer on the next, and who was put out gets none.
func TestAskSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &slowRead{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log = log })
		defer h.close()
		ana, ben, cyn := h.join("ana", h.own), h.join("ben", nil), h.join("cyn", nil)
		say(t, ana, "hi")
		heard(t, ben, "hi")
		synctest.Wait()
		log.took.Store(int64(time.Second))
		type answer struct {
			Look
			err error
		}
		ask := func(m *Member) chan answer {
			c := make(chan answer, 1)
			go func() {
				f, err := m.Page(t.Context(), 0, 1)
				c <- answer{f, err}
			}()
			synctest.Wait()
			return c
		}
		began, c := time.Now(), ask(ben)
		say(t, ana, "meanwhile")
		heard(t, ben, "meanwhile")
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("the room stood still for %v", took)
		}
		if a := <-c; a.err != nil || len(a.Events) != 1 {
			t.Errorf("%+v", a)
		}
		log.took.Store(int64(time.Minute))
		began, c = time.Now(), ask(ben)
		if a := <-c; a.err == nil || time.Since(began) > lookTime {
			t.Errorf("after %v: %+v", time.Since(began), a)
		}
		synctest.Wait()
		log.took.Store(int64(2 * time.Second))
		c = ask(cyn)
		typed(t, ana, "/kick cyn")
		if a := <-c; len(a.Events) != 0 || a.err == nil {
			t.Errorf("%+v", a)
		}
		leave(t, ana, ben)
	})
}

// TestAskersWait has many ask at once: no more than maxAsking are read for, each
// asker has one answer under way, and all get theirs.
func TestAskersWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &slowRead{Memory: NewMemory()}
		log.took.Store(int64(10 * time.Millisecond))
		h := open(t, pipes, func(h *Host) { h.Log = log })
		defer h.close()
		var people []*Member
		for i := range 12 {
			m := h.join(fmt.Sprint("m", i), nil)
			people = append(people, m)
			go keep(m)
		}
		done := make(chan error)
		for _, m := range people {
			for range 5 {
				go func() {
					_, err := m.Page(t.Context(), 0, 5)
					done <- err
				}()
			}
		}
		for range 5 * len(people) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if most := log.most.Load(); most != maxAsking {
			t.Errorf("%d were read at once", most)
		}
		leave(t, people...)
	})
}

// TestAskIsPaced asks without end: it costs as much as saying that much.
func TestAskIsPaced(t *testing.T) {
	p := newPlay(&Host{})
	ana := p.join("ana")
	for _, tc := range []struct {
		kind string
		most int
	}{{typeSearch, defaultBurst / changeCost}, {typePage, defaultBurst / pageCost}} {
		n := 0
		for ; n < 1000 && !ana.out.paused().After(p.now); n++ {
			p.core.command(p.now, ana, command{Type: tc.kind, ID: hexID([16]byte{1}), Text: map[string]string{typeSearch: "x"}[tc.kind], N: 1})
			if ana.grants == nil {
				t.Fatal("it is refused")
			}
			ana.grants = nil
		}
		if n > tc.most+1 {
			t.Errorf("%d of %s at once", n, tc.kind)
		}
		p.now = p.now.Add(time.Hour)
	}
}

// TestAnswersAreForTheAsker makes up logs and askers: an answer has exactly the
// last events that its asker may see, as they were.
func TestAnswersAreForTheAsker(t *testing.T) {
	keys := []transport.Key{{1}, {2}, {3}, {4}}
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		log := NewMemory()
		for i := range 60 {
			e := Entry{Key: keys[rnd.IntN(4)], ID: [16]byte{byte(i + 1)}, Words: []string{"light", "sound"}[rnd.IntN(2)]}
			e.Body = encode(report{Type: "message", From: "x", Text: e.Words + strings.Repeat("y", rnd.IntN(3000))})
			switch rnd.IntN(5) {
			case 0:
				e.Audience = []transport.Key{e.Key, keys[rnd.IntN(4)]}
			case 1:
				e.Audience = []transport.Key{} // deleted
				e.Body, e.Words = nil, ""
			}
			log.Append(nil, []Entry{e})
		}
		h := &Host{Log: log}
		h.setup()
		q := &question{viewer: keys[rnd.IntN(4)], before: uint64(rnd.IntN(80)), n: 1 + rnd.IntN(maxPage), words: []string{"", "light"}[rnd.IntN(2)]}
		var want, got []string
		size := 0
		for i := len(log.entries) - 1; i >= 0; i-- {
			if e := log.entries[i]; e.Visible(q.viewer) && e.Seq < q.before && strings.Contains(e.Words, q.words) && e.Body != nil && len(want) < q.n {
				if size += len(wireForm(e)); size > maxFound {
					break
				}
				want = append(want, string(wireForm(e)))
			}
		}
		slices.Reverse(want)
		all := h.find(t.Context(), q)
		for i, m := range all {
			r, err := parseReport(m)
			if err != nil || r.More != (i < len(all)-1) || r.Type != string(Found) {
				t.Fatal(seed, err, r.More, i)
			}
			for _, e := range r.Events {
				got = append(got, string(e))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d, %+v: %d events, want %d", seed, q, len(got), len(want))
		}
	}
}

// TestFoundLies gives a member answers that no host of ours gives.
func TestFoundLies(t *testing.T) {
	event := func(seq int) json.RawMessage {
		return fmt.Appendf(nil, `{"seq":%d,"type":"message","from":"b","text":"\u001b[2J"}`, seq)
	}
	id := hexID([16]byte{1})
	m := &Member{changed: make(chan struct{}), people: map[string]Person{}, ignored: new(Ignored)}
	a := &lookup{before: everything}
	m.pending = []*saying{{cmd: command{Type: typePage, ID: id, N: 2}, lookup: a}}
	for i := range 100 * maxLook / maxFoundIn {
		var lies found
		for j := range maxFoundIn / 4 {
			lies = append(lies, event(1+i*maxFoundIn+j), event(1), json.RawMessage(`[]`), json.RawMessage(`{}`))
		}
		r := report{Type: string(Found), ID: id, Events: lies, More: true}
		if err := m.take(time.Now(), &r); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.reports) > maxLook+1 || a.done || len(m.events) > 0 {
		t.Errorf("%d are kept", len(a.reports))
	}
	if strings.ContainsRune(a.reports[0].Text, 0x1b) {
		t.Errorf("%q", a.reports[0].Text)
	}
}
