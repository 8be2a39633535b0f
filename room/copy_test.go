package room

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// notebook is a Copy in memory.
type notebook struct {
	*Memory
	mu       sync.Mutex
	of       [16]byte
	entries  map[uint64]Entry
	receipts map[uint64]Receipt
	slow     time.Duration
	fails    error
	closed   bool
	before   []map[uint64]Entry // what was there when it was begun anew
}

func (n *notebook) Anew() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before = append(n.before, n.entries)
	n.entries = map[uint64]Entry{}
	return nil
}

func (n *notebook) Put(_ context.Context, entries []Entry, receipts []Receipt) error {
	time.Sleep(n.slow)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range entries {
		n.entries[e.Seq] = e
	}
	for _, r := range receipts {
		n.receipts[r.Seq] = r
	}
	return n.fails
}

func (n *notebook) list(viewer transport.Key, before uint64, words string) (list []Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.entries {
		if e.Seq < before && e.Visible(viewer) && (words == "" || e.Words == words) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return int(a.Seq) - int(b.Seq) })
	return list
}

func (n *notebook) Page(_ context.Context, viewer transport.Key, before uint64, most int) ([]Entry, error) {
	list := n.list(viewer, before, "")
	return list[max(0, len(list)-most):], nil
}

func (n *notebook) Search(_ context.Context, viewer transport.Key, words string, before uint64, most int) ([]Entry, error) {
	list := n.list(viewer, before, words)
	return list[max(0, len(list)-most):], nil
}

func (n *notebook) Receipt(_ context.Context, seq uint64) (Receipt, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.receipts[seq]
	return r, ok, nil
}

func (n *notebook) Close() error {
	n.closed = true
	return nil
}

// shelf is where notebooks are.
type shelf struct {
	all  []*notebook
	slow time.Duration
}

func (s *shelf) open(_ string, _ transport.Key, log [16]byte) (Copy, error) {
	n := &notebook{of: log, entries: map[uint64]Entry{}, receipts: map[uint64]Receipt{}, slow: s.slow}
	s.all = append(s.all, n)
	return n, nil
}

// keptLog is a Memory that says that it is kept.
type keptLog struct{ *Memory }

func (keptLog) Kept() string { return "90d" }

// A copy has what was shown, byte for byte as the log has it, a whisper only
// for its two; and answers when the host does not.
func TestCopyIsWhatWasShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := keptLog{NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log = log })
		ana := h.join("ana", h.own)
		bens, cyns := new(shelf), new(shelf)
		ben := h.join("ben", func(o *JoinOptions) { o.Copy = bens.open })
		cyn := h.join("cyn", func(o *JoinOptions) { o.Copy = cyns.open })
		say(t, ana, "hello")
		typed(t, ana, "/msg ben psst")
		heard(t, ben, "psst")
		say(t, ben, "mine")
		for _, m := range []*Member{ana, ben, cyn} {
			heard(t, m, "mine")
		}
		until(t, ben, "all have it", func(e Event) bool { return e.Type == Delivered && e.Count == e.Of })
		time.Sleep(time.Second)
		h.close()
		until(t, ben, "the loss", func(e Event) bool { return e.Type == Link })
		for _, c := range []struct {
			m    *Member
			want string
		}{{ben, "hello|psst|mine|"}, {cyn, "hello|mine|"}} {
			l, err := c.m.Spoken(context.Background(), 0, 10)
			got := ""
			for _, e := range l.Events {
				if got += e.Text + "|"; !e.Replay {
					t.Errorf("not marked: %+v", e)
				}
			}
			if err != nil || got != c.want || !l.Copy || l.More {
				t.Errorf("%q from the copy: %v, %v, %v", got, l.Copy, l.More, err)
			}
		}
		if l, err := ben.Spoken(context.Background(), 0, 2); err != nil || len(l.Events) != 2 || !l.More {
			t.Errorf("%+v, %v", l, err)
		}
		if l, err := ben.Search(context.Background(), "psst", 0, 10); err != nil || len(l.Events) != 1 {
			t.Errorf("%+v, %v", l, err)
		}
		if r, err := ben.Receipt(context.Background(), 6); err != nil || r.Count != 2 || r.Of != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		stored, _ := log.Page(context.Background(), ben.o.Identity.Key(), 1<<62, 100)
		for _, want := range stored {
			got, ok := bens.all[0].entries[want.Seq]
			if !ok && want.Seq < ben.Ready().Seq {
				continue // before he came, and he asked for nothing of that
			}
			if !ok || string(got.Body) != string(want.Body) || got.ID != want.ID || !got.At.Equal(want.At) || got.Words != want.Words {
				t.Errorf("the log has %+v, the copy %+v", want, got)
			}
		}
		for _, m := range []*Member{ana, ben, cyn} {
			m.Leave(context.Background(), "")
		}
		if !bens.all[0].closed || len(bens.all) != 1 {
			t.Error("the copy is open still")
		}
	})
}

