package udp

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"parley/transport"
)

// sim runs two links against each other without sockets, goroutines or clocks:
// time is a number. End 0 is the member, end 1 the host.
type sim struct {
	t      testing.TB
	now    instant
	random *rand.Rand
	links  [2]*link
	wires  [2]wire // from end i
	at     [2]netip.AddrPort
	due    [2]instant
	on     arrivals
	order  uint64
	paused [2]bool // nobody receives at this end
	frozen [2]bool // this end does not run at all
	got    [2][][]byte

	// seen, if not nil, is shown every datagram that leaves; what it
	// returns false for is lost.
	seen func(from int, b []byte, to netip.AddrPort) bool
	sent [2]int // datagrams
	size [2]int // and bytes
}

// wire is how one direction fares.
type wire struct {
	loss, dup, late, corrupt float64
	delay, jitter, lateBy    instant
	mtu                      int
	cut                      bool

	police float64 // packets a second that pass, the rest is lost; 0: all
	tokens float64 // that may pass now, at most policeBurst
	at     instant // when tokens was true

	link  *bottleneck  // or nil
	queue *packetQueue // or nil
}

// packetQueue is a path on which every packet takes its time, and so many wait at most.
type packetQueue struct {
	per  instant // for each packet
	most int     // that wait
	free instant // when all that wait have left
}

// pass is how long a packet takes, if it is not dropped.
func (k *packetQueue) pass(now instant) (wait instant, ok bool) {
	start := max(k.free, now)
	if start-now > instant(k.most)*k.per {
		return 0, false
	}
	k.free = start + k.per
	return k.free - now, true
}

const policeBurst = 5

// passes tells whether a policed wire passes a packet.
func (w *wire) passes(now instant) bool {
	if w.police == 0 {
		return true
	}
	w.tokens = min(policeBurst, w.tokens+w.police*float64(now-w.at)/float64(second))
	if w.at = now; w.tokens < 1 {
		return false
	}
	w.tokens--
	return true
}

// bottleneck is a link that is slower than those who send, and its queue.
type bottleneck struct {
	rate  float64 // bytes a nanosecond
	queue instant // what takes longer to send is dropped
	free  instant // when all that is queued has left
}

// pass is how long a packet of n bytes takes, if it is not dropped.
func (k *bottleneck) pass(n int, now instant) (wait instant, ok bool) {
	start := max(k.free, now)
	if start-now > k.queue {
		return 0, false
	}
	k.free = start + instant(float64(n)/k.rate)
	return k.free - now, true
}

type arrival struct {
	at    instant
	order uint64
	end   int
	from  netip.AddrPort
	b     []byte
}

type arrivals []arrival

func (a arrivals) Len() int      { return len(a) }
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)   { *a = append(*a, x.(arrival)) }
func (a arrivals) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a *arrivals) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func newSim(t testing.TB, seed uint64, plain bool, w wire) *sim {
	s := &sim{t: t, random: rand.New(rand.NewPCG(seed, 0)), wires: [2]wire{w, w}, due: [2]instant{never, never},
		at: [2]netip.AddrPort{clientAddr, serverAddr}}
	for i := range s.links {
		var guard protector = checksum{}
		if !plain {
			sealer, err := newSealer(keying{secret: [32]byte{1}}, [32]byte{2}, i == 0)
			if err != nil {
				t.Fatal(err)
			}
			guard = sealer
		}
		l := newLink(7, i == 1, s.at[1-i], guard, 0, 0)
		l.rand = rand.NewChaCha8([32]byte{byte(seed), byte(i)})
		l.mute, l.ping = i == 1, i == 0
		s.links[i] = l
	}
	s.serve(0)
	s.serve(1)
	return s
}

// serve is what an Endpoint does with a link.
func (s *sim) serve(i int) {
	l := s.links[i]
	if s.frozen[i] {
		return
	}
	l.tick(s.now)
	for n := 0; ; n++ {
		if n == 100_000 {
			s.t.Fatalf("end %d at %v: it does not stop sending", i, duration(s.now))
		}
		b, to := l.poll(make([]byte, 0, largePacket), s.now)
		if b == nil {
			break
		}
		s.carry(i, b, to)
	}
	s.receive(i)
	s.due[i] = l.wake(s.now)
}

func (s *sim) receive(i int) {
	for !s.paused[i] {
		msg, ok := s.links[i].pop(nil)
		if !ok {
			return
		}
		s.got[i] = append(s.got[i], msg)
	}
}

