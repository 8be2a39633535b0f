package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"parley/room"
	"parley/text"
)

const (
	// nameWait is how long a guest may think about its name.
	nameWait = 2 * time.Minute
	// nameTries is how often it may try.
	nameTries = 5
	// guestTries is how many names of guests we try for one that gives none:
	// more than a room is likely to have of them.
	guestTries = 50
	// slow is how long a guest may take to read what it was sent.
	slow = 10 * time.Second
)

// Guest serves a bare text client, such as netcat, telnet or a few lines of a
// script, until it leaves or is put out, ctx ends, or it reads too slowly. It
// closes conn.
//
// The client is asked for a name and then gets the room as lines of text, each
// ended by \n, and says what it sends. Its own messages do not come back to it:
// they are on its screen. A line ends with \n, or with 50 ms of silence for
// clients that send no line breaks. A first line that cannot be a name (it has
// a space or a colon, or is a command) is a message already; its sender becomes guest1, guest2 and so on.
//
// Seat sits down under a nick. Its *room.Refused are told to the client,
// which may try another name.
func Guest(ctx context.Context, conn net.Conn, sit func(ctx context.Context, nick string) (*room.Member, error)) error {
	return serve(ctx, conn, func(ctx context.Context, nick string) (seat, error) {
		m, err := sit(ctx, nick)
		if err != nil {
			return nil, err // not a nil Member that looks like a seat
		}
		return m, nil
	})
}

// guest is one of them.
type guest struct {
	conn net.Conn
	in   guestReader
	sit  func(ctx context.Context, nick string) (seat, error)
	view view
	out  bytes.Buffer
}

func serve(ctx context.Context, conn net.Conn, sit func(context.Context, string) (seat, error)) error {
	defer conn.Close()
	g := &guest{conn: conn, in: guestReader{conn: conn}, sit: sit}
	g.view = view{print: func(_ bool, line string) { g.say(line) }, zone: time.Local, stamps: true, echoed: true, bell: bellOff}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // until it sits, there is nobody to say goodbye to
	m, first, err := g.enter(ctx)
	if err != nil {
		stop()
		g.flush()
		return err
	}
	if !stop() {
		leave(m)
		return ctx.Err()
	}
	return g.stay(ctx, m, first)
}

func (g *guest) say(line string) {
	g.out.WriteString(line)
	g.out.WriteByte('\n')
}

// flush sends what was said; the error is that of a guest that does not read.
func (g *guest) flush() error {
	if g.out.Len() == 0 {
		return nil
	}
	g.conn.SetWriteDeadline(time.Now().Add(slow))
	_, err := g.conn.Write(g.out.Bytes())
	g.out.Reset()
	return err
}

// enter asks for a name until the guest sits. First is a message that came
// instead of a name.
func (g *guest) enter(ctx context.Context) (m seat, first string, err error) {
	by := time.Now().Add(nameWait)
	for range nameTries {
		g.out.WriteString("Your name? ")
		if err := g.flush(); err != nil {
			return nil, "", err
		}
		l, err := g.in.next(by)
		if err != nil {
			return nil, "", err
		}
		line := strings.TrimSpace(text.Mark(l.text))
		nick, invalid := text.Nick(line)
		switch {
		case l.long:
			g.say("! " + errTooLong.Error())
			continue
		case quits(line):
			return nil, "", io.EOF
		case browses(line):
			return nil, "", errBrowser
		case line == "" || line[0] == '/' || line[0] == '\\' || invalid != nil && strings.ContainsAny(line, " :"):
			m, err = g.anybody(ctx)
			first = line
		case invalid != nil:
			g.say("! " + text.Clean(invalid.Error()))
			continue
		default:
			m, err = g.sit(ctx, nick)
		}
		if err == nil {
			return m, first, nil
		}
		var refused *room.Refused
		if !errors.As(err, &refused) {
			g.say("! " + text.Clean(err.Error()))
			return nil, "", err
		}
		said := refused.Text
		if refused.Suggest != "" && !strings.Contains(said, refused.Suggest) {
			said += ": " + refused.Suggest + " is free"
		}
		g.say("! " + text.Clean(said))
		if refused.Code != "nick_taken" && refused.Code != "nick_invalid" {
			return nil, "", err
		}
	}
	g.say("! no name after so many tries: connect again")
	return nil, "", errors.New("the guest found no name")
}

// errBrowser ends who asks for a page. A page of the web can have the browser of
// somebody here send what it likes to any address, but not as the first line, which
// the browser makes.
var errBrowser = errors.New("a browser asks for a page")

