package room

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"parley/text"
)

// offered takes in what the host says about a handover: to us, or, if we are the
// host, how ours goes. The caller holds mu.
func (m *Member) offered(r *report) {
	switch {
	case r.Ticket != "" && m.o.Taker == nil:
		return
	case r.Ticket != "":
		m.offer = &Offer{Room: m.room, Key: m.roomKey, Ticket: r.Ticket, Heir: Heir{Nick: m.nick, Seat: m.seat, Key: m.key(), From: r.Nick}}
	case r.State == "failed" && m.taking:
		return // whoever takes it says so, and why
	case r.State == "failed":
		m.offer = nil
	}
	m.push(Event{Type: Handover, State: r.State, Nick: r.Nick, Text: r.Text})
}

// handover does what is typed about one.
func (m *Member) handover(ctx context.Context, c Command, arg string) error {
	cmd := command{Type: typeHandover, Nick: arg}
	switch {
	case c.Name == "accept":
		return m.accept()
	case c.Name == "decline":
		m.mu.Lock()
		none, ticket := m.offer == nil || m.taking, ""
		if !none {
			ticket, m.offer = m.offer.Ticket, nil
		}
		m.mu.Unlock()
		if none {
			return &Refused{Code: codeUnchanged, Text: "nothing is offered to you"}
		}
		cmd = command{Type: typeHandover, State: "declined", Ticket: ticket, Text: arg}
	case arg == "-":
		cmd = command{Type: typeHandover, State: "off"}
	}
	_, err := m.send(ctx, &saying{cmd: cmd})
	return err
}

// accept takes the room that is offered to us. It goes on beside everything else.
func (m *Member) accept() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.offer == nil:
		return &Refused{Code: codeUnchanged, Text: "nothing is offered to you"}
	case m.taking:
		return &Refused{Code: codeUnchanged, Text: "you are taking the room already"}
	case m.err != nil || m.leaving:
		return m.err
	}
	o := *m.offer
	m.taking = true
	tell := func(state, words string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.push(Event{Type: Handover, State: state, Nick: o.Heir.From, Text: words})
	}
	m.push(Event{Type: Handover, State: "accepted", Nick: o.Heir.From, Text: "taking the room: stay here until it is done"})
	m.takes.Go(func() {
		err := m.o.Taker(m.life, o, tell)
		m.mu.Lock()
		if m.taking = false; m.offer != nil && m.offer.Ticket == o.Ticket { // there may be a new one
			m.offer = nil
		}
		m.mu.Unlock()
		if err == nil {
			tell("done", "you host the room now: others find it here")
			return
		}
		why := "the room was not taken: " + err.Error()
		if doubt := (*Doubt)(nil); errors.As(err, &doubt) { // nobody knows that
			why = err.Error()
		}
		tell("failed", why)
		if !errors.Is(err, errOff) {
			m.send(m.life, &saying{cmd: command{Type: typeHandover, State: "declined", Ticket: o.Ticket, Text: outward(err)}, silent: true})
		}
	})
	return nil
}

// outward is an error as another computer is told it. What names a file of ours
// stays here.
func outward(err error) string {
	if s := err.Error(); !strings.ContainsAny(s, `/\`) {
		return text.Truncate(text.Clean(s), maxLine)
	}
	return "something is wrong with the files on that computer, which tells its owner what"
}

// followed takes in that the room has another host, if that is why a connection ended.
func (m *Member) followed(err error) bool {
	var e *ending
	if !errors.As(err, &e) || e.code != codeMoved || m.o.Moved == nil {
		return false
	}
	m.mu.Lock()
	m.moving = "somebody else"
	if e.move.valid() {
		m.moving = cmp.Or(e.move.Nick, m.moving)
	}
	m.mu.Unlock()
	m.follow(e.move)
	return true
}

// follow has the next connection go where the room is said to be.
func (m *Member) follow(to *Move) {
	if m.o.Moved == nil || !to.valid() {
		return
	}
	move := *to
	move.At = slices.Clone(move.At)
	m.o.Moved(move)
}

// Hosts tells whether we host the room, and with others in it.
func (m *Member) Hosts() (host, others bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.role == roleHost, m.others()
}
