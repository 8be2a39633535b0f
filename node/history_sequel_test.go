package node

import (
	"fmt"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// TestLogAndCopyAreOneBook reads what whoever handed a room over has of it.
func TestLogAndCopyAreOneBook(t *testing.T) {
	ctx, key, me := t.Context(), transport.Key{1}, transport.Key{7}
	entry := func(seq uint64, words string) room.Entry {
		return room.Entry{Seq: seq, ID: [16]byte{byte(seq)}, At: time.UnixMilli(5), Words: words, Body: []byte("{}")}
	}
	for _, other := range []bool{false, true} {
		h := histories(t)
		l, release, err := h.Open("physics", key)
		if err != nil {
			t.Fatal(err)
		}
		const end = 4
		for i, words := range []string{"one", "two", "three", "four"} {
			if _, err := l.Append(ctx, []room.Entry{entry(uint64(i+1), words)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		c, err := h.Copy("physics", key, l.ID())
		if err != nil {
			t.Fatal(err)
		}
		shared := entry(end, "four")
		if other {
			shared.ID = [16]byte{99}
		}
		fifth, secret := entry(end+1, "five"), entry(end+2, "a secret")
		secret.Audience = []transport.Key{me}
		if err := c.Put(ctx, []room.Entry{shared, fifth, secret}, nil); err != nil {
			t.Fatal(err)
		}
		all := "one|two|three|four|five|a secret"
		if other {
			all = "four|five|a secret"
		}
		page, err := c.Page(ctx, me, 1<<63-1, 10)
		if got := wordsOf(page); err != nil || got != all {
			t.Errorf("the copy's page: %s %v", got, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		books, err := h.Find("physics")
		if err != nil || len(books) != 2 {
			t.Fatal(books, err)
		}
		books = h.Together(ctx, books)
		if other {
			if len(books) != 2 {
				t.Errorf("another log's copy is put together with it: %+v", books)
			}
			continue
		}
		if len(books) != 1 || books[0].Before == "" || books[0].Last != end+2 {
			t.Fatalf("%+v", books)
		}
		r, err := h.Read(books[0])
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 6; n++ {
			var list []room.Entry
			for after := uint64(0); ; {
				run, last, err := r.After(ctx, me, after, n)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, run...)
				if last == after {
					break
				}
				after = last
			}
			if got := wordsOf(list); got != all {
				t.Errorf("by %d: %s", n, got)
			}
			list = nil
			for before := uint64(1<<63 - 1); ; before = list[0].Seq {
				page, err := r.Page(ctx, me, before, n)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				list = append(page, list...)
			}
			if got := wordsOf(list); got != all {
				t.Errorf("pages of %d: %s", n, got)
			}
		}
		for words, want := range map[string]int{"one": 1, "four": 1, "five": 1, "secret": 1, "six": 0} {
			found, err := r.Search(ctx, me, words, 1<<63-1, 10)
			if err != nil || len(found) != want {
				t.Errorf("%s: %s %v", words, wordsOf(found), err)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if n := len(h.Together(ctx, []Book{{Name: "physics", Err: fmt.Errorf("damaged")}, books[0]})); n != 2 {
			t.Error("a damaged book is left out")
		}
	}
}
