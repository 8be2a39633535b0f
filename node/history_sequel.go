package node

import (
	"context"
	"slices"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// Whoever handed a room over has its log until then, and a copy of what was said
// from then on. Both are of one log, and are read as one book.

// Together leaves out books that are part of others, and has copies that go on
// where a log of the same id ends read after it ([Book].Before). The order stays.
func (h *Histories) Together(ctx context.Context, books []Book) []Book {
	logs := map[[16]byte]Book{} // the longest of each id; one whose end cannot be read is by itself
	for _, b := range books {
		if l := logs[b.Log]; b.Err == nil && !b.Copy && l.Last < b.Last {
			logs[b.Log] = b
		}
	}
	before := map[string]bool{} // logs that are read before a copy
	var list []Book
	for _, b := range books {
		l, there := logs[b.Log]
		switch {
		case b.Err != nil || !there:
		case !b.Copy && b.Path != l.Path, b.Copy && b.Last <= l.Last:
			continue
		case b.Copy && !before[l.Path] && h.continues(ctx, b, l):
			b.Before, before[l.Path] = l.Path, true
		}
		list = append(list, b)
	}
	return slices.DeleteFunc(list, func(b Book) bool { return before[b.Path] })
}

// continues tells whether the entries that a copy shares with a log are the same.
// One that begins after the log has none.
func (h *Histories) continues(ctx context.Context, b, log Book) bool {
	c, err := h.Read(b)
	if err != nil {
		return false
	}
	defer c.Close()
	l, err := h.Read(log)
	if err != nil {
		return false
	}
	defer l.Close()
	shared, err := c.log.Page(ctx, transport.Key{}, log.Last+1, 1)
	if err != nil || len(shared) == 0 {
		return err == nil
	}
	same, err := l.log.After(ctx, shared[0].Seq-1, 1)
	return err == nil && len(same) == 1 && same[0].Seq == shared[0].Seq && same[0].ID == shared[0].ID
}

// sequel is a log, or copy, with what comes before it.
type sequel struct {
	*history.Log
	before *history.Log // nil: nothing
	upto   uint64       // its last entry
}

// open opens what is read before a copy. Nobody may have it open for long: it is
// put aside when the room comes back.
func (s *sequel) open(path, name string) error {
	if path == "" {
		return nil
	}
	l, err := history.Open(path, history.Options{Room: name, Reading: true})
	if err != nil {
		return historyError(name, err)
	}
	s.before, s.upto = l, l.Last()
	return nil
}

// After returns records after a seq, oldest first, of which some may be passed over;
// none: there are no more.
func (s sequel) After(ctx context.Context, after uint64, n int) ([]history.Record, error) {
	if after < s.upto {
		run, err := s.before.After(ctx, after, n)
		run = slices.DeleteFunc(run, func(r history.Record) bool { return r.Seq > s.upto })
		if err != nil || len(run) > 0 {
			return run, err
		}
	}
	return s.Log.After(ctx, max(after, s.upto), n)
}

// Page returns the last n entries before a seq that viewer may see, oldest first.
func (s sequel) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	return s.last(before, n, func(l *history.Log, before uint64, n int) ([]room.Entry, error) {
		return readLog{l}.Page(ctx, viewer, before, n)
	})
}

// Search returns the last n entries before a seq that viewer may see and whose
// words contain all of words, oldest first.
func (s sequel) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	return s.last(before, n, func(l *history.Log, before uint64, n int) ([]room.Entry, error) {
		return readLog{l}.Search(ctx, viewer, words, before, n)
	})
}

// last puts together what look finds in both.
func (s sequel) last(before uint64, n int, look func(l *history.Log, before uint64, n int) ([]room.Entry, error)) ([]room.Entry, error) {
	found, err := look(s.Log, before, n)
	if err != nil || s.before == nil {
		return found, err
	}
	found = slices.DeleteFunc(found, func(e room.Entry) bool { return e.Seq <= s.upto })
	if len(found) == n {
		return found, nil
	}
	first, err := look(s.before, min(before, s.upto+1), n-len(found))
	return append(first, found...), err
}

func (s sequel) close() error {
	if s.before != nil {
		s.before.Close()
	}
	return s.Log.Close()
}
