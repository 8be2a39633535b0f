package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// A room can move: from this computer, whose log is a file, into a cluster, and from there
// into a file. Numbers, ids, times and words stay as they are, and so does the log's
// id, so that members go on where they were; and the room's key, so that they know it.
//
// Whichever way, the log at the end is compared with the one at the beginning, entry for
// entry, by their chains. Until then nothing hosts what has come: a file that is not whole has a
// name of its own (ROOM-KEY.import), and a stream that is not whole is marked. What was broken off goes on
// where it was. What does not belong together is refused.

// A farLog is a room's log in a cluster that a room can be moved into, or out of.
type farLog interface {
	sharedLog
	stateful

	// Import stores entries that follow its end, as they are. After an error nobody
	// knows how many.
	Import(ctx context.Context, entries []room.Entry) error
	// SaveState keeps what entries up to seq add up to, some of which are deleted.
	SaveState(ctx context.Context, seq uint64, state []byte) error
	// Secret returns the seed of the room's key, which is the one proposed first; nil
	// proposes nothing, and none is returned where there is none.
	Secret(ctx context.Context, propose []byte) ([]byte, error)
	// Hosting tells who hosts the room there now.
	Hosting(ctx context.Context) (nicks []string, err error)
	// Moving tells whether the room is on its way there, and not whole: then nobody
	// opens it. Mark says so, or that it is over.
	Moving() bool
	Mark(ctx context.Context, moving bool) error
}

// farPlace is a cluster.
type farPlace interface {
	// open opens what there is of a room.
	open(ctx context.Context, name string) (farLog, error)
	// begin opens what there is of a room, or begins a log with an id that has deleted its
	// entries up to one and is marked as moving.
	begin(ctx context.Context, name string, id [16]byte, gone uint64) (farLog, error)
	Close()
}

const (
	// moveRun is how many entries are moved at once.
	moveRun = 512
	// moveTries is how often in a row it is tried to go on after the cluster has failed,
	// and movePause is before each: a cluster has another leader after some seconds.
	moveTries = 6
	movePause = 2 * time.Second
)

// A Relocation moves rooms between this computer and a cluster.
type Relocation struct {
	Histories *Histories
	Keys      Keys
	Moves     *Moves
	// Lossy agrees to what is told to be lost.
	Lossy bool
	// Far is told how far it is, of how many entries. Nil: nobody.
	Far func(doing string, done, of uint64)

	place farPlace
	pause time.Duration // before trying again
}

// Relocated is what became of a move.
type Relocated struct {
	Log     [16]byte
	Key     transport.Key
	Last    uint64        // the last entry
	Moved   uint64        // how many entries were moved now; the others were there
	Deleted uint64        // of how many entries there is but a number
	Chain   history.Chain // over all of them, as they are
	Path    string        // of the file: the log, or the copy that it has become
	Aside   []string      // files that were put aside
}

// far tells how far it is.
func (r *Relocation) far(doing string, done, of uint64) {
	if r.Far != nil {
		r.Far(doing, done, of)
	}
}

