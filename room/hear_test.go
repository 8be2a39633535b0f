package room

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
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
		ana, ben := h.join("ana", h.own), h.join("ben", nil)
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
