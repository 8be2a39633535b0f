package room

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"parley/transport"
)

// pruned is a Log of which the beginning is deleted, and most of the rest is for
// nobody's eyes.
type pruned struct {
	*Memory
	gone uint64
	read atomic.Uint64 // the first entry that was read
}

func (p *pruned) Bounds(ctx context.Context) (uint64, uint64, error) {
	_, end, err := p.Memory.Bounds(ctx)
	return p.gone, end, err
}

func (p *pruned) Tail(ctx context.Context, after uint64, each func([]Entry) error) error {
	p.read.Store(after + 1)
	return p.Memory.Tail(ctx, after, each)
}

// TestPruned has somebody come back after so long that most of what was said is
// deleted: every number comes once, as an event or in a skip, in a handful of
// messages, and what is gone is not looked at.
func TestPruned(t *testing.T) {
	const gone, end, every = 60_000, 100_000, 10_000
	log := &pruned{Memory: NewMemory(), gone: gone}
	log.limit = 1 << 40
	batch := make([]Entry, end)
	for i := range batch {
		batch[i] = Entry{ID: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Audience: []transport.Key{}} // a trace, without a body
		if seq := i + 1; seq > gone && seq%every == 0 {
			batch[i].Audience, batch[i].Body = nil, []byte(fmt.Sprintf(`{"type":"message","from":"ana","text":"%d"}`, seq))
		}
	}
	if _, err := log.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	log.SaveCheckpoint(t.Context(), end, newState().snapshot().encode())
	h := open(t, pipes, func(h *Host) { h.Log = log })
	defer h.close()
	for _, cursor := range []uint64{0, 7, gone - 1, gone, gone + 1, end - every, end} {
		id := identity(t)
		c, err := h.dial(id)(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, last, _ := log.Bounds(t.Context())
		say := func(v any) {
			if err := c.Send(t.Context(), encode(v)); err != nil {
				t.Fatal(err)
			}
		}
		say(command{Type: typeJoin, V: Version, Nick: fmt.Sprint("n", cursor), Log: hexID(log.ID()), Seq: cursor, LastSeq: min(cursor, 9), Quiet: true})
		next, messages := cursor+1, 0
		for next <= last {
			msg, err := c.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r, err := parseReport(msg)
			switch {
			case err != nil:
				t.Fatal(err)
			case r.Type == typeWelcome && (r.After != cursor || r.Anew):
				t.Fatalf("%d: %+v", cursor, r)
			case r.Type == typeSkip && r.FromSeq == next:
				next += r.Count
				messages++
			case r.Seq == next && Kind(r.Type) == Message:
				next++
				messages++
			case r.Type != typeWelcome && r.Type != string(Members):
				t.Fatalf("%d, at %d: %+v", cursor, next, r)
			}
		}
		if messages > 10 || next != last+1 {
			t.Errorf("%d: %d messages up to %d", cursor, messages, next-1)
		}
		if read := log.read.Load(); read <= gone {
			t.Errorf("%d: entry %d was looked at", cursor, read)
		}
		c.Close()
	}
}
