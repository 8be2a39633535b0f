package line

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"parley/room"
	"parley/talk"
	"parley/text"
)

// session is a Run: what the loop owns, and the goroutines that bring it
// everything. The reader reads In; the typist does what lines say, because that may
// wait for the host; the pump brings the room's events.
type session struct {
	o      Options
	net    room.Network
	screen *screen
	view   *view
	failed bool // something was not sent

	ctx    context.Context // ends with the session, for the typist
	cancel context.CancelFunc
	tasks  sync.WaitGroup // typist and pumps
	reader chan struct{}  // closed when the reader has ended

	typed   chan []byte // keys of a terminal that has an editor; closed at its end
	lines   chan typed  // to the typist; closed at the end of input
	events  chan happening
	answers chan answer

	seat  seat // nil: in no room
	pump  context.CancelFunc
	gone  chan struct{} // closed when the pump has ended
	by    time.Time     // when we leave at the latest; zero: when asked to
	late  time.Time     // since when something has been pending
	tried bool          // it was said that it is

	ended     bool // s.lines is closed
	exporting atomic.Bool
}

// typed is a line as it came.
type typed struct {
	text string
	n    int  // its number in a pipe
	long bool // only its beginning is there
}

// happening is an event, or the error that ends a seat.
type happening struct {
	event room.Event
	err   error
}

// answer is what the loop is to do for the typist.
type answer struct {
	do, arg string // a front end's Action, or show, moved, refused, note, exported, over
	err     error
	n       int          // of refused: the line's number; of exported: how many events
	seat    seat         // of moved
	room    room.Listing // of show
}

