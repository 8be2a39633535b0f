//go:build !nolab

package wire

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"
)

// chat is 500 messages of 64 bytes, one every 20 ms, over TCP and a cable of
// 20 ms, with independent loss both ways. It returns how long each took.
func chat(t *testing.T, seed uint64, loss float64, c TCP) []time.Duration {
	const n, size, every = 500, 64, 20 * time.Millisecond
	took := make([]time.Duration, n)
	on(t, Config{Seed: seed, TCP: c, Way: Way{Delay: 20 * time.Millisecond, Loss: loss}}, func(p *place) {
		a, b := p.Host("A"), p.Host("B")
		ln := p.listen(b, ":7")
		sent := make([]time.Duration, n)
		p.work.Go(func() {
			defer ln.Close()
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range n {
				if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
					t.Error(err)
					return
				}
				took[i] = p.Now() - sent[i]
			}
		})
		ctx, cancel := context.WithTimeout(p.ctx, time.Hour)
		defer cancel()
		conn, err := a.DialContext(ctx, "tcp", "B:7")
		if err != nil {
			t.Error(err)
			ln.Close()
			return
		}
		defer conn.Close()
		for i := range n {
			sent[i] = p.Now()
			conn.Write(make([]byte, size))
			time.Sleep(every)
		}
		p.work.Wait()
	})
	return took
}

// late counts what took more than 25 ms, and finds the time that 1 % exceeds.
func late(took []time.Duration) (n int, p99 time.Duration) {
	for _, d := range took {
		if d > 25*time.Millisecond {
			n++
		}
	}
	took = slices.Sorted(slices.Values(took))
	return n, took[len(took)*99/100]
}

// band is the least, the median and the most of several runs.
func band[T int | time.Duration](list []T) string {
	slices.Sort(list)
	return fmt.Sprintf("%v..%v..%v", list[0], list[len(list)/2], list[len(list)-1])
}

// TestTrueToAKernel compares how many messages are late, in the median of 30
// seeds, with what Linux 6.18 did on the same cable.
func TestTrueToAKernel(t *testing.T) {
	if shuffled {
		t.Skip("the race detector makes it slow and finds nothing new here")
	}
	for _, c := range []struct {
		loss   float64
		kernel int
		TCP
	}{{.01, 17, TCP{}}, {.02, 33, TCP{}}, {.05, 106, TCP{}}, {.10, 236, Classic}} {
		var n []int
		for seed := range uint64(30) {
			late, _ := late(chat(t, seed+1, c.loss, c.TCP))
			n = append(n, late)
		}
		slices.Sort(n)
		if median := n[len(n)/2]; median < c.kernel*65/100 || median > c.kernel*135/100 {
			t.Errorf("late at %v: %v; a kernel's median is %d", c.loss, n, c.kernel)
		}
	}
}
