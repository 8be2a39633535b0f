package udp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/maphash"
	"io"
	"net/netip"
	"slices"
	"time"

	"parley/transport"
)

// Admission: what stands between the network and everything that costs memory.
//
// A stranger's HELLO is answered with a token, and nothing is kept of it: the
// token is a MAC over the stranger's address and the HELLO's content, under a
// secret of ours. Whoever sends it back receives at that address. Only then the
// limiter is asked, whose figures are per source; an address that a stranger
// merely wrote on his datagrams never reaches its table.

const (
	tokenSize = 4 + 16 // time, MAC

	// tokenLife lets a client repeat a lost datagram for twice the length
	// of a whole handshake, and makes a token that was overheard stale soon.
	tokenLife = 10 * time.Second

	// secretLife bounds how many MACs are made under one secret. The one
	// before stays good, for the tokens made under it.
	secretLife = 120 * time.Second

	// tokenTick is the unit of a token's time.
	tokenTick = 100 * time.Millisecond
)

// A gate makes and checks tokens. It allocates only when secrets change. Its
// zero value is ready; one goroutine may use it.
type gate struct {
	rand io.Reader // nil: crypto/rand

	begun             time.Time // ticks count from here
	offset            uint32    // the tick at begun; random, so that tokens do not tell how long we run
	renewed           time.Time
	current, previous hash.Hash // HMAC-SHA-256; previous may be nil

	// Scratch space, here because what passes through an interface
	// would be allocated each time.
	text [4 + 16 + 2 + 8 + 2]byte
	sum  [sha256.Size]byte
}

// token makes the token for a client at from. params are the HELLO's version
// and mode.
func (g *gate) token(now time.Time, from netip.AddrPort, id uint64, params [2]byte) (t token) {
	g.renew(now)
	binary.BigEndian.PutUint32(t[:], g.tick(now))
	copy(t[4:], g.mac(g.current, [4]byte(t[:4]), from, id, params))
	return t
}

// check tells whether t was made by token with the same arguments within
// tokenLife.
func (g *gate) check(now time.Time, from netip.AddrPort, id uint64, params [2]byte, t token) bool {
	g.renew(now)
	made := [4]byte(t[:4])
	// Ticks wrap around; a tick from the future looks very old.
	if age := g.tick(now) - binary.BigEndian.Uint32(made[:]); age > uint32(tokenLife/tokenTick) {
		return false
	}
	if hmac.Equal(g.mac(g.current, made, from, id, params), t[4:]) {
		return true
	}
	return g.previous != nil && hmac.Equal(g.mac(g.previous, made, from, id, params), t[4:])
}

// tick relies on the monotonic clock that now carries: wall clocks jump.
func (g *gate) tick(now time.Time) uint32 {
	return g.offset + uint32(now.Sub(g.begun)/tokenTick)
}

func (g *gate) mac(h hash.Hash, made [4]byte, from netip.AddrPort, id uint64, params [2]byte) []byte {
	addr := from.Addr().As16() // the same for an IPv4 address and its form in IPv6
	b := append(g.text[:0], made[:]...)
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint64(b, id)
	b = append(b, params[:]...)
	h.Reset()
	h.Write(b)
	return h.Sum(g.sum[:0])[:16]
}

// renew changes the secret when its time is over.
func (g *gate) renew(now time.Time) {
	if g.current != nil && now.Sub(g.renewed) < secretLife {
		return
	}
	if g.current == nil {
		g.begun = now
		var offset [4]byte
		g.random(offset[:])
		g.offset = binary.BigEndian.Uint32(offset[:])
	}
	var secret [32]byte
	g.random(secret[:])
	g.previous, g.current, g.renewed = g.current, hmac.New(sha256.New, secret[:]), now
}

// Limits on answers to strangers. Whoever writes addresses of this LAN on his
// HELLOs that are nobody's has each answer wait three seconds for a machine
// that is not there, in the socket's send buffer, where members' packets would
// have no room left.
const (
	strangerBurst = 8
	strangerEvery = 250 * time.Millisecond // then one
	strangerSlots = 4096
)

// strangers limits how many HELLOs of one source are answered. It is of fixed
// size and keeps no addresses: a source is two slots, found by a secret hash,
// and is answered if either allows it. Its zero value is ready; one goroutine
// may use it.
type strangers struct {
	seed  maphash.Seed
	spent [strangerSlots]uint8 // answers not yet paid back
	paid  time.Time            // when everybody was last paid back one
}

// allow tells whether to answer from now.
func (s *strangers) allow(now time.Time, from netip.Addr) bool {
	if from.IsLoopback() {
		return true
	}
	if s.paid.IsZero() {
		s.seed, s.paid = maphash.MakeSeed(), now
	}
	if n := now.Sub(s.paid) / strangerEvery; n > 0 {
		s.paid = s.paid.Add(n * strangerEvery)
		for i := range s.spent {
			s.spent[i] -= uint8(min(int64(n), int64(s.spent[i])))
		}
	}
	a, b := s.slots(from)
	if *a >= strangerBurst && *b >= strangerBurst {
		return false
	}
	*a, *b = min(*a+1, strangerBurst), min(*b+1, strangerBurst)
	return true
}

// trust takes note that a token came back from a source: somebody is there. So
// a class behind one address is not held up, of which one after the other comes in.
func (s *strangers) trust(from netip.Addr) {
	if !s.paid.IsZero() {
		a, b := s.slots(from)
		*a, *b = 0, 0
	}
}

