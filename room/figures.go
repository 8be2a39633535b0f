package room

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"parley/metrics"
	"parley/transport"
)

// What a host counts, for those who look after it: numbers alone, and never who.
// The core counts, and whoever asks gets a copy; only what the carriers and the log
// know themselves is read beside it, so that nobody waits for a question.

const (
	// maxLabels bounds the different codes and carriers that are told apart: there
	// are some dozens, all of them ours.
	maxLabels = 64
	// labelOther is for those beyond.
	labelOther = "other"
)

// epoch is some time: when a command was read is counted from it, which takes a third
// of the place.
var epoch = time.Now()

// Figures are what a Host has counted since it runs, and how it is now. What is
// counted, not how it is, is zero unless Host.Metered.
type Figures struct {
	Members   map[Presence]int // connected seats
	Quiet     map[string]int   // connected quiet seats, by carrier
	Lingering int              // seats without a connection, whose leave is not said yet
	Unseated  int              // connections without a seat

	Waiting    int    // commands that wait for the batch under way
	InBatch    int    // entries and names that are being stored
	Parked     int    // joins that wait for their turn, for a password or to be let in
	ReadingLog int    // members so far behind that they read the log
	Behind     uint64 // events that members have still to be sent, of all together
	MostBehind uint64 // and of the one who is furthest behind

	ReadOnly   bool   // the log stores nothing
	Struggling bool   // nobody knows whether it does
	Seq        uint64 // of the last event that was shown
	Entries    int64  // that the log has,
	Bytes      int64  // and that it takes; less than 0 if it does not say

	Joins        uint64            // new seats
	RefusedJoins map[string]uint64 // by code
	Resumed      map[string]uint64 // seats that were connected again, by carrier,
	Switched     map[Switch]uint64 // and those of them that came by another
	Accepted     map[string]uint64 // commands that were stored, by kind: what was said, else other; of who is here, none
	Refused      map[string]uint64 // commands by code
	Repeated     uint64            // that were stored already when they came
	Delivered    uint64            // times that a member has confirmed what another said

	Commit metrics.Histogram // a batch, from being handed to the log to its answer
	Stored metrics.Histogram // a command, from being read to being stored
	Heard  metrics.Histogram // what was said, from being shown to the last confirmation

	Carriers map[string]Traffic // of all connections, those that have ended, too
}

// A Presence tells how somebody is here.
type Presence struct{ Carrier, Role string }

// A Switch is a change of carriers.
type Switch struct{ From, To string }

// Traffic is what the connections of one carrier add up to. Of RTT, Window,
// InFlight, Queued and the like, only those count that there are now.
type Traffic struct {
	Connections int
	Sum         transport.Stats
	Median      time.Duration // of their round-trip times,
	Longest     time.Duration // and the most; 0: none is known
}

// A Sizer is a Log that tells how many bytes it takes.
type Sizer interface {
	Size() (bytes int64, err error)
}

// Size tells how much memory the entries take, about.
func (m *Memory) Size() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(m.bytes), nil
}

// meter is what the core counts; nil: it does not. Its methods take nil.
type meter struct {
	joins, repeated, delivered uint64
	refusedJoins, refusals     tally
	resumes                    tally
	switches                   map[Switch]uint64
	kinds                      tally
	commit, stored, heard      metrics.Histogram
	began                      time.Time // when the batch was handed over
	past                       map[string]transport.Stats
}

// tally counts by a label.
type tally map[string]uint64

func (t *tally) add(label string) {
	if *t == nil {
		*t = tally{}
	}
	if _, known := (*t)[label]; !known && len(*t) >= maxLabels {
		label = labelOther
	}
	(*t)[label]++
}

func (t tally) copy() map[string]uint64 {
	c := make(map[string]uint64, len(t))
	for label, n := range t {
		c[label] = n
	}
	return c
}

// meterOf is what a host's core counts with.
func meterOf(h *Host) *meter {
	if !h.Metered {
		return nil
	}
	return &meter{switches: map[Switch]uint64{}, past: map[string]transport.Stats{}}
}

