package node

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/lock"
	"parley/text"
	"parley/transport"
)

// Pins is the file in which a user's rooms are remembered by their keys, so that
// nobody else can pass for them later.
//
//	parley pins 1
//	physics KEY 2026-01-02T15:04:05Z 2026-03-04T05:06:07Z 10.0.0.5:7667
//
// After the first line, each is one key of one room: the room's name, the key as
// in a link, when it was pinned and when it was met last, and where; - where that
// is not known. A name may have several keys: two teachers may both have a room
// called class. Lines that begin with # are passed over, and lost when the file
// is written. The file is read whole or not at all; one that makes no sense is
// never written over. Times are for people, who may have set their clocks
// wrong: nothing depends on them.
type Pins struct {
	Path string

	// Command begins the commands that people are told to type; empty: parley pins.
	Command string

	// Now is the time; nil: time.Now.
	Now func() time.Time
}

// command is a command for people to type.
func (p Pins) command(words ...string) string {
	line := p.Command
	if line == "" {
		line = "parley pins"
	}
	for i, w := range words {
		if i > 0 && strings.HasPrefix(w, "-") && !strings.Contains(line, " -- ") { // it is no flag
			line += " --"
		}
		line += " " + Quoted(w)
	}
	return line
}

// A Pin is one key that a room is known by.
type Pin struct {
	Room        string
	Key         transport.Key
	First, Last time.Time      // when it was pinned, and met last; zero: not yet
	Addr        netip.AddrPort // where it was met last; zero: nowhere yet
}

const (
	pinsHeader = "parley pins 1"
	// maxPins is how many keys are remembered: several a day for years.
	maxPins = 4096
	// maxPinsFile bounds what is read: that many of the longest lines, about
	// 250 bytes each, and remarks.
	maxPinsFile = 2 << 20
	// pinStamp is how times are written: to the second, in UTC.
	pinStamp = "2006-01-02T15:04:05Z"
	// lockWait is how long another program of the user may take to write the file.
	lockWait = 2 * time.Second
)

// List returns all pins, in the file's order. Without a file there are none.
func (p Pins) List() ([]Pin, error) {
	if _, err := os.Lstat(p.Path); err != nil { // not there, or nobody can tell
		return nil, nil
	}
	info, err := os.Stat(p.Path)
	// Windows has access lists where others have permissions; it shows 0666 for every file.
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return nil, &Error{Code: CodePinsFile, Text: fmt.Sprintf("others on this computer may change which rooms you trust: the permissions of %s are %#o", p.Path, info.Mode().Perm()),
			Hint: fmt.Sprintf("look through it, then: chmod 600 %s", Quoted(p.Path))}
	}
	var b []byte
	if err == nil {
		b, err = readFile(p.Path, maxPinsFile+1)
	}
	if err != nil {
		return nil, &Error{Code: CodePinsFile, Text: fmt.Sprintf("cannot read which rooms you trust: %v", err), Err: err,
			Hint: "make the file readable, or choose another directory with --data-dir"}
	}
	pins, err := parsePins(b)
	if err != nil {
		return nil, &Error{Code: CodePinsFile, Text: fmt.Sprintf("%s is damaged: %v", p.Path, err),
			Hint: "nothing was changed; put the line right, or move the file away to trust every room anew"}
	}
	return pins, nil
}

// parsePins reads the file's content.
func parsePins(b []byte) ([]Pin, error) {
	if len(b) > maxPinsFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxPinsFile)
	}
	rest := string(b)
	var pins []Pin
	seen := make(map[string]bool)
	for n := 1; rest != ""; n++ {
		line, after, whole := strings.Cut(rest, "\n")
		rest = after
		line = strings.TrimSuffix(line, "\r")
		switch {
		case !whole:
			return nil, fmt.Errorf("line %d has no end", n)
		case n == 1 && line != pinsHeader:
			return nil, fmt.Errorf("it does not begin with %q", pinsHeader)
		case n == 1, line == "", line[0] == '#':
			continue
		}
		pin, err := parsePin(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		id := text.RoomKey(pin.Room) + " " + pin.Key.String()
		if seen[id] {
			return nil, fmt.Errorf("line %d: that key of the room was there before", n)
		}
		seen[id] = true
		if pins = append(pins, pin); len(pins) > maxPins {
			return nil, fmt.Errorf("it has more than %d keys", maxPins)
		}
	}
	if len(b) == 0 {
		return nil, errors.New("it is empty")
	}
	return pins, nil
}

// parsePin reads one line.
func parsePin(line string) (p Pin, err error) {
	fields := strings.Split(line, " ")
	if len(fields) != 5 || !utf8.ValidString(line) {
		return p, errors.New("want ROOM KEY FIRST LAST ADDRESS")
	}
	p.Room = fields[0]
	if name, err := text.RoomName(p.Room); err != nil || name != p.Room {
		return p, errors.New("the first word is no room's name")
	}
	if p.Key, err = transport.ParseKey(fields[1]); err != nil || p.Key == (transport.Key{}) {
		return p, errors.New("the second word is no key")
	}
	for i, t := range []*time.Time{&p.First, &p.Last} {
		word := fields[2+i]
		if word == "-" {
			continue
		}
		if *t, err = time.Parse(pinStamp, word); err != nil || stamped(*t) != word {
			return p, errors.New("the times are not like 2026-01-02T15:04:05Z")
		}
	}
	if fields[4] == "-" {
		return p, nil
	}
	if p.Addr, err = netip.ParseAddrPort(fields[4]); err != nil || p.Addr.String() != fields[4] || strings.ContainsFunc(fields[4], unprintable) {
		return p, errors.New("the last word is no address")
	}
	return p, nil
}

