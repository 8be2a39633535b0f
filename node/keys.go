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
//
// A key file is the 32-byte Ed25519 seed in base64 on its first line; further
// lines are for people. Files are readable by their owner alone, never
// overwritten, and appear whole: of two programs that start at once, both get
// the key of the first.
type Keys struct {
	Dir string

	// Warn is told, in words for people, of a file that others can read. Nil: nobody.
	Warn func(text string)
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
	return k.load(filepath.Join(k.Dir, "identity"), "This is who you are in parley. Keep it to yourself.")
}

// Room returns the key of a room and holds it, so that no second program hosts
// the room under the same key, until release is called. With an *UnsavedError
// it returns a key that will not last.
func (k Keys) Room(name string) (id transport.Identity, release func(), err error) {
	sum := sha256.Sum256([]byte(name))
	path := filepath.Join(k.Dir, "rooms", hex.EncodeToString(sum[:16]))
	id, err = k.load(path, fmt.Sprintf("The key of the room %q. Who has it can pose as the room.", name))
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
		return func() {}, &UnsavedError{path, err}
	}
	if !lock(f) {
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
		f.Close() // and the lock goes with it
	}, nil
}

// Attempts at reading a key file that another program is just writing, which
// happens only where the file system has no hard links.
const (
	readAttempts = 20
	readPause    = 10 * time.Millisecond
)

func (k Keys) load(path, remark string) (transport.Identity, error) {
	id, err := k.read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if id, err = transport.NewIdentity(); err != nil {
		return id, err
	}
	text := base64.StdEncoding.EncodeToString(id.Seed()) + "\n" + remark + "\n"
	switch err := createWhole(path, []byte(text)); {
	case errors.Is(err, fs.ErrExist): // somebody was quicker
		return k.read(path)
	case err != nil:
		return id, &UnsavedError{path, err}
	}
	return id, nil
}

// maxKeyFile bounds what is read of a key file: its first line has 44 bytes.
const maxKeyFile = 4 << 10

func (k Keys) read(path string) (transport.Identity, error) {
	var text []byte
	for range readAttempts {
		var err error
		if text, err = readFile(path); err != nil {
			if _, gone := os.Lstat(path); gone != nil { // not there, or nobody can tell
				return transport.Identity{}, fs.ErrNotExist
			}
			return transport.Identity{}, &Error{Code: CodeKeyFile, Text: fmt.Sprintf("cannot read your key: %v", err),
				Hint: "make the file readable, or choose another directory with --data-dir", Err: err}
		}
		if bytes.Contains(text, []byte("\n")) {
			break
		}
		time.Sleep(readPause)
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" && k.Warn != nil {
		k.Warn(fmt.Sprintf("others on this computer may read your key and pose as you: chmod 600 %s", path))
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	seed, err := base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSpace(line)))
	if err == nil {
		var id transport.Identity
		if id, err = transport.IdentityFromSeed(seed); err == nil {
			return id, nil
		}
	}
	return transport.Identity{}, &Error{Code: CodeKeyFile, Text: fmt.Sprintf("%s is damaged: its first line is no key", path),
		Hint: "nothing was changed; put a good copy back, or move the file away to be somebody new"}
}

// readFile reads the beginning of a key file, and of nothing else that may be at
// its place: a pipe would be waited for, a device read for ever.
func readFile(path string) ([]byte, error) {
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
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
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
