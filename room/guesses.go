package room

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"parley/transport"
)

// Budgets of wrong passwords. Only wrong ones are counted, when they are looked
// at: a proof that has to wait is not lost, and a right one costs nothing.
const (
	guessSpan = time.Minute
	// roomGuesses in a guessSpan are few enough that a password of five random
	// letters lasts for years, and many enough for a class that mistypes.
	roomGuesses = 10
	// sourceGuesses is how many of them one source may use. From then on its
	// next has to wait, longer each time, from firstPause up to lastPause.
	sourceGuesses = 3
	firstPause    = 5 * time.Second
	lastPause     = time.Minute
	// knownGuesses is the budget of each key that has proved the password
	// before: others' guesses never keep it out.
	knownGuesses = 10
	// maxSources and maxKnown bound the tables; of both, whoever was quiet for
	// longest is forgotten first.
	maxSources = 4096
	maxKnown   = 4096
	// forgiven is how long a source has to be quiet until it is like new.
	forgiven = time.Hour
)

// guesses decides when a proof may be looked at. When not all may, those of
// the source with the fewest failures come first, and of those the ones whose
// source has the fewest waiting. Among equals the longest waiting and the newest
// take turns, so that nobody is kept behind a queue of others for long,
// whenever he joined it.
type guesses struct {
	wrong   span
	sources map[netip.Addr]*failures
	known   map[transport.Key]*acquaintance
	waiting []*guess  // in the order they came
	last    bool      // whose turn it is: the newest's
	due     time.Time // when the first of waiting may be looked at, unless stale
	stale   bool
}

// guess is a proof to be looked at.
type guess struct {
	from  netip.Addr
	key   transport.Key
	link  *link
	join  *item
	proof proof

	source netip.Addr // of from, as limits count it
	rank   [4]int     // its place in the queue, the least first
}

// failures are those of a source.
type failures struct {
	span
	total int
	last  time.Time
	until time.Time // the pause
}

// acquaintance is a key that has proved the password.
type acquaintance struct {
	span
	last time.Time
}

// span holds the times of the last events, the oldest first.
type span struct{ times []time.Time }

// add notes an event, and keeps no more than n.
func (s *span) add(now time.Time, n int) {
	if len(s.times) >= n {
		s.times = slices.Delete(s.times, 0, len(s.times)-n+1)
	}
	s.times = append(s.times, now)
}

// free is when there will have been fewer than n within a guessSpan, if i more
// come as soon as they may.
func (s *span) free(now time.Time, n, i int) time.Time {
	if i += len(s.times) - n; i < 0 {
		return now
	}
	at := now
	if i%n < len(s.times) {
		at = s.times[i%n]
	}
	return at.Add(time.Duration(1+i/n) * guessSpan)
}

func newGuesses() guesses {
	return guesses{sources: map[netip.Addr]*failures{}, known: map[transport.Key]*acquaintance{}}
}

// earliest is when q may be looked at if n others come first.
func (g *guesses) earliest(now time.Time, q *guess, n int) time.Time {
	if k := g.known[q.key]; k != nil {
		return k.free(now, knownGuesses, 0)
	}
	at := g.wrong.free(now, roomGuesses, n)
	if s := g.sources[q.source]; s != nil {
		for _, t := range []time.Time{s.free(now, sourceGuesses, 0), s.until} {
			if t.After(at) {
				at = t
			}
		}
	}
	return at
}

// failed counts the failures that are not forgiven.
func (g *guesses) failed(now time.Time, p netip.Addr) int {
	if s := g.sources[p]; s != nil && now.Sub(s.last) < forgiven {
		return s.total
	}
	return 0
}

// compare tells which of two comes first, but for the time at which they came.
func compare(a, b *guess) int { return slices.Compare(a.rank[:], b.rank[:]) }

// rank is what compare goes by, as of now: strangers after those who have
// proved the password before, then the failures of the source and of the
// address, then how many wait of the source.
func (g *guesses) rank(now time.Time, q *guess, waiting int) [4]int {
	stranger := 1
	if g.known[q.key] != nil {
		stranger = 0
	}
	return [4]int{stranger, g.failed(now, q.source), g.failed(now, q.from), waiting}
}

// others yields the proofs that wait from a source.
func (g *guesses) others(source netip.Addr) iter.Seq[*guess] {
	return func(yield func(*guess) bool) {
		for _, q := range g.waiting {
			if q.source == source && !yield(q) {
				return
			}
		}
	}
}

