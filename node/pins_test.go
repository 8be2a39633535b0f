package node

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

var (
	day  = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	some = netip.MustParseAddrPort("10.0.0.5:7667")
)

// pinsAt returns pins in a directory of their own, on day.
func pinsAt(t *testing.T) Pins {
	return Pins{Path: filepath.Join(t.TempDir(), "parley", "pins"), Now: func() time.Time { return day }}
}

func (p Pins) must(t *testing.T) []Pin {
	t.Helper()
	pins, err := p.List()
	if err != nil {
		t.Fatal(err)
	}
	return pins
}

func TestPinsLast(t *testing.T) {
	p := pinsAt(t)
	if pins := p.must(t); len(pins) != 0 {
		t.Errorf("without a file: %v", pins)
	}
	a, b := transport.Key{1}, transport.Key{2}
	if err := p.Met("Physics", a, some); err != nil {
		t.Fatal(err)
	}
	later := p
	later.Now = func() time.Time { return day.Add(time.Hour) }
	if err := later.Met("physics", a, netip.MustParseAddrPort("[fe80::1%eth0]:7700")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if added, err := p.Accept("PHYSICS", b); added != want || err != nil {
			t.Errorf("accept: %v, %v; want %v", added, err, want)
		}
	}
	want := []Pin{
		{"Physics", a, day, day.Add(time.Hour), netip.MustParseAddrPort("[fe80::1%eth0]:7700")},
		{"PHYSICS", b, day, time.Time{}, netip.AddrPort{}},
	}
	if got := p.must(t); !slices.Equal(got, want) {
		t.Errorf("pins are %+v, want %+v", got, want)
	}
	info, err := os.Stat(p.Path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if n, err := p.Forget("physics", b); n != 1 || err != nil {
		t.Errorf("forget one: %d, %v", n, err)
	}
	if n, err := p.Forget("physics", transport.Key{}); n != 1 || err != nil {
		t.Errorf("forget the rest: %d, %v", n, err)
	}
	if n, err := p.Forget("physics", transport.Key{}); n != 0 || err != nil {
		t.Errorf("forget nothing: %d, %v", n, err)
	}
	if pins := p.must(t); len(pins) != 0 {
		t.Errorf("forgotten: %v", pins)
	}
	if left, _ := filepath.Glob(p.Path + ".*"); len(left) != 1 { // the lock
		t.Errorf("files left: %v", left)
	}
}

// Many programs of one user join rooms at once: no pin is lost.
func TestPinsOfManyPrograms(t *testing.T) {
	p := pinsAt(t)
	var running sync.WaitGroup
	for i := range 16 {
		running.Go(func() {
			if err := p.Met(fmt.Sprint("room", i), transport.Key{byte(i + 1)}, some); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if n := len(p.must(t)); n != 16 {
		t.Errorf("%d pins, want 16", n)
	}
}

// damaged are files that make no sense.
func damaged() map[string]string {
	key, line := (transport.Key{1}).String(), pinsHeader+"\n"
	return map[string]string{
		"empty":            "",
		"other":            "parley pins 2\n",
		"binary":           "\x00\x01\x02\n",
		"cut short":        line + "physics " + key + " - - 10.0.0.5:76",
		"no key":           line + "physics - - - -\n",
		"zero key":         line + "physics " + (transport.Key{}).String() + "  - - -\n",
		"nobody's key":     line + "physics " + strings.Repeat("A", 43) + " - - -\n",
		"five words":       line + "physics " + key + " - - - -\n",
		"no room":          line + "a/b " + key + " - - -\n",
		"control in room":  line + "a\x1b[2J " + key + " - - -\n",
		"a time":           line + "physics " + key + " yesterday - -\n",
		"a time with zone": line + "physics " + key + " 2026-01-02T15:04:05+01:00 - -\n",
		"an address":       line + "physics " + key + " - - 10.0.0.5\n",
		"a zone":           line + "physics " + key + " - - [fe80::1%\x1b]:1\n",
		"twice":            line + "physics " + key + " - - -\nPhysics " + key + " - - -\n",
		"conflict markers": line + "<<<<<<< ours\n",
	}
}

// A file that makes no sense is never written over, and no room is joined by it.
func TestDamagedPinsAreKept(t *testing.T) {
	for name, content := range damaged() {
		p := pinsAt(t)
		os.MkdirAll(filepath.Dir(p.Path), 0o700)
		os.WriteFile(p.Path, []byte(content), 0o600)
		_, list := p.List()
		_, accept := p.Accept("physics", transport.Key{2})
		_, forget := p.Forget("physics", transport.Key{})
		for _, err := range []error{list, accept, forget, p.Met("physics", transport.Key{2}, some)} {
			var e *Error
			if !errors.As(err, &e) || e.Code != CodePinsFile || !strings.Contains(e.Text, p.Path) || strings.ContainsRune(e.Text, '\x1b') {
				t.Errorf("%s: %v", name, err)
			}
		}
		if now, _ := os.ReadFile(p.Path); string(now) != content {
			t.Errorf("%s: it became %q", name, now)
		}
	}
}

func TestPinsThatOthersMayWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows has no such permissions")
	}
	p := pinsAt(t)
	p.Met("physics", transport.Key{1}, some)
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o620: false, 0o602: false, 0o666: false} {
		os.Chmod(p.Path, mode)
		_, err := p.List()
		var e *Error
		if fine != (err == nil) || !fine && (!errors.As(err, &e) || !strings.Contains(e.Hint, "chmod 600 "+p.Path)) {
			t.Errorf("%#o: %v", mode, err)
		}
	}
}

// What cannot be written down is told, and nothing else is spoilt by it.
func TestPinsThatCannotBeSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	p := Pins{Path: filepath.Join(file, "under", "pins")}
	var unsaved *UnsavedError
	if err := p.Met("physics", transport.Key{1}, some); !errors.As(err, &unsaved) {
		t.Errorf("no directory: %v", err)
	}
	if pins := p.must(t); len(pins) != 0 {
		t.Errorf("%v", pins)
	}
	full := pinsAt(t)
	var pins []Pin
	for i := range maxPins {
		pins = append(pins, Pin{Room: fmt.Sprint("room", i), Key: transport.Key{1}})
	}
	os.MkdirAll(filepath.Dir(full.Path), 0o700)
	os.WriteFile(full.Path, format(pins), 0o600)
	if err := full.Met("physics", transport.Key{1}, some); !errors.As(err, &unsaved) {
		t.Errorf("full: %v", err)
	}
	if err := full.Met("room7", transport.Key{1}, some); err != nil {
		t.Errorf("full, and known: %v", err)
	}
	if n := len(full.must(t)); n != maxPins {
		t.Errorf("%d pins", n)
	}
}

