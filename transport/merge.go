package transport

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Merge returns a Listener that accepts from all of ls. Closing it closes them.
// An error of one of them ends it alone; when all have ended, Accept returns
// the first of their errors.
func Merge(ls ...Listener) Listener {
	ctx, cancel := context.WithCancel(context.Background())
	m := &merged{from: ls, conns: make(chan Conn), done: make(chan struct{}), ctx: ctx, cancel: cancel}
	var running sync.WaitGroup
	for _, l := range ls {
		running.Go(func() { m.pump(ctx, l) })
	}
	go func() {
		running.Wait()
		close(m.done)
	}()
	return m
}

type merged struct {
	from   []Listener
	conns  chan Conn
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{} // closed when every pump has ended
	mu     sync.Mutex
	err    error // of the first to fail
}

func (m *merged) pump(ctx context.Context, l Listener) {
	for {
		c, err := l.Accept(ctx)
		if err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.err == nil && ctx.Err() == nil {
				m.err = err
			}
			return
		}
		select {
		case m.conns <- c:
		case <-ctx.Done():
			c.Close()
			return
		}
	}
}

func (m *merged) Accept(ctx context.Context) (Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-m.done:
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.err == nil || m.ctx.Err() != nil {
			return nil, net.ErrClosed
		}
		return nil, m.err
	}
}

func (m *merged) Close() error {
	m.cancel()
	var errs []error
	for _, l := range m.from {
		errs = append(errs, l.Close())
	}
	<-m.done
	return errors.Join(errs...)
}
