package room

import (
	"encoding/json"
	"slices"
	"time"

	"parley/text"
)

// Where several hosts serve a room, each counts for the others' messages what its own
// members have received, and tells whose host it is: a few times a second, and
// only when there is something new. What is told is runs of messages with the same
// counts, mostly one. A report that is lost leaves a count too low, and nothing else.

const (
	// maxHeard bounds the runs in a report, and so its size.
	maxHeard = 100
	// maxReportsAtOnce bounds the reports to one host at a time; the rest is told
	// the next time.
	maxReportsAtOnce = 4
	// maxHeardSize bounds a report that is read.
	maxHeardSize = 8 << 10
)

// distant is what a receipt has of another host.
type distant struct {
	host      string
	count, of int
}

// hearsay is a report from host to host: of each of yours from First to Last, so many of so
// many here have it, where a run of several is of what was said to everybody; or a part
// of a telling of who is away here (absent.go).
type hearsay struct {
	Log  string            `json:"log"`
	To   string            `json:"to"`
	From string            `json:"from"`
	Got  [][4]uint64       `json:"got,omitempty"`  // first, last, count, of
	Turn uint64            `json:"turn,omitempty"` // of the telling, or 0
	Away map[string]string `json:"away,omitempty"` // seats, and why
}

// parseHearsay reads one.
func parseHearsay(b []byte) (x hearsay, ok bool) {
	if len(b) > maxHeardSize || json.Unmarshal(b, &x) != nil || len(x.Got) > maxHeard || len(x.From) > maxName {
		return hearsay{}, false
	}
	for _, g := range x.Got {
		if g[0] == 0 || g[0] > g[1] || g[2] > g[3] || g[3] > maxCrowd {
			return hearsay{}, false
		}
	}
	return x, true
}

// Heard takes in what another host's Received was called with. What makes no sense, or
// comes when the host is too busy, is passed over.
func (h *Host) Heard(report []byte) {
	h.setup()
	x, ok := parseHearsay(report)
	if !ok || x.To != h.id() || x.From == x.To || x.Log != hexID(h.Log.ID()) {
		return
	}
	select {
	case h.in <- func(now time.Time, c *core) { c.heard(now, x) }:
	default:
	}
}

// heard takes in what another host's members have received.
func (c *core) heard(now time.Time, x hearsay) {
	if !c.fleet.ids[x.From] {
		return
	}
	c.heardAbsent(x)
	for _, g := range x.Got {
		list := c.receipts.list
		for _, r := range list[c.receipts.search(g[0]):] {
			if r.seq > g[1] {
				break
			}
			if r.from != nil && (g[0] == g[1] || r.audience == nil) {
				c.receipts.afar(r, distant{x.From, int(g[2]), int(g[3])})
			}
		}
	}
	c.speak(now)
}

// afar takes in what one host tells of a message.
func (c *receipts) afar(r *receipt, news distant) {
	i := slices.IndexFunc(r.afar, func(d distant) bool { return d.host == news.host })
	if i < 0 {
		i = len(r.afar)
		r.afar = append(r.afar, distant{host: news.host})
	}
	d := &r.afar[i]
	if news.of == d.of {
		news.count = max(news.count, d.count) // an older report may come later
	}
	if news == *d {
		return
	}
	r.count += news.count - d.count
	r.of += news.of - d.of
	*d = news
	if r.count == r.of {
		c.finish(r)
	} else {
		c.note(r)
	}
}

// follow begins to count who receives what somebody said, at any host of the room.
func (c *core) follow(now time.Time, e Entry, from string, mine *item) {
	switch {
	case mine != nil && mine.seat != nil && !mine.seat.gone:
		var afar []distant
		if c.shares() && !mine.seat.quiet { // of quiet ones other hosts know nothing
			afar = c.distants(e)
		}
		c.receipts.track(now, e, mine.seat, c.seats, afar)
	case mine == nil && c.shares():
		p := c.sayer(e, from)
		if p == nil || p.host == c.host.id() || !c.fleet.ids[p.host] {
			return
		}
		expected := 0
		for _, q := range c.state.people {
			if q.host == c.host.id() && q.awaits(e) {
				expected++
			}
		}
		c.receipts.trackFor(now, e, p.host, c.seats, expected)
	}
}

