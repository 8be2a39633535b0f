package tcp

import "time"

const (
	askAfter   = time.Second      // after sending: ask for an answer
	idleAfter  = 15 * time.Second // after the last answer: ask
	dialedIdle = 5 * time.Second  // the same for the side that dialed, which is the one to go elsewhere; under 4 kB a minute
	deadAfter  = 30 * time.Second // unheard: lost
	writeLimit = 10 * time.Second // a write that waits, and unheard: lost
	hereEvery  = time.Second      // while behind, tell that we are there
	closeLimit = 5 * time.Second  // Close waits so long for the next sign of progress
	closeTotal = 20 * time.Second // and so long in all
	lateness   = time.Second      // a timer this late means that we were stopped, not the peer
	never      = time.Duration(1<<63 - 1)
)

// A pulse knows when to ask whether the peer is there, and when to give up.
// It has no clock: now is the time since the connection began. That the peer is
// heard does not tell that it hears us; only the PONG to our PING does.
//
//	proved ---- idleAfter, or askAfter a write -----> asking -- deadAfter --> lost
//	  ^                                                  |
//	  +------------------ its PONG ----------------------+
type pulse struct {
	dialed   bool          // this side began the connection
	heard    time.Duration // when something was last read
	proved   time.Duration // when a PING of ours was last answered
	owing    bool          // messages were written that no PONG has proved to have come
	owed     time.Duration // when the first of them was
	asking   bool          // a PING waits for its answer
	asked    time.Duration // when it was sent
	more     bool          // messages were written since
	moreAt   time.Duration // when the first of them was
	writing  bool          // a write is under way
	progress time.Duration // when it began, or bytes were last taken
	behind   bool          // nothing is read, because the user takes nothing
	told     time.Duration // when a HERE was last sent
	closing  bool          // Close was called
	closed   time.Duration // when
}

// deed is what a pulse wants done.
type deed int

const (
	nothing  deed = iota
	askPeer       // send a PING
	tellPeer      // send a HERE
	giveUp        // the link is dead
)

// next says what to do now, and when to call it again.
func (p *pulse) next(now time.Duration) (deed, time.Duration) {
	if p.closing {
		limit := min(max(p.closed, p.progress)+closeLimit, p.closed+closeTotal)
		if now >= limit {
			return giveUp, never
		}
		return nothing, limit
	}
	if p.behind { // what the peer says waits unread: it cannot be blamed
		if now >= p.told+hereEvery {
			p.told = now
			return tellPeer, now + hereEvery
		}
		return nothing, p.told + hereEvery
	}
	wake := p.heard + deadAfter
	if p.writing {
		wake = min(wake, max(p.heard, p.progress)+writeLimit)
	}
	if now >= wake {
		return giveUp, never
	}
	if p.asking {
		if wake = min(wake, p.asked+deadAfter); now >= wake {
			return giveUp, never
		}
		return nothing, wake
	}
	ask := p.proved + idleAfter
	if p.dialed {
		ask = p.proved + dialedIdle
	}
	if p.owing {
		ask = min(ask, p.owed+askAfter)
	}
	if now >= ask {
		p.asking, p.asked, p.more = true, now, false
		return askPeer, min(wake, now+deadAfter)
	}
	return nothing, min(wake, ask)
}

// hear notes that something was read.
func (p *pulse) hear(now time.Duration) { p.heard = now }

// prove notes the PONG to our PING: all that was written before it has come.
func (p *pulse) prove(now time.Duration) {
	p.asking, p.proved = false, now
	p.owing, p.owed = p.more, p.moreAt
	p.more = false
}

// allow forgives the peer what it owes until now: it has no way to answer, or we
// none to hear it.
func (p *pulse) allow(now time.Duration) {
	p.heard, p.proved, p.owed, p.asked, p.moreAt = now, max(p.proved, now), now, now, now
}

// late makes up for time in which we did not run.
func (p *pulse) late(by, now time.Duration) {
	for _, at := range []*time.Duration{&p.heard, &p.proved, &p.owed, &p.asked, &p.moreAt, &p.progress} {
		*at = min(now, *at+by)
	}
}

// write notes that a write begins. Messages want an answer, control frames do
// not.
func (p *pulse) write(now time.Duration, messages bool) {
	p.writing, p.progress = true, now
	if messages && !p.owing {
		p.owing, p.owed = true, now
	}
	if messages && p.asking && !p.more {
		p.more, p.moreAt = true, now
	}
}

// fall notes that reading stops because the user is behind, or goes on.
func (p *pulse) fall(behind bool, now time.Duration) {
	p.behind = behind
	if behind {
		p.told = now
	} else {
		p.allow(now)
	}
}

// silent is how long the peer has owed an answer.
func (p *pulse) silent(now time.Duration) time.Duration {
	switch {
	case !p.asking || p.behind:
		return 0
	case p.owing:
		return now - min(p.owed, p.asked)
	default:
		return now - p.asked
	}
}
