package node

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"parley/lock"
	"parley/transport"
)

// DataDir is where parley keeps what must last on this computer: the directory
// parley in XDG_DATA_HOME (~/.local/share), or in the system's own place for
// such things on macOS and Windows.
func DataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "parley"), nil
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir() // Library/Application Support, AppData
		return filepath.Join(dir, "parley"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share", "parley"), err
}

// Keys is a directory of secrets: the identity of a user and the keys of the
// rooms that user hosts.
//
//	identity            who the user is, to everybody
//	rooms/HASH          the key of a room, HASH being of its name
//	rooms/HASH.lock     held by the process that hosts it
//	pins                see [Pins]
//
// A key file is the 32-byte Ed25519 seed in base64 on its first line; further
// lines are for people, but for one that begins with "machine ", which names the
// computer that the identity was made on. Files are never overwritten, and
// appear whole: of two programs that start at once, both get the key of the
// first. A file that others can read is refused, as somebody may have its key.
// On Windows that is not looked at: there, access lists decide who reads a file,
// what they come to is not cheaply told, and a user's own directory is closed
// to other users from the start.
//
// When a computer's disk is copied, its users' identities are copied with it, and
// two computers would be one person. So an identity that was made on another
// computer is put aside, as identity.from-another-machine, and a new one
// made. Keys of rooms are not bound to a computer: a room may move.
type Keys struct {
	Dir string

	// Machine returns what is this computer's alone, or nothing where that
	// cannot be known. Nil: MachineID.
	Machine func() string

	// Warn is told, in words for people, of an identity that was put aside.
	// Nil: nobody.
	Warn func(text string)
}

