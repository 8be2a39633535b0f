package transporttest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"parley/transport"
)

const (
	// bigSize is the size of the messages that fill a Conn up.
	bigSize = 60 << 10
	// maxHeld is how many bytes a Conn may take in while nobody receives:
	// far above what any needs, kernel buffers included, and far below
	// what would be without bounds.
	maxHeld = 64 << 20
	// fullAfter is how long a Send must wait to prove that the Conn is full.
	fullAfter = 400 * time.Millisecond
)

// fillUp sends messages until one has to wait, and returns how many were
// accepted.
func fillUp(t *testing.T, c transport.Conn) int {
	t.Helper()
	for n := 0; n*bigSize < maxHeld; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), fullAfter)
		err := c.Send(ctx, numbered(1, n, bigSize))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return n
		}
		if err != nil {
			t.Fatalf("send %d: %v", n, err)
		}
	}
	t.Fatalf("%d bytes were accepted while nobody received", maxHeld)
	return 0
}

func testBackpressure(t *testing.T, a, b transport.Conn) {
	n := fillUp(t, a)
	if n == 0 {
		t.Fatal("the first Send waited for a Receive")
	}
	// The Send that gave up sent nothing: the next message takes its number.
	ctx := soon(t)
	together(t,
		func() error { return sendNumbered(ctx, a, 1, n, n+5, bigSize) },
		func() error { return receiveNumbered(ctx, b, 0, n+5) },
	)
}

// testStalled lets a receiver pause for longer than a write may hang on a
// dead link: a peer that is behind is not a peer that is gone.
func testStalled(t *testing.T, a, b transport.Conn) {
	if !inBubble() {
		t.Log("tested in virtual time only: it would take 20 s")
		return
	}
	ctx := soon(t)
	n := fillUp(t, a)
	sent := make(chan error, 1)
	go func() { sent <- sendNumbered(ctx, a, 1, n, n+1, bigSize) }()
	time.Sleep(20 * time.Second)
	if err := receiveNumbered(ctx, b, 0, n+1); err != nil {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func testReceiveCancelled(t *testing.T, a, b transport.Conn) {
	ctx := soon(t)
	brief, cancel := context.WithTimeout(ctx, time.Millisecond)
	if _, err := b.Receive(brief); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Receive with nothing there: %v, want DeadlineExceeded", err)
	}
	if _, err := b.Receive(brief); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Receive after the end: %v, want DeadlineExceeded", err)
	}
	cancel()
	const n = 300
	together(t, func() error {
		for i := range n {
			if err := sendNumbered(ctx, a, 1, i, i+1, 1+97*i); err != nil {
				return err
			}
		}
		return nil
	}, func() error {
		for want := 0; want < n; {
			brief, cancel := context.WithTimeout(ctx, time.Duration(1+want%7)*100*time.Microsecond)
			err := receiveNumbered(brief, b, want, want+1)
			cancel()
			switch {
			case err == nil:
				want++
			case !errors.Is(err, context.DeadlineExceeded):
				return err
			case ctx.Err() != nil:
				return fmt.Errorf("%d of %d received", want, n)
			}
		}
		return nil
	})
}

func testSendCancelled(t *testing.T, a, b transport.Conn) {
	ctx := soon(t)
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := a.Send(over, []byte("never")); !errors.Is(err, context.Canceled) {
		t.Errorf("Send with an ended context: %v, want Canceled", err)
	}
	together(t,
		func() error { return sendNumbered(ctx, a, 1, 0, 3, 100) },
		func() error { return receiveNumbered(ctx, b, 0, 3) },
	)
}

// testIdle lets a Conn rest for long, and use it again.
func testIdle(t *testing.T, a, b transport.Conn) {
	if !inBubble() {
		t.Log("tested in virtual time only: it would take 5 minutes")
		return
	}
	time.Sleep(5 * time.Minute)
	ctx := soon(t)
	together(t,
		func() error { return sendNumbered(ctx, a, 1, 0, 10, 100) },
		func() error { return sendNumbered(ctx, b, 1, 0, 10, 100) },
		func() error { return receiveNumbered(ctx, a, 0, 10) },
		func() error { return receiveNumbered(ctx, b, 0, 10) },
	)
}
