package room

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// The wait before each try doubles from firstBackoff to lastBackoff, and is
	// spread by half of it either way. On a LAN a try is a datagram or two,
	// and a thousand members at this pace are 400 tries a second; whoever sits
	// in front of it wants to be back within 5 s of his host.
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 2500 * time.Millisecond
	// attemptTime bounds one try to come back: dialling and joining, but for the
	// time in which the host says that it has not decided yet.
	attemptTime = 10 * time.Second
)

// redial tries to come back beside whatever else is going on.
type redial struct {
	cancel context.CancelFunc
	result chan attempt // gets one, with a connection or the error that ends all trying
}

func (r *redial) start(ctx context.Context, m *Member, wait time.Duration) {
	ctx, r.cancel = context.WithCancel(ctx)
	result := make(chan attempt, 1)
	r.result = result
	go func() { result <- m.comeBack(ctx, wait) }()
}

// stop ends the trying, and lets go of what it came to in the last moment.
func (r *redial) stop(closing *sync.WaitGroup) {
	if r.result == nil {
		return
	}
	r.cancel()
	if a := <-r.result; a.err == nil {
		closing.Go(func() { a.conn.Close() })
	}
	r.result = nil
}

// comeBack dials until the host has welcomed us, or will not.
func (m *Member) comeBack(ctx context.Context, wait time.Duration) attempt {
	for backoff := max(2*wait, firstBackoff); ; backoff = min(2*backoff, lastBackoff) {
		if wait > 0 {
			if err := sleep(ctx, wait/2+rand.N(wait)); err != nil {
				return attempt{err: err}
			}
		}
		once, cancel := context.WithCancel(ctx)
		late := time.AfterFunc(attemptTime, cancel)
		a, err := m.attempt(once, func() { late.Reset(attemptTime) })
		late.Stop()
		cancel()
		var refused *Refused
		switch {
		case err == nil:
			return a
		case ctx.Err() != nil:
			return attempt{err: ctx.Err()}
		case errors.As(err, &refused) && !passing(refused.Code):
			return attempt{err: refused}
		}
		m.o.Logger.Debug("could not come back", "room", m.room, "err", err)
		wait = backoff
	}
}

// passing tells whether a refusal may be over when we ask again.
func passing(code string) bool {
	switch code {
	case codeFull, codeNoRoom, codeWhich, codeProtocol, codeNotStored, codeIdle, codeClosing, codeReplaced, codeTooSlow, codeTooOften, codeStale, codeMoved:
		return true
	}
	return false
}
