package discovery

import (
	"net/netip"
	"slices"
	"time"
)

// Sighting is what a listener knows of a room when that has changed.
type Sighting struct {
	Name string
	Key  [32]byte
	// Addrs are where it was heard, as the packets' sources; a link-local
	// address has its zone. IPv4 comes before IPv6, this machine's loopback
	// after other IPv4, and what has fallen silent after what has not; among
	// equals the one that was found last comes first.
	Addrs    []netip.Addr
	UDP, TCP uint16 // ports; 0 where a carrier is not served
	Members  int
	Secure   bool
	Password bool
	Guests   bool
	At       time.Time // when it was heard
	Gone     bool      // it is there no more; the rest is as last known
}

// When it is asked. See the package comment.
const (
	queryFirst = 20 * time.Millisecond
	roundEvery = 3 * time.Second
	roundDone  = 450 * time.Millisecond // after which a round counts as unanswered
	roundsGone = 3
	nonceLife  = 2 * time.Second
	checkEvery = time.Second
	issueLife  = time.Second // how long a beacon may arrive by further ways
	maxTries   = 3
	minTTL     = 10 * time.Second
	maxTTL     = 120 * time.Second
)

// When in a round it is asked: always in the first, later only once if all answer.
var (
	openingTries = [maxTries]time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}
	laterTries   = [maxTries]time.Duration{0, 150 * time.Millisecond, 300 * time.Millisecond}
)

// What is kept.
const (
	maxEntries = 256 // rooms that are there, and as many that were
	perSource  = 8   // rooms at one address
	maxHosts   = 8   // programs that announce one room, or did
	maxPlaces  = 8   // addresses of one program
	maxLeads   = 16  // hosts that DNS-SD tells of
	maxPeers   = 32  // hosts asked by unicast: 13 kB/s
	maxChecks  = 16  // queries to single hosts in one checkEvery

	// Signatures verified: all that fifty hosts of eight rooms each answer to
	// the first three queries over both families, then some 5 % of a processor.
	verifyBurst = 50 * 8 * 3 * 2
	verifyASec  = 1000
	// verifyShare is which part of that one address may use up.
	verifyShare = 4
)

// browser is the machine of a listener. What it knows is in roster.go.
type browser struct {
	roster
	dice  *dice
	peers []netip.AddrPort
	leads []lead
	links []Interface
	left  bool

	began   time.Time // of the round
	tries   int       // of this round, behind us
	judged  bool      // this round's silence has been judged
	extra   time.Time // a query for the sake of a new network; zero: none
	turn    byte
	nonces  ring // of the last queries
	checks  []check
	checked ring // their nonces

	timed func(now time.Time, from netip.Addr, issue uint64) // told of genuine answers; may be nil
}

// check is a query to the one who sent a beacon and has never answered. It is
// as long as the beacon was. As the beacon's source may be forged, there is one
// a second for an address.
type check struct {
	due  time.Time
	to   netip.AddrPort
	size int
	sent bool // kept for checkEvery, to know who was asked
}

// lead is a host of which DNS-SD tells: it is asked as long as it answers.
type lead struct {
	to    netip.AddrPort
	round int // in which it came
}

// lead takes note of where a host may be, and asks there.
func (b *browser) lead(now time.Time, to netip.AddrPort) {
	known := slices.ContainsFunc(b.leads, func(l lead) bool { return l.to == to })
	if known || len(b.leads) == maxLeads || !onLink(b.links, to.Addr()) {
		return
	}
	b.leads = append(b.leads, lead{to, b.round})
	if b.tries > 0 {
		b.extra = now.Add(b.dice.upTo(queryFirst))
	}
}

// answeredIn is the last round in which something came from where a lead points.
func (b *browser) answeredIn(l lead) int {
	last := l.round
	for _, e := range b.entries {
		for _, o := range e.hosts {
			if p := o.at(l.to.Addr()); p != nil {
				last = max(last, p.round)
			}
		}
	}
	return last
}

func (b *browser) published() []Room { return nil }

// ring holds the last nonces that we asked with, and when.
type ring struct {
	last [8]struct {
		nonce [8]byte
		at    time.Time
	}
	next int
}

func (r *ring) add(now time.Time, d *dice) [8]byte {
	a := &r.last[r.next]
	r.next = (r.next + 1) % len(r.last)
	d.fill(a.nonce[:])
	a.at = now
	return a.nonce
}

// newest returns the last nonce added if it is younger than age.
func (r *ring) newest(now time.Time, age time.Duration) (nonce [8]byte, ok bool) {
	a := &r.last[(r.next+len(r.last)-1)%len(r.last)]
	return a.nonce, !a.at.IsZero() && now.Sub(a.at) < age
}

func (r *ring) holds(now time.Time, nonce [8]byte) bool {
	for i := range r.last {
		if a := &r.last[i]; a.nonce == nonce && !a.at.IsZero() && now.Sub(a.at) < nonceLife {
			return true
		}
	}
	return false
}

func newBrowser(now time.Time, d *dice, pinned func([32]byte) bool, heard func(Sighting), count *Counters) *browser {
	b := &browser{dice: d, roster: roster{pinned: pinned, heard: heard, count: count, entries: map[[32]byte]*entry{}, shares: map[netip.Addr]*bucket{},
		effort: newBucket(now, verifyBurst, verifyASec)}}
	b.startRound(now.Add(d.upTo(queryFirst)))
	return b
}

