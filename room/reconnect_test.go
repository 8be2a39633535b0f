package room

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"parley/transport"
)

// TestReconnects cuts a member's connection again and again: nothing that
// was started for one is left, and nothing is lost or comes twice.
func TestReconnects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		id := identity(t)
		dial := h.dial(id)
		var conn atomic.Pointer[transport.Conn]
		ben, err := Join(t.Context(), JoinOptions{Nick: "ben", Identity: id, Drafts: new(desk)}, Dial(func(ctx context.Context) (transport.Conn, error) {
			c, err := dial(ctx)
			if err == nil {
				conn.Store(&c)
			}
			return c, err
		}))
		if err != nil {
			t.Fatal(err)
		}
		heardOf := map[uint64]int{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				e, err := ben.Next(context.Background())
				if err != nil {
					return
				}
				if e.Type == Message {
					heardOf[e.Seq]++
				}
			}
		}()
		const n = 1000
		before := 0
		for i := range n {
			if i%100 == 0 {
				say(t, ben, "hello")
			}
			(*conn.Load()).Close()
			time.Sleep(3 * time.Second)
			if i == 50 {
				before = runtime.NumGoroutine()
			}
		}
		if now := runtime.NumGoroutine(); now > before+10 {
			t.Errorf("%d goroutines, %d before", now, before)
		}
		if c := ben.Stats(); c.Reconnect < n/2 || c.Twice > 0 {
			t.Errorf("%+v", c)
		}
		ben.Leave(t.Context(), "")
		<-done
		for seq, times := range heardOf {
			if times != 1 {
				t.Errorf("%d came %d times", seq, times)
			}
		}
		if len(heardOf) != n/100 {
			t.Errorf("%d messages, not %d", len(heardOf), n/100)
		}
	})
}
