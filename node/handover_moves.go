package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"parley/room"
	"parley/transport"
)

// Moves is a directory that remembers which rooms were handed over. With the keys
// of rooms ([Keys]) it has
//
//	rooms/HASH.moved       the room went elsewhere: who hosts it here again, asks for it
//	rooms/HASH.taking      the room may be ours: its key, until the old host has said so
//
// and for plaintext rooms the same with ".plain" before. What is written here is
// on the disk before anybody hears of it: a room's old host writes "moved" before
// the new one may serve, and no machine ever hosts a room that it has marked so.
type Moves struct{ Dir string }

// away is the content of a moved file.
type away struct {
	Room   string    `json:"room"`
	To     room.Move `json:"to"`
	Ticket string    `json:"ticket"`
	At     time.Time `json:"at"`
	Told   bool      `json:"told"` // the new host has said that it serves
}

// pending is the content of a taking file.
type pending struct {
	Room     string         `json:"room"`
	Ticket   string         `json:"ticket"`
	Heir     room.Heir      `json:"heir"`
	From     transport.Key  `json:"from"`
	At       []spot         `json:"at"` // of the old host
	Key      transport.Key  `json:"key,omitzero"`
	Seed     []byte         `json:"seed,omitempty"`
	Verifier *room.Verifier `json:"verifier,omitempty"`
	Log      string         `json:"log"`
}

func (t *receiver) pending() pending {
	p := pending{Room: t.deed.Room, Ticket: t.offer.Ticket, Heir: t.offer.Heir, From: t.from, Key: t.deed.Key, Verifier: t.keys.Verifier, Log: t.deed.LogID}
	if !t.keys.Key.IsZero() {
		p.Seed = t.keys.Key.Seed()
	}
	for _, v := range t.via {
		p.At = append(p.At, spot{v.addr, v.udp, v.tcp})
	}
	return p
}

// path names the file of a room.
func (m *Moves) path(plain bool, name, kind string) string {
	sum := sha256.Sum256([]byte(name))
	file := hex.EncodeToString(sum[:16])
	if plain {
		file += ".plain"
	}
	return filepath.Join(m.Dir, "rooms", file+"."+kind)
}

// maxMoves bounds what is read of such a file.
const maxMoves = 16 << 10

func (m *Moves) read(path string, into any) (there bool, err error) {
	b, err := readFile(path, maxMoves)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		err = &Error{Code: CodeKeyFile, Text: fmt.Sprintf("cannot read where the room went: %s: %v", path, err),
			Hint: "if you are sure that nobody else hosts the room, move the file away"}
	}
	return true, err
}

// write replaces a file, durably.
func (m *Moves) write(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var random [8]byte
	rand.Read(random[:])
	temporary := path + "." + hex.EncodeToString(random[:])
	if err := writeNew(temporary, append(b, '\n')); err != nil {
		os.Remove(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir has the names in a directory last. Where that cannot be asked for, the
// system does it by itself.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	f.Sync()
	return nil
}

// leave writes down that a room goes elsewhere.
func (m *Moves) leave(plain bool, name string, to room.Move, ticket string) error {
	if m == nil {
		return nil
	}
	return m.write(m.path(plain, name, "moved"), away{Room: name, To: to, Ticket: ticket, At: time.Now().UTC().Truncate(time.Second)})
}

// told writes down that the new host knows.
func (m *Moves) told(plain bool, name string) {
	if m == nil {
		return
	}
	path := m.path(plain, name, "moved")
	var a away
	if there, err := m.read(path, &a); there && err == nil && !a.Told {
		a.Told = true
		m.write(path, a)
	}
}

// expect writes down that a room may be ours.
func (m *Moves) expect(plain bool, name string, p pending) error {
	if m == nil {
		return nil
	}
	return m.write(m.path(plain, name, "taking"), p)
}

// arrived forgets that a room may be ours, or had gone.
func (m *Moves) arrived(plain bool, name string) {
	if m == nil {
		return
	}
	os.Remove(m.path(plain, name, "moved"))
	os.Remove(m.path(plain, name, "taking"))
	syncDir(filepath.Join(m.Dir, "rooms"))
}

// given forgets that a room might be ours: it is not.
func (m *Moves) given(plain bool, name string) {
	if m != nil {
		os.Remove(m.path(plain, name, "taking"))
	}
}

// pending is the room that may be ours, if there is one.
func (m *Moves) pending(plain bool, name string) (*pending, error) {
	p := new(pending)
	there, err := m.read(m.path(plain, name, "taking"), p)
	if err != nil || !there {
		return nil, err
	}
	return p, nil
}

// here tells whether a room may be hosted here.
func (m *Moves) here(ctx context.Context, n *Node, name string) error {
	var a away
	there, err := m.read(m.path(n.Plaintext, name, "moved"), &a)
	if err != nil || !there {
		return err
	}
	if !a.Told { // we ended before the new host had heard
		once, cancel := context.WithTimeout(ctx, tryLimit)
		defer cancel()
		if n.tellOnce(once, name, a.To, a.Ticket) == nil || n.persuade(ctx, name, a) {
			m.told(n.Plaintext, name)
		}
	}
	return &Error{Code: CodeMoved, Text: fmt.Sprintf("%s was handed over to %s on %s, and is hosted there: %s", name, a.To.Nick,
		a.At.Local().Format("2 January 15:04"), atOnce(a.To)),
		Hint: "sit down in it, or open a new room with what was said so far: parley host " + name + " --continue", Command: "parley join " + name}
}
