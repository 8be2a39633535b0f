package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// TestSlowReader stops reading for 20 s while much is said: the host keeps
// little for it, and it gets everything.
func TestSlowReader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, cables(3, func(c *cable) {}), func(h *Host) { h.Burst = 5000 })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		var got, own *record
		var reading sync.WaitGroup
		reading.Go(func() { own = keep(ana) })
		text := strings.Repeat("y", 1000)
		for i := range 3000 {
			say(t, ana, fmt.Sprintf("%d %s", i, text))
		}
		if err := ana.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		reading.Go(func() { got = keep(ben) })
		time.Sleep(5 * time.Second)
		leave(t, ana, ben)
		reading.Wait()
		if len(got.seqs) != 3000 || len(own.seqs) != 3000 || got.kinds[Link] != 0 {
			t.Errorf("%d and %d heard, %d link events", len(got.seqs), len(own.seqs), got.kinds[Link])
		}
	})
}

// TestStalled takes nothing for more than 30 s: it is cut off, learns why, and
// has everything in the end.
func TestStalled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, cables(3, func(c *cable) {}), func(h *Host) { h.Burst = 5000 })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		var got *record
		var reading sync.WaitGroup
		reading.Go(func() { keep(ana) })
		for i := range 2000 {
			say(t, ana, fmt.Sprint(i))
		}
		time.Sleep(stalled + 5*time.Second)
		var why string
		reading.Go(func() {
			got = &record{}
			for {
				e, err := ben.Next(context.Background())
				if err != nil {
					return
				}
				if e.Type == Message {
					got.seqs = append(got.seqs, e.Seq)
				}
				if e.Type == Link && e.State == "resumed" {
					why = e.Why
				}
			}
		})
		time.Sleep(time.Minute)
		leave(t, ana, ben)
		reading.Wait()
		if len(got.seqs) != 2000 || !strings.Contains(why, "30 s") {
			t.Errorf("%d heard, why %q", len(got.seqs), why)
		}
	})
}

// TestFeedIsBounded puts much into a feed, small and large, and reads it from
// everywhere: it keeps little, and what it has is right.
func TestFeedIsBounded(t *testing.T) {
	for _, size := range []int{10, 2000, maxWire} {
		var f feed
		for seq := range uint64(10000) {
			f.add(&frame{seq: seq + 1, data: make([]byte, size)})
			if f.bytes > maxFeedBytes || len(f.frames) > maxFeed {
				t.Fatalf("%d events, %d bytes", len(f.frames), f.bytes)
			}
		}
		if f.bytes != size*len(f.frames) || len(f.frames) < maxFeedBytes/maxWire*7/8 {
			t.Errorf("%d events of %d bytes are counted as %d bytes", len(f.frames), size, f.bytes)
		}
		first := 10001 - uint64(len(f.frames))
		for _, c := range []struct {
			after, upto uint64
			want        int
		}{{0, 10000, 0}, {first - 2, 10000, 0}, {first - 1, 10000, maxAtOnce}, {9998, 10000, 2}, {9990, 9995, 5}, {10000, 10000, 0}, {9999, 20000, 1}} {
			some, has := f.after(c.after, c.upto, nil)
			if has != first || len(some) != min(c.want, len(f.frames)) {
				t.Errorf("%d to %d: %d events, the first there is %d", c.after, c.upto, len(some), has)
			}
			for i, e := range some {
				if e.seq != c.after+1+uint64(i) {
					t.Errorf("%d to %d: %d comes as number %d", c.after, c.upto, e.seq, i)
				}
			}
		}
		for _, n := range []int{1, 5, len(f.frames), len(f.frames) + 1} {
			seq, ok := f.back(transport.Key{}, 10000, n)
			if want := n <= len(f.frames); ok != want || ok && seq != 10000-uint64(n) {
				t.Errorf("the last %d come after %d, %v", n, seq, ok)
			}
		}
	}
}

