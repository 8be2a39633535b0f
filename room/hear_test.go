package room

import (
	"bytes"
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

// TestWhisper looks at every byte that a third member gets: live, on resuming,
// and in a replay.
func TestWhisper(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		bytesTo := map[int]*bytes.Buffer{}
		var cablesIn []*cable
		h := open(t, cables(1, func(c *cable) {
			mu.Lock()
			defer mu.Unlock()
			n := len(cablesIn)
			cablesIn = append(cablesIn, c)
			bytesTo[n] = &bytes.Buffer{}
			c.seen = func(toMember bool, msg []byte) {
				mu.Lock()
				defer mu.Unlock()
				if toMember {
					bytesTo[n].Write(msg)
				}
			}
		}), nil)
		defer h.close()
		ana, ben, cyn := h.join("ana", nil), h.join("ben", nil), h.join("cyn", nil)
		defer leave(t, ana, ben, cyn)
		until(t, ana, "cyn", func(e Event) bool { return e.Type == Joined && e.Nick == "cyn" })
		for i := range 5 {
			typed(t, ana, fmt.Sprintf("@Ben secret %d", i))
			if e := heard(t, ben, fmt.Sprintf("secret %d", i)); e.Type != Whisper || e.From != "ana" || e.To != "ben" || e.Own {
				t.Errorf("%+v", e)
			}
			typed(t, ben, "/reply secret too")
			if e := heard(t, ana, fmt.Sprintf("secret %d", i)); !e.Own {
				t.Errorf("%+v", e)
			}
			if i == 2 {
				mu.Lock()
				third := cablesIn[2]
				mu.Unlock()
				third.cut()
			}
		}
		say(t, ana, "for all")
		e := heard(t, cyn, "for all")
		dee := h.join("dee", func(o *JoinOptions) { o.History = 100 })
		until(t, dee, "for all", func(e Event) bool {
			if e.Type == Whisper {
				t.Errorf("%+v", e)
			}
			return e.Text == "for all"
		})
		leave(t, dee)
		if e.Seq < 9 {
			t.Errorf("%+v: whispers have numbers like any event", e)
		}
		mu.Lock()
		defer mu.Unlock()
		skips := 0
		for i, b := range bytesTo {
			skips += strings.Count(b.String(), `"skip"`)
			if i >= 2 && strings.Contains(b.String(), "secret") {
				t.Errorf("connection %d carried a whisper", i)
			}
		}
		if skips == 0 {
			t.Error("nothing was skipped")
		}
	})
}

// TestOwnWhispers replays to those who may see them their whispers of before.
func TestOwnWhispers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		id := identity(t)
		ana, ben := h.join("ana", nil), h.join("ben", func(o *JoinOptions) { o.Identity = id })
		typed(t, ana, "/w ben psst")
		heard(t, ben, "psst")
		leave(t, ben)
		ben = h.join("ben", func(o *JoinOptions) { o.Identity, o.History = id, 10 })
		if e := heard(t, ben, "psst"); !e.Replay {
			t.Errorf("%+v", e)
		}
		typed(t, ana, "/w ben once more")
		if d := until(t, ana, "all of it", func(e Event) bool { return e.Type == Delivered && e.Seq > 4 }); d.Of != 1 || d.Count != 1 {
			t.Errorf("a whisper is delivered to one: %+v", d)
		}
		leave(t, ana, ben)
	})
}

