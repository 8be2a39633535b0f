package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A made is a log that was closed: it takes time to make one, and many tests
// spoil one.
type made struct {
	file    []byte
	records []Record
	id      [16]byte
}

var templates = map[int]made{}

// closed is a log of n records that nobody has open, and what is in it.
func closed(t *testing.T, n int) (path string, records []Record, id [16]byte) {
	t.Helper()
	path = file(t)
	m, ok := templates[n]
	if !ok {
		l := open(t, path, options)
		fill(t, l, 0, n)
		if err := l.SaveCheckpoint(t.Context(), uint64(n/2), []byte("state")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Search(t.Context(), ana, "message", everything, 1); err != nil {
			t.Fatal(err)
		}
		m.records, m.id = all(t, l), l.ID()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		m.file, _ = os.ReadFile(path)
		templates[n] = m
		return path, m.records, m.id
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, m.file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, m.records, m.id
}

// refused checks that a log cannot be opened, for a reason that names the file and the
// way out.
func refused(t *testing.T, path string, o Options, problem error, wayOut string) {
	t.Helper()
	l, err := Open(path, o)
	if err == nil {
		l.Close()
		t.Errorf("it was opened, and should be %v", problem)
		return
	}
	if !errors.Is(err, problem) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), wayOut) {
		t.Errorf("%v; want %v, %s and %q", err, problem, path, wayOut)
	}
}