// unprintable tells what has no place in an address: of its zone a file could
// hold anything.
func unprintable(r rune) bool { return r <= ' ' || r > '~' }

func stamped(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(pinStamp)
}

// format writes the file's content.
func format(pins []Pin) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, pinsHeader)
	for _, p := range pins {
		addr := "-"
		if p.Addr.IsValid() {
			addr = p.Addr.String()
		}
		fmt.Fprintf(&b, "%s %s %s %s %s\n", p.Room, p.Key, stamped(p.First), stamped(p.Last), addr)
	}
	return b.Bytes()
}

// of returns the pins of the room called name.
func of(pins []Pin, name string) (found []Pin) {
	key := text.RoomKey(name)
	for _, p := range pins {
		if text.RoomKey(p.Room) == key {
			found = append(found, p)
		}
	}
	return found
}

// alike returns the pins of rooms of other names that look like name.
func alike(pins []Pin, name string) (found []Pin) {
	room, looks := text.RoomKey(name), text.Key(name)
	for _, p := range pins {
		if text.RoomKey(p.Room) != room && text.Key(p.Room) == looks {
			found = append(found, p)
		}
	}
	return found
}

func has(pins []Pin, name string, key transport.Key) bool {
	return slices.ContainsFunc(of(pins, name), func(p Pin) bool { return p.Key == key })
}

// Accept pins a key of the room called name, beside those it is known by. It
// tells whether that is new.
func (p Pins) Accept(name string, key transport.Key) (added bool, err error) {
	err = p.change(func(pins []Pin) ([]Pin, error) {
		if added = !has(pins, name, key); !added {
			return nil, nil
		}
		return append(pins, Pin{Room: name, Key: key, First: p.now()}), nil
	})
	return added, err
}

// Met pins a key of the room called name, if it is not pinned already, and notes
// that it was met.
func (p Pins) Met(name string, key transport.Key, at netip.AddrPort) error {
	now := p.now()
	return p.change(func(pins []Pin) ([]Pin, error) {
		for i, o := range pins {
			if o.Key == key && text.RoomKey(o.Room) == text.RoomKey(name) {
				pins[i].Last, pins[i].Addr = now, at
				return pins, nil
			}
		}
		return append(pins, Pin{Room: name, Key: key, First: now, Last: now, Addr: at}), nil
	})
}

// Forget takes away the pins of the room called name, and tells how many there
// were. With a key it takes away that one alone.
func (p Pins) Forget(name string, key transport.Key) (n int, err error) {
	err = p.change(func(pins []Pin) ([]Pin, error) {
		left := slices.DeleteFunc(slices.Clone(pins), func(o Pin) bool {
			return text.RoomKey(o.Room) == text.RoomKey(name) && (key == (transport.Key{}) || o.Key == key)
		})
		if n = len(pins) - len(left); n == 0 {
			return nil, nil
		}
		return left, nil
	})
	return n, err
}

func (p Pins) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// change puts what to makes of the pins in their place, unless that is nil. No
// other program changes them meanwhile. An *UnsavedError says that the
// pins could be read but not written.
func (p Pins) change(to func([]Pin) ([]Pin, error)) error {
	if err := os.MkdirAll(filepath.Dir(p.Path), 0o700); err != nil {
		return &UnsavedError{Path: p.Path, Err: err}
	}
	return exclusively(p.Path+".lock", func() error {
		pins, err := p.List()
		if err != nil {
			return err
		}
		if pins, err = to(pins); pins == nil || err != nil {
			return err
		}
		if len(pins) > maxPins {
			return &UnsavedError{Path: p.Path, Err: fmt.Errorf("it holds %d keys already: take some away with parley pins forget ROOM", maxPins)}
		}
		if err := replace(p.Path, format(pins)); err != nil {
			return &UnsavedError{Path: p.Path, Err: err}
		}
		return nil
	})
}

// exclusively calls f while this program alone holds the lock at path.
func exclusively(path string, f func() error) error {
	held, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return &UnsavedError{Path: path, Err: err}
	}
	defer lock.Close(held)
	for end := time.Now().Add(lockWait); !lock.Try(held); time.Sleep(readPause) {
		if time.Now().After(end) {
			return &UnsavedError{Path: path, Err: errors.New("another program holds it")}
		}
	}
	return f()
}

// replace puts a file with a new content in the place of the one at path, as one
// step: a crash leaves the old one or the new one.
func replace(path string, content []byte) error {
	var random [8]byte
	rand.Read(random[:])
	temporary := path + "." + hex.EncodeToString(random[:])
	if err := writeNew(temporary, content); err != nil {
		os.Remove(temporary)
		return err
	}
	err := os.Rename(temporary, path)
	for n := 0; err != nil && runtime.GOOS == "windows" && n < readAttempts; n++ { // somebody is reading it
		time.Sleep(readPause)
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}
