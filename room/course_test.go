package room

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// stairs is a Way of which a test says when there is a better connection.
type stairs struct {
	Dial
	mu     sync.Mutex
	before []transport.Conn // with which it was called
	up     chan string      // why
	better Dial
}

func (s *stairs) dialed(ctx context.Context, before transport.Conn) (transport.Conn, error) {
	s.mu.Lock()
	s.before = append(s.before, before)
	s.mu.Unlock()
	return s.Dial(ctx)
}

// lift is a stairs as a Way.
type lift struct{ *stairs }

func (l lift) Dial(ctx context.Context, before transport.Conn) (transport.Conn, error) {
	return l.dialed(ctx, before)
}

func (l lift) Better(ctx context.Context, now transport.Conn) (transport.Conn, string, error) {
	select {
	case why := <-l.up:
		c, err := l.better(ctx)
		return c, why, err
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

// house is a hall in which ben sits on cables that the test knows.
type house struct {
	*hall
	mu     sync.Mutex
	cables []*cable // in the order they were made
	mute   bool     // new ones are silent
	way    *stairs
	ana    *Member
	ben    *Member
	kept   [2]*record
	both   sync.WaitGroup
	links  []Event // of ben
}

func inHouse(t *testing.T, seed uint64, test func(h *house)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		h := &house{}
		h.hall = open(t, cables(seed, func(c *cable) {
			h.mu.Lock()
			defer h.mu.Unlock()
			c.delay, c.silent, c.since = 2*time.Millisecond, h.mute, time.Now()
			h.cables = append(h.cables, c)
		}), nil)
		defer h.close()
		id := identity(t)
		h.way = &stairs{Dial: h.dial(id), up: make(chan string), better: h.dial(id)}
		h.ana = h.join("ana", h.own)
		var err error
		if h.ben, err = Join(t.Context(), JoinOptions{Nick: "ben", Identity: id}, lift{h.way}); err != nil {
			t.Fatal(err)
		}
		for i, m := range []*Member{h.ana, h.ben} {
			h.both.Go(func() { h.kept[i] = h.keep(m) })
		}
		test(h)
		h.ben.Leave(t.Context(), "")
		h.ana.Leave(t.Context(), "")
		h.mu.Lock()
		for _, c := range h.cables {
			c.cut()
		}
		h.mu.Unlock()
		h.both.Wait()
	})
}

// keep is keep, and notes what ben is told of his connection.
func (h *house) keep(m *Member) *record {
	r := &record{kinds: map[Kind]int{}}
	for {
		e, err := m.Next(context.Background())
		if err != nil {
			return r
		}
		if e.Type == Link && m == h.ben {
			h.mu.Lock()
			h.links = append(h.links, e)
			h.mu.Unlock()
		}
		if e.Type.said() {
			r.seqs, r.texts = append(r.seqs, e.Seq), append(r.texts, e.Text)
		}
	}
}

// states are what ben was told.
func (h *house) states() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.links {
		all = append(all, e.State)
	}
	return strings.Join(all, " ")
}

// setMute has new cables be silent, or not.
func (h *house) setMute(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mute = on
}

// cable returns the n-th that was made.
func (h *house) cable(n int) *cable {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cables[n]
}

// check wants what was said to have been seen by both, once and in order.
func (h *house) check(what string, said ...string) {
	h.t.Helper()
	slices.Sort(said)
	for i, r := range h.kept {
		got := slices.Sorted(slices.Values(r.texts))
		if !slices.Equal(got, said) || !slices.IsSorted(r.seqs) {
			h.t.Errorf("%s: member %d saw %v as %v, want %v", what, i, r.texts, r.seqs, said)
		}
	}
	if !slices.Equal(h.kept[0].seqs, h.kept[1].seqs) {
		h.t.Errorf("%s: seen as %v and %v", what, h.kept[0].seqs, h.kept[1].seqs)
	}
}

