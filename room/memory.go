package room

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"

	"parley/transport"
)

const (
	// maxMemory is the size of what a Memory keeps: days of a busy room, and
	// not so much that a flood is felt by the host's computer.
	maxMemory = 64 << 20
	// entryCost is what an entry takes beside its body and words.
	entryCost = 384
	// memoryRun is how many entries a Memory gives Tail's each at once.
	memoryRun = 256
)

// Memory is a Log that lives as long as the program. When it is full it forgets
// the oldest entries, and their ids: of these Tail gives numbers alone, and
// whoever comes back for them gets a skip.
type Memory struct {
	id [16]byte

	mu      sync.Mutex
	base    uint64  // so many are forgotten
	entries []Entry // and these follow
	bytes   int
	limit   int
	known   map[entryID]uint64
	grown   chan struct{} // closed when entries has grown
	saved   []byte        // what the entries up to savedAt add up to
	savedAt uint64
}

type entryID struct {
	key transport.Key
	id  [16]byte
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	m := &Memory{limit: maxMemory, known: map[entryID]uint64{}, grown: make(chan struct{})}
	rand.Read(m.id[:])
	return m
}

// ID returns what was drawn when the Memory was made.
func (m *Memory) ID() [16]byte { return m.id }

// Bounds tells how many entries are forgotten, and the last seq.
func (m *Memory) Bounds(ctx context.Context) (gone, end uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.base, m.end(), nil
}

// Checkpoint returns what was saved last.
func (m *Memory) Checkpoint(ctx context.Context) (seq uint64, state []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.savedAt, m.saved, nil
}

// SaveCheckpoint keeps what the entries up to seq add up to.
func (m *Memory) SaveCheckpoint(ctx context.Context, seq uint64, state []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.savedAt, m.saved = seq, slices.Clone(state)
	return nil
}

// Append stores a batch.
func (m *Memory) Append(ctx context.Context, batch []Entry) ([]Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]Result, len(batch))
	for i, e := range batch {
		name := entryID{e.Key, e.ID}
		if seq, ok := m.known[name]; ok {
			results[i] = Result{Seq: seq, Duplicate: true}
			continue
		}
		e.Seq = m.end() + 1
		e.Body, e.Audience = slices.Clone(e.Body), slices.Clone(e.Audience)
		m.entries = append(m.entries, e)
		m.known[name] = e.Seq
		m.bytes += sizeOf(e)
		results[i] = Result{Seq: e.Seq}
	}
	if m.bytes > m.limit {
		m.forget()
	}
	close(m.grown)
	m.grown = make(chan struct{})
	return results, nil
}

// end is the last seq. The caller holds mu.
func (m *Memory) end() uint64 { return m.base + uint64(len(m.entries)) }

func sizeOf(e Entry) int { return entryCost + len(e.Body) + len(e.Words) }

// forget drops the oldest entries, an eighth of all, so that it is seldom to be
// done. What others hold of them stays as it is. The caller holds mu.
func (m *Memory) forget() {
	n, bytes := 0, m.bytes
	for ; n < len(m.entries) && bytes > m.limit-m.limit/8; n++ {
		bytes -= sizeOf(m.entries[n])
	}
	m.drop(n)
}

// drop drops the first n entries. The caller holds mu.
func (m *Memory) drop(n int) {
	for _, e := range m.entries[:n] {
		m.bytes -= sizeOf(e)
		delete(m.known, entryID{e.Key, e.ID})
	}
	m.base += uint64(n)
	m.entries = slices.Clone(m.entries[n:])
}

// Tail follows the log.
func (m *Memory) Tail(ctx context.Context, after uint64, each func([]Entry) error) error {
	for {
		some, grown := m.from(after)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(some) > 0 {
			if err := each(some); err != nil {
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

// from returns some entries after a seq, and what is closed when there are more.
func (m *Memory) from(after uint64) ([]Entry, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if after < m.base {
		blank := make([]Entry, min(memoryRun, m.base-after))
		for i := range blank {
			blank[i].Seq = after + uint64(i) + 1
		}
		return blank, m.grown
	}
	first := min(after-m.base, uint64(len(m.entries)))
	last := min(first+memoryRun, uint64(len(m.entries)))
	return m.entries[first:last:last], m.grown
}

// Page returns the last entries before a seq.
func (m *Memory) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]Entry, error) {
	return m.last(ctx, before, n, func(e Entry) bool { return e.Visible(viewer) })
}

// Search returns the last entries before a seq whose words contain all of
// words, letter case aside.
func (m *Memory) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]Entry, error) {
	wanted := strings.Fields(strings.ToLower(words))
	return m.last(ctx, before, n, func(e Entry) bool {
		if !e.Visible(viewer) || e.Words == "" {
			return false
		}
		in := strings.ToLower(e.Words)
		return !slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(in, w) })
	})
}

// last returns the last n entries before a seq that wanted accepts, oldest first.
// It holds nobody up: entries do not change.
func (m *Memory) last(ctx context.Context, before uint64, n int, wanted func(Entry) bool) (found []Entry, err error) {
	m.mu.Lock()
	base, entries := m.base, m.entries
	m.mu.Unlock()
	for seq := min(max(before, 1)-1, base+uint64(len(entries))); seq > base && len(found) < n; seq-- {
		if seq%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e := entries[seq-base-1]; wanted(e) {
			found = append(found, e)
		}
	}
	slices.Reverse(found)
	return found, nil
}
