package node

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"parley/room"
	"parley/text"
	"parley/transport"
)

const (
	// joinLimit is how long a new connection may take to say which room it
	// wants. Programs say it at once.
	joinLimit = 5 * time.Second
	// maxWaiting is how many connections may be at that, and maxWaitingFrom
	// how many of one address other than our own: a class behind one
	// address still gets in, 16 at a time.
	maxWaiting     = 128
	maxWaitingFrom = 16
)

// accept takes connections until the listener or the hosting ends.
func (h *Hosting) accept() {
	for {
		c, err := h.listener.Accept(h.ctx)
		if err != nil {
			h.fail(err)
			return
		}
		peer := c.Peer()
		if !h.enter(peer.Addr.Addr()) {
			h.node.log.Info("too many connections wait for a room", "addr", peer.Addr.String())
			h.work.Go(func() { c.Close() })
			continue
		}
		h.work.Go(func() { h.route(c) })
	}
}

// enter counts a connection that has not said which room it wants.
func (h *Hosting) enter(from netip.Addr) bool {
	from = from.Unmap()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.total == maxWaiting || h.waiting[from] >= maxWaitingFrom && !from.IsLoopback() {
		return false
	}
	h.total++
	h.waiting[from]++
	return true
}

// leave undoes enter.
func (h *Hosting) leave(from netip.Addr) {
	from = from.Unmap()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
	if h.waiting[from]--; h.waiting[from] == 0 {
		delete(h.waiting, from)
	}
}

// route reads which room a connection wants and gives it to that room, whose it
// is from then on.
func (h *Hosting) route(c transport.Conn) {
	from := c.Peer().Addr.Addr()
	ctx, cancel := context.WithTimeout(h.ctx, joinLimit)
	msg, err := c.Receive(ctx)
	first := slices.Clone(msg)
	cancel()
	h.leave(from)
	if err != nil {
		c.Close()
		return
	}
	h.seat(c, first)
}

// seat gives a connection to the room that its first message names.
func (h *Hosting) seat(c transport.Conn, first []byte) {
	name, err := room.ParseJoin(first)
	if err != nil {
		h.node.log.Info("not a member", "addr", c.Peer().Addr.String(), "error", err)
		c.Close()
		return
	}
	r, answer := h.choose(name)
	if r == nil {
		ctx, cancel := context.WithTimeout(h.ctx, joinLimit)
		c.Send(ctx, answer)
		cancel()
		c.Close()
		return
	}
	h.kick()
	defer h.kick()
	if err := r.Serve(h.seats, c, first); err != nil {
		h.node.log.Info("a seat has ended", "room", r.Name, "addr", c.Peer().Addr.String(), "error", err)
	}
}

// choose finds the room called name, or the only one if there is no name. If
// that cannot be, it returns what to answer.
func (h *Hosting) choose(name string) (*hosted, []byte) {
	var public []string
	for _, r := range h.rooms {
		if name != "" && text.RoomKey(r.Name) == text.RoomKey(name) {
			return r, nil
		}
		if !r.Hidden {
			public = append(public, r.Name)
		}
	}
	switch {
	case name != "":
		return nil, room.NoRoom(name, public)
	case len(public) == 1 || len(h.rooms) == 1 && len(public) == 0:
		return h.rooms[0], nil
	}
	return nil, room.WhichRoom(public)
}