// add takes in a proof. It costs little: while none may be looked at, nothing
// is compared.
func (g *guesses) add(now time.Time, q *guess) {
	q.source = transport.Source(q.from)
	waiting := 1
	for o := range g.others(q.source) {
		o.rank[3]++
		waiting++
	}
	q.rank = g.rank(now, q, waiting)
	due := g.wake()
	g.waiting = append(g.waiting, q)
	if t := g.earliest(now, q, 0); due.IsZero() || t.Before(due) {
		g.due = t
	}
}

// remove takes out what waits at i.
func (g *guesses) remove(i int) {
	source := g.waiting[i].source
	g.waiting = slices.Delete(g.waiting, i, i+1)
	for o := range g.others(source) {
		o.rank[3]--
	}
	g.stale = true
}

// next takes out the proof to look at now; nil if none may be.
func (g *guesses) next(now time.Time) *guess {
	if due := g.wake(); due.IsZero() || now.Before(due) {
		return nil
	}
	best := -1
	for i, q := range g.waiting {
		if g.earliest(now, q, 0).After(now) {
			continue
		}
		if best < 0 {
			best = i
		} else if c := compare(q, g.waiting[best]); c < 0 || c == 0 && g.last {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	q := g.waiting[best]
	g.remove(best)
	g.last = !g.last
	return q
}

// drop forgets what waits for a link.
func (g *guesses) drop(l *link) {
	if i := slices.IndexFunc(g.waiting, func(q *guess) bool { return q.link == l }); i >= 0 {
		g.remove(i)
	}
}

// worst is the proof to give up when too many wait: the one that would come
// last, and the newest of those.
func (g *guesses) worst() *guess {
	var worst *guess
	for _, q := range g.waiting {
		if worst == nil || compare(q, worst) >= 0 {
			worst = q
		}
	}
	return worst
}

// failure notes that q was wrong.
func (g *guesses) failure(now time.Time, q *guess) {
	g.stale = true
	if k := g.known[q.key]; k != nil {
		k.add(now, knownGuesses)
		return
	}
	g.wrong.add(now, roomGuesses)
	g.blame(now, q.source)
	if q.from != q.source {
		g.blame(now, q.from)
	}
	for o := range g.others(q.source) {
		o.rank = g.rank(now, o, o.rank[3])
	}
}

// blame notes a failure of a source.
func (g *guesses) blame(now time.Time, p netip.Addr) {
	s := g.sources[p]
	if s == nil {
		if len(g.sources) >= maxSources {
			oldest(g.sources, func(s *failures) time.Time { return s.last })
		}
		s = &failures{}
		g.sources[p] = s
	}
	if now.Sub(s.last) >= forgiven {
		s.total = 0
	}
	s.add(now, sourceGuesses)
	s.total, s.last = s.total+1, now
	if over := s.total - sourceGuesses; over >= 0 {
		s.until = now.Add(min(firstPause<<min(over, 16), lastPause))
	}
}

// success notes that q was right. Its source's failures stay: others may share it.
func (g *guesses) success(now time.Time, q *guess) {
	g.stale = true
	k := g.known[q.key]
	if k == nil {
		if len(g.known) >= maxKnown {
			oldest(g.known, func(k *acquaintance) time.Time { return k.last })
		}
		k = &acquaintance{}
		g.known[q.key] = k
	}
	k.last = now
	for _, o := range g.waiting {
		if o.key == q.key {
			o.rank[0] = 0
		}
	}
}

// oldest forgets the entry that was quiet for longest.
func oldest[K comparable, V any](m map[K]V, at func(V) time.Time) {
	var victim K
	var since time.Time
	for k, v := range m {
		if t := at(v); since.IsZero() || t.Before(since) {
			victim, since = k, t
		}
	}
	delete(m, victim)
}

// wait is about how long q will wait.
func (g *guesses) wait(now time.Time, q *guess) time.Duration {
	before := count(g.waiting, func(o *guess) bool { return compare(o, q) < 0 })
	return max(g.earliest(now, q, before).Sub(now), 0)
}

// wake is when the next proof may be looked at, zero for never.
func (g *guesses) wake() time.Time {
	if !g.stale {
		return g.due
	}
	g.due, g.stale = time.Time{}, false
	for _, q := range g.waiting {
		t := g.earliest(time.Unix(0, 0), q, 0) // what may be looked at is long due
		if g.due.IsZero() || t.Before(g.due) {
			g.due = t
		}
	}
	return g.due
}

// reset forgets everything that has to do with one password, and returns the
// proofs that waited. Sources keep their failures.
func (g *guesses) reset() (waiting []*guess) {
	waiting, g.waiting, g.stale = g.waiting, nil, true
	clear(g.known)
	return waiting
}
