package node

import (
	"context"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// copyFor opens, for a member, its copy of a log.
func (n *Node) copyFor(name string, key transport.Key, log [16]byte) (room.Copy, error) {
	c, err := n.Histories.Copy(name, key, log)
	if err != nil {
		return nil, err
	}
	return memberCopy{c}, nil
}

// copies gives members what they open their copies with; nil where none are kept.
func (n *Node) copies() func(string, transport.Key, [16]byte) (room.Copy, error) {
	if n.Histories == nil || n.Histories.Keep.None {
		return nil
	}
	return n.copyFor
}

// memberCopy is a Copy as a member has it.
type memberCopy struct{ *Copy }

var _ room.Copy = memberCopy{}

func (c memberCopy) Put(ctx context.Context, entries []room.Entry, receipts []room.Receipt) error {
	known := make([]history.Receipt, len(receipts))
	for i, r := range receipts {
		known[i] = history.Receipt(r)
	}
	return c.Copy.Put(ctx, entries, known)
}

func (c memberCopy) Receipt(ctx context.Context, seq uint64) (room.Receipt, bool, error) {
	r, known, err := c.Copy.Receipt(ctx, seq)
	return room.Receipt(r), known, err
}
