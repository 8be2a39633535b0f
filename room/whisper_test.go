package room

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// TestWhispersAtEveryReadPath fills a log with whispers and reads it as
// everybody who may ever read it: what is said to two reaches two.
func TestWhispersAtEveryReadPath(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	people := make([]transport.Key, 6) // the last never whispers nor is whispered to
	for i := range people {
		people[i] = transport.Key{byte(i + 1)}
	}
	log := NewMemory()
	pairs := map[string][2]int{}
	for i := range 500 {
		from, to := random.IntN(5), random.IntN(5)
		words := fmt.Sprintf("word%d secret", i)
		e := Entry{Key: people[from], ID: [16]byte{byte(i), byte(i >> 8)}, Words: words, Body: encode(report{Type: string(Whisper), Text: words}),
			Audience: []transport.Key{people[from], people[to]}}
		if i%5 == 0 {
			words = fmt.Sprintf("word%d public", i)
			e.Words, e.Body, e.Audience = words, encode(report{Type: string(Message), Text: words}), nil
		} else {
			pairs[words] = [2]int{from, to}
		}
		if _, err := log.Append(t.Context(), []Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(what string, viewer int, found []Entry, err error) (n int) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range found {
			if pair, whispered := pairs[e.Words]; whispered {
				if n++; !slices.Contains(pair[:], viewer) {
					t.Errorf("%s: %d reads what %v whispered", what, viewer, pair)
				}
			}
		}
		return n
	}
	for viewer, key := range append(slices.Clone(people), transport.Key{}) {
		all := 0
		for before := uint64(501); before > 1; before -= min(before-1, 50) {
			page, err := log.Page(t.Context(), key, before, 50)
			all += read("Page", viewer, page, err)
		}
		for _, words := range []string{"secret", "word", "", "word7", "SECRET"} {
			found, err := log.Search(t.Context(), key, words, everything, 1000)
			all += read("Search", viewer, found, err)
		}
		if (all == 0) != (viewer >= 5) {
			t.Errorf("%d read %d whispers", viewer, all)
		}
		wire := tailAs(t, log, key)
		for words, pair := range pairs {
			if strings.Contains(wire, words) != slices.Contains(pair[:], viewer) {
				t.Errorf("the stream of %d, of %v's whisper: it is wrong", viewer, pair)
			}
		}
		if !strings.Contains(wire, "word0 public") {
			t.Errorf("%d does not read what all may", viewer)
		}
	}
}

// tailAs returns what a writer that reads the log sends to a viewer.
func tailAs(t *testing.T, log *Memory, viewer transport.Key) string {
	t.Helper()
	mine, its := transport.Pipe(transport.Peer{}, transport.Peer{})
	defer its.Close()
	got := make(chan string)
	go func() {
		var all strings.Builder
		for {
			msg, err := its.Receive(context.Background())
			if err != nil {
				got <- all.String()
				return
			}
			all.Write(msg)
		}
	}()
	w := &writer{log: log, conn: mine, out: newOutbox(false), viewer: viewer, stuck: time.NewTimer(time.Hour)}
	defer w.stuck.Stop()
	if err := w.read(t.Context(), 500); err != nil {
		t.Fatal(err)
	}
	if err := w.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mine.Close()
	return <-got
}
