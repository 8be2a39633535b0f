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
	// how many of one source other than this machine. When there are more, not
	// the newcomer has to go but the one that has been at it the longest: of
	// that source, or of the source that has the most.
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
		if old := h.enter(c); old != nil {
			h.node.log.Info("too many connections wait for a room", "addr", old.Peer().Addr.String())
			h.work.Go(func() { old.Close() })
		}
		h.work.Go(func() {
			if n := h.node; n.Lanes != nil {
				defer n.Lanes.Open(c)()
			}
			h.route(c)
		})
	}
}

// enter notes a connection that has not said which room it wants, and returns
// the one that has to go for it, if one has.
func (h *Hosting) enter(c transport.Conn) (old transport.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := source(c)
	count, first := make(map[netip.Addr]int), make(map[netip.Addr]int)
	most := from
	for i, o := range h.waiting {
		s := source(o)
		if count[s]++; count[s] == 1 {
			first[s] = i
		}
	}
	for _, o := range h.waiting { // not over the map: of equals, the oldest
		if s := source(o); count[s] > count[most] {
			most = s
		}
	}
	goes := -1
	switch {
	case count[from] >= maxWaitingFrom && !from.IsLoopback():
		goes = first[from]
	case len(h.waiting) >= maxWaiting:
		goes = first[most]
	}
	if goes >= 0 {
		old = h.waiting[goes]
		h.waiting = slices.Delete(h.waiting, goes, goes+1)
	}
	h.waiting = append(h.waiting, c)
	return old
}

// leave undoes enter.
func (h *Hosting) leave(c transport.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = slices.DeleteFunc(h.waiting, func(o transport.Conn) bool { return o == c })
}

func source(c transport.Conn) netip.Addr { return transport.Source(c.Peer().Addr.Addr()) }

// route reads which room a connection wants and gives it to that room, whose it
// is from then on.
func (h *Hosting) route(c transport.Conn) {
	ctx, cancel := context.WithTimeout(h.ctx, joinLimit)
	msg, err := c.Receive(ctx)
	first := slices.Clone(msg)
	cancel()
	h.leave(c)
	if err != nil {
		c.Close()
		return
	}
	h.seat(c, first)
}

// seat gives a connection to the room that its first message names.
func (h *Hosting) seat(c transport.Conn, first []byte) {
	if name, ok := room.ParseTakeover(first); ok {
		h.handover(c, name, first)
		return
	}
	if name, ok := room.ParseCarry(first); ok {
		h.carry(c, name, first)
		return
	}
	name, err := room.ParseJoin(first)
	if err != nil {
		h.node.log.Info("not a member", "addr", c.Peer().Addr.String(), "error", err)
		c.Close()
		return
	}
	r, answer := h.choose(name)
	if r != nil && r.gone.Load() != nil {
		r, answer = nil, room.Forward(r.gone.Load().to)
	}
	if r != nil && !h.fits(c) {
		r, answer = nil, room.Full()
	}
	if r == nil {
		ctx, cancel := context.WithTimeout(h.ctx, joinLimit)
		c.Send(ctx, answer)
		cancel()
		c.Close()
		return
	}
	defer h.unseat()
	h.kick()
	defer h.kick()
	if err := r.Serve(h.seats, c, first); err != nil {
		h.node.log.Info("a seat has ended", "room", r.Name, "addr", c.Peer().Addr.String(), "error", err)
	}
}

// fits notes one more connection that a room serves, unless there are too many.
func (h *Hosting) fits(c transport.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seated >= maxSeats && c.Peer().Via != "pipe" {
		return false
	}
	h.seated++
	return true
}

// unseat undoes fits.
func (h *Hosting) unseat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seated--
}

// choose finds the room called name, or the only one if there is no name. If
// that cannot be, it returns what to answer.
func (h *Hosting) choose(name string) (*hosted, []byte) {
	var public []string
	rooms := h.list()
	for _, r := range rooms {
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
	case len(public) == 1 || len(rooms) == 1 && len(public) == 0:
		return rooms[0], nil
	}
	return nil, room.WhichRoom(public)
}
