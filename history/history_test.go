package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const everything = 1 << 63

var (
	ana, ben, cyn = [32]byte{1}, [32]byte{2}, [32]byte{3}
	options       = Options{Room: "physics", Of: [32]byte{9}}
)

// file is where a test's file is.
func file(t testing.TB) string { return filepath.Join(t.TempDir(), "history", "room.log") }

// open opens a log until the test ends.
func open(t testing.TB, path string, o Options) *Log {
	t.Helper()
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func id(n int) (id [16]byte) {
	copy(id[:], fmt.Sprintf("%016d", n))
	return id
}

func said(key [32]byte, n int, words string, to ...[32]byte) Record {
	return Record{Key: key, ID: id(n), At: time.UnixMilli(int64(n)).UTC(), Audience: to, Words: words,
		Body: []byte(`{"type":"message","text":"` + words + `"}`)}
}

// fill appends n records.
func fill(t testing.TB, l *Log, from, n int) {
	t.Helper()
	for at := from; at < from+n; {
		var batch []Record
		for ; at < from+n && len(batch) < 200; at++ {
			batch = append(batch, said(ana, at, fmt.Sprintf("message number %d, of the common kind", at)))
		}
		if _, err := l.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
}

func seqs(t testing.TB, records []Record, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range records {
		fmt.Fprint(&b, r.Seq, " ")
	}
	return b.String()
}

// all reads a log from its beginning.
func all(t testing.TB, l *Log) (list []Record) {
	t.Helper()
	last := l.Last()
	if last == 0 {
		return nil
	}
	err := l.Tail(t.Context(), 0, func(run []Record) error {
		if list = append(list, run...); list[len(list)-1].Seq >= last {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return list
}

func same(a, b Record) bool {
	return a.Seq == b.Seq && a.Key == b.Key && a.ID == b.ID && a.At.Equal(b.At) && (a.Audience == nil) == (b.Audience == nil) &&
		slices.Equal(a.Audience, b.Audience) && string(a.Body) == string(b.Body) && a.Words == b.Words
}

func TestReopen(t *testing.T) {
	path := file(t)
	l := open(t, path, options)
	records := []Record{
		said(ana, 1, "Hello there"),
		said(ben, 1, "psst", ana, ben),
		{Key: cyn, ID: id(3), At: time.UnixMilli(1 << 41).UTC(), Audience: [][32]byte{}, Words: "in no body"},
		{At: time.UnixMilli(-5).UTC(), Body: []byte{0, 1, 0xff}},
		said(ana, 5, strings.Repeat("long ", 3000)),
	}
	for i := range records {
		res, err := l.Append(t.Context(), records[i:i+1])
		if err != nil || res[0] != (Result{Seq: uint64(i + 1)}) {
			t.Fatal(res, err)
		}
		records[i].Seq = uint64(i + 1)
	}
	id := l.ID()
	for range 2 {
		for i, got := range all(t, l) {
			if !same(got, records[i]) {
				t.Errorf("%+v, want %+v", got, records[i])
			}
		}
		if l.ID() != id || l.Last() != 5 {
			t.Errorf("%x %d", l.ID(), l.Last())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		l = open(t, path, options)
	}
	res, err := l.Append(t.Context(), []Record{said(ana, 1, "again"), said(ana, 9, "new"), said(ana, 9, "new")})
	if want := []Result{{1, true}, {6, false}, {6, true}}; err != nil || !slices.Equal(res, want) {
		t.Error(res, err)
	}
	for _, name := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestSearch(t *testing.T) {
	l := open(t, file(t), options)
	for i, words := range []string{"The café is closed", "le CAFE\u0301 est fermé", "東京タワーへ行く", "ภาษาไทยง่าย", "foo-bar \"quoted\" NEAR(x)",
		"한국어 문장", "हिन्दी में", "Ａｂｃ full width", "x* OR y", "{}", "C++ and emoji🎉🫠", "a\x00b nul"} {
		if _, err := l.Append(t.Context(), []Record{said(ana, i, words)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Append(t.Context(), []Record{said(ben, 1, "a secret café", ana, ben)}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		viewer [32]byte
		words  string
		want   string
	}{
		{cyn, "cafe", "1 2 "}, {cyn, "CAFÉ", "1 2 "}, {ana, "cafe", "1 2 13 "}, {ben, "café secret", "13 "}, {cyn, "secret", ""},
		{cyn, "closed the", "1 "}, {cyn, "closed est", ""}, {cyn, "東京", "3 "}, {cyn, "京", "3 "}, {cyn, "京東", ""}, {cyn, "タワー", "3 "}, {cyn, "ไทย", "4 "},
		{cyn, "foo-bar", "5 "}, {cyn, "bar-foo", ""}, {cyn, `"quoted"`, "5 "}, {cyn, `near(x)`, "5 "}, {cyn, "NEAR", "5 "}, {cyn, "한국어", "6 "}, {cyn, "국어", "6 "},
		{cyn, "हिन्दी", "7 "}, {cyn, "abc", "8 "}, {cyn, "x OR", "9 "}, {cyn, "x*", "5 9 "}, {cyn, "* OR", "9 "}, {cyn, "words : x", ""},
		{cyn, "", ""}, {cyn, `"`, ""}, {cyn, "{}", ""}, {cyn, "AND", "11 "}, {cyn, "NOT", ""}, {cyn, "nul", "12 "}, {cyn, "🎉", "11 "}, {cyn, "🫠", "11 "}, {cyn, "🎉🫠", "11 "}, {cyn, "🫠🎉", ""}, {cyn, "emoji🎉", "11 "}, {cyn, "🎈", ""},
	} {
		got, err := l.Search(t.Context(), tc.viewer, tc.words, everything, 10)
		if s := seqs(t, got, err); s != tc.want {
			t.Errorf("%q: %q, want %q", tc.words, s, tc.want)
		}
	}
	got, err := l.Search(t.Context(), ana, "cafe", 13, 1)
	if s := seqs(t, got, err); s != "2 " {
		t.Error(s)
	}
}

func TestTail(t *testing.T) {
	l := open(t, file(t), options)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const n = 3000
	go func() {
		for at := 0; at < n; {
			var batch []Record
			for range 1 + rand.IntN(20) {
				batch = append(batch, said(ana, at, "x"))
				at++
			}
			l.Append(ctx, batch)
		}
	}()
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			var after uint64
			done <- l.Tail(ctx, 0, func(run []Record) error {
				for _, r := range run {
					if r.Seq != after+1 {
						return fmt.Errorf("%d after %d", r.Seq, after)
					}
					after = r.Seq
				}
				if after >= n {
					return errEnough
				}
				return nil
			})
		}()
	}
	for range cap(done) {
		if err := <-done; !errors.Is(err, errEnough) {
			t.Error(err)
		}
	}
}
