package room

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"time"
)

// Who comes back says which log it has read up to where, and the last event it
// has: its seq and id. A log that lacks this event is another one, whatever its
// id: an older copy of it was put back, and what was said since is a different
// story. Then nothing is merged. The welcome says so (anew), its events begin with
// what is said from now on, and the member draws a line.

// boundsTime is how long a log may take to tell where it ends, while somebody waits for
// a seat. One on this computer answers at once, one that does not may be cut off.
const boundsTime = 2 * time.Second

// compare tells, of a join, whether our log is the one that its sender knows. It
// is done by the connection's own goroutine, before the core has the join.
func (h *Host) compare(ctx context.Context, cmd *command) error {
	cmd.anew = false
	if cmd.Log != hexID(h.Log.ID()) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, boundsTime)
	defer cancel()
	gone, end, err := h.Log.Bounds(limited)
	switch {
	case err != nil && ctx.Err() == nil && h.feed.has(cmd.Seq, cmd.LastSeq, cmd.LastID): // of what is shown here
		return nil
	case err != nil:
		h.Logger.Error("the room's log cannot be read", "room", h.Name, "err", err)
		return net.ErrClosed
	case max(cmd.Seq, cmd.LastSeq) > end:
		cmd.anew = true
		return nil
	}
	if cmd.end = end; cmd.LastSeq <= gone { // none, or nobody knows any more
		return nil
	}
	read := errors.New("read")
	err = h.Log.Tail(limited, cmd.LastSeq-1, func(entries []Entry) error {
		id := entries[0].ID // of one that was deleted it may be left
		cmd.anew = id != [16]byte{} && hex.EncodeToString(id[:]) != cmd.LastID
		return read
	})
	if errors.Is(err, read) || ctx.Err() == nil && h.feed.has(cmd.Seq, cmd.LastSeq, cmd.LastID) {
		return nil
	}
	return cmp.Or(ctx.Err(), err)
}
