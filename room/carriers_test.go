package room

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// carriers are what the room is tested on, by name. Those that need real
// sockets, and so real time, are marked.
var carriers = map[string]struct {
	carrier
	real bool
}{
	"pipe": {carrier: pipes},
	"cable": {carrier: cables(1, func(c *cable) {
		c.delay, c.jitter, c.loss = time.Millisecond, 2*time.Millisecond, 0.1
	})},
}

// TestCarriers holds one conversation on every carrier, in every kind of room
// that loses nothing.
func TestCarriers(t *testing.T) {
	for name, by := range carriers {
		for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered} {
			t.Run(name+"/"+lane.String(), func(t *testing.T) {
				if by.real {
					conversation(t, by.carrier, lane)
				} else {
					bubble(t, func(t *testing.T) { conversation(t, by.carrier, lane) })
				}
			})
		}
	}
}

// has returns up to where a member has everything.
func has(m *Member) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inbox.done
}

// eventually waits until ok, or until ctx has ended.
func eventually(ctx context.Context, ok func() bool) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !ok() && ctx.Err() == nil {
		<-look.C
	}
}

// conversation has four people talk at once, whisper, lose connections, come
// back and leave.
func conversation(t *testing.T, by carrier, lane transport.Delivery) {
	const people, each = 4, 50
	h := open(t, by, func(h *Host) { h.Delivery = lane })
	defer h.close()
	var members []*Member
	var records [people]*record
	var reading, talking sync.WaitGroup
	for i := range people {
		m := h.join(fmt.Sprintf("m%dx", i), nil)
		members = append(members, m)
		reading.Go(func() { records[i] = keep(m) })
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i, m := range members {
		talking.Go(func() {
			for n := range each {
				if _, err := m.Say(ctx, fmt.Sprintf("%d:%d", i, n)); err != nil {
					t.Errorf("say: %v", err)
				}
				if n == each/2 && i > 0 { // each in turn loses its connection
					h.mu.Lock()
					c := h.conns[i]
					h.mu.Unlock()
					c.Close()
				}
				if n%10 == 0 {
					m.Input(ctx, "/msg m0x psst")
				}
			}
			if err := m.Flush(ctx); err != nil {
				t.Errorf("flush: %v", err)
			}
		})
	}
	talking.Wait()
	log := h.host.Log.(*Memory)
	log.mu.Lock()
	end := log.end()
	log.mu.Unlock()
	for _, m := range members { // everybody has what was said when the last of it has come
		eventually(ctx, func() bool { return has(m) >= end })
	}
	for i, m := range members {
		if got := len(m.Names()); got != people-i {
			t.Errorf("%d people, want %d", got, people-i)
		}
		if err := m.Leave(ctx, "bye"); err != nil {
			t.Error(err)
		}
		for _, other := range members[i+1:] {
			eventually(ctx, func() bool { return len(other.Names()) <= people-i-1 })
		}
	}
	reading.Wait()
	said := func(r *record) (texts []string) {
		for i, s := range r.texts {
			if s != "psst" {
				texts = append(texts, fmt.Sprint(r.seqs[i], " ", s))
			}
		}
		return texts
	}
	want := said(records[0])
	slices.Sort(want)
	for i, r := range records {
		got := said(r)
		if lane == transport.Ordered && !slices.IsSorted(r.seqs) {
			t.Errorf("member %d saw %v", i, r.seqs)
		}
		if slices.Sort(got); len(got) != people*each || !slices.Equal(got, want) {
			t.Errorf("member %d saw %d messages, member 0 %d", i, len(got), len(want))
		}
		if psst := len(r.texts) - len(got); i == 0 && psst != 5*(people-1) || i > 0 && psst != 5 {
			t.Errorf("member %d saw %d whispers", i, psst)
		}
		if i > 0 && r.kinds[Link] != 2 {
			t.Errorf("member %d: %d link events", i, r.kinds[Link])
		}
	}
}
