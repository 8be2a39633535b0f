package node

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"parley/transport"
)

func TestIdentityLasts(t *testing.T) {
	keys := Keys{Dir: filepath.Join(t.TempDir(), "new", "dir")}
	first, err := keys.Identity()
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.Identity()
	if err != nil || again.Key() != first.Key() {
		t.Errorf("second time: %v, %v; want %v", again.Key(), err, first.Key())
	}
	info, err := os.Stat(filepath.Join(keys.Dir, "identity"))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	left, _ := filepath.Glob(filepath.Join(keys.Dir, "*"))
	if len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

func TestIdentityOfManyStartsIsOne(t *testing.T) {
	keys := Keys{Dir: t.TempDir()}
	const programs = 16
	var got [programs]transport.Key
	var running sync.WaitGroup
	for i := range programs {
		running.Go(func() {
			id, err := keys.Identity()
			if err != nil {
				t.Error(err)
			}
			got[i] = id.Key()
		})
	}
	running.Wait()
	for _, k := range got {
		if k != got[0] || k == (transport.Key{}) {
			t.Fatalf("different identities: %v", got)
		}
	}
}

func TestDamagedIdentityIsKept(t *testing.T) {
	seed := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, content := range []string{"", "\n", "x\n", seed[:20] + "\n", seed + "AAAA\n", "\x00\x01\x02\n"} {
		keys := Keys{Dir: t.TempDir()}
		path := filepath.Join(keys.Dir, "identity")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keys.Identity()
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeKeyFile || !strings.Contains(e.Text, path) {
			t.Errorf("content %q: %v", content, err)
		}
		if now, _ := os.ReadFile(path); string(now) != content {
			t.Errorf("content %q became %q", content, now)
		}
	}
}

// What is at the place of the key file is read only if it is a file, and of a
// huge one only the beginning.
func TestIdentityThatIsNoFile(t *testing.T) {
	for _, place := range []string{".", os.DevNull, "/dev/zero"} {
		keys := Keys{Dir: t.TempDir()}
		if err := os.Symlink(place, filepath.Join(keys.Dir, "identity")); err != nil {
			t.Skipf("SKIPPED: no symbolic links: %v", err)
		}
		_, err := keys.Identity()
		var e *Error
		if _, there := os.Stat(place); there == nil && (!errors.As(err, &e) || e.Code != CodeKeyFile) {
			t.Errorf("%s: %v", place, err)
		}
	}
	keys := Keys{Dir: t.TempDir()}
	path := filepath.Join(keys.Dir, "identity")
	os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n"), 0o600)
	os.Truncate(path, 1<<40) // with a hole that takes no space
	if _, err := keys.Identity(); err != nil {
		t.Error(err)
	}
}

// A key that others can read is refused, as somebody may have it.
func TestKeyOfEverybody(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows has no such permissions")
	}
	keys := Keys{Dir: t.TempDir()}
	id, err := keys.Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, release, err := keys.Room("physics")
	if err != nil {
		t.Fatal(err)
	}
	release()
	rooms, _ := filepath.Glob(filepath.Join(keys.Dir, "rooms", "*[0-9a-f]"))
	for _, path := range append(rooms, filepath.Join(keys.Dir, "identity")) {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644, 0o666} {
			os.Chmod(path, mode)
			_, err := keys.Identity()
			if filepath.Base(path) != "identity" {
				_, _, err = keys.Room("physics")
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != CodeKeyFile || !strings.Contains(e.Text, path) || !strings.Contains(e.Hint, "chmod 600 "+path) {
				t.Errorf("%s with %#o: %v", path, mode, err)
			}
		}
		os.Chmod(path, 0o600)
	}
	if again, err := keys.Identity(); err != nil || again.Key() != id.Key() {
		t.Errorf("closed again: %v", err)
	}
}

func TestDirOfEverybody(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: access lists decide that on Windows")
	}
	dir := t.TempDir()
	for mode, refused := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o775: false, 0o777: true, 0o777 | os.ModeSticky: true, 0o702: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if err := CheckDir(dir); errors.As(err, &e) != refused || refused && e.Code != CodeDataDir {
			t.Errorf("%v: %v", mode, err)
		}
	}
	os.Chmod(dir, 0o700)
	if err := CheckDir(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

// Whatever else has the place of a directory is told as that.
func TestDirThatIsNone(t *testing.T) {
	for _, sub := range []string{"", "rooms", "history", "drafts"} {
		dir := filepath.Join(t.TempDir(), "parley")
		place := filepath.Join(dir, sub)
		os.MkdirAll(filepath.Dir(place), 0o700)
		os.WriteFile(place, nil, 0o600)
		var e *Error
		if err := CheckDir(dir); !errors.As(err, &e) || e.Code != CodeNoDir || !strings.Contains(e.Text, place+" must be a directory") {
			t.Errorf("%q: %v", sub, err)
		}
		if f := ExamineDir(dir); f.Code != CodeNoDir {
			t.Errorf("%q: the doctor says %+v", sub, f)
		}
		os.Remove(place)
		os.Mkdir(place, 0o700)
		if err := CheckDir(dir); err != nil {
			t.Errorf("%q: %v", sub, err)
		}
	}
}

func TestIdentityWithoutNewline(t *testing.T) {
	keys := Keys{Dir: t.TempDir()}
	seed := make([]byte, 32)
	os.WriteFile(filepath.Join(keys.Dir, "identity"), []byte(base64.StdEncoding.EncodeToString(seed)), 0o600)
	id, err := keys.Identity()
	want, _ := transport.IdentityFromSeed(seed)
	if err != nil || id.Key() != want.Key() {
		t.Errorf("%v, %v", id.Key(), err)
	}
}

func TestIdentityThatCannotBeSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	id, err := Keys{Dir: filepath.Join(file, "under")}.Identity() // no directory can be there, not even for root
	var unsaved *UnsavedError
	if !errors.As(err, &unsaved) || id.IsZero() {
		t.Errorf("%v, %v", id.Key(), err)
	}
}