func newSession(ctx context.Context, o Options, m seat, n room.Network) (*session, error) {
	if o.Out == nil {
		return nil, errors.New("line: Options.Out is nil")
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	s := &session{o: o, net: n, screen: newScreen(o), reader: make(chan struct{}), lines: make(chan typed, maxTypedAhead),
		events: make(chan happening, held), answers: make(chan answer)}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.view = &view{print: s.screen.print, zone: o.Zone, width: s.screen.width, color: o.Color, stamps: o.Timestamps,
		quiet: o.Quiet, echoed: o.Terminal && s.screen.editor == nil, bell: bellMention}
	s.view.recall = s.screen.editor != nil
	if o.Terminal {
		s.view.ring = s.screen.ring
	}
	if o.In == nil || o.Headless {
		close(s.reader)
		return s, nil
	}
	s.tasks.Go((&typist{s: s, at: m}).run)
	if s.screen.editor != nil {
		s.screen.editor.complete = s.complete
		s.typed = make(chan []byte)
		go s.readKeys()
	} else {
		go s.readLines()
	}
	return s, nil
}

// close ends all goroutines, and gives the terminal back.
func (s *session) close() {
	s.cancel()
	s.tasks.Wait()
	if in, ok := s.o.In.(interface{ SetReadDeadline(time.Time) error }); ok && in.SetReadDeadline(time.Unix(1, 0)) == nil {
		select {
		case <-s.reader:
		case <-time.After(time.Second): // some files only say that they have deadlines
		}
		in.SetReadDeadline(time.Time{})
	}
	s.screen.restore()
}

// readKeys brings what a terminal sends.
func (s *session) readKeys() {
	defer close(s.reader)
	defer close(s.typed)
	for {
		b := make([]byte, 512)
		n, err := s.o.In.Read(b)
		if n > 0 {
			select {
			case s.typed <- b[:n]:
			case <-s.ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLines brings the lines of a pipe, or of a terminal that edits by itself.
func (s *session) readLines() {
	defer close(s.reader)
	defer close(s.lines)
	l := lines{in: s.o.In}
	for {
		line, long, err := l.next()
		if err != nil {
			return
		}
		select {
		case s.lines <- typed{line, l.n, long}:
		case <-s.ctx.Done():
			return
		}
	}
}

// sit shows the room of m from now on.
func (s *session) sit(m seat) {
	s.seat = m
	ready := m.Ready()
	s.view.self, s.view.upto = ready.Nick, ready.Seq
	switch {
	case s.o.JSON:
		s.object(ready)
	case s.o.Quiet && !s.o.Terminal: // whoever reads this knows where it sits
	default:
		for _, line := range greeting(ready) {
			s.view.say("", true, "* ", line)
		}
		if people := m.Names(); len(people) > 0 {
			s.view.say("", true, "* ", talk.Roster(people))
		}
		if s.o.Terminal {
			s.tell("", "/help lists the commands, Ctrl-D leaves")
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.ctx))
	gone := make(chan struct{})
	s.pump, s.gone = cancel, gone
	s.tasks.Go(func() {
		defer close(gone)
		pump(ctx, m, s.events)
	})
}

// leave leaves the room and shows what still comes from it.
func (s *session) leave(reason string) {
	if s.seat == nil {
		return
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lastWord)
		defer cancel()
		s.seat.Leave(ctx, text.Mark(reason))
	}()
	rest := time.After(2 * lastWord)
	for open := true; open; {
		select {
		case h := <-s.events:
			if open = h.err == nil; open {
				s.show(h.event)
			}
		case <-rest:
			open = false
		}
	}
	<-left
	s.stand()
}

// stand ends the pump of a seat that is no more.
func (s *session) stand() {
	s.pump()
	<-s.gone
	for len(s.events) > 0 {
		<-s.events
	}
	s.seat = nil
	s.view.settle()
}

// end leaves and gives Run's error, having said what it is about.
func (s *session) end(reason string, err error) error {
	m := s.seat
	s.leave(reason)
	if m != nil {
		s.tell("", leftBehind(m))
	}
	if err == nil && s.failed && !s.o.Terminal {
		err = ErrNotSent
	}
	switch err {
	case ErrUndelivered:
		s.tell("undelivered", err.Error())
	case ErrNotSent:
		s.tell("not_sent", err.Error())
	}
	return err
}

// put handles the end of the seat that we did not ask for.
func (s *session) put(err error) (done bool, _ error) {
	left := leftBehind(s.seat)
	if n, kept := onItsWay(s.seat); n > 0 && !kept {
		left = "" // nobody sends it now, and nobody knows how far it came
		s.tell("undelivered", "what you typed last may not have reached the host")
	}
	s.tell("", left)
	s.stand()
	var refused *room.Refused
	switch {
	case errors.As(err, &refused):
		s.tell(refused.Code, refused.Text)
	case errors.Is(err, io.EOF):
		err = nil
	default:
		s.tell("lost", err.Error())
	}
	return true, err
}

// untilWake is how long the loop may sleep.
func (s *session) untilWake(now time.Time) time.Duration {
	at := now.Add(time.Hour)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	earlier(s.view.wake())
	earlier(s.by)
	if !s.late.IsZero() && !s.tried && s.o.Terminal {
		earlier(s.late.Add(late))
	}
	if s.o.Terminal && !s.o.JSON && s.seat != nil {
		earlier(now.Add(time.Second)) // to see what is pending, and how wide the terminal is
	}
	return max(at.Sub(now), 0)
}

// wake does what is due at now.
func (s *session) wake(now time.Time) {
	s.view.tick(now)
	s.screen.resized()
	if !s.o.Terminal || s.o.JSON || s.seat == nil {
		return
	}
	n, kept := onItsWay(s.seat)
	switch {
	case n == 0:
		if s.tried {
			s.tell("", "sent: what you typed is with the host now")
		}
		s.late, s.tried = time.Time{}, false
	case s.late.IsZero():
		s.late = now
	case now.Sub(s.late) >= late && !s.tried:
		s.tried = true
		s.tell("", notSentYet(n, kept))
	}
}

// onItsWay counts what was said and is not with the host yet, and tells whether
// all of it outlives this program.
func onItsWay(m seat) (n int, kept bool) {
	kept = true
	for _, u := range m.Unsent() {
		if u.Code == "" {
			n++
			kept = kept && u.Kept
		}
	}
	return n, kept
}

func notSentYet(n int, kept bool) string {
	said := "not sent yet: what you typed last"
	if n > 1 {
		said = fmt.Sprintf("not sent yet: the last %d messages", n)
	}
	if kept {
		return said + "; kept on this computer until the host has it"
	}
	return said + "; it is tried again as long as you stay"
}

// leftBehind tells what is sent when its author is here again.
func leftBehind(m seat) string {
	n, kept := onItsWay(m)
	switch {
	case n == 0 || !kept:
		return ""
	case n == 1:
		return "1 message is not sent; it is kept on this computer, and goes out when you are in this room again"
	}
	return fmt.Sprintf("%d messages are not sent; they are kept on this computer, and go out when you are in this room again", n)
}
