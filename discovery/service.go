package discovery

import (
	"context"
	"crypto/rand"
	"io"
	"net/netip"
	"sync"
	"time"
)

// DefaultPort is where rooms are announced and looked for.
const DefaultPort = 7668

// rescan is how often interfaces are looked at, and a host's list of rooms.
const rescan = 2 * time.Second

// maxWarnings is how many different warnings are passed on, once each.
const maxWarnings = 64

// Service is discovery on a network. The zero Service is ready. Announce and
// Browse may run at once, several times over, if its functions and Rand allow it.
type Service struct {
	Net    Net      // nil: System()
	Port   uint16   // 0: DefaultPort
	Ifaces []string // names of the interfaces to use; none: all

	// Warn is told, once each, what does not work on which interface. It
	// must not block. Nothing of it is fatal, and all is tried again.
	Warn func(string)

	// Debug is told, once each, which interfaces are left alone for no reason
	// to worry about: they are down. It must not block.
	Debug func(string)

	// Peers are hosts that are asked by unicast, in the same rhythm as everyone
	// on the links: routers pass that on, and no broadcast. At most 32 count. For
	// Announce they are who may ask from other networks even by public addresses.
	Peers []netip.AddrPort

	// DNSSD uses multicast DNS besides, on the sockets of the system whatever
	// Net is: rooms are published, and published hosts asked.
	DNSSD bool

	// Call begins a TCP connection to an address and ends it, for somebody who wants
	// to know whether others reach him. It must not block. Nil: that is not done.
	Call func(to netip.AddrPort)

	// Keep tells which rooms to list even if there are too many. It must
	// not block.
	Keep func(key [32]byte) bool

	// Changed, if not nil, makes Announce ask for its rooms at once.
	Changed <-chan struct{}

	Count *Counters // counted into, if not nil
	Rand  io.Reader // nil: crypto/rand
}

// Announce tells the network which rooms are here until ctx ends, then takes
// them back, which takes 200 ms, and returns nil. An error means that Rand has
// failed. It asks for the rooms at first, then every two seconds and when told
// by Changed; rooms that are new, changed or gone are announced at once.
func (s *Service) Announce(ctx context.Context, rooms func() []Room) error {
	return s.run(ctx, false, func(now time.Time, d *dice, warn func(string), count *Counters) machine {
		a := newAnnouncer(now, d, rooms, warn, count)
		for _, p := range s.Peers[:min(len(s.Peers), maxPeers)] {
			a.friends = append(a.friends, p.Addr())
		}
		return a
	})
}

// Browse looks for rooms until ctx ends, and then returns nil. An error means
// that Rand has failed. It calls heard, never two at a time, with each room
// that is found, changed or gone.
func (s *Service) Browse(ctx context.Context, heard func(Sighting)) error {
	keep := s.Keep
	if keep == nil {
		keep = func([32]byte) bool { return false }
	}
	return s.run(ctx, true, func(now time.Time, d *dice, _ func(string), count *Counters) machine {
		b := newBrowser(now, d, keep, heard, count)
		b.peers = s.Peers[:min(len(s.Peers), maxPeers)]
		return b
	})
}

// machine is what Announce and Browse are without sockets and clocks.
type machine interface {
	linksAre(now time.Time, links []Interface, fresh bool)
	handle(now time.Time, from netip.AddrPort, msg []byte)
	handleDirect(now time.Time, from netip.AddrPort, at netip.Addr, msg []byte) // sent to at, one of our addresses
	published() []Room                                                          // by DNS-SD
	lead(now time.Time, to netip.AddrPort)                                      // a host that DNS-SD tells of
	sockets() (direct, far bool)                                                // which it needs besides those of the links
	poll(now time.Time)
	leave(now time.Time)
	tick(now time.Time) (out []packet, wake time.Time)
}

// run drives a machine: the one loop that waits.
func (s *Service) run(ctx context.Context, looking bool, start func(time.Time, *dice, func(string), *Counters) machine) error {
	n, port, count, d := s.Net, s.Port, s.Count, &dice{source: s.Rand}
	if n == nil {
		n = System()
	}
	if port == 0 {
		port = DefaultPort
	}
	if count == nil {
		count = new(Counters)
	}
	if d.source == nil {
		d.source = rand.Reader
	}
	warn := once(s.Warn)
	l := newLinks(n, port, s.Ifaces, warn, count)
	l.debug = once(s.Debug)
	defer l.close()
	m := start(time.Now(), d, warn, count)
	l.direct, l.far = m.sockets()
	l.refresh(ctx)
	m.linksAre(time.Now(), l.now, false)

	var leads <-chan netip.AddrPort
	follow := func() {}
	if s.DNSSD {
		r := newResponder(d, looking, warn)
		defer r.close()
		leads, follow = r.found, func() { r.follow(l.now, m.published()) }
		follow()
	}
	again := time.Now().Add(rescan) // for two timers that are due at once, select would draw lots
	timer := time.NewTimer(0)
	defer timer.Stop()
	ended, changed := ctx.Done(), s.Changed
	for d.err == nil {
		out, wake := m.tick(time.Now())
		for _, p := range out {
			l.send(p)
			if p.call && s.Call != nil {
				s.Call(p.to)
			}
		}
		if wake.IsZero() {
			break
		}
		if again.Before(wake) {
			wake = again
		}
		timer.Reset(time.Until(wake))
		select {
		case <-timer.C:
			if time.Now().Before(again) {
				break
			}
			again = time.Now().Add(rescan)
			if change, fresh := l.refresh(ctx); change || fresh {
				m.linksAre(time.Now(), l.now, fresh)
			}
			m.poll(time.Now())
			follow()
		case in := <-l.inbox:
			count.Heard.Add(1)
			if in.at.IsValid() {
				m.handleDirect(time.Now(), in.from, in.at, in.data[:in.size])
			} else {
				m.handle(time.Now(), in.from, in.data[:in.size])
			}
			datagrams.Put(in)
		case to := <-leads:
			m.lead(time.Now(), to)
		case _, open := <-changed:
			if !open {
				changed = nil
			}
			m.poll(time.Now())
			follow()
		case <-ended:
			ended = nil
			m.leave(time.Now())
			follow()
		}
	}
	return d.err
}

// once passes each warning on once.
func once(warn func(string)) func(string) {
	var mu sync.Mutex
	said := map[string]bool{}
	return func(what string) {
		mu.Lock()
		again := said[what] || len(said) == maxWarnings || warn == nil
		if !again {
			said[what] = true
		}
		mu.Unlock()
		if !again {
			warn(what)
		}
	}
}