// shares tells whether other hosts are told what our people have received.
func (c *core) shares() bool { return c.host.Received != nil && c.fleet.told && c.fleet.surveyed }

// sayer is who said something under a nick, by the log.
func (c *core) sayer(e Entry, from string) *person {
	for _, p := range c.state.names[text.Key(from)] {
		if p.key == e.Key {
			return p
		}
	}
	return nil
}

// awaits tells whether it is expected of a person to receive what somebody else says.
func (p *person) awaits(e Entry) bool {
	return p.role != roleGuest && (e.Audience == nil || slices.Contains(e.Audience, p.key))
}

// distants are those who are expected to receive something at other hosts.
func (c *core) distants(e Entry) (all []distant) {
	for _, p := range c.state.people {
		if p.host == c.host.id() || !p.awaits(e) {
			continue
		}
		i := slices.IndexFunc(all, func(d distant) bool { return d.host == p.host })
		if i < 0 {
			i = len(all)
			all = append(all, distant{host: p.host})
		}
		all[i].of++
	}
	return all
}

// trackFor begins to count for another host, which expects so many.
func (c *receipts) trackFor(now time.Time, e Entry, host string, seats map[seatID]*seat, expected int) {
	r := &receipt{seq: e.Seq, at: now, host: host, key: e.Key, audience: e.Audience}
	for _, s := range seats {
		if r.counts(s) {
			r.of++
		}
	}
	c.add(now, r)
	if r.of != expected {
		c.owe(r)
	}
}

// owe has another host told of r when it is time.
func (c *receipts) owe(r *receipt) {
	if r.changed {
		return
	}
	r.changed = true
	if c.owed = append(c.owed, r); len(c.owed) == 1 {
		c.oweAt = c.toldAt.Add(receiptEvery)
	}
}

// pass tells other hosts what is owed to them.
func (c *core) pass(now time.Time) {
	t := &c.receipts
	if len(t.owed) == 0 || now.Before(t.oweAt) {
		return
	}
	owed := t.owed
	t.owed, t.toldAt = nil, now
	slices.SortFunc(owed, func(a, b *receipt) int { return int(int64(a.seq - b.seq)) })
	var hosts []string
	for _, r := range owed {
		if !slices.Contains(hosts, r.host) {
			hosts = append(hosts, r.host)
		}
	}
	for _, host := range hosts {
		c.passTo(host, owed)
	}
	for _, r := range owed {
		if r.changed { // it was too much
			t.owed = append(t.owed, r)
		}
	}
	t.oweAt = now.Add(receiptEvery)
}

// passTo tells one host what is owed to it. A run goes over what has not changed, too,
// if it has the same counts.
func (c *core) passTo(host string, owed []*receipt) {
	t := &c.receipts
	x := hearsay{Log: hexID(c.logID), To: host, From: c.host.id()}
	sent := 0
	flush := func() {
		if len(x.Got) > 0 {
			c.host.Received(host, encode(x))
			x.Got, sent = nil, sent+1
		}
	}
	last := uint64(0) // the last seq dealt with
	for _, r := range owed {
		if r.host != host || sent == maxReportsAtOnce {
			continue
		}
		if r.changed = false; r.seq <= last {
			continue
		}
		if len(x.Got) == maxHeard {
			if flush(); sent == maxReportsAtOnce {
				r.changed = true
				continue
			}
		}
		run := [4]uint64{r.seq, r.seq, uint64(r.count), uint64(r.of)}
		last = r.seq
		if r.audience == nil {
			for _, o := range t.list[t.search(r.seq+1):] {
				if o.host != host || o.audience != nil {
					continue
				}
				if o.count != r.count || o.of != r.of {
					break
				}
				run[1], last = o.seq, o.seq
			}
		}
		x.Got = append(x.Got, run)
	}
	flush()
}

// passWake returns when pass has something to tell, zero for never.
func (c *receipts) passWake() time.Time {
	if len(c.owed) == 0 {
		return time.Time{}
	}
	return c.oweAt
}