// browses tells whether a first line is a browser's.
func browses(line string) bool {
	method, rest, _ := strings.Cut(line, " ")
	return method != "" && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && strings.Contains(rest, " HTTP/")
}

// anybody sits down under the first free name of guest1, guest2 and so on.
func (g *guest) anybody(ctx context.Context) (m seat, err error) {
	for i := range guestTries {
		m, err = g.sit(ctx, fmt.Sprint("guest", i+1))
		var refused *room.Refused
		if !errors.As(err, &refused) || refused.Code != "nick_taken" {
			return m, err
		}
	}
	return nil, err
}

// leave gives up a seat, whatever becomes of it.
func leave(m seat) error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	return m.Leave(ctx, "")
}

// stay serves a guest that sits.
func (g *guest) stay(ctx context.Context, m seat, first string) error {
	ready := m.Ready()
	g.view.self = ready.Nick
	g.say(fmt.Sprintf("* you are %s in %s, over a connection that is not encrypted: /names tells who is here, /quit leaves",
		text.Clean(ready.Nick), text.Clean(ready.Room)))
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	events, answers := make(chan happening, held), make(chan answer)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	defer g.conn.Close() // wakes the reader
	tasks.Go(func() { pump(inner, m, events) })
	tasks.Go(func() { g.listen(inner, m, first, answers) })
	err := g.loop(ctx, events, answers)
	leave(m)
	if flushed := g.flush(); err == nil {
		err = flushed
	}
	return err
}

// pump brings the events of m until there are no more.
func pump(ctx context.Context, m seat, events chan<- happening) {
	for {
		e, err := m.Next(ctx)
		select {
		case events <- happening{e, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// listen does what the guest's lines say, and tells what the loop has to.
func (g *guest) listen(ctx context.Context, m seat, first string, answers chan<- answer) {
	tell := func(a answer) {
		select {
		case answers <- a:
		case <-ctx.Done():
		}
	}
	for l := (guestLine{text: first}); ctx.Err() == nil; {
		line := text.Mark(l.text)
		switch {
		case l.long || tooLong(line):
			tell(answer{do: "refused", err: errTooLong})
		case strings.TrimSpace(line) == "":
		default:
			action, err := m.Input(ctx, line)
			if err != nil {
				tell(answer{do: "refused", err: err})
			} else if action.Do != "" {
				tell(answer{do: action.Do, arg: action.Arg})
			}
		}
		var err error
		if l, err = g.in.next(time.Time{}); err != nil {
			if !errors.Is(err, io.EOF) {
				tell(answer{do: "over", err: err})
				return
			}
			wait, cancel := context.WithTimeout(ctx, lastWord)
			m.Flush(wait) // what it sent before it closed
			cancel()
			tell(answer{do: "over"})
			return
		}
	}
}

// loop shows what happens until the guest is to leave, and tells why.
func (g *guest) loop(ctx context.Context, events <-chan happening, answers <-chan answer) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(events) == 0 || g.out.Len() > maxUndrawn {
			if err := g.flush(); err != nil {
				return err
			}
		}
		wait := time.Hour
		if at := g.view.wake(); !at.IsZero() {
			wait = max(time.Until(at), 0)
		}
		timer.Reset(wait)
		select {
		case h := <-events:
			var refused *room.Refused
			switch {
			case h.err == nil:
				g.view.show(h.event, time.Now())
				continue
			case errors.As(h.err, &refused):
				g.say("! " + text.Clean(refused.Text))
				return h.err
			case errors.Is(h.err, io.EOF):
				return nil
			}
			return h.err
		case a := <-answers:
			if a.do == "over" || a.do == "quit" || a.do == "part" {
				return a.err
			}
			g.answer(a)
		case now := <-timer.C:
			g.view.tick(now)
		case <-ctx.Done():
			g.say("* the host closes this connection: goodbye")
			return ctx.Err()
		}
	}
}

// answer does what is asked of a front end, as far as a guest's has it.
func (g *guest) answer(a answer) {
	switch a.do {
	case "refused":
		var refused *room.Refused
		e := room.Event{Type: room.Failure, Text: a.err.Error()}
		if errors.As(a.err, &refused) {
			e.Code, e.Suggest = refused.Code, refused.Suggest
		}
		g.view.show(e, time.Now())
	case "clear": // its screen is its own
	case "timestamp":
		g.view.stamps = !g.view.stamps
	case "quiet":
		g.view.quiet = !g.view.quiet
	default:
		g.say("! guests cannot do that: /help lists what you can do")
	}
}
