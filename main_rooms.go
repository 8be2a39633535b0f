package main

import (
	"context"
	"fmt"
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
		return p.watch(ctx, n)
	}
	found, err := p.list(ctx, n, r.Wait, func(l room.Listing) { p.printRoom(l) })
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return &node.Error{Code: node.CodeNotFound, Text: "no rooms heard on this network",
			Hint: "open one with: parley host ROOM, or join by address: parley join HOST[:PORT]"}
	}
	return nil
}

// list looks for rooms for a while, calls heard with each when it is first
// heard, and returns them in that order.
func (p *program) list(ctx context.Context, n *node.Node, wait time.Duration, heard func(room.Listing)) ([]room.Listing, error) {
	look, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var lock sync.Mutex
	var found []room.Listing
	known := make(map[transport.Key]bool)
	err := n.Rooms(look, func(l room.Listing) {
		lock.Lock()
		defer lock.Unlock()
		if known[l.Key] || l.Gone {
			return
		}
		known[l.Key] = true
		found = append(found, l)
		heard(l)
	})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return found, err
}

// watch prints rooms as they come, change and go, until ctx ends.
func (p *program) watch(ctx context.Context, n *node.Node) error {
	err := n.Rooms(ctx, func(l room.Listing) {
		if l.Gone && !p.flags.JSON {
			fmt.Fprintf(p.out, "%s\n", clean(fmt.Sprintf("%-20s  %-24s  gone", l.Room, place(l))))
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
	fmt.Fprintf(p.out, "%s\n", clean(fmt.Sprintf("%s  key %s", describe(l), shortKey(l))))
}
