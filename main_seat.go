package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/term"

	"parley/line"
	"parley/node"
	"parley/room"
)

// leaveLimit is how long saying goodbye may take.
const leaveLimit = 2 * time.Second

// seat says how a seat is shown.
type seat struct {
	stay bool // go on when the input has ended
	mute bool // read no input
	host bool // the room is hosted here
}

// joinOptions are how this program sits down.
func (p *program) joinOptions(nick string, quiet bool) room.JoinOptions {
	o := room.JoinOptions{Nick: nick, Quiet: quiet, History: p.flags.History, Ignored: &p.ignored}
	if o.History == 0 {
		o.History = -1
	}
	if p.mayAsk() {
		o.Ask, o.Password = p.otherNick, p.askPassword
	}
	if p.secret != "" {
		o.Password, o.Guarded = p.givePassword, true
	}
	o.Waiting = p.tellWaiting()
	return o
}

// laterOptions are how this program goes to another room when it sits in one:
// the front end has the keyboard then.
func (p *program) laterOptions(nick string) room.JoinOptions {
	o := p.joinOptions(nick, false)
	o.Ask, o.Waiting, o.Guarded = nil, nil, false
	if p.secret == "" {
		o.Password = nil
	}
	return o
}

// show gives a seat its front end, until the person leaves or ctx ends.
func (p *program) show(ctx context.Context, m *room.Member, n *node.Node, s seat) error {
	terminal := term.IsTerminal(int(p.in.Fd())) && isTerminal(p.out) && !s.mute
	o := line.Options{
		In: p.in, Out: p.out, Err: p.err,
		JSON: p.flags.JSON, Terminal: terminal && !p.flags.JSON,
		Dumb:  p.flags.Plain || os.Getenv("TERM") == "dumb",
		Color: isTerminal(p.out) && line.WantColor(os.Getenv),
		Quiet: p.flags.Quiet, Stay: s.stay, Headless: s.mute,
		Timestamps: isTerminal(p.out),
		Join:       p.laterOptions(m.Ready().Nick),
	}
	if terminal {
		o.QR = func(link string) []string { return p.qr(p.out, link, linkRows) }
	}
	if isTerminal(p.out) {
		o.Width = func() int {
			w, _, err := term.GetSize(int(p.out.(*os.File).Fd()))
			if err != nil || w == 0 {
				return 80 // what a terminal has that does not say
			}
			return w
		}
	}
	if s.host {
		o.Impair = setImpair(n)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.host && n.Lanes != nil {
		o.Packets = packets(ctx, n.Lanes)
		o.Lanes = laneLines(n)
	}
	err := line.Run(ctx, o, m, n)
	var refused *room.Refused
	switch {
	case errors.Is(err, line.ErrUndelivered):
		return errQuiet(exitUndelivered) // it has been said
	case errors.Is(err, line.ErrNotSent):
		return errQuiet(exitFailure) // and which, too
	case errors.As(err, &refused):
		return errQuiet(explainRefused(refused).exit) // and why we were put out
	}
	return err
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// serveGuest gives a bare text client its front end.
func serveGuest(ctx context.Context, conn net.Conn, sit node.Sit, log *slog.Logger) {
	told := ""
	waits := func(e room.Event) { // to be let in
		if told != e.Text {
			told = e.Text
			conn.SetWriteDeadline(time.Now().Add(leaveLimit))
			fmt.Fprintf(conn, "* %s\n", clean(e.Text))
		}
	}
	err := line.Guest(ctx, conn, func(ctx context.Context, nick string) (*room.Member, error) {
		return sit(ctx, room.JoinOptions{Nick: nick, History: -1, Waiting: waits})
	})
	if err != nil {
		log.Info("a guest has left", "addr", conn.RemoteAddr().String(), "error", err)
	}
}
