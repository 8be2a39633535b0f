package room

import (
	"context"
	"errors"
	"slices"
	"time"

	"parley/transport"
)

// A Log is a room's record: it gives every entry its number and keeps it.
// Several hosts may append to one Log.
type Log interface {
	// ID tells this log from every other. Numbers of one mean nothing in another.
	ID() [16]byte

	// Bounds returns up to which entry the log has deleted all, 0 for none,
	// and the last entry there is.
	Bounds(ctx context.Context) (gone, end uint64, err error)

	// Append stores batch in order and numbers it; the Seq of the given
	// entries is not looked at. An entry whose (Key, ID) is stored already,
	// or comes twice in batch, is not stored again, however long ago it was:
	// its Result has the first one's Seq and Duplicate.
	//
	// After an error wrapping ErrNotStored none of batch is stored. After
	// any other error nobody knows, and the same batch may be appended again.
	Append(ctx context.Context, batch []Entry) ([]Result, error)

	// Tail calls each with every writer's entries after seq after, without a
	// gap and in order, and goes on as they are appended, until ctx ends or
	// each returns an error, which Tail returns. The entries may be kept
	// and must not be changed. Of one that was deleted the Seq is left, and
	// no Body.
	Tail(ctx context.Context, after uint64, each func([]Entry) error) error

	// Page returns the last n entries before seq before that viewer may see,
	// oldest first.
	Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]Entry, error)

	// Search returns the last n entries before seq before that viewer may see
	// and whose Words contain all of words, oldest first.
	Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]Entry, error)
}

// A Checkpointer is a Log that keeps what its entries add up to, so that the
// host need not read them all when it opens, and old ones may be deleted.
type Checkpointer interface {
	// Checkpoint returns what was saved last, and the last entry that is in
	// it, which the log must have had; 0 if there is nothing, or nothing that
	// can be trusted.
	Checkpoint(ctx context.Context) (seq uint64, state []byte, err error)

	// SaveCheckpoint saves, in place of what was saved before, what the
	// entries up to seq, which are stored, add up to.
	SaveCheckpoint(ctx context.Context, seq uint64, state []byte) error
}

// A Keeper is a Log that tells how long it keeps what is said: "" not beyond
// the host's program, "forever", "90d" so many days, "10000" so many entries.
type Keeper interface{ Kept() string }

// ErrNotStored is wrapped by errors of Append after which nothing is stored.
var ErrNotStored = errors.New("not stored")

// An Entry is a record of a Log.
type Entry struct {
	Seq      uint64          // from 1, without gaps; the Log's to give
	Key      transport.Key   // who appended it
	ID       [16]byte        // random; unique with Key, for ever
	At       time.Time       // by the appending host's clock, in whole milliseconds
	Audience []transport.Key // who may see it; nil: everybody
	Body     []byte          // an event in the room's wire form, without seq, at and id
	Words    string          // what Search looks in; empty: nothing to find
}

// Visible tells whether viewer may see the entry.
func (e Entry) Visible(viewer transport.Key) bool {
	return e.Audience == nil || slices.Contains(e.Audience, viewer)
}

// A Result tells what became of an entry.
type Result struct {
	Seq       uint64
	Duplicate bool // stored before, as Seq
}
