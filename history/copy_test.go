package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// copied are the options of a copy.
func copied() Options {
	o := options
	o.Copy = [16]byte{7}
	return o
}

func numbered(seq uint64, words string) Record {
	r := said([32]byte{}, int(seq), words)
	r.Seq = seq
	return r
}

func TestCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.copy")
	a, b := open(t, path, copied()), open(t, path, copied())
	put := func(l *Log, records ...Record) {
		t.Helper()
		if err := l.Put(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	put(a, numbered(10, "ten"), numbered(12, "twelve"))
	put(b, numbered(12, "twelve"), numbered(13, "thirteen"), numbered(5, "five"), numbered(10, "ten"))
	if err := a.Put(t.Context(), nil, Receipt{12, 3, 9}, Receipt{10, 1, 1}); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), nil, Receipt{12, 4, 9}); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Log{a, b} {
		run, err := l.After(t.Context(), 0, 100)
		if got := seqs(t, run, err); got != "5 10 12 13 " {
			t.Error(got)
		}
		run, err = l.Page(t.Context(), ana, 13, 2)
		if got := seqs(t, run, err); got != "10 12 " {
			t.Error(got)
		}
		run, err = l.Search(t.Context(), ana, "TWELVE", everything, 10)
		if got := seqs(t, run, err); got != "12 " {
			t.Error(got)
		}
		if r, known, err := l.Receipt(t.Context(), 12); r != (Receipt{12, 4, 9}) || !known || err != nil {
			t.Error(r, known, err)
		}
		if _, known, err := l.Receipt(t.Context(), 11); known || err != nil {
			t.Error(known, err)
		}
	}
	other := numbered(13, "thirteen, says another log")
	if err := a.Put(t.Context(), []Record{numbered(20, "twenty"), other}); !errors.Is(err, ErrDiffers) {
		t.Error(err)
	}
	run, err := a.After(t.Context(), 13, 10)
	if got := seqs(t, run, err); got != "" {
		t.Errorf("half of it was put: %s", got)
	}
	if _, err := a.Append(t.Context(), []Record{numbered(1, "x")}); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	if err := a.Put(t.Context(), []Record{{Seq: 0}}); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	o := copied()
	o.Copy = [16]byte{8}
	refused(t, path, o, ErrOtherRoom, "belongs")
	refused(t, path, options, ErrOtherRoom, "belongs")
	if report, err := a.Check(t.Context()); err != nil || len(report.Faults) > 0 || report.Records != 4 {
		t.Errorf("%+v %v", report, err)
	}
}