// carry sends a datagram on its way.
func (s *sim) carry(i int, b []byte, to netip.AddrPort) {
	s.sent[i]++
	s.size[i] += len(b)
	w, r := s.wires[i], s.random
	if s.seen != nil && !s.seen(i, b, to) || w.cut || !s.wires[i].passes(s.now) || w.mtu > 0 && len(b) > w.mtu || r.Float64() < w.loss || to != s.at[1-i] {
		return
	}
	queued := instant(0)
	if w.link != nil {
		var ok bool
		if queued, ok = w.link.pass(len(b), s.now); !ok {
			return
		}
	}
	if w.queue != nil {
		var ok bool
		if queued, ok = w.queue.pass(s.now); !ok {
			return
		}
	}
	copies := 1
	if r.Float64() < w.dup {
		copies = 2
	}
	for range copies {
		c := append([]byte(nil), b...)
		if r.Float64() < w.corrupt {
			c[r.IntN(len(c))] ^= 1 << r.IntN(8)
		}
		wait := w.delay + queued
		if w.jitter > 0 {
			wait += instant(r.Int64N(int64(w.jitter)))
		}
		if r.Float64() < w.late {
			wait += w.lateBy
		}
		s.arrive(wait, 1-i, s.at[i], c)
	}
}

// arrive has b arrive at an end after wait.
func (s *sim) arrive(wait instant, end int, from netip.AddrPort, b []byte) {
	s.order++
	heap.Push(&s.on, arrival{s.now + wait, s.order, end, from, b})
}

// run lets time pass until the given moment, or until the condition holds.
func (s *sim) run(until instant, done func() bool) bool {
	for steps := 0; ; steps++ {
		if steps == 2_000_000 {
			s.t.Fatalf("at %v: no end; next %v and %v", duration(s.now), duration(s.due[0]), duration(s.due[1]))
		}
		if done != nil && done() {
			return true
		}
		next, end := until, -1
		if len(s.on) > 0 && s.on[0].at <= next {
			next, end = s.on[0].at, 2
		}
		for i, at := range s.due {
			if at < next && !s.frozen[i] {
				next, end = at, i
			}
		}
		s.now = max(s.now, next)
		switch end {
		case -1:
			return done != nil && done()
		case 2:
			a := heap.Pop(&s.on).(arrival)
			s.handle(a)
		default:
			s.serve(end)
		}
	}
}

func (s *sim) handle(a arrival) {
	if s.frozen[a.end] {
		s.arrive(10*millisecond, a.end, a.from, a.b) // its socket keeps it
		return
	}
	l := s.links[a.end]
	if l.handle(a.b, a.from, s.now) {
		s.receive(a.end)
		if l.restless(s.now) || l.creditDue() {
			s.serve(a.end)
		}
	}
}

// send pushes a message if there is room.
func (s *sim) send(i int, d transport.Delivery, msg []byte) bool {
	l := s.links[i]
	if l.stage != open || !l.room(d, len(msg)) {
		return false
	}
	l.push(d, msg)
	s.serve(i)
	return true
}

// mustSend lets time pass until there is room.
func (s *sim) mustSend(i int, d transport.Delivery, msg []byte) {
	s.t.Helper()
	if s.send(i, d, msg) {
		return
	}
	if !s.run(s.now+1000*second, func() bool { return s.links[i].room(d, len(msg)) || s.links[i].stage != open }) || !s.send(i, d, msg) {
		s.t.Fatalf("end %d at %v: no room for a message; stage %d, %v", i, duration(s.now), s.links[i].stage, s.links[i].err)
	}
}

// simMessage makes message n, whose bytes follow from n and its size.
func simMessage(n, size int) []byte {
	b := make([]byte, max(size, 4))
	binary.BigEndian.PutUint32(b, uint32(n))
	for i := 4; i < len(b); i++ {
		b[i] = byte(n + i*i)
	}
	return b
}

// simNumber says which message this is, or -1 if it is damaged.
func simNumber(b []byte) int {
	if len(b) < 4 {
		return -1
	}
	n := int(binary.BigEndian.Uint32(b))
	if string(simMessage(n, len(b))) != string(b) {
		return -1
	}
	return n
}

// frameLink is a link that nobody answers, to put frames into.
func frameLink(host bool) *link {
	l := newLink(7, host, clientAddr, checksum{}, 0, 0)
	l.rand = rand.NewChaCha8([32]byte{9})
	return l
}

// packetOf makes a plaintext packet that the other end of l could have sent.
func packetOf(l *link, number uint64, payload []byte) []byte {
	kind := byte(packetPlain)
	if !l.host {
		kind |= packetFromHost
	}
	b := appendPacketHeader(nil, kind, l.id, number, 0)
	return checksum{}.seal(append(b, payload...), len(b), number)
}
