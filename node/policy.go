package node

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/transport"
)

// Transport says which carriers a node uses.
type Transport string

const (
	Auto Transport = "auto" // both; whichever answers
	UDP  Transport = "udp"  // datagrams alone
	TCP  Transport = "tcp"  // streams alone
)

// How a connection begins. Datagrams get a head start; a stream is tried beside
// them when they have not shown a sign of life, and later when they have. The
// figures suit a LAN, where an answer takes milliseconds: 300 ms covers two
// lost packets and a sleepy Wi-Fi card, and a person does not notice it yet.
const (
	familyDelay  = 100 * time.Millisecond // between one address of a host and the next
	streamDelay  = 300 * time.Millisecond // from the first datagram to the first stream
	provedDelay  = 2 * time.Second        // the same, once datagrams have been answered
	dialLimit    = 10 * time.Second       // then nobody is there
	memory       = 10 * time.Minute       // how long the carrier that worked is tried first
	leaveDelay   = 100 * time.Millisecond // from the first datagram to the first stream, where one of them was good and is not any more
	connectEvery = time.Second            // a stream that comes back asks this often
	maxAddrs     = 8                      // of one host; the rest are not tried
	maxMemory    = 256                    // hosts remembered
)

// A member that had to leave datagrams for a stream tries to get back: not at
// once, and ever more rarely, since the cause is most likely a firewall. What was
// blocked and is not any more is in use again within 35 s if it was not
// blocked for long. Datagrams that fail again soon after that are left alone for
// a while.
const (
	firstClimb = 10 * time.Second
	climbEvery = 30 * time.Second // the next, and twice as long each time,
	mostClimb  = 10 * time.Minute // up to this
	calm       = time.Minute      // datagrams that do not last so long are left alone as long, and twice as long each time
	climbTime  = 5 * time.Second  // for one try, which is less than a host waits for a join
	pings      = 3                // that have to be answered,
	pingEvery  = 1200 * time.Millisecond
	pingLimit  = 400 * time.Millisecond // each in that time. So a path that comes and goes every 2 s fails one of them
)

// climb says when to try datagrams while a stream is in use. It knows no clock
// but what it is told.
type climb struct {
	down  bool          // a stream is in use
	next  time.Time     // when to try
	pause time.Duration // until the try after
	upAt  time.Time     // when datagrams were in use again, after a stream
	hold  time.Duration // how long datagrams that failed soon are left alone
}

// fell notes that a stream is in use.
func (c *climb) fell(now time.Time) {
	if c.down {
		return
	}
	switch lasted := now.Sub(c.upAt); {
	case c.upAt.IsZero() || lasted >= max(calm, c.hold):
		c.hold = 0
	default:
		c.hold = min(max(calm, 2*c.hold), mostClimb)
	}
	c.down, c.next, c.pause = true, now.Add(max(firstClimb, c.hold)), climbEvery
}

// tried notes that datagrams were tried.
func (c *climb) tried(now time.Time) {
	c.next, c.pause = now.Add(c.pause), min(2*c.pause, mostClimb)
}

// rose notes that datagrams are in use.
func (c *climb) rose(now time.Time) {
	if c.down {
		c.down, c.upAt = false, now
	}
}

// An attempt is one way to reach the host.
type attempt struct {
	stubborn bool // whoever refuses a stream is asked again
	via      Transport
	addr     netip.AddrPort
	after    time.Duration // the head start of others; shortened when they have all failed
	dial     func(ctx context.Context, answered func()) (transport.Conn, error)
}

// result is how an attempt ended.
type result struct {
	index int
	conn  transport.Conn
	err   error
}

// race makes all the attempts, each at its time, and returns the Conn of the
// first to succeed; the others are given up and what they still bring is
// closed. An attempt that fails lets the next begin at once. When a datagram
// attempt reports that it has been answered, streams that have not begun wait
// for provedDelay. A refusal that would be the same by any way ends the race.
// The clearing up, which may take as long as a Close, is left to later.
func race(ctx context.Context, attempts []attempt, later func(func())) (transport.Conn, int, error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	results := make(chan result, len(attempts)) // nobody waits to report
	answered := make(chan struct{}, 1)
	defer later(func() {
		cancel()
		running.Wait()
		close(results)
		for r := range results {
			if r.conn != nil {
				r.conn.Close()
			}
		}
	})
	run := raceState{attempts: attempts, started: make([]bool, len(attempts)), begin: time.Now()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for i := range run.due(time.Now()) {
			running.Go(func() {
				c, err := attempts[i].dial(ctx, func() {
					select {
					case answered <- struct{}{}:
					default:
					}
				})
				results <- result{i, c, err}
			})
		}
		timer.Reset(run.wait(time.Now()))
		select {
		case <-timer.C:
		case <-answered:
			run.proved = true
		case r := <-results:
			if r.err == nil {
				return r.conn, r.index, nil
			}
			if run.failed(r.index, r.err) {
				return nil, r.index, run.err
			}
		case <-ctx.Done():
			return nil, -1, run.outcome(ctx.Err())
		}
	}
}

