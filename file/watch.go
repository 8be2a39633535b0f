package file

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"parley/transport"
)

const (
	// silence and stuck are when a connection is given up for another: sooner than it
	// finds out itself, and as late as a seat in a room does.
	silence = 2500 * time.Millisecond
	stuck   = time.Second
	// idle is how long no byte may get further on a connection that seems well.
	idle = 20 * time.Second
	// lookEvery is how often both is looked at.
	lookEvery = 250 * time.Millisecond
)

// watch ends ctx, which it returns, when a connection is of no use any more. Moved
// is how far the file has got.
func watch(ctx context.Context, c transport.Conn, moved *atomic.Int64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, _ := c.(transport.Statser)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		at, since := moved.Load(), time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := moved.Load(); now != at {
				at, since = now, time.Now()
			}
			if time.Since(since) >= idle {
				cancel(fmt.Errorf("nothing came for %v: %w", idle, transport.ErrLost))
			}
			if s == nil {
				continue
			}
			if t := s.Stats(); t.Silent >= silence || t.Stuck >= stuck {
				cancel(fmt.Errorf("the host is silent: %w", transport.ErrLost))
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// ended is the error of something that ctx may have ended.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
