package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// A room that is handed over to us gets its log in a file of its own,
// ROOM-KEY.new.log, until it has been closed once: there may be another in its
// place, of a room that was ours before. Whether the room became ours is written
// into the file; what did not is deleted.

// oursMeta is the name under which a log says that its room became ours.
const oursMeta = "ours"

// Import takes in another host's entries.
func (l roomLog) Import(ctx context.Context, list []room.Entry) error {
	records := make([]history.Record, len(list))
	for i, e := range list {
		records[i] = record(e)
	}
	return l.Log.Put(ctx, records)
}

// Gone notes up to where nothing is left of what was said.
func (l roomLog) Gone(ctx context.Context, upto uint64) error { return l.Log.SetPruned(ctx, upto) }

// imported is a log that was, or is being, handed over to us.
type imported struct {
	room.Importer
	log *history.Log // nil: in memory
	h   *Histories
	of  room.Deed

	undecided atomic.Bool // the room may be ours, or is and could not be served: the log stays
}

// take begins the log of a room that is handed over to us.
func (h *Histories) take(d room.Deed) (*imported, error) {
	keep, err := history.ParseKeep(d.Kept)
	if h == nil || h.Keep.None || d.Kept == "" || err != nil || keep.None {
		return &imported{Importer: room.ImportMemory(d.Log)}, nil
	}
	if _, err := h.settle(d.Room, d.Key); err != nil {
		return nil, err
	}
	l, err := history.Open(h.fresh(d.Room, d.Key), history.Options{Room: d.Room, Of: d.Key, Log: d.Log, Keep: keep, Warn: h.Warn})
	if err != nil {
		return nil, historyError(d.Room, err)
	}
	return &imported{Importer: roomLog{readLog{l}, keep}, log: l, h: h, of: d}, nil
}

func (h *Histories) fresh(name string, key transport.Key) string {
	return h.path(name, key) + ".new.log"
}

// ours notes, durably, that the room is ours.
func (i *imported) ours(ctx context.Context) error {
	if i.log == nil {
		return nil
	}
	return i.log.SetMeta(ctx, oursMeta, []byte{1})
}

// close closes the log, which goes where logs are, or away.
func (i *imported) close() error {
	if i.log == nil {
		return nil
	}
	err := i.log.Close()
	if i.undecided.Load() {
		return err
	}
	_, settled := i.h.settle(i.of.Room, i.of.Key)
	return errors.Join(err, settled)
}

// settle puts a log that was handed over to us in its place, or deletes it where
// the room did not become ours. It tells whether there was one.
func (h *Histories) settle(name string, key transport.Key) (ours bool, err error) {
	if h == nil {
		return false, nil
	}
	fresh := h.fresh(name, key)
	if _, err := os.Stat(fresh); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	l, err := history.Open(fresh, history.Options{Room: name, Of: key, Warn: h.Warn})
	if errors.Is(err, history.ErrInUse) {
		return false, historyError(name, err)
	}
	if err == nil {
		var value []byte
		value, err = l.Meta(context.Background(), oursMeta)
		ours = err == nil && len(value) > 0
		err = errors.Join(err, l.Close())
	}
	if err != nil { // nobody knows what it is: it stays, and is in nobody's way
		return false, h.move(fresh, fresh+".unreadable")
	}
	if !ours {
		return false, removeLog(fresh)
	}
	place := h.path(name, key) + ".log"
	if _, err := os.Stat(place); err == nil {
		if err := h.move(place, place+".before-"+time.Now().Format("2006-01-02-150405")); err != nil {
			return true, err
		}
	}
	return true, h.move(fresh, place)
}

// becomesOurs notes that the room of a log that came whole is ours, and tells
// whether there is such a log.
func (h *Histories) becomesOurs(name string, key transport.Key) (there bool, err error) {
	if h == nil {
		return false, nil
	}
	fresh := h.fresh(name, key)
	if _, err := os.Stat(fresh); err != nil {
		return false, nil
	}
	l, err := history.Open(fresh, history.Options{Room: name, Of: key, Warn: h.Warn})
	if err != nil {
		return false, historyError(name, err)
	}
	err = l.SetMeta(context.Background(), oursMeta, []byte{1})
	return true, errors.Join(err, l.Close())
}

// isOurs tells whether there is a log that was handed over to us for good.
func (h *Histories) isOurs(name string, key transport.Key) bool {
	if h == nil {
		return false
	}
	fresh := h.fresh(name, key)
	if _, err := os.Stat(fresh); err != nil {
		return false
	}
	l, err := history.Open(fresh, history.Options{Room: name, Reading: true})
	if err != nil {
		return false
	}
	defer l.Close()
	value, err := l.Meta(context.Background(), oursMeta)
	return err == nil && len(value) > 0
}

// logFiles are what SQLite keeps beside a file, and the file last.
var logFiles = []string{"-wal", "-shm", ".lock", ""}

// move gives a log that nobody has open another name.
func (h *Histories) move(from, to string) error {
	for _, suffix := range logFiles {
		if suffix == "-shm" { // made again at need
			os.Remove(from + suffix)
			continue
		}
		if err := os.Rename(from+suffix, to+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot put the history of a room that was handed over in its place: %w", err)
		}
	}
	return nil
}

// removeLog deletes a log that nobody has open.
func removeLog(path string) (err error) {
	for _, suffix := range logFiles {
		if e := os.Remove(path + suffix); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
