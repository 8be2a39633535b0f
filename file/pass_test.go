package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// made is a file of random bytes.
func made(t testing.TB, name string, size int) (Info, []byte) {
	t.Helper()
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := Look(t.Context(), path, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if i.Sum != sha256.Sum256(b) || i.Size != int64(size) {
		t.Fatalf("looked at as %+v", i)
	}
	return i, b
}

func (i Info) want() Want { return Want{i.Name, i.Size, i.Sum} }

func ignore(int64) {}

// Take is all of a taker's part, over one connection.
func Take(ctx context.Context, c transport.Conn, dir string, w Want, moved func(int64)) (string, error) {
	p, err := OpenPart(ctx, dir, w)
	if err != nil {
		return "", err
	}
	defer p.Close()
	return p.Take(ctx, c, moved)
}

// pass gives and takes over c and d, and returns how both ended.
func pass(t testing.TB, i Info, dir string, c, d transport.Conn, w Want) (path string, gave, took error) {
	t.Helper()
	var both sync.WaitGroup
	both.Go(func() {
		defer c.Close()
		s, err := i.Open()
		if err != nil {
			gave = Refuse(c, err)
			return
		}
		defer s.Close()
		gave = Give(t.Context(), c, s, ignore)
	})
	path, took = Take(t.Context(), d, dir, w, ignore)
	d.Close()
	both.Wait()
	return path, gave, took
}

func isFile(t testing.TB, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v, want %d", path, len(got), err, len(want))
	}
}

func parts(t testing.TB, dir string) (names []string) {
	t.Helper()
	names, _ = filepath.Glob(filepath.Join(dir, ".parley-*"))
	return names
}

func TestPass(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "directory")
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, window, 1 << 20, 1<<20 + 7} {
		i, content := made(t, "a.bin", size)
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		path, gave, took := pass(t, i, dir, c, d, i.want())
		if gave != nil || took != nil {
			t.Errorf("%d bytes: %v, %v", size, gave, took)
			continue
		}
		isFile(t, path, content)
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 && os.PathSeparator == '/' {
			t.Error(st.Mode(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a (8).bin")); err != nil || len(parts(t, dir)) > 0 {
		t.Error(err, parts(t, dir))
	}
}

// breaking is a Conn that breaks after some messages were received.
type breaking struct {
	transport.Conn
	left int
	got  int
}

func (b *breaking) Receive(ctx context.Context) ([]byte, error) {
	if b.left--; b.left < 0 {
		return nil, transport.ErrLost
	}
	msg, err := b.Conn.Receive(ctx)
	b.got += len(msg)
	return msg, err
}

// slowly is a Conn on which 2 kB a second come.
type slowly struct{ transport.Conn }

func (s slowly) Receive(ctx context.Context) ([]byte, error) {
	msg, err := s.Conn.Receive(ctx)
	time.Sleep(time.Duration(len(msg)) * time.Second / 2000)
	return msg, err
}

// A way on which a chunk takes most of the time that nothing may come is slow, not dead: neither side gives it
// up, and the giver hears of each chunk before the host would take it for stalled (30 s).
func TestSlowWay(t *testing.T) {
	i, content := made(t, "a.bin", 200_000)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := i.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		gave := make(chan error, 1)
		last := time.Now()
		go func() {
			gave <- Give(t.Context(), c, s, func(int64) {
				if since := time.Since(last); since > idle {
					t.Errorf("nothing was heard for %v", since)
				}
				last = time.Now()
			})
		}()
		path, err := Take(t.Context(), slowly{d}, dir, i.want(), ignore)
		if other := <-gave; err != nil || other != nil {
			t.Fatal(err, other)
		}
		isFile(t, path, content)
		c.Close()
		d.Close()
	})
}

