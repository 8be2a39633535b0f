package transport_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"parley/transport"
	"parley/transport/transporttest"
)

// source is a Listener that is given its Conns.
type source struct {
	conns  chan transport.Conn
	failed chan error
	closed chan struct{}
	once   sync.Once
}

func newSource() *source {
	return &source{conns: make(chan transport.Conn), failed: make(chan error), closed: make(chan struct{})}
}

func (s *source) Accept(ctx context.Context) (transport.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case err := <-s.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *source) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func virtually(t *testing.T, f func(*testing.T)) {
	transporttest.NoLeaks(t)
	synctest.Test(t, f)
}

func TestMerge(t *testing.T) {
	virtually(t, func(t *testing.T) {
		a, b := newSource(), newSource()
		m := transport.Merge(a, b)
		c, d := pipe(t)
		go func() { b.conns <- c; a.conns <- d }()
		for range 2 {
			if _, err := m.Accept(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Accept(over); !errors.Is(err, context.Canceled) {
			t.Errorf("Accept with an ended context: %v", err)
		}
		a.conns <- c // nobody accepts it
		synctest.Wait()
		m.Close()
		if err := c.Send(t.Context(), []byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a Conn that nobody accepted was left open: %v", err)
		}
		if _, err := m.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
		d.Close()
	})
}

func TestMergeFailures(t *testing.T) {
	virtually(t, func(t *testing.T) {
		a, b := newSource(), newSource()
		m := transport.Merge(a, b)
		first := errors.New("first")
		a.failed <- first
		synctest.Wait()
		c, d := pipe(t)
		go func() { b.conns <- c }()
		if got, err := m.Accept(t.Context()); err != nil || got != c {
			t.Errorf("one Listener has failed: the other gave %v, %v", got, err)
		}
		b.failed <- errors.New("second")
		for range 2 {
			if _, err := m.Accept(t.Context()); !errors.Is(err, first) {
				t.Errorf("all Listeners have failed: %v, want the first error", err)
			}
		}
		m.Close()
		if _, err := m.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
		c.Close()
		d.Close()
	})
}
