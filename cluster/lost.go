package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Whoever may write to the servers may also delete a room's stream, make another in its place, put
// back an older state of it, or have it forget. A host that goes on as if nothing had happened
// would number anew what its members believe to be numbered: so it looks at the stream every few
// seconds, and at each answer, and ends the room when that is not the log any more.

// lostAfter is how long a stream has to be missing, or shorter than it was, until that is
// believed: a server that has just begun to lead may be behind for a moment, and a cluster
// that starts knows its streams after its first answers.
const lostAfter = 10 * time.Second

// lostLog is what is known of a stream that may be none of ours any more. The room's mu guards it.
type lostLog struct {
	since time.Time // it was first missing, or shorter; zero: it is not
	err   *Error    // it is lost, for good
	told  string    // what else is wrong with it, as it was told
}

// inspect asks for the state of the stream. It fails for good once the stream is
// not the log that was opened.
func (r *Room) inspect(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	info, err := r.stream.Info(ctx)
	if lost := r.judge(info, err, time.Now()); lost != nil {
		return nil, lost
	}
	if err != nil {
		return nil, explain(err, r.cluster.servers)
	}
	r.saw(info.State.LastSeq)
	return info, nil
}

// judge tells whether the log is lost, after an answer.
func (r *Room) judge(info *jetstream.StreamInfo, err error, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &r.lost
	if l.err != nil {
		return l.err
	}
	var e *Error
	sure := false
	switch at := r.at.Load(); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		e = r.lostError(CodeMissing, "was deleted from the cluster")
	case err != nil:
		return nil
	default:
		_, id, _, ours := identify(info.Config.Description)
		switch {
		case !ours || id != r.id || !info.Created.Equal(r.made):
			sure, e = true, r.lostError(CodeNotOurs, "was replaced in the cluster by another")
		case info.State.LastSeq < at:
			e = r.lostError(CodeEdited, fmt.Sprintf("had %d entries in the cluster, and has %d: somebody has put back an older state", at, info.State.LastSeq))
		}
		r.complain(info)
	}
	switch {
	case e == nil:
		l.since = time.Time{}
	case l.since.IsZero() && !sure:
		l.since = now
	case sure || now.Sub(l.since) >= lostAfter:
		l.err = e
		return e
	}
	return nil
}

// lostError is an error that ends the room.
func (r *Room) lostError(code, what string) *Error {
	return &Error{code, fmt.Sprintf("the log of %s (stream %s) %s", r.name, r.streamName(), what),
		"the room is ended here, so that there are no two of it. What this computer has of it: parley history " + r.name, nil}
}

// ended tells why the log is lost; nil: it is not, as far as is known.
func (r *Room) ended() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost.err == nil {
		return nil
	}
	return r.lost.err
}

// renumbered takes in that the stream has given an entry a number that another has.
func (r *Room) renumbered() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost.err == nil {
		r.lost.err = r.lostError(CodeEdited, "begins anew in the cluster: somebody has deleted it there, or put back an older state")
	}
	return errors.New(r.lost.err.Text) // not the error itself: nobody knows what is stored
}

// complain tells people, whenever it is another thing, what somebody has changed of the stream that makes it
// no place to keep a log. The caller holds r.mu.
func (r *Room) complain(info *jetstream.StreamInfo) {
	why := unfit(&info.Config, r.prefix)
	if why != r.lost.told && why != "" {
		r.cluster.warn(fmt.Sprintf("the log of %s (stream %s) was changed in the cluster: %s. Change it back: what is said may be lost there, and no host can open the room", r.name, r.streamName(), why))
	}
	r.lost.told = why
}
