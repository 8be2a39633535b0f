package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/node"
	"parley/room"
)

// Run joins a room and stays until the person leaves or ctx ends.
func (j *joinCmd) Run(ctx context.Context, p *program) error {
	if p.fullScreen() {
		return p.onScreen(ctx, j.begin(p))
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	to := goal{typed: j.Target}
	if j.Target == "" {
		if !p.mayAsk() {
			return usage{"which room? It needs a name or an address", "for example: parley join physics, or parley join 10.0.0.5"}
		}
		if to, err = p.pick(ctx, n); err != nil {
			return err
		}
	}
	nick, err := p.nick(ctx)
	if err != nil {
		return err
	}
	return p.join(ctx, n, to, nick, seat{stay: j.Stay})
}

// A goal is what is to be joined: what was typed, or a room that was heard and
// picked from a list. Only what was typed has a key by somebody's word.
type goal struct {
	typed string
	heard *room.Listing
}

func (g goal) String() string {
	if g.heard != nil {
		return g.heard.Room
	}
	return shown(g.typed)
}

func (g goal) join(ctx context.Context, n *node.Node, o room.JoinOptions) (*room.Member, error) {
	if g.heard != nil {
		return n.JoinHeard(ctx, *g.heard, o)
	}
	return n.Join(ctx, g.typed, o)
}

// join sits down in a room, asking where it is not clear.
func (p *program) join(ctx context.Context, n *node.Node, to goal, nick string, s seat) error {
	m, err := p.sitDown(ctx, n, to, p.joinOptions(nick, false))
	if err != nil {
		return err
	}
	return p.show(ctx, m, n, s)
}

// sitDown joins, and lets the person choose where there are several rooms.
func (p *program) sitDown(ctx context.Context, n *node.Node, to goal, o room.JoinOptions) (*room.Member, error) {
	found := p.slowly(fmt.Sprintf("looking for %s", to), nil)
	defer found()
	if ask := o.Ask; ask != nil {
		o.Ask = func(ctx context.Context, r room.Refused) (string, bool) {
			found() // and the time is the person's now
			return ask(ctx, r)
		}
	}
	if ask := o.Password; ask != nil {
		o.Password = func(ctx context.Context, room string, wrong int) (string, bool) {
			found()
			return ask(ctx, room, wrong)
		}
	}
	if waiting := o.Waiting; waiting != nil {
		o.Waiting = func(e room.Event) {
			found()
			waiting(e)
		}
	}
	m, err := to.join(ctx, n, o)
	found()
	var ambiguous *node.Error
	var refused *room.Refused
	switch {
	case err == nil || !p.mayAsk():
		return m, err
	case errors.As(err, &ambiguous) && ambiguous.Code == node.CodeAmbiguous:
		p.say("%s:", ambiguous.Text)
		for i, l := range ambiguous.Choices {
			p.say("  %d  %s", i+1, describe(l))
			p.say("     key %s", node.Fingerprint(l.Key))
		}
		for {
			i, _, err := p.choose(ctx, oneOf(len(ambiguous.Choices)))
			switch {
			case err != nil:
				return nil, err
			case i >= 0:
				return n.JoinHeard(ctx, ambiguous.Choices[i], o)
			}
			p.say("type the number in front of the one you mean")
		}
	case errors.As(err, &refused) && refused.Code == "which_room" && len(refused.Rooms) > 0:
		return p.whichRoom(ctx, n, to.typed, refused, o)
	}
	return nil, err
}

// whichRoom lets the person choose one of the rooms of a host.
func (p *program) whichRoom(ctx context.Context, n *node.Node, target string, r *room.Refused, o room.JoinOptions) (*room.Member, error) {
	p.say("There are several rooms:")
	for i, name := range r.Rooms {
		p.say("  %d  %s", i+1, name)
	}
	i, name, err := p.choose(ctx, oneOf(len(r.Rooms)))
	if err != nil {
		return nil, err
	}
	if i >= 0 {
		name = r.Rooms[i]
	}
	t, err := node.ParseTarget(target)
	if err != nil {
		return nil, err
	}
	t.Room = name
	return n.Join(ctx, t.String(), o)
}

// shown is a target as it is told to people: of a link, where it leads.
func shown(target string) string {
	if t, err := node.ParseTarget(target); err == nil {
		return t.String()
	}
	return target
}

// pick asks which room to join, listing what is heard.
func (p *program) pick(ctx context.Context, n *node.Node) (goal, error) {
	l, err := p.lookAround(ctx, n)
	if err != nil {
		return goal{}, err
	}
	defer l.stop()
	i, typed, err := p.choose(ctx, func() choice {
		if l.print() == 0 {
			return choice{question: "Address of the host, HOST[:PORT]"}
		}
		return choice{"Number, or HOST[:PORT]", l.preset(), l.printed}
	})
	if err != nil {
		return goal{}, err
	}
	if i >= 0 {
		return goal{heard: &l.all()[i]}, nil
	}
	typed, err = p.withPort(ctx, typed)
	return goal{typed: typed}, err
}

// withPort asks for the port of an address that was typed without one.
func (p *program) withPort(ctx context.Context, typed string) (string, error) {
	t, err := node.ParseTarget(typed)
	if err != nil {
		return "", usage{text: err.Error()}
	}
	if t.Host == "" || t.Port != 0 || p.flags.Port != 0 || strings.Contains(typed, "//") {
		return typed, nil
	}
	port, err := p.ask(ctx, "Port", fmt.Sprint(node.Port))
	if err != nil {
		return "", err
	}
	_, err = fmt.Sscan(port, &t.Port)
	if err != nil || t.Port == 0 {
		return "", usage{text: fmt.Sprintf("%q is not a port: want a number from 1 to 65535", port)}
	}
	return t.String(), nil
}