// A file goes on from where it was, over any number of connections, and no byte
// goes twice but those that were under way.
func TestResume(t *testing.T) {
	i, content := made(t, "a.bin", 1<<20+100)
	dir := t.TempDir()
	total, path := 0, ""
	for n := 0; ; n++ {
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		b := &breaking{Conn: d, left: 7}
		var took error
		path, _, took = pass(t, i, dir, c, b, i.want())
		total += b.got
		if took == nil {
			break
		}
		if !errors.Is(took, transport.ErrLost) || n > 10 || len(parts(t, dir)) != 1 {
			t.Fatal(n, took, parts(t, dir))
		}
	}
	isFile(t, path, content)
	if over := total - len(content); over > 40*dataHead {
		t.Errorf("%d bytes more than the file has", over)
	}
}

// What an earlier connection has left may be another's lie.
func TestWrongPart(t *testing.T) {
	i, content := made(t, "a.bin", 100_000)
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, partName(i.Sum)), make([]byte, 50_000), 0o600)
	c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
	if path, _, took := pass(t, i, dir, c, d, i.want()); path != "" || !errors.Is(took, transport.ErrLost) || len(parts(t, dir)) != 0 {
		t.Fatal(path, took, parts(t, dir))
	}
	os.WriteFile(filepath.Join(dir, partName(i.Sum)), make([]byte, 100_001), 0o600) // longer than the file
	c, d = transport.Pipe(transport.Peer{}, transport.Peer{})
	path, gave, took := pass(t, i, dir, c, d, i.want())
	if gave != nil || took != nil {
		t.Fatal(gave, took)
	}
	isFile(t, path, content)
}

func code(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// A file that changes is said to, where that can be seen, and else fails at the end.
func TestChanges(t *testing.T) {
	i, _ := made(t, "a.bin", 100_000)
	dir := t.TempDir()
	at := i.Time
	for name, change := range map[string]func(){
		"longer":  func() { os.WriteFile(i.Path, make([]byte, 100_001), 0o600) },
		"shorter": func() { os.Truncate(i.Path, 5) },
		"other":   func() { os.Chtimes(i.Path, at, at.Add(time.Hour)) },
		"gone":    func() { os.Remove(i.Path) },
	} {
		change()
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		_, gave, took := pass(t, i, dir, c, d, i.want())
		want := Changed
		if name == "gone" {
			want = Unreadable
		}
		if code(gave) != want || code(took) != want || !strings.Contains(took.Error(), "") || strings.Contains(took.Error(), i.Path) {
			t.Errorf("%s: %v, %v", name, gave, took)
		}
		os.WriteFile(i.Path, make([]byte, 100_000), 0o600)
		os.Chtimes(i.Path, at, at)
	}
	c, d := transport.Pipe(transport.Peer{}, transport.Peer{}) // the same size and time, and other bytes
	path, gave, took := pass(t, i, dir, c, d, i.want())
	if path != "" || code(gave) != Damaged || code(took) != Damaged || len(parts(t, dir)) != 0 {
		t.Errorf("%q, %v, %v, %v", path, gave, took, parts(t, dir))
	}
}

// It shrinks while it is sent.
func TestShrinks(t *testing.T) {
	i, _ := made(t, "a.bin", 1<<20)
	s, err := i.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	os.Truncate(i.Path, 10)
	if err := s.read(make([]byte, 100), 500_000); code(err) != Changed {
		t.Error(err)
	}
	if err := s.check(); code(err) != Changed {
		t.Error(err)
	}
}

func TestNoOrdinaryFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := mkfifo(fifo); err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(dir, "small")
	os.WriteFile(small, []byte("12345"), 0o600)
	for path, want := range map[string]string{
		dir: "is a directory", fifo: "no ordinary file", filepath.Join(dir, "none"): "there is no file", small: "at most 4 bytes", "/dev/null": "no ordinary file",
	} {
		if _, err := Look(t.Context(), path, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if os.Geteuid() != 0 {
		os.Chmod(small, 0)
		if _, err := Look(t.Context(), small, 10); err == nil || !strings.Contains(err.Error(), "may not read") {
			t.Error(err)
		}
	}
}

func data(at int64, b []byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{typeData}, uint64(at)), b...)
}