func TestRoomKeyIsHeld(t *testing.T) {
	keys := Keys{Dir: t.TempDir()}
	first, release, err := keys.Room("physics")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = keys.Room("physics")
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeHosted {
		t.Errorf("a second host: %v", err)
	}
	other, releaseOther, err := keys.Room("../identity")
	if err != nil || other.Key() == first.Key() {
		t.Errorf("another room: %v, %v", other.Key(), err)
	}
	releaseOther()
	release()
	again, release, err := keys.Room("physics")
	if err != nil || again.Key() != first.Key() {
		t.Errorf("after the first host ended: %v, %v", again.Key(), err)
	}
	release()
}

func TestDataDir(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", filepath.Join(t.TempDir(), "xdg"))
	dir, err := DataDir()
	if err != nil || dir != filepath.Join(os.Getenv("XDG_DATA_HOME"), "parley") {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("XDG_DATA_HOME", "relative")
	t.Setenv("HOME", "/home/ana")
	if dir, err = DataDir(); runtime.GOOS == "linux" && (err != nil || dir != "/home/ana/.local/share/parley") {
		t.Errorf("%q, %v", dir, err)
	}
}

// on is the computer with an id; of nothing, one that has none.
func (k Keys) on(id string) Keys {
	k.Machine = func() string { return id }
	return k
}

// A disk that is copied to another computer does not make one person of two:
// there a new identity is made, and the old one is kept.
func TestIdentityOfAnotherComputer(t *testing.T) {
	var told []string
	keys := Keys{Dir: t.TempDir(), Warn: func(text string) { told = append(told, text) }}
	identity := func(on string) transport.Key {
		t.Helper()
		id, err := keys.on(on).Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id.Key()
	}
	path := filepath.Join(keys.Dir, "identity")
	a := identity("a")
	first, _ := os.ReadFile(path)
	if identity("a") != a || identity("") != a || len(told) > 0 {
		t.Fatalf("on the same computer, or one without an id: another identity; told %q", told)
	}
	if strings.Contains(string(first), "machine a") {
		t.Errorf("the computer's id is in the file: %q", first)
	}
	b := identity("b")
	if b == a || identity("b") != b {
		t.Error("the copy has the same identity, or none that lasts")
	}
	if len(told) != 1 || !strings.Contains(told[0], path+".from-another-machine") {
		t.Errorf("told %q", told)
	}
	if aside, err := os.ReadFile(path + ".from-another-machine"); err != nil || string(aside) != string(first) {
		t.Errorf("the old identity: %q, %v", aside, err)
	}
	if c := identity("c"); c == b || c == a {
		t.Error("the copy of the copy")
	}
	if aside, _ := os.ReadFile(path + ".from-another-machine"); string(aside) != string(first) {
		t.Error("the first old identity was written over")
	}
	if _, err := os.Stat(path + ".from-another-machine-2"); err != nil {
		t.Error(err)
	}
	if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the new one: %v", info.Mode())
	}
}

// An identity that names no computer is left as it is.
func TestIdentityOfNoComputer(t *testing.T) {
	keys := Keys{Dir: t.TempDir()}
	a, err := keys.on("").Identity()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := keys.on("b").Identity(); err != nil || b.Key() != a.Key() {
		t.Errorf("%v, %v", b.Key(), err)
	}
}

// Programs that start at once on the copy get the same new identity.
func TestManyStartsOnACopy(t *testing.T) {
	keys := Keys{Dir: t.TempDir()}
	old, err := keys.on("a").Identity()
	if err != nil {
		t.Fatal(err)
	}
	const programs = 16
	var got [programs]transport.Key
	var running sync.WaitGroup
	for i := range programs {
		running.Go(func() {
			id, err := keys.on("b").Identity()
			if err != nil {
				t.Error(err)
			}
			got[i] = id.Key()
		})
	}
	running.Wait()
	for _, k := range got {
		if k != got[0] || k == old.Key() || k == (transport.Key{}) {
			t.Fatalf("identities: %v", got)
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(keys.Dir, "identity.from*")); len(aside) != 1 {
		t.Errorf("put aside: %v", aside)
	}
}

// This computer has the id that its system gave it.
func TestMachineID(t *testing.T) {
	b, err := os.ReadFile("/etc/machine-id")
	if err != nil || runtime.GOOS != "linux" {
		t.Skipf("SKIPPED: this system has no /etc/machine-id (%v)", err)
	}
	if got := MachineID(); got != strings.TrimSpace(string(b)) && len(strings.TrimSpace(string(b))) == 32 {
		t.Errorf("%q, want %q", got, b)
	}
}
