package room

import (
	"slices"
	"sync"

	"parley/transport"
)

const (
	// maxFeed and maxFeedBytes bound the newest events, which are kept in memory
	// for all members at once: as much as is said in a few seconds of the busiest
	// room, and all that most newcomers are shown of what was before them.
	maxFeed      = 4096
	maxFeedBytes = 1 << 20
)

// frame is an event in wire form, shared by all who get it.
type frame struct {
	seq      uint64
	data     []byte
	audience []transport.Key // who may see it; nil: everybody
	nothing  bool            // it is no event of ours: nobody may
	said     bool            // it may use another lane
}

func (f *frame) visible(viewer transport.Key) bool {
	return !f.nothing && (f.audience == nil || slices.Contains(f.audience, viewer))
}

// feed is the newest events, without gaps. The core puts in, and the writers of
// all members read, each where it is: so an event that waits for a thousand slow
// members waits once. Who is further behind reads the log.
type feed struct {
	mu     sync.Mutex
	frames []*frame
	bytes  int
}

// add puts in the next event. The oldest go an eighth at a time, so that it is
// seldom to be done.
func (f *feed) add(next *frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frames = append(f.frames, next)
	f.bytes += len(next.data)
	if len(f.frames) <= maxFeed && f.bytes <= maxFeedBytes {
		return
	}
	n := 0
	for n < len(f.frames)-1 && (len(f.frames)-n > maxFeed*7/8 || f.bytes > maxFeedBytes*7/8) {
		f.bytes -= len(f.frames[n].data)
		n++
	}
	f.frames = slices.Delete(f.frames, 0, n)
}

// after appends to list the events after one, and not after upto, a few at once.
// Where it has not got the next, it returns the first that it has: 0 for none.
func (f *feed) after(seq, upto uint64, list []*frame) (some []*frame, first uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.frames) == 0 {
		return list, 0
	}
	if first = f.frames[0].seq; seq+1 < first || seq >= upto {
		return list, first
	}
	i := min(int(seq+1-first), len(f.frames))
	return append(list, f.frames[i:min(i+maxAtOnce, int(upto+1-first), len(f.frames))]...), first
}

// has tells whether the event seq is here, with this id, and none is known after upto that
// is not.
func (f *feed) has(upto, seq uint64, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.frames) == 0 || seq < f.frames[0].seq || max(upto, seq) > f.frames[len(f.frames)-1].seq {
		return false
	}
	r, err := parseReport(f.frames[seq-f.frames[0].seq].data)
	return err == nil && r.ID == id
}

// back returns after which event the last n up to one begin, of those that a
// viewer may see, if it goes back that far.
func (f *feed) back(viewer transport.Key, upto uint64, n int) (seq uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.frames) == 0 || upto < f.frames[0].seq {
		return 0, false
	}
	first := f.frames[0].seq
	for i := min(int(upto-first), len(f.frames)-1); i >= 0; i-- {
		if f.frames[i].visible(viewer) {
			if n--; n == 0 {
				return f.frames[i].seq - 1, true
			}
		}
	}
	return 0, first == 1
}
