package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"parley/transport"
)

// writeChunk is how much is written at a time, so that progress shows: one
// record of TLS.
const writeChunk = 16 << 10

var errSilent = errors.New("the peer is silent")

// conn is a Conn over a stream.
//
// It lives until the reader and the writer have ended. The reader ends with the
// stream or at the peer's BYE, the writer after our own BYE, which it writes
// when closing or over is closed, or at an error. Whoever ends last closes the
// stream and finished.
type conn struct {
	raw  net.Conn // the stream
	nc   net.Conn // what is read and written: raw, or TLS over it
	peer transport.Peer

	trace  *Trace // nil: none
	id     uint64
	dialed bool

	out      outbox
	in       inbox
	closing  chan struct{} // closed by Close
	once     sync.Once     // for closing
	over     chan struct{} // closed when the peer has closed or is lost
	running  atomic.Int32  // of reader and writer
	finished chan struct{}

	rest []byte // frames that Receive will look at next

	began time.Time
	mu    sync.Mutex // guards what follows
	cause error      // why it is over
	pulse pulse
	timer *time.Timer
	armed time.Duration // when timer fires
	gone  bool          // the timer is stopped for good
	sent  uint64        // data of the last PING
	rtt   rtt
	stats transport.Stats
}

// conns counts those of this program: a Trace may have several Endpoints.
var conns atomic.Uint64

// newConn starts a conn. trip is the round-trip time of the handshake, or 0;
// dialed tells that it is ours.
func newConn(e *Endpoint, raw, nc net.Conn, peer transport.Peer, trip time.Duration, dialed bool) *conn {
	c := &conn{raw: raw, nc: nc, peer: peer, trace: e.Trace, id: conns.Add(1), dialed: dialed, closing: make(chan struct{}), over: make(chan struct{}),
		finished: make(chan struct{}), began: time.Now(), armed: never}
	c.out.init()
	c.in.init()
	if trip > 0 {
		c.rtt.sample(trip)
	}
	c.mu.Lock()
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.pulse.dialed = dialed
	c.arm(dialedIdle)
	c.mu.Unlock()
	c.running.Store(2)
	go func() {
		defer c.ended()
		c.write()
	}()
	go func() {
		defer c.ended()
		defer close(c.in.done)
		if err := c.read(); err != errBye {
			c.fail(err)
		}
	}()
	return c
}

func (c *conn) ended() {
	if c.running.Add(-1) == 0 {
		c.mu.Lock()
		c.gone = true
		c.timer.Stop()
		c.mu.Unlock()
		c.raw.Close()
		close(c.finished)
	}
}

func (c *conn) Peer() transport.Peer { return c.peer }

func (c *conn) now() time.Duration { return time.Since(c.began) }

func (c *conn) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// Send implements transport.Conn.
func (c *conn) Send(ctx context.Context, msg []byte) error {
	if len(msg) == 0 || len(msg) > transport.MaxMessage {
		return transport.ErrSize
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	err := c.out.add(ctx, msg, c.closing, c.over)
	<-c.out.turn
	signal(c.out.wake)
	return err
}

// SendBatch implements transport.Batcher. What the queue holds of it leaves in
// one write.
func (c *conn) SendBatch(ctx context.Context, msgs [][]byte) error {
	for _, msg := range msgs {
		if len(msg) == 0 || len(msg) > transport.MaxMessage {
			return transport.ErrSize
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	var err error
	for i := 0; i < len(msgs) && err == nil; i++ {
		err = c.out.add(ctx, msgs[i], c.closing, c.over)
	}
	<-c.out.turn
	signal(c.out.wake)
	return err
}

// SendVia implements transport.LaneSender. In a stream every lane is ordered.
func (c *conn) SendVia(ctx context.Context, d transport.Delivery, msg []byte) error {
	if d == transport.Bare && len(msg) > transport.MaxBare {
		return transport.ErrSize
	}
	return c.Send(ctx, msg)
}

// begin takes the turn to send.
func (c *conn) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.out.takeTurn(ctx, c.closing, c.over)
}

// Receive implements transport.Conn.
func (c *conn) Receive(ctx context.Context) ([]byte, error) {
	if c.isClosing() {
		return nil, net.ErrClosed
	}
	for last := false; ; {
		for len(c.rest) > 0 {
			size, _ := frameSize(c.rest)
			frame := c.rest[:size:size]
			c.rest = c.rest[size:]
			if !isControl(frame) {
				return frame[headerSize:], nil
			}
		}
		if c.rest = c.in.next(); c.rest != nil {
			continue
		}
		if last {
			<-c.over
			return nil, c.why()
		}
		select {
		case <-c.in.ready:
		case <-c.closing:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.in.done: // nothing is published any more
			last = true
		}
	}
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.stop(net.ErrClosed)
		c.startClosing()
		close(c.closing)
	})
	<-c.finished
	return nil
}

