package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// copyOf is a Memory's file, so to say, as it is now.
func copyOf(m *Memory) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	c.id, c.base, c.bytes = m.id, m.base, m.bytes
	c.entries = slices.Clone(m.entries)
	for k, v := range m.known {
		c.known[k] = v
	}
	return c
}

// TestOlderCopy (R7) ends a host, puts an older copy of its log in the place of
// the log, has somebody go on there, and opens the room again. Whoever comes back
// sees a line, nothing twice, and nothing of the other story as if it were his.
func TestOlderCopy(t *testing.T) {
	for _, others := range []int{0, 5, 40} { // shorter, about as long, and longer than what ana has
		t.Run(fmt.Sprint(others), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := NewMemory()
				h := open(t, pipes, func(h *Host) { h.Log = log })
				ana := h.join("ana", nil)
				for i := range 5 {
					say(t, ana, fmt.Sprint("both ", i))
					heard(t, ana, fmt.Sprint("both ", i))
				}
				ana.Flush(t.Context())
				older := copyOf(log)
				for i := range 5 {
					say(t, ana, fmt.Sprint("lost ", i))
					heard(t, ana, fmt.Sprint("lost ", i))
				}
				ana.Flush(t.Context())
				synctest.Wait()
				h.close()
				for i := range others {
					(&shared{Memory: older}).others(t, 9, report{Type: "message", From: "zoe", Text: fmt.Sprint("others ", i)})
				}
				h.reopen(older)
				if e := notice(t, ana, codeNewLog); e.Seq != 0 {
					t.Errorf("%+v", e)
				}
				ben := h.join("ben", nil)
				say(t, ben, "and now")
				until(t, ana, "what is said now", func(e Event) bool {
					if e.Type.said() && e.Text != "and now" {
						t.Errorf("%+v", e)
					}
					return e.Text == "and now"
				})
				h.close() // it is the same log now
				h.reopen(older)
				until(t, ana, "resumed", func(e Event) bool {
					if e.Code == codeNewLog {
						t.Error("it is another one again")
					}
					return e.Type == Link && e.State == "resumed"
				})
				say(t, ben, "and then")
				heard(t, ana, "and then")
				leave(t, ana, ben)
				h.close()
			})
		})
	}
}

// TestCompare asks with true and with false words about what one has.
func TestCompare(t *testing.T) {
	log := NewMemory()
	h := &Host{Name: "physics", Log: log}
	h.setup()
	s := &shared{Memory: log}
	for i := range 9 {
		s.others(t, 9, report{Type: "message", Text: fmt.Sprint(i)})
	}
	id, other := hexID(log.entries[3].ID), hexID(log.entries[4].ID)
	mine := hexID(log.ID())
	for _, tc := range []struct {
		cmd  command
		anew bool
	}{
		{command{Type: typeJoin}, false},
		{command{Type: typeJoin, Log: mine, Seq: 9}, false},
		{command{Type: typeJoin, Log: mine, Seq: 10}, true},
		{command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: 4, LastID: id}, false},
		{command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: 4, LastID: other}, true},
		{command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: 4}, true},
		{command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: 4, LastID: strings.Repeat("x", 5000)}, true},
		{command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: 10, LastID: id}, true},
		{command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: everything * 2, LastID: id}, true},
		{command{Type: typeJoin, Log: hexID([16]byte{1}), Seq: 9, LastSeq: 4}, false}, // another log anyway
	} {
		cmd := tc.cmd
		cmd.anew = true
		if err := h.compare(t.Context(), &cmd); err != nil || cmd.anew != tc.anew {
			t.Errorf("%+v: %v %v", tc.cmd, cmd.anew, err)
		}
	}
	log.limit = 1
	log.forget()
	for _, last := range []uint64{4, 9} { // nobody knows any more
		cmd := command{Type: typeJoin, Log: mine, Seq: 9, LastSeq: last, LastID: id}
		if err := h.compare(t.Context(), &cmd); err != nil || cmd.anew {
			t.Errorf("%d: %v %v", last, cmd.anew, err)
		}
	}
}

// TestStale has a join arrive late, when its seat was joined again: it does not
// get the seat, and what its connection sends then is dropped.
func TestStale(t *testing.T) {
	p := newPlay(&Host{})
	ana := p.join("ana")
	s := ana.seat
	again := func(epoch uint64) *link {
		l := &link{out: newOutbox(false), peer: ana.peer}
		p.core.attach(p.now, l)
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: "ana", Session: hexID(s.session), Epoch: epoch})
		p.settle()
		return l
	}
	second := again(5)
	want(t, second, "welcome")
	for _, late := range []uint64{4, 5} {
		want(t, again(late), "error stale")
	}
	p.say(ana, "from the old one")
	p.settle()
	want(t, second, "")
	if p.core.dropped != 1 || s.link != second {
		t.Errorf("%d were dropped", p.core.dropped)
	}
	p.say(second, "from the new one")
	p.settle()
	want(t, second, "accepted, message from the new one")
	want(t, again(6), "welcome")
	want(t, again(0), "welcome") // of a member that does not count
}
