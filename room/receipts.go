package room

import (
	"cmp"
	"slices"
	"time"

	"parley/transport"
)

const (
	// receiptEvery is the least time between two words to a sender about the
	// same message: four a second look live and cost nothing.
	receiptEvery = 250 * time.Millisecond
	// receiptLife is how long the host counts who has received a message, and
	// can be asked; who has not by then has left or reads it from the log much later.
	receiptLife = time.Hour
	// maxReceipts bounds the messages counted at once in a room.
	maxReceipts = 4096
)

// receipts counts, for each message, how many of those seated when it was
// stored have received it. A message costs a step for each of them when it is
// stored and one when it is reported, whatever else is counted.
type receipts struct {
	meter *meter
	list  []*receipt // by seq
	tell  []*seat    // senders with news
	at    time.Time  // when the first of them may be told, zero if there is none
	ready []told

	owed   []*receipt // what other hosts are to be told
	oweAt  time.Time  // and when,
	toldAt time.Time  // after they were told last
}

type receipt struct {
	seq      uint64
	at       time.Time
	from     *seat         // nil: somebody at another host,
	host     string        // this one, which is told
	afar     []distant     // how it is at other hosts; count and of hold that, too
	key      transport.Key // of the sender, who may come back as another seat
	audience []transport.Key
	count    int
	of       int
	changed  bool // it is in the news of from, or owed to the other host
}

// told is what a sender is to be told: triples of seq, count and of.
type told struct {
	to      *seat
	triples [][3]uint64
}

func (r *receipt) triple() [3]uint64 { return [3]uint64{r.seq, uint64(r.count), uint64(r.of)} }

// counts tells whether s is one of those whom r is counted over.
func (r *receipt) counts(s *seat) bool {
	return s != r.from && s.born < r.seq && !s.guest && !s.deaf &&
		(r.audience == nil || slices.Contains(r.audience, s.key))
}

// track begins to count for a message that has just been folded.
func (c *receipts) track(now time.Time, e Entry, from *seat, seats map[seatID]*seat, afar []distant) {
	r := &receipt{seq: e.Seq, at: now, from: from, key: from.key, audience: e.Audience, afar: afar}
	for _, s := range seats {
		if r.counts(s) {
			r.of++
		}
	}
	for _, d := range afar {
		r.of += d.of
	}
	c.add(now, r)
	if r.of == 0 { // nobody to wait for
		c.finish(r)
	}
}

// add puts a message among those that are counted.
func (c *receipts) add(now time.Time, r *receipt) {
	for len(c.list) > 0 && (len(c.list) >= maxReceipts || now.Sub(c.list[0].at) > receiptLife) {
		c.list[0] = nil
		c.list = c.list[1:]
	}
	c.list = append(c.list, r)
}

// search finds the first receipt from seq on.
func (c *receipts) search(seq uint64) int {
	i, _ := slices.BinarySearchFunc(c.list, seq, func(r *receipt, seq uint64) int { return cmp.Compare(r.seq, seq) })
	return i
}

// report takes in that s has received everything up to seq, but for missed.
func (c *receipts) report(now time.Time, s *seat, upto uint64, missed [][2]uint64) {
	if upto <= s.got {
		return
	}
	for _, r := range c.list[c.search(s.got+1):] {
		if r.seq > upto {
			break
		}
		if !r.counts(s) || inRuns(missed, r.seq) {
			continue
		}
		if r.count++; r.from != nil {
			c.meter.confirms(now.Sub(r.at), r.count == r.of)
		}
		switch {
		case r.from == nil:
			c.owe(r)
		case r.count == r.of:
			c.finish(r)
		default:
			c.note(r)
		}
	}
	s.got = upto
}

// note has the sender told of r when it is time.
func (c *receipts) note(r *receipt) {
	s := r.from
	if r.changed || s.gone || s.out != nil {
		return
	}
	r.changed = true
	if s.news = append(s.news, r); len(s.news) == 1 {
		c.tell = append(c.tell, s)
		c.sooner(s)
	}
}

func (c *receipts) sooner(s *seat) {
	if t := s.toldAt.Add(receiptEvery); c.at.IsZero() || t.Before(c.at) {
		c.at = t
	}
}

// inRuns tells whether seq is in one of the runs {first, count}.
func inRuns(runs [][2]uint64, seq uint64) bool {
	return slices.ContainsFunc(runs, func(run [2]uint64) bool { return seq-run[0] < run[1] })
}

// finish says that all have received r.
func (c *receipts) finish(r *receipt) {
	if r.changed = false; r.from.gone || r.from.out != nil {
		return
	}
	if n := len(c.ready); n > 0 && c.ready[n-1].to == r.from {
		c.ready[n-1].triples = append(c.ready[n-1].triples, r.triple())
		return
	}
	c.ready = append(c.ready, told{r.from, [][3]uint64{r.triple()}})
}

// due returns what senders are to be told now.
func (c *receipts) due(now time.Time) (all []told) {
	all, c.ready = c.ready, nil
	if c.at.IsZero() || now.Before(c.at) {
		return all
	}
	c.at = time.Time{}
	c.tell = slices.DeleteFunc(c.tell, func(s *seat) bool {
		if now.Sub(s.toldAt) < receiptEvery {
			c.sooner(s)
			return false
		}
		t := told{to: s}
		for _, r := range s.news {
			if r.changed { // else it was finished meanwhile
				r.changed = false
				t.triples = append(t.triples, r.triple())
			}
		}
		if len(t.triples) > 0 {
			all = append(all, t)
		}
		s.toldAt, s.news = now, nil
		return true
	})
	return all
}

// wake returns when due has something to say next, if ever.
func (c *receipts) wake() time.Time { return c.at }

// forget drops what would be told to a seat that is gone.
func (c *receipts) forget(s *seat) {
	s.news = nil
	c.tell = slices.DeleteFunc(c.tell, func(t *seat) bool { return t == s })
	c.ready = slices.DeleteFunc(c.ready, func(t told) bool { return t.to == s })
}

// of returns how many have received a message, to who said it.
func (c *receipts) of(key transport.Key, seq uint64) (triple [3]uint64, ok bool) {
	if i := c.search(seq); i < len(c.list) && c.list[i].seq == seq && c.list[i].key == key && c.list[i].from != nil {
		return c.list[i].triple(), true
	}
	return triple, false
}

// tellReceipt answers who has received a message.
func (c *core) tellReceipt(it *item) {
	if _, ok := parseID(it.cmd.ID); !ok {
		c.fail(it, codeProtocol, "a question needs an id of 32 hex digits")
		return
	}
	triple, ok := c.receipts.of(it.seat.key, it.cmd.Seq)
	if !ok { // somebody else's is none of his business
		c.fail(it, codeForgotten, "the host does not know who received that: it counts for who said it, for an hour")
		return
	}
	it.link.out.control(encode(report{Type: string(Delivered), Delivered: [][3]uint64{triple}}), false)
	c.accept(it, it.cmd.Seq)
}
