package transporttest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"parley/transport"
)

func testPeer(t *testing.T, a, b transport.Conn) {
	for _, p := range []transport.Peer{a.Peer(), b.Peer()} {
		if p.Via == "" {
			t.Error("Peer has no Via")
		}
		if p.Via != "pipe" && !p.Addr.IsValid() {
			t.Error("Peer has no Addr")
		}
		if p.Secure != (p.Binding != [32]byte{}) {
			t.Errorf("Peer with Secure %v has Binding %x", p.Secure, p.Binding)
		}
		if p.Via != "pipe" && p.Secure != (p.Key != transport.Key{}) {
			t.Errorf("Peer with Secure %v has Key %v", p.Secure, p.Key)
		}
	}
	if a.Peer().Binding != b.Peer().Binding {
		t.Error("the ends have different Bindings")
	}
	if a.Peer().Via != b.Peer().Via || a.Peer().Secure != b.Peer().Secure {
		t.Error("the ends differ about what carries them")
	}
}

func testBatch(t *testing.T, a, b transport.Conn) {
	batcher, ok := a.(transport.Batcher)
	if !ok {
		t.Log("not offered")
		return
	}
	ctx := soon(t)
	if err := batcher.SendBatch(ctx, nil); err != nil {
		t.Errorf("SendBatch of nothing: %v", err)
	}
	if err := batcher.SendBatch(ctx, [][]byte{{}}); !errors.Is(err, transport.ErrSize) {
		t.Errorf("SendBatch of an empty message: %v, want ErrSize", err)
	}
	const batches, most = 30, 40
	total := 0
	for i := range batches {
		total += 1 + i%most
	}
	together(t, func() error {
		n := 0
		for i := range batches {
			var msgs [][]byte
			for range 1 + i%most {
				msgs = append(msgs, numbered(1, n, 8+211*n%9000))
				n++
			}
			if err := batcher.SendBatch(ctx, msgs); err != nil {
				return fmt.Errorf("batch %d: %w", i, err)
			}
			for _, msg := range msgs {
				clear(msg)
			}
		}
		return sendNumbered(ctx, a, 1, n, n+1, 10)
	}, func() error { return receiveNumbered(ctx, b, 0, total+1) })
}

// testLanes: every ordered message in order and every unordered one once,
// however they are mixed.
func testLanes(t *testing.T, a, b transport.Conn) {
	lanes, ok := a.(transport.LaneSender)
	if !ok {
		t.Log("not offered")
		return
	}
	const each = 200
	ctx := soon(t)
	for _, d := range []transport.Delivery{transport.Ordered, transport.Unordered} {
		if err := lanes.SendVia(ctx, d, nil); !errors.Is(err, transport.ErrSize) {
			t.Errorf("SendVia %v of nothing: %v, want ErrSize", d, err)
		}
		if err := lanes.SendVia(ctx, d, make([]byte, transport.MaxMessage+1)); !errors.Is(err, transport.ErrSize) {
			t.Errorf("SendVia %v of too much: %v, want ErrSize", d, err)
		}
	}
	send := func(d transport.Delivery) func() error {
		return func() error {
			for n := range each {
				if err := lanes.SendVia(ctx, d, numbered(int(d), n, 8+n*37%5000)); err != nil {
					return fmt.Errorf("%v %d: %w", d, n, err)
				}
			}
			return nil
		}
	}
	together(t, send(transport.Ordered), send(transport.Unordered), func() error {
		ordered, seen := 0, map[int]bool{}
		for range 2 * each {
			msg, err := b.Receive(ctx)
			if err != nil {
				return fmt.Errorf("after %d ordered, %d unordered: %w", ordered, len(seen), err)
			}
			lane, n, err := readNumbered(msg)
			switch {
			case err != nil:
				return err
			case lane == int(transport.Ordered) && n != ordered:
				return fmt.Errorf("ordered %d came instead of %d", n, ordered)
			case lane == int(transport.Ordered):
				ordered++
			case seen[n]:
				return fmt.Errorf("unordered %d came twice", n)
			default:
				seen[n] = true
			}
		}
		return nil
	})
}

func testBare(t *testing.T, a, b transport.Conn) {
	lanes, ok := a.(transport.LaneSender)
	if !ok {
		t.Log("not offered")
		return
	}
	const n, last = 200, 9
	ctx := soon(t)
	for _, size := range []int{0, transport.MaxBare + 1} {
		if err := lanes.SendVia(ctx, transport.Bare, make([]byte, size)); !errors.Is(err, transport.ErrSize) {
			t.Errorf("SendVia bare of %d bytes: %v, want ErrSize", size, err)
		}
	}
	together(t, func() error {
		for i := range n {
			size := 8 + i*53%(transport.MaxBare-7)
			if err := lanes.SendVia(ctx, transport.Bare, numbered(int(transport.Bare), i, size)); err != nil {
				return fmt.Errorf("bare %d: %w", i, err)
			}
		}
		return sendNumbered(ctx, a, last, 0, 1, 8)
	}, func() error {
		seen := map[int]bool{}
		over := false
		// Bare messages may trail the ordered one that ends the test.
		for limit := ctx; ; {
			msg, err := b.Receive(limit)
			if over && errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			who, i, err := readNumbered(msg)
			if err != nil {
				return err
			}
			if who == last {
				var cancel context.CancelFunc
				limit, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				over = true
				continue
			}
			if seen[i] {
				return fmt.Errorf("bare %d came twice", i)
			}
			seen[i] = true
		}
		if len(seen) == 0 {
			return errors.New("no bare message came")
		}
		return nil
	})
}

func testStats(t *testing.T, a, b transport.Conn) {
	statser, ok := a.(transport.Statser)
	if !ok {
		t.Log("not offered")
		return
	}
	const n, size = 100, 500
	ctx := soon(t)
	together(t,
		func() error { return sendNumbered(ctx, a, 1, 0, n, size) },
		func() error { return sendNumbered(ctx, b, 1, 0, n, size) },
		func() error { return receiveNumbered(ctx, a, 0, n) },
		func() error { return receiveNumbered(ctx, b, 0, n) },
	)
	// What was sent is counted when the system has taken it, which may be a moment
	// after the other side has it.
	s := statser.Stats()
	for s.BytesOut < n*size && ctx.Err() == nil {
		runtime.Gosched()
		s = statser.Stats()
	}
	if s.BytesOut < n*size || s.BytesIn < n*size || s.Sent == 0 || s.Received == 0 {
		t.Errorf("after %d messages of %d bytes both ways: %+v", n, size, s)
	}
}
