package main_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// made is a file of random bytes.
func made(t testing.TB, dir, name string, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(content)
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// transfer waits for what becomes of a file.
func transfer(state string) func(line) bool {
	return func(l line) bool { return l.Type == "file" && l.State == state }
}

// arrived checks what was taken, and that nothing else lies beside it.
func arrived(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v, want %d", path, len(got), err, len(want))
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".parley-*"))
	if len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A file goes from a member to another, who is on the other carrier, and to and from
// the host; each screen tells how it goes.
func TestFiles(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	dir := t.TempDir()
	ana := b.host("ana", "physics", "--downloads", filepath.Join(dir, "ana"))
	ben := b.join("ben", b.addr(), "--transport", "udp", "--downloads", filepath.Join(dir, "ben"))
	cyn := b.join("cyn", b.addr(), "--transport", "tcp", "--downloads", filepath.Join(dir, "cyn"))
	path, content := made(t, dir, "the notes.pdf", 1<<20)
	empty, _ := made(t, dir, "nothing", 0)
	for _, way := range []struct {
		from, to *proc
		path     string
		content  []byte
	}{{ben, cyn, path, content}, {cyn, ben, path, content}, {ana, ben, path, content}, {cyn, ana, path, content}, {ben, cyn, empty, nil}} {
		way.from.say("/send " + way.to.name + " \"" + way.path + "\"")
		offer := way.to.await("an offer", transfer("offered"))
		if offer.From != way.from.name || offer.File.Size != int64(len(way.content)) || offer.File.Name != filepath.Base(way.path) {
			t.Errorf("offered: %s", offer.text)
		}
		way.to.say("/take")
		way.from.await("it being taken", transfer("taken"))
		whole := way.to.await("the whole file", transfer("done"))
		arrived(t, whole.File.Path, way.content)
		way.from.await("that it is there", transfer("done"))
	}
}

// What is refused, called off, or no file at all, is said on both sides; names are
// harmless where they arrive; and a taker that was killed goes on from where it was.
func TestFilesThatFail(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	dir := t.TempDir()
	downloads := filepath.Join(dir, "cyn")
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr(), "--transport", "udp", "--impair", "delay=50ms")
	cyn := b.join("cyn", b.addr(), "--transport", "tcp", "--downloads", downloads)
	b.join("dan", b.addr(), "--no-files")
	path, content := made(t, dir, "data.bin", 3<<20)

	fifo := filepath.Join(dir, "fifo")
	none := map[string]string{dir: "is a directory", filepath.Join(dir, "none"): "there is no file"}
	if mkfifo(fifo) == nil {
		none[fifo] = "no ordinary file"
	}
	for what, want := range none {
		ben.say("/send cyn " + what)
		if e := ben.await("a refusal", kind("error")); !strings.Contains(e.Text, want) {
			t.Errorf("%s: %s", what, e.text)
		}
	}
	ben.say("/send dan " + path)
	if e := ben.await("the failure", transfer("failed")); !strings.Contains(e.Text, "--no-files") {
		t.Errorf("to somebody who takes none: %s", e.text)
	}
	ben.say("/send cyn " + path)
	cyn.await("an offer", transfer("offered"))
	cyn.say("/refuse")
	ben.await("the answer", transfer("declined"))
	ben.say("/send cyn " + path)
	cyn.await("an offer", transfer("offered"))
	ben.say("/cancel")
	cyn.await("that it is off", transfer("cancelled"))

	for name, want := range map[string]string{".hidden": "hidden", "CON": "_CON", "gnp\u202etxt": "gnp_txt", strings.Repeat("x", 250): strings.Repeat("x", 120)} {
		odd, _ := made(t, dir, name, 10)
		ana.say("/send cyn " + odd)
		cyn.await("an offer", transfer("offered"))
		cyn.say("/take ana")
		if e := cyn.await("the file", transfer("done")); filepath.Base(e.File.Path) != want {
			t.Errorf("%q is called %s", name, e.File.Path)
		}
	}

	ben.say("/send cyn " + path)
	cyn.await("an offer", transfer("offered"))
	cyn.say("/take")
	cyn.await("its way", transfer("progress"))
	cyn.kill()
	left, _ := filepath.Glob(filepath.Join(downloads, ".parley-*.part"))
	if len(left) != 1 {
		t.Fatalf("left behind: %q", left)
	}
	if st, err := os.Stat(left[0]); err != nil || st.Size() == 0 || st.Size() >= 3<<20 {
		t.Errorf("%v, %v", st, err)
	}
	cyn = b.join("cyn", b.addr(), "--transport", "tcp", "--downloads", downloads)
	ben.await("that the taker is gone", transfer("cancelled"))
	ben.say("/send cyn " + path)
	cyn.await("an offer", transfer("offered"))
	cyn.say("/accept")
	arrived(t, cyn.await("the file", transfer("done")).File.Path, content)
}

// A host may pass no files on.
func TestHostWithoutFiles(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	dir := t.TempDir()
	b.host("ana", "physics", "--no-files")
	ben := b.join("ben", b.addr())
	b.join("cyn", b.addr())
	path, _ := made(t, dir, "data.bin", 10)
	ben.say("/send cyn " + path)
	if e := ben.await("the failure", transfer("failed")); !strings.Contains(e.Text, "passes no files on") {
		t.Errorf("%s", e.text)
	}
}
