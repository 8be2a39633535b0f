package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// Histories is a directory of what was said:
//
//	ROOM-KEY.log              the log of a room hosted here
//	ROOM-KEY-LOG.copy         what a member saw of a log
//
// ROOM being a hash of the room's name, KEY of its key (or "plaintext"), and LOG of
// the log's id.
type Histories struct {
	Dir  string
	Keep history.Keep      // how long what is said is kept
	Warn func(text string) // is told, in words for people, what is not an error. Nil: nobody
}

// Open opens the log of a room that is hosted here, or begins it; key is zero for
// a plaintext room. The caller closes it after the room has ended.
func (h *Histories) Open(name string, key transport.Key) (log room.Log, release func() error, err error) {
	if h == nil || h.Keep.None {
		return room.NewMemory(), func() error { return nil }, nil
	}
	if _, err := h.settle(name, key); err != nil {
		return nil, nil, err
	}
	l, err := history.Open(h.path(name, key)+".log", history.Options{Room: name, Of: key, Keep: h.Keep, Warn: h.Warn})
	if err != nil {
		return nil, nil, historyError(name, err)
	}
	return roomLog{l, h.Keep}, l.Close, nil
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

// roomLog is a history as a room's log.
type roomLog struct {
	*history.Log
	keep history.Keep
}

// Kept tells how long the log keeps what is said.
func (l roomLog) Kept() string { return l.keep.String() }

// Bounds tells how many entries are deleted, none so far, and which is the last.
func (l roomLog) Bounds(context.Context) (gone, end uint64, err error) { return 0, l.Log.Last(), nil }

func (l roomLog) Append(ctx context.Context, batch []room.Entry) ([]room.Result, error) {
	records := make([]history.Record, len(batch))
	for i, e := range batch {
		records[i] = record(e)
	}
	stored, err := l.Log.Append(ctx, records)
	if err != nil {
		if errors.Is(err, history.ErrNotStored) {
			err = fmt.Errorf("%w: %w", room.ErrNotStored, err)
		}
		return nil, err
	}
	results := make([]room.Result, len(stored))
	for i, r := range stored {
		results[i] = room.Result(r)
	}
	return results, nil
}

func (l roomLog) Tail(ctx context.Context, after uint64, each func([]room.Entry) error) error {
	return l.Log.Tail(ctx, after, func(run []history.Record) error { return each(entries(run)) })
}

func (l roomLog) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	page, err := l.Log.Page(ctx, viewer, before, n)
	return entries(page), err
}

func (l roomLog) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	found, err := l.Log.Search(ctx, viewer, words, before, n)
	return entries(found), err
}

// record is an entry as a history has it.
func record(e room.Entry) history.Record {
	return history.Record{Seq: e.Seq, Key: e.Key, ID: e.ID, At: e.At, Audience: convert[[32]byte](e.Audience), Body: e.Body, Words: e.Words}
}

// entries are records as a room has them.
func entries(run []history.Record) []room.Entry {
	list := make([]room.Entry, len(run))
	for i, r := range run {
		list[i] = room.Entry{Seq: r.Seq, Key: r.Key, ID: r.ID, At: r.At, Audience: convert[transport.Key](r.Audience), Body: r.Body, Words: r.Words}
	}
	return list
}

// convert turns keys into keys; nil, which is everybody, stays nil.
func convert[To, From ~[32]byte](keys []From) []To {
	if keys == nil {
		return nil
	}
	list := make([]To, len(keys))
	for i, k := range keys {
		list[i] = To(k)
	}
	return list
}
