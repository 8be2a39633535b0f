package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// Histories is a directory of what was said:
//
//	ROOM-KEY.log              the log of a room hosted here
//	ROOM-KEY.log.lock         held by the process that hosts it
//	ROOM-KEY.cluster.log      the copy of a cluster's log, of a room of several hosts; it has a lock, too
//	ROOM-KEY.import           a log that is on its way here from a cluster; likewise
//	ROOM-KEY-LOG.copy         what a member saw of a log
//	ROOM-KEY-LOG-2.copy       and of another one that has the same id
//
// ROOM being a hash of the room's name, KEY of its key (or "plaintext"), and LOG
// the log's id. A copy is of what its owner may see. If the host's log turns out to
// be another than it was, a new copy is begun, and nothing is put together
// that was not said together.
type Histories struct {
	Dir  string
	Keep history.Keep      // how long what is said is kept
	Warn func(text string) // is told, in words for people, what is not an error. Nil: nobody
}

const (
	logSuffix  = ".log"
	copySuffix = ".copy"
	// maxCopies is how many copies of one room are begun: a log gets another id when it
	// is repaired or lost, and comes back with its id and other records only where files
	// are moved about by hand.
	maxCopies = 100
)

// Open opens the log of a room that is hosted here, or begins it; key is zero for
// a plaintext room. The caller closes it after the room has ended.
func (h *Histories) Open(name string, key transport.Key) (log room.Log, release func() error, err error) {
	if h == nil || h.Keep.None {
		return room.NewMemory(), func() error { return nil }, nil
	}
	if _, err := h.settle(name, key); err != nil {
		return nil, nil, err
	}
	if err := h.elsewhere(name, key); err != nil {
		return nil, nil, err
	}
	l, err := history.Open(h.path(name, key)+logSuffix, h.options(name, key))
	if err != nil {
		return nil, nil, historyError(name, err)
	}
	return roomLog{readLog{l}, h.Keep}, l.Close, nil
}

func (h *Histories) options(name string, key transport.Key) history.Options {
	return history.Options{Room: name, Of: key, Keep: h.Keep, Warn: h.Warn}
}

// Repair makes a new log of what can be read of the damaged one of a room, which
// stays beside it; see [history.Repair].
func (h *Histories) Repair(ctx context.Context, name string, key transport.Key) (history.Repaired, error) {
	r, err := history.Repair(ctx, h.path(name, key)+logSuffix, h.options(name, key))
	if err != nil {
		err = historyError(name, err)
	}
	return r, err
}

// has tells whether there is a log of a room that was hosted here.
func (h *Histories) has(name string, key transport.Key) bool {
	if h == nil {
		return false
	}
	_, err := os.Stat(h.path(name, key) + logSuffix)
	return err == nil
}

// path is how the files of a room begin.
func (h *Histories) path(name string, key transport.Key) string {
	of := "plaintext"
	if key != (transport.Key{}) {
		of = short(key[:])
	}
	return filepath.Join(h.Dir, short([]byte(name))+"-"+of)
}

// short names a thing in the name of a file.
func short(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// historyError is an error of a history as people are told it.
func historyError(name string, err error) error {
	var e *history.Error
	if !errors.As(err, &e) {
		return err
	}
	if errors.Is(err, history.ErrInUse) {
		by := "another program"
		if e.PID > 0 {
			by = fmt.Sprintf("process %d", e.PID)
		}
		return &Error{Code: CodeHosted, Text: fmt.Sprintf("%s is hosted already by %s (%s)", name, by, e.Path),
			Hint: "sit down in it with: parley join " + name, Err: err}
	}
	text := *e
	text.WayOut = ""
	return &Error{Code: CodeHistory, Text: text.Error(), Hint: e.WayOut, Err: err}
}
