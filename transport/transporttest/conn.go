// Package transporttest holds the tests that every carrier must pass, and a
// local network in memory to run them on.
//
// [TestConn] checks a pair of connected Conns against everything that
// [transport.Conn] promises. It is run over each carrier, in each of its
// modes, on real sockets (with [Real]) and on a [LAN] in virtual time (with
// synctest.Test).
//
// A [LAN] has machines with addresses. A [Machine] offers what package net
// offers, datagrams and streams, and between any two machines a [Link] says
// how badly datagrams fare. Everything random comes from one seed.
package transporttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"parley/transport"
)

// Patience is how long one step of a test may take before it counts as hung:
// long enough for a carrier that works through heavy loss, in virtual time or
// on a busy machine.
const Patience = 60 * time.Second

// Real runs a test in real time. It is the counterpart of synctest.Test.
func Real(t *testing.T, f func(*testing.T)) { f(t) }

// inBubble tells whether time is virtual: a bubble's clock begins in 2000.
func inBubble() bool { return time.Now().Year() < 2020 }

// TestConn tests that the pair which mk makes behaves as transport.Conn says.
// Each test is a subtest run by wrap: Real, or synctest.Test for virtual time.
// What mk opens besides the pair it must close in t.Cleanup; the pair is
// closed by TestConn. No goroutine may be left afterwards.
func TestConn(t *testing.T, wrap func(*testing.T, func(*testing.T)), mk func(t *testing.T) (a, b transport.Conn)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a, b transport.Conn)
	}{
		{"order", testOrder},
		{"sizes", testSizes},
		{"sizes refused", testSizesRefused},
		{"many senders", testManySenders},
		{"send keeps no reference", testNoReference},
		{"slice stays valid", testSliceValid},
		{"backpressure", testBackpressure},
		{"stalled receiver", testStalled},
		{"receive cancelled", testReceiveCancelled},
		{"send cancelled", testSendCancelled},
		{"peer closes", testPeerCloses},
		{"we close", testWeClose},
		{"close ends waiting calls", testCloseEndsCalls},
		{"close delivers", testCloseDelivers},
		{"close delivers a backlog", testCloseBacklog},
		{"close twice", testCloseTwice},
		{"both close", testBothClose},
		{"peer", testPeer},
		{"batch", testBatch},
		{"lanes", testLanes},
		{"bare", testBare},
		{"stats", testStats},
		{"idle", testIdle},
	} {
		t.Run(c.name, func(t *testing.T) {
			NoLeaks(t)
			wrap(t, func(t *testing.T) {
				a, b := mk(t)
				defer closeBoth(a, b)
				c.test(t, a, b)
			})
		})
	}
}

func closeBoth(a, b transport.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Close()
	}()
	b.Close()
	<-done
}

// soon returns a context that ends a hung test.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// together runs fs at once and fails the test with the errors of all.
func together(t *testing.T, fs ...func() error) {
	t.Helper()
	errs := make(chan error, len(fs))
	for _, f := range fs {
		go func() { errs <- f() }()
	}
	var all []error
	for range fs {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		t.Fatal(err)
	}
}

// numbered makes message n of sender who: at least 8 bytes, filled with what
// can be checked.
func numbered(who, n, size int) []byte {
	msg := make([]byte, max(size, 8))
	binary.BigEndian.PutUint32(msg, uint32(who))
	binary.BigEndian.PutUint32(msg[4:], uint32(n))
	fill(msg[8:], n)
	return msg
}

func fill(b []byte, seed int) {
	for i := range b {
		b[i] = byte(seed*31 + i*7 + i>>8)
	}
}

// readNumbered says which message msg is, or that it was damaged.
func readNumbered(msg []byte) (who, n int, err error) {
	if len(msg) < 8 {
		return 0, 0, fmt.Errorf("received %d bytes, too few", len(msg))
	}
	who, n = int(binary.BigEndian.Uint32(msg)), int(binary.BigEndian.Uint32(msg[4:]))
	if !bytes.Equal(msg, numbered(who, n, len(msg))) {
		return 0, 0, fmt.Errorf("message %d of sender %d was damaged", n, who)
	}
	return who, n, nil
}

func sendNumbered(ctx context.Context, c transport.Conn, who, from, to, size int) error {
	for n := from; n < to; n++ {
		if err := c.Send(ctx, numbered(who, n, size)); err != nil {
			return fmt.Errorf("send %d: %w", n, err)
		}
	}
	return nil
}

// receiveNumbered receives messages from to to-1, which must come in order.
func receiveNumbered(ctx context.Context, c transport.Conn, from, to int) error {
	for want := from; want < to; want++ {
		msg, err := c.Receive(ctx)
		if err != nil {
			return fmt.Errorf("receive %d: %w", want, err)
		}
		_, n, err := readNumbered(msg)
		if err != nil {
			return err
		}
		if n != want {
			return fmt.Errorf("received %d, want %d", n, want)
		}
	}
	return nil
}

