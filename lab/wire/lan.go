//go:build !nolab

package wire

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	maxHosts   = 250     // the subnet is a /24
	defaultMTU = 1500    // of IP packets, as on any Ethernet
	maxEvents  = 1 << 20 // frames in flight and timers of stacks: more is a storm, not a lesson
	subnetBits = 24
)

// Config is what is the same for all of a LAN. The zero Config is a perfect
// network with the usual TCP.
type Config struct {
	Seed  uint64
	Way   Way          // how every way from one host to another is, unless Set
	Port  Port         // of every host
	MTU   int          // of every host's interface; 0: 1500
	TCP   TCP          // of every host
	Met   bool         // the hosts know each other's hardware addresses: no ARP
	Drops []Rule       // frames that are dropped by name
	Tap   func(*Frame) // told of every frame that a host sends, once its fate is known; it must not call the LAN
	// Label names the messages of which a frame carries a part. Nil: none.
	Label func(*Frame) []int
}

// A LAN is an Ethernet switch with hosts around it, in virtual time. It must
// be made and used inside a bubble of testing/synctest, in which nobody else
// may call synctest.Wait. Close it, and everything on it, before the bubble's
// main function returns.
type LAN struct {
	conf  Config
	zero  time.Time // virtual instants count from here
	kick  chan struct{}
	stop  chan struct{}
	ended chan struct{}

	sinceSweep int    // the pump's, like swept
	swept      uint64 // bytes in use after the last collection

	mu     sync.Mutex // guards all below, and the hosts' outboxes
	hosts  []*Host
	ways   map[[2]*Host]*way
	rules  []ruleState
	nat    *nat
	flows  map[flow]*stream
	events eventHeap
	frames uint64 // sent so far
	closed bool
}

// New makes a LAN and starts its pump.
func New(c Config) *LAN {
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	l := &LAN{
		conf: c, zero: time.Now(),
		kick: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
		ways: map[[2]*Host]*way{}, flows: map[flow]*stream{},
	}
	for _, r := range c.Drops {
		l.rules = append(l.rules, ruleState{Rule: r})
	}
	go l.pump()
	return l
}

// Now returns how long the LAN has existed, in virtual time.
func (l *LAN) Now() time.Duration { return time.Since(l.zero) }

// Host adds a host. The first has the address 10.77.0.1, the next 10.77.0.2.
func (l *LAN) Host(name string) *Host {
	l.mu.Lock()
	n := len(l.hosts) + 1
	l.mu.Unlock()
	if n > maxHosts {
		panic(fmt.Sprintf("wire: more than %d hosts", maxHosts))
	}
	h := newHost(l, name, n)
	if l.conf.Met {
		for _, o := range l.Hosts() {
			h.meet(o)
			o.meet(h)
		}
	}
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	return h
}

// Hosts returns all hosts in the order made.
func (l *LAN) Hosts() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

// Set says how the way from one host to another is from now on. The way back
// keeps its own.
func (l *LAN) Set(from, to *Host, w Way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.way(from, to).Way = w
}

// SetAll says how every way is from now on.
func (l *LAN) SetAll(w Way) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conf.Way = w
	for _, o := range l.ways {
		o.Way = w
	}
}

// maxRules is how many rules a LAN can have: each looks at every frame.
const maxRules = 1000

// Drop adds a rule, which counts from now on.
func (l *LAN) Drop(r Rule) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rules) >= maxRules {
		return fmt.Errorf("there are %d rules already", maxRules)
	}
	l.rules = append(l.rules, ruleState{Rule: r})
	return nil
}

// Isolate makes the switch keep apart the given hosts, as the access points of
// many schools do with their clients. The others still reach all, and are
// reached by all.
func (l *LAN) Isolate(hosts ...*Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hosts {
		h.isolated = slices.Contains(hosts, h)
	}
}

// Unplug pulls a host's cable, or puts it back. The host is not told.
func (l *LAN) Unplug(h *Host, out bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.unplugged = out
}

// Unmatched returns the rules that have dropped nothing yet.
func (l *LAN) Unmatched() (rules []Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rules {
		if !r.hit {
			rules = append(rules, r.Rule)
		}
	}
	return rules
}

// Close stops time for all hosts and ends their stacks. Sockets that are still
// open answer net.ErrClosed.
func (l *LAN) Close() {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.stop)
	}
	<-l.ended
	if first {
		for _, h := range l.Hosts() {
			h.close()
		}
	}
}

// way returns the way between two hosts. l.mu is held.
func (l *LAN) way(from, to *Host) *way {
	w := l.ways[[2]*Host{from, to}]
	if w == nil {
		w = &way{Way: l.conf.Way, luck: luckOf(l.conf.Seed, from.name, to.name)}
		l.ways[[2]*Host{from, to}] = w
	}
	return w
}

// owner returns the host that has a hardware address. l.mu is held.
func (l *LAN) owner(mac [6]byte) *Host {
	for _, h := range l.hosts {
		if h.mac == mac {
			return h
		}
	}
	return nil
}

// addrOf returns the address of the nth host.
func addrOf(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(n)}) }
