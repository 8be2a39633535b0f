package room

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// record is what one member saw of what was said.
type record struct {
	seqs  []uint64
	texts []string
	kinds map[Kind]int
	fails []Event
}

// keep reads everything that comes until the member has ended.
func keep(m *Member) *record {
	r := &record{kinds: map[Kind]int{}}
	for {
		e, err := m.Next(context.Background())
		if err != nil {
			return r
		}
		r.kinds[e.Type]++
		if e.Type == Failed {
			r.fails = append(r.fails, e)
		}
		if e.Type.said() {
			r.seqs, r.texts = append(r.seqs, e.Seq), append(r.texts, e.Text)
		}
	}
}

// TestResume cuts connections at random moments, under way in both
// directions, while everybody talks: nothing may be lost, come twice, or come
// in another order for somebody.
func TestResume(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { resume(t, seed, transport.Ordered) })
		})
	}
}

// TestResumeUnordered is TestResume in an unordered room: the order may differ.
func TestResumeUnordered(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { resume(t, 100+seed, transport.Unordered) })
		})
	}
}

func resume(t *testing.T, seed uint64, lane transport.Delivery) {
	const people, each = 4, 60
	var mu sync.Mutex
	var live []*cable
	h := open(t, cables(seed, func(c *cable) {
		c.delay, c.jitter, c.loss = 2*time.Millisecond, 3*time.Millisecond, 0.1
		mu.Lock()
		live = append(live, c)
		mu.Unlock()
	}), func(h *Host) { h.Delivery = lane })
	defer h.close()

	var members []*Member
	var records [people]*record
	var reading, talking sync.WaitGroup
	for i := range people {
		m := h.join(fmt.Sprintf("m%dx", i), nil)
		members = append(members, m)
		reading.Go(func() { records[i] = keep(m) })
	}
	dice := rand.New(rand.NewPCG(seed, 3))
	over := make(chan struct{})
	var nemesis sync.WaitGroup
	cuts := 0
	nemesis.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(dice.IntN(400)) * time.Millisecond):
			}
			mu.Lock()
			c := live[len(live)-1-dice.IntN(people)] // most likely one in use
			mu.Unlock()
			if cuts++; dice.IntN(3) == 0 {
				c.hush(true)
				time.AfterFunc(time.Duration(dice.IntN(6000))*time.Millisecond, func() { c.hush(false) })
			} else {
				c.cut()
			}
		}
	})
	for i, m := range members {
		pause := rand.New(rand.NewPCG(seed, uint64(10+i)))
		talking.Go(func() {
			for n := range each {
				say(t, m, fmt.Sprintf("%d:%d", i, n))
				time.Sleep(time.Duration(pause.IntN(150)) * time.Millisecond)
			}
			if err := m.Flush(context.Background()); err != nil {
				t.Errorf("flush: %v", err)
			}
		})
	}
	talking.Wait()
	close(over)
	nemesis.Wait()
	time.Sleep(2 * time.Minute) // everybody is back and has everything
	for _, m := range members {
		if s := m.Stats(); s.Pending != 0 {
			t.Errorf("%d still pending", s.Pending)
		}
		m.Leave(context.Background(), "")
	}
	reading.Wait()
	if cuts < 10 {
		t.Errorf("only %d cuts", cuts)
	}
	stored := map[uint64]string{}
	lost := 0
	for i, r := range records {
		if len(r.seqs) != people*each {
			t.Errorf("member %d saw %d messages of %d; stats %+v; %v", i, len(r.seqs), people*each, members[i].Stats(), missing(records[:], r))
		}
		if len(r.fails) > 0 {
			t.Errorf("member %d: %v", i, r.fails[0])
		}
		lost += r.kinds[Link]
		next := map[string]int{}
		once := map[uint64]bool{}
		for j, seq := range r.seqs {
			if was, ok := stored[seq]; ok && was != r.texts[j] || once[seq] {
				t.Fatalf("member %d saw %d as %q, and %q was seen", i, seq, r.texts[j], was)
			}
			stored[seq], once[seq] = r.texts[j], true
			if lane != transport.Ordered {
				continue
			}
			if j > 0 && seq <= r.seqs[j-1] {
				t.Fatalf("member %d saw %d after %d", i, seq, r.seqs[j-1])
			}
			who, n := r.texts[j][:1], 0
			fmt.Sscanf(r.texts[j][2:], "%d", &n)
			if n != next[who] {
				t.Fatalf("member %d saw %q, and %s:%d was next", i, r.texts[j], who, next[who])
			}
			next[who]++
		}
	}
	if lost == 0 || len(stored) != people*each {
		t.Errorf("%d link events, %d messages", lost, len(stored))
	}
	t.Logf("%d cuts, %d link events", cuts, lost)
}

// missing returns what others saw and r did not.
func missing(all []*record, r *record) (texts []string) {
	for _, o := range all {
		for j, seq := range o.seqs {
			if !slices.Contains(r.seqs, seq) {
				texts = append(texts, fmt.Sprintf("%d %s", seq, o.texts[j]))
			}
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}
