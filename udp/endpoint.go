package udp

import (
	"container/heap"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"parley/transport"
)

const (
	defaultMaxConns = 5000
	acceptQueue     = 128             // Conns that wait for Accept; further ones are refused
	socketBuffer    = 4 << 20         // bytes the system is asked to keep for us each way
	burst           = 32              // datagrams a Conn may send before others have a turn
	endLimit        = 3 * time.Second // what Close gives the Conns to say goodbye
	shakeLimit      = 5 * time.Second // for a handshake
)

// An Endpoint carries messages over the datagrams of one socket. It dials and
// accepts at once. The fields are read at first use and must not change then.
type Endpoint struct {
	// Socket is the Endpoint's from first use until its Close, which closes
	// it. It gives and takes *net.UDPAddr; read deadlines work; Close ends a
	// pending read; a write does not wait.
	Socket net.PacketConn

	Identity  transport.Identity   // zero: one is made
	Plaintext bool                 // checksums in place of encryption; both ends must agree
	MaxConns  int                  // accepted ones; 0: 5,000
	Trace     *Trace               // nil: none
	Rand      io.Reader            // for connection ids, tokens, challenges; nil: crypto/rand
	Answered  func(netip.AddrPort) // if not nil, told when an address that is being dialed first answers

	once sync.Once
	fast fastSocket
	zero time.Time      // instants count from here
	fail error          // set with stopped
	work sync.WaitGroup // every goroutine of the Endpoint

	mu       sync.Mutex
	closing  bool
	limiter  limiter
	dialed   map[uint64]*Conn
	accepted map[uint64]*Conn
	timers   timers
	dirty    []*Conn       // to be served now
	empty    chan struct{} // closed when the last Conn has gone, once closing

	kicked   chan struct{}
	refusing chan struct{} // closed with Close
	queue    chan *Conn
	stopped  chan struct{}
	stopOnce sync.Once

	strays atomic.Uint64

	gate      gate // the reader's alone, like strangers
	strangers strangers
}

func (e *Endpoint) now() instant { return instant(time.Since(e.zero)) }

// start makes what the zero Endpoint lacks and starts its two goroutines: the
// reader gives datagrams to links, run sends what links want sent.
func (e *Endpoint) start() {
	e.once.Do(func() {
		e.zero = time.Now()
		if e.Rand == nil {
			e.Rand = rand.Reader
		}
		if e.MaxConns == 0 {
			e.MaxConns = defaultMaxConns
		}
		e.gate.rand = e.Rand
		e.dialed, e.accepted = make(map[uint64]*Conn), make(map[uint64]*Conn)
		e.kicked, e.queue = make(chan struct{}, 1), make(chan *Conn, acceptQueue)
		e.refusing = make(chan struct{})
		e.stopped, e.empty = make(chan struct{}), make(chan struct{})
		if !e.Plaintext {
			if e.Identity.IsZero() {
				e.Identity, e.fail = transport.NewIdentity()
			}
			if e.fail != nil {
				e.stop(e.fail)
				return
			}
		}
		e.fast = newFastSocket(e.Socket)
		e.work.Go(e.read)
		e.work.Go(e.run)
	})
}

// stop ends the goroutines and every Conn.
func (e *Endpoint) stop(err error) {
	e.stopOnce.Do(func() {
		e.fail = err
		close(e.stopped)
		e.Socket.SetReadDeadline(time.Unix(1, 0))
		for _, c := range e.conns() {
			c.mu.Lock()
			c.cancelShake()
			if c.link != nil {
				c.link.fail(err)
				c.tell()
			}
			c.mu.Unlock()
		}
	})
}

// conns returns every Conn there is.
func (e *Endpoint) conns() (all []*Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.dialed {
		all = append(all, c)
	}
	for _, c := range e.accepted {
		all = append(all, c)
	}
	return all
}

