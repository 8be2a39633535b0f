package tui

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"parley/room"
	"parley/talk"
	"parley/text"
	"parley/transport"
)

// listen begins to hear the rooms of the network when the lobby is shown, and ends
// it when it is left: asking for them costs everybody on the network something.
func (s *shell) listen(shown bool) {
	switch {
	case s.o.Deaf || shown == (s.deafen != nil):
		return
	case !shown:
		s.deafen()
		s.deafen = nil
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	before, done := s.listened, make(chan struct{})
	s.deafen, s.listened = cancel, done
	s.own(func() {
		defer close(done)
		defer cancel()
		if before != nil { // the port is theirs until then
			<-before
		}
		if ctx.Err() != nil {
			return
		}
		err := s.net.Rooms(ctx, func(l room.Listing) { s.send(heardMsg{l}) })
		if err != nil && ctx.Err() == nil {
			s.send(noteMsg{"rooms cannot be looked for: " + err.Error()})
		}
	})
}

// sit sits down as asked, asking back where something is not clear.
func (s *shell) sit(ctx context.Context, d doSit) {
	o := s.options(d)
	for {
		m, hosting, err := s.join(ctx, d, o)
		if err == nil {
			s.seatDown(m, hosting)
			return
		}
		if ctx.Err() == nil && s.wayOn(ctx, &d, err) {
			continue
		}
		s.failed(ctx, d, err)
		return
	}
}

// options are how one sits down.
func (s *shell) options(d doSit) room.JoinOptions {
	o := s.o.Join
	if d.nick != "" {
		o.Nick = d.nick
	}
	o.Guarded = o.Guarded && d.start
	o.Ask = func(ctx context.Context, r room.Refused) (string, bool) {
		return s.ask(ctx, askMsg{kind: "nick", lines: []string{r.Text + ". Enter takes what stands here, or type another name; Esc leaves it"}, preset: r.Suggest})
	}
	if o.Password == nil {
		o.Password = func(ctx context.Context, name string, wrong int) (string, bool) {
			line := "The room " + text.Clean(name) + " wants a password."
			if wrong > 0 {
				line = "The password is wrong. Again, for " + text.Clean(name) + ":"
			}
			return s.ask(ctx, askMsg{kind: "password", lines: []string{line}})
		}
	}
	o.Waiting = func(e room.Event) { s.send(askMsg{kind: "waiting", lines: []string{"waiting: " + e.Text}}) }
	return o
}

// wayOn asks what may be done about err, and tells whether it is worth another try.
func (s *shell) wayOn(ctx context.Context, d *doSit, err error) bool {
	if s.o.Choices != nil {
		if rooms := s.o.Choices(err); len(rooms) > 0 {
			lines := []string{"Several rooms have that name:"}
			for i, l := range rooms {
				lines = append(lines, fmt.Sprintf("%d  %s", i+1, talk.Listing(l)))
				if l.Key != (transport.Key{}) {
					lines = append(lines, "   key "+l.Key.String()[:8]+"  "+text.KeyWords(l.Key))
				}
			}
			typed, ok := s.ask(ctx, askMsg{kind: "number", lines: lines, most: len(rooms)})
			n, bad := strconv.Atoi(typed)
			if !ok || bad != nil || n < 1 || n > len(rooms) {
				return false
			}
			d.start, d.heard = false, &rooms[n-1]
			return true
		}
	}
	if s.o.Offer != nil {
		if offer := s.o.Offer(err); offer != nil {
			typed, ok := s.ask(ctx, askMsg{kind: "trust", lines: offer.Lines, word: offer.Word})
			if !ok || !strings.EqualFold(typed, offer.Word) {
				return false
			}
			if err := offer.Do(); err != nil {
				s.send(noteMsg{"! " + err.Error()})
				return false
			}
			return true
		}
	}
	return false
}

// failed tells that nobody has sat down.
func (s *shell) failed(ctx context.Context, d doSit, err error) {
	msg := unsatMsg{was: d, lines: s.explain(err)}
	var refused *room.Refused
	if errors.As(err, &refused) {
		msg.code, msg.rooms = refused.Code, refused.Rooms
	}
	if ctx.Err() != nil {
		msg.lines, msg.was.start = []string{"given up"}, false
	} else if d.start {
		s.mu.Lock()
		s.fatal = err
		s.mu.Unlock()
	}
	s.send(msg)
}

func (s *shell) join(ctx context.Context, d doSit, o room.JoinOptions) (m *room.Member, hosting room.Hosting, err error) {
	switch {
	case d.start:
		m, err = s.o.Start.Sit(ctx, o)
	case d.heard != nil:
		m, err = s.net.JoinHeard(ctx, *d.heard, o)
	case d.host != "":
		open := s.o.Host
		open.Rooms, open.Password = []string{d.host}, nil
		if d.secret != "" {
			if open.Password, err = room.NewVerifier(d.secret); err != nil {
				return nil, nil, err
			}
		}
		if hosting, err = s.net.Host(s.ctx, open); err != nil {
			return nil, nil, err
		}
		if m, err = hosting.Sit(ctx, o); err != nil {
			hosting.Close()
		}
	default:
		m, err = s.net.Join(ctx, d.target, o)
	}
	return m, hosting, err
}

// ask has the person answer.
func (s *shell) ask(ctx context.Context, msg askMsg) (string, bool) {
	c := make(chan doAnswer, 1)
	s.mu.Lock()
	s.next++
	msg.id = s.next
	s.asked[msg.id] = c
	s.mu.Unlock()
	s.send(msg)
	select {
	case a := <-c:
		return a.text, a.ok
	case <-ctx.Done():
		return "", false
	}
}

// explain puts an error in words.
func (s *shell) explain(err error) []string {
	if s.o.Explain != nil {
		if lines := s.o.Explain(err); len(lines) > 0 {
			return lines
		}
	}
	return []string{err.Error()}
}
