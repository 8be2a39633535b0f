package node

import (
	"context"
	"errors"
	"fmt"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// roomLog is a history as a room's log, and as its [room.Checkpointer] and
// [room.Keeper].
type roomLog struct {
	readLog
	keep history.Keep
}

var (
	_ room.Log          = roomLog{}
	_ room.Checkpointer = roomLog{}
	_ room.Keeper       = roomLog{}
)

// Kept tells how long the log keeps what is said.
func (l roomLog) Kept() string { return l.keep.String() }

// Bounds tells up to which entry what was said is deleted, and which is the last.
func (l roomLog) Bounds(context.Context) (gone, end uint64, err error) {
	return l.Log.Pruned(), l.Log.Last(), nil
}

func (l roomLog) Append(ctx context.Context, batch []room.Entry) ([]room.Result, error) {
	records := make([]history.Record, len(batch))
	for i, e := range batch {
		records[i] = record(e)
	}
	stored, err := l.Log.Append(ctx, records)
	if err != nil {
		if errors.Is(err, history.ErrNotStored) {
			cause := err
			var e *history.Error
			if errors.As(err, &e) {
				cause = e
			}
			err = fmt.Errorf("%w: %w", room.ErrNotStored, cause)
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

// readLog is what can be read of a history.
type readLog struct{ *history.Log }

func (l readLog) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	page, err := l.Log.Page(ctx, viewer, before, n)
	return entries(page), err
}

func (l readLog) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
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