// Accept returns the next Conn that a peer began and that has shown its keys.
func (e *Endpoint) Accept(ctx context.Context) (transport.Conn, error) {
	e.start()
	select { // the end goes before Conns that nobody accepted
	case <-e.refusing:
		return nil, net.ErrClosed
	case <-e.stopped:
		return nil, e.fail
	default:
	}
	select {
	case c := <-e.queue:
		return c, nil
	case <-e.refusing:
		return nil, net.ErrClosed
	case <-e.stopped:
		return nil, e.fail
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close refuses newcomers, closes every Conn as its own Close does, all at
// once and for no longer than endLimit, and then closes the socket.
func (e *Endpoint) Close() error {
	e.start()
	e.mu.Lock()
	first := !e.closing
	e.closing = true
	if first {
		close(e.refusing)
	}
	if first && len(e.dialed)+len(e.accepted) == 0 {
		close(e.empty)
	}
	e.mu.Unlock()
	if first {
		for _, c := range e.conns() {
			c.mu.Lock()
			c.closed = true
			c.cancelShake()
			if c.link != nil {
				c.link.close(e.now())
				c.tell()
			}
			c.mu.Unlock()
			e.kick(c)
		}
		limit := time.NewTimer(endLimit)
		defer limit.Stop()
		select {
		case <-e.empty:
		case <-e.stopped:
		case <-limit.C:
		}
	}
	e.stop(net.ErrClosed)
	err := e.Socket.Close()
	e.work.Wait()
	if !first || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// add enters a Conn; it returns false when there may be no more. Whoever is
// entered before stop will hear of it from stop.
func (e *Endpoint) add(c *Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.dialed
	if c.host {
		all = e.accepted
	}
	if e.closing || e.isStopped() || all[c.id] != nil || c.host && len(all) >= e.MaxConns {
		return false
	}
	all[c.id] = c
	return true
}

// remove forgets a Conn.
func (e *Endpoint) remove(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.dialed
	if c.host {
		all = e.accepted
	}
	if all[c.id] != c {
		return
	}
	delete(all, c.id)
	if c.slot >= 0 {
		heap.Remove(&e.timers, c.slot)
	}
	if e.closing && len(e.dialed)+len(e.accepted) == 0 {
		close(e.empty)
	}
}

func (e *Endpoint) find(id uint64, host bool) *Conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	if host {
		return e.accepted[id]
	}
	return e.dialed[id]
}

// kick has run serve c soon.
func (e *Endpoint) kick(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.dirty {
		return
	}
	c.dirty = true
	e.dirty = append(e.dirty, c)
	if len(e.dirty) == 1 {
		select {
		case e.kicked <- struct{}{}:
		default:
		}
	}
}

// timers is a heap of Conns by when they are due.
type timers []*Conn

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due < t[j].due }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i, j
}
func (t *timers) Push(c any) {
	c.(*Conn).slot = len(*t)
	*t = append(*t, c.(*Conn))
}
func (t *timers) Pop() any {
	c := (*t)[len(*t)-1]
	(*t)[len(*t)-1] = nil
	*t = (*t)[:len(*t)-1]
	c.slot = -1
	return c
}

// collect moves the Conns that are to be served now into list, and says how
// long until the next is.
func (e *Endpoint) collect(list []*Conn) ([]*Conn, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list = append(list[:0], e.dirty...)
	clear(e.dirty)
	e.dirty = e.dirty[:0]
	for _, c := range list {
		c.dirty = false
	}
	now := e.now()
	for len(e.timers) > 0 && e.timers[0].due <= now {
		c := e.timers[0]
		heap.Remove(&e.timers, 0)
		c.due = never
		list = append(list, c)
	}
	if len(e.timers) == 0 {
		return list, time.Hour
	}
	return list, duration(e.timers[0].due - now)
}

// plan notes when c is to be served next.
func (e *Endpoint) plan(c *Conn, at instant) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.due = at
	switch {
	case at == never && c.slot >= 0:
		heap.Remove(&e.timers, c.slot)
	case at == never:
	case c.slot >= 0:
		heap.Fix(&e.timers, c.slot)
	default:
		heap.Push(&e.timers, c)
	}
}

