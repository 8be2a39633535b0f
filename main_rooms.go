package main

import (
	"context"
	"sync"
	"time"

	"parley/node"
	"parley/room"
	"parley/transport"
)

// Run lists the rooms on this network.
func (r *roomsCmd) Run(ctx context.Context, p *program) error {
	if p.flags.NoDiscovery {
		return usage{"--no-discovery forbids looking for rooms", "leave it out"}
	}
	n, err := p.node()
	if err != nil {
		return err
	}
	defer n.Close()
	if r.Watch {
		p.listening(0)
		return p.watch(ctx, n)
	}
	p.listening(r.Wait)
	found, err := p.list(ctx, n, r.Wait, func(l room.Listing) { p.printRoom(l) })
	if err != nil {
		return err
	}
	if found == 0 {
		return &node.Error{Code: node.CodeNotFound, Text: "no rooms heard on this network",
			Hint: "open one with: parley host ROOM, or join by address: parley join HOST[:PORT]"}
	}
	return nil
}

// list looks for rooms for a while, calls heard with each when it is first
// heard, and returns how many there were.
func (p *program) list(ctx context.Context, n *node.Node, wait time.Duration, heard func(room.Listing)) (int, error) {
	look, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	count := 0
	err := p.listen(look, n, func(l room.Listing) {
		count++
		heard(l)
	})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return count, err
}

// listen calls heard, never two at a time, with each room when it is first
// heard, until ctx ends.
func (p *program) listen(ctx context.Context, n *node.Node, heard func(room.Listing)) error {
	var lock sync.Mutex
	known := make(map[transport.Key]bool)
	return n.Rooms(ctx, func(l room.Listing) {
		lock.Lock()
		defer lock.Unlock()
		if !known[l.Key] && !l.Gone {
			known[l.Key] = true
			heard(l)
		}
	})
}

// watch prints rooms as they come, change and go, until ctx ends. What changes
// without being seen, such as when a room was heard last, is not printed.
func (p *program) watch(ctx context.Context, n *node.Node) error {
	var lock sync.Mutex
	last := make(map[transport.Key]room.Listing)
	err := n.Rooms(ctx, func(l room.Listing) {
		lock.Lock()
		defer lock.Unlock()
		l.Seen = time.Time{}
		if before, known := last[l.Key]; known && before == l {
			return
		}
		if last[l.Key] = l; l.Gone {
			delete(last, l.Key)
		}
		if l.Gone && !p.flags.JSON {
			p.print(p.out, pad(l.Room, 16)+"  "+pad(place(l), 20)+"  gone")
			return
		}
		p.printRoom(l)
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (p *program) printRoom(l room.Listing) {
	if p.flags.JSON {
		p.printJSON(l)
		return
	}
	key := "key"
	switch l.Pin {
	case node.PinKnown:
		key = "known"
	case node.PinChanged:
		key = "OTHER KEY"
	}
	p.print(p.out, summary(l)+"  "+key+" "+node.ShortKey(l.Key))
}
