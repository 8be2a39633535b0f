package roomtest

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/room"
	"parley/transport"
)

// Far is one host's way to a log that several hosts write to: it can be cut.
// While it is, nothing comes of what is asked, after Timeout; what was appended
// in the moment of the cut may be stored all the same.
type Far struct {
	Log     room.Log
	Timeout time.Duration // 0: 2 s

	mu      sync.Mutex
	cut     bool
	through int // so many Appends are stored yet, without an answer
	changed chan struct{}
}

var errFar = errors.New("no answer")

// Cut has nothing pass any more; so many Appends are stored, and not answered.
func (f *Far) Cut(through int) { f.set(true, through) }

// Heal has everything pass.
func (f *Far) Heal() { f.set(false, 0) }

func (f *Far) set(cut bool, through int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut, f.through = cut, through
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// state tells whether it is cut, and what is closed when that changes.
func (f *Far) state() (cut bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.cut, f.changed
}

// pass returns nil where something may pass, and else an error after a while.
func (f *Far) pass(ctx context.Context) error {
	if cut, _ := f.state(); !cut {
		return nil
	}
	wait := f.Timeout
	if wait == 0 {
		wait = 2 * time.Second
	}
	select {
	case <-time.After(wait):
		return errFar
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ID returns the log's.
func (f *Far) ID() [16]byte { return f.Log.ID() }

// Bounds returns the log's.
func (f *Far) Bounds(ctx context.Context) (gone, end uint64, err error) {
	if err := f.pass(ctx); err != nil {
		return 0, 0, err
	}
	return f.Log.Bounds(ctx)
}

// Append stores a batch, if it comes through.
func (f *Far) Append(ctx context.Context, batch []room.Entry) ([]room.Result, error) {
	f.mu.Lock()
	through := f.cut && f.through > 0
	if through {
		f.through--
	}
	f.mu.Unlock()
	if through {
		if _, err := f.Log.Append(ctx, batch); err != nil {
			return nil, err
		}
	}
	if err := f.pass(ctx); err != nil {
		return nil, err
	}
	return f.Log.Append(ctx, batch)
}

// Tail follows the log, and stands still while it is cut.
func (f *Far) Tail(ctx context.Context, after uint64, each func([]room.Entry) error) error {
	return f.Log.Tail(ctx, after, func(entries []room.Entry) error {
		for {
			cut, changed := f.state()
			if !cut {
				return each(entries)
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// Page reads the log.
func (f *Far) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	if err := f.pass(ctx); err != nil {
		return nil, err
	}
	return f.Log.Page(ctx, viewer, before, n)
}

// Search searches the log.
func (f *Far) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	if err := f.pass(ctx); err != nil {
		return nil, err
	}
	return f.Log.Search(ctx, viewer, words, before, n)
}
