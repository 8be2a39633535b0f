package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"parley/transport"
)

// Conn is one conversation over the Endpoint's socket. It is a link, whose
// datagrams the Endpoint moves, seen as a [transport.Conn].
//
// Besides what that asks it can send batches, send by other lanes, and count:
// [transport.Batcher], [transport.LaneSender], [transport.Statser].
type Conn struct {
	e    *Endpoint
	id   uint64
	host bool // this end was dialed

	// Receive's alone: messages taken from the link, and those of them that are left.
	taken, inbox []byte

	closed atomic.Bool // by us

	mu       sync.Mutex
	link     *link // nil while there are no keys
	shake    *shake
	peer     transport.Peer
	serving  bool          // somebody sends what the link wants sent
	again    bool          // there may be more by now
	readable chan struct{} // holds one when there may be something to receive
	changed  chan struct{} // closed at the next change that Probe or Close may wait for; nil: nobody waits
	freed    chan struct{} // closed when there is room again in a lane of which a sender waits for it; nil: nobody waits
	full     [3]bool       // those lanes

	touched bool // stands in Endpoint.touched; the reader's alone

	// Guarded by Endpoint.mu.
	dirty bool    // stands in Endpoint.dirty
	due   instant // when to serve it; its place in Endpoint.timers is slot
	slot  int
}

func newConn(e *Endpoint, id uint64, host bool, peer netip.AddrPort) *Conn {
	return &Conn{e: e, id: id, host: host, readable: make(chan struct{}, 1), due: never, slot: -1,
		peer: transport.Peer{Addr: peer, Via: "udp", Secure: !e.Plaintext}}
}

// ID is what a Trace calls the Conn: Packet.Conn.
func (c *Conn) ID() uint64 { return c.id }

// Peer tells who is at the other end, and where it is now.
func (c *Conn) Peer() transport.Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		c.peer.Addr = c.link.peer
	}
	return c.peer
}

// Stats counts packets and tells the round trip and the window.
func (c *Conn) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link.snapshot(c.e.now())
}

// Probe has the peer acknowledge a packet of full size, padded like the first
// ones of a conversation, that leaves after the call.
func (c *Conn) Probe(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.sendError(); err != nil {
		return err
	}
	c.link.demand()
	number := c.link.proof
	c.e.kick(c)
	for c.link.acked <= number {
		if err := c.sendError(); err != nil {
			return err
		}
		if err := c.wait(ctx, &c.changed); err != nil {
			return err
		}
	}
	return nil
}

// Send sends msg in order.
func (c *Conn) Send(ctx context.Context, msg []byte) error {
	return c.SendVia(ctx, transport.Ordered, msg)
}

