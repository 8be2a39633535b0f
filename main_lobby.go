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
	if p.fullScreen() {
		return p.onScreen(ctx, nil)
	}
	if !p.mayAsk() {
		p.talk("parley host ROOM opens a room, parley join ROOM joins one, parley --help says more. On this network there are:")
		return (&roomsCmd{Wait: 1500 * time.Millisecond}).Run(ctx, p)
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	to, host, err := p.choosePlace(ctx, n)
	if err != nil {
		return err
	}
	if host {
		h := p.flags.Host // as the environment and the configuration have it
		h.Rooms, h.Headless = []string{to.typed}, false
		return h.host(ctx, p, n)
	}
	nick, err := p.nick(ctx)
	if err != nil {
		return err
	}
	return p.join(ctx, n, to, nick, seat{})
}

// choosePlace asks for a room to join, or for the name of one to host.
func (p *program) choosePlace(ctx context.Context, n *node.Node) (to goal, host bool, err error) {
	l, err := p.lookAround(ctx, n)
	if err != nil {
		return goal{}, false, err
	}
	defer l.stop()
	next := func() choice {
		if l.print() == 0 {
			return choice{question: "Name of a room to host, or an address to join"}
		}
		return choice{"Number or address to join, or a name to host a room", l.preset(), l.printed}
	}
	for {
		i, typed, err := p.choose(ctx, next)
		if err != nil {
			return goal{}, false, err
		}
		if i >= 0 {
			return goal{heard: &l.all()[i]}, false, nil
		}
		t, err := node.ParseTarget(typed)
		if err == nil && t.Host == "" && !l.has(t.Room) {
			if _, err = text.RoomName(t.Room); err == nil {
				return goal{typed: t.Room}, true, nil
			}
		}
		if err == nil {
			return goal{typed: typed}, false, nil
		}
		p.say("%v", err)
	}
}

// lobby is the rooms of this network, heard as long as somebody is choosing.
type lobby struct {
	p       *program
	printed int          // so many have been
	worded  map[int]bool // of these, the words of the key, too
	idle    bool         // nobody looks
	stop    func()

	lock  sync.Mutex
	found []room.Listing
}

// lookAround collects the rooms of this network for a moment, and then goes on
// collecting until stop is called.
func (p *program) lookAround(ctx context.Context, n *node.Node) (*lobby, error) {
	l := &lobby{p: p, idle: n.NoDiscovery, stop: func() {}, worded: make(map[int]bool)}
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
// Where two look alike, their keys are what tells them apart.
func (l *lobby) print() int {
	found := l.all()
	for ; l.printed < len(found); l.printed++ {
		l.p.say("  %d  %s", l.printed+1, describe(found[l.printed]))
		for _, i := range twins(found, l.printed) {
			switch {
			case l.worded[i] || i > l.printed: // which will be told in its turn
			case i == l.printed:
				l.p.say("     key %s", node.Fingerprint(found[i].Key))
			default:
				l.p.say("     number %d looks the same: key %s", i+1, node.Fingerprint(found[i].Key))
			}
			l.worded[i] = l.worded[i] || i <= l.printed
		}
	}
	if l.printed == 0 && !l.idle {
		l.p.say("  none heard yet; Enter looks again")
	}
	return l.printed
}

// twins are the rooms that look like room i, and that one itself; none if it
// looks like no other.
func twins(found []room.Listing, i int) (all []int) {
	for j, o := range found {
		if text.Key(o.Room) == text.Key(found[i].Room) {
			all = append(all, j)
		}
	}
	if len(all) == 1 {
		return nil
	}
	return all
}

// preset is what Enter means: the first room, unless it takes a second look.
func (l *lobby) preset() string {
	found := l.all()[:l.printed]
	if len(twins(found, 0)) > 0 || found[0].Pin == node.PinChanged {
		return ""
	}
	return "1"
}

// has tells whether a room called name has been heard.
func (l *lobby) has(name string) bool {
	return slices.ContainsFunc(l.all(), func(r room.Listing) bool { return text.RoomKey(r.Room) == text.RoomKey(name) })
}