// startClosing bounds the time that ending may take.
func (c *conn) startClosing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); !c.pulse.closing {
		c.pulse.closing, c.pulse.closed = true, now
		c.arm(now + closeLimit)
	}
}

func (c *conn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// finish notes why the conn is over; the first reason counts.
func (c *conn) finish(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = cause
		c.out.stop(cause)
		close(c.over)
	}
}

// peerCloses is what the peer's BYE means.
func (c *conn) peerCloses() {
	c.startClosing()
	c.finish(io.EOF)
}

// fail gives the stream up.
func (c *conn) fail(err error) {
	c.finish(fmt.Errorf("%w: %w", transport.ErrLost, err))
	c.raw.Close()
}

// write is the writer: it writes what is due until the conn ends.
func (c *conn) write() {
	for {
		select {
		case <-c.out.wake:
		case <-c.closing:
		case <-c.over:
		}
		last := c.isClosing()
		select {
		case <-c.over: // nobody wants more
			if c.why() == io.EOF {
				c.flush(appendControl(nil, bye, 0), false)
				c.raw.Close()
			}
			return
		default:
		}
		due, messages := c.out.take()
		if last {
			due = appendControl(due, bye, 0)
		}
		if err := c.flush(due, messages); err != nil {
			c.fail(err)
			return
		}
		if last {
			return
		}
		c.out.giveBack(due)
	}
}

// flush writes b.
func (c *conn) flush(b []byte, messages bool) error {
	if len(b) == 0 {
		return nil
	}
	c.mu.Lock()
	now := c.now()
	c.pulse.write(now, messages)
	if c.armed > now+askAfter {
		c.arm(now + askAfter)
	}
	c.mu.Unlock()
	c.traceSent(b, now)
	for len(b) > 0 {
		n, err := c.nc.Write(b[:min(len(b), writeChunk)])
		b = b[n:]
		c.mu.Lock()
		c.pulse.progress = c.now()
		c.pulse.writing = len(b) > 0
		c.stats.BytesOut += uint64(n)
		c.stats.Sent++
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// heard notes that n bytes came.
func (c *conn) heard(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulse.hear(c.now())
	c.stats.BytesIn += uint64(n)
	c.stats.Received++
}

// fallBehind notes that the reader waits for Receive, or goes on.
func (c *conn) fallBehind(behind bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.pulse.fall(behind, now)
	if behind && !c.pulse.closing && c.armed > now+hereEvery {
		c.arm(now + hereEvery)
	}
}

// answered takes the PONG with the given data.
func (c *conn) answered(data uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if data != c.sent || data == 0 {
		return
	}
	now := c.now()
	c.rtt.sample(now - time.Duration(data))
	c.sent = 0
	c.pulse.prove(now)
	c.arm(now) // the next PING may be due earlier than what the pulse waited for
}

// excused notes a HERE: the peer is behind, so no answer of its can be expected.
func (c *conn) excused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulse.allow(c.now())
}

// arm sets the timer. The caller holds mu.
func (c *conn) arm(at time.Duration) {
	if !c.gone {
		c.armed = at
		c.timer.Reset(at - c.now())
	}
}

// tick does what the pulse says.
func (c *conn) tick() {
	c.mu.Lock()
	now := c.now()
	if now-c.armed > lateness {
		c.pulse.late(now-c.armed, now)
	}
	deed, wake := c.pulse.next(now)
	if deed == askPeer {
		c.sent = uint64(now)
	}
	if wake != never {
		c.arm(wake)
	}
	idle := !c.pulse.owing
	c.mu.Unlock()
	switch deed {
	case askPeer:
		c.out.control(ping, uint64(now))
	case tellPeer:
		c.out.control(here, 0)
	case giveUp:
		c.fail(errSilent)
	}
	if idle {
		c.out.rest()
		c.in.rest()
	}
}
