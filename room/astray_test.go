package room

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/transport"
)

// TestSentToAndFro has hosts send a member on and on: it goes at once the first time, and then
// no more often than it looks for a host that is gone.
func TestSentToAndFro(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var hosts sync.WaitGroup
		var joins atomic.Int64
		o := JoinOptions{Nick: "ana", Moved: func(Move) {}}
		m, err := Join(ctx, o, Dial(func(context.Context) (transport.Conn, error) {
			mine, its := transport.Pipe(transport.Peer{}, transport.Peer{})
			hosts.Go(func() {
				defer its.Close()
				if msg, err := its.Receive(ctx); err != nil || json.Unmarshal(msg, new(command)) != nil {
					return
				}
				if joins.Add(1) > 1000 {
					<-ctx.Done()
				}
				its.Send(ctx, encode(greeting))
				its.Send(ctx, encode(report{Type: string(Members)}))
				its.Send(ctx, Forward(there))
			})
			return mine, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		go keep(m)
		time.Sleep(10 * time.Second)
		if n := joins.Load(); n < 5 || n > 40 {
			t.Errorf("%d joins in 10 s", n)
		}
		cancel()
		m.Leave(context.Background(), "")
		hosts.Wait()
	})
}
