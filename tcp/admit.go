package tcp

import (
	"hash/maphash"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"parley/transport"
)

// Limits on strangers: connections that have not yet proved anything. Each of
// them costs some 20 kB, and one that goes on to the handshake about a
// millisecond of work. Sources are those of [transport.Source]; this machine's
// own are exempt from what is said of one source.
const (
	maxVisits    = 128 // that are attended to
	maxVisitsPer = 16  // of them from one source
	maxGuests    = 256 // connections handed to Guests
	maxGuestsPer = 16  // of them from one source

	// A source may begin visitBurst connections at once and one more every
	// visitEvery, so it keeps a core busy to 2 % at most, as with udp. A
	// class of 30 behind one address notices nothing of it.
	visitBurst = 32
	visitEvery = 50 * time.Millisecond

	// Connections beyond these figures wait for their turn: so many, so many
	// of them from one source, and for less long than a caller waits for us.
	maxLine    = 256
	maxLinePer = 64
	lineLimit  = 4 * time.Second
)

// A door lets strangers in, within the limits. When too many are inside, the
// oldest one of the source that has the most has to leave: a newcomer with good
// intentions needs only milliseconds, so it gets through even while others come
// and say nothing.
type door struct {
	mu     sync.Mutex
	shut   bool
	inside crowd
	line   crowd // those who wait to get in
	guests crowd
	pace   pace
}

// visit is one connection and where it comes from.
type visit struct {
	nc     net.Conn
	source netip.Addr
	due    time.Time     // not to be let in sooner
	turn   chan struct{} // closed when it is let in
}

// A crowd is visits, the oldest first.
type crowd struct {
	visits []*visit
	from   map[netip.Addr]int // how many of each source
}

func (c *crowd) add(v *visit) {
	if c.from == nil {
		c.from = make(map[netip.Addr]int)
	}
	c.visits = append(c.visits, v)
	c.from[v.source]++
}

// remove takes out the visits that are gone.
func (c *crowd) remove(gone func(*visit) bool) {
	c.visits = slices.DeleteFunc(c.visits, func(v *visit) bool {
		if !gone(v) {
			return false
		}
		if c.from[v.source]--; c.from[v.source] == 0 {
			delete(c.from, v.source)
		}
		return true
	})
}

// most returns how many visits the source has that has the most, and the oldest
// of them.
func (c *crowd) most() (n int, first *visit) {
	for _, v := range c.visits {
		if m := c.from[v.source]; m > n {
			n, first = m, v
		}
	}
	return n, first
}

// send ends one visit.
func (c *crowd) send(away *visit) {
	away.nc.Close()
	c.remove(func(v *visit) bool { return v == away })
}

// addrPort returns a connection's address as the transport gives it.
func addrPort(addr net.Addr) netip.AddrPort {
	if a, ok := addr.(interface{ AddrPort() netip.AddrPort }); ok {
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	a, _ := netip.ParseAddrPort(addr.String())
	return a
}

func visitOf(nc net.Conn) *visit {
	return &visit{nc: nc, source: transport.Source(addrPort(nc.RemoteAddr()).Addr()), turn: make(chan struct{})}
}

// enter takes a connection in, or into the line, or returns nil.
func (d *door) enter(now time.Time, nc net.Conn) *visit {
	v := visitOf(nc)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return nil
	}
	if v.due = now; !v.source.IsLoopback() {
		due, ok := d.pace.due(now, v.source)
		if !ok || d.line.from[v.source] >= maxLinePer {
			return nil
		}
		v.due = due
	}
	if len(d.line.visits) == maxLine {
		most, first := d.line.most()
		if d.line.from[v.source] >= most {
			return nil
		}
		d.line.send(first) // its turn never comes
	}
	d.line.add(v)
	d.admit(now)
	return v
}

// admit lets those in line in whose turn it is, and makes room for them if
// somebody else has more inside.
func (d *door) admit(now time.Time) {
	most, first := d.inside.most()
	d.line.remove(func(v *visit) bool {
		here := d.inside.from[v.source]
		switch {
		case v.due.After(now) || here >= maxVisitsPer && !v.source.IsLoopback():
			return false
		case len(d.inside.visits) < maxVisits:
		case here >= most:
			return false
		default:
			d.inside.send(first)
		}
		d.inside.add(v)
		most, first = d.inside.most()
		close(v.turn)
		return true
	})
}

// wait returns when v has been let in, or false if that will not be.
func (d *door) wait(v *visit, over <-chan struct{}) bool {
	limit := time.NewTimer(lineLimit)
	defer limit.Stop()
	due := time.NewTimer(time.Until(v.due))
	defer due.Stop()
	for {
		select {
		case <-v.turn:
			return true
		case <-due.C:
			d.mu.Lock()
			d.admit(time.Now())
			d.mu.Unlock()
		case <-limit.C:
			return false
		case <-over:
			return false
		}
	}
}

// leave forgets a connection that has become something else, or nothing.
func (d *door) leave(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	is := func(v *visit) bool { return v.nc == nc }
	d.inside.remove(is)
	d.line.remove(is)
	d.guests.remove(is)
	d.admit(time.Now())
}

// seat makes a guest of a connection, or returns false.
func (d *door) seat(nc net.Conn) bool {
	v := visitOf(nc)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut || len(d.guests.visits) == maxGuests || !v.source.IsLoopback() && d.guests.from[v.source] >= maxGuestsPer {
		return false
	}
	d.inside.remove(func(v *visit) bool { return v.nc == nc })
	d.guests.add(v)
	d.admit(time.Now())
	return true
}

// close lets nobody in any more and sends away who has not proved anything.
// Guests stay.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	for _, c := range []*crowd{&d.inside, &d.line} {
		for _, v := range c.visits {
			v.nc.Close()
		}
	}
	d.line = crowd{}
}

// paceSlots is how many sources are told apart: more come than that at once on
// no LAN, and if they do, they share.
const paceSlots = 4096

// A pace says when a source may begin its next connection. It is of fixed size
// and keeps no addresses: a source is a slot, found by a secret hash. Its zero
// value is ready.
type pace struct {
	seed maphash.Seed
	zero time.Time                // what the slots count from
	full [paceSlots]time.Duration // when the slot's burst will be whole again
}

// due returns when a connection that comes now may begin, and takes note of
// it; false, if that would be later than anybody waits.
func (p *pace) due(now time.Time, source netip.Addr) (time.Time, bool) {
	if p.zero.IsZero() {
		p.seed, p.zero = maphash.MakeSeed(), now
	}
	slot := &p.full[maphash.Comparable(p.seed, source)%paceSlots]
	full := max(*slot, now.Sub(p.zero)) + visitEvery
	due := p.zero.Add(full - visitBurst*visitEvery)
	if due.Sub(now) > lineLimit/2 {
		return now, false
	}
	*slot = full
	return due, true
}
