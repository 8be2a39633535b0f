package transporttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"parley/transport"
)

// expect checks the error of a call that must fail.
func expect(call string, err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s: %v, want %v", call, err, want)
	}
	return nil
}

func testPeerCloses(t *testing.T, a, b transport.Conn) {
	const n = 50
	ctx := soon(t)
	together(t, func() error {
		if err := sendNumbered(ctx, b, 1, 0, n, 500); err != nil {
			return err
		}
		return b.Close()
	}, func() error {
		if err := receiveNumbered(ctx, a, 0, n); err != nil {
			return err
		}
		for range 3 {
			_, err := a.Receive(ctx)
			if err := expect("Receive after the peer closed", err, io.EOF); err != nil {
				return err
			}
		}
		return expect("Send after the peer closed", a.Send(ctx, []byte("late")), io.EOF)
	})
}

func testWeClose(t *testing.T, a, b transport.Conn) {
	if err := a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	ctx := soon(t)
	for range 2 {
		_, err := a.Receive(ctx)
		if err := expect("Receive after Close", err, net.ErrClosed); err != nil {
			t.Error(err)
		}
		if err := expect("Send after Close", a.Send(ctx, []byte("late")), net.ErrClosed); err != nil {
			t.Error(err)
		}
	}
	_, err := b.Receive(ctx)
	if err := expect("Receive at the other end", err, io.EOF); err != nil {
		t.Error(err)
	}
}

// testCloseEndsCalls closes while several Sends wait for room and a Receive
// for a message. A Send may find room at the last moment; then its message
// arrives.
func testCloseEndsCalls(t *testing.T, a, b transport.Conn) {
	const senders = 3
	ctx := soon(t)
	n := fillUp(t, a)
	started, ended := make(chan struct{}, senders+1), make(chan error, senders)
	var steps []func() error
	for range senders {
		steps = append(steps, func() error {
			started <- struct{}{}
			ended <- a.Send(ctx, numbered(9, 0, bigSize))
			return nil
		})
	}
	steps = append(steps, func() error {
		started <- struct{}{}
		_, err := a.Receive(ctx)
		return expect("waiting Receive", err, net.ErrClosed)
	}, func() error {
		for range senders + 1 {
			<-started
		}
		return a.Close()
	}, func() error { // the peer reads when the Sends have ended
		late := 0
		for range senders {
			switch err := <-ended; {
			case err == nil:
				late++
			case !errors.Is(err, net.ErrClosed):
				return fmt.Errorf("waiting Send: %w, want %w", err, net.ErrClosed)
			}
		}
		if err := receiveNumbered(ctx, b, 0, n); err != nil {
			return err
		}
		for range late {
			if err := receiveNumbered(ctx, b, 0, 1); err != nil {
				return err
			}
		}
		_, err := b.Receive(ctx)
		return expect("Receive at the other end", err, io.EOF)
	})
	together(t, steps...)
}

func testCloseDelivers(t *testing.T, a, b transport.Conn) {
	const n = 40 // sent while nobody receives, to both sides
	ctx := soon(t)
	if err := sendNumbered(ctx, a, 1, 0, n, 300); err != nil {
		t.Fatal(err)
	}
	if err := sendNumbered(ctx, b, 2, 0, n, 300); err != nil {
		t.Fatal(err)
	}
	together(t, a.Close, func() error {
		if err := receiveNumbered(ctx, b, 0, n); err != nil {
			return err
		}
		_, err := b.Receive(ctx)
		return expect("Receive after the last", err, io.EOF)
	})
}

func testCloseBacklog(t *testing.T, a, b transport.Conn) {
	ctx := soon(t)
	n := fillUp(t, a)
	together(t, a.Close, func() error {
		if err := receiveNumbered(ctx, b, 0, n); err != nil {
			return err
		}
		_, err := b.Receive(ctx)
		return expect("Receive after the last", err, io.EOF)
	})
}

func testCloseTwice(t *testing.T, a, b transport.Conn) {
	together(t, a.Close, a.Close)
	if err := a.Close(); err != nil {
		t.Errorf("third Close: %v", err)
	}
	if _, err := b.Receive(soon(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Receive after the peer closed: %v, want EOF", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close after the peer closed: %v", err)
	}
}

func testBothClose(t *testing.T, a, b transport.Conn) {
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	flood := func(c transport.Conn) func() error {
		return func() error {
			for {
				switch err := c.Send(ctx, numbered(1, 0, bigSize)); {
				case errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF):
					return nil
				case err != nil:
					return err
				}
			}
		}
	}
	closing := func(c transport.Conn) func() error {
		return func() error {
			for range 3 {
				if _, err := c.Receive(ctx); err != nil && !errors.Is(err, io.EOF) {
					return err
				}
			}
			return c.Close()
		}
	}
	together(t, flood(a), flood(b), closing(a), closing(b))
}
