// Package line shows a room as lines of text: to people on a terminal, to
// pipes and scripts, as JSON objects where they ask for it, and to guests who came
// with nothing but netcat.
//
//	line.go      Options and Run, the loop that owns everything
//	session.go   sitting down and leaving; typist.go what typed lines do
//	view.go      events to lines for people: a machine that takes the time; words.go the words
//	object.go    events to JSON objects
//	input.go     bytes to typed lines, bounded
//	editor.go    the line being typed on a terminal: a machine too
//	screen.go    where lines go: a terminal with an editor in its last row, or plain writers
//	export.go    what was said, as a file
//	qr.go        a link, drawn for cameras
//	guest.go     Guest, for a bare text client on a stream; telnet.go cleans what those send
//
// Nothing reaches a writer but by way of text.Clean, or as JSON with every
// control character escaped. A line that begins in the first column is this
// program's word for who speaks: further lines of a message are indented and
// begin with a bar, and on a terminal long ones are broken here, not by the terminal.
package line

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"parley/room"
	"parley/text"
)

// Options say where lines come from and go to. Zero values are for a pipe.
type Options struct {
	In  io.Reader // what is typed; nil: nothing, until the context ends
	Out io.Writer // what is said, and answers
	Err io.Writer // errors, and how the connection is; nil: nowhere

	JSON       bool // Out gets one JSON object a line
	Terminal   bool // In and Out are one terminal
	Dumb       bool // a terminal whose cursor cannot be moved, as TERM=dumb says
	Color      bool // names in colour; see WantColor
	Quiet      bool // no joins and leaves, but in JSON
	Timestamps bool // the time before each line
	Stay       bool // go on listening when In has ended, if it is no terminal
	Headless   bool // do not read In

	// Packets are shown as they come, beside the talk. Nil: there are none.
	Packets <-chan Packet
	// Lanes does what stands behind /lanes, and tells what it did. Nil: no packets are recorded.
	Lanes func(arg string) (said string, err error)
	// Impair changes what befalls the datagrams that are sent, and tells what it is now.
	// Nil: it cannot be changed.
	Impair func(spec string) (said string, err error)
	// QR draws a link for cameras, as rows for the terminal, or not, where it
	// would not be seen. Nil: never.
	QR func(link string) []string
	// Width returns the terminal's width. Nil: lines are not broken.
	Width func() int
	// Zone is whose time is shown; nil: this machine's.
	Zone *time.Location
	// Join is how to sit down in the room that /join names, Room and Nick aside.
	Join room.JoinOptions
}

// A Packet is something that happened to one.
type Packet struct {
	Words  string // for people; clean
	Object any    // as JSON
}

// Errors of Run beside the context's and a *room.Refused of the host.
var (
	// ErrNotSent means that some of what was typed could not be sent. It
	// was said which when it happened.
	ErrNotSent = errors.New("some lines were not sent")
	// ErrUndelivered means that the host did not take what was said.
	ErrUndelivered = errors.New("the host cannot be reached: not all was delivered")
)

// WantColor tells whether the environment allows colour.
func WantColor(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// seat is what Run needs of a *room.Member.
type seat interface {
	Ready() room.Event
	Next(ctx context.Context) (room.Event, error)
	Input(ctx context.Context, line string) (room.Action, error)
	Flush(ctx context.Context) error
	Names() []room.Person
	Stats() room.Counters
	Unsent() []room.Unsent
	Page(ctx context.Context, before uint64, n int) (room.Look, error)
	Nick() string
	Leave(ctx context.Context, reason string) error
}

const (
	// patience is how long a host may take nothing of what a pipe sent
	// before we give up: ten tries to connect again.
	patience = 30 * time.Second
	// lastWord is how long one who leaves waits for what was said last.
	lastWord = 2 * time.Second
	// late is when what was said counts as delayed.
	late = time.Second
	// listing is how long /list listens.
	listing = 1500 * time.Millisecond
	// maxUndrawn is how many bytes of lines are gathered for one write while
	// more events wait: with a room that never rests there must be an end to it.
	maxUndrawn = 64 << 10
	// maxTypedAhead is how many lines wait for the host to take those before: a
	// long paste into a terminal that does not say that it is one.
	maxTypedAhead = 1024
	// held is the number of events held for a slow terminal or pipe;
	// when they are full, the Member waits, and then the host.
	held = 256
)

// Run shows the room in which m sits and says there what is typed, until In
// ends, somebody leaves, or ctx ends; then it leaves politely. n may be nil where
// there are no other rooms.
//
// It returns nil when it left as asked, ctx's error when ctx ended or Ctrl-C was
// typed, ErrNotSent, ErrUndelivered, a *room.Refused when the member was put
// out, or an error of Out. All goroutines have ended by then, but for a Read of In that
// nobody can end: it gives up what it has read.
func Run(ctx context.Context, o Options, m *room.Member, n room.Network) error {
	return run(ctx, o, m, n)
}

func run(ctx context.Context, o Options, m seat, n room.Network) error {
	s, err := newSession(ctx, o, m, n)
	if err != nil {
		return err
	}
	defer s.close()
	s.sit(m)
	return s.loop(ctx)
}

// loop is the one goroutine that draws. Everything that happens comes to it.
func (s *session) loop(ctx context.Context) error {
	defer s.screen.flush()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(s.events) == 0 || s.screen.waiting() > maxUndrawn {
			if err := s.screen.flush(); err != nil {
				return s.end("", err)
			}
		}
		timer.Reset(s.untilWake(time.Now()))
		select {
		case h := <-s.events:
			if h.err != nil {
				if done, err := s.put(h.err); done {
					return err
				}
				continue
			}
			s.show(h.event)
		case b, open := <-s.typed:
			if done, err := s.keys(b, open); done {
				return err
			}
		case p := <-s.o.Packets:
			s.packet(p)
		case a := <-s.answers:
			if done, err := s.answer(a); done {
				return err
			}
		case now := <-timer.C:
			if !s.by.IsZero() && !now.Before(s.by) {
				return s.end("", ErrUndelivered)
			}
			s.wake(now)
		case <-ctx.Done():
			return s.end("", ctx.Err())
		}
	}
}

// show shows one event of the room.
func (s *session) show(e room.Event) {
	if e.Type == room.Ready {
		return // shown when we sat down
	}
	switch e.Type {
	case room.Failed:
		s.failed = true
	case room.Pending:
		if s.late.IsZero() {
			s.late = time.Now()
		}
	}
	if s.o.JSON {
		s.object(e)
		return
	}
	s.view.show(e, time.Now())
}

// packet shows what happened to one.
func (s *session) packet(p Packet) {
	if s.o.JSON {
		s.object(p.Object)
		return
	}
	s.screen.print(true, p.Words)
}

// tell shows what this program itself has to say: a notice, or with a code an error.
func (s *session) tell(code, said string) {
	switch {
	case said == "":
	case code != "":
		s.show(room.Event{Type: room.Failure, Code: code, Text: said})
	case s.o.JSON:
		s.object(room.Event{Type: room.Notice, Text: said})
	default:
		s.view.say("", true, "* ", text.Lines(said)...)
	}
}

// object writes one JSON object to Out.
func (s *session) object(v any) {
	b, err := object(v)
	if err != nil {
		return // of types of our own: it cannot be
	}
	s.screen.print(false, strings.TrimSuffix(string(b), "\n"))
}
