package discovery

import (
	"net/netip"
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
	roundDone  = 600 * time.Millisecond // after which a round counts as unanswered
	roundsGone = 3
	nonceLife  = 2 * time.Second
	issueLife  = time.Second // how long a beacon may arrive by further ways
	maxTries   = 3
	minTTL     = 10 * time.Second
	maxTTL     = 120 * time.Second
)

// When in a round it is asked: always in the first, later only once if all answer.
var (
	openingTries = [maxTries]time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond}
	laterTries   = [maxTries]time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond}
)

// What is kept.
const (
	maxEntries = 256 // rooms that are there, and as many that were
	perSource  = 8   // rooms at one address
	maxHosts   = 8   // programs that announce one room, or did
	maxPlaces  = 8   // addresses of one program
)

// browser is the machine of a listener. What it knows is in roster.go.
type browser struct {
	roster
	dice  *dice
	links []Interface
	left  bool

	began   time.Time // of the round
	tries   int       // of this round, behind us
	judged  bool      // this round's silence has been judged
	extra   time.Time // a query for the sake of a new network; zero: none
	turn    byte
	nonces  [8]asking // of the last queries
	nonceAt int
}

type asking struct {
	nonce [8]byte
	at    time.Time
}

func newBrowser(now time.Time, d *dice, pinned func([32]byte) bool, heard func(Sighting), count *Counters) *browser {
	b := &browser{dice: d, roster: roster{pinned: pinned, heard: heard, count: count, entries: map[[32]byte]*entry{}}}
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
		out = append(out, packet{data: b.query(now)})
	}
	wake = sooner(b.extra, b.began.Add(roundEvery))
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
	a := &b.nonces[b.nonceAt]
	b.nonceAt = (b.nonceAt + 1) % len(b.nonces)
	b.dice.fill(a.nonce[:])
	a.at = now
	data := appendQuery(make([]byte, 0, maxDatagram), b.turn, a.nonce)
	b.turn++
	return data
}

// asked tells whether an answer with this nonce is one to a query of ours.
func (b *browser) asked(now time.Time, nonce [8]byte) bool {
	for _, a := range &b.nonces {
		if a.nonce == nonce && !a.at.IsZero() && now.Sub(a.at) < nonceLife {
			return true
		}
	}
	return false
}

// handle takes a datagram; queries are for others.
func (b *browser) handle(now time.Time, from netip.AddrPort, msg []byte) {
	h, err := parseHeader(msg)
	switch {
	case err != nil:
		b.count.Junk.Add(1)
		return
	case h.kind == query:
		return
	case !onLink(b.links, from.Addr()):
		b.count.OffLink.Add(1)
		return
	case h.kind == answer && !b.asked(now, h.nonce):
		b.count.Stale.Add(1)
		return
	}
	for rest := h.rest; len(rest) > 0; {
		n, next, err := parseNotice(rest)
		if err != nil {
			b.count.Junk.Add(1)
			return
		}
		b.take(now, from.Addr(), &h, &n)
		rest = next
	}
}
