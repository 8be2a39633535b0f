package discovery

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxStrangers bounds how many sources a probe remembers of each kind.
const maxStrangers = 64

// Report is what came of listening for a while; see [Service.Probe].
type Report struct {
	Links     []LinkReport                 // in the order of the system
	Rooms     []Sighting                   // that are there
	Neighbors []netip.Addr                 // other addresses on our networks that speak this protocol
	Strangers []netip.Addr                 // addresses that speak it on our wire and are on no network of ours
	Peers     []netip.Addr                 // of Peers, those that answered
	Clocks    map[netip.Addr]time.Duration // how far a host's clock is ahead of ours
}

// LinkReport is how broadcast does on an interface.
type LinkReport struct {
	Interface
	Heard  bool // our own broadcast came back to us
	Others int  // neighbors that were heard on it
}

// Probe looks for rooms as Browse does until ctx ends, and reports what was
// heard on the way. Warn is told what does not work.
func (s *Service) Probe(ctx context.Context) (Report, error) {
	var lock sync.Mutex
	rooms := map[[32]byte]Sighting{}
	p := &prober{own: map[netip.Addr]bool{}}
	err := s.run(ctx, true, func(now time.Time, d *dice, _ func(string), count *Counters) machine {
		p.clocks = map[netip.Addr]time.Duration{}
		p.browser = newBrowser(now, d, func([32]byte) bool { return false }, func(h Sighting) {
			lock.Lock()
			defer lock.Unlock()
			rooms[h.Key] = h
		}, count)
		p.peers, p.timed = s.Peers[:min(len(s.Peers), maxPeers)], p.clock
		return p
	})
	r := Report{Neighbors: p.near, Strangers: p.far, Peers: p.answered, Clocks: p.clocks}
	for _, e := range p.ordered() {
		if h := rooms[e.key]; !h.Gone && !h.At.IsZero() {
			r.Rooms = append(r.Rooms, h)
		}
	}
	for _, i := range p.links {
		l := LinkReport{Interface: i}
		for _, prefix := range i.Prefixes {
			l.Heard = l.Heard || p.own[prefix.Addr().WithZone("")]
		}
		four, six := 0, 0 // most computers have both
		for _, a := range p.near {
			switch {
			case !onLink([]Interface{i}, a):
			case a.Is4():
				four++
			default:
				six++
			}
		}
		l.Others = max(four, six)
		r.Links = append(r.Links, l)
	}
	return r, err
}

// prober is a browser that also notes who is heard.
type prober struct {
	*browser
	own       map[netip.Addr]bool // our addresses whose queries came back
	near, far []netip.Addr
	answered  []netip.Addr
	clocks    map[netip.Addr]time.Duration
}

func (p *prober) handle(now time.Time, from netip.AddrPort, msg []byte) {
	if h, err := parseHeader(msg); err == nil {
		p.note(now, from.Addr(), &h)
	}
	p.browser.handle(now, from, msg)
}

func (p *prober) note(now time.Time, from netip.Addr, h *header) {
	switch {
	case p.ours(from):
		if h.kind == query && p.nonces.holds(now, h.nonce) {
			p.own[from.WithZone("")] = true
		}
	case p.peer(from):
		if h.kind == answer && p.nonces.holds(now, h.nonce) {
			p.answered = remember(p.answered, from)
		}
		if onLink(p.links, from) {
			p.near = remember(p.near, from)
		}
	case onLink(p.links, from):
		p.near = remember(p.near, from)
	default:
		p.far = remember(p.far, from)
	}
}

// maxClock is what no clock differs by: an issue beyond is a mere number.
const maxClock = 200 * 365 * 24 * time.Hour

// clock compares a host's clock with ours, by the issue of its answer.
func (p *prober) clock(now time.Time, from netip.Addr, issue uint64) {
	us := int64(issue) - now.UnixMicro()
	if len(p.clocks) < maxStrangers && us < maxClock.Microseconds() && us > -maxClock.Microseconds() {
		p.clocks[from] = time.Duration(us) * time.Microsecond
	}
}

func (p *prober) ours(a netip.Addr) bool {
	for _, i := range p.links {
		for _, prefix := range i.Prefixes {
			if prefix.Addr().WithZone("") == a.WithZone("") {
				return true
			}
		}
	}
	return a.IsLoopback()
}

func remember(list []netip.Addr, a netip.Addr) []netip.Addr {
	if len(list) < maxStrangers && !slices.Contains(list, a) {
		list = append(list, a)
	}
	return list
}