// CheckDir refuses a directory, for what must last, in which everybody on this computer
// can write: whoever makes a file there first reads what is written into it,
// and whoever replaces one decides which rooms are known. On Windows access lists
// decide that, and it is not looked at. It also refuses a place where one of its directories should
// be, and is something else.
func CheckDir(dir string) error {
	for _, sub := range []string{"", "rooms", "history", "drafts"} {
		place := filepath.Join(dir, sub)
		if is, err := os.Lstat(place); err != nil || is.IsDir() {
			continue // it is made, if it is not there
		}
		if is, err := os.Stat(place); err != nil || !is.IsDir() {
			what := "something else"
			if err != nil {
				what = "a link that leads nowhere"
			}
			return &Error{Code: CodeNoDir, Text: fmt.Sprintf("%s must be a directory, and is %s", place, what),
				Hint: "move it away, or choose another place with --data-dir"}
		}
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || runtime.GOOS == "windows" || info.Mode().Perm()&0o002 == 0 {
		return nil // what is not there is made, for its owner alone
	}
	return &Error{Code: CodeDataDir, Text: fmt.Sprintf("everybody on this computer can write in %s, where your keys and what is said would be kept: its permissions are %#o", dir, info.Mode().Perm()),
		Hint: fmt.Sprintf("close it: chmod 700 %s; or choose another with --data-dir", Quoted(dir))}
}

// An UnsavedError says that a new key could not be saved. The key is good for
// as long as the program runs.
type UnsavedError struct {
	Path string
	Err  error
}

func (e *UnsavedError) Error() string {
	return fmt.Sprintf("cannot keep a key in %s: %v", e.Path, e.Err)
}

// Unwrap gives the reason.
func (e *UnsavedError) Unwrap() error { return e.Err }

// Identity returns the user's identity, making it at the first call ever. With
// an *UnsavedError it returns one that will not last.
func (k Keys) Identity() (transport.Identity, error) {
	path, here := filepath.Join(k.Dir, "identity"), k.machine()
	remark := "This is who you are in parley. Keep it to yourself.\n"
	if here != "" {
		remark += machineWord + here + "\n"
	}
	id, machine, err := k.read(path)
	if err == nil && machine != "" && here != "" && machine != here {
		if err := k.putAside(path, here); err != nil {
			id, _ := transport.NewIdentity() // its error is crypto/rand's, which has none
			return id, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	return k.load(path, remark)
}

// machineWord begins the line of a key file that names the computer.
const machineWord = "machine "

// machine returns the name under which key files know this computer. It is a
// hash, since the id itself is not for everybody who may get to see the file.
func (k Keys) machine() string {
	of := k.Machine
	if of == nil {
		of = MachineID
	}
	id := of()
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("parley machine 1\n" + id))
	return hex.EncodeToString(sum[:])
}

// maxAside is how many identities of other computers are kept beside ours: disks
// are not copied often.
const maxAside = 100

// moveAside gives the file at path a name with an end that no file has.
func moveAside(path, end string) (aside string, err error) {
	for n := 1; ; n++ {
		aside = path + end
		if n > 1 {
			aside += fmt.Sprintf("-%d", n)
		}
		if _, err := os.Lstat(aside); err == nil && n < maxAside {
			continue
		}
		if err := rename(path, aside); err != nil {
			return "", &UnsavedError{Path: path, Err: err}
		}
		return aside, nil
	}
}

// putAside renames an identity that was made on another computer than here.
func (k Keys) putAside(path, here string) error {
	return exclusively(path+".lock", func() error {
		if _, machine, err := k.read(path); err != nil || machine == "" || machine == here {
			return nil // another program was quicker; or what is wrong is told when it is read again
		}
		aside, err := moveAside(path, ".from-another-machine")
		if err == nil && k.Warn != nil {
			k.Warn(fmt.Sprintf("your identity was made on another computer, of which this one seems to be a copy: you get a new one here, and the old one is kept in %s", aside))
		}
		return err
	})
}

// rename gives a file another name, which nothing may have.
func rename(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil {
		return os.Remove(from)
	}
	if _, taken := os.Lstat(to); taken == nil { // no hard links here
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// Room returns the key of a room and holds it, so that no second program hosts
// the room under the same key, until release is called. With an *UnsavedError
// it returns a key that will not last.
func (k Keys) Room(name string) (id transport.Identity, release func(), err error) {
	sum := sha256.Sum256([]byte(name))
	path := filepath.Join(k.Dir, "rooms", hex.EncodeToString(sum[:16]))
	id, err = k.load(path, fmt.Sprintf("The key of the room %q. Who has it can pose as the room.\n", name))
	if err != nil {
		return id, func() {}, err
	}
	release, err = lockFile(path+".lock", name)
	return id, release, err
}

// lockFile takes the lock of a room and writes who holds it.
func lockFile(path, name string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return func() {}, &UnsavedError{Path: path, Err: err}
	}
	if !lock.Try(f) {
		owner := make([]byte, 16)
		n, _ := f.Read(owner)
		f.Close()
		by := "another program"
		if pid := bytes.TrimSpace(owner[:n]); len(pid) > 0 && len(bytes.Trim(pid, "0123456789")) == 0 {
			by = "process " + string(pid)
		}
		return nil, &Error{Code: CodeHosted, Text: fmt.Sprintf("you already host %s on this computer (%s)", name, by),
			Hint: "sit down in it with: parley join " + name}
	}
	f.Truncate(0)
	fmt.Fprintf(f, "%d\n", os.Getpid())
	return func() {
		f.Truncate(0)
		lock.Close(f)
	}, nil
}

// Attempts at reading a key file that another program is just writing, which
// happens only where the file system has no hard links.
const (
	readAttempts = 20
	readPause    = 10 * time.Millisecond
)

func (k Keys) load(path, remark string) (transport.Identity, error) {
	id, _, err := k.read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if id, err = transport.NewIdentity(); err != nil {
		return id, err
	}
	text := base64.StdEncoding.EncodeToString(id.Seed()) + "\n" + remark
	switch err := createWhole(path, []byte(text)); {
	case errors.Is(err, fs.ErrExist): // somebody was quicker
		id, _, err := k.read(path)
		return id, err
	case err != nil:
		return id, &UnsavedError{Path: path, Err: err}
	}
	return id, nil
}

// maxKeyFile bounds what is read of a key file: its lines have some 200 bytes.
const maxKeyFile = 4 << 10

// read reads a key file, and the computer that it names.
func (k Keys) read(path string) (id transport.Identity, machine string, err error) {
	var text []byte
	for range readAttempts {
		if text, err = readFile(path, maxKeyFile); err != nil {
			if _, gone := os.Lstat(path); gone != nil { // not there, or nobody can tell
				return id, "", fs.ErrNotExist
			}
			return id, "", &Error{Code: CodeKeyFile, Text: fmt.Sprintf("cannot read your key: %v", err),
				Hint: "make the file readable, or choose another directory with --data-dir", Err: err}
		}
		if bytes.Contains(text, []byte("\n")) {
			break
		}
		time.Sleep(readPause)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return id, "", &Error{Code: CodeKeyFile, Text: fmt.Sprintf("others on this computer may read your key and pose as you: the permissions of %s are %#o", path, info.Mode().Perm()),
			Hint: fmt.Sprintf("if nobody has, close it: chmod 600 %s; if somebody may have, move it away to be somebody new", Quoted(path))}
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	seed, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(line)))
	if err == nil {
		id, err = transport.IdentityFromSeed(seed)
	}
	if err != nil {
		return transport.Identity{}, "", &Error{Code: CodeKeyFile, Text: fmt.Sprintf("%s is damaged: its first line is no key", path),
			Hint: "nothing was changed; put a good copy back, or move the file away to be somebody new"}
	}
	for line := range bytes.Lines(rest) {
		if name, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte(machineWord)); ok {
			machine = string(name)
		}
	}
	return id, machine, nil
}

// readFile reads up to limit bytes of a file, and of nothing else that may be at its
// place: a pipe would be waited for, a device read for ever.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// createWhole makes the file at path with its whole content, unless there is one.
func createWhole(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var random [8]byte
	rand.Read(random[:])
	temporary := path + "." + hex.EncodeToString(random[:])
	if err := writeNew(temporary, content); err != nil {
		return err
	}
	defer os.Remove(temporary)
	err := os.Link(temporary, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return writeNew(path, content) // no hard links here
}

func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