// A giver that is none of ours cannot have a taker write more than was offered, or
// anything whole that is not it, or wait for ever.
func TestHostileGiver(t *testing.T) {
	content := make([]byte, chunk+10)
	want := Want{"a.bin", int64(len(content)), sha256.Sum256(content)}
	whole := func(b []byte) [][]byte { return [][]byte{data(0, b[:chunk]), data(chunk, b[chunk:])} }
	other := bytes.Clone(content)
	other[5]++
	for name, x := range map[string]struct {
		send [][]byte
		want Code
		part bool // something may stay
	}{
		"more than offered":        {[][]byte{data(0, content[:chunk]), data(chunk, make([]byte, 11))}, Protocol, true},
		"less, and then a gap":     {[][]byte{data(0, make([]byte, 7))}, Protocol, false},
		"another offset":           {[][]byte{data(5, content[:chunk])}, Protocol, false},
		"an offset beyond numbers": {[][]byte{data(-1, content[:chunk])}, Protocol, false},
		"twice the same":           {[][]byte{data(0, content[:chunk]), data(0, content[:chunk])}, Protocol, true},
		"nothing in it":            {[][]byte{data(0, nil)}, Protocol, false},
		"too long":                 {[][]byte{data(0, make([]byte, chunk+1))}, Protocol, false},
		"no message":               {[][]byte{{0x77, 1}}, Protocol, false},
		"a taker's message":        {[][]byte{{typeDone}}, Protocol, false},
		"other bytes":              {whole(other), Damaged, false},
		"stops":                    {[][]byte{stop(&Error{Code: NoMore, Text: "no\x1b[31m more"})}, NoMore, false},
	} {
		dir := t.TempDir()
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		for _, msg := range x.send {
			c.Send(t.Context(), msg)
		}
		path, err := Take(t.Context(), d, dir, want, ignore)
		if path != "" || code(err) != x.want || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %q, %v", name, path, err)
		}
		if got := parts(t, dir); !x.part && len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
		all, _ := os.ReadDir(dir)
		if len(all) > len(parts(t, dir)) {
			t.Errorf("%s: %v", name, all)
		}
	}
}

// Whoever never ends is left.
func TestSilentSides(t *testing.T) {
	i, _ := made(t, "a.bin", 1<<20)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		began := time.Now()
		_, err := Take(t.Context(), d, dir, i.want(), ignore)
		if !errors.Is(err, transport.ErrLost) || time.Since(began) > idle+time.Second {
			t.Error(err, time.Since(began))
		}
		c.Close()
		d.Close()
		s, err := i.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, d = transport.Pipe(transport.Peer{}, transport.Peer{})
		began = time.Now()
		d.Send(t.Context(), from(0, i.Sum)) // and reads, but writes nothing
		err = Give(t.Context(), c, s, ignore)
		if !errors.Is(err, transport.ErrLost) || time.Since(began) > idle+time.Second {
			t.Error(err, time.Since(began))
		}
		sent := 0
		c.Close()
		for {
			msg, err := d.Receive(t.Context())
			if err != nil {
				break
			}
			sent += len(msg) - dataHead
		}
		if sent != window {
			t.Errorf("%d bytes sent ahead, want %d", sent, window)
		}
	})
}

// A taker that is none of ours gets nothing it may not have.
func TestHostileTaker(t *testing.T) {
	i, _ := made(t, "a.bin", 1<<20)
	for name, send := range map[string][][]byte{
		"another file":          {from(0, Sum{})},
		"beyond the end":        {from(1<<20+1, i.Sum)},
		"another version":       {append([]byte{typeFrom, 2}, from(0, i.Sum)[2:]...)},
		"has before it asks":    {have(0)},
		"done before it asks":   {{typeDone}},
		"asks twice":            {from(0, i.Sum), from(0, i.Sum)},
		"has what was not sent": {from(0, i.Sum), have(1 << 20)},
		"done too early":        {from(0, i.Sum), {typeDone}},
		"a giver's message":     {from(0, i.Sum), data(0, []byte("x"))},
	} {
		s, err := i.Open()
		if err != nil {
			t.Fatal(err)
		}
		c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
		for _, msg := range send {
			d.Send(t.Context(), msg)
		}
		if err := Give(t.Context(), c, s, ignore); code(err) != Protocol {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
		c.Close()
	}
}

// full is a disk that takes a while to fill.
type full struct {
	partFile
	left int
}

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return f.partFile.Write(b)
}