// refuse is an error of a move that is refused.
func refuse(hint, format string, args ...any) error {
	return &Error{Code: CodeHistory, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// ToCluster moves a room of this computer into the cluster, where it is not yet or where
// there is the beginning of it. The file becomes the copy beside the cluster's log.
func (r *Relocation) ToCluster(ctx context.Context, name string) (Relocated, error) {
	done, err := r.toCluster(ctx, name)
	return done, clusterError(err)
}

func (r *Relocation) toCluster(ctx context.Context, name string) (done Relocated, err error) {
	key, release, err := r.Keys.Held(name)
	if err != nil {
		return done, err
	}
	defer release()
	h := r.Histories
	path := h.path(name, key.Key())
	if _, err := h.settle(name, key.Key()); err != nil {
		return done, err
	}
	if !exists(path + logSuffix) {
		return done, h.nothingToMove(name, path)
	}
	ours, err := history.Open(path+logSuffix, history.Options{Room: name, Of: key.Key(), Warn: h.Warn})
	if err != nil {
		return done, endFirst(historyError(name, err), name)
	}
	defer ours.Close()
	is := ours.Summary()
	done = Relocated{Log: is.Log, Key: key.Key(), Last: is.Last, Deleted: is.Pruned, Path: path + sharedSuffix}
	switch {
	case is.Last == 0:
		return done, refuse("open it there: parley host "+Quoted(name)+" --cluster URL,…", "nothing was said in %s yet: there is nothing to move", name)
	case is.Pruned > 0 && !r.Lossy:
		return done, refuse("move the rest with --yes", "what was said in %s up to entry %d is deleted here, as --keep has it: it moves with %d numbers that have nothing in them; who is banned, and all else that holds, is not lost", name, is.Pruned, is.Pruned)
	}
	theirs, err := r.place.begin(ctx, name, is.Log, is.Gone)
	if err != nil {
		return done, err
	}
	if done.Moved, err = r.out(ctx, name, key, ours, theirs); err != nil {
		return done, err
	}
	if done.Chain, err = r.compare(ctx, name, ours, theirs, is.Last); err != nil {
		return done, err
	}
	if err := theirs.Mark(ctx, false); err != nil {
		return done, err
	}
	if err := ours.Close(); err != nil {
		return done, historyError(name, err)
	}
	if exists(path + sharedSuffix) {
		aside, err := h.putAside(path + sharedSuffix)
		if err != nil {
			return done, err
		}
		done.Aside = append(done.Aside, aside)
	}
	return done, h.move(path+logSuffix, path+sharedSuffix)
}

// nothingToMove tells why there is no log to be moved.
func (h *Histories) nothingToMove(name, path string) error {
	if exists(path + sharedSuffix) {
		return refuse("host it there: parley host "+Quoted(name)+" --cluster URL,…", "%s is in a cluster already: here is a copy of it", name)
	}
	if exists(path + importSuffix) {
		return refuse(fmt.Sprintf("bring the rest: parley history import %s --cluster URL,…; or move that file away", Quoted(name)),
			"%s is on its way here from a cluster, and not all of it has come (%s)", name, path+importSuffix)
	}
	return notHosted(name)
}

func notHosted(name string) error {
	return &Error{Code: CodeNotFound, Text: fmt.Sprintf("no room %s that you host keeps its log here", name),
		Hint: "only who hosts a room can move it; copies of what was said elsewhere stay where they are"}
}

// endFirst says of a room that is hosted what is to be done before it moves.
func endFirst(err error, name string) error {
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeHosted {
		return err
	}
	told := *e
	told.Hint = "end it there first: nobody may say anything in " + name + " while it moves"
	return &told
}

// out moves what the other log does not have yet.
func (r *Relocation) out(ctx context.Context, name string, key transport.Identity, ours *history.Log, theirs farLog) (moved uint64, err error) {
	end, err := r.belongs(ctx, name, key, ours, theirs)
	if err != nil {
		return 0, err
	}
	last := ours.Last()
	if end < last && !theirs.Moving() { // it was whole there once, and somebody may have it open
		if err := r.reserve(ctx, name, theirs); err != nil {
			return 0, err
		}
	}
	for first, tries := end, 0; ; {
		for end < last {
			run, err := ours.After(ctx, end, moveRun)
			if err != nil {
				return moved, historyError(name, err)
			}
			if err = theirs.Import(ctx, entries(run)); err != nil {
				break
			}
			end, tries = run[len(run)-1].Seq, 0
			r.far("moved", end, last)
		}
		moved = end - first
		if end == last || ctx.Err() != nil {
			break
		}
		// It may have more than we know, or somebody else may have written to it.
		if tries++; tries > moveTries {
			return moved, refuse("see parley doctor --cluster; then do this again, it goes on where it was", "the cluster takes no more than %d of %d entries of %s", end, last, name)
		}
		if sleep(ctx, r.pause); ctx.Err() != nil {
			break
		}
		switch now, err := r.belongs(ctx, name, key, ours, theirs); {
		case err == nil:
			end = now
		case refused(err):
			return moved, err
		}
	}
	if ctx.Err() != nil {
		return moved, ctx.Err()
	}
	if ours.Pruned() == 0 {
		return moved, nil
	}
	seq, state, err := ours.Checkpoint(ctx)
	if err != nil {
		return moved, historyError(name, err)
	}
	return moved, theirs.SaveState(ctx, seq, state)
}

// reserve keeps others from opening a room in the cluster, unless somebody has.
func (r *Relocation) reserve(ctx context.Context, name string, theirs farLog) error {
	err := theirs.Mark(ctx, true)
	if err != nil {
		return err
	}
	who, err := theirs.Hosting(ctx)
	if err == nil {
		err = hostedThere(name, who)
	}
	if err != nil {
		err = errors.Join(err, theirs.Mark(ctx, false))
	}
	return err
}

// refused tells errors that trying again does not help.
func refused(err error) bool {
	var e *Error
	return errors.As(clusterError(err), &e) && !strings.HasSuffix(e.Code, CodeUnreachable)
}

// belongs sees that a log in the cluster is the beginning of ours, and of the same room. It
// returns how long it is.
func (r *Relocation) belongs(ctx context.Context, name string, key transport.Identity, ours *history.Log, theirs farLog) (end uint64, err error) {
	_, end, err = theirs.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	if ours.ID() != theirs.ID() {
		return 0, refuse("two rooms are not put together: keep one of them under another name",
			"the cluster has another room %s, with another log (%s; this is %s)", name, brief(theirs.ID()), brief(ours.ID()))
	}
	if end > ours.Last() {
		return 0, refuse("to have it here: parley history import "+Quoted(name)+" --cluster URL,…",
			"the cluster has more of %s than this computer: %d entries, here are %d", name, end, ours.Last())
	}
	if why, err := differ(ctx, ours, theirs, end); err != nil || why != "" {
		if err == nil {
			err = refuse("two rooms are not put together: keep one of them under another name", "the log of %s here %s: they have been apart", name, why)
		}
		return 0, err
	}
	seed, err := theirs.Secret(ctx, key.Seed())
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(seed, key.Seed()) {
		return 0, refuse("members would take it for another room: keep one of them under another name", "the room %s in the cluster has another key than yours", name)
	}
	return end, nil
}

// brief is the beginning of a log's id, for people.
func brief(id [16]byte) string { return hex.EncodeToString(id[:4]) }

// hostedThere refuses a move while somebody hosts the room in the cluster.
func hostedThere(name string, who []string) error {
	if len(who) == 0 {
		return nil
	}
	by := fmt.Sprintf("%d hosts", len(who))
	if len(who) == 1 {
		by = "a host"
	}
	var named []string
	for _, nick := range who {
		if nick != "" {
			named = append(named, nick)
		}
	}
	if len(named) > 0 {
		by += " (" + strings.Join(named, ", ") + ")"
	}
	return &Error{Code: CodeHosted, Text: fmt.Sprintf("%s is open in the cluster, served by %s", name, by),
		Hint: "end it there first: nobody may say anything while it moves. A host that was killed is forgotten after 10 seconds"}
}