func (s *strangers) slots(from netip.Addr) (a, b *uint8) {
	h := maphash.Comparable(s.seed, transport.Source(from))
	return &s.spent[h%strangerSlots], &s.spent[h>>32%strangerSlots]
}

// random fills b. A source of randomness that fails leaves nothing to do that
// would be safe.
func (g *gate) random(b []byte) {
	r := g.rand
	if r == nil {
		r = rand.Reader
	}
	if _, err := io.ReadFull(r, b); err != nil {
		panic("udp: no randomness: " + err.Error())
	}
}

// Limits on handshakes. Each costs about 60 kB and a millisecond of work.
const (
	// A source may begin startBurst handshakes at once and one more every
	// startInterval: a whole class behind one address gets in within
	// seconds, and one address keeps a core busy to 2 % at most.
	startInterval = 50 * time.Millisecond
	startBurst    = 5

	// maxSources bounds the memory of the above; who is forgotten has been
	// quiet for longer than 4,095 others.
	maxSources = 4096

	// Handshakes under way: in all, from one source, and from this very
	// machine, where tests and many programs of one user live. Those of a
	// class behind one address take turns: each needs milliseconds, and
	// repeats itself every 50.
	maxHalfOpen         = 32
	maxHalfOpenSource   = 4
	maxHalfOpenLoopback = 64
)

// A limiter says which proved addresses may begin a handshake. Sources are those
// of [transport.Source]. Its zero value is ready; one goroutine may use it.
type limiter struct {
	begun   time.Time
	index   map[netip.Addr]int32 // into entries
	entries []source             // up to maxSources, in a ring by time of use
	newest  int32                // the entry before it in the ring is the oldest

	halfOpen []*place // the oldest first; without loopback's
	loopback int
}

// A place is a handshake under way.
type place struct {
	source netip.Addr
	end    func()
	left   bool
}

// A source's bucket is one moment: when it will be full again.
type source struct {
	addr       netip.Addr
	full       time.Duration // since limiter.begun
	prev, next int32         // prev was used later, next earlier
}

// allow tells whether from may begin another handshake now, and counts it if so.
func (l *limiter) allow(now time.Time, from netip.Addr) bool {
	if from.Unmap().IsLoopback() {
		return true
	}
	if l.index == nil {
		l.begun, l.index = now, make(map[netip.Addr]int32)
	}
	t := now.Sub(l.begun)
	s := l.use(transport.Source(from))
	if s.full > t+(startBurst-1)*startInterval {
		return false
	}
	s.full = max(s.full, t) + startInterval
	return true
}

// use finds or makes the entry of addr and makes it the newest.
func (l *limiter) use(addr netip.Addr) *source {
	i, known := l.index[addr]
	switch {
	case known && i == l.newest:
		return &l.entries[i]
	case known:
		l.unlink(i)
	case len(l.entries) < maxSources:
		i = int32(len(l.entries))
		l.entries = append(l.entries, source{addr: addr})
	default:
		i = l.entries[l.newest].prev // the ring closes: the oldest
		delete(l.index, l.entries[i].addr)
		l.unlink(i)
		l.entries[i] = source{addr: addr}
	}
	l.index[addr] = i
	l.linkFirst(i)
	return &l.entries[i]
}

func (l *limiter) unlink(i int32) {
	e := &l.entries[i]
	l.entries[e.prev].next, l.entries[e.next].prev = e.next, e.prev
}

func (l *limiter) linkFirst(i int32) {
	if len(l.entries) == 1 {
		l.entries[i].prev, l.entries[i].next = i, i
	} else {
		next := l.newest
		prev := l.entries[next].prev
		l.entries[i].prev, l.entries[i].next = prev, next
		l.entries[prev].next, l.entries[next].prev = i, i
	}
	l.newest = i
}

// enter takes a place among the handshakes under way, which leave gives back;
// end gives the handshake up. When all places are taken, somebody has to go: the
// oldest handshake of the source that has the most. An honest one needs a few
// milliseconds, so those who only hold places make room for it. The caller
// ends who is gone, holding no lock.
func (l *limiter) enter(from netip.Addr, end func()) (p, gone *place) {
	p = &place{source: transport.Source(from), end: end}
	if p.source.IsLoopback() {
		if l.loopback == maxHalfOpenLoopback {
			return nil, nil
		}
		l.loopback++
		return p, nil
	}
	mine, most, goes := 0, 0, 0
	for i, o := range l.halfOpen {
		n := 0
		for _, other := range l.halfOpen {
			if other.source == o.source {
				n++
			}
		}
		if o.source == p.source {
			mine = n
		}
		if n > most {
			most, goes = n, i
		}
	}
	switch {
	case mine == maxHalfOpenSource || len(l.halfOpen) == maxHalfOpen && mine == most:
		return nil, nil
	case len(l.halfOpen) == maxHalfOpen:
		gone = l.halfOpen[goes]
		l.halfOpen = slices.Delete(l.halfOpen, goes, goes+1)
	}
	l.halfOpen = append(l.halfOpen, p)
	return p, gone
}

// leave gives back a place, if that has not been done and it has not been taken away.
func (l *limiter) leave(p *place) {
	if p.left {
		return
	}
	if p.left = true; p.source.IsLoopback() {
		l.loopback--
		return
	}
	if i := slices.Index(l.halfOpen, p); i >= 0 {
		l.halfOpen = slices.Delete(l.halfOpen, i, i+1)
	}
}