func TestDiskFull(t *testing.T) {
	i, content := made(t, "a.bin", 1<<20)
	dir := t.TempDir()
	p, err := openPart(t.Context(), dir, i.want())
	if err != nil {
		t.Fatal(err)
	}
	p.f = &full{p.f, 3 * chunk}
	for err == nil {
		err = p.write(content[p.at : p.at+chunk])
	}
	if code(err) != Disk || !strings.Contains(err.Error(), "full") || p.at != 3*chunk {
		t.Error(err, p.at)
	}
	said, _ := parse(stop(err.(*Error)))
	if strings.Contains(said.stop.Text, dir) || said.stop.Code != Disk {
		t.Errorf("the giver is told %q", said.stop.Text)
	}
	p.close()
	long := &Error{Code: Protocol, Text: strings.Repeat("ä", maxWhy)} // the other side takes no longer reason than maxWhy
	if said, err := parse(stop(long)); err != nil || said.stop.Text != long.Text[:maxWhy] {
		t.Errorf("a long reason: %v %v", said.stop, err)
	}
	c, d := transport.Pipe(transport.Peer{}, transport.Peer{}) // and when there is room again
	path, _, took := pass(t, i, dir, c, d, i.want())
	if took != nil {
		t.Fatal(took)
	}
	isFile(t, path, content)
}

// A part that another program is writing, or that is a link to somewhere, is left alone.
func TestPartIsNobodyElses(t *testing.T) {
	i, _ := made(t, "a.bin", 10)
	dir := t.TempDir()
	p, err := openPart(t.Context(), dir, i.want())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openPart(t.Context(), dir, i.want()); code(err) != Disk {
		t.Error(err)
	}
	p.close()
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("mine"), 0o600)
	if err := os.Symlink(victim, filepath.Join(dir, partName(i.Sum))); err != nil {
		t.Skip("SKIPPED: no links here:", err)
	}
	if _, err := openPart(t.Context(), dir, i.want()); code(err) != Disk {
		t.Error(err)
	}
	isFile(t, victim, []byte("mine"))
	os.Remove(filepath.Join(dir, partName(i.Sum)))
	if err := os.Symlink(victim, filepath.Join(dir, "a.bin")); err != nil { // nor is a name that is a link
		t.Fatal(err)
	}
	c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
	if path, _, err := pass(t, i, dir, c, d, i.want()); err != nil || filepath.Base(path) != "a (2).bin" {
		t.Error(path, err)
	}
	isFile(t, victim, []byte("mine"))
}

