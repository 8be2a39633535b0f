package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/room"
	"parley/transport"
)

// way is how a member gets to its room, each time anew. It is a [room.Way].
type way struct {
	node   *Node
	byName bool // the room was found by its name

	mu      sync.Mutex
	home    func() (transport.Conn, error) // into this program, while the room is here
	hosting *receiver                      // it was handed over to us
	moves   int                            // how often it has moved
	sent    bool                           // its host has just said where it is
	place   place
	key     transport.Key  // which the room has proved; zero in plaintext
	failed  bool           // the last time nobody answered
	reached transport.Peer // the last time
	host    transport.Key  // who had the room when we sat down
	hosts   []room.Move    // all who have it, where several do
	climb   climb
}

// wrongKey tells that whoever was reached could not prove to be the room.
func wrongKey(err error) bool {
	var e *Error
	var r *room.Refused
	return errors.As(err, &e) && e.Code == CodeKey || errors.As(err, &r) && r.Code == "key"
}

// avoid leaves out the address that was reached last, if there are others.
func (w *way) avoid() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := without(w.place.via, w.reached.Addr.Addr())
	if len(left) == 0 || len(left) == len(w.place.via) {
		return false
	}
	w.place.via = left
	return true
}

// trusted notes the key that the room goes by.
func (w *way) trusted(key transport.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.key = key
}

// proved notes that who was reached is the room's host.
func (w *way) proved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = w.reached.Key
}

// Dial connects to the room. Where there was a connection before, the host may
// have moved, too: it is looked for while it is called where it was.
func (w *way) Dial(ctx context.Context, before transport.Conn) (transport.Conn, error) {
	w.mu.Lock()
	p, failed, host, home, moves, others := w.place, w.failed, w.host, w.home, w.moves, w.others()
	sent := w.sent
	w.sent = false
	w.mu.Unlock()
	if home != nil {
		return home()
	}
	if failed && before == nil {
		p = w.search(ctx, p)
	}
	if sent {
		before = nil // the old host needs no more looking for
	}
	c, p, err := w.anywhere(ctx, p, host, before, others)
	w.mu.Lock()
	if w.moves == moves {
		if w.place, w.failed, w.reached = p, err != nil, (transport.Peer{}); err == nil {
			w.reached = c.Peer()
			if w.among(w.reached.Key) {
				w.host = w.reached.Key
			}
		}
	}
	w.mu.Unlock()
	return c, w.node.explainDial(err, p)
}

// arrival is how one of the tries of anywhere ended.
type arrival struct {
	conn  transport.Conn
	place place
	err   error
}

