package room

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// A cable is a Conn in memory that a test can damage: messages take time,
// lanes lose and reorder, and it can be cut or fall silent.
type cable struct {
	delay, jitter time.Duration
	loss          float64 // of bare messages; ordered ones come later instead
	window        int     // messages under way before Send waits
	seen          func(toMember bool, msg []byte)

	mu      sync.Mutex
	rand    *rand.Rand
	dead    bool
	silent  bool // nothing passes
	since   time.Time
	changed chan struct{}
	ends    [2]plug
}

type plug struct {
	cable  *cable
	side   int
	peer   transport.Peer
	queue  []parcel
	latest time.Time // of the ordered ones
	closed bool
}

type parcel struct {
	msg []byte
	at  time.Time
}

// lanes is a plug that offers them.
type lanes struct{ *plug }

// cables is the carrier whose cables are set up by each. last gets them.
func cables(seed uint64, each func(*cable)) carrier {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
		c := &cable{rand: r, window: 64, changed: make(chan struct{})}
		c.rand = rand.New(rand.NewPCG(r.Uint64(), 2))
		var binding [32]byte
		if !host.IsZero() {
			binding = [32]byte{1, byte(c.rand.Uint32())}
		}
		each(c)
		for i, id := range []transport.Identity{host, member} {
			c.ends[1-i] = plug{cable: c, side: 1 - i, peer: transport.Peer{Key: id.Key(), Via: "udp", Secure: !id.IsZero(), Binding: binding}}
		}
		return lanes{&c.ends[0]}, lanes{&c.ends[1]}
	}
}

func (c *cable) fire() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// cut ends the cable: what is under way is lost.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	c.fire()
}

// hush has nothing pass, or pass again.
func (c *cable) hush(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent, c.since = on, time.Now()
	c.fire()
}

var errCut = fmt.Errorf("cut: %w", transport.ErrLost)

func (p *plug) Peer() transport.Peer { return p.peer }

func (p *plug) Stats() transport.Stats {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	if p.cable.silent {
		return transport.Stats{Silent: time.Since(p.cable.since)}
	}
	return transport.Stats{}
}

func (p *plug) Send(ctx context.Context, msg []byte) error {
	return p.send(ctx, transport.Ordered, msg)
}

func (l lanes) SendVia(ctx context.Context, d transport.Delivery, msg []byte) error {
	if d == transport.Bare && len(msg) > transport.MaxBare {
		return transport.ErrSize
	}
	return l.send(ctx, d, msg)
}

// SendBatch is Send for each, as carriers that can do better offer.
func (l lanes) SendBatch(ctx context.Context, msgs [][]byte) error {
	for _, msg := range msgs {
		if err := l.send(ctx, transport.Ordered, msg); err != nil {
			return err
		}
	}
	return nil
}

func (p *plug) send(ctx context.Context, d transport.Delivery, msg []byte) error {
	c := p.cable
	c.mu.Lock()
	other := &c.ends[1-p.side]
	for {
		switch {
		case p.closed:
			c.mu.Unlock()
			return net.ErrClosed
		case c.dead:
			c.mu.Unlock()
			return errCut
		case other.closed:
			c.mu.Unlock()
			return io.EOF
		}
		if len(other.queue) < c.window && !c.silent {
			break
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.seen != nil {
		c.seen(p.side == 0, msg)
	}
	at := time.Now().Add(c.delay)
	if c.jitter > 0 {
		at = at.Add(rand.N(c.jitter))
	}
	lost := c.rand.Float64() < c.loss
	switch {
	case lost && d == transport.Bare:
		return nil
	case lost:
		at = at.Add(2*c.delay + time.Millisecond)
	}
	if d == transport.Ordered {
		if at.Before(other.latest) {
			at = other.latest
		}
		other.latest = at
	}
	i := len(other.queue)
	for i > 0 && other.queue[i-1].at.After(at) {
		i--
	}
	other.queue = slices.Insert(other.queue, i, parcel{append([]byte(nil), msg...), at})
	c.fire()
	return nil
}

func (p *plug) Receive(ctx context.Context) ([]byte, error) {
	c := p.cable
	c.mu.Lock()
	for {
		var due <-chan time.Time
		now := time.Now()
		switch {
		case p.closed:
			c.mu.Unlock()
			return nil, net.ErrClosed
		case c.dead:
			c.mu.Unlock()
			return nil, errCut
		case c.silent:
		case len(p.queue) > 0 && !p.queue[0].at.After(now):
			msg := p.queue[0].msg
			p.queue = p.queue[1:]
			c.fire()
			c.mu.Unlock()
			return msg, nil
		case len(p.queue) > 0:
			due = time.After(p.queue[0].at.Sub(now))
		case c.ends[1-p.side].closed:
			c.mu.Unlock()
			return nil, io.EOF
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-due:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		c.mu.Lock()
	}
}

func (p *plug) Close() error {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	p.closed = true
	p.cable.fire()
	return nil
}