func (b *browser) startRound(at time.Time) {
	b.round++
	b.began, b.tries, b.judged = at, 0, false
}

// linksAre tells on which networks we are. On a new one it is asked at once.
func (b *browser) linksAre(now time.Time, links []Interface, fresh bool) {
	b.links = links
	if fresh && b.tries > 0 {
		b.extra = now.Add(b.dice.upTo(queryFirst))
	}
}

func (b *browser) leave(time.Time) { b.left = true }

func (b *browser) poll(time.Time) {}

// tick returns what is to be sent by now, and when to be called again: never,
// if the time is zero.
func (b *browser) tick(now time.Time) (out []packet, wake time.Time) {
	if b.left {
		return nil, time.Time{}
	}
	if !b.judged && !b.began.Add(roundDone).After(now) {
		b.judged = true
		b.judge(now)
	}
	if !b.began.Add(roundEvery).After(now) {
		b.startRound(now)
		b.leads = keep(b.leads, func(l lead) bool { return b.round-b.answeredIn(l) < roundsGone })
	}
	ask := !b.extra.IsZero() && !b.extra.After(now)
	if ask {
		b.extra = time.Time{}
	}
	for b.tries < maxTries && !b.nextTry().After(now) {
		ask = ask || b.tries == 0 || b.round == 1 || b.missing()
		b.tries++
	}
	if ask {
		data := b.query(now)
		out = append(out, packet{data: data})
		for _, p := range b.peers {
			out = append(out, packet{to: p, data: data, far: true})
		}
		for _, l := range b.leads {
			out = append(out, packet{to: l.to, data: data})
		}
	}
	wake = sooner(b.extra, b.began.Add(roundEvery))
	for i := range b.checks {
		switch c := &b.checks[i]; {
		case c.sent:
		case c.due.After(now):
			wake = sooner(wake, c.due)
		default:
			c.sent = true
			out = append(out, b.verify(now, *c))
		}
	}
	if b.tries < maxTries {
		wake = sooner(wake, b.nextTry())
	}
	if !b.judged {
		wake = sooner(wake, b.began.Add(roundDone))
	}
	return out, wake
}

func (b *browser) nextTry() time.Time {
	if b.round == 1 {
		return b.began.Add(openingTries[b.tries])
	}
	return b.began.Add(laterTries[b.tries])
}

func (b *browser) query(now time.Time) []byte {
	data := appendQuery(nil, maxDatagram, b.turn, b.nonces.add(now, b.dice))
	b.turn++
	return data
}

// check plans a query to whoever sent a beacon.
func (b *browser) check(now time.Time, to netip.AddrPort, size int) {
	b.checks = keep(b.checks, func(c check) bool { return !c.sent || c.due.Add(checkEvery).After(now) })
	asked := slices.ContainsFunc(b.checks, func(c check) bool { return c.to.Addr() == to.Addr() })
	if !asked && len(b.checks) < maxChecks && to.Port() != 0 {
		b.checks = append(b.checks, check{due: now.Add(b.dice.upTo(queryFirst)), to: to, size: size})
	}
}

// verify returns the query of a check. Those of one second have one nonce, so
// that a host takes them for one.
func (b *browser) verify(now time.Time, c check) packet {
	nonce, ok := b.checked.newest(now, checkEvery)
	if !ok {
		nonce = b.checked.add(now, b.dice)
	}
	return packet{to: c.to, data: appendQuery(nil, c.size, 0, nonce)}
}

// peer tells whether an address is that of one who is asked wherever he is.
func (b *browser) peer(a netip.Addr) bool {
	return slices.ContainsFunc(b.peers, func(p netip.AddrPort) bool { return p.Addr() == a })
}

func (b *browser) sockets() (direct, far bool) { return false, len(b.peers) > 0 }

// handleDirect is for those who ask for its sockets.
func (b *browser) handleDirect(time.Time, netip.AddrPort, netip.Addr, []byte) {}

// handle takes a datagram; queries are for others.
func (b *browser) handle(now time.Time, from netip.AddrPort, msg []byte) {
	h, err := parseHeader(msg)
	switch {
	case err != nil:
		b.count.Junk.Add(1)
		return
	case h.kind == query, h.kind == call, h.kind == called:
		return
	case !onLink(b.links, from.Addr()) && !(h.kind == answer && b.peer(from.Addr())):
		b.count.OffLink.Add(1)
		return
	case h.kind == answer && !b.nonces.holds(now, h.nonce) && !b.checked.holds(now, h.nonce):
		b.count.Stale.Add(1)
		return
	}
	doubt := false
	for rest := h.rest; len(rest) > 0; {
		n, next, err := parseNotice(rest)
		if err != nil {
			b.count.Junk.Add(1)
			break
		}
		o := b.take(now, from.Addr(), &h, &n)
		if o != nil && h.kind == answer && b.timed != nil {
			b.timed(now, from.Addr(), n.issue)
		}
		if o != nil && !o.answered {
			doubt = true
		}
		rest = next
	}
	if doubt {
		b.check(now, from, len(msg))
	}
}