// raceState decides when attempts begin and which error counts. It knows no
// clock but what it is told.
type raceState struct {
	attempts []attempt
	started  []bool
	begin    time.Time
	running  int
	ended    int
	proved   bool  // a datagram has been answered
	err      error // the most telling so far
}

// start is when attempt i may begin.
func (r *raceState) start(i int) time.Time {
	a := r.attempts[i]
	wait := a.after
	if r.proved && a.via == TCP && wait > 0 {
		wait = max(wait, provedDelay)
	}
	return r.begin.Add(wait)
}

// due yields the attempts that begin now, and counts them as begun. With
// nothing under way the earliest begins whatever its time.
func (r *raceState) due(now time.Time) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range r.attempts {
			if r.started[i] || (r.running > 0 && now.Before(r.start(i))) {
				continue
			}
			r.started[i] = true
			r.running++
			if !yield(i) {
				return
			}
		}
	}
}

// wait is how long nothing begins by itself.
func (r *raceState) wait(now time.Time) time.Duration {
	wait := dialLimit
	for i := range r.attempts {
		if !r.started[i] {
			wait = min(wait, r.start(i).Sub(now))
		}
	}
	return wait
}

// failed takes note of an attempt's error and tells whether the race is lost.
func (r *raceState) failed(i int, err error) bool {
	r.running--
	r.ended++
	var refused *transport.RefusedError
	switch {
	case errors.As(err, &refused):
		r.err = err
		if refused.Reason == transport.ReasonMode || refused.Reason == transport.ReasonVersion || refused.Reason == transport.ReasonKey {
			here := r.attempts[i].addr.Addr()
			if !slices.ContainsFunc(r.attempts, func(a attempt) bool { return a.addr.Addr() != here }) { // another may be another host
				return true
			}
		}
	case r.err == nil:
		r.err = err
	}
	return r.ended == len(r.attempts)
}

// outcome is the error to report when the race is stopped with err.
func (r *raceState) outcome(err error) error {
	if r.err != nil && errors.Is(err, context.DeadlineExceeded) {
		return r.err
	}
	return err
}

// plan lists the attempts at a host in order: its IPv4 addresses before its
// IPv6 ones, datagrams before streams, or the reverse where a stream is what
// worked last time.
func plan(via Transport, addrs []target, last Transport) []attempt {
	var as []attempt
	order := []Transport{UDP, TCP}
	if via != Auto {
		order = []Transport{via}
	} else if last == TCP {
		order = []Transport{TCP, UDP}
	}
	for rank, carrier := range order {
		n := 0
		for _, at := range addrs {
			port := at.udp
			if carrier == TCP {
				port = at.tcp
			}
			if port == 0 || n == maxAddrs {
				continue
			}
			after := time.Duration(rank) * streamDelay
			as = append(as, attempt{via: carrier, addr: netip.AddrPortFrom(at.addr, port), after: after + time.Duration(n)*familyDelay})
			n++
		}
	}
	return as
}

// replan lists the attempts at a host that was reached before. Whichever carrier
// was in use has failed, but maybe because the host was restarted: datagrams,
// which tell soon whether they are answered, have a short head start.
func replan(via Transport, addrs []target) []attempt {
	as := plan(via, addrs, UDP)
	for i := range as {
		if as[i].stubborn = true; as[i].via == TCP && via == Auto {
			as[i].after += leaveDelay - streamDelay
		}
	}
	return as
}

// target is where a host may be reached: an address and the port of each
// carrier, zero for one that it does not serve.
type target struct {
	addr     netip.Addr
	udp, tcp uint16
}

// sortTargets puts IPv4 first and keeps the order otherwise.
func sortTargets(ts []target) []target {
	var four, six []target
	for _, t := range ts {
		t.addr = t.addr.Unmap()
		if t.addr.Is4() {
			four = append(four, t)
		} else {
			six = append(six, t)
		}
	}
	return append(four, six...)
}

// carrierMemory remembers by which carrier hosts were reached.
type carrierMemory struct {
	mu   sync.Mutex
	seen map[netip.Addr]remembered
}

type remembered struct {
	via   Transport
	until time.Time
}

// note remembers that addr was reached by via.
func (m *carrierMemory) note(addr netip.Addr, via Transport, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil {
		m.seen = make(map[netip.Addr]remembered)
	}
	for a, r := range m.seen {
		if now.After(r.until) || len(m.seen) >= maxMemory { // any will do: it costs one head start
			delete(m.seen, a)
		}
	}
	m.seen[addr] = remembered{via, now.Add(memory)}
}

// last tells by which carrier one of ts was reached of late.
func (m *carrierMemory) last(ts []target, now time.Time) Transport {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range ts {
		if r, ok := m.seen[t.addr]; ok && now.Before(r.until) {
			return r.via
		}
	}
	return Auto
}
