//go:build !nolab

package wire

import (
	"cmp"
	"container/heap"
	"slices"
	"testing/synctest"
	"time"
)

// event is something that a host experiences: a frame comes, or a timer of its
// stack runs out.
type event struct {
	at    time.Time
	host  int    // the first of several that are due at once
	order uint64 // among those of one host
	index int    // in the heap; -1: not in it
	do    func()
}

type eventHeap []*event

func (e eventHeap) Len() int { return len(e) }
func (e eventHeap) Less(i, j int) bool {
	a, b := e[i], e[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.host, b.host), cmp.Compare(a.order, b.order)) < 0
}
func (e eventHeap) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].index, e[j].index = i, j
}
func (e *eventHeap) Push(x any) {
	v := x.(*event)
	v.index = len(*e)
	*e = append(*e, v)
}
func (e *eventHeap) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	v.index = -1
	return v
}

// schedule has do called by the pump at an instant. l.mu is held.
func (l *LAN) schedule(h *Host, at time.Time, do func()) *event {
	if len(l.events) >= maxEvents {
		panic("wire: a storm: more than a million events wait")
	}
	h.order++
	e := &event{at: at, host: h.index, order: h.order, do: do}
	heap.Push(&l.events, e)
	if e.index == 0 {
		l.wake()
	}
	return e
}

// cancel takes an event back. It tells whether it had not happened. l.mu is held.
func (l *LAN) cancel(e *event) bool {
	if e == nil || e.index < 0 {
		return false
	}
	heap.Remove(&l.events, e.index)
	return true
}

// wake has the pump look at what there is to do.
func (l *LAN) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// pump moves the LAN. It alone runs the stacks' workers, calls their timers
// and gives them frames: one at a time, and the next only when all that came
// of the last has happened.
func (l *LAN) pump() {
	defer close(l.ended)
	for {
		l.settle()
		l.sweep()
		select {
		case <-l.stop:
			return
		default:
		}
		if do, wait := l.next(); do != nil {
			do()
		} else if !l.rest(wait) {
			return
		}
	}
}

// next takes the event that is due, or says how long there is none.
func (l *LAN) next() (do func(), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return nil, time.Duration(1<<63 - 1)
	}
	if wait = time.Until(l.events[0].at); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&l.events).(*event).do, 0
}

// rest waits until something is due or new. It returns false if the LAN is to
// stop.
func (l *LAN) rest(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.kick:
	case <-l.stop:
		return false
	}
	return true
}

// settle returns when programs and stacks have done all they can at this
// instant.
//
// A stack's TCP workers wait in a way that a bubble does not count as waiting,
// so they are kept paused, where they wait on an ordinary channel. Letting go
// of them and pausing them again returns when they have digested what there
// was. Whoever was busy is let go twice: a segment that came while a program
// held the connection is left to the worker by that program.
func (l *LAN) settle() {
	var before []*Host
	for {
		synctest.Wait()
		now := l.flush()
		if len(now) == 0 && len(before) == 0 {
			return
		}
		for _, h := range union(now, before) {
			h.stack.Resume()
			h.stack.Pause()
		}
		before = now
	}
}

// flush decides the fates of the frames that hosts have sent, and returns the
// hosts that did something since the last time.
func (l *LAN) flush() (busy []*Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		if h.busy {
			busy = append(busy, h)
			h.busy = false
		}
		if len(h.outbox) == 0 {
			continue
		}
		// Which of a host's connections speaks first at one instant is for Go's
		// scheduler to say. It must not matter: each connection's own order is
		// kept, the connections are put in order.
		slices.SortStableFunc(h.outbox, func(a, b *Frame) int { return a.flow.compare(b.flow) })
		for _, f := range h.outbox {
			l.send(h, f)
		}
		h.outbox = h.outbox[:0]
	}
	return busy
}

// union returns all of two sorted lists, sorted.
func union(a, b []*Host) []*Host {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y *Host) int { return cmp.Compare(x.index, y.index) })
	return slices.Compact(all)
}
