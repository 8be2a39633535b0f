package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
)

// fakeLog is a cluster's log in memory.
type fakeLog struct {
	*room.Memory
	asked atomic.Int64 // how many pages and searches
}

func newFakeLog(id byte) *fakeLog { return &fakeLog{Memory: room.ImportMemory([16]byte{id})} }

func (f *fakeLog) Kept() string { return "forever" }

func (f *fakeLog) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	f.asked.Add(1)
	return f.Memory.Page(ctx, viewer, before, n)
}

func (f *fakeLog) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	f.asked.Add(1)
	return f.Memory.Search(ctx, viewer, words, before, n)
}

// say appends messages.
func (f *fakeLog) say(t *testing.T, words ...string) {
	t.Helper()
	_, end, _ := f.Bounds(t.Context())
	for i, w := range words {
		if _, err := f.Append(t.Context(), []room.Entry{spoken(end+uint64(i)+1, w)}); err != nil {
			t.Fatal(err)
		}
	}
}

// spoken is an entry with an id made of its number.
func spoken(seq uint64, words string) room.Entry {
	e := room.Entry{Seq: seq, Key: transport.Key{5}, At: time.UnixMilli(int64(1000 + seq)).UTC(), Words: words, Body: fmt.Appendf(nil, `{"type":"message","text":%q}`, words)}
	copy(e.ID[:], fmt.Sprintf("%016d", seq))
	return e
}

// beside opens the copy of a cluster's log until the test ends, or release is called.
func beside(t *testing.T, h *Histories, f sharedLog) (l room.Log, release func()) {
	t.Helper()
	l, end, err := h.Beside(t.Context(), "physics", transport.Key{1}, f)
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	release = func() {
		if !ended {
			ended = true
			if err := end(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(release)
	return l, release
}

// read reads a log up to an entry.
func read(t *testing.T, l room.Log, upto uint64) []room.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	run, err := stretch(ctx, l, 0, upto)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range run {
		if e.Seq != uint64(i+1) {
			t.Fatalf("%d where %d should be", e.Seq, i+1)
		}
	}
	return run
}

func TestLogWithACopyBesideIsALog(t *testing.T) {
	roomtest.TestLog(t, func(t *testing.T) room.Log {
		l, _ := beside(t, histories(t), newFakeLog(1))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { // as a host does
			defer close(ended)
			l.Tail(ctx, 0, func([]room.Entry) error { return nil })
		}()
		t.Cleanup(func() { cancel(); <-ended })
		return l
	})
}

// TestCopyBesideAnswers has the copy answer what the cluster would be asked, also after it was
// opened again, and go on where it ended.
func TestCopyBesideAnswers(t *testing.T) {
	h, f := histories(t), newFakeLog(1)
	l, release := beside(t, h, f)
	f.say(t, "one", "two lenses", "three")
	if got := wordsOf(read(t, l, 3)); got != "one|two lenses|three" {
		t.Error(got)
	}
	look := func(page, found string) {
		t.Helper()
		p, err := l.Page(t.Context(), transport.Key{}, 1<<63, 10)
		if got := wordsOf(p); got != page || err != nil {
			t.Error(got, err)
		}
		p, err = l.Search(t.Context(), transport.Key{}, "lenses", 1<<63, 10)
		if got := wordsOf(p); got != found || err != nil {
			t.Error(got, err)
		}
	}
	look("one|two lenses|three", "two lenses")
	if n := f.asked.Load(); n != 0 {
		t.Errorf("the cluster was asked %d times", n)
	}
	c := l.(room.Checkpointer)
	if err := c.SaveCheckpoint(t.Context(), 3, []byte("state")); err != nil {
		t.Error(err)
	}
	if _, _, err := h.Beside(t.Context(), "physics", transport.Key{1}, f); !isCode(err, CodeHosted) {
		t.Errorf("a second program has the copy, too: %v", err)
	}
	release()
	f.say(t, "four lenses")
	l, _ = beside(t, h, f)
	if seq, state, err := l.(room.Checkpointer).Checkpoint(t.Context()); seq != 3 || string(state) != "state" || err != nil {
		t.Error(seq, state, err)
	}
	look("one|two lenses|three|four lenses", "two lenses") // a page beyond the copy is the cluster's
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the cluster was asked %d times", n)
	}
	read(t, l, 4)
	look("one|two lenses|three|four lenses", "two lenses|four lenses")
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the cluster was asked %d times", n)
	}
	if k := l.(room.Keeper).Kept(); k != "forever" {
		t.Error(k)
	}
	books, err := h.Find("physics")
	if err != nil || len(books) != 1 || books[0].Last != 4 || books[0].Err != nil || !books[0].Shared {
		t.Errorf("%+v %v", books, err)
	}
	if _, _, err := h.Open("physics", transport.Key{1}); !isCode(err, CodeHistory) || !strings.Contains(err.Error(), "kept by a cluster") {
		t.Errorf("the room opens without its cluster: %v", err)
	}
}

func isCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// TestCopyOfAnotherLogIsPutAside opens copies that are not of the beginning of the cluster's log.
func TestCopyOfAnotherLogIsPutAside(t *testing.T) {
	shorter := newFakeLog(1)
	shorter.say(t, "one", "two")
	differs := newFakeLog(1)
	for seq, words := range []string{"one", "two", "three", "four"} {
		e := spoken(uint64(seq+1), words)
		if seq == 2 {
			e.ID[0]++
		}
		if _, err := differs.Append(t.Context(), []room.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	another := newFakeLog(2)
	another.say(t, "one", "two", "three")
	for _, tc := range []struct {
		now  *fakeLog
		says string
	}{{shorter, "has 3 entries, and the cluster has but 2"}, {differs, "has another entry 3"}, {another, "of another log"}, {nil, "is damaged"}} {
		h, f := histories(t), newFakeLog(1)
		var told []string
		h.Warn = func(text string) { told = append(told, text) }
		f.say(t, "one", "two", "three")
		l, release := beside(t, h, f)
		read(t, l, 3)
		release()
		place := h.path("physics", transport.Key{1}) + sharedSuffix
		if tc.now == nil {
			tc.now = f
			content, err := os.ReadFile(place)
			if err == nil {
				err = os.WriteFile(place, append(content[:100], make([]byte, len(content)-100)...), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		l, _ = beside(t, h, tc.now)
		if len(told) != 1 || !strings.Contains(told[0], tc.says) || !strings.Contains(told[0], place+".before-") {
			t.Errorf("%s: %q", tc.says, told)
		}
		_, end, _ := tc.now.Bounds(t.Context())
		if all := read(t, l, end); uint64(len(all)) != end {
			t.Errorf("%s: %d entries", tc.says, len(all))
		}
		if page, err := l.Page(t.Context(), transport.Key{}, 1<<63, 10); uint64(len(page)) != end || err != nil {
			t.Errorf("%s: %s %v", tc.says, wordsOf(page), err)
		}
	}
}

// TestCopyBesideCatchesUp cannot write the copy for a while, and has the room go on.
func TestCopyBesideCatchesUp(t *testing.T) {
	h, f := histories(t), newFakeLog(1)
	f.say(t, "one", "two", "three", "four")
	l, _ := beside(t, h, f)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if run, err := stretch(ctx, l, 2, 4); err != nil || len(run) != 2 { // from a checkpoint, the copy being new
		t.Fatal(run, err)
	}
	c := l.(*besideLog)
	for c.copy.Last() < 4 && ctx.Err() == nil {
		<-time.After(time.Millisecond)
	}
	c.work.Wait()
	f.say(t, "five")
	if run, err := stretch(ctx, l, 2, 5); err != nil || wordsOf(run) != "three|four|five" || c.copy.Last() != 5 {
		t.Error(wordsOf(run), err, c.copy.Last())
	}
	c.mu.Lock()
	c.mending = true // as if it could not be written
	c.mu.Unlock()
	f.say(t, "six")
	read(t, l, 6)
	page, err := l.Page(ctx, transport.Key{}, 1<<63, 2)
	if wordsOf(page) != "five|six" || err != nil || c.copy.Last() != 5 {
		t.Error(wordsOf(page), err)
	}
	page, err = l.Page(ctx, transport.Key{}, 4, 2)
	if wordsOf(page) != "two|three" || err != nil {
		t.Error(wordsOf(page), err)
	}
	c.mu.Lock()
	c.mend(nil)
	c.mu.Unlock()
	c.work.Wait()
	if c.copy.Last() != 6 || c.mending {
		t.Error(c.copy.Last())
	}
}

// TestDeletedEntriesInTheCopy has numbers without entries at the beginning and in the middle.
func TestDeletedEntriesInTheCopy(t *testing.T) {
	h, f := histories(t), newFakeLog(1)
	run := []room.Entry{{Seq: 1}, {Seq: 2}, spoken(3, "three"), {Seq: 4}, {Seq: 5}, spoken(6, "six"), {Seq: 7}}
	if err := f.Import(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	l, release := beside(t, h, f)
	for range 2 {
		if got := wordsOf(read(t, l, 7)); got != "||three|||six|" {
			t.Error(got)
		}
		page, err := l.Page(t.Context(), transport.Key{}, 1<<63, 10)
		if wordsOf(page) != "three|six" || err != nil {
			t.Error(wordsOf(page), err)
		}
		release()
		l, release = beside(t, h, f)
	}
	if r, err := l.(*besideLog).copy.Check(t.Context()); err != nil || len(r.Faults) > 0 || r.Last != 7 {
		t.Errorf("%+v %v", r, err)
	}
}