// Something is said at every moment between the silence of one connection and
// the first word on the next, by either side.
func TestSaidWhileSwitching(t *testing.T) {
	const offsets = 200
	for n := range offsets {
		at := silence - 100*time.Millisecond + time.Duration(n)*time.Millisecond
		if n%2 == 0 {
			at = time.Duration(n) * silence / offsets
		}
		var said []string
		var kept *house
		inHouse(t, uint64(n), func(h *house) {
			kept = h
			h.cable(1).hush(true)
			time.AfterFunc(5*time.Second, func() { h.cable(1).hush(false) }) // what it holds comes late
			say(t, h.ben, "b0")
			time.Sleep(at)
			say(t, h.ben, "b1")
			say(t, h.ana, "a1")
			time.Sleep(10 * time.Second)
			said = []string{"b0", "b1", "a1"}
			if s := h.states(); s != "resumed" {
				t.Errorf("said after %v: ben was told %q", at, s)
			}
		})
		kept.check(fmt.Sprint("said after ", at), said...)
	}
}

// The same while a good connection is left for a better one.
func TestSaidWhileMovingUp(t *testing.T) {
	for n := range 60 {
		at := time.Duration(n) * 200 * time.Microsecond // the whole takes 8 ms
		var kept *house
		inHouse(t, uint64(n), func(h *house) {
			kept = h
			h.way.up <- "it is better"
			time.Sleep(at)
			say(t, h.ben, "b1")
			say(t, h.ana, "a1")
			time.Sleep(time.Millisecond)
			say(t, h.ben, "b2")
			say(t, h.ana, "a2")
			time.Sleep(time.Minute)
			h.mu.Lock()
			if len(h.links) != 1 || h.links[0].Why != "it is better" || len(h.cables) != 3 || len(h.way.before) != 1 {
				t.Errorf("%v after: %d cables, %+v", at, len(h.cables), h.links)
			}
			h.mu.Unlock()
		})
		kept.check(fmt.Sprint("said after ", at), "b1", "a1", "b2", "a2")
	}
}

// The better connection is none: nobody hears of it, and the old one is used on.
func TestBetterIsNot(t *testing.T) {
	var kept *house
	inHouse(t, 1, func(h *house) {
		kept = h
		h.setMute(true)
		h.way.up <- "it is better"
		say(t, h.ben, "b1")
		time.Sleep(time.Minute)
		say(t, h.ana, "a1")
		time.Sleep(time.Second)
		if s := h.states(); s != "" {
			t.Errorf("ben was told %q", s)
		}
		h.setMute(false)
		h.way.up <- "now it is" // it was asked again
		time.Sleep(time.Second)
		if s := h.states(); s != "resumed" {
			t.Errorf("ben was told %q", s)
		}
	})
	kept.check("", "b1", "a1")
}

// The connection fails while the better one is not there yet, or is no good.
func TestFailsWhileMovingUp(t *testing.T) {
	for _, asked := range []bool{false, true} {
		var kept *house
		inHouse(t, 1, func(h *house) {
			kept = h
			if asked {
				h.setMute(true)
				h.way.up <- "it is better"
				time.Sleep(time.Second)
				h.setMute(false)
			}
			h.cable(1).cut()
			say(t, h.ben, "b1")
			time.Sleep(20 * time.Second)
			say(t, h.ana, "a1")
			time.Sleep(time.Second)
			if s := h.states(); s != "lost resumed" {
				t.Errorf("asked %v: ben was told %q", asked, s)
			}
			h.way.mu.Lock()
			if len(h.way.before) != 2 || h.way.before[0] != nil || h.way.before[1] == nil {
				t.Errorf("asked %v: dialed in place of %v", asked, h.way.before)
			}
			h.way.mu.Unlock()
		})
		kept.check(fmt.Sprint("asked ", asked), "b1", "a1")
	}
}

// Who is put out while the connection changes is not let in by the next one.
func TestPutOutWhileSwitching(t *testing.T) {
	for n := range 40 {
		inHouse(t, uint64(n), func(h *house) {
			h.cable(1).hush(true)
			say(t, h.ben, "into the dark")
			time.Sleep(silence - 20*time.Millisecond + time.Duration(n)*time.Millisecond)
			typed(t, h.ana, "/ban ben")
			time.Sleep(20 * time.Second)
			h.ben.mu.Lock()
			defer h.ben.mu.Unlock()
			if r, ok := h.ben.err.(*Refused); !ok || r.Code != codeBanned {
				t.Errorf("%d: ben ended with %v", n, h.ben.err)
			}
		})
	}
}
