package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/room"
	"parley/text"
)

// seat is what the shell needs of a *room.Member.
type seat interface {
	Ready() room.Event
	Next(ctx context.Context) (room.Event, error)
	Input(ctx context.Context, line string) (room.Action, error)
	Flush(ctx context.Context) error
	Names() []room.Person
	Stats() room.Counters
	Unsent() []room.Unsent
	Spoken(ctx context.Context, before uint64, n int) (room.Look, error)
	Nick() string
	Hosts() (host, others bool)
	Leave(ctx context.Context, reason string) error
}

// seated is a seat with its goroutines.
type seated struct {
	id      int
	seat    seat
	lines   chan string
	hosting room.Hosting // ours, to be closed behind it; nil: none
	done    chan struct{}
	leaving atomic.Bool
}

func (s *shell) at(id int) *seated {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats[id]
}

// seatDown starts a seat's goroutines.
func (s *shell) seatDown(m seat, hosting room.Hosting) {
	s.mu.Lock()
	s.next++
	st := &seated{id: s.next, seat: m, lines: make(chan string, typed), hosting: hosting, done: make(chan struct{})}
	closed := s.closed
	if !closed {
		s.seats[st.id] = st
	}
	s.mu.Unlock()
	if closed {
		s.leave(st, "")
		return
	}
	s.send(satMsg{st.id, m.Ready()})
	s.own(func() { s.read(st) })
	s.own(func() { s.typist(st) })
}

// read brings the events of a seat, in batches.
func (s *shell) read(st *seated) {
	defer close(st.done)
	var events []room.Event
	sampled, flushed := time.Time{}, time.Time{}
	for {
		now := time.Now()
		if now.Sub(sampled) >= sampling {
			sampled = now
			s.send(sample(st))
		}
		until := sampled.Add(sampling)
		if len(events) > 0 && flushed.Add(frame).Before(until) {
			until = flushed.Add(frame)
		}
		ctx, cancel := context.WithDeadline(context.WithoutCancel(s.ctx), until)
		e, err := st.seat.Next(ctx)
		late := ctx.Err() != nil
		cancel()
		if err == nil {
			events = append(events, e)
		}
		if len(events) > 0 && (len(events) >= batch || time.Since(flushed) >= frame || err != nil) {
			s.send(eventsMsg{st.id, events})
			events, flushed = nil, time.Now()
		}
		if err != nil && !(late && errors.Is(err, context.DeadlineExceeded)) {
			s.end(st, err)
			return
		}
	}
}

// sample is what a seat counts now.
func sample(st *seated) countMsg {
	m := countMsg{win: st.id, nick: st.seat.Nick(), people: st.seat.Names(), unsent: st.seat.Unsent(), stats: st.seat.Stats()}
	m.host, m.others = st.seat.Hosts()
	return m
}

// end tells of a seat that is no more.
func (s *shell) end(st *seated, err error) {
	s.mu.Lock()
	delete(s.seats, st.id)
	if s.last = nil; len(s.seats) == 0 && !st.leaving.Load() && !errors.Is(err, io.EOF) {
		s.last = err
	}
	s.mu.Unlock()
	msg := endedMsg{win: st.id}
	if !st.leaving.Load() && !errors.Is(err, io.EOF) {
		msg.lines = s.explain(err)
	}
	s.send(msg)
}

// typist does what lines say, one after the other.
func (s *shell) typist(st *seated) {
	for {
		select {
		case line := <-st.lines:
			action, err := st.seat.Input(s.ctx, line)
			msg := actionMsg{win: st.id, action: action}
			if err != nil {
				if s.ctx.Err() != nil {
					return
				}
				msg.err, msg.line = complaint(err), line
			}
			s.send(msg)
		case <-st.done:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// complaint is why a line was not taken.
func complaint(err error) string {
	var refused *room.Refused
	if errors.As(err, &refused) && refused.Suggest != "" && !strings.Contains(refused.Text, refused.Suggest) {
		switch refused.Code {
		case "nick_taken":
			return refused.Text + ": try /nick " + refused.Suggest
		case "unknown_command":
			return refused.Text + ": did you mean /" + refused.Suggest + "?"
		}
		return refused.Text + ": did you mean " + refused.Suggest + "?"
	}
	return err.Error()
}

// input gives a line to its typist.
func (s *shell) input(e doInput) {
	st := s.at(e.win)
	if st == nil { // only what needs no room
		word, arg, _ := strings.Cut(e.line, " ")
		c, _ := room.Find(strings.TrimPrefix(word, "/"))
		s.m.told(actionMsg{win: e.win, action: room.Action{Do: c.Front, Arg: arg}})
		return
	}
	select {
	case st.lines <- e.line:
	default:
		s.m.told(actionMsg{win: e.win, line: e.line, err: fmt.Sprintf("sending slowly: the host has not yet taken the last %d lines", typed)})
	}
}

// page fetches what was said before.
func (s *shell) page(e doPage) {
	st := s.at(e.win)
	if st == nil {
		s.m.told(pageMsg{win: e.win})
		return
	}
	s.own(func() {
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		defer cancel()
		look, err := st.seat.Spoken(ctx, e.before, pageSize)
		msg := pageMsg{win: e.win, look: look}
		if err != nil {
			msg.err = complaint(err)
		}
		s.send(msg)
	})
}

// leave leaves a room politely.
func (s *shell) leave(st *seated, reason string) {
	st.leaving.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lastWord)
	defer cancel()
	st.seat.Flush(ctx)
	s.leftBehind(st.seat)
	st.seat.Leave(ctx, text.Mark(reason))
	if st.hosting != nil {
		st.hosting.Close()
	}
}

// leftBehind counts what the host does not have when we leave.
func (s *shell) leftBehind(m seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range m.Unsent() {
		if u.Code == "" {
			s.behind.N++
			s.behind.Kept = s.behind.Kept && u.Kept
		}
	}
}

// examine has the doctor look, one at a time.
func (s *shell) examine() {
	s.mu.Lock()
	busy := s.busy
	s.busy = true
	s.mu.Unlock()
	if busy || s.o.Doctor == nil {
		return
	}
	s.own(func() {
		s.o.Doctor(s.ctx, func(line string) { s.send(doctorMsg{line: line}) })
		s.mu.Lock()
		s.busy = false
		s.mu.Unlock()
		s.send(doctorMsg{done: true})
	})
}

// export writes what was said into a file.
func (s *shell) export(e doExport) {
	st := s.at(e.win)
	if st == nil || s.o.Export == nil {
		s.m.told(saidMsg{e.win, "you are not in this room any more: parley history exports your copy", true})
		return
	}
	m, ok := st.seat.(*room.Member)
	if !ok {
		return
	}
	s.own(func() {
		said, err := s.o.Export(s.ctx, m, e.file)
		if err != nil {
			s.send(saidMsg{e.win, err.Error(), true})
			return
		}
		s.send(saidMsg{e.win, said, false})
	})
}

// leaveAll leaves all rooms at once, and waits.
func (s *shell) leaveAll() {
	s.mu.Lock()
	s.closed = true
	var all []*seated
	for _, st := range s.seats {
		all = append(all, st)
	}
	s.mu.Unlock()
	var gone sync.WaitGroup
	for _, st := range all {
		gone.Go(func() { s.leave(st, s.reason); <-st.done })
	}
	gone.Wait()
}