// Of a room that keeps nothing there is no copy, and of another log another.
func TestCopiesGoWithTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(shelf)
		h := open(t, pipes, nil)
		ben := h.join("ben", func(o *JoinOptions) { o.Copy = s.open })
		say(t, ben, "one")
		heard(t, ben, "one")
		if _, err := ben.Page(context.Background(), 0, 5); err != nil {
			t.Errorf("of the host: %v", err)
		}
		h.close()
		until(t, ben, "the loss", func(e Event) bool { return e.Type == Link })
		var no *Refused
		if _, err := ben.Page(context.Background(), 0, 5); !errors.As(err, &no) || len(s.all) > 0 {
			t.Errorf("%v, %d copies", err, len(s.all))
		}
		for range 2 {
			h.reopen(keptLog{NewMemory()})
			until(t, ben, "the link", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
			say(t, ben, "two")
			heard(t, ben, "two")
			time.Sleep(time.Second)
			h.close()
			until(t, ben, "the loss", func(e Event) bool { return e.Type == Link })
		}
		ben.Leave(context.Background(), "")
		if len(s.all) != 2 || s.all[0].of == s.all[1].of || !s.all[0].closed || !s.all[1].closed {
			t.Errorf("%d copies", len(s.all))
		}
	})
}

// When an older log is put in the place of the host's, which has its id, what is
// said then is kept apart at once: before a number comes that is taken.
func TestCopyOfOlderLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := NewMemory()
		s := new(shelf)
		h := open(t, pipes, func(h *Host) { h.Log = keptLog{log} })
		ben := h.join("ben", func(o *JoinOptions) { o.Copy = s.open })
		for range 3 {
			say(t, ben, "both")
			heard(t, ben, "both")
		}
		synctest.Wait()
		older := copyOf(log)
		for range 20 {
			say(t, ben, "lost")
			heard(t, ben, "lost")
		}
		h.close()
		h.reopen(keptLog{older})
		notice(t, ben, codeNewLog)
		for range 2 {
			say(t, ben, "and now")
			heard(t, ben, "and now")
		}
		time.Sleep(time.Second)
		leave(t, ben)
		h.close()
		if len(s.all) != 1 || len(s.all[0].before) != 1 {
			t.Fatalf("%d copies, begun anew: %d", len(s.all), len(s.all[0].before))
		}
		for seq, e := range s.all[0].entries {
			if strings.Contains(string(e.Body), "lost") || strings.Contains(string(e.Body), "both") {
				t.Errorf("%d: %s", seq, e.Body)
			}
		}
		lost := 0
		for _, e := range s.all[0].before[0] {
			if e.Words == "lost" {
				lost++
			}
			if e.Words == "and now" {
				t.Errorf("%s", e.Body)
			}
		}
		if lost != 20 {
			t.Errorf("%d of 20 are in the former copy", lost)
		}
	})
}

// A slow disk keeps nobody waiting: what it does not take is passed over.
func TestSlowCopyKeepsNobodyWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := keptLog{NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log, h.Burst = log, 10_000 })
		s := &shelf{slow: time.Hour}
		ben := h.join("ben", func(o *JoinOptions) { o.Copy = s.open })
		began := time.Now()
		for range 3 * maxCopying / 100 {
			for range 100 {
				say(t, ben, "x")
			}
			for range 100 {
				heard(t, ben, "x")
			}
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		ben.mu.Lock()
		if c := ben.copying; c.count > maxCopying || c.passed == 0 {
			t.Errorf("%d wait, %d were passed over", c.count, c.passed)
		}
		ben.mu.Unlock()
		ben.Leave(context.Background(), "")
		h.close()
	})
}