// A part that others could read is closed to them, and one that is a whole file, too, is
// left alone: a crash may come between a file's name and the end of its part.
func TestPartOfAnotherMode(t *testing.T) {
	i, _ := made(t, "a.bin", 10)
	dir := t.TempDir()
	part, whole := filepath.Join(dir, partName(i.Sum)), filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(part, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(part, 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := openPart(t.Context(), dir, i.want())
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(part); err != nil || os.PathSeparator == '/' && st.Mode().Perm() != 0o600 {
		t.Error(st.Mode(), err)
	}
	p.close()
	edited := []byte("changed since, and longer than it was")
	if err := os.WriteFile(whole, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(whole, part); err != nil {
		t.Skip("SKIPPED: no links here:", err)
	}
	c, d := transport.Pipe(transport.Peer{}, transport.Peer{})
	if path, _, err := pass(t, i, dir, c, d, i.want()); err != nil || filepath.Base(path) != "a.bin" {
		t.Error(path, err)
	}
	isFile(t, whole, edited)
}

// In a directory where others may write, what has come can be replaced before it has its
// name: what gets the name is what was checked, or nothing does.
func TestPartIsReplaced(t *testing.T) {
	if os.PathSeparator != '/' {
		t.Skip("an open file cannot be replaced here")
	}
	i, content := made(t, "a.bin", 3*chunk)
	secret := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(secret, []byte("mine"), 0o600)
	for what, replace := range map[string]func(name string) error{
		"another file": func(name string) error { return os.WriteFile(name, []byte("evil"), 0o666) },
		"a link":       func(name string) error { return os.Symlink(secret, name) },
		"nothing":      func(string) error { return nil },
	} {
		dir := t.TempDir()
		p, err := openPart(t.Context(), dir, i.want())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.write(content); err != nil || !p.whole() {
			t.Fatal(err)
		}
		name := filepath.Join(dir, p.name)
		if err := errors.Join(os.Remove(name), replace(name)); err != nil {
			t.Fatal(err)
		}
		var final *Error
		if got, err := p.finish(); !errors.As(err, &final) || final.Code != Disk {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		p.close()
		if _, err := os.Lstat(filepath.Join(dir, "a.bin")); err == nil {
			t.Errorf("%s has the name of the file", what)
		}
		if left, err := os.ReadFile(secret); err != nil || string(left) != "mine" {
			t.Errorf("%s: %q, %v", what, left, err)
		}
	}
}

func TestOldPartsGo(t *testing.T) {
	dir := t.TempDir()
	old, young, others := filepath.Join(dir, partName(Sum{1})), filepath.Join(dir, partName(Sum{2})), filepath.Join(dir, "a.part")
	for _, name := range []string{old, young, others} {
		os.WriteFile(name, []byte("x"), 0o600)
	}
	at := time.Now().Add(-partLife - time.Hour)
	os.Chtimes(old, at, at)
	os.Chtimes(others, at, at)
	i, _ := made(t, "a.bin", 10)
	p, err := openPart(t.Context(), dir, i.want())
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	if _, err := os.Stat(old); err == nil {
		t.Error("an old part is still there")
	}
	for _, name := range []string{young, others} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// Offsets go beyond what 32 bits hold, on either side.
func TestLarge(t *testing.T) {
	const size = 5<<30 + 3
	g := &giver{size: size}
	if err := g.heard(from(4<<30, Sum{})); err != nil {
		t.Fatal(err)
	}
	k := &taker{size: size, at: 4 << 30, told: 4 << 30}
	buf := make([]byte, dataHead+chunk)
	for k.at < size {
		at, n := g.due()
		if n == 0 {
			t.Fatalf("nothing is due at %d", k.at)
		}
		putData(buf, at)
		g.next += int64(n)
		if _, err := k.heard(buf[:dataHead+n]); err != nil {
			t.Fatal(err)
		}
		if k.report() {
			if err := g.heard(have(k.at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := g.heard([]byte{typeDone}); err != nil || !g.done {
		t.Error(err)
	}
}

// FuzzMessages gives both machines messages of anybody.
func FuzzMessages(f *testing.F) {
	f.Add(from(3, Sum{}), have(40), data(0, []byte("0123456789")))
	f.Add(stop(&Error{Code: Changed, Text: "why"}), []byte{typeDone}, []byte{})
	f.Add(data(1<<40, make([]byte, 5)), from(1<<62, Sum{}), have(-1))
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		g, k := &giver{size: 10, sum: Sum{}}, &taker{size: 10}
		for _, msg := range [][]byte{a, b, c, a, b, c} {
			if m, err := parse(msg); err == nil && m.stop != nil && strings.ContainsAny(m.stop.Text, "\x1b\n\r\x00") {
				t.Fatalf("%q", m.stop.Text)
			}
			if g.heard(msg) == nil {
				if at, n := g.due(); n > 0 {
					g.next = at + int64(n)
				}
			}
			written, err := k.heard(msg)
			if err == nil && len(written) == 0 || g.have > g.next || g.next > g.size || k.at > k.size || g.done && g.next < g.size {
				t.Fatalf("%+v %+v", g, k)
			}
		}
	})
}
