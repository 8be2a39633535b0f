package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ImportMemory returns an empty Memory that is to be filled with the entries of
// the log called id, by Import.
func ImportMemory(id [16]byte) *Memory {
	m := NewMemory()
	m.id = id
	return m
}

// errOrder is that entries to import do not follow those that are there.
var errOrder = errors.New("the entries do not follow")

// Import takes in another log's next entries.
func (m *Memory) Import(ctx context.Context, entries []Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range entries {
		if e.Seq != m.end()+1 {
			return fmt.Errorf("%w: %d after %d", errOrder, e.Seq, m.end())
		}
		e.Body, e.Audience = slices.Clone(e.Body), slices.Clone(e.Audience)
		m.entries = append(m.entries, e)
		if e.ID != ([16]byte{}) { // of what was forgotten there is a number alone
			m.known[entryID{e.Key, e.ID}] = e.Seq
		}
		m.bytes += sizeOf(entries[i])
	}
	if m.bytes > m.limit {
		m.forget()
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return nil
}

// Gone forgets the entries up to one.
func (m *Memory) Gone(ctx context.Context, upto uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if upto > m.end() {
		return errOrder
	}
	m.drop(int(upto - min(upto, m.base)))
	return nil
}

var _ Importer = (*Memory)(nil)
