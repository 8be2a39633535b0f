package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// TestContinueWhatIsHosted continues a plaintext room that another process hosts at
// this moment: its log stays where it is.
func TestContinueWhatIsHosted(t *testing.T) {
	h := histories(t)
	l := openLog(t, h, "physics", transport.Key{})
	add := func(words string) {
		t.Helper()
		if _, err := l.Append(t.Context(), []room.Entry{{ID: [16]byte{byte(len(words))}, At: time.Now(), Words: words, Body: fmt.Appendf(nil, `{"type":"message","from":"ana","text":%q}`, words)}}); err != nil {
			t.Fatal(err)
		}
	}
	add("one")
	n := &Node{Plaintext: true, NoDiscovery: true, Histories: h}
	defer n.Close()
	_, err := n.Continue(t.Context(), "physics", nil)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeHosted {
		t.Errorf("continuing a room that is hosted: %v", err)
	}
	add("three")
	page, err := l.Page(t.Context(), transport.Key{}, 1<<62, 10)
	if words := wordsOf(page); err != nil || words != "one|three" {
		t.Errorf("the log has %q, %v", words, err)
	}
}

// TestContinueHalfway cannot read all of the old room: that stays where it is, and no
// new one is made.
func TestContinueHalfway(t *testing.T) {
	h := histories(t)
	l, release, err := h.Open("physics", transport.Key{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		if _, err := l.Append(t.Context(), []room.Entry{{ID: [16]byte{byte(i), byte(i >> 8)}, Words: "x", Body: []byte(`{"type":"message","from":"ana","text":"x"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	id := l.ID()
	release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := &Node{Plaintext: true, NoDiscovery: true, Histories: h}
	defer n.Close()
	if _, err := n.Continue(ctx, "physics", nil); err == nil {
		t.Error("it was continued")
	}
	again := openLog(t, h, "physics", transport.Key{})
	if page, err := again.Page(t.Context(), transport.Key{}, 1<<62, 1000); err != nil || len(page) != 600 || again.ID() != id {
		t.Errorf("%d entries are left, %v", len(page), err)
	}
}

// TestCopiesAreCounted has a host call its log another one again and again, and tell other
// things of the same log.
func TestCopiesAreCounted(t *testing.T) {
	h, key := histories(t), transport.Key{1}
	begin := func(id [16]byte, words string) error {
		c, err := h.Copy("physics", key, id)
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Put(t.Context(), []room.Entry{{Seq: 1, ID: [16]byte{1}, At: time.UnixMilli(5), Words: words, Body: []byte("{}")}}, nil)
	}
	if err := begin([16]byte{1}, "x"); err != nil {
		t.Fatal(err)
	}
	for i := range maxCopies - 2 { // as if they had been begun
		if err := os.WriteFile(h.path("physics", key)+fmt.Sprintf("-%032x", i+1000)+copySuffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var e *Error
	for i, err := range []error{begin([16]byte{1}, "another"), begin([16]byte{1}, "yet another"), begin([16]byte{2}, "x")} {
		if i == 0 && err != nil || i > 0 && !errors.As(err, &e) {
			t.Errorf("%d: %v", i, err)
		}
	}
	files, err := os.ReadDir(h.Dir)
	n := 0
	for _, f := range files {
		if strings.HasSuffix(f.Name(), copySuffix) {
			n++
		}
	}
	if err != nil || n > maxCopies {
		t.Errorf("%d copies, %v", n, err)
	}
	if err := begin([16]byte{1}, "another"); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if _, err := h.Copy("maths", key, [16]byte{1}); err != nil {
		t.Errorf("another room's: %v", err)
	}
}

// TestUndecidedLogStays ends in doubt whether a room that came whole is ours: its log is there
// when it turns out to be, and gone when it does not.
func TestUndecidedLogStays(t *testing.T) {
	for _, ours := range []bool{true, false} {
		h, key := histories(t), transport.Key{1}
		l, err := h.take(room.Deed{Room: "physics", Key: key, Log: [16]byte{9}, Kept: "forever"})
		if err != nil {
			t.Fatal(err)
		}
		e := room.Entry{Seq: 1, ID: [16]byte{1}, At: time.UnixMilli(5), Words: "one", Body: []byte("{}")}
		if err := l.Import(t.Context(), []room.Entry{e}); err != nil {
			t.Fatal(err)
		}
		l.undecided.Store(true)
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
		if ours {
			if there, err := h.becomesOurs("physics", key); !there || err != nil {
				t.Errorf("the log is there: %v, %v", there, err)
			}
		}
		log := openLog(t, h, "physics", key)
		page, err := log.Page(t.Context(), transport.Key{}, 1<<62, 10)
		if err != nil || (wordsOf(page) == "one") != ours {
			t.Errorf("ours %v: the log has %q, %v", ours, wordsOf(page), err)
		}
	}
}

// TestContinueSameIDs continues a copy in which two people used the same id, as somebody may do
// on purpose: all of it is there.
func TestContinueSameIDs(t *testing.T) {
	h, key := histories(t), transport.Key{1}
	c, err := h.Copy("physics", key, [16]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	var said []room.Entry
	for i, from := range []string{"ana", "mal", "ben"} {
		said = append(said, room.Entry{Seq: uint64(i + 1), ID: [16]byte{7}, At: time.UnixMilli(5), Words: from,
			Body: fmt.Appendf(nil, `{"type":"message","from":%q,"text":%q}`, from, from)})
	}
	if err := c.Put(t.Context(), said, []history.Receipt{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	id, err := transport.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Identity: id, NoDiscovery: true, Histories: h}
	defer n.Close()
	next, err := n.Continue(t.Context(), "physics", nil)
	if err != nil || next.Messages != 3 {
		t.Fatalf("%+v %v", next, err)
	}
	l := openLog(t, h, "physics", next.Key)
	page, err := l.Page(t.Context(), transport.Key{}, 1<<62, 10)
	if words := strings.Trim(wordsOf(page), "|"); err != nil || words != "ana|mal|ben" {
		t.Errorf("the new room has %q, %v", words, err)
	}
}

// TestCopyIsBounded goes on for as long as there is room in a copy, and no longer.
func TestCopyIsBounded(t *testing.T) {
	c, err := histories(t).Copy("physics", transport.Key{1}, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	put := func(seq uint64) error {
		return c.Put(t.Context(), []room.Entry{{Seq: seq, ID: [16]byte{byte(seq)}, At: time.UnixMilli(5), Body: []byte("{}")}}, nil)
	}
	if err := put(1); err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(c.path(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, size := range []int64{maxCopyBytes, was.Size()} { // holes take no space
		if err := os.Truncate(c.path(1), size); err != nil {
			t.Fatal(err)
		}
		c.unmeasured.Store(measureEvery)
		var e *Error
		if err := put(uint64(2 + i)); errors.As(err, &e) != (i == 0) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
