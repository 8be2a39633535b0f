package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

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

// Rooms lists the rooms of which there is anything, by name.
func (h *Histories) Rooms() ([]string, error) {
	files, err := os.ReadDir(h.Dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var names []string
	var bad error
	for _, f := range files {
		if end := filepath.Ext(f.Name()); end != logSuffix && end != copySuffix {
			continue
		}
		l, err := history.Open(filepath.Join(h.Dir, f.Name()), history.Options{Reading: true})
		if err != nil {
			if bad == nil && errors.Is(err, history.ErrFailed) {
				bad = err
			}
			continue // parley history ROOM tells of it
		}
		if name := l.Summary().Room; !slices.Contains(names, name) {
			names = append(names, name)
		}
		l.Close()
	}
	if len(names) == 0 && bad != nil { // or nothing would seem to be kept
		return nil, historyError("", bad)
	}
	slices.Sort(names)
	return names, nil
}

// Of tells whether a book is of the room with a key; zero: of a plaintext room.
func (h *Histories) Of(b Book, key transport.Key) bool {
	rest, ok := strings.CutPrefix(b.Path, h.path(b.Name, key))
	return ok && (rest == logSuffix || strings.HasPrefix(rest, "-"))
}
