package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// A room of several hosts is numbered, and kept, by a cluster. Each host has a copy of
// it on its own disk beside that, ROOM-KEY.cluster.log, of which this is to be had:
//
//   - pages and searches without a question to the cluster, whose search is a poor one;
//   - what the entries add up to, so that the room need not be read whole when it opens;
//   - what was said, for parley history, also where the cluster is out of reach.
//
// The copy is never asked what is so, but where the cluster would say the same: it is
// written when the cluster has given an entry its number, and before anybody sees it. That
// takes 0.1 ms, and 0.4 ms for one entry in a hundred, since it does not wait for the disk:
// what a crash takes comes again. When a copy cannot be written, the room goes on without.

// sharedSuffix ends the name of a copy beside a cluster's log.
const sharedSuffix = ".cluster" + logSuffix

const (
	// compareTime bounds the looking at the cluster's log when a copy is opened.
	compareTime = 20 * time.Second
	// mendEvery is how often a copy that cannot be written is tried again.
	mendEvery = 5 * time.Second
	// ahead is more than any log has entries: a page before such a number is the last.
	ahead = 1 << 40
)

// sharedLog is a room's log in a cluster.
type sharedLog interface {
	room.Log
	room.Keeper
}

// A stateful is a sharedLog that knows what entries add up to which are deleted in it.
type stateful interface {
	State(ctx context.Context) (seq uint64, state []byte, err error)
}

// besideLog is a cluster's log with the copy of it here.
type besideLog struct {
	sharedLog
	name string
	copy *history.Log
	warn func(string)

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // held while the copy is written
	seen    uint64     // up to here the cluster has entries that we know of
	mending bool       // the copy catches up by itself, and nobody else writes it
	told    bool       // that it cannot be written
	grown   chan struct{}
}

var (
	_ room.Log          = (*besideLog)(nil)
	_ room.Checkpointer = (*besideLog)(nil)
	_ room.Keeper       = (*besideLog)(nil)
)

