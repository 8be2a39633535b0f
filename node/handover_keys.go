package node

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"parley/transport"
)

// roomPath is where the key of a room is.
func (k Keys) roomPath(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(k.Dir, "rooms", hex.EncodeToString(sum[:16]))
}

// kept is the key that a room has here.
func (k Keys) kept(name string) (transport.Identity, error) {
	id, _, err := k.read(k.roomPath(name))
	return id, err
}

// Held is Room for a room that has a key here: none is made.
func (k Keys) Held(name string) (id transport.Identity, release func(), err error) {
	if id, err = k.kept(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = notHosted(name)
		}
		return id, nil, err
	}
	release, err = lockFile(k.roomPath(name)+".lock", name)
	var unsaved *UnsavedError
	if errors.As(err, &unsaved) { // where nothing can be written nobody hosts it
		err = nil
	}
	return id, release, endFirst(err, name)
}

// Adopt holds the name of a room that is about to be handed over to us, as Room
// does, until release is called. Keep keeps the room's key, so that it can be
// hosted again. A key that was there for another room of that name is put aside.
func (k Keys) Adopt(name string) (keep func(transport.Identity) error, release func(), err error) {
	sum := sha256.Sum256([]byte(name))
	path := filepath.Join(k.Dir, "rooms", hex.EncodeToString(sum[:16]))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		unsaved := &UnsavedError{Path: path, Err: err}
		return func(transport.Identity) error { return unsaved }, func() {}, nil
	}
	release, err = lockFile(path+".lock", name)
	var unsaved *UnsavedError
	if err != nil && !errors.As(err, &unsaved) {
		return nil, nil, err
	}
	return func(id transport.Identity) error { return k.adopt(path, name, id) }, release, nil
}

// adopt writes the key of a room.
func (k Keys) adopt(path, name string, id transport.Identity) error {
	old, _, err := k.read(path)
	if err == nil && old.Key() == id.Key() {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if err := k.putRoomAside(path, name); err != nil {
			return err
		}
	}
	text := base64.StdEncoding.EncodeToString(id.Seed()) + "\n" + fmt.Sprintf("The key of the room %q, which was handed over to you. Who has it can pose as the room.\n", name)
	if err := createWhole(path, []byte(text)); err != nil {
		return &UnsavedError{Path: path, Err: err}
	}
	return nil
}

// putRoomAside renames the key of another room of the same name.
func (k Keys) putRoomAside(path, name string) error {
	aside, err := moveAside(path, ".another")
	if err == nil && k.Warn != nil {
		k.Warn(fmt.Sprintf("the key that %s had here before is kept in %s", name, aside))
	}
	return err
}
