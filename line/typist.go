package line

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"parley/room"
	"parley/talk"
	"parley/text"
	"parley/transport"
)

// typist does what lines say, one after the other. It is the only one that
// waits for the host, so that the screen never does.
type typist struct {
	s    *session
	at   seat // nil: in no room
	nick string
	n    int // the number of the line it is at

	warned bool // that the room closes with us
}

var errNoRoom = errors.New("you are in no room: /list shows which there are, /join ROOM goes to one, /quit ends")

// run takes lines until there are no more.
func (t *typist) run() {
	for {
		select {
		case l, ok := <-t.s.lines:
			if !ok {
				if !t.s.o.Stay || t.s.o.Terminal {
					t.tell(answer{do: "over", err: t.drain()})
				}
				return
			}
			if !t.do(l) {
				return
			}
		case <-t.s.ctx.Done():
			return
		}
	}
}

// tell has the loop do a; false when the session has ended.
func (t *typist) tell(a answer) bool {
	a.n = t.n
	select {
	case t.s.answers <- a:
		return true
	case <-t.s.ctx.Done():
		return false
	}
}

// do does what l says; false when it was the last.
func (t *typist) do(l typed) bool {
	line := text.Mark(l.text)
	t.n = l.n
	if strings.TrimSpace(line) == "" {
		return true
	}
	if l.long || tooLong(line) {
		return t.tell(answer{do: "refused", err: errTooLong})
	}
	action, err := t.input(line)
	if err != nil {
		return t.s.ctx.Err() == nil && t.tell(answer{do: "refused", err: err})
	}
	switch action.Do {
	case "":
		return true
	case "quit":
		if t.closes() {
			return t.tell(answer{do: "stay", arg: staying})
		}
		t.tell(answer{do: "over", arg: action.Arg, err: t.drain()})
		return false
	case "list":
		return t.list()
	case "join":
		return t.join(strings.Fields(action.Arg))
	case "export":
		return t.export(strings.TrimSpace(action.Arg))
	case "part":
		if t.at == nil {
			return t.tell(answer{do: "refused", err: errNoRoom})
		}
		t.at = nil
		return t.tell(answer{do: "part", arg: action.Arg})
	}
	return t.tell(answer{do: action.Do, arg: strings.TrimSpace(action.Arg)})
}

// input gives the line to the room; without one, only what a front end does is done.
func (t *typist) input(line string) (room.Action, error) {
	if t.at != nil {
		t.nick = t.at.Nick()
		return t.at.Input(t.s.ctx, line)
	}
	word, arg, _ := strings.Cut(line, " ")
	if do := front(word); do != "" {
		return room.Action{Do: do, Arg: arg}, nil
	}
	return room.Action{}, errNoRoom
}

// front returns what the front end does for the command word, if it is one of its own.
func front(word string) string { return talk.Front(word) }

// quits tells whether line is the command to end, which need not wait until
// what was typed before has been sent.
func quits(line string) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return front(word) == "quit"
}

// drain waits until the host has what was said: as long as it takes any of it
// from a pipe, for a moment from a person who leaves.
func (t *typist) drain() error {
	if t.at == nil {
		return nil
	}
	wait := patience
	if t.s.o.Terminal {
		wait = lastWord
	}
	for {
		before := t.at.Stats().Pending
		ctx, cancel := context.WithTimeout(t.s.ctx, wait)
		err := t.at.Flush(ctx)
		timeout := ctx.Err() != nil
		cancel()
		after := t.at.Stats().Pending
		switch {
		case err == nil || t.s.ctx.Err() != nil || after == 0:
			return nil
		case !timeout || t.s.o.Terminal || after >= before:
			return ErrUndelivered
		}
	}
}