// run serves Conns: whoever has something to send or whose time has come.
func (e *Endpoint) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var out output
	var list []*Conn
	for {
		var wait time.Duration
		list, wait = e.collect(list)
		for _, c := range list {
			e.serve(c, &out)
		}
		if len(list) > 0 {
			clear(list)
			continue // serving took time
		}
		timer.Reset(wait)
		select {
		case <-e.kicked:
		case <-timer.C:
		case <-e.stopped:
			return
		}
	}
}

// serve sends what c wants sent.
func (e *Endpoint) serve(c *Conn, out *output) {
	c.mu.Lock()
	if c.link == nil {
		c.mu.Unlock()
		return
	}
	now := e.now()
	c.link.tick(now)
	held := c.link.bareHeld
	full := out.gather(c.link, now)
	at := c.link.wake(now)
	over, stuck := c.link.stage == gone, c.link.refused != never
	if over || c.link.stage != open || c.link.bareHeld < held {
		c.tell()
	}
	c.mu.Unlock()
	if tried, took := out.flush(e.Socket, &e.fast); tried && (!took || stuck) {
		c.mu.Lock()
		c.link.took(took, now)
		c.mu.Unlock()
	}
	switch {
	case over:
		e.remove(c)
	case full:
		e.kick(c)
	default:
		e.plan(c, at)
	}
}

// read gives each datagram to whom it belongs.
func (e *Endpoint) read() {
	buf := make([]byte, e.fast.readSize())
	for faults := 0; ; {
		n, size, from, err := e.fast.read(e.Socket, buf)
		select {
		case <-e.stopped:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			e.stop(fmt.Errorf("%w: %w", transport.ErrLost, err))
			return
		}
		if err != nil { // such as a peer that refused a datagram: says nothing of the others
			if faults++; faults > 10 {
				e.pause(10 * time.Millisecond)
			}
			continue
		}
		faults = 0
		for rest := buf[:n]; len(rest) > 0; {
			one := rest[:min(size, len(rest))]
			rest = rest[len(one):]
			e.datagram(one, from)
		}
	}
}

// Strays counts the packets that came for conversations which are over, or never
// were: nothing in them reaches anybody. Whoever changes to another path leaves
// some behind on the old one.
func (e *Endpoint) Strays() uint64 { return e.strays.Load() }

func (e *Endpoint) isStopped() bool {
	select {
	case <-e.stopped:
		return true
	default:
		return false
	}
}

func (e *Endpoint) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.stopped:
	}
}

// datagram takes one datagram by its first byte. What is not ours is dropped
// without a word.
func (e *Endpoint) datagram(b []byte, from netip.AddrPort) {
	kind := byte(packetSealed)
	if e.Plaintext {
		kind = packetPlain
	}
	switch {
	case len(b) < retrySize && len(b) < leastHeader && b[0] != typeRefuse:
	case b[0]&^packetFlags == kind:
		if len(b) < leastHeader {
			return
		}
		id := binary.BigEndian.Uint64(b[1:])
		if c := e.find(id, b[0]&packetFromHost == 0); c == nil {
			e.strays.Add(1)
		} else if len(b) <= largePacket {
			e.packet(c, b, from)
		}
	case b[0] == typeHello:
		e.onHello(b, from)
	case b[0] == typeShake:
		e.onShake(b, from)
	case b[0] == typeRetry || b[0] == typeRefuse || b[0] == typeAccept:
		e.onAnswer(b, from)
	}
}

// packet gives a packet to its link.
func (e *Endpoint) packet(c *Conn, b []byte, from netip.AddrPort) {
	c.mu.Lock()
	if c.link == nil {
		c.shake.keep(b)
		c.mu.Unlock()
		return
	}
	now := e.now()
	if c.link.stage != open {
		e.strays.Add(1)
	}
	genuine := c.link.handle(b, from, now)
	kick := false
	if genuine {
		c.tell()
		kick = c.link.restless(now)
	}
	c.mu.Unlock()
	if kick {
		e.kick(c)
	}
}
