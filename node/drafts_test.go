package node

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

var anyKey = transport.Key{7}

func draft(id byte, said string) room.Draft {
	return room.Draft{ID: strings.Repeat("0"+string("0123456789abcdef"[id%16]), 16), Type: room.Message, Text: said,
		At: time.Date(2026, 3, 4, 5, 6, int(id), 0, time.UTC)}
}

// begun opens drafts of the room physics in dir.
func begun(t *testing.T, dir string, key transport.Key, session string) (*draftsFile, []room.Draft, int) {
	t.Helper()
	f := &draftsFile{dir: dir}
	left, more, err := f.Open("physics", key, session, 256)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, left, more
}

// killed gives up the file as the system does for a program that is no more.
func killed(f *draftsFile) {
	f.f.Close()
	f.f = nil
}

func texts(left []room.Draft) string {
	all := ""
	for _, d := range left {
		all += d.Text + " "
	}
	return all
}

func files(t *testing.T, dir string) int {
	t.Helper()
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			t.Errorf("%s can be read by others: %v, %v", e.Name(), info, err)
		}
	}
	return len(all)
}

func TestDraftsAreTakenOver(t *testing.T) {
	dir := t.TempDir()
	a, left, _ := begun(t, dir, anyKey, "")
	if len(left) > 0 {
		t.Errorf("there is %v", left)
	}
	for i, said := range []string{"one", "two", "three"} {
		a.Put(draft(byte(i), said))
	}
	a.Drop([]string{draft(1, "").ID})
	b, left, _ := begun(t, dir, anyKey, "") // a runs still
	if len(left) > 0 {
		t.Errorf("b has %v of a's", left)
	}
	b.Put(draft(5, "five"))
	if _, left, _ := begun(t, dir, transport.Key{8}, ""); len(left) > 0 {
		t.Errorf("another room has %v", left)
	}
	killed(a)
	c, left, _ := begun(t, dir, anyKey, "")
	if got := texts(left); got != "one three " {
		t.Errorf("after a was killed: %q", got)
	}
	killed(b)
	killed(c)
	d, left, _ := begun(t, dir, anyKey, "")
	if got := texts(left); got != "one three five " {
		t.Errorf("after b and c were killed: %q", got)
	}
	d.Drop([]string{left[0].ID, left[1].ID, left[2].ID})
	d.Close()
	if n := files(t, dir); n != 1 { // the other room's
		t.Errorf("%d files are left", n)
	}
}

// In plaintext what was left goes with its session.
func TestDraftsOfPlaintextGoWithTheirSession(t *testing.T) {
	dir := t.TempDir()
	for _, session := range []string{"s1", "s2"} {
		f, _, _ := begun(t, dir, transport.Key{}, session)
		f.Put(draft(session[1], session))
		killed(f)
	}
	f := &draftsFile{dir: dir}
	session := f.Session("Physics")
	if session == "" {
		t.Fatal("no session")
	}
	other := &draftsFile{dir: dir}
	if s := other.Session("physics"); s == session || s == "" {
		t.Errorf("a second program gets the session %q", s)
	}
	other.Close()
	left, more, err := f.Open("physics", transport.Key{}, session, 256)
	if err != nil || texts(left) != session+" " || more != 1 {
		t.Errorf("%v, %d more, %v", left, more, err)
	}
	killed(f)
	if _, left, more := begun(t, dir, transport.Key{}, "s3"); len(left) > 0 || more != 2 {
		t.Errorf("with another session: %v, %d more", left, more)
	}
}

func TestDraftsAreBounded(t *testing.T) {
	dir := t.TempDir()
	f, _, _ := begun(t, dir, anyKey, "")
	big := strings.Repeat("x", 4000)
	for i := range 400 {
		f.Put(draft(byte(i), big))
		if err := f.Drop([]string{draft(byte(i), "").ID}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(f.path); err != nil || info.Size() > 2*draftsBig {
			t.Fatalf("after %d: %v, %v", i, info, err)
		}
	}
	f.Put(draft(1, "last"))
	killed(f)
	if _, left, _ := begun(t, dir, anyKey, ""); texts(left) != "last " {
		t.Errorf("%.100q", texts(left))
	}
}

// A file in which bits have changed, or which ends anywhere, never gives wrong text.
func TestDamagedDraftsGiveNoWrongText(t *testing.T) {
	dir := t.TempDir()
	f, _, _ := begun(t, dir, anyKey, "")
	for i, said := range []string{"one", "two", "three"} {
		f.Put(draft(byte(i), said))
	}
	path := f.path
	killed(f)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(whole, []byte("\n")) != 4 {
		t.Fatalf("%s", whole)
	}
	for i := range whole {
		flipped := bytes.Clone(whole)
		flipped[i] ^= 4
		for _, content := range [][]byte{flipped, whole[:i]} {
			_, live := parseDrafts(content)
			for _, d := range live {
				if d.Text != "one" && d.Text != "two" && d.Text != "three" {
					t.Fatalf("at %d: %q", i, d.Text)
				}
			}
			if len(live) < 1 && len(content) == len(whole) {
				t.Errorf("one bit at %d costs %d drafts", i, 3-len(live))
			}
		}
	}
}

func TestDraftsWithoutADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	os.WriteFile(dir, nil, 0o600)
	f := &draftsFile{dir: dir}
	if _, _, err := f.Open("physics", anyKey, "", 256); err == nil {
		t.Error("drafts are kept in a file's place")
	}
	if err := f.Put(draft(1, "x")); err == nil {
		t.Error("and one was written")
	}
	f.Close()
}

func FuzzDrafts(f *testing.F) {
	f.Add(append(draftsLine{Head: &draftsHead{V: 1, Room: "x"}}.encode(), draftsLine{Put: &room.Draft{ID: "a", Text: "t"}}.encode()...))
	f.Add(draftsLine{Drop: []string{"a"}}.encode())
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		_, live := parseDrafts(content)
		again := []byte{}
		for _, d := range live {
			again = append(again, draftsLine{Put: &d}.encode()...)
		}
		if _, same := parseDrafts(again); len(same) != len(live) {
			t.Errorf("%d drafts became %d", len(live), len(same))
		}
	})
}
