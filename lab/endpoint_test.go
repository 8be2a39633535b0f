//go:build !nolab

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"parley/lab/wire"
	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// carry sends 500 messages of 64 bytes, one every 20 ms, by one of our own
// carriers over a cable of 20 ms that loses some each way.
func carry(t *testing.T, via string, seed uint64, loss float64) (print string, late int) {
	const n = 500
	defer wire.Steady(seed)()
	rec := wire.NewRecorder(via)
	wire.Test(t)(func() {
		l := wire.New(wire.Config{Seed: seed, Tap: rec.Tap, Way: wire.Way{Delay: 20 * time.Millisecond, Loss: loss}})
		defer l.Close()
		ctx := context.Background()
		a, b := l.Host("A"), l.Host("B")
		type end interface {
			transport.Dialer
			transport.Listener
		}
		open := func(h *wire.Host) end {
			if via == "udp" {
				s, err := h.ListenPacket(ctx, "udp", ":7667")
				if err != nil {
					t.Fatal(err)
				}
				return &udp.Endpoint{Socket: s, Plaintext: true}
			}
			ln, err := h.Listen(ctx, "tcp", ":7667")
			if err != nil {
				t.Fatal(err)
			}
			return &tcp.Endpoint{Listener: ln, DialContext: h.DialContext, Plaintext: true}
		}
		from, to := open(a), open(b)
		sent, done := make([]time.Duration, n), make(chan struct{})
		go func() {
			defer close(done)
			c, err := to.Accept(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range n {
				msg, err := c.Receive(ctx)
				if err != nil || binary.BigEndian.Uint32(msg) != uint32(i) {
					t.Errorf("message %d: %v", i, err)
					return
				}
				if l.Now()-sent[i] > 25*time.Millisecond {
					late++
				}
			}
		}()
		a.Pause(time.Second)
		c, err := from.Dial(ctx, netip.AddrPortFrom(b.Addr(), 7667))
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			sent[i] = l.Now()
			msg := make([]byte, 64)
			binary.BigEndian.PutUint32(msg, uint32(i))
			if err := c.Send(ctx, msg); err != nil {
				t.Error(err)
			}
			a.Pause(20 * time.Millisecond)
		}
		<-done
		c.Close()
		from.Close()
		to.Close()
	})
	return rec.Fingerprint(), late
}

// TestCarriersUnderLoss counts what is late by each carrier, over ten seeds.
func TestCarriersUnderLoss(t *testing.T) {
	for _, via := range []string{"udp", "tcp"} {
		var late []int
		begin := time.Now()
		for seed := range uint64(10) {
			_, n := carry(t, via, seed+1, .02)
			late = append(late, n)
		}
		slices.Sort(late)
		same := map[string]int{}
		for range 10 {
			print, _, _ := Agree(func() string {
				print, n := carry(t, via, 7, .02)
				return fmt.Sprint(print, " ", n)
			})
			same[print]++
		}
		t.Logf("%s: late %v; repeats %v; %v a run", via, late, same, time.Since(begin)/30)
		if len(same) > 1 && !shuffled || late[len(late)-1] > 100 {
			t.Errorf("%s: late %v, repeats %v", via, late, same)
		}
	}
}
