package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"parley/node"
	"parley/room"
)

// Run joins a room and stays until the person leaves or ctx ends.
func (j *joinCmd) Run(ctx context.Context, p *program) error {
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	if j.Target == "" {
		if !p.mayAsk() {
			return usage{"which room? It needs a name or an address", "for example: parley join physics, or parley join 10.0.0.5"}
		}
		if j.Target, err = p.pick(ctx, n); err != nil {
			return err
		}
	}
	nick, err := p.nick(ctx)
	if err != nil {
		return err
	}
	return p.join(ctx, n, j.Target, nick, seat{stay: j.Stay})
}

// join sits down in the room that target names, asking where it is not clear.
func (p *program) join(ctx context.Context, n *node.Node, target, nick string, s seat) error {
	m, err := p.sitDown(ctx, n, target, p.joinOptions(nick, false))
	if err != nil {
		return err
	}
	return p.show(ctx, m, n, s)
}

// sitDown joins, and lets the person choose where there are several rooms.
func (p *program) sitDown(ctx context.Context, n *node.Node, target string, o room.JoinOptions) (*room.Member, error) {
	slow := time.AfterFunc(time.Second, func() { p.talk("looking for %s …", shown(target)) })
	if ask := o.Ask; ask != nil {
		o.Ask = func(ctx context.Context, r room.Refused) (string, bool) {
			slow.Stop() // found, and the time is the person's now
			return ask(ctx, r)
		}
	}
	if ask := o.Password; ask != nil {
		o.Password = func(ctx context.Context, room string, wrong int) (string, bool) {
			slow.Stop()
			return ask(ctx, room, wrong)
		}
	}
	if waiting := o.Waiting; waiting != nil {
		o.Waiting = func(e room.Event) {
			slow.Stop()
			waiting(e)
		}
	}
	m, err := n.Join(ctx, target, o)
	slow.Stop()
	var ambiguous *node.Error
	var refused *room.Refused
	switch {
	case err == nil || !p.mayAsk():
		return m, err
	case errors.As(err, &ambiguous) && ambiguous.Code == node.CodeAmbiguous:
		p.say("%s:", ambiguous.Text)
		for i, l := range ambiguous.Choices {
			p.say("  %d  %s  key %s", i+1, describe(l), shortKey(l))
		}
		for {
			i, _, err := p.choose(ctx, oneOf(len(ambiguous.Choices)))
			switch {
			case err != nil:
				return nil, err
			case i >= 0:
				return n.Join(ctx, link(ambiguous.Choices[i]), o)
			}
			p.say("type the number in front of the one you mean")
		}
	case errors.As(err, &refused) && refused.Code == "which_room" && len(refused.Rooms) > 0:
		return p.whichRoom(ctx, n, target, refused, o)
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

// link is the link to a room that was heard: its address and its key.
func link(l room.Listing) string {
	port := l.UDP
	if port == 0 {
		port = l.TCP
	}
	key := l.Key
	if !l.Secure {
		key = [len(key)]byte{}
	}
	return node.Link(netip.AddrPortFrom(l.Addr, port), l.Room, key)
}

// pick asks which room to join, listing what is heard, and returns a target.
func (p *program) pick(ctx context.Context, n *node.Node) (string, error) {
	l, err := p.lookAround(ctx, n)
	if err != nil {
		return "", err
	}
	defer l.stop()
	i, typed, err := p.choose(ctx, func() choice {
		if l.print() == 0 {
			return choice{question: "Address of the host, HOST[:PORT]"}
		}
		return choice{"Number, or HOST[:PORT]", "1", l.printed}
	})
	if err != nil {
		return "", err
	}
	if i >= 0 {
		return link(l.all()[i]), nil
	}
	return p.withPort(ctx, typed)
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