// list shows the rooms of the network.
func (t *typist) list() bool {
	if t.s.net == nil {
		return t.tell(answer{do: "refused", err: errors.New("there are no other rooms to list here")})
	}
	ctx, cancel := context.WithTimeout(t.s.ctx, listing)
	defer cancel()
	shown := make(map[transport.Key]bool) // once each: members come and go meanwhile
	err := t.s.net.Rooms(ctx, func(l room.Listing) {
		if !l.Gone && !shown[l.Key] {
			shown[l.Key] = true
			t.tell(answer{do: "show", room: l})
		}
	})
	switch {
	case t.s.ctx.Err() != nil:
		return false
	case err != nil && ctx.Err() == nil:
		return t.tell(answer{do: "refused", err: err})
	case len(shown) == 0:
		return t.tell(answer{do: "note", arg: "no rooms were heard on this network: if you know where one is, /join HOST[:PORT]"})
	}
	return true
}

// join goes to another room, under another name if a second word gives one,
// and stays where it is if that cannot be.
func (t *typist) join(words []string) bool {
	switch {
	case t.s.net == nil:
		return t.tell(answer{do: "refused", err: errors.New("there are no other rooms to join here")})
	case len(words) == 0 || len(words) > 2:
		return t.tell(answer{do: "refused", err: errors.New("which room? /join ROOM or /join HOST[:PORT][/ROOM], then a name if you want another")})
	}
	o := t.s.o.Join
	o.Nick, o.Ask = cmp.Or(t.nick, o.Nick), nil
	o.Waiting = func(e room.Event) { t.tell(answer{do: "note", arg: "waiting: " + e.Text}) }
	if len(words) == 2 {
		o.Nick = words[1]
	}
	target := strings.TrimPrefix(words[0], "#")
	m, err := t.s.net.Join(t.s.ctx, target, o)
	if err != nil {
		if t.s.ctx.Err() != nil {
			return false
		}
		var refused *room.Refused
		switch {
		case !errors.As(err, &refused):
		case refused.Suggest != "":
			err = errors.New(refused.Text + ": try /join " + words[0] + " " + refused.Suggest)
		case refused.Code == "password" && o.Password == nil: // here it would be shown as it is typed
			err = &room.Refused{Code: refused.Code, Text: refused.Text + ": parley join " + words[0] + " asks for it"}
		}
		return t.tell(answer{do: "refused", err: err})
	}
	if !t.tell(answer{do: "moved", seat: m}) { // nobody will sit there
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.s.ctx), lastWord)
		defer cancel()
		m.Leave(ctx, "")
		return false
	}
	t.at, t.nick = m, m.Nick()
	return true
}

// answer does what the typist asks for.
func (s *session) answer(a answer) (done bool, _ error) {
	switch a.do {
	case "over":
		return true, s.end(a.arg, a.err)
	case "refused":
		s.failed = true
		s.refuse(a)
	case "moved":
		s.leave("")
		s.sit(a.seat)
	case "part":
		s.leave(a.arg)
		s.tell("", "you left: /list shows rooms, /join ROOM goes to one, /quit ends")
	case "show":
		if s.o.JSON {
			s.object(a.room)
		} else {
			s.view.say("", false, "", Listing(a.room))
		}
	case "stay": // the loop had begun to leave
		if s.by = (time.Time{}); s.ended { // for there is nothing more to come
			return true, s.end("", nil)
		}
		s.tell("", a.arg)
	case "note":
		s.tell("", a.arg)
	case "exported":
		if s.o.JSON {
			s.object(room.Event{Type: room.Notice, Code: "exported", Count: a.n, Text: a.arg})
		} else {
			s.tell("", a.arg)
		}
	case "link":
		s.link()
	case "lanes":
		s.ask(a, s.o.Lanes, "packets are not recorded: they are where a room is hosted with parley host ROOM --lanes")
	case "impair":
		s.ask(a, s.o.Impair, "only who hosts the room can do that")
	default:
		s.tell("", s.change(a.do, a.arg))
	}
	return false, nil
}