// A command is fit to be copied, whatever somebody has called the room.
func TestPinsCommand(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, "parley pins"},
		{[]string{"forget", "physics"}, "parley pins forget physics"},
		{[]string{"accept", "a;b", "KEY"}, "parley pins accept 'a;b' KEY"},
		{[]string{"accept", "-x", "-KEY"}, "parley pins accept -- -x -KEY"},
		{[]string{"accept", "x", "-KEY"}, "parley pins accept x -- -KEY"},
	} {
		if got := (Pins{}).command(c.words...); got != c.want {
			t.Errorf("%q is %q, want %q", c.words, got, c.want)
		}
	}
}

// FuzzPins has the parser read anything: what it takes it writes as it was,
// remarks and spellings aside, and reads the same again.
func FuzzPins(f *testing.F) {
	f.Add(format([]Pin{{"physics", transport.Key{1}, day, day, some}, {"a-b", transport.Key{2}, day, time.Time{}, netip.AddrPort{}}}))
	f.Add([]byte(pinsHeader + "\r\n# a remark\n\nphysics " + (transport.Key{1}).String() + " - - [fe80::1%eth0]:7667\r\n"))
	for _, content := range damaged() {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pins, err := parsePins(b)
		if err != nil {
			return
		}
		written := format(pins)
		again, err := parsePins(written)
		if err != nil || !slices.Equal(again, pins) {
			t.Fatalf("%q\nis written as %q\nwhich is %v, %v", b, written, again, err)
		}
		if bytes.ContainsFunc(written, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }) {
			t.Fatalf("control characters get through: %q", written)
		}
	})
}