// Beside opens the copy of a cluster's log, or begins it, and returns the log with its
// copy beside it. A copy that is not of this log, or not of its beginning, is put aside: nothing is
// put together that was not said together. The caller closes it after the room has ended.
func (h *Histories) Beside(ctx context.Context, name string, key transport.Key, shared sharedLog) (log room.Log, release func() error, err error) {
	if h == nil || h.Keep.None {
		return shared, func() error { return nil }, nil
	}
	ctx, done := context.WithTimeout(ctx, compareTime)
	defer done()
	_, end, err := shared.Bounds(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, why, err := h.openBeside(ctx, name, key, shared, end)
	if err == nil && why != "" {
		var aside string
		if aside, err = h.putAside(h.path(name, key) + sharedSuffix); err == nil {
			h.tell(fmt.Sprintf("the copy here of what was said in %s %s: it is kept as %s, and a new one is begun", name, why, aside))
			c, why, err = h.openBeside(ctx, name, key, shared, end)
		}
	}
	if err == nil && why != "" {
		err = &Error{Code: CodeHistory, Text: fmt.Sprintf("no copy of what is said in %s can be begun here: it %s", name, why)}
	}
	if err != nil {
		return nil, nil, err
	}
	l := &besideLog{sharedLog: shared, name: name, copy: c, warn: h.tell, seen: end, grown: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, l.close, nil
}

// beside gives r, which is a room of a cluster, the copy of its log.
func (n *Node) beside(ctx context.Context, r *hosted) error {
	log, release, err := n.Histories.Beside(ctx, r.Name, r.Host.Key.Key(), r.shared)
	if err != nil {
		return clusterError(err)
	}
	key := r.release
	r.Log, r.release = log, func() {
		if err := release(); err != nil {
			n.log.Warn("the copy of a room's log did not close", "room", r.Name, "err", err)
		}
		key()
	}
	return nil
}

// tell tells the person what is not an error.
func (h *Histories) tell(text string) {
	if h.Warn != nil {
		h.Warn(text)
	}
}

// openBeside opens the copy, or tells why it is none of this log.
func (h *Histories) openBeside(ctx context.Context, name string, key transport.Key, shared sharedLog, end uint64) (c *history.Log, why string, err error) {
	c, err = history.Open(h.path(name, key)+sharedSuffix, history.Options{Room: name, Of: key, Log: shared.ID(), Elsewhere: true, Warn: h.Warn})
	var e *history.Error
	switch {
	case errors.Is(err, history.ErrDamaged), errors.Is(err, history.ErrForeign):
		errors.As(err, &e)
		return nil, e.Problem.Error(), nil
	case err != nil:
		return nil, "", historyError(name, err)
	}
	if why, err = unlike(ctx, c, shared, end); err != nil || why != "" {
		return nil, why, errors.Join(err, c.Close())
	}
	return c, "", nil
}

// putAside gives a log that nobody has open a name under which nothing is looked for.
func (h *Histories) putAside(path string) (aside string, err error) {
	aside = path + ".before-" + time.Now().Format("2006-01-02-150405")
	for n := 2; exists(aside) && n < maxCopies; n++ {
		aside = fmt.Sprintf("%s.before-%s-%d", path, time.Now().Format("2006-01-02-150405"), n)
	}
	if exists(aside) {
		return "", &Error{Code: CodeHistory, Text: "there are too many files beside " + path, Hint: "move those away that you do not need"}
	}
	return aside, h.move(path, aside)
}

// Tail hands on what the copy has from there, and then what the cluster has, when the
// copy has it, too.
func (l *besideLog) Tail(ctx context.Context, after uint64, each func([]room.Entry) error) error {
	for after < l.copy.Last() {
		run, err := l.copy.After(ctx, after, copiedRun)
		if err != nil || len(run) == 0 {
			break // the cluster has it
		}
		if err := each(entries(run)); err != nil {
			return err
		}
		after = run[len(run)-1].Seq
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.sharedLog.Tail(ctx, after, func(run []room.Entry) error {
		l.put(ctx, run)
		return each(run)
	})
}

// copiedRun is how many entries are read from the copy at once.
const copiedRun = 256

// put writes what the cluster has handed out into the copy, unless it is there.
func (l *besideLog) put(ctx context.Context, run []room.Entry) {
	if len(run) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = max(l.seen, run[len(run)-1].Seq)
	last := l.copy.Last()
	run = slices.DeleteFunc(slices.Clone(run), func(e room.Entry) bool { return e.Seq <= last })
	if len(run) == 0 || l.mending {
		return
	}
	if run[0].Seq != last+1 {
		l.mend(nil)
		return
	}
	if err := l.copy.Put(ctx, records(run)); err == nil {
		l.wake()
	} else if ctx.Err() == nil {
		l.mend(err)
	}
}

// wake tells who waits for the copy that it has more. The caller holds l.mu.
func (l *besideLog) wake() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// mend has the copy catch up, beside the room, which does not wait for it. The caller holds
// l.mu.
func (l *besideLog) mend(cause error) {
	if l.ctx.Err() != nil {
		return
	}
	l.mending = true
	wait := time.Duration(0)
	if cause != nil {
		wait = mendEvery
		l.complain(cause)
	}
	l.work.Go(func() { l.catchUp(wait) })
}

// complain tells, once until it is over, that the copy cannot be written. The caller holds l.mu.
func (l *besideLog) complain(err error) {
	if !l.told {
		l.told = true
		l.warn(fmt.Sprintf("%s: the copy here of what is said cannot be written, and is behind; the room goes on: %v", l.name, err))
	}
}

// errCaughtUp ends the catching up.
var errCaughtUp = errors.New("the copy has caught up")

// catchUp writes into the copy what is missing in it, until it has what was seen.
func (l *besideLog) catchUp(wait time.Duration) {
	for sleep(l.ctx, wait); l.ctx.Err() == nil; sleep(l.ctx, mendEvery) {
		err := l.sharedLog.Tail(l.ctx, l.copy.Last(), func(run []room.Entry) error {
			if err := l.copy.Put(l.ctx, records(run)); err != nil {
				return err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.wake()
			if l.copy.Last() < l.seen {
				return nil
			}
			l.mending = false
			if l.told {
				l.told = false
				l.warn(l.name + ": the copy here of what is said is whole again")
			}
			return errCaughtUp
		})
		if errors.Is(err, errCaughtUp) || l.ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		l.complain(err)
		l.mu.Unlock()
	}
}

// covers tells whether the copy has what is before an entry. What the cluster has just
// numbered is on its way, and waited for a moment.
func (l *besideLog) covers(ctx context.Context, before uint64) bool {
	patience := time.NewTimer(copyWait)
	defer patience.Stop()
	for {
		l.mu.Lock()
		last, seen, grown, broken := l.copy.Last(), l.seen, l.grown, l.told
		l.mu.Unlock()
		switch asked := max(before, 1) - 1; {
		case last >= min(asked, seen): // or it is asked for what we do not know of
			return asked <= max(last, seen) || before > ahead
		case broken:
			return false
		}
		select {
		case <-grown:
		case <-patience.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// copyWait is how long a question waits for the copy: an entry that is stored comes back from
// the cluster within milliseconds.
const copyWait = 200 * time.Millisecond

// Append has the cluster store a batch.
func (l *besideLog) Append(ctx context.Context, batch []room.Entry) ([]room.Result, error) {
	results, err := l.sharedLog.Append(ctx, batch)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range results {
		l.seen = max(l.seen, r.Seq)
	}
	return results, err
}

// Page is answered by the copy, or by the cluster where the copy has it not yet, or cannot
// be read.
func (l *besideLog) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	if l.covers(ctx, before) {
		if page, err := (readLog{l.copy}).Page(ctx, viewer, before, n); err == nil || ctx.Err() != nil {
			return page, err
		}
	}
	page, err := l.sharedLog.Page(ctx, viewer, before, n)
	if err == nil || ctx.Err() != nil {
		return page, err
	}
	return readLog{l.copy}.Page(ctx, viewer, before, n)
}

// Search is answered by the copy as far as that goes.
func (l *besideLog) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	l.covers(ctx, before) // or not
	found, err := readLog{l.copy}.Search(ctx, viewer, words, before, n)
	if err == nil || ctx.Err() != nil {
		return found, err
	}
	return l.sharedLog.Search(ctx, viewer, words, before, n)
}

// Checkpoint is that of the copy, or else what the cluster keeps in place of
// entries that were deleted before they were moved there.
func (l *besideLog) Checkpoint(ctx context.Context) (seq uint64, state []byte, err error) {
	seq, state, err = l.copy.Checkpoint(ctx)
	s, ok := l.sharedLog.(stateful)
	if !ok || err == nil && seq > 0 {
		return seq, state, err
	}
	if moved, data, e := s.State(ctx); e != nil || moved > 0 {
		return moved, data, e
	}
	return seq, state, err
}

// SaveCheckpoint saves it in the copy.
func (l *besideLog) SaveCheckpoint(ctx context.Context, seq uint64, state []byte) error {
	return l.copy.SaveCheckpoint(ctx, seq, state)
}

// close closes the copy.
func (l *besideLog) close() error {
	l.cancel()
	l.work.Wait()
	return l.copy.Close()
}

// elsewhere refuses to open a room as this computer's own that a cluster keeps, or
// that is on its way from there: it would be another.
func (h *Histories) elsewhere(name string, key transport.Key) error {
	path := h.path(name, key)
	switch _, err := os.Stat(path + logSuffix); {
	case err == nil:
		return nil
	case exists(path + importSuffix):
		return &Error{Code: CodeHistory, Text: fmt.Sprintf("%s is on its way here from a cluster, and not all of it has come (%s)", name, filepath.Base(path+importSuffix)),
			Hint: fmt.Sprintf("bring the rest: parley history import %s --cluster URL,…; or move that file away", Quoted(name))}
	case exists(path + sharedSuffix):
		return &Error{Code: CodeHistory, Text: fmt.Sprintf("%s is kept by a cluster: without it this would be another room of that name and key", name),
			Hint: fmt.Sprintf("host it as before, with --cluster; or make it this computer's own: parley history import %s --cluster URL,…; if the servers are gone for good: parley host %[1]s --continue", Quoted(name))}
	}
	return nil
}

// importSuffix ends the name of a log that is being brought here from a cluster.
const importSuffix = ".import"