// edit changes bytes of a file.
func edit(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, f(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// raw runs SQL on a file behind the program's back.
func raw(t *testing.T, path, sql string) {
	t.Helper()
	c, err := connect(path, "mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.script(sql); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	repair := "parley history physics --repair"
	for _, tc := range []struct {
		name    string
		spoil   func(path string)
		problem error
		wayOut  string
	}{
		{"newer", func(p string) { raw(t, p, "PRAGMA user_version = 2") }, ErrNewer, "newer parley"},
		{"foreign", func(p string) { raw(t, p, "PRAGMA application_id = 7") }, ErrForeign, "--data-dir"},
		{"no database", func(p string) { os.WriteFile(p, bytes.Repeat([]byte("not a database "), 1000), 0o600) }, ErrForeign, "--data-dir"},
		{"another room", func(p string) {
			raw(t, p, fmt.Sprintf("UPDATE meta SET value = x'6c6162', sum = %d WHERE name = 'room'", metaSum(metaRoom, []byte("lab"))))
		}, ErrOtherRoom, "belongs"},
		{"another key", func(p string) {
			raw(t, p, fmt.Sprintf("UPDATE meta SET value = zeroblob(32), sum = %d WHERE name = 'of'", metaSum(metaOf, make([]byte, 32))))
		}, ErrOtherRoom, "belongs"},
		{"head", func(p string) { raw(t, p, "UPDATE meta SET value = x'00' WHERE name = 'room'") }, ErrDamaged, repair},
		{"no head", func(p string) { raw(t, p, "DELETE FROM meta") }, ErrDamaged, repair},
		{"no table", func(p string) { raw(t, p, "DROP TABLE marks; DROP TABLE entries") }, ErrFailed, ""},
		{"a gap", func(p string) { raw(t, p, "DELETE FROM entries WHERE seq = 390") }, ErrDamaged, repair},
		{"no end", func(p string) { raw(t, p, "DELETE FROM entries WHERE seq > 100") }, ErrDamaged, repair},
		{"nothing", func(p string) { raw(t, p, "DELETE FROM entries") }, ErrDamaged, repair},
		{"a changed text", func(p string) {
			raw(t, p, "UPDATE entries SET body = replace(body, 'common', 'other') WHERE seq = 399")
		}, ErrDamaged, repair},
		{"a changed time", func(p string) { raw(t, p, "UPDATE entries SET at = at + 1 WHERE seq = 399") }, ErrDamaged, repair},
		{"a changed sender", func(p string) { raw(t, p, "UPDATE senders SET key = x'00'") }, ErrDamaged, repair},
		{"no sender", func(p string) { raw(t, p, "DELETE FROM senders") }, ErrDamaged, repair},
		{"a changed audience", func(p string) { raw(t, p, "UPDATE entries SET audience = 0 WHERE seq = 399") }, ErrDamaged, repair},
		{"swapped", func(p string) {
			raw(t, p, "UPDATE entries SET seq = -1 WHERE seq = 398; UPDATE entries SET seq = 398 WHERE seq = 399; UPDATE entries SET seq = 399 WHERE seq = -1")
		}, ErrDamaged, repair},
		{"cut in half", func(p string) { edit(t, p, func(b []byte) []byte { return b[:len(b)/2] }) }, ErrDamaged, repair},
		{"cut by a page", func(p string) { edit(t, p, func(b []byte) []byte { return b[:len(b)-4096] }) }, ErrDamaged, repair},
		{"cut to nothing but its head", func(p string) { edit(t, p, func(b []byte) []byte { return b[:100] }) }, ErrDamaged, repair},
		{"a directory", func(p string) { os.Remove(p); os.Mkdir(p, 0o700) }, ErrFailed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, _, _ := closed(t, 400)
			tc.spoil(path)
			before, _ := os.ReadFile(path)
			refused(t, path, options, tc.problem, tc.wayOut)
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestFlippedPages spoils one byte after the other, anywhere in the file: what
// is read then is what was written, or an error.
func TestFlippedPages(t *testing.T) {
	path, records, _ := closed(t, 400)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	refused, seen, harmless := 0, 0, 0
	for range 200 / rounds {
		at := random.IntN(len(good))
		bad := slices.Clone(good)
		bad[at] ^= byte(1 + random.IntN(255))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		switch l, err := Open(path, options); {
		case err != nil:
			refused++
		default:
			if !readable(t, l, records, at) {
				seen++
			} else {
				harmless++
			}
			l.Close()
		}
	}
	t.Logf("%d of them refused, %d seen when read, %d nowhere that matters", refused, seen, harmless)
	if rounds == 1 && (refused == 0 || seen == 0) {
		t.Error("nothing was spoilt")
	}
}

// readable reads all of a log by each path. Nothing wrong may come.
func readable(t *testing.T, l *Log, want []Record, at int) bool {
	ok := true
	check := func(got []Record, err error) {
		if err != nil {
			ok = false
			return
		}
		for _, r := range got {
			if r.Seq < 1 || r.Seq > uint64(len(want)) || !same(r, want[r.Seq-1]) {
				t.Errorf("byte %d is spoilt, and %+v is read", at, r)
			}
		}
	}
	got, err := l.After(t.Context(), 0, len(want))
	if check(got, err); err == nil && len(got) != len(want) {
		t.Errorf("byte %d is spoilt, and %d records are read", at, len(got))
	}
	got, err = l.Page(t.Context(), ana, everything, len(want))
	if check(got, err); err == nil && len(got) != len(want) {
		t.Errorf("byte %d is spoilt, and a page has %d records", at, len(got))
	}
	check(l.Search(t.Context(), ana, "message", everything, len(want)))
	check(l.Search(t.Context(), ana, "17", everything, 10))
	return ok
}

// TestDamagedJournal spoils what a killed host leaves behind: nothing is lost
// without a word.
func TestDamagedJournal(t *testing.T) {
	path := file(t)
	l := open(t, path, options)
	for i := range 50 {
		fill(t, l, i, 1)
	}
	copyTo := func(name string) string {
		dir := t.TempDir()
		for _, end := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + end)
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(filepath.Join(dir, name+end), b, 0o600)
		}
		return filepath.Join(dir, name)
	}
	last := func(p string) uint64 {
		t.Helper()
		l, err := Open(p, options)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Last()
	}
	if n := last(copyTo("whole")); n != 50 {
		t.Errorf("%d records", n)
	}
	random := rand.New(rand.NewPCG(1, 1))
	info, _ := os.Stat(path + "-wal")
	warned := ""
	told := options
	told.Warn = func(s string) { warned = s }
	lost := 0
	for range 100 / rounds {
		p, at := copyTo("spoilt"), random.Int64N(info.Size())
		edit(t, p+"-wal", func(b []byte) []byte {
			b[at] ^= 0x55
			return b
		})
		warned = ""
		l, err := Open(p, told)
		if err != nil {
			if lost++; !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d: %v", at, err)
			}
			r, err := Repair(t.Context(), p, options)
			if err != nil || r.Saved < 40 {
				t.Errorf("byte %d: %+v %v", at, r, err)
			}
			continue
		}
		if l.Last() != 50 && warned == "" {
			t.Errorf("byte %d: %d records are lost without a word", at, 50-l.Last())
		}
		l.Close()
	}
	if lost < 50/rounds {
		t.Errorf("only %d were refused", lost)
	}
	// What a crash leaves half written is nothing to worry about.
	for _, cut := range []int64{1, 100, 4096} {
		p := copyTo("cut")
		edit(t, p+"-wal", func(b []byte) []byte { return b[:info.Size()-cut] })
		if n := last(p); n != 49 {
			t.Errorf("cut by %d: %d records", cut, n)
		}
	}
}

func TestRepair(t *testing.T) {
	for name, spoil := range map[string]func([]byte){
		"one byte":        func(b []byte) { b[len(b)/2] ^= 1 },
		"the first page":  func(b []byte) { clear(b[:4096]) },
		"a page":          func(b []byte) { copy(b[8*4096:9*4096], bytes.Repeat([]byte("junk"), 1024)) },
		"every fifth":     func(b []byte) { clearPages(b, 5) },
		"nothing at all":  func([]byte) {},
		"the head's text": func(b []byte) { copy(b, "SQLite is gone") },
	} {
		t.Run(name, func(t *testing.T) {
			path, records, id := closed(t, 1000)
			edit(t, path, func(b []byte) []byte { spoil(b); return b })
			bad, _ := os.ReadFile(path)
			r, err := Repair(t.Context(), path, options)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d saved, %d lost", r.Saved, r.Lost)
			if old, err := os.ReadFile(r.Old); err != nil || !bytes.Equal(old, bad) || !strings.Contains(r.Old, ".damaged-") {
				t.Errorf("the damaged file %s: %v", r.Old, err)
			}
			l := open(t, path, options)
			if l.ID() == id {
				t.Error("it has the old id")
			}
			whole := uint64(0)
			for i, got := range all(t, l) {
				if got.Blank() {
					continue
				}
				if whole++; !same(got, records[i]) {
					t.Errorf("%+v, want %+v", got, records[i])
				}
			}
			if whole != r.Saved || whole < 600 || whole+r.Lost != l.Last() {
				t.Errorf("%d whole of %d", whole, l.Last())
			}
			if found, err := l.Search(t.Context(), ana, "common", everything, 1000); err != nil || len(found) != int(whole) {
				t.Errorf("%d found, %v", len(found), err)
			}
			if report, err := l.Check(t.Context()); err != nil || len(report.Faults) > 0 {
				t.Errorf("%+v %v", report, err)
			}
			if seq, state, err := l.Checkpoint(t.Context()); name != "every fifth" && name != "one byte" && (err != nil || seq != 500 || string(state) != "state") {
				t.Errorf("checkpoint %d %q %v", seq, state, err)
			}
			fill(t, l, 5000, 10)
		})
	}
	path := file(t)
	os.MkdirAll(filepath.Dir(path), 0o700)
	os.WriteFile(path, bytes.Repeat([]byte("no database"), 1000), 0o600)
	if _, err := Repair(t.Context(), path, options); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 2 { // it, and its lock
		t.Error(left)
	}
}

// TestRepairLong saves records of all lengths around the one from which on SQLite
// keeps a row on two further pages: what stays on the row's own page is least or most there.
func TestRepairLong(t *testing.T) {
	path := file(t)
	l := open(t, path, options)
	var batch []Record
	for n := range 400 {
		r := said(ana, n, "")
		r.Body = bytes.Repeat([]byte{byte(n)}, 7900+n)
		batch = append(batch, r)
	}
	if _, err := l.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	records := all(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Repair(t.Context(), path, options); err != nil || r.Saved != uint64(len(records)) || r.Lost != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func clearPages(b []byte, each int) {
	for at := 2 * 4096; at+4096 <= len(b); at += each * 4096 {
		clear(b[at : at+4096])
	}
}

func TestCheck(t *testing.T) {
	path, records, _ := closed(t, 400)
	var chain Chain
	for _, r := range records {
		chain = chain.Next(r)
	}
	check := func() Report {
		t.Helper()
		l := open(t, path, Options{Room: "physics", Reading: true})
		defer l.Close()
		r, err := l.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := check(); len(r.Faults) > 0 || r.Records != 400 || r.Last != 400 || r.Chain != chain || r.Bytes == 0 {
		t.Errorf("%+v", r)
	}
	for _, tc := range []struct{ sql, want string }{
		{"UPDATE entries SET at = 1 WHERE seq = 100", "record 100 does not have its checksum"},
		{"DELETE FROM entries WHERE seq BETWEEN 200 AND 202", "records 200 to 202 are missing"},
		{"UPDATE checkpoints SET state = x'00'", "the checkpoint at 200"},
	} {
		raw(t, path, tc.sql)
		if r := check(); !strings.Contains(strings.Join(r.Faults, "\n"), tc.want) {
			t.Errorf("%s: %v", tc.sql, r.Faults)
		}
	}
	// Another record, whole in itself, in the place of one.
	path, records, _ = closed(t, 400)
	other := records[99]
	other.Body = []byte("forged")
	var scratch []byte
	p := pack(&other, &scratch)
	raw(t, path, fmt.Sprintf("UPDATE entries SET body = x'%x', words = '%s', sum = %d WHERE seq = 100", other.Body, other.Words, p.sum))
	if r := check(); len(r.Faults) != 1 || !strings.Contains(r.Faults[0], "checkpoint at 200") {
		t.Error(r.Faults)
	}
}

func TestChain(t *testing.T) {
	path, records, _ := closed(t, 400)
	l := open(t, path, options)
	var chain Chain
	for _, r := range records {
		chain = chain.Next(r)
		if r.Seq%57 == 0 || r.Seq == 200 || r.Seq == 400 {
			if got, err := l.Chain(t.Context(), r.Seq); err != nil || got != chain {
				t.Errorf("up to %d: %x %v", r.Seq, got, err)
			}
		}
	}
	if got, err := l.Chain(t.Context(), 100); err != nil || got == chain {
		t.Errorf("back: %x %v", got, err)
	}
	if _, err := l.Chain(t.Context(), 401); err == nil {
		t.Error("there is no 401")
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("SKIPPED: root may write everywhere, but not on a read-only file system, which is tried elsewhere")
	}
	path, _, _ := closed(t, 10)
	os.Chmod(path, 0o400)
	os.Chmod(filepath.Dir(path), 0o500)
	defer os.Chmod(filepath.Dir(path), 0o700)
	refused(t, path, options, ErrReadOnly, "writable")
	l := open(t, path, Options{Room: "physics", Reading: true})
	if page, err := l.Page(context.Background(), ana, everything, 20); err != nil || len(page) != 10 {
		t.Error(len(page), err)
	}
}

// TestBeingMade reads a file that another program has made, and written nothing into
// yet: there is no history there, and nothing is wrong with it.
func TestBeingMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.copy")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Room: "physics", Reading: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What is no file is neither opened nor repaired, and is told as what it is.
func TestNoFile(t *testing.T) {
	for _, end := range []string{"", ".lock", "-wal", "-shm"} {
		path := filepath.Join(t.TempDir(), "a.log")
		if err := os.Mkdir(path+end, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{Room: "physics"}, {Room: "physics", Reading: true}, {Room: "physics", Copy: [16]byte{1}}} {
			_, err := Open(path, o)
			if !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), path+end+" cannot be used (it is a directory, and no file)") {
				t.Errorf("%+v: %v", o, err)
			}
		}
		if _, err := Repair(t.Context(), path, Options{Room: "physics"}); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "it is a directory") {
			t.Errorf("repaired: %v", err)
		}
	}
}

// TestCarverLeavesOutHalf has a journal end in the middle of a transaction: what
// that has written is not looked at.
func TestCarverLeavesOutHalf(t *testing.T) {
	wal := bytes.Repeat([]byte{1}, 3*defaultPage)
	c := newCarver(make([]byte, 2*defaultPage), wal, journal{pageSize: defaultPage, frames: []frame{
		{page: 1, at: 0}, {page: 2, at: defaultPage, commit: true}, {page: 1, at: 2 * defaultPage}}})
	if len(c.newer) != 2 || c.newer[1] != 0 || c.newer[2] != defaultPage {
		t.Errorf("%v", c.newer)
	}
}
