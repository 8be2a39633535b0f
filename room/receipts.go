package room

import (
	"slices"
	"time"

	"parley/transport"
)

const (
	// receiptEvery is the least time between two words to a sender about the
	// same message: four a second look live and cost nothing.
	receiptEvery = 250 * time.Millisecond
	// receiptLife is how long the host counts who has received a message; who
	// has not by then has left or reads it from the log much later.
	receiptLife = 10 * time.Minute
	// maxReceipts bounds the messages counted at once in a room.
	maxReceipts = 4096
)

// receipts counts, for each message, how many of those seated when it was
// stored have received it.
type receipts struct {
	list  []*receipt // by seq
	tell  []*seat    // senders with changed receipts, first come first
	ready []told
}

type receipt struct {
	seq      uint64
	at       time.Time
	from     *seat
	audience []transport.Key
	count    int
	of       int
	changed  bool
}

// told is what a sender is to be told: triples of seq, count and of.
type told struct {
	to      *seat
	triples [][3]uint64
}

// counts tells whether s is one of those whom r is counted over.
func (r *receipt) counts(s *seat) bool {
	return s != r.from && s.born < r.seq && !s.guest && !s.deaf &&
		(r.audience == nil || slices.Contains(r.audience, s.key))
}

// track begins to count for a message that has just been folded.
func (c *receipts) track(now time.Time, e Entry, from *seat, seats map[seatID]*seat) {
	r := &receipt{seq: e.Seq, at: now, from: from, audience: e.Audience}
	for _, s := range seats {
		if r.counts(s) {
			r.of++
		}
	}
	for len(c.list) > 0 && (len(c.list) >= maxReceipts || now.Sub(c.list[0].at) > receiptLife) {
		c.list = c.list[1:]
	}
	if r.of == 0 { // nobody to wait for
		c.ready = append(c.ready, told{from, [][3]uint64{{r.seq, 0, 0}}})
		return
	}
	c.list = append(c.list, r)
}

// report takes in that s has received everything up to seq, but for missed.
func (c *receipts) report(now time.Time, s *seat, upto uint64, missed [][2]uint64) {
	if upto <= s.got {
		return
	}
	i, _ := slices.BinarySearchFunc(c.list, s.got+1, func(r *receipt, seq uint64) int {
		if r.seq < seq {
			return -1
		}
		return 1
	})
	done := false
	for ; i < len(c.list) && c.list[i].seq <= upto; i++ {
		r := c.list[i]
		if !r.counts(s) || inRuns(missed, r.seq) {
			continue
		}
		r.count++
		if r.count == r.of {
			c.finish(r)
			done = true
			continue
		}
		if r.changed = true; !r.from.telling {
			r.from.telling = true
			c.tell = append(c.tell, r.from)
		}
	}
	s.got = upto
	if done {
		c.list = slices.DeleteFunc(c.list, func(r *receipt) bool { return r.count == r.of })
	}
}

// inRuns tells whether seq is in one of the runs {first, count}.
func inRuns(runs [][2]uint64, seq uint64) bool {
	return slices.ContainsFunc(runs, func(run [2]uint64) bool { return seq-run[0] < run[1] })
}

// finish says that all have received r.
func (c *receipts) finish(r *receipt) {
	triple := [3]uint64{r.seq, uint64(r.count), uint64(r.of)}
	for i := range c.ready {
		if t := &c.ready[i]; t.to == r.from {
			t.triples = append(t.triples, triple)
			return
		}
	}
	c.ready = append(c.ready, told{r.from, [][3]uint64{triple}})
}

// due returns what senders are to be told now.
func (c *receipts) due(now time.Time) (all []told) {
	all, c.ready = c.ready, nil
	if len(c.tell) == 0 {
		return all
	}
	c.tell = slices.DeleteFunc(c.tell, func(s *seat) bool {
		if now.Sub(s.toldAt) < receiptEvery {
			return false
		}
		t := told{to: s}
		for _, r := range c.list {
			if r.from == s && r.changed {
				r.changed = false
				t.triples = append(t.triples, [3]uint64{r.seq, uint64(r.count), uint64(r.of)})
			}
		}
		if len(t.triples) > 0 {
			all = append(all, t)
		}
		s.toldAt, s.telling = now, false
		return true
	})
	return all
}

// wake returns when due has something to say next, if ever.
func (c *receipts) wake() (at time.Time) {
	for _, s := range c.tell {
		if t := s.toldAt.Add(receiptEvery); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

// forget drops what would be told to a seat that is gone.
func (c *receipts) forget(s *seat) {
	c.list = slices.DeleteFunc(c.list, func(r *receipt) bool { return r.from == s })
	c.tell = slices.DeleteFunc(c.tell, func(t *seat) bool { return t == s })
	c.ready = slices.DeleteFunc(c.ready, func(t told) bool { return t.to == s })
}