// TestCopyTogether has several write one copy at once.
func TestCopyTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.copy")
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			l, err := Open(path, copied())
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			for at := uint64(1); at < 500; at += 25 {
				var batch []Record
				for seq := at; seq < at+25; seq++ {
					if seq%7 != uint64(w) {
						batch = append(batch, numbered(seq, fmt.Sprint("word ", seq)))
					}
				}
				if err := l.Put(t.Context(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	l := open(t, path, copied())
	run, err := l.After(t.Context(), 0, 1000)
	if err != nil || len(run) != 500 || !slices.IsSortedFunc(run, func(a, b Record) int { return int(a.Seq) - int(b.Seq) }) {
		t.Errorf("%d records, %v", len(run), err)
	}
	if found, err := l.Search(t.Context(), ana, "word", everything, 1000); err != nil || len(found) != 500 {
		t.Errorf("%d found, %v", len(found), err)
	}
}

func TestCopyIsPruned(t *testing.T) {
	a := &aging{now: noon}
	o := copied()
	o.Keep.Age = 10 * day
	a.Log = open(t, filepath.Join(t.TempDir(), "room.copy"), a.options(o))
	var batch []Record
	for seq := uint64(3); seq < 2000; seq += 3 {
		batch = append(batch, numbered(seq, "old words"))
	}
	if err := a.Put(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	a.pass(t, 0, 0)
	a.pass(t, 5*day, 5*day)
	if err := a.Put(t.Context(), []Record{numbered(3000, "new words")}); err != nil {
		t.Fatal(err)
	}
	a.pass(t, 6*day, 6*day)
	if err := a.Put(t.Context(), batch[:5]); err != nil { // replayed
		t.Fatal(err)
	}
	run, err := a.After(t.Context(), 0, 1000)
	if got := seqs(t, run, err); got != "3000 " {
		t.Error(got)
	}
	run, err = a.Search(t.Context(), ana, "words", everything, 1000)
	if got := seqs(t, run, err); got != "3000 " {
		t.Error(got)
	}
	if report, err := a.Check(t.Context()); err != nil || len(report.Faults) > 0 {
		t.Errorf("%+v %v", report, err)
	}
}

// TestBroughtIn carries a log elsewhere: id, numbers and ids are kept, and it
// may be done twice, or be broken off.
func TestBroughtIn(t *testing.T) {
	a, _ := older(t, "1d")
	fill(t, a.Log, 0, 600)
	a.save(t)
	for range 40 {
		a.pass(t, day, day)
	}
	fill(t, a.Log, 1000, 300)
	from := all(t, a.Log)
	if a.traceless() == 0 || len(from) != 900 {
		t.Fatal(a.traceless(), len(from))
	}
	o := options
	o.Log = a.ID()
	path := file(t)
	for round := range 3 {
		l := open(t, path, o)
		if l.ID() != a.ID() {
			t.Error("another id")
		}
		for at := 0; at < len(from); at += 100 {
			if round == 0 && at == 400 {
				break
			}
			if err := l.Put(t.Context(), from[at:at+100]); err != nil {
				t.Fatal(err)
			}
		}
		for i, got := range all(t, l) {
			if !same(got, from[i]) {
				t.Fatalf("%d is %+v, want %+v", i, got, from[i])
			}
		}
		if err := l.Put(t.Context(), []Record{numbered(2000, "a gap")}); !errors.Is(err, ErrNotStored) {
			t.Error(err)
		}
		l.Close()
	}
	l := open(t, path, o)
	var chain Chain
	for _, r := range from {
		chain = chain.Next(r)
	}
	if got, err := l.Chain(t.Context(), 900); err != nil || got != chain {
		t.Error(err)
	}
	other := from[800]
	other.Words = "other"
	if err := l.Put(t.Context(), []Record{other}); !errors.Is(err, ErrDiffers) {
		t.Error(err)
	}
	if res, err := l.Append(t.Context(), []Record{from[899], said(ben, 1, "on it goes")}); err != nil || !res[0].Duplicate || res[1].Seq != 901 {
		t.Error(res, err)
	}
	if report, err := l.Check(t.Context()); err != nil || len(report.Faults) > 0 || report.Last != 901 {
		t.Errorf("%+v %v", report, err)
	}
}

func TestMeta(t *testing.T) {
	path := file(t)
	l := open(t, path, options)
	if v, err := l.Meta(t.Context(), "moved"); v != nil || err != nil {
		t.Error(v, err)
	}
	for _, v := range []string{"one", "two"} {
		if err := l.SetMeta(t.Context(), "moved", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.SetMeta(t.Context(), "room", []byte("ours")); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l = open(t, path, options)
	if v, err := l.Meta(t.Context(), "moved"); string(v) != "two" || err != nil {
		t.Error(v, err)
	}
	l.Close()
	raw(t, path, "UPDATE meta SET value = x'00' WHERE name = '.moved'")
	l = open(t, path, options)
	if _, err := l.Meta(t.Context(), "moved"); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// TestStrangePaths has logs in places whose names mean something to others.
func TestStrangePaths(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "100%25", "a#b", "日本", ":memory:", "file:x", "a'b\"c"} {
		if strings.ContainsAny(name, `?:"`) && os.PathSeparator == '\\' {
			continue
		}
		path := filepath.Join(t.TempDir(), name, "room.log")
		l := open(t, path, options)
		fill(t, l, 0, 3)
		if len(all(t, l)) != 3 {
			t.Error(name)
		}
		l.Close()
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Chdir(t.TempDir())
	l := open(t, "room.log", options)
	fill(t, l, 0, 3)
	l.Close()
	if _, err := os.Stat("room.log"); err != nil {
		t.Error(err)
	}
}

// TestBegunTogether has two programs begin a copy at once, again and again.
func TestBegunTogether(t *testing.T) {
	for range 20 / rounds {
		path := filepath.Join(t.TempDir(), "room.copy")
		var work sync.WaitGroup
		for w := range 3 {
			work.Go(func() {
				l, err := Open(path, copied())
				if err != nil {
					t.Error(err)
					return
				}
				defer l.Close()
				if err := l.Put(t.Context(), []Record{numbered(uint64(w+1), "x")}); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
	}
}

// TestPutWithoutTrace puts records of which nothing is left: at the beginning they are
// numbers, and in the middle they have ids.
func TestPutWithoutTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	o := Options{Room: "r", Log: [16]byte{7}, Elsewhere: true}
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	var run []Record
	for seq := uint64(1); seq <= 1500; seq++ {
		r := Record{Seq: seq, Key: [32]byte{1}, At: time.UnixMilli(5).UTC(), Body: []byte("{}"), Words: "word"}
		binary.BigEndian.PutUint64(r.ID[:], seq)
		if seq < 10 || seq == 20 || seq == 21 || seq == 1500 {
			r = blank(seq)
		}
		run = append(run, r)
	}
	for range 2 {
		for chunk := range slices.Chunk(run, 100) {
			if err := l.Put(t.Context(), chunk); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := l.Search(t.Context(), [32]byte{}, "word", 1<<62, 2000); len(found) != 1500-12 || err != nil {
			t.Error(len(found), err)
		}
		got, err := l.After(t.Context(), 18, 3)
		if err != nil || len(got) != 3 || got[1].ID != Deleted(20).ID || got[2].ID == got[1].ID || !got[1].Blank() {
			t.Errorf("%+v %v", got, err)
		}
		if s := l.Summary(); s.Last != 1500 || s.Gone != 9 || s.Log != o.Log {
			t.Errorf("%+v", s)
		}
		if r, err := l.Check(t.Context()); err != nil || len(r.Faults) > 0 || r.Deleted != 12 {
			t.Errorf("%+v %v", r, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(path, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
