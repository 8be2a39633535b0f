package cluster

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Keys in the bucket.
const (
	keySecret   = "key"
	keyVerifier = "verifier"
	keyName     = "name." // and the name in hex
)

// claimTime is how long a claim may take: what else is to be stored waits for it.
const claimTime = 2 * time.Second

// Claim gives name to owner, unless somebody has it, who is returned then.
func (r *Room) Claim(ctx context.Context, name, owner string) (holder string, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	key := keyName + hex.EncodeToString([]byte(name))
	for range 3 {
		var revision uint64
		revision, err = r.agreed.Create(ctx, key, []byte(owner))
		if err == nil {
			r.claimed(name, revision)
			return "", nil
		}
		if !there(err) && !errors.Is(err, jetstream.ErrKeyExists) {
			return "", err
		}
		var e jetstream.KeyValueEntry
		if e, err = r.agreed.Get(ctx, key); err == nil {
			if string(e.Value()) != owner {
				return string(e.Value()), nil
			}
			// He had it at another host, whose release may be late: it is not of this claim.
			if revision, err = r.agreed.Update(ctx, key, []byte(owner), e.Revision()); err == nil {
				r.claimed(name, revision)
				return "", nil
			}
			if there(err) {
				continue
			}
			return "", err
		}
		if !errors.Is(err, jetstream.ErrKeyNotFound) { // else it was given back just now
			return "", err
		}
	}
	return "", err
}

// claimed notes the revision of a claim of ours.
func (r *Room) claimed(name string, revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims[name] = revision
}

// Release takes name from owner, if it has it by our claim.
func (r *Room) Release(ctx context.Context, name, owner string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	key := keyName + hex.EncodeToString([]byte(name))
	r.mu.Lock()
	ours := r.claims[name]
	delete(r.claims, name)
	r.mu.Unlock()
	e, err := r.agreed.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && (string(e.Value()) != owner || ours != 0 && e.Revision() != ours) {
		return nil
	}
	if err == nil {
		err = r.agreed.Delete(ctx, key, jetstream.LastRevision(e.Revision()))
	}
	if there(err) {
		return nil // somebody was quicker
	}
	return err
}

// Any server may answer what is asked, and one that is behind knows nothing of a key
// that was written just now.
const (
	staleTries = 8
	staleWait  = 250 * time.Millisecond
)

// Secret returns the seed of the room's key. Who is first decides it for ever.
func (r *Room) Secret(ctx context.Context, propose []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	// A room in which something was said has had a key: where it is missing now, it was deleted.
	if _, end, err := r.Bounds(ctx); err != nil {
		return nil, err
	} else if end == 0 || r.moving {
		// Update, as Create would put another key in place of one that was deleted.
		_, err := r.agreed.Update(ctx, keySecret, []byte(hex.EncodeToString(propose)), 0)
		if err == nil {
			return propose, nil
		}
		if !there(err) && !errors.Is(err, jetstream.ErrKeyExists) {
			return nil, explain(err, r.cluster.servers)
		}
	}
	e, err := r.agreed.Get(ctx, keySecret)
	for try := 0; errors.Is(err, jetstream.ErrKeyNotFound) && try < staleTries; try++ {
		pause(ctx, staleWait)
		e, err = r.agreed.Get(ctx, keySecret)
	}
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, &Error{CodeEdited, fmt.Sprintf("the key of the room %s was deleted from the cluster's bucket %s", r.name, r.agreed.Bucket()),
			"put it back, or begin another room: with another key its members would be warned of an impostor", err}
	}
	if err != nil {
		return nil, explain(err, r.cluster.servers)
	}
	seed, err := hex.DecodeString(string(bytes.TrimSpace(e.Value())))
	if err != nil || len(seed) != len(propose) {
		return nil, &Error{CodeEdited, fmt.Sprintf("the key of the room %s in the cluster's bucket %s is none", r.name, r.agreed.Bucket()),
			"somebody has edited it; put the right one back, or begin another room", err}
	}
	return seed, nil
}

// Verifier returns the verifier of the room's password; nil: it has none.
func (r *Room) Verifier(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	e, err := r.agreed.Get(ctx, keyVerifier)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err, r.cluster.servers)
	}
	return e.Value(), nil
}

// SetVerifier has all hosts ask for another password, or, if v is nil, for none.
func (r *Room) SetVerifier(ctx context.Context, v []byte) (err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	if v == nil {
		err = r.agreed.Delete(ctx, keyVerifier)
	} else {
		_, err = r.agreed.Put(ctx, keyVerifier, v)
	}
	return explain(err, r.cluster.servers)
}

// WatchVerifier calls changed with the verifier, nil for none, whenever somebody has set it,
// until ctx ends.
func (r *Room) WatchVerifier(ctx context.Context, changed func([]byte)) {
	for ctx.Err() == nil {
		if w, err := r.agreed.Watch(ctx, keyVerifier); err == nil {
			watched(ctx, w, changed)
			unwatch(w)
		}
		pause(ctx, presentEvery)
	}
}

func watched(ctx context.Context, w jetstream.KeyWatcher, changed func([]byte)) {
	for {
		select {
		case e, open := <-w.Updates():
			switch {
			case !open:
				return
			case e == nil: // that was all so far
			case e.Operation() == jetstream.KeyValuePut:
				changed(e.Value())
			default:
				changed(nil)
			}
		case <-ctx.Done():
			return
		}
	}
}