// ask has another part of the program do something, and tells what it did.
func (s *session) ask(a answer, do func(string) (string, error), without string) {
	if do == nil {
		a.err = errors.New(without)
	} else if a.arg, a.err = do(a.arg); a.err == nil {
		s.tell("", a.arg)
		return
	}
	s.failed = true
	s.refuse(a)
}

// refuse tells that a line was not sent, and why.
func (s *session) refuse(a answer) {
	e := room.Event{Type: room.Failure, Code: "input", Text: a.err.Error()}
	var refused *room.Refused
	switch {
	case errors.As(a.err, &refused):
		e.Code, e.Suggest, e.Rooms = refused.Code, refused.Suggest, refused.Rooms
	case errors.Is(a.err, errTooLong):
		e.Code = "too_long"
	}
	if a.n > 0 && !s.o.Terminal {
		e.Text = "line " + strconv.Itoa(a.n) + ": " + e.Text
	}
	s.show(e)
}

// change changes how the room is shown, and says to what.
func (s *session) change(what, to string) string {
	v := s.view
	state := func(on *bool, name string) string {
		*on = !*on
		if *on {
			return name + " are shown now"
		}
		return name + " are hidden now"
	}
	switch what {
	case "clear":
		s.screen.clear()
		return ""
	case "timestamp":
		return state(&v.stamps, "times")
	case "quiet":
		shown := !v.quiet
		defer func() { v.quiet = !shown }()
		return state(&shown, "joins and leaves")
	case "delivered":
		v.receipts = to == "on"
		if v.receipts {
			return "who has received what you say is shown now"
		}
		return "who has received what you say is hidden now"
	case "bell":
		switch to {
		case bellOff, bellDM, bellMention, bellAll:
			v.bell = to
		case "":
		default:
			return "/bell off, dm, mention or all"
		}
		return "the bell rings for: " + v.bell
	}
	return "this program cannot do /" + what
}

// keys edits with what the terminal sent.
func (s *session) keys(b []byte, open bool) (done bool, _ error) {
	e := s.screen.editor
	if !open {
		s.typed = nil
		s.finish()
		return false, nil
	}
	s.screen.drawn = false
	for len(b) > 0 {
		var w wish
		switch w, b = e.feed(b); w {
		case send:
			if s.submit(); e.line != "" && len(b) > 0 { // it was not taken, and what follows is a line of its own
				e.insert("\n")
			}
		case stop:
			return true, s.end("", context.Canceled)
		case finish:
			s.finish()
		case wipe:
			s.screen.clear()
		}
	}
	return false, nil
}

// submit hands the line to the typist. What cannot be sent stays to be changed.
func (s *session) submit() {
	e := s.screen.editor
	switch {
	case s.ended || e.line == "":
		return
	case tooLong(text.Mark(e.line)):
		parts := inParts(text.Mark(e.line))
		if free := cap(s.lines) - len(s.lines); len(parts) == 0 || len(parts) > free { // nobody else adds to them
			s.refuse(answer{err: errTooLong})
			return
		}
		for _, part := range parts {
			s.lines <- typed{text: part}
		}
		e.take()
		return
	case quits(e.line):
		s.by = time.Now().Add(2 * lastWord)
	}
	select {
	case s.lines <- typed{text: e.line}:
		e.take()
	default:
		s.tell("", "sending slowly: the host has not yet taken what you said before, press Enter again in a while")
	}
}

// inParts makes messages of many lines that were pasted.
func inParts(line string) []string { return talk.InParts(line) }

// finish ends the input of a terminal: what was typed before is still sent.
func (s *session) finish() {
	if !s.ended {
		s.ended = true
		s.by = time.Now().Add(2 * lastWord)
		close(s.lines)
	}
}

// complete offers what a word may become: names, and commands in front.
func (s *session) complete(word string, first bool) []string {
	if s.seat == nil {
		return nil
	}
	return talk.Complete(word, first, s.seat.Names())
}