// TestBare loses about a fifth of what is said, says so, and counts only what
// came; the rest of the room's life is whole.
func TestBare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const said = 500
		h := open(t, cables(7, func(c *cable) {
			c.loss, c.delay, c.jitter = 0.2, time.Millisecond, 5*time.Millisecond
		}), func(h *Host) { h.Delivery = transport.Bare })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		if ben.Ready().Delivery != "bare" {
			t.Errorf("%+v", ben.Ready())
		}
		heardBy := &record{}
		var delivered []Event
		var reading sync.WaitGroup
		reading.Go(func() {
			for {
				e, err := ana.Next(context.Background())
				if err != nil {
					return
				}
				if e.Type == Delivered {
					delivered = append(delivered, e)
				}
			}
		})
		gaps, topics := map[uint64]bool{}, 0
		reading.Go(func() {
			for {
				e, err := ben.Next(context.Background())
				switch {
				case err != nil:
					return
				case e.Type == Gap:
					for i := range e.Count {
						gaps[e.FromSeq+uint64(i)] = true
					}
				case e.Type == Topic:
					topics++
				case e.Type == Message:
					heardBy.seqs = append(heardBy.seqs, e.Seq)
				}
			}
		})
		for i := range said {
			say(t, ana, fmt.Sprint("n", i))
			time.Sleep(5 * time.Millisecond)
			if i%50 == 0 {
				typed(t, ana, fmt.Sprint("/topic t", i))
			}
		}
		time.Sleep(5 * time.Second)
		leave(t, ana, ben)
		reading.Wait()
		if topics != said/50 {
			t.Errorf("%d topics: what orders the room is never bare", topics)
		}
		if n := len(heardBy.seqs); n+len(gaps) != said || len(gaps) < said/10 || len(gaps) > said*3/10 {
			t.Errorf("%d heard, %d gaps", n, len(gaps))
		}
		for _, seq := range heardBy.seqs {
			if gaps[seq] {
				t.Errorf("%d was shown and called missing", seq)
			}
		}
		full := map[uint64]bool{}
		for _, d := range delivered {
			if d.Count == 1 {
				full[d.Seq] = true
			}
		}
		if len(full) != len(heardBy.seqs) {
			t.Errorf("%d counted as delivered, %d heard", len(full), len(heardBy.seqs))
		}
		for seq := range full {
			if gaps[seq] {
				t.Errorf("%d counts as delivered and is a gap", seq)
			}
		}
	})
}

// TestBareIsShort refuses what no datagram holds.
func TestBareIsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, cables(7, func(c *cable) {}), func(h *Host) { h.Delivery = transport.Bare })
		defer h.close()
		ana := h.join("ana", nil)
		defer leave(t, ana)
		long := strings.Repeat("x", 1050)
		say(t, ana, long)
		if e := kind(t, ana, Failed); e.Code != "too_long" || e.Text != long {
			t.Errorf("%+v", e)
		}
		long = long[:900]
		say(t, ana, long)
		heard(t, ana, long)
	})
}

// TestUnordered shows what comes when it comes, once, and loses nothing.
func TestUnordered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const said = 300
		h := open(t, cables(9, func(c *cable) {
			c.loss, c.delay, c.jitter = 0.2, 5*time.Millisecond, 5*time.Millisecond
		}), func(h *Host) { h.Delivery = transport.Unordered })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		var r *record
		var reading sync.WaitGroup
		reading.Go(func() { r = keep(ben) })
		reading.Go(func() { keep(ana) })
		for i := range said {
			say(t, ana, fmt.Sprint("n", i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		leave(t, ana, ben)
		reading.Wait()
		once, early := map[uint64]bool{}, 0
		for i, seq := range r.seqs {
			once[seq] = true
			if i > 0 && seq < r.seqs[i-1] {
				early++
			}
		}
		if len(once) != said || len(r.seqs) != said || early == 0 || r.kinds[Gap] != 0 {
			t.Errorf("%d of %d heard, %d of them early, %d gaps", len(once), len(r.seqs), early, r.kinds[Gap])
		}
	})
}

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

// TestOutboxIsBounded offers much to an outbox that nobody empties.
func TestOutboxIsBounded(t *testing.T) {
	o := newOutbox(false)
	o.start(&start{})
	o.behind = false
	for i := range uint64(10000) {
		o.offer(&frame{seq: i + 1, data: make([]byte, 2000)}, i%2 == 0)
		if o.bytes > maxQueueBytes || len(o.live) > maxQueue {
			t.Fatalf("%d messages, %d bytes", len(o.live), o.bytes)
		}
	}
	if !o.behind || o.head != 10000 {
		t.Errorf("behind %v, head %d", o.behind, o.head)
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
			if e := kind(t, ben, Link); e.State != "lost" || time.Since(began) < silence || time.Since(began) > silence+time.Second {
				t.Errorf("after %v: %+v", time.Since(began), e)
			}
			if !long {
				time.Sleep(2 * time.Second)
				second.hush(false)
			}
			if e := kind(t, ben, Link); e.State != "resumed" {
				t.Errorf("%+v", e)
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
