package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"parley/node"
	"parley/room"
	"parley/text"
)

// firstLook is how long rooms are collected before a person is asked to choose.
// Those of an idle LAN are heard within 300 ms.
const firstLook = 600 * time.Millisecond

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
	typed, host, err := p.choosePlace(ctx, n)
	if err != nil {
		return err
	}
	if host {
		return (&hostCmd{Rooms: []string{typed}}).host(ctx, p, n)
	}
	nick, err := p.nick(ctx)
	if err != nil {
		return err
	}
	return p.join(ctx, n, typed, nick, seat{})
}

// choosePlace asks for a room to join, or for the name of one to host.
func (p *program) choosePlace(ctx context.Context, n *node.Node) (typed string, host bool, err error) {
	l, err := p.lookAround(ctx, n)
	if err != nil {
		return "", false, err
	}
	defer l.stop()
	next := func() choice {
		if l.print() == 0 {
			return choice{question: "Name of a room to host, or an address to join"}
		}
		return choice{"Number or address to join, or a name to host a room", "1", l.printed}
	}
	for {
		i, typed, err := p.choose(ctx, next)
		if err != nil {
			return "", false, err
		}
		if i >= 0 {
			return link(l.all()[i]), false, nil
		}
		t, err := node.ParseTarget(typed)
		if err == nil && t.Host == "" && !l.has(t.Room) {
			if _, err = text.RoomName(t.Room); err == nil {
				return t.Room, true, nil
			}
		}
		if err == nil {
			return typed, false, nil
		}
		p.say("%v", err)
	}
}

// lobby is the rooms of this network, heard as long as somebody is choosing.
type lobby struct {
	p       *program
	printed int  // so many have been
	idle    bool // nobody looks
	stop    func()

	lock  sync.Mutex
	found []room.Listing
}

// lookAround collects the rooms of this network for a moment, and then goes on
// collecting until stop is called.
func (p *program) lookAround(ctx context.Context, n *node.Node) (*lobby, error) {
	l := &lobby{p: p, idle: n.NoDiscovery, stop: func() {}}
	if l.idle {
		return l, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var err error // once ended is closed
	ended := make(chan struct{})
	l.stop = func() { cancel(); <-ended }
	go func() {
		defer close(ended)
		err = p.listen(ctx, n, func(found room.Listing) {
			l.lock.Lock()
			defer l.lock.Unlock()
			l.found = append(l.found, found)
		})
	}()
	p.say("Rooms on this network:")
	select {
	case <-time.After(firstLook):
	case <-ended: // there is no listening here
		if cancel(); err == nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return l, nil
}

// all returns the rooms that have been heard, in that order.
func (l *lobby) all() []room.Listing {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.found)
}

// print prints the rooms that are new, numbered, and returns how many there are.
func (l *lobby) print() int {
	found := l.all()
	for ; l.printed < len(found); l.printed++ {
		l.p.say("  %d  %s", l.printed+1, describe(found[l.printed]))
	}
	if l.printed == 0 && !l.idle {
		l.p.say("  none heard yet; Enter looks again")
	}
	return l.printed
}

// has tells whether a room called name has been heard.
func (l *lobby) has(name string) bool {
	return slices.ContainsFunc(l.all(), func(r room.Listing) bool { return text.RoomKey(r.Room) == text.RoomKey(name) })
}
