package room

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// disk is a Log whose disk can be full, or fail without a word.
type disk struct {
	*Memory
	full   atomic.Bool
	silent atomic.Bool
	tries  atomic.Int64
}

func (d *disk) Append(ctx context.Context, batch []Entry) ([]Result, error) {
	d.tries.Add(1)
	switch {
	case d.full.Load():
		return nil, fmt.Errorf("/home/ana/physics.db: no space left on device: %w", ErrNotStored)
	case d.silent.Load():
		return nil, errors.New("I/O error")
	}
	return d.Memory.Append(ctx, batch)
}

func notice(t *testing.T, m *Member, code string) Event {
	t.Helper()
	return until(t, m, code, func(e Event) bool { return e.Type == Notice && e.Code == code })
}

// TestDiskFullUnseen has nobody of the host's in the room: whoever runs the program is told.
func TestDiskFullUnseen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &disk{Memory: NewMemory()}
		warned := make(chan string, 8)
		h := open(t, pipes, func(h *Host) { h.Log, h.Warn = d, func(words string) { warned <- words } })
		defer h.close()
		ana := h.join("ana", nil)
		d.full.Store(true)
		say(t, ana, "lost")
		notice(t, ana, codeReadonly)
		if words := <-warned; !strings.Contains(words, "can store nothing") || !strings.Contains(words, "physics.db: no space left") {
			t.Errorf("told: %q", words)
		}
		d.full.Store(false)
		notice(t, ana, codeWritable)
		if words := <-warned; words != writableWords {
			t.Errorf("told: %q", words)
		}
		leave(t, ana)
	})
}

// TestDiskFull fills the disk. Who speaks learns that it was not stored, at once;
// all are told, and again when it works, in the log; those who are here come
// back, nobody new comes in; and who left meanwhile has left.
func TestDiskFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &disk{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log = d })
		defer h.close()
		host, ana, ben, cyn := h.join("zoe", h.own), h.join("ana", nil), h.join("ben", nil), h.join("cyn", nil)
		go keep(cyn)
		say(t, ana, "before")
		heard(t, ben, "before")
		synctest.Wait()
		d.full.Store(true)
		began, tries := time.Now(), d.tries.Load()
		for i := range 100 {
			id := say(t, ana, fmt.Sprint("lost ", i))
			if e := kind(t, ana, Failed); e.ID != id || e.Code != codeNotStored || !strings.Contains(e.Reason, "say it again") {
				t.Fatalf("%+v", e)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("to be refused took %v", took)
		}
		if n := d.tries.Load() - tries; n != 1 {
			t.Errorf("%d attempts for it", n)
		}
		if e := notice(t, ben, codeReadonly); e.Seq != 0 || strings.Contains(e.Text, "/home") {
			t.Errorf("%+v", e)
		}
		until(t, host, "why", func(e Event) bool { return e.Type == Notice && strings.Contains(e.Text, "physics.db") })
		typed(t, host, "/kick ana")
		if e := kind(t, host, Failure); e.Code != codeNotStored {
			t.Errorf("%+v", e)
		}
		if r := refused(t, h, JoinOptions{Nick: "dan", Identity: identity(t)}); r.Code != codeNotStored {
			t.Errorf("%+v", r)
		}
		quiet := h.join("ear", func(o *JoinOptions) { o.Quiet, o.History = true, 10 })
		notice(t, quiet, codeReadonly)
		heard(t, quiet, "before")
		h.conns[2].Close() // ben comes back
		until(t, ben, "resumed", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
		notice(t, ben, codeReadonly)
		if err := cyn.Leave(t.Context(), "bye"); err != nil {
			t.Error(err)
		}
		d.full.Store(false)
		free := time.Now()
		e := notice(t, ben, codeWritable)
		if e.Seq == 0 || time.Since(free) > probeEvery {
			t.Errorf("after %v: %+v", time.Since(free), e)
		}
		if e := kind(t, ben, Left); e.Nick != "cyn" || e.Reason != "quit" || e.Text != "bye" || time.Since(free) > probeEvery {
			t.Errorf("after %v: %+v", time.Since(free), e)
		}
		say(t, ana, "after")
		heard(t, ben, "after")
		leave(t, host, ana, ben, quiet)
	})
}

// TestDiskSilent has the log fail without saying what it stored: nothing is
// refused, everybody is told after a while, and again when it is over.
func TestDiskSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &disk{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log = d })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		synctest.Wait()
		d.silent.Store(true)
		for i := range 100 {
			say(t, ana, fmt.Sprint("n", i))
		}
		notice(t, ben, codeReadonly)
		d.silent.Store(false)
		said, over := 0, 0
		until(t, ben, "all of it", func(e Event) bool {
			if e.Type == Message && e.Text == fmt.Sprint("n", said) {
				said++
			} else if e.Code == codeWritable {
				over++
			}
			return said == 100
		})
		if over != 1 {
			t.Errorf("that it is over was said %d times", over)
		}
		leave(t, ana, ben)
	})
}

// TestFullAtOnce opens a room whose disk is full already, and whose seats are
// known: they come back.
func TestFullAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &disk{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log = d })
		ana := h.join("ana", nil)
		say(t, ana, "hi")
		heard(t, ana, "hi")
		h.close()
		d.full.Store(true)
		h.reopen(d)
		until(t, ana, "resumed", func(e Event) bool { return e.Type == Link && e.State == "resumed" })
		say(t, ana, "lost")
		if e := kind(t, ana, Failed); e.Code != codeNotStored {
			t.Errorf("%+v", e)
		}
		d.full.Store(false)
		notice(t, ana, codeWritable)
		if checkpoint, _, _ := d.Checkpoint(t.Context()); checkpoint == 0 {
			t.Error("nothing was saved at closing")
		}
		leave(t, ana)
		h.close()
	})
}

// A goodbye that is put off is not said when its seat came back before.
func TestDiskFullCameBack(t *testing.T) {
	p := newPlay(&Host{})
	ana, ben := p.join("ana"), p.join("ben")
	types(ana)
	types(ben)
	p.say(ana, "x")
	fail := func(b []*item) {
		all := make([]outcome, len(b))
		for i := range all {
			all[i].err = ErrNotStored
		}
		p.core.committed(p.now, all)
	}
	fail(p.batch())
	want(t, ana, "notice readonly, failed not_stored")
	want(t, ben, "notice readonly")
	s := ben.seat
	p.core.command(p.now, ben, command{Type: typeLeave, Text: "bye"})
	if p.batch() != nil {
		t.Error("it is stored")
	}
	want(t, ben, "bye left")
	back := &link{out: newOutbox(false), peer: ben.peer}
	p.core.attach(p.now, back)
	p.core.command(p.now, back, command{Type: typeJoin, V: Version, Nick: "ben", Session: hexID(s.session)})
	p.settle()
	want(t, back, "welcome, notice readonly")
	p.now = p.now.Add(time.Minute)
	p.core.tick(p.now)
	b := p.batch()
	if len(b) != 1 || b[0].entry == nil {
		t.Fatalf("%d are tried", len(b))
	}
	fail(b)
	want(t, ana, "")
	p.now = p.now.Add(probeEvery)
	p.core.tick(p.now)
	p.settle()
	want(t, ana, "notice the host can store again")
	want(t, back, "notice the host can store again")
	if n := len(p.core.state.people); n != 2 {
		t.Errorf("%d are here", n)
	}
}