func testOrder(t *testing.T, a, b transport.Conn) {
	const n = 500
	ctx := soon(t)
	together(t,
		func() error { return sendNumbered(ctx, a, 1, 0, n, 60) },
		func() error { return sendNumbered(ctx, b, 2, 0, n, 60) },
		func() error { return receiveNumbered(ctx, a, 0, n) },
		func() error { return receiveNumbered(ctx, b, 0, n) },
	)
}

// oddSizes are message sizes around every boundary that a carrier may have.
func oddSizes() (sizes []int) {
	for p := 1; p <= transport.MaxMessage; p *= 2 {
		sizes = append(sizes, max(p-1, 1), p, min(p+1, transport.MaxMessage))
	}
	sizes = append(sizes, 1100, 1150, 1160, 1170, 1180, 1190, 1199, 1200, 1201, 1400, 1452, 1500, 16380, 65000)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		sizes = append(sizes, 1+rng.IntN(transport.MaxMessage))
	}
	rng.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	return sizes
}

func testSizes(t *testing.T, a, b transport.Conn) {
	ctx, sizes := soon(t), oddSizes()
	send := func(c transport.Conn) func() error {
		return func() error {
			for i, size := range sizes {
				msg := make([]byte, size)
				fill(msg, i)
				if err := c.Send(ctx, msg); err != nil {
					return fmt.Errorf("send %d bytes: %w", size, err)
				}
			}
			return nil
		}
	}
	receive := func(c transport.Conn) func() error {
		return func() error {
			for i, size := range sizes {
				msg, err := c.Receive(ctx)
				if err != nil {
					return fmt.Errorf("receive %d bytes: %w", size, err)
				}
				want := make([]byte, size)
				fill(want, i)
				if !bytes.Equal(msg, want) {
					return fmt.Errorf("received %d bytes, not the %d sent", len(msg), size)
				}
			}
			return nil
		}
	}
	together(t, send(a), send(b), receive(a), receive(b))
}

func testSizesRefused(t *testing.T, a, b transport.Conn) {
	ctx := soon(t)
	for _, msg := range [][]byte{nil, {}, make([]byte, transport.MaxMessage+1)} {
		if err := a.Send(ctx, msg); !errors.Is(err, transport.ErrSize) {
			t.Errorf("Send of %d bytes: %v, want ErrSize", len(msg), err)
		}
	}
	together(t, // and the Conn lives
		func() error { return sendNumbered(ctx, a, 1, 0, 1, 100) },
		func() error { return receiveNumbered(ctx, b, 0, 1) },
	)
}

func testManySenders(t *testing.T, a, b transport.Conn) {
	const senders, each = 8, 50
	ctx := soon(t)
	steps := []func() error{func() error {
		var next [senders]int
		for range senders * each {
			msg, err := b.Receive(ctx)
			if err != nil {
				return err
			}
			who, n, err := readNumbered(msg)
			if err != nil {
				return err
			}
			if who >= senders || n != next[who] {
				return fmt.Errorf("received %d of sender %d out of turn", n, who)
			}
			next[who]++
		}
		return nil
	}}
	for who := range senders {
		steps = append(steps, func() error { return sendNumbered(ctx, a, who, 0, each, 10+700*who) })
	}
	together(t, steps...)
}

func testNoReference(t *testing.T, a, b transport.Conn) {
	const n = 100
	ctx := soon(t)
	together(t, func() error {
		msg := make([]byte, 3000)
		for i := range n {
			copy(msg, numbered(1, i, len(msg)))
			if err := a.Send(ctx, msg); err != nil {
				return err
			}
			clear(msg)
		}
		return nil
	}, func() error { return receiveNumbered(ctx, b, 0, n) })
}

func testSliceValid(t *testing.T, a, b transport.Conn) {
	const n = 20
	ctx := soon(t)
	together(t, func() error { return sendNumbered(ctx, a, 1, 0, 1, 2000) }, func() error {
		first, err := b.Receive(ctx)
		if err != nil {
			return err
		}
		if err := sendNumbered(ctx, a, 1, 1, n, 2000); err != nil {
			return err
		}
		// A message the other way gives the others time to arrive.
		if err := sendNumbered(ctx, b, 2, 0, 1, 10); err != nil {
			return err
		}
		if err := receiveNumbered(ctx, a, 0, 1); err != nil {
			return err
		}
		if _, got, err := readNumbered(first); err != nil || got != 0 {
			return fmt.Errorf("the received slice changed before the next Receive: %v", err)
		}
		return receiveNumbered(ctx, b, 1, n)
	})
}
