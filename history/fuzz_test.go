package history

import (
	"bytes"
	"database/sql/driver"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzRecord stores whatever a record may be, and reads it again.
func FuzzRecord(f *testing.F) {
	f.Add(uint64(1), []byte("key"), int64(1), uint8(0), []byte(`{"text":"hi"}`), "hi")
	f.Add(uint64(1<<40), []byte{}, int64(-1), uint8(1), []byte{}, "")
	f.Add(uint64(7), []byte{1, 2, 3}, int64(1<<40), uint8(3), []byte("x\x00y"), "x\x00y")
	f.Fuzz(func(t *testing.T, seq uint64, name []byte, at int64, audience uint8, body []byte, words string) {
		r := Record{Seq: seq >> 1, At: time.UnixMilli(at % (1 << 50)).UTC(), Body: body, Words: words}
		copy(r.Key[:], name)
		copy(r.ID[:], name)
		for i := range audience % 5 {
			r.Audience = append(r.Audience, [32]byte{i})
		}
		if audience == 1 {
			r.Audience = [][32]byte{}
		}
		var scratch []byte
		p := pack(&r, &scratch)
		row := []driver.Value{int64(r.Seq), r.Key[:], r.ID[:], r.At.UnixMilli(), p.sum, p.audience, p.body, p.words}
		got, ok := unpack(row, &scratch)
		if !ok || !same(got, r) {
			t.Fatalf("%+v is read as %+v, %v", r, got, ok)
		}
		// Whatever is changed is seen.
		for i := range row {
			changed := slices.Clone(row)
			switch v := changed[i].(type) {
			case int64:
				changed[i] = v ^ 1
			case []byte:
				changed[i] = append(slices.Clone(v), 0)
			case string:
				changed[i] = v + "x"
			case nil:
				changed[i] = []byte{1}
			}
			if got, ok := unpack(changed, &scratch); ok && !same(got, r) {
				t.Fatalf("with another column %d, %+v is read as %+v", i, r, got)
			}
		}
	})
}

// FuzzSearch searches for anything: it is no error, and what is searched for by its
// own words is found.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{"hello", `"`, `a" OR "b`, "NEAR(a b)", "a*", "^a", "words:a", "-a", "日本語 text", "ก็", "\x00", "\xff", "é", "e\u0301",
		"🎉🫠", "(", "a AND", "{a b} : c", "ﬁ ﾊﾝ", "\u200d", "Ⅷ x²", "ß ẞ"} {
		f.Add(s)
	}
	dir, err := os.MkdirTemp("", "history-fuzz")
	if err != nil {
		f.Fatal(err)
	}
	l, err := Open(filepath.Join(dir, "room.log"), options)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		l.Close()
		os.RemoveAll(dir)
	})
	n := 0
	f.Fuzz(func(t *testing.T, words string) {
		if len(words) > 1000 {
			return
		}
		n++
		res, err := l.Append(t.Context(), []Record{said([32]byte{byte(n >> 16)}, n, words)})
		if err != nil {
			t.Fatal(err)
		}
		found, err := l.Search(t.Context(), ana, words, everything, 1)
		if err != nil {
			t.Fatalf("%q, searched as %q: %v", words, match(words), err)
		}
		if match(words) != "" && utf8.ValidString(words) && (len(found) != 1 || found[0].Seq != res[0].Seq) {
			t.Fatalf("%q, searched as %q, is not found", words, match(words))
		}
	})
}

// FuzzCarve reads anything as a database and its journal.
func FuzzCarve(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "room.log")
	l, err := Open(path, options)
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range []Record{said(ana, 1, "one"), said(ben, 2, strings.Repeat("long ", 2000))} {
		if _, err := l.Append(f.Context(), []Record{r}); err != nil {
			f.Fatal(err)
		}
	}
	wal, _ := os.ReadFile(path + "-wal")
	file, _ := os.ReadFile(path)
	f.Add(file[:4096], wal[:32+2*(24+4096)]) // small seeds: whole files would be fuzzed by the dozen a second
	l.Close()
	file, _ = os.ReadFile(path)
	for at := 0; at < len(file); at += 4096 {
		if page := file[at : at+4096]; page[0] == leafTable || page[0] == leafIndex {
			f.Add(page, []byte{})
		}
	}
	f.Add(bytes.Repeat([]byte{0x0d, 0, 0, 0, 1}, 2000), []byte{})
	f.Fuzz(func(t *testing.T, file, wal []byte) {
		j := parseJournal(wal)
		if j.whole > len(j.frames) || j.lost() > len(j.frames) {
			t.Fatalf("%+v", j)
		}
		s := newCarver(file, wal, j).survey()
		for _, row := range s.rows {
			if r, ok := s.record(row); ok && r.Seq != uint64(row.seq) {
				t.Fatalf("%d is %d", row.seq, r.Seq)
			}
		}
	})
}

// FuzzMarshal reads anything as what is kept in the table meta.
func FuzzMarshal(f *testing.F) {
	c := clock{wall: time.UnixMilli(5), age: day, doubt: 3 * day, since: time.Hour}
	f.Add(c.marshal(), "90d")
	f.Add(place{seq: 7}.marshal(), "100")
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		if c, ok := parseClock(b); ok && !bytes.Equal(c.marshal(), b) {
			t.Errorf("%x is written as %x", b, c.marshal())
		}
		if p, ok := parsePlace(b); ok && !bytes.Equal(p.marshal(), b) {
			t.Errorf("%x", b)
		}
		if k, err := ParseKeep(s); err == nil {
			if again, err := ParseKeep(k.String()); err != nil || again != k {
				t.Errorf("%q is %v is %v", s, k, again)
			}
		}
	})
}
