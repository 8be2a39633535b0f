package tcp

import "time"

const (
	askAfter   = time.Second      // unheard after sending: ask for an answer
	idleAfter  = 15 * time.Second // unheard: ask
	deadAfter  = 30 * time.Second // unheard: lost
	writeLimit = 10 * time.Second // a write that waits, and unheard: lost
	hereEvery  = time.Second      // while behind, tell that we are there
	closeLimit = 5 * time.Second  // Close waits so long for the next sign of progress
	closeTotal = 20 * time.Second // and so long in all
	never      = time.Duration(1<<63 - 1)
)

// A pulse knows when to ask whether the peer is there, and when to give up.
// It has no clock: now is the time since the connection began.
//
//	heard ----- idleAfter, or askAfter a write -----> asking -- deadAfter heard --> lost
//	  ^                                                  |
//	  +------------------ any bytes ---------------------+
type pulse struct {
	heard    time.Duration // when something was last read
	owing    bool          // something was written since
	owed     time.Duration // when
	asking   bool          // a PING waits for any answer
	asked    time.Duration // when it was sent
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
		return nothing, wake
	}
	ask := p.heard + idleAfter
	if p.owing {
		ask = min(ask, p.owed+askAfter)
	}
	if now >= ask {
		p.asking, p.asked = true, now
		return askPeer, wake
	}
	return nothing, min(wake, ask)
}

// hear notes that something was read.
func (p *pulse) hear(now time.Duration) {
	p.heard, p.owing, p.asking = now, false, false
}

// write notes that a write begins. Messages want an answer, control frames do
// not.
func (p *pulse) write(now time.Duration, messages bool) {
	p.writing, p.progress = true, now
	if messages && !p.owing {
		p.owing, p.owed = true, now
	}
}

// fall notes that reading stops because the user is behind, or goes on.
func (p *pulse) fall(behind bool, now time.Duration) {
	p.behind = behind
	if behind {
		p.told = now
	} else {
		p.hear(now)
	}
}

// silent is how long the peer has owed an answer.
func (p *pulse) silent(now time.Duration) time.Duration {
	switch {
	case !p.asking:
		return 0
	case p.owing:
		return now - max(p.heard, p.owed)
	default:
		return now - max(p.heard, p.asked)
	}
}
