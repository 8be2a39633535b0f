package room

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"

	"parley/transport"
)

const (
	// maxMemory is the size of all bodies a Memory keeps: some days of a busy
	// room. It cannot forget old ones, for resuming rests on them.
	maxMemory = 256 << 20
	// memoryRun is how many entries a Memory gives Tail's each at once.
	memoryRun = 256
)

// Memory is a Log that lives as long as the program.
type Memory struct {
	id [16]byte

	mu      sync.Mutex
	entries []Entry
	bytes   int
	known   map[entryID]uint64
	grown   chan struct{} // closed when entries has grown
}

type entryID struct {
	key transport.Key
	id  [16]byte
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	m := &Memory{known: map[entryID]uint64{}, grown: make(chan struct{})}
	rand.Read(m.id[:])
	return m
}

// ID returns what was drawn when the Memory was made.
func (m *Memory) ID() [16]byte { return m.id }

// Append stores a batch. It fails, storing nothing, when memory is full.
func (m *Memory) Append(ctx context.Context, batch []Entry) ([]Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	size := 0
	for _, e := range batch {
		size += len(e.Body)
	}
	if m.bytes+size > maxMemory {
		return nil, fmt.Errorf("%w: the room's record is full", ErrNotStored)
	}
	results := make([]Result, len(batch))
	for i, e := range batch {
		name := entryID{e.Key, e.ID}
		if seq, ok := m.known[name]; ok {
			results[i] = Result{Seq: seq, Duplicate: true}
			continue
		}
		e.Seq = uint64(len(m.entries)) + 1
		e.Body, e.Audience = slices.Clone(e.Body), slices.Clone(e.Audience)
		m.entries = append(m.entries, e)
		m.known[name] = e.Seq
		m.bytes += len(e.Body)
		results[i] = Result{Seq: e.Seq}
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return results, nil
}

// Tail follows the log.
func (m *Memory) Tail(ctx context.Context, after uint64, each func([]Entry) error) error {
	for {
		m.mu.Lock()
		from := min(after, uint64(len(m.entries)))
		some, grown := m.entries[from:min(from+memoryRun, uint64(len(m.entries)))], m.grown
		m.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(some) > 0 {
			if err := each(some[:len(some):len(some)]); err != nil {
				return err
			}
			after += uint64(len(some))
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Page returns the last entries before a seq.
func (m *Memory) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]Entry, error) {
	return m.last(before, n, func(e Entry) bool { return e.Visible(viewer) }), nil
}

// Search returns the last entries whose words contain all of words, letter
// case aside.
func (m *Memory) Search(ctx context.Context, viewer transport.Key, words string, n int) ([]Entry, error) {
	wanted := strings.Fields(strings.ToLower(words))
	return m.last(1<<63, n, func(e Entry) bool {
		if !e.Visible(viewer) || e.Words == "" {
			return false
		}
		in := strings.ToLower(e.Words)
		return !slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(in, w) })
	}), nil
}

// last returns the last n entries before a seq that wanted accepts, oldest first.
func (m *Memory) last(before uint64, n int, wanted func(Entry) bool) (found []Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := min(max(before, 1)-1, uint64(len(m.entries))); i > 0 && len(found) < n; i-- {
		if e := m.entries[i-1]; wanted(e) {
			found = append(found, e)
		}
	}
	slices.Reverse(found)
	return found
}
