package udp

import (
	"container/heap"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// reorderHold is how long a datagram that is to be overtaken waits for
	// another: longer than the gaps of a busy sender, shorter than a person
	// notices.
	reorderHold = 10 * time.Millisecond

	// maxDelayed bounds the bytes that wait to be sent; what comes on top is
	// lost, as in a router whose queue is full. With a delay of 100 ms it
	// is good for a gigabit per second.
	maxDelayed = 16 << 20
)

// Impair returns a PacketConn that damages what is sent through it, and leaves
// alone what is received. The same seed does the same to the n-th datagram,
// whatever else happens. Closing it closes pc; what is still delayed is then
// lost. A write that was put off reports no error.
func Impair(pc net.PacketConn, s Spec) *Impaired {
	c := &Impaired{
		PacketConn: pc, spec: s, random: luck(s.Seed),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	c.harms.Store(s != Spec{})
	go c.run()
	return c
}

// luck is what a seed makes.
func luck(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x7061726c6579)) } // any constant

// Impaired is a PacketConn that damages what is sent through it.
type Impaired struct {
	net.PacketConn
	harms atomic.Bool // spec is not zero

	mu      sync.Mutex
	spec    Spec
	random  *rand.Rand
	waiting delayQueue
	held    *delayed // in waiting, until another datagram has overtaken it
	bytes   int      // in waiting
	count   uint64
	closed  bool

	wake, stop, stopped chan struct{}
}

// Set does s to what is sent from now on, with the luck that its seed makes from
// here. What waits to be sent still goes when it was to go.
func (c *Impaired) Set(s Spec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spec, c.random = s, luck(s.Seed)
	c.harms.Store(s != Spec{})
}

// Spec is what is done to what is sent.
func (c *Impaired) Spec() Spec {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spec
}

// A delayed datagram waits for its time.
type delayed struct {
	b     []byte
	to    net.Addr
	due   time.Time
	order uint64 // among those due at the same time
	index int    // in the queue
}

// fate is what happens to one datagram.
type fate struct {
	lose, repeat, hold, corrupt bool
	bit                         uint64
	delay                       [2]time.Duration // of the datagram and its repetition
}

// draw decides over the next datagram. It draws equally often whatever comes
// out, so that one decision does not move those that follow.
func (c *Impaired) draw() (f fate) {
	s, r := &c.spec, c.random
	f.lose = r.Float64() < s.Loss
	f.repeat = r.Float64() < s.Dup
	f.hold = r.Float64() < s.Reorder
	f.corrupt = r.Float64() < s.Corrupt
	f.bit = r.Uint64()
	for i := range f.delay {
		jitter := time.Duration((2*r.Float64() - 1) * float64(s.Jitter))
		f.delay[i] = max(s.Delay+jitter, 0)
	}
	return f
}

// WriteTo sends b, or does to it what the Spec says. Of a lost datagram it says
// that it was sent.
func (c *Impaired) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	f := c.draw()
	if f.lose {
		c.mu.Unlock()
		return len(b), nil
	}
	out := b
	if f.corrupt && len(b) > 0 {
		out = slices.Clone(b)
		bit := f.bit % uint64(8*len(b))
		out[bit/8] ^= 1 << (bit % 8)
	}
	now, copies := time.Now(), 1
	if f.repeat {
		copies = 2
	}
	hold := f.hold && c.held == nil // two that wait for each other overtake nobody
	var direct []*delayed           // to be sent at once
	for _, delay := range f.delay[:copies] {
		direct = c.schedule(direct, &delayed{b: out, to: to, due: now.Add(delay)}, now, hold)
	}
	c.mu.Unlock()

	select {
	case c.wake <- struct{}{}:
	default:
	}
	for _, d := range direct {
		if _, err := c.PacketConn.WriteTo(d.b, d.to); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// schedule puts d into the queue, or onto direct if it need not wait. If d is
// not to be held back, the datagram that is follows it.
func (c *Impaired) schedule(direct []*delayed, d *delayed, now time.Time, hold bool) []*delayed {
	if hold {
		d.due = d.due.Add(reorderHold)
		if c.push(d) && c.held == nil {
			c.held = d
		}
		return direct
	}
	batch := []*delayed{d}
	if overtaken := c.held; overtaken != nil {
		c.remove(overtaken)
		overtaken.due = d.due
		batch = append(batch, overtaken)
	}
	for _, d := range batch {
		if d.due.After(now) {
			c.push(d)
		} else {
			direct = append(direct, d)
		}
	}
	return direct
}

// push queues a copy of d's datagram, unless there is too much already.
func (c *Impaired) push(d *delayed) bool {
	if c.bytes+len(d.b) > maxDelayed {
		return false
	}
	d.b = slices.Clone(d.b)
	if a, ok := d.to.(*net.UDPAddr); ok { // the caller may use it again
		d.to = &net.UDPAddr{IP: slices.Clone(a.IP), Port: a.Port, Zone: a.Zone}
	}
	d.order = c.count
	c.count++
	c.bytes += len(d.b)
	heap.Push(&c.waiting, d)
	return true
}

func (c *Impaired) remove(d *delayed) {
	heap.Remove(&c.waiting, d.index)
	c.bytes -= len(d.b)
	if c.held == d {
		c.held = nil
	}
}

// run sends what was delayed when its time comes.
func (c *Impaired) run() {
	defer close(c.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := c.sendDue()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-c.wake:
		case <-c.stop:
			return
		}
	}
}

// sendDue sends what is due and returns how long there is nothing to do.
func (c *Impaired) sendDue() time.Duration {
	for {
		c.mu.Lock()
		if c.closed || len(c.waiting) == 0 {
			c.mu.Unlock()
			return time.Hour // or until woken
		}
		next := c.waiting[0]
		if wait := time.Until(next.due); wait > 0 {
			c.mu.Unlock()
			return wait
		}
		c.remove(next)
		c.mu.Unlock()
		c.PacketConn.WriteTo(next.b, next.to) // too late to tell anybody of an error
	}
}

// Close closes the PacketConn below. Closing again does nothing.
func (c *Impaired) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.waiting, c.held, c.bytes = nil, nil, 0
	c.mu.Unlock()
	err := c.PacketConn.Close() // ends a write that is under way
	close(c.stop)
	<-c.stopped
	return err
}

// delayQueue is a heap by due time.
type delayQueue []*delayed

func (q delayQueue) Len() int { return len(q) }

func (q delayQueue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].order < q[j].order
	}
	return q[i].due.Before(q[j].due)
}

func (q delayQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *delayQueue) Push(x any) {
	d := x.(*delayed)
	d.index = len(*q)
	*q = append(*q, d)
}

func (q *delayQueue) Pop() any {
	old := *q
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return d
}
