package roomtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// TestLog tests what every [room.Log] promises. Open makes an empty log that ends
// with the test.
func TestLog(t *testing.T, open func(t *testing.T) room.Log) {
	for name, test := range map[string]func(*testing.T, room.Log){
		"numbers": logNumbers, "fields": logFields, "audience": logAudience, "search": logSearch,
		"tail": logTail, "race": logRace, "model": logModel,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

const everySeq = 1 << 63

var errRead = errors.New("read enough")

func logEntry(key byte, id int, words string, to ...transport.Key) room.Entry {
	e := room.Entry{Key: transport.Key{key}, At: time.UnixMilli(int64(1000 + id)).UTC(), Words: words, Audience: to,
		Body: fmt.Appendf(nil, `{"type":"message","text":%q}`, words)}
	copy(e.ID[:], fmt.Sprintf("%016d", id))
	return e
}

func logSeqs(t *testing.T, es []room.Entry, err error) string {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	for _, e := range es {
		fmt.Fprint(&b, e.Seq, " ")
	}
	return b.String()
}

// logRead reads a log up to a seq.
func logRead(ctx context.Context, l room.Log, after, upto uint64) (all []room.Entry, err error) {
	if after >= upto {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	next := after
	err = l.Tail(ctx, after, func(es []room.Entry) error {
		for _, e := range es {
			if next++; e.Seq != next {
				return fmt.Errorf("%d where %d should be", e.Seq, next)
			}
		}
		if all = append(all, es...); next >= upto {
			return errRead
		}
		return nil
	})
	if errors.Is(err, errRead) {
		err = nil
	}
	return all, err
}

func logAppend(t *testing.T, l room.Log, batch ...room.Entry) []room.Result {
	t.Helper()
	r, err := l.Append(t.Context(), batch)
	if err != nil || len(r) != len(batch) {
		t.Fatalf("%v %v", r, err)
	}
	return r
}

// logNumbers has ids come twice: in a batch, in the next, and much later.
func logNumbers(t *testing.T, l room.Log) {
	first := logEntry(1, 1, "one")
	for i, tc := range []struct {
		batch []room.Entry
		want  []room.Result
	}{
		{nil, []room.Result{}},
		{[]room.Entry{first, logEntry(1, 1, "again"), logEntry(2, 1, "another's")}, []room.Result{{Seq: 1}, {Seq: 1, Duplicate: true}, {Seq: 2}}},
		{[]room.Entry{logEntry(2, 1, "x"), logEntry(1, 2, "more"), logEntry(1, 2, "more")},
			[]room.Result{{Seq: 2, Duplicate: true}, {Seq: 3}, {Seq: 3, Duplicate: true}}},
		{[]room.Entry{{Seq: 77, Key: transport.Key{3}}}, []room.Result{{Seq: 4}}},
	} {
		if got := logAppend(t, l, tc.batch...); !slices.Equal(got, tc.want) {
			t.Errorf("%d: %v, want %v", i, got, tc.want)
		}
	}
	for i := range 30 {
		var batch []room.Entry
		for j := range 50 {
			batch = append(batch, logEntry(9, 100+50*i+j, "many"))
		}
		logAppend(t, l, batch...)
	}
	if got := logAppend(t, l, first); got[0] != (room.Result{Seq: 1, Duplicate: true}) {
		t.Errorf("long after: %v", got)
	}
	gone, end, err := l.Bounds(t.Context())
	if gone != 0 || end != 1504 || err != nil {
		t.Errorf("bounds %d %d %v", gone, end, err)
	}
	if again, _, _ := l.Bounds(t.Context()); again != gone {
		t.Error(again)
	}
	all, err := logRead(t.Context(), l, 0, end)
	if err != nil || len(all) != 1504 || all[0].Words != "one" {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

// logFields stores what is unusual and reads it by every path.
func logFields(t *testing.T, l room.Log) {
	want := []room.Entry{
		logEntry(1, 1, "plain"),
		logEntry(1, 2, strings.Repeat("long ", 3000)),
		{Key: transport.Key{2}, ID: [16]byte{1}, At: time.UnixMilli(1 << 42).UTC(), Body: []byte("\x00\xff not JSON"), Words: "elsewhere \U0001f389"},
		{Key: transport.Key{2}, At: time.UnixMilli(-1).UTC(), Body: []byte("{}"), Audience: []transport.Key{{4}, {5}, {4}}},
	}
	for i := range want {
		buffer := bytes.Clone(want[i].Body)
		given := want[i]
		given.Body = buffer
		logAppend(t, l, given)
		clear(buffer) // the log keeps its own
		want[i].Seq = uint64(i + 1)
	}
	tail, err := logRead(t.Context(), l, 0, uint64(len(want)))
	if err != nil || !slices.EqualFunc(tail, want, sameEntry) {
		t.Errorf("tail: %+v %v", tail, err)
	}
	page, err := l.Page(t.Context(), transport.Key{5}, everySeq, 10)
	if err != nil || !slices.EqualFunc(page, want, sameEntry) {
		t.Errorf("page: %+v %v", page, err)
	}
}

func sameEntry(a, b room.Entry) bool {
	return a.Seq == b.Seq && a.Key == b.Key && a.ID == b.ID && a.At.Equal(b.At) && a.Words == b.Words && bytes.Equal(a.Body, b.Body) &&
		(a.Audience == nil) == (b.Audience == nil) && slices.Equal(a.Audience, b.Audience)
}

func logAudience(t *testing.T, l room.Log) {
	a, b, c := transport.Key{1}, transport.Key{2}, transport.Key{3}
	logAppend(t, l, logEntry(1, 1, "hello all"), logEntry(2, 1, "hello you", a, b), logEntry(1, 2, "more"))
	nobody := logEntry(1, 3, "hello nobody")
	nobody.Audience = []transport.Key{}
	logAppend(t, l, nobody, logEntry(3, 1, "last"))
	page := func(who transport.Key, before uint64, n int) string {
		es, err := l.Page(t.Context(), who, before, n)
		return logSeqs(t, es, err)
	}
	search := func(who transport.Key, words string) string {
		es, err := l.Search(t.Context(), who, words, everySeq, 10)
		return logSeqs(t, es, err)
	}
	for _, tc := range []struct{ what, got, want string }{
		{"a third's page", page(c, everySeq, 10), "1 3 5 "},
		{"a reader's page", page(b, everySeq, 10), "1 2 3 5 "},
		{"the last", page(b, everySeq, 2), "3 5 "},
		{"before", page(a, 3, 10), "1 2 "},
		{"before the first", page(a, 1, 10), ""},
		{"before nothing", page(a, 0, 10), ""},
		{"none", page(a, everySeq, 0), ""},
		{"a third's search", search(c, "hello"), "1 "},
		{"a reader's search", search(a, "hello"), "1 2 "},
		{"both", search(a, "you HELLO"), "2 "},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, tc.got, tc.want)
		}
	}
}

func logSearch(t *testing.T, l room.Log) {
	for i, words := range []string{"Hello there", "hello", "other words", "there is more", "", "HELLO again there"} {
		logAppend(t, l, logEntry(1, i, words))
	}
	for _, tc := range []struct {
		words  string
		before uint64
		n      int
		want   string
	}{
		{"hello", everySeq, 10, "1 2 6 "}, {"HELLO", everySeq, 10, "1 2 6 "}, {"there hello", everySeq, 10, "1 6 "},
		{"hello", everySeq, 2, "2 6 "}, {"hello", 6, 2, "1 2 "}, {"hello", 1, 2, ""}, {"hello", everySeq, 0, ""}, {"nowhere", everySeq, 10, ""},
	} {
		es, err := l.Search(t.Context(), transport.Key{}, tc.words, tc.before, tc.n)
		if got := logSeqs(t, es, err); got != tc.want {
			t.Errorf("%q before %d: %q, want %q", tc.words, tc.before, got, tc.want)
		}
	}
}

// logTail follows a log from several places while it grows.
func logTail(t *testing.T, l room.Log) {
	const n = 2000
	var readers sync.WaitGroup
	for _, after := range []uint64{0, 0, 1, 700, n - 1} {
		readers.Go(func() {
			if _, err := logRead(t.Context(), l, after, n); err != nil {
				t.Errorf("after %d: %v", after, err)
			}
		})
	}
	for i := 0; i < n; {
		var batch []room.Entry
		for range min(1+i%40, n-i) {
			batch = append(batch, logEntry(1, i, "x"))
			i++
		}
		logAppend(t, l, batch...)
	}
	readers.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := l.Tail(ctx, n, func(es []room.Entry) error { return fmt.Errorf("%d entries that nobody appended", len(es)) }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	other := errors.New("other")
	if err := l.Tail(t.Context(), 5, func([]room.Entry) error { return other }); !errors.Is(err, other) {
		t.Error(err)
	}
}

// logRace has several append the same entries at once: each is stored once.
func logRace(t *testing.T, l room.Log) {
	const n = 200
	var mu sync.Mutex
	seqs := map[int]uint64{}
	fresh := 0
	var work sync.WaitGroup
	for range 6 {
		work.Go(func() {
			for _, i := range rand.Perm(n) {
				r, err := l.Append(t.Context(), []room.Entry{logEntry(1, i, "x")})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if seq, known := seqs[i]; known && seq != r[0].Seq {
					t.Errorf("%d is %d and %d", i, seq, r[0].Seq)
				}
				if seqs[i] = r[0].Seq; !r[0].Duplicate {
					fresh++
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	if _, end, err := l.Bounds(t.Context()); end != n || fresh != n || err != nil {
		t.Errorf("end %d, %d fresh, %v", end, fresh, err)
	}
}

// logModel does what comes to its mind, and compares with a list.
func logModel(t *testing.T, l room.Log) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var model []room.Entry
	vocabulary := []string{"red", "green", "blue", "Red fish", "green eggs", "blue moon red"}
	for range 400 {
		switch random.IntN(4) {
		case 0, 1:
			var batch []room.Entry
			var want []room.Result
			for range random.IntN(5) {
				e := logEntry(byte(random.IntN(3)), random.IntN(300), vocabulary[random.IntN(len(vocabulary))])
				if random.IntN(4) == 0 {
					e.Audience = []transport.Key{{byte(random.IntN(3))}, {byte(random.IntN(3))}}
				}
				batch = append(batch, e)
				at := slices.IndexFunc(model, func(o room.Entry) bool { return o.Key == e.Key && o.ID == e.ID })
				if at >= 0 {
					want = append(want, room.Result{Seq: uint64(at + 1), Duplicate: true})
					continue
				}
				e.Seq = uint64(len(model) + 1)
				model, want = append(model, e), append(want, room.Result{Seq: e.Seq})
			}
			if got := logAppend(t, l, batch...); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		case 2:
			viewer, before, n := transport.Key{byte(random.IntN(4))}, uint64(random.IntN(len(model)+3)), random.IntN(20)
			word := ""
			if random.IntN(2) == 0 {
				word = []string{"red", "green", "blue", "fish"}[random.IntN(4)]
			}
			var want []room.Entry
			for _, e := range slices.Backward(model) {
				if e.Seq < before && e.Visible(viewer) && len(want) < n && (word == "" || strings.Contains(strings.ToLower(e.Words), word)) {
					want = append(want, e)
				}
			}
			slices.Reverse(want)
			got, err := l.Page(t.Context(), viewer, before, n)
			if word != "" {
				got, err = l.Search(t.Context(), viewer, word, before, n)
			}
			if err != nil || !slices.EqualFunc(got, want, sameEntry) {
				t.Fatalf("%q before %d: %v %v, want %v", word, before, got, err, want)
			}
		case 3:
			after := uint64(random.IntN(len(model) + 1))
			got, err := logRead(t.Context(), l, after, uint64(len(model)))
			if err != nil || !slices.EqualFunc(got, model[after:], sameEntry) {
				t.Fatalf("after %d: %v %v", after, got, err)
			}
		}
	}
}
