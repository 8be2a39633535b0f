package udp

import (
	"bytes"
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
	burst           = 44              // datagrams a Conn may send before others have a turn
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
	fast *fastSocket
	zero time.Time      // instants count from here
	fail error          // set with stopped
	work sync.WaitGroup // every goroutine of the Endpoint

	mu       sync.Mutex
	closing  bool
	limiter  limiter
	dialed   map[uint64]*Conn
	accepted map[uint64]*Conn
	timers   timers
	timer    *time.Timer   // runs out at wakes, when the first of timers is due or before
	wakes    instant       // 0: run is awake
	dirty    []*Conn       // to be served now
	empty    chan struct{} // closed when the last Conn has gone, once closing

	kicked   chan struct{}
	refusing chan struct{} // closed with Close
	queue    chan *Conn
	stopped  chan struct{}
	stopOnce sync.Once

	strays atomic.Uint64

	touched   []*Conn // the reader's alone, like gate and strangers: who got packets just now
	gate      gate
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
		e.fast, e.timer, e.wakes = newFastSocket(e.Socket), time.NewTimer(time.Hour), never
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
			c.closed.Store(true)
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

// collect moves the Conns that are to be served now into list. When there are none
// it sets the timer for the next.
func (e *Endpoint) collect(list []*Conn) []*Conn {
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
	if e.wakes = 0; len(list) > 0 {
		return list // run will be back
	}
	if e.wakes = never; len(e.timers) > 0 {
		e.wakes = e.timers[0].due
		e.timer.Reset(duration(e.wakes - now))
	}
	return list
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
	if at < e.wakes {
		e.wakes = at
		e.timer.Reset(duration(at - e.now()))
	}
}

// run serves Conns: whoever has something to send or whose time has come.
func (e *Endpoint) run() {
	defer e.timer.Stop()
	var list []*Conn
	out := new(output)
	for {
		list = e.collect(list)
		for _, c := range list {
			c.mu.Lock()
			e.board(c, out)
			c.mu.Unlock()
			if out.n > len(out.buf)/2 {
				e.depart(out)
			}
		}
		e.depart(out)
		if len(list) > 0 {
			clear(list)
			continue // serving took time
		}
		select {
		case <-e.kicked:
		case <-e.timer.C:
		case <-e.stopped:
			return
		}
	}
}

// serve sends what c wants sent, from whichever goroutine calls it. Packets of
// a Conn leave in order: who finds another at it leaves the rest to run. c.mu is
// held, but not while datagrams leave.
func (e *Endpoint) serve(c *Conn) {
	out := outputs.Get().(*output)
	e.board(c, out)
	c.mu.Unlock()
	e.depart(out)
	outputs.Put(out)
	c.mu.Lock()
}

// board gathers what c wants sent, if nobody else is at it. c.mu is held.
func (e *Endpoint) board(c *Conn, out *output) {
	if c.link == nil || c.serving {
		c.again = c.serving
		return
	}
	c.serving, c.again = true, false
	now := e.now()
	c.link.tick(now)
	held := c.link.bareHeld
	t := turn{c: c, now: now, full: out.gather(c.link, now)}
	t.end, t.at = len(out.parts), c.link.wake(now)
	out.turns = append(out.turns, t)
	if c.link.stage != open || c.link.bareHeld < held {
		c.tell()
	}
}

// depart sends what was gathered, and plans when those whose it was are served again.
func (e *Endpoint) depart(out *output) {
	out.flush(e.Socket, e.fast)
	for i := range out.turns {
		t := &out.turns[i]
		t.c.mu.Lock()
		e.end(t)
		t.c.mu.Unlock()
	}
	out.reset()
}

// end notes what became of a turn. The Conn's mutex is held.
func (e *Endpoint) end(t *turn) {
	c := t.c
	c.serving = false
	if t.tried && (!t.took || c.link.refused != never) {
		c.link.took(t.took, t.now)
	}
	switch {
	case c.link.stage == gone:
		e.remove(c)
	case t.full || c.again:
		e.kick(c)
	default:
		e.plan(c, t.at)
	}
}

// read gives each datagram to whom it belongs.
func (e *Endpoint) read() {
	faults := 0
	give := func(got []received) bool {
		faults = 0
		e.received(got)
		return !e.isStopped()
	}
	for {
		err := e.fast.read(e.Socket, give)
		if e.isStopped() {
			return
		}
		if errors.Is(err, net.ErrClosed) {
			e.stop(fmt.Errorf("%w: %w", transport.ErrLost, err))
			return
		}
		if err != nil { // such as a peer that refused a datagram: says nothing of the others
			if faults++; faults > 10 {
				e.pause(10 * time.Millisecond)
			}
		}
	}
}

// received takes what was read at once. Only then are those served who have
// something to say to it: one acknowledgement may do for many packets.
func (e *Endpoint) received(got []received) {
	for _, r := range got {
		for rest := r.b; len(rest) > 0; {
			rest = e.datagram(rest, r.size, r.from)
		}
	}
	for _, c := range e.touched {
		c.mu.Lock()
		c.touched = false
		c.tell()
		if c.link.restless(e.now()) {
			e.serve(c)
		}
		c.mu.Unlock()
	}
	clear(e.touched)
	e.touched = e.touched[:0]
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

// datagram takes the first datagram of rest by its first byte, and as many of
// those behind it as belong to the same Conn. All are size bytes long but the last.
// It returns what is left. What is not ours is dropped without a word.
func (e *Endpoint) datagram(rest []byte, size int, from netip.AddrPort) []byte {
	b := rest[:min(size, len(rest))]
	rest = rest[len(b):]
	kind := byte(packetSealed)
	if e.Plaintext {
		kind = packetPlain
	}
	switch {
	case len(b) < leastHeader: // nothing of ours is shorter
	case b[0]&^packetFlags == kind:
		if c := e.find(binary.BigEndian.Uint64(b[1:]), b[0]&packetFromHost == 0); c != nil {
			return e.packets(c, b, rest, from)
		}
		e.strays.Add(1)
	case b[0] == typeHello:
		e.onHello(b, from)
	case b[0] == typeShake:
		e.onShake(b, from)
	case b[0] == typeRetry || b[0] == typeRefuse || b[0] == typeAccept:
		e.onAnswer(b, from)
	}
	return rest
}

// packets gives the packet b to its link, and those of the same link behind it:
// one that sends much sends trains of them. It returns what is left of rest.
func (e *Endpoint) packets(c *Conn, b, rest []byte, from netip.AddrPort) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		c.shake.keep(b)
		return rest
	}
	now, first, size := e.now(), b, len(b)
	for {
		if c.link.stage != open {
			e.strays.Add(1)
		}
		if len(b) <= largePacket && c.link.handle(b, from, now) {
			if !c.touched {
				c.touched = true
				e.touched = append(e.touched, c)
			}
		}
		b = rest[:min(size, len(rest))]
		const ours = packetFlags &^ packetFromHost // differ from packet to packet
		if len(b) < leastHeader || (b[0]^first[0])&^ours != 0 || !bytes.Equal(b[1:9], first[1:9]) {
			break
		}
		rest = rest[len(b):]
	}
	return rest
}