// begin notes that a batch is handed to the log.
func (m *meter) begin(now time.Time) {
	if m != nil {
		m.began = now
	}
}

// stores counts what became of a batch.
func (m *meter) stores(now time.Time, batch []*item, outcomes []outcome) {
	if m == nil {
		return
	}
	m.commit.Observe(now.Sub(m.began))
	for i, o := range outcomes {
		it := batch[i]
		switch {
		case it.link == nil || it.entry == nil || it.cmd.Type == typeJoin || it.cmd.Type == typeLeave || o.err != nil || o.holder != "" || o.reused:
		case o.result.Duplicate:
			m.repeated++
		default:
			kind := labelOther
			if k := Kind(it.cmd.Type); k.said() {
				kind = it.cmd.Type
			}
			m.kinds.add(kind)
			if it.cmd.read != 0 {
				m.stored.Observe(now.Sub(epoch) - it.cmd.read)
			}
		}
	}
}

// repeats counts a command that was stored before.
func (m *meter) repeats() {
	if m != nil {
		m.repeated++
	}
}

// confirms counts that a member has what was said, the last one to do so or not.
func (m *meter) confirms(since time.Duration, last bool) {
	if m == nil {
		return
	}
	m.delivered++
	if last {
		m.heard.Observe(since)
	}
}

// refuses counts a join that was refused.
func (m *meter) refuses(code string) {
	if m != nil {
		m.refusedJoins.add(code)
	}
}

// fails counts a command that was.
func (m *meter) fails(code string) {
	if m != nil {
		m.refusals.add(code)
	}
}

// seats counts a seat that is connected.
func (m *meter) seats(from, to string, resumed bool) {
	switch {
	case m == nil:
	case !resumed:
		m.joins++
	default:
		to = carrierLabel(to)
		m.resumes.add(to)
		if from = carrierLabel(from); from != to {
			m.switches[Switch{from, to}]++
		}
	}
}

// ends keeps what a connection has counted.
func (m *meter) ends(l *link) {
	if m == nil || l.counts == nil {
		return
	}
	via := carrierLabel(l.peer.Via)
	sum := m.past[via]
	addTraffic(&sum, l.counts.read(), false)
	m.past[via] = sum
}

// carrierLabel is the carrier of a seat, which a guest's own pipe may name.
func carrierLabel(via string) string {
	switch via {
	case "udp", "tcp", "pipe":
		return via
	}
	return labelOther
}

// counts reads what a connection counts. A carrier that has ended may know less than
// before, and what was told once is not taken back.
type counts struct {
	via  string
	from transport.Statser

	mu   sync.Mutex
	last transport.Stats
}

// countsOf returns nil for a connection that does not count.
func (h *Host) countsOf(via string, from transport.Statser) *counts {
	if !h.Metered {
		return nil
	}
	return &counts{via: carrierLabel(via), from: from}
}

func (c *counts) read() transport.Stats {
	s := c.from.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range []struct{ now, was *uint64 }{
		{&s.Sent, &c.last.Sent}, {&s.Received, &c.last.Received}, {&s.Lost, &c.last.Lost}, {&s.Resent, &c.last.Resent},
		{&s.Spurious, &c.last.Spurious}, {&s.Repeated, &c.last.Repeated}, {&s.BytesOut, &c.last.BytesOut}, {&s.BytesIn, &c.last.BytesIn},
	} {
		*n.now = max(*n.now, *n.was)
	}
	c.last = s
	return s
}

// addTraffic adds the counters of a connection, and of one that there is, how it is.
func addTraffic(sum *transport.Stats, s transport.Stats, alive bool) {
	sum.Sent += s.Sent
	sum.Received += s.Received
	sum.Lost += s.Lost
	sum.Resent += s.Resent
	sum.Spurious += s.Spurious
	sum.Repeated += s.Repeated
	sum.BytesOut += s.BytesOut
	sum.BytesIn += s.BytesIn
	if alive {
		sum.Window += s.Window
		sum.InFlight += s.InFlight
		sum.Queued += s.Queued
	}
}

