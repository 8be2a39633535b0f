package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"parley/node"
	"parley/room"
	"parley/text"
)

// firstLook is how long rooms are collected before a person is asked to choose.
// Those of an idle LAN are heard within 300 ms.
const firstLook = 600 * time.Millisecond

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
	slow := time.AfterFunc(time.Second, func() { p.talk("looking for %s …", target) })
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
		i, typed, err := p.choose(ctx, "Number", len(ambiguous.Choices), "")
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			typed = link(ambiguous.Choices[i])
		}
		return n.Join(ctx, typed, o)
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
	i, name, err := p.choose(ctx, "Number", len(r.Rooms), "")
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

// first is the number that Enter means: there is one if there are rooms.
func first(found []room.Listing) string {
	if len(found) == 0 {
		return ""
	}
	return "1"
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
	found, err := p.hear(ctx, n)
	if err != nil {
		return "", err
	}
	question := "Number, or HOST[:PORT]"
	if len(found) == 0 {
		question = "Address of the host, HOST[:PORT]"
	}
	i, typed, err := p.choose(ctx, question, len(found), first(found))
	if err != nil {
		return "", err
	}
	if i >= 0 {
		return link(found[i]), nil
	}
	return p.withPort(ctx, typed)
}

// hear lists the rooms of this network, numbered.
func (p *program) hear(ctx context.Context, n *node.Node) ([]room.Listing, error) {
	if n.NoDiscovery {
		return nil, nil
	}
	p.say("Rooms on this network:")
	var lock sync.Mutex
	number := 0
	found, err := p.list(ctx, n, firstLook, func(l room.Listing) {
		lock.Lock()
		defer lock.Unlock()
		number++
		p.say("  %d  %s", number, describe(l))
	})
	if err == nil && len(found) == 0 {
		p.say("  none heard yet")
	}
	return found, err
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

// Run is parley without a command: pick a room on this network, or host one.
func (c *pickCmd) Run(ctx context.Context, p *program) error {
	if !p.mayAsk() {
		p.talk("parley host ROOM opens a room, parley join ROOM joins one, parley --help says more. On this network there are:")
		return (&roomsCmd{Wait: 1500 * time.Millisecond}).Run(ctx, p)
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	found, err := p.hear(ctx, n)
	if err != nil {
		return err
	}
	question := "Number or address to join, or a name to host a room"
	if len(found) == 0 {
		question = "Name of a room to host, or an address to join"
	}
	i, typed, err := p.choose(ctx, question, len(found), first(found))
	if err != nil {
		return err
	}
	if i >= 0 {
		typed = link(found[i])
	}
	if t, err := node.ParseTarget(typed); err != nil {
		return usage{text: err.Error()}
	} else if t.Host == "" && !heard(found, t.Room) {
		return (&hostCmd{Rooms: []string{t.Room}}).host(ctx, p, n)
	}
	nick := userName() // so that Enter is all it takes; a name that is taken is asked for
	if p.flags.Nick != "" {
		if nick, err = p.checkNick(p.flags.Nick); err != nil {
			return err
		}
	}
	return p.join(ctx, n, typed, nick, seat{})
}

func heard(found []room.Listing, name string) bool {
	for _, l := range found {
		if text.RoomKey(l.Room) == text.RoomKey(name) {
			return true
		}
	}
	return false
}
