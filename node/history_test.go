package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/history"
	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
)

// histories is an empty directory for histories.
func histories(t *testing.T) *Histories {
	return &Histories{Dir: t.TempDir(), Keep: history.Keep{}, Warn: func(text string) { t.Log(text) }}
}

// openLog opens the log of a room until the test ends.
func openLog(t *testing.T, h *Histories, name string, key transport.Key) room.Log {
	t.Helper()
	l, release, err := h.Open(name, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release() })
	return l
}

func TestHistoryIsALog(t *testing.T) {
	roomtest.TestLog(t, func(t *testing.T) room.Log { return openLog(t, histories(t), "physics", transport.Key{1}) })
}

// TestHistoriesKeepRooms opens a room's log again, beside another of the same name.
func TestHistoriesKeepRooms(t *testing.T) {
	h := histories(t)
	key := transport.Key{1}
	first, release, err := h.Open("physics", key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Append(t.Context(), []room.Entry{{Key: transport.Key{5}, Words: "hello", Body: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.Open("physics", key)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeHosted || !strings.Contains(e.Text, fmt.Sprintf("hosted already by process %d", os.Getpid())) ||
		!strings.Contains(e.Text, h.Dir) || !strings.Contains(e.Hint, "parley join physics") {
		t.Errorf("%v", err)
	}
	plain := openLog(t, h, "physics", transport.Key{})
	other := openLog(t, h, "maths", key)
	if plain.ID() == first.ID() || other.ID() == first.ID() {
		t.Error("rooms share a log")
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	again := openLog(t, h, "physics", key)
	page, err := again.Page(t.Context(), transport.Key{}, 1<<63, 10)
	if err != nil || len(page) != 1 || page[0].Words != "hello" || again.ID() != first.ID() {
		t.Error(page, err)
	}
	if k := again.(room.Keeper).Kept(); k != "forever" {
		t.Error(k)
	}
	none := &Histories{Dir: filepath.Join(h.Dir, "none"), Keep: history.Keep{None: true}}
	openLog(t, none, "physics", key)
	openLog(t, nil, "physics", key)
	if exists(none.Dir) {
		t.Error("something is written")
	}
}

// TestCopiesOfOlderLogs has two programs of one user hear that the host's log is
// another: they go on in the same new copy, and nothing of the former is read with it.
func TestCopiesOfOlderLogs(t *testing.T) {
	h, key, id := histories(t), transport.Key{1}, [16]byte{2}
	var both [2]*Copy
	for i := range both {
		c, err := h.Copy("physics", key, id)
		if err != nil {
			t.Fatal(err)
		}
		both[i] = c
		defer c.Close()
	}
	put := func(c *Copy, seq uint64, words string) {
		t.Helper()
		if err := c.Put(t.Context(), []room.Entry{{Seq: seq, ID: [16]byte{byte(seq)}, At: time.UnixMilli(5), Words: words, Body: []byte("{}")}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	put(both[0], 3, "three")
	put(both[1], 9, "nine")
	for i, c := range both {
		if err := c.Anew(); err != nil {
			t.Fatal(err)
		}
		put(c, uint64(20+i), fmt.Sprint("now ", i))
	}
	for _, c := range both {
		page, err := c.Page(t.Context(), key, 1<<62, 10)
		if words := wordsOf(page); words != "now 0|now 1" || err != nil {
			t.Error(words, err)
		}
	}
	if books, err := h.Find("physics"); len(books) != 2 || err != nil {
		t.Error(books, err)
	}
}

// TestCopiesBeginAnew puts another log of the same id into a copy.
func TestCopiesBeginAnew(t *testing.T) {
	h, key, id := histories(t), transport.Key{1}, [16]byte{2}
	entry := func(seq uint64, words string, to ...transport.Key) room.Entry {
		return room.Entry{Seq: seq, ID: [16]byte{byte(seq)}, At: time.UnixMilli(5), Words: words, Body: []byte("{}"), Audience: to}
	}
	a, err := h.Copy("physics", key, id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Copy("physics", key, id)
	if err != nil {
		t.Fatal(err)
	}
	put := func(c *Copy, es ...room.Entry) {
		t.Helper()
		if err := c.Put(t.Context(), es, []history.Receipt{{Seq: es[0].Seq, Count: 1, Of: 2}}); err != nil {
			t.Fatal(err)
		}
	}
	put(a, entry(3, "three"), entry(9, "a secret", key))
	put(b, entry(3, "three"), entry(4, "four"))
	put(a, entry(4, "four of another log"), entry(5, "five"))
	put(b, entry(5, "five"), entry(6, "six"))
	for i, c := range []*Copy{a, b} {
		page, err := c.Page(t.Context(), key, 1<<63, 10)
		if words := wordsOf(page); err != nil || words != []string{"four of another log|five", "three|four|five|six|a secret"}[i] {
			t.Errorf("%d: %s %v", i, words, err)
		}
		if r, known, err := c.Receipt(t.Context(), []uint64{4, 5}[i]); !known || r.Of != 2 || err != nil {
			t.Error(r, known, err)
		}
		found, err := c.Search(t.Context(), transport.Key{7}, "secret", 1<<63, 10)
		if err != nil || len(found) != 0 {
			t.Error(found, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	openLog(t, h, "physics", key)
	openLog(t, h, "maths", key)
	books, err := h.Find("physics")
	if err != nil || len(books) != 3 {
		t.Fatalf("%+v %v", books, err)
	}
	copies := 0
	for _, b := range books {
		if b.Err != nil || b.Key != key || b.Name != "physics" || b.Changed.IsZero() {
			t.Errorf("%+v", b)
		}
		if !b.Copy {
			continue
		}
		copies++
		r, err := h.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		page, next, err := r.After(t.Context(), transport.Key{7}, 0, 100)
		if err != nil || next != b.Last || strings.Contains(wordsOf(page), "secret") || b.Log != id {
			t.Errorf("%s %d %v", wordsOf(page), next, err)
		}
		if report, err := r.Check(t.Context()); err != nil || len(report.Faults) > 0 {
			t.Errorf("%+v %v", report, err)
		}
		r.Close()
	}
	if copies != 2 {
		t.Errorf("%d copies", copies)
	}
	if books, err := (&Histories{Dir: filepath.Join(h.Dir, "none")}).Find("physics"); err != nil || books != nil {
		t.Error(books, err)
	}
}

func wordsOf(page []room.Entry) string {
	var words []string
	for _, e := range page {
		words = append(words, e.Words)
	}
	return strings.Join(words, "|")
}

// TestDamagedHistories are told with what to do, repaired by name, and begun anew
// where they are copies.
func TestDamagedHistories(t *testing.T) {
	h, key := histories(t), transport.Key{1}
	l, release, err := h.Open("physics", key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if _, err := l.Append(t.Context(), []room.Entry{{ID: [16]byte{byte(i), byte(i >> 8)}, Words: fmt.Sprint("word ", i), Body: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
	}
	release()
	c, err := h.Copy("physics", key, [16]byte{2})
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	books, err := h.Find("physics")
	if err != nil || len(books) != 2 {
		t.Fatal(books, err)
	}
	for _, b := range books {
		content, err := os.ReadFile(b.Path)
		if err != nil {
			t.Fatal(err)
		}
		clear(content[:200])
		if err := os.WriteFile(b.Path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = h.Open("physics", key)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeHistory || e.Hint == "" || !strings.Contains(e.Text, h.Dir) {
		t.Errorf("%#v", err)
	}
	if books, err = h.Find("physics"); err != nil || len(books) != 2 || books[0].Err == nil || books[1].Err == nil {
		t.Error(books, err)
	}
	r, err := h.Repair(t.Context(), "physics", key)
	if err != nil || r.Saved < 200 {
		t.Errorf("%+v %v", r, err)
	}
	openLog(t, h, "physics", key)
	if c, err = h.Copy("physics", key, [16]byte{2}); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), []room.Entry{{Seq: 1, Words: "anew"}}, nil); err != nil {
		t.Error(err)
	}
	c.Close()
}
