package room

import (
	"slices"
	"time"
)

const (
	// waitEvery is how often who is put off hears that this lasts: well
	// before a member gives the host up (answerTime).
	waitEvery = 4 * time.Second

	// Codes of what a join may have to wait for.
	codeApproval = "approval"
	codePassword = "password"
)

// A ward bounds the joins that wait for one thing. They keep their connections,
// so they may be no more than a host can carry beside its seats.
type ward struct {
	all, each int           // in a room, and from one address
	patience  time.Duration // then the join is refused; zero: never
	over      string        // the refusal in words
}

// wards are the things a join may wait for.
var wards = map[string]ward{
	codeApproval: {all: 64, each: 4, patience: 10 * time.Minute, over: "nobody has let you in: try again when the host is there"},
	codePassword: {all: 256, each: 4},
}

// parking is a join that was put off: its link has no seat, but is not
// undecided either.
type parking struct {
	join  *item
	code  string
	words string
	since time.Time
	next  time.Time // when to say it again
}

// mayPark tells whether another join may wait for code.
func (c *core) mayPark(l *link, code string) bool {
	all, each := c.waitFor(l, code)
	return all < wards[code].all && each < wards[code].each
}

// waitFor counts the other joins that wait for code, and those of them that
// come from the same address.
func (c *core) waitFor(l *link, code string) (all, each int) {
	for _, o := range c.parked {
		if o.parked.code != code || o == l {
			continue
		}
		if all++; o.from() == l.from() {
			each++
		}
	}
	return all, each
}

// park puts a join off until unpark, and tells so. Who calls it has asked
// mayPark. A join that waits already goes on with other words.
func (c *core) park(now time.Time, it *item, code, words string) {
	l := it.link
	if l.parked == nil {
		l.parked = &parking{since: now}
		c.newLinks = slices.DeleteFunc(c.newLinks, func(o *link) bool { return o == l })
		c.parked = append(c.parked, l)
	}
	p := l.parked
	p.join, p.code, p.words, p.next = it, code, words, now
	c.sayWait(now, l)
}

// sayWait tells who is put off that he is.
func (c *core) sayWait(now time.Time, l *link) {
	p := l.parked
	p.next = now.Add(waitEvery)
	l.out.control(encode(report{Type: typeWait, Code: p.code, Text: p.words}), false)
}

// unpark ends a wait and returns the join, which is to be answered now or
// checked again; nil when there was none. A link that is still used is
// undecided again.
func (c *core) unpark(now time.Time, l *link) *item {
	p := l.parked
	if p == nil {
		return nil
	}
	l.parked = nil
	c.parked = slices.DeleteFunc(c.parked, func(o *link) bool { return o == l })
	if !l.ended {
		l.since = now
		c.newLinks = append(c.newLinks, l)
	}
	return p.join
}

// tickParked says again that joins wait, and ends what has waited too long.
func (c *core) tickParked(now time.Time) {
	for _, l := range slices.Clone(c.parked) {
		p := l.parked
		w := wards[p.code]
		switch {
		case l.ended:
		case w.patience > 0 && now.Sub(p.since) >= w.patience:
			c.unpark(now, l)
			c.turnAway(l, p.code, w.over)
		case !now.Before(p.next):
			if q := c.guesses.queued(l); q != nil {
				p.words = c.queueing(now, q)
			}
			c.sayWait(now, l)
		}
	}
}

// wakeParked returns when tickParked is due, zero for never.
func (c *core) wakeParked() (at time.Time) {
	for _, l := range c.parked {
		if p := l.parked; !l.ended && (at.IsZero() || p.next.Before(at)) {
			at = p.next
		}
	}
	return at
}
