package transporttest

import (
	"cmp"
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Link is how one machine's traffic to another fares. The zero Link is
// perfect. The shares are between 0 and 1 and drawn for each datagram.
//
// Streams stay reliable: for them a loss is a delay, and Dup, Reorder, Corrupt
// and MTU mean nothing.
type Link struct {
	Loss    float64       // share that is lost
	Dup     float64       // share that arrives twice
	Reorder float64       // share held back for 1 ms and twice Delay and Jitter, so that others overtake
	Corrupt float64       // share in which one bit is flipped
	Delay   time.Duration // of everything
	Jitter  time.Duration // at most so much more, evenly drawn
	MTU     int           // larger payloads vanish, without a word; 0: none do
	Cut     bool          // nothing passes; streams wait
}

// Counts tell what became of datagrams.
type Counts struct {
	Sent       int // handed to the network, each receiver of a broadcast counted
	Delivered  int // put into a socket's inbox, copies counted
	Lost       int // by Loss
	Cut        int // by Cut
	TooBig     int // by MTU
	Duplicated int // by Dup
	Reordered  int // by Reorder
	Overtaken  int // arrived after one of the same way that was sent later
	Corrupted  int // by Corrupt
	Overflowed int // the inbox was full
	Nowhere    int // nobody has the address or the port; broadcasts apart
	Stream     int // bytes of streams delivered
}

// Dropped is how many datagrams did not arrive.
func (c Counts) Dropped() int { return c.Lost + c.Cut + c.TooBig + c.Overflowed + c.Nowhere }

// A LAN is a network in memory: one link without routers. It works inside a
// synctest bubble, in virtual time, if it is made there, and outside in real
// time. It has no goroutine of its own.
//
// What is random depends on the seed and on how many datagrams the same
// machine has sent to the same other one before, on nothing else.
type LAN struct {
	seed uint64

	mu       sync.Mutex // guards everything of the LAN: machines, sockets, streams
	machines []*Machine
	pairs    map[[2]*Machine]*pair
	usual    Link
	total    Counts
	waiting  events
	events   uint64
	timer    *time.Timer
	streams  map[*stream]bool
	made     uint64 // streams, ever
}

// NewLAN makes a LAN on which every pair of machines has the given Link.
func NewLAN(seed uint64, usual Link) *LAN {
	return &LAN{seed: seed, usual: usual, pairs: map[[2]*Machine]*pair{}, streams: map[*stream]bool{}}
}

// pair is the way from one machine to another.
type pair struct {
	link   Link
	own    bool // link was set for this pair
	rng    *rand.Rand
	counts Counts
	newest int // the datagram sent last of those that have arrived, counted from 1
}

// SetAll gives every pair of machines the same Link, now and later.
func (l *LAN) SetAll(link Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.usual = link
	for _, p := range l.pairs {
		p.own = false
	}
	l.retryStreams()
}

// Set gives the way from one machine to another a Link of its own. The way
// back keeps its own.
func (l *LAN) Set(from, to *Machine, link Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pair(from, to)
	p.link, p.own = link, true
	l.retryStreams()
}

// Link returns the Link from one machine to another.
func (l *LAN) Link(from, to *Machine) Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.linkOf(from, to)
}

// Cut cuts the ways between two machines, or mends them.
func (l *LAN) Cut(a, b *Machine, cut bool) {
	for _, way := range [][2]*Machine{{a, b}, {b, a}} {
		link := l.Link(way[0], way[1])
		link.Cut = cut
		l.Set(way[0], way[1], link)
	}
}

// Partition cuts every way between the given machines and all others, both
// directions, or mends them.
func (l *LAN) Partition(cut bool, island ...*Machine) {
	l.mu.Lock()
	all := slices.Clone(l.machines)
	l.mu.Unlock()
	for _, a := range island {
		for _, b := range all {
			if !slices.Contains(island, b) {
				l.Cut(a, b, cut)
			}
		}
	}
}

// Counts returns what became of all datagrams so far.
func (l *LAN) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// CountsOf returns what became of the datagrams from one machine to another.
func (l *LAN) CountsOf(from, to *Machine) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pair(from, to).counts
}

func (l *LAN) pair(from, to *Machine) *pair {
	p := l.pairs[[2]*Machine{from, to}]
	if p == nil {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\x00%s", from.name, to.name)
		p = &pair{rng: rand.New(rand.NewPCG(l.seed, h.Sum64()))}
		l.pairs[[2]*Machine{from, to}] = p
	}
	return p
}

// linkOf returns the link that holds for a pair. A machine reaches itself
// perfectly unless told otherwise.
func (l *LAN) linkOf(from, to *Machine) Link {
	p := l.pair(from, to)
	if p.own {
		return p.link
	}
	if from == to {
		return Link{}
	}
	return l.usual
}

// count adds to the counters of the LAN and of a pair.
func (l *LAN) count(p *pair, field func(*Counts) *int, n int) {
	*field(&l.total) += n
	*field(&p.counts) += n
}

// event is something that happens later.
type event struct {
	at    time.Time
	order uint64
	do    func() // with l.mu held
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e events) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), cmp.Compare(e[i].order, e[j].order)) < 0
}
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = event{}
	*e = (*e)[:len(*e)-1]
	return last
}

// after does something after d, in the order of time; at once if d is zero.
func (l *LAN) after(d time.Duration, do func()) {
	if d <= 0 {
		do()
		return
	}
	l.at(time.Now().Add(d), do)
}

func (l *LAN) at(at time.Time, do func()) {
	l.events++
	heap.Push(&l.waiting, event{at, l.events, do})
	if l.waiting[0].order == l.events {
		l.wake()
	}
}

// wake sets the timer for the first event.
func (l *LAN) wake() {
	if l.timer != nil {
		l.timer.Stop()
	}
	if len(l.waiting) > 0 {
		l.timer = time.AfterFunc(time.Until(l.waiting[0].at), l.happen)
	}
}

func (l *LAN) happen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) > 0 && !l.waiting[0].at.After(time.Now()) {
		heap.Pop(&l.waiting).(event).do()
	}
	l.wake()
}

// owner returns the machine that has the address.
func (l *LAN) owner(ip netip.Addr) *Machine {
	for _, m := range l.machines {
		if m.has(ip) {
			return m
		}
	}
	return nil
}

// Interface is a network interface of a Machine.
type Interface struct {
	Name     string
	Index    int
	Flags    net.Flags
	Prefixes []netip.Prefix // the interface's addresses, with the length of their subnets
}
