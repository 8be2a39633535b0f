package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"parley/node"
	"parley/room"
	"parley/text"
)

// sendLimit is how long a host may take to store what send says.
const sendLimit = 10 * time.Second

// Run says one thing and returns nil when the host has stored it.
func (s *sendCmd) Run(ctx context.Context, p *program) error {
	said, err := s.text(p.in)
	if err != nil {
		return err
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	nick, err := p.quietNick()
	if err != nil {
		return err
	}
	o := p.joinOptions(nick, true)
	o.Deaf, o.History = true, -1
	m, err := p.sitDown(ctx, n, goal{typed: s.Target}, o)
	if err != nil {
		return err
	}
	if p.flags.JSON {
		p.printJSON(m.Ready())
	}
	err = p.deliver(ctx, m, said)
	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveLimit)
	defer cancel()
	m.Leave(leave, "")
	return err
}

// text is what to say: the arguments, or the whole of the input.
func (s *sendCmd) text(in io.Reader) (string, error) {
	said := strings.Join(s.Text, " ")
	if len(s.Text) == 0 {
		all, err := io.ReadAll(io.LimitReader(in, 4*text.MaxText))
		if err != nil {
			return "", fmt.Errorf("cannot read what to say: %w", err)
		}
		said = strings.TrimRight(string(all), "\r\n")
	}
	said = text.Mark(said)
	if strings.TrimSpace(said) == "" {
		return "", usage{"nothing to say", "give the text, or pipe it in"}
	}
	if err := text.Valid(said); err != nil {
		return "", usage{fmt.Sprintf("cannot say that: %v", err), ""}
	}
	return said, nil
}

// deliver says it and waits until the host has it.
func (p *program) deliver(ctx context.Context, m *room.Member, said string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sendLimit,
		&node.Error{Code: node.CodeUnreachable, Text: "not delivered: the host does not answer", Hint: "nobody has seen it, unless it arrived just now; it is not tried again by itself: send it again if you must"})
	defer cancel()
	defer p.slowly("the host has not stored it yet", nil)()
	id, err := m.Say(ctx, said)
	defer func() { m.Withdraw(id) }() // whatever comes of it, the exit code is the last word
	for err == nil {
		var e room.Event
		if e, err = m.Next(ctx); err != nil || e.ID != id {
			p.tellNotice(e)
			continue
		}
		switch e.Type {
		case room.Accepted:
			if p.flags.JSON {
				p.printJSON(e)
			}
			return nil
		case room.Failed:
			return &room.Refused{Code: e.Code, Text: "not delivered: " + e.Reason}
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// tellNotice tells what e says about whom we talk to, or about what was left to
// be said, if it does.
func (p *program) tellNotice(e room.Event) {
	if e.Type != room.Notice {
		return
	}
	switch e.Code {
	case room.NoticeNewKey, room.NoticeOtherKey, room.NoticeDrafts, room.NoticeUnkept:
		if p.flags.JSON {
			p.printJSON(e)
			return
		}
		p.talk("%s", e.Text)
	}
}

// Run prints what is said until ctx ends.
func (t *tailCmd) Run(ctx context.Context, p *program) error {
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	nick, err := p.quietNick()
	if err != nil {
		return err
	}
	o := p.joinOptions(nick, true)
	if p.flags.Nick == "" { // who only listens does not mind under which name
		o.Ask = func(_ context.Context, r room.Refused) (string, bool) { return r.Suggest, r.Suggest != "" }
	}
	m, err := p.sitDown(ctx, n, goal{typed: t.Target}, o)
	if err != nil {
		return err
	}
	return p.show(ctx, m, n, seat{mute: true})
}

// quietNick is the name of who only says one thing, or only listens: nobody
// is asked for it.
func (p *program) quietNick() (string, error) {
	if p.flags.Nick != "" {
		return p.checkNick(p.flags.Nick)
	}
	return userName(), nil
}