const (
	// A claim that nobody uses is given back after so long: a host was killed between
	// claiming a name and storing who has it.
	unusedFor  = time.Minute
	sweepEvery = 20 * time.Second
	// maxNames bounds what one sweep looks at.
	maxNames = 20_000
)

// claims are the names that were claimed and are nobody's, since when we have seen them so.
type claims map[string]unused

type unused struct {
	revision uint64
	since    time.Time
}

// sweep gives back the names that are claimed and have been nobody's for some time, by our
// own clock, and by a log that we have read to its end.
func (r *Room) sweep(ctx context.Context, now time.Time, seen claims, taken func(string) bool) {
	_, end, err := r.Bounds(ctx)
	if err != nil || r.at.Load() < end {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	all, gone, whole := r.listNames(ctx)
	for key, revision := range all {
		name, err := hex.DecodeString(strings.TrimPrefix(key, keyName))
		if err != nil || taken(string(name)) {
			delete(seen, key)
			continue
		}
		if u, ok := seen[key]; !ok || u.revision != revision {
			seen[key] = unused{revision, now}
		} else if now.Sub(u.since) >= unusedFor && !taken(string(name)) {
			r.cluster.log.Debug("a name that nobody has is given back", "room", r.name)
			r.agreed.Delete(ctx, key, jetstream.LastRevision(u.revision))
			delete(seen, key)
		}
	}
	for key := range seen {
		if _, there := all[key]; !there && whole {
			delete(seen, key)
		}
	}
	r.forgetClaims(taken)
	r.wipe(ctx, gone)
}

// marked is a key that was deleted: the bucket keeps a mark of it.
type marked struct {
	key      string
	revision uint64
}

// maxWiped bounds the marks that one sweep takes away.
const maxWiped = 256

// listNames lists the names that are claimed, with the revision of that, and some that are no more. whole
// tells whether it is all of the former.
func (r *Room) listNames(ctx context.Context) (all map[string]uint64, gone []marked, whole bool) {
	watch, err := r.agreed.Watch(ctx, keyName+">", jetstream.MetaOnly())
	r.mindBucket(errors.Is(err, nats.ErrStreamNotFound) || errors.Is(err, jetstream.ErrStreamNotFound))
	if err != nil {
		return nil, nil, false
	}
	defer unwatch(watch)
	all = map[string]uint64{}
	for len(all) < maxNames {
		select {
		case e, open := <-watch.Updates():
			switch {
			case !open:
				return all, gone, false
			case e == nil:
				return all, gone, true
			case e.Operation() == jetstream.KeyValuePut:
				all[e.Key()] = e.Revision()
			case len(gone) < maxWiped:
				gone = append(gone, marked{e.Key(), e.Revision()})
			}
		case <-ctx.Done():
			return all, gone, false
		}
	}
	return all, gone, false
}

// mindBucket tells people, once, that the bucket of what hosts agree on is gone.
func (r *Room) mindBucket(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone && !r.robbed {
		r.cluster.warn(fmt.Sprintf("the bucket %s of %s was deleted from the cluster: nobody new can come in, and no host can open the room. Put it back from a backup", r.agreed.Bucket(), r.name))
	}
	r.robbed = gone
}

// wipe takes the marks of deleted names out of the bucket. They would be there for ever, one for each name that
// anybody ever had, and be read at each sweep.
func (r *Room) wipe(ctx context.Context, gone []marked) {
	if len(gone) == 0 {
		return
	}
	bucket, err := r.cluster.js.Stream(ctx, "KV_"+r.agreed.Bucket())
	if err != nil {
		return
	}
	for _, m := range gone {
		// Not what may have been written behind the mark since.
		if bucket.Purge(ctx, jetstream.WithPurgeSubject("$KV."+r.agreed.Bucket()+"."+m.key), jetstream.WithPurgeSequence(m.revision+1)) != nil {
			return
		}
	}
}

// forgetClaims forgets our claims of names that are nobody's: who had one has left at another host.
func (r *Room) forgetClaims(taken func(string) bool) {
	r.mu.Lock()
	names := slices.Collect(maps.Keys(r.claims))
	r.mu.Unlock()
	for _, name := range names {
		if !taken(name) {
			r.mu.Lock()
			delete(r.claims, name)
			r.mu.Unlock()
		}
	}
}

// unwatch ends a watcher. What waits in it is taken out: the library would hold it, and a goroutine,
// for ever.
func unwatch(w jetstream.KeyWatcher) {
	w.Stop()
	patience := time.NewTimer(requestTime)
	defer patience.Stop()
	for {
		select {
		case _, open := <-w.Updates():
			if !open {
				return
			}
		case <-patience.C:
			return
		}
	}
}

// Sweep gives back names that were claimed and are nobody's, for as long as ctx lasts.
// taken tells whether a name is somebody's. One host of a room will do.
func (r *Room) Sweep(ctx context.Context, taken func(name string) bool) {
	for seen := (claims{}); ctx.Err() == nil; pause(ctx, sweepEvery) {
		r.sweep(ctx, time.Now(), seen, taken)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