// SendVia sends msg by the given lane. A bare message waits for its turn like
// any other; what happens to it after it left, nobody asks.
func (c *Conn) SendVia(ctx context.Context, d transport.Delivery, msg []byte) error {
	if len(msg) == 0 || len(msg) > maxMessage || d == transport.Bare && len(msg) > transport.MaxBare {
		return transport.ErrSize
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.push(ctx, d, msg); err != nil {
		return err
	}
	c.send()
	return nil
}

// SendBatch sends msgs in order; those that are small share datagrams.
func (c *Conn) SendBatch(ctx context.Context, msgs [][]byte) error {
	for _, m := range msgs {
		if len(m) == 0 || len(m) > maxMessage {
			return transport.ErrSize
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range msgs {
		if err := c.push(ctx, transport.Ordered, m); err != nil {
			return err
		}
	}
	c.send()
	return nil
}

// send has what was pushed sent: here and now where nothing is under way, else
// by run, since more may be pushed before its turn comes. c.mu is held.
func (c *Conn) send() {
	if c.link.flying == 0 && !c.serving {
		c.e.serve(c)
	} else {
		c.e.kick(c)
	}
}

// push waits for room and puts msg into a lane. c.mu is held.
func (c *Conn) push(ctx context.Context, d transport.Delivery, msg []byte) error {
	for {
		if err := c.sendError(); err != nil {
			return err
		}
		if !c.full[d] && c.link.room(d, len(msg)) {
			c.link.push(d, msg)
			return nil
		}
		c.e.kick(c) // an earlier part of a batch may be why there is no room
		c.full[d] = true
		if err := c.wait(ctx, &c.freed); err != nil {
			return err
		}
	}
}

// wait waits until tell closes what on points to. c.mu is held before and after.
func (c *Conn) wait(ctx context.Context, on *chan struct{}) error {
	if *on == nil {
		*on = make(chan struct{})
	}
	changed := *on
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendError is why nothing can be sent any more, or nil.
func (c *Conn) sendError() error {
	switch {
	case c.closed.Load():
		return net.ErrClosed
	case c.link.stage == open:
		return nil
	case errors.Is(c.link.err, errBye):
		return io.EOF
	case c.link.err != nil:
		return c.link.err
	}
	return net.ErrClosed
}

// takeAtOnce is how many bytes Receive takes from the link at once where there
// are that many: a few packets, so that it seldom needs the mutex.
const takeAtOnce = 8 << 10

// Receive waits for the next message and returns it in a buffer of its own,
// which the next Receive may use again.
func (c *Conn) Receive(ctx context.Context) ([]byte, error) {
	for {
		if len(c.inbox) > 0 && !c.closed.Load() {
			msg := c.inbox[4 : 4+binary.BigEndian.Uint32(c.inbox)]
			c.inbox = c.inbox[4+len(msg):]
			return msg[:len(msg):len(msg)], nil
		}
		c.mu.Lock()
		ok, err := c.take()
		c.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if ok {
			continue
		}
		select {
		case <-c.readable:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take fills inbox with what has come. c.mu is held.
func (c *Conn) take() (ok bool, err error) {
	if c.closed.Load() {
		c.signal() // for whoever else waits
		return false, net.ErrClosed
	}
	if c.link.ready.len() > 0 {
		c.taken = c.link.take(c.taken[:0], takeAtOnce)
		c.inbox = c.taken
		if c.link.creditDue() {
			c.e.serve(c)
		}
		return true, nil
	}
	if err = c.sendError(); err != nil {
		c.signal()
	}
	return false, err
}

// signal wakes Receive.
func (c *Conn) signal() {
	select {
	case c.readable <- struct{}{}:
	default:
	}
}

// tell wakes whoever waits for what may have changed. c.mu is held.
func (c *Conn) tell() {
	if c.link.ready.len() > 0 || c.link.stage != open {
		c.signal()
	}
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
	if c.freed != nil && (c.link.stage != open || c.roomy()) {
		close(c.freed)
		c.freed, c.full = nil, [3]bool{}
	}
}

// roomy tells whether a sender who waits should wake: there is room for some
// dozens of packets, so that they leave together. c.mu is held.
func (c *Conn) roomy() bool {
	for d, waited := range c.full {
		if waited && c.link.held(transport.Delivery(d)) <= sendBuffer*3/4 {
			return true
		}
	}
	return false
}

// Close delivers what Send accepted, says goodbye, and returns when the peer
// has acknowledged all of it, or has been silent for closeTries probes, or has
// not taken it for closeLimit. It returns an error wrapping
// [transport.ErrLost] where something was not delivered.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return nil
	}
	c.closed.Store(true)
	undone := c.link.stage == open
	c.link.close(c.e.now())
	c.tell()
	c.signal()
	c.e.kick(c)
	for c.link.stage == closing || c.link.stage == lingering && c.link.bye.due {
		c.wait(context.Background(), &c.changed) // the link's own limits end it
	}
	if undone && c.link.err != nil && errors.Is(c.link.err, transport.ErrLost) {
		return c.link.err
	}
	return nil
}