// TestFeedOfAWhisper counts back over what somebody may not see.
func TestFeedOfAWhisper(t *testing.T) {
	var f feed
	ana, ben := transport.Key{1}, transport.Key{2}
	f.add(&frame{seq: 1})
	f.add(&frame{seq: 2, audience: []transport.Key{ana}})
	f.add(&frame{seq: 3, nothing: true})
	f.add(&frame{seq: 4})
	for _, c := range []struct {
		who transport.Key
		n   int
		seq uint64
	}{{ana, 2, 1}, {ben, 2, 0}, {ana, 3, 0}, {ben, 9, 0}} {
		if seq, ok := f.back(c.who, 4, c.n); !ok || seq != c.seq {
			t.Errorf("the last %d of %v come after %d, %v, not after %d", c.n, c.who[0], seq, ok, c.seq)
		}
	}
}

// TestPacing says more than the room takes at once: it takes longer, is told so
// once, and loses nothing.
func TestPacing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, func(h *Host) { h.Burst, h.Rate = 50, 10 })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		var got *record
		slow := 0
		var reading sync.WaitGroup
		reading.Go(func() { got = keep(ben) })
		reading.Go(func() {
			for {
				e, err := ana.Next(context.Background())
				if err != nil {
					return
				}
				if e.Type == Notice && e.Code == "slow" {
					slow++
				}
			}
		})
		began := time.Now()
		for i := range 250 {
			say(t, ana, fmt.Sprint(i))
		}
		if err := ana.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		took := time.Since(began)
		say(t, ben, "not slowed")
		heardBy := time.Since(began)
		synctest.Wait()
		leave(t, ana, ben)
		reading.Wait()
		if took < 16*time.Second || took > 21*time.Second || heardBy-took > time.Second {
			t.Errorf("200 messages over the burst took %v", took)
		}
		if len(got.seqs) != 251 || slow != 1 {
			t.Errorf("%d heard, told %d times", len(got.seqs), slow)
		}
	})
}

// TestSilence has a connection fall silent without ending: another takes its
// place, or, if it speaks again first, none does.
func TestSilence(t *testing.T) {
	for _, long := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			var all []*cable
			var mu sync.Mutex
			h := open(t, cables(5, func(c *cable) {
				mu.Lock()
				defer mu.Unlock()
				if len(all) >= 2 && !long {
					c.silent = true
				}
				all = append(all, c)
			}), nil)
			defer h.close()
			ana, ben := h.join("ana", nil), h.join("ben", nil)
			defer func() {
				for _, c := range all {
					c.cut()
				}
			}()
			mu.Lock()
			second := all[1]
			mu.Unlock()
			second.hush(true)
			began := time.Now()
			say(t, ben, "into the dark")
			if !long { // there is no other at once, so people are told
				if e := kind(t, ben, Link); e.State != "lost" || time.Since(began) < silence || time.Since(began) > 3*time.Second {
					t.Errorf("after %v: %+v", time.Since(began), e)
				}
				time.Sleep(2 * time.Second)
				second.hush(false)
			}
			if e := kind(t, ben, Link); e.State != "resumed" || long && (time.Since(began) > 3*time.Second || e.Why != "udp silent for 2.5 s") {
				t.Errorf("after %v: %+v", time.Since(began), e)
			}
			if e := heard(t, ana, "into the dark"); e.Seq != 3 || time.Since(began) > 7*time.Second {
				t.Errorf("after %v: %+v", time.Since(began), e)
			}
			leave(t, ana)
			leave(t, ben)
		})
	}
}

// TestPutOut is put out by the host, and stays out.
func TestPutOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		h.host.do(func(now time.Time, c *core) {
			for l := range c.links {
				l.out.finish(encode(report{Type: typeBye, Code: "kicked", Text: "out with you"}))
			}
		})
		var r *Refused
		for {
			if _, err := ana.Next(t.Context()); err != nil {
				if !errors.As(err, &r) || r.Code != "kicked" {
					t.Errorf("%v", err)
				}
				break
			}
		}
		if _, err := ana.Say(t.Context(), "but"); !errors.As(err, &r) {
			t.Errorf("%v", err)
		}
		ana.Leave(t.Context(), "")
		if len(h.conns) != 1 {
			t.Error("it came back")
		}
	})
}
