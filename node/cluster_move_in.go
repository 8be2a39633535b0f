package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// FromCluster makes a log of this computer of a room that the cluster keeps. There it stays
// as it is.
func (r *Relocation) FromCluster(ctx context.Context, name string) (Relocated, error) {
	done, err := r.fromCluster(ctx, name)
	return done, clusterError(err)
}

func (r *Relocation) fromCluster(ctx context.Context, name string) (done Relocated, err error) {
	theirs, err := r.place.open(ctx, name)
	if err != nil {
		return done, err
	}
	if theirs.Moving() {
		return done, refuse("first have it moved there as a whole: parley history export "+Quoted(name)+" --cluster URL,…, where the room was", "%s is on its way into the cluster, and not all of it is there", name)
	}
	who, err := theirs.Hosting(ctx)
	if err == nil {
		err = hostedThere(name, who)
	}
	if err != nil {
		return done, err
	}
	seed, err := theirs.Secret(ctx, nil)
	var key transport.Identity
	if err == nil {
		if key, err = transport.IdentityFromSeed(seed); err != nil {
			err = refuse("open it once: parley host "+Quoted(name)+" --cluster URL,…", "the cluster keeps no usable key of the room %s", name)
		}
	}
	if err != nil {
		return done, err
	}
	keep, release, err := r.Keys.Adopt(name)
	if err != nil {
		return done, endFirst(err, name)
	}
	defer release()
	if old, err := r.Keys.kept(name); err == nil && old.Key() != key.Key() && exists(r.Histories.path(name, old.Key())+logSuffix) && !r.Lossy {
		return done, refuse("put its key aside with --yes; its log stays, too", "you host another room %s, with another key, on this computer", name)
	}
	if done, err = r.in(ctx, name, key, theirs); err != nil {
		return done, err
	}
	if err := keep(key); err != nil {
		return done, err
	}
	path := r.Histories.path(name, key.Key())
	if err := r.Histories.move(path+importSuffix, path+logSuffix); err != nil {
		return done, err
	}
	if r.Moves != nil {
		r.Moves.arrived(false, name)
	}
	return done, nil
}

// in brings a room's log here, under the name that it has on its way.
func (r *Relocation) in(ctx context.Context, name string, key transport.Identity, theirs farLog) (done Relocated, err error) {
	h := r.Histories
	path := h.path(name, key.Key())
	gone, end, err := theirs.Bounds(ctx)
	if err != nil {
		return done, err
	}
	done = Relocated{Log: theirs.ID(), Key: key.Key(), Last: end, Path: path + logSuffix}
	if end == 0 {
		return done, refuse("", "nothing was said in %s yet: there is nothing to bring", name)
	}
	at, state, err := theirs.State(ctx)
	if err != nil {
		return done, err
	}
	if at < gone && !r.Lossy {
		return done, refuse("bring the rest with --yes", "the entries of %s up to %d are deleted in the cluster: their numbers come, with nothing in them, and what was decided in them, such as bans, is lost", name, gone)
	}
	ours, err := r.incoming(ctx, name, key.Key(), theirs, end, &done)
	if err != nil {
		return done, err
	}
	defer ours.Close()
	first := ours.Last()
	err = through(ctx, theirs, first, end, func(run []room.Entry) error {
		err := ours.Put(ctx, records(run))
		r.far("brought", ours.Last(), end)
		return historyError(name, err)
	})
	if done.Moved = ours.Last() - first; err != nil {
		return done, err
	}
	if gone > 0 && at >= gone && at <= end {
		if err := ours.SaveCheckpoint(ctx, at, state); err != nil {
			return done, historyError(name, err)
		}
		if err := ours.SetPruned(ctx, gone); err != nil {
			return done, historyError(name, err)
		}
	}
	if done.Chain, err = r.compare(ctx, name, ours, theirs, end); err != nil {
		return done, err
	}
	done.Deleted = gone
	return done, historyError(name, ours.Close())
}

// incoming opens the file that the room comes into: the log that we have the beginning
// of, what an interrupted move has left, or a new one.
func (r *Relocation) incoming(ctx context.Context, name string, key transport.Key, theirs farLog, end uint64, done *Relocated) (*history.Log, error) {
	h := r.Histories
	path := h.path(name, key)
	o := history.Options{Room: name, Of: key, Log: theirs.ID(), Warn: h.Warn}
	if _, err := h.settle(name, key); err != nil {
		return nil, err
	}
	if exists(path + logSuffix) {
		if exists(path + importSuffix) {
			return nil, refuse("move one of them away", "there are two logs of %s here: %s and %s", name, path+logSuffix, filepath.Base(path+importSuffix))
		}
		ours, err := history.Open(path+logSuffix, o)
		if err != nil {
			return nil, endFirst(historyError(name, err), name)
		}
		why, err := unlike(ctx, ours, theirs, end)
		if err := errors.Join(err, ours.Close()); err != nil {
			return nil, err
		}
		if why != "" {
			return nil, refuse("two rooms are not put together: move that file away to have the cluster's", "the log of %s here %s: %s", name, why, path+logSuffix)
		}
		if err := h.move(path+logSuffix, path+importSuffix); err != nil {
			return nil, err
		}
	}
	for {
		ours, err := history.Open(path+importSuffix, o)
		why := ""
		if err == nil {
			if why, err = unlike(ctx, ours, theirs, end); err == nil && why == "" {
				return ours, nil
			}
			err = errors.Join(err, ours.Close())
		} else if errors.Is(err, history.ErrDamaged) || errors.Is(err, history.ErrForeign) {
			why, err = "is damaged", nil
		}
		if err == nil && len(done.Aside) > 0 { // that was a new one
			err = refuse("", "no log of %s can be begun here: it %s", name, why)
		}
		if err != nil {
			return nil, historyError(name, err)
		}
		aside, err := h.putAside(path + importSuffix)
		if err != nil {
			return nil, err
		}
		done.Aside = append(done.Aside, aside)
		h.tell(fmt.Sprintf("what an earlier import of %s has left %s: it is kept as %s", name, why, aside))
	}
}
