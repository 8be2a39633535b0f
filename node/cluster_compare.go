package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// compared is how many entries before the last of a log are looked at, where those after
// them were deleted in the cluster.
const compared = 64

// unlike tells why a log of ours is not the beginning of another one, which ends at end; ""
// if it is.
func unlike(ctx context.Context, ours *history.Log, theirs room.Log, end uint64) (why string, err error) {
	last := ours.Last()
	switch {
	case ours.ID() != theirs.ID():
		return "is of another log than the cluster has now", nil
	case last > end:
		return fmt.Sprintf("has %d entries, and the cluster has but %d: somebody has put back an older state there", last, end), nil
	}
	return differ(ctx, ours, theirs, last)
}

// differ compares the last entries, up to one, of two logs that have that one. It tells
// what is not the same; "": nothing.
func differ(ctx context.Context, ours *history.Log, theirs room.Log, upto uint64) (why string, err error) {
	after := upto - min(upto, compared)
	run, err := stretch(ctx, theirs, after, upto)
	if err != nil {
		return "", err
	}
	own, err := ownStretch(ctx, ours, after, upto)
	if err != nil || len(own) != len(run) {
		return "has a part that cannot be read", nil
	}
	for i, e := range slices.Backward(run) {
		if deleted(e) { // nobody can tell
			continue
		}
		if e.Seq != own[i].Seq || e.Key != own[i].Key || e.ID != own[i].ID {
			return fmt.Sprintf("has another entry %d than the cluster", e.Seq), nil
		}
		break
	}
	return "", nil
}

// stretch reads the entries of a log after one and up to another, which it has.
func stretch(ctx context.Context, l room.Log, after, upto uint64) (run []room.Entry, err error) {
	err = through(ctx, l, after, upto, func(more []room.Entry) error {
		run = append(run, more...)
		return nil
	})
	return run, err
}

// ownStretch reads the entries of a log of ours after one and up to another.
func ownStretch(ctx context.Context, l *history.Log, after, upto uint64) (run []history.Record, err error) {
	for after < upto {
		more, err := l.After(ctx, after, int(upto-after))
		if err != nil || len(more) == 0 {
			return run, err
		}
		run, after = append(run, more...), more[len(more)-1].Seq
	}
	return run, nil
}

// errThrough ends the reading of a log that goes on.
var errThrough = errors.New("all is read")

// through calls each with the entries of a log after one and up to another, which it has.
func through(ctx context.Context, l room.Log, after, upto uint64, each func([]room.Entry) error) error {
	if after >= upto {
		return nil
	}
	err := l.Tail(ctx, after, func(run []room.Entry) error {
		if n := len(run); run[n-1].Seq > upto {
			run = run[:n-int(run[n-1].Seq-upto)]
		}
		if err := each(run); err != nil {
			return err
		}
		if run[len(run)-1].Seq == upto {
			return errThrough
		}
		return nil
	})
	if errors.Is(err, errThrough) {
		return nil
	}
	return err
}

// deleted tells whether nothing is left of an entry but its number.
func deleted(e room.Entry) bool {
	return e.Key == transport.Key{} && e.ID == [16]byte{} && len(e.Body) == 0
}

// records are entries as a history has them. Those that were deleted are for nobody.
func records(run []room.Entry) []history.Record {
	list := make([]history.Record, len(run))
	for i, e := range run {
		if list[i] = record(e); deleted(e) {
			list[i] = history.Record{Seq: e.Seq, Audience: [][32]byte{}}
		}
	}
	return list
}

// compare reads both logs up to their last entry, and sees that they are the same.
func (r *Relocation) compare(ctx context.Context, name string, ours *history.Log, theirs room.Log, last uint64) (history.Chain, error) {
	var here, there chaining
	err := through(ctx, theirs, 0, last, func(run []room.Entry) error {
		for _, e := range records(run) {
			there.add(e)
		}
		own, err := ownStretch(ctx, ours, here.seq, there.seq)
		if err != nil {
			return historyError(name, err)
		}
		for _, e := range own {
			here.add(e)
		}
		if here != there {
			return refuse("look at the one here: parley history "+Quoted(name)+" --check", "what was moved of %s is not what there was: the logs differ before entry %d", name, here.seq+1)
		}
		r.far("compared", there.seq, last)
		return nil
	})
	return here.chain, err
}

// chaining is the chain over the entries of a log, up to one.
type chaining struct {
	seq   uint64
	chain history.Chain
	left  bool // something is left of an entry
}

// add adds the next one. In a cluster's log nothing is left of what was deleted; in a
// file it has an id, unless it is the beginning of the log.
func (c *chaining) add(r history.Record) {
	traceless := r.Blank() && r.Key == [32]byte{} && r.ID == [16]byte{}
	if traceless && c.left {
		r = history.Deleted(r.Seq)
	}
	c.left = c.left || !traceless
	c.seq, c.chain = r.Seq, c.chain.Next(r)
}