// anywhere connects to the host at p, or, if we had a connection before,
// wherever else the room is heard meanwhile, and a little later at its other hosts.
// Who is none of them is taken if they are found nowhere.
func (w *way) anywhere(ctx context.Context, p place, host transport.Key, before transport.Conn, others []target) (transport.Conn, place, error) {
	if before == nil && len(others) == 0 {
		c, err := w.reach(ctx, p.via, host, nil)
		return c, p, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(w.node.ctx, cancel)()
	arrivals, left := make(chan arrival, 3), 0
	defer func() {
		cancel()
		w.node.later(func() { // what comes yet comes too late
			for range left {
				if a := <-arrivals; a.conn != nil {
					a.conn.Close()
				}
			}
		})
	}()
	try := func(f func()) {
		if w.node.unlessClosed(f) {
			left++
		}
	}
	try(func() {
		c, err := w.reach(ctx, p.via, host, before)
		arrivals <- arrival{c, p, err}
	})
	try(func() {
		moved := w.search(ctx, p)
		if ctx.Err() != nil || !elsewhere(moved.via, p.via) {
			arrivals <- arrival{}
			return
		}
		c, err := w.reach(ctx, moved.via, host, before)
		arrivals <- arrival{c, moved, err}
	})
	if len(others) > 0 {
		try(func() {
			if sleep(ctx, othersAfter); ctx.Err() != nil {
				arrivals <- arrival{err: ctx.Err()}
				return
			}
			c, err := w.node.reach(ctx, others, before != nil)
			arrivals <- arrival{c, place{Target: p.Target, via: others}, err}
		})
	}
	var other arrival // somebody else, who may have the room now; or repeats an announcement of it
	err := error(nil)
	if left == 0 {
		err = net.ErrClosed
	}
	for left > 0 {
		a := <-arrivals
		left--
		switch {
		case a.conn == nil && err == nil:
			err = a.err
		case a.conn == nil:
		case host != (transport.Key{}) && a.conn.Peer().Key != host && !w.oneOf(a.conn.Peer().Key) && other.conn == nil:
			other = a
		default:
			if other.conn != nil {
				w.node.later(func() { other.conn.Close() })
			}
			return a.conn, a.place, nil
		}
	}
	if other.conn != nil {
		return other.conn, other.place, nil
	}
	return nil, p, err
}

// elsewhere tells whether a host that was heard at some addresses is at none of
// the old ones.
func elsewhere(heard, old []target) bool {
	for _, t := range old {
		if len(without(heard, t.addr)) < len(heard) {
			return false
		}
	}
	return len(heard) > 0
}

func without(via []target, addr netip.Addr) (left []target) {
	for _, t := range via {
		if t.addr.Unmap().WithZone("") != addr.Unmap().WithZone("") {
			left = append(left, t)
		}
	}
	return left
}

// reach connects to the host that had the room before. If all who can be
// reached are others, it is the first of them, which may be a new one.
func (w *way) reach(ctx context.Context, via []target, host transport.Key, before transport.Conn) (transport.Conn, error) {
	var first transport.Conn
	for len(via) > 0 {
		c, err := w.node.reach(ctx, via, before != nil)
		switch {
		case err != nil && first == nil:
			return nil, err
		case err != nil:
			return first, nil
		case host == (transport.Key{}) || c.Peer().Key == host:
			if first != nil {
				w.node.later(func() { first.Close() })
			}
			return c, nil
		case first == nil:
			first = c
		default:
			w.node.later(func() { c.Close() })
		}
		left := without(via, c.Peer().Addr.Addr())
		if len(left) == len(via) {
			break
		}
		via = left
	}
	return first, nil
}

// search finds out where the room is now: by its key wherever it is
// announced, since nobody else can prove that; else by the name of the host. If that
// fails, it is where it was.
func (w *way) search(ctx context.Context, p place) place {
	w.mu.Lock()
	key := w.key
	w.mu.Unlock()
	if key == (transport.Key{}) {
		key = p.Key
	}
	if key != (transport.Key{}) && !w.node.NoDiscovery {
		if now, ok := w.node.findKey(ctx, key); ok {
			now.Target = p.Target
			return now
		}
	}
	if !w.byName {
		if now, err := w.node.findHost(ctx, p.Target); err == nil {
			return now
		}
	}
	return p
}

// Better waits for datagrams to work where now is a stream, if both may be used.
func (w *way) Better(ctx context.Context, now transport.Conn) (transport.Conn, string, error) {
	peer := now.Peer()
	if peer.Via == "pipe" {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	w.mu.Lock()
	via := w.place.via
	w.mu.Unlock()
	if at := without(via, peer.Addr.Addr()); len(at) < len(via) { // there and nowhere else
		via = slices.DeleteFunc(slices.Clone(via), func(t target) bool { return slices.Contains(at, t) })
	}
	served := slices.ContainsFunc(via, func(t target) bool { return t.udp != 0 })
	switch {
	case !w.node.carries(UDP) || !w.node.carries(TCP) || peer.Via == "tcp" && !served:
		<-ctx.Done()
		return nil, "", ctx.Err()
	case peer.Via != "tcp":
		w.node.memory.note(peer.Addr.Addr(), UDP, time.Now())
		w.onto(func(c *climb) { c.rose(time.Now()) })
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	w.onto(func(c *climb) { c.fell(time.Now()) })
	for {
		var at time.Time
		w.onto(func(c *climb) { at = c.next })
		if sleep(ctx, time.Until(at)); ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		c, err := w.ascend(ctx, via, peer.Key)
		w.onto(func(c *climb) { c.tried(time.Now()) })
		if err == nil {
			return c, "udp works again", nil
		}
		w.node.log.Debug("datagrams do not work yet", "addr", peer.Addr.String(), "error", err)
	}
}

// onto gives f the schedule of climbing.
func (w *way) onto(f func(*climb)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.climb)
}

// ascend connects by datagrams to the host with the key, and has it prove that
// they work: a few times, spread over some seconds, each quickly. One that comes
// through in a good moment does not tell that the next will.
func (w *way) ascend(ctx context.Context, via []target, key transport.Key) (_ transport.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, climbTime)
	defer cancel()
	c, _, err := w.node.reachBy(ctx, plan(UDP, via, UDP))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.node.later(func() { c.Close() })
		}
	}()
	if c.Peer().Key != key {
		return nil, errors.New("another host answers")
	}
	p, ok := c.(transport.Prober)
	for n := 0; n < pings && ok; n++ {
		if n > 0 {
			sleep(ctx, pingEvery)
		}
		if err := quickly(ctx, p.Probe); err != nil {
			return nil, err
		}
	}
	return c, ctx.Err()
}

// quickly has f done within pingLimit.
func quickly(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	return f(ctx)
}
