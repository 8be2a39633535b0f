package room

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
)

// Who comes back says which log it has read up to where, and the last event it
// has: its seq and id. A log that lacks this event is another one, whatever its
// id: an older copy of it was put back, and what was said since is a different
// story. Then nothing is merged. The welcome says so (anew), its events begin with
// what is said from now on, and the member draws a line.

// compare tells, of a join, whether our log is the one that its sender knows. It
// is done by the connection's own goroutine, before the core has the join.
func (h *Host) compare(ctx context.Context, cmd *command) error {
	cmd.anew = false
	if cmd.Log != hexID(h.Log.ID()) {
		return nil
	}
	gone, end, err := h.Log.Bounds(ctx)
	switch {
	case err != nil:
		h.Logger.Error("the room's log cannot be read", "room", h.Name, "err", err)
		return net.ErrClosed
	case max(cmd.Seq, cmd.LastSeq) > end:
		cmd.anew = true
		return nil
	case cmd.LastSeq <= gone: // none, or nobody knows any more
		return nil
	}
	read := errors.New("read")
	err = h.Log.Tail(ctx, cmd.LastSeq-1, func(entries []Entry) error {
		id := entries[0].ID // of one that was deleted it may be left
		cmd.anew = id != [16]byte{} && hex.EncodeToString(id[:]) != cmd.LastID
		return read
	})
	if !errors.Is(err, read) {
		return err
	}
	return nil
}
