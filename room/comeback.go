package room

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"parley/transport"
)

const (
	// The wait between the beginnings of two tries doubles from firstBackoff to
	// lastBackoff, and is spread by half of it either way. On a LAN a try is a datagram or two,
	// and a thousand members at this pace are 400 tries a second; whoever sits
	// in front of it wants to be back within 5 s of his host.
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 2500 * time.Millisecond
	leastBackoff = 50 * time.Millisecond // after a try that took longer than its wait
	// attemptTime bounds one try to come back: dialling and joining, but for the
	// time in which the host says that it has not decided yet.
	attemptTime = 10 * time.Second
)

// A search looks for another connection beside whatever else is going on: for
// any, when the one we have is of no use, or for a better one. There is one at
// a time.
type search struct {
	climb  bool // for a better one
	why    string
	cancel context.CancelFunc
	result chan attempt // gets one, with a connection or the error that ends the search
	asked  atomic.Bool  // the host was asked for the seat, and may have moved it to that connection
}

// comeback starts to look for any connection in place of before, after wait.
func (m *Member) comeback(ctx context.Context, before transport.Conn, wait time.Duration, why string) *search {
	return m.seek(ctx, &search{why: why}, func(ctx context.Context, s *search) attempt { return m.comeBack(ctx, s, before, wait) })
}

// climb starts to wait for a better connection than c.
func (m *Member) climb(ctx context.Context, c transport.Conn) *search {
	return m.seek(ctx, &search{climb: true}, func(ctx context.Context, s *search) attempt { return m.moveUp(ctx, s, c) })
}

func (m *Member) seek(ctx context.Context, s *search, by func(context.Context, *search) attempt) *search {
	ctx, s.cancel = context.WithCancel(ctx)
	s.result = make(chan attempt, 1)
	go func() { s.result <- by(ctx, s) }()
	return s
}

// found is where the result comes, or nil.
func (s *search) found() <-chan attempt {
	if s == nil {
		return nil
	}
	return s.result
}

// stop ends the search, and returns what it came to in the last moment.
func (s *search) stop() (a attempt, ok bool) {
	s.cancel()
	a = <-s.result
	return a, a.err == nil
}

// comeBack dials until the host has welcomed us, or will not.
func (m *Member) comeBack(ctx context.Context, s *search, before transport.Conn, wait time.Duration) attempt {
	for backoff := max(wait, firstBackoff); ; backoff = min(2*backoff, lastBackoff) {
		if err := sleep(ctx, wait); err != nil {
			return attempt{err: err}
		}
		began := time.Now()
		once, cancel := context.WithCancel(ctx)
		late := time.AfterFunc(attemptTime, cancel)
		a, err := m.attempt(once, before, func() { late.Reset(attemptTime) }, func() { s.asked.Store(true) })
		late.Stop()
		cancel()
		var refused *Refused
		switch {
		case err == nil:
			a.why = s.why
			return a
		case ctx.Err() != nil:
			return attempt{err: ctx.Err()}
		case errors.As(err, &refused) && !passing(refused.Code):
			return attempt{err: refused}
		}
		s.asked.Store(false)
		m.o.Logger.Debug("could not come back", "room", m.room, "err", err)
		wait = max(backoff/2+rand.N(backoff)-time.Since(began), leastBackoff)
	}
}

// moveUp waits for a better connection and asks for the seat there, once.
func (m *Member) moveUp(ctx context.Context, s *search, now transport.Conn) attempt {
	c, why, err := m.way.Better(ctx, now)
	if err != nil {
		return attempt{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	a, err := m.join(ctx, c, func() {}, func() { s.asked.Store(true) })
	if err != nil {
		m.o.Logger.Debug("could not move over", "room", m.room, "via", c.Peer().Via, "err", err)
		m.closing.Go(func() { c.Close() })
		return attempt{err: err}
	}
	a.why = why
	return a
}

// passing tells whether a refusal may be over when we ask again.
func passing(code string) bool {
	switch code {
	case codeFull, codeNoRoom, codeWhich, codeProtocol, codeNotStored, codeIdle, codeClosing, codeReplaced, codeTooSlow, codeTooOften, codeStale, codeMoved:
		return true
	}
	return false
}