// Figures tells what was counted and how the room is. It fails when ctx ends or the
// room has.
func (h *Host) Figures(ctx context.Context) (Figures, error) {
	h.setup()
	type answer struct {
		figures Figures
		alive   []*counts
	}
	told := make(chan answer, 1)
	ask := func(_ time.Time, c *core) {
		s, alive := c.figures()
		told <- answer{s, alive}
	}
	var a answer
	select {
	case h.in <- ask:
	case <-h.ended:
		return Figures{}, net.ErrClosed
	case <-ctx.Done():
		return Figures{}, ctx.Err()
	}
	select {
	case a = <-told:
	case <-h.ended:
		return Figures{}, net.ErrClosed
	case <-ctx.Done():
		return Figures{}, ctx.Err()
	}
	a.figures.readTraffic(a.alive)
	a.figures.Entries, a.figures.Bytes = -1, -1
	if gone, end, err := h.Log.Bounds(ctx); err == nil {
		a.figures.Entries = int64(end - min(gone, end))
	}
	if s, ok := h.Log.(Sizer); ok {
		if n, err := s.Size(); err == nil {
			a.figures.Bytes = n
		}
	}
	return a.figures, nil
}

// figures copies what the core knows, and lists the connections that count.
func (c *core) figures() (s Figures, alive []*counts) {
	s = Figures{Members: map[Presence]int{}, Quiet: map[string]int{}, Switched: map[Switch]uint64{}, Carriers: map[string]Traffic{},
		Unseated: len(c.newLinks), Waiting: len(c.waiting), InBatch: len(c.batch), Parked: len(c.parked) + len(c.held) + len(c.doubts),
		ReadOnly: c.readonly(), Struggling: c.trouble != nil && !c.trouble.sure, Seq: c.state.seq}
	for _, seat := range c.seats {
		switch via := carrierLabel(seat.via); {
		case seat.link == nil:
			s.Lingering++
		case seat.quiet:
			s.Quiet[via]++
		default:
			s.Members[Presence{via, c.roleNow(seat)}]++
		}
	}
	first := c.host.feed.first()
	for l := range c.links {
		if behind, log := l.out.behind(first); behind > 0 {
			s.Behind += behind
			s.MostBehind = max(s.MostBehind, behind)
			if log {
				s.ReadingLog++
			}
		}
		if l.counts != nil {
			alive = append(alive, l.counts)
		}
	}
	if m := c.meter; m != nil {
		s.Joins, s.Repeated, s.Delivered = m.joins, m.repeated, m.delivered
		s.RefusedJoins, s.Refused, s.Resumed, s.Accepted = m.refusedJoins.copy(), m.refusals.copy(), m.resumes.copy(), m.kinds.copy()
		s.Commit, s.Stored, s.Heard = m.commit, m.stored, m.heard
		for k, n := range m.switches {
			s.Switched[k] = n
		}
		for via, sum := range m.past {
			s.Carriers[via] = Traffic{Sum: sum}
		}
	}
	return s, alive
}

// readTraffic adds what the connections that there are have counted.
func (s *Figures) readTraffic(alive []*counts) {
	trips := map[string][]time.Duration{}
	for _, c := range alive {
		now := c.read()
		t := s.Carriers[c.via]
		t.Connections++
		addTraffic(&t.Sum, now, true)
		s.Carriers[c.via] = t
		if now.RTT > 0 {
			trips[c.via] = append(trips[c.via], now.RTT)
		}
	}
	for via, all := range trips {
		slices.Sort(all)
		t := s.Carriers[via]
		t.Median, t.Longest = all[len(all)/2], all[len(all)-1]
		s.Carriers[via] = t
	}
}

// first is the oldest event that there is; 0: none.
func (f *feed) first() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.frames) == 0 {
		return 0
	}
	return f.frames[0].seq
}

// behind tells how many events are to be sent still, and whether they have to be
// read from the log, where the feed begins later.
func (o *outbox) behind(first uint64) (events uint64, log bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || o.sent >= o.head {
		return 0, false
	}
	return o.head - o.sent, o.sent+1 < first
}
