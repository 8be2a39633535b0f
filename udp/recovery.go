package udp

import "math"

// Recovery finds out what became of the packets sent: which arrived, which
// are lost, how long a round trip takes, when to probe. It follows RFC 9002
// with figures for a LAN.
const (
	firstRTT      = 10 * millisecond  // until measured
	leastProbe    = 2 * millisecond   // shortest wait before asking what became of a packet
	wary          = 1 * second        // after a loss, how long each packet is to be acknowledged at once,
	waryPackets   = 64                // and how many at least: who says little meets the next loss later
	waryFirst     = 4                 // of a path of which nothing is known yet; few, since hundreds may do so together
	spacingMost   = 2 * ackDelay      // a longer pause between packets says no more than this
	rideAfter     = 12 * millisecond  // what was probed for twice waits as long for a packet to ride on,
	rideLoss      = 0.15              // or once, where such a share is lost
	rideUnder     = 4 * basePacket    // bytes under way, beyond which nothing rides
	longTrip      = 20 * millisecond  // a round trip from which on what is said is said twice
	doubling      = 3 * second        // after a loss
	mostProbe     = 1 * second        // longest
	soonProbe     = 300 * millisecond // longest while the peer has not been silent for hopeful
	hopeful       = 3 * second
	patience      = 2  // probes at the same distance, before it doubles each time
	doubleAfter   = 3  // probes in a row, after which each is sent twice
	mostCopied    = 64 // pieces that are sent twice
	leastReorder  = 3  // packets that may overtake one before it counts as lost
	mostReorder   = 1024
	mostLate      = 500 * millisecond // a packet may be overtaken for, likewise
	unlearn       = 64                // truly lost packets by which what late ones have taught is forgotten, about
	granularity   = 1 * millisecond
	timeThreshold = 9          // eighths of a round trip after which an overtaken packet counts as lost
	rememberLost  = 1 * second // how long a lost packet may still turn up and count as spurious
	rememberMost  = 2048       // packets kept for that
	mostSent      = 1 << 14    // packets kept at all; more than any window holds of full ones
	mostLarge     = 8          // large packets lost in a row before the path counts as too narrow for them
)

type packetState uint8

const (
	untracked packetState = iota // nothing in it needs to arrive
	flying
	arrived
	lost
)

// sentPacket is what is kept of a packet sent.
type sentPacket struct {
	at     instant
	from   uint64 // its refs are recovery.refs from this one on, counted from the first ever
	refs   uint16 // and as many
	again  uint16 // the first ones of them earlier packets carried, too
	size   uint16
	state  packetState
	copied bool // a probe carries its refs
	credit bool // it carried CREDIT
	bye    bool // it carried CLOSE
	large  bool // it tries whether the path carries large packets
	urgent bool // what is in it is to be acknowledged at once
	fresh  bool // it carried bytes never sent before
}

type rttEstimate struct{ smoothed, variance, least, latest instant }

// sample takes a round trip of which the peer says that he waited for delay
// before he answered. The shortest ever is never lowered by what he says.
func (r *rttEstimate) sample(latest, delay instant) {
	latest = max(latest, microsecond)
	if r.least == 0 {
		*r = rttEstimate{latest, latest / 2, latest, latest}
		return
	}
	r.least = min(r.least, latest)
	latest = max(latest-delay, r.least)
	r.latest = latest
	r.variance += (abs(r.smoothed-latest) - r.variance) / 4
	r.smoothed += (latest - r.smoothed) / 8
}

func abs(d instant) instant { return max(d, -d) }

type recovery struct {
	next        uint64            // number of the next packet
	sent        deque[sentPacket] // from number first on
	first       uint64
	settled     uint64     // no packet before this one is flying
	refs        deque[ref] // what the packets in sent carried, in their order
	refsGone    uint64     // how many were taken from the front of refs
	flying      int        // bytes that may still arrive
	flyingSince instant
	answered    instant // when the peer last acknowledged something new
	acked       uint64  // one more than the largest packet acknowledged
	proof       uint64  // packets are padded until this one, or a later one, is acknowledged
	asked       instant // when the last packet that wants an acknowledgement left
	delay       instant // what the peer may wait before it acknowledges that one
	freshAt     instant // when the last one left that carried something new
	spacing     instant // of those, about
	lostAt      instant // when one was last declared lost
	waryTo      uint64  // packets before this one are to be acknowledged at once
	probed      int     // probes since one was
	probes      int     // that are to be sent now, whatever the window
	lossAt      instant
	rtt         rttEstimate
	reorder     float64 // packets by which one may be overtaken before it counts as lost
	late        instant // and how old it may get, if that is more than timeThreshold allows
	creditLost  bool
	packet      int // bytes of a datagram
	largeTries  int
	largeAt     instant // when the last one left that tried
	largeOut    bool    // one is flying
	largeLost   int     // in a row
	cc          congestion
	pace        pacer
	choke       choke
}

func (r *recovery) init(rtt instant) {
	if rtt == 0 {
		rtt = firstRTT
	}
	r.rtt.smoothed, r.rtt.variance = rtt, rtt/2
	r.reorder = leastReorder
	r.packet, r.lossAt = basePacket, never
	r.spacing, r.lostAt, r.waryTo = spacingMost, -wary, waryFirst
	r.cc = newCongestion()
}

// probeAt is when to ask what became of the packets under way.
func (r *recovery) probeAt() instant {
	if r.flying == 0 {
		return never
	}
	wait := r.patience() + r.delay
	if back := r.probed - patience + 1; back > 0 {
		most := mostProbe
		if r.asked < max(r.answered, r.flyingSince)+hopeful {
			most = soonProbe
		}
		wait = min(wait<<min(back, 10), max(wait, most))
	}
	if r.probed >= patience || r.probed > 0 && r.choke.share >= rideLoss {
		if rides := r.freshAt + r.spacing*5/4; rides < r.asked+rideAfter {
			return max(r.asked+wait, rides, r.choke.next)
		}
	}
	return max(r.asked+wait, r.choke.next)
}

// patience is how long an answer given at once may take before it is worth asking.
func (r *recovery) patience() instant {
	return max(2*r.rtt.smoothed, r.rtt.smoothed+max(4*r.rtt.variance, granularity), leastProbe)
}

// wantsSoon tells whether a packet that leaves now is to be acknowledged at once.
// It is if packets are lost here, so that the next loss is found within a
// round trip. Where none are, acknowledgements may wait: a host that has said
// something to hundreds does not want all of them while it is at it.
func (r *recovery) wantsSoon(now instant) bool {
	return r.next < r.waryTo || now < r.lostAt+wary
}

// record notes a packet that leaves; its refs were put at the end of r.refs.
func (r *recovery) record(p sentPacket) {
	if p.state == flying {
		r.choke.left(r.flying == 0, p.at)
		if r.flying == 0 {
			r.flyingSince = p.at
		}
		r.flying += int(p.size)
		r.asked = p.at
		if p.fresh {
			r.spacing += (min(p.at-r.freshAt, spacingMost) - r.spacing) / 4
			r.freshAt = p.at
		}
	}
	p.from = r.refsGone + uint64(r.refs.len()) - uint64(p.refs)
	r.sent.push(p)
	r.next++
}

// eachRef gives what the i-th packet in sent carried.
func (r *recovery) eachRef(i int, each func(ref)) {
	p := r.sent.at(i)
	for j := range int(p.refs) {
		each(*r.refs.at(int(p.from-r.refsGone) + j))
	}
}

// forget drops packets from the front of sent of which all is known.
func (r *recovery) forget(now instant) {
	for r.sent.len() > 0 {
		p := r.sent.at(0)
		if p.state == flying || p.state == lost && now-p.at < rememberLost && r.sent.len() <= rememberMost {
			return
		}
		if p.state == lost { // it was no mistake to say so: the next may be sooner
			r.reorder -= (r.reorder - leastReorder) / unlearn
			r.late -= r.late / unlearn
		}
		r.dropFirst()
	}
}

func (r *recovery) dropFirst() {
	p := r.sent.pop()
	for range p.refs {
		r.refs.pop()
	}
	r.refsGone += uint64(p.refs)
	r.first++
	r.settled = max(r.settled, r.first)
}

// makeRoom keeps sent within bounds whatever the peer acknowledges.
func (l *link) makeRoom(now instant) {
	for l.sent.len() >= mostSent {
		if l.sent.at(0).state == flying {
			l.lose(l.first, now)
		}
		l.dropFirst()
	}
}

// onAck takes an ACK. It returns false where it names packets never sent.
func (l *link) onAck(r *reader, now instant) bool {
	var newest *sentPacket // the largest newly acknowledged
	before, news := l.flying, false
	top := uint64(0)
	_, delay := r.ack(func(s span) {
		top = max(top, s.hi)
		for n := min(s.hi, l.next); n > max(s.lo, l.first); n-- {
			if p, fresh := l.arrive(n-1, before, now); fresh {
				if news = true; newest == nil && n > l.acked {
					newest = p
				}
			}
		}
	})
	if r.bad || top > l.next {
		return false
	}
	if newest != nil {
		l.rtt.sample(now-newest.at, instant(min(delay, uint64(second/microsecond)))*microsecond)
		l.cc.sampled(&l.rtt, top-1, l.next)
		if l.trace != nil && l.trace.RTT != nil {
			l.trace.RTT(l.id, duration(l.rtt.latest), duration(l.rtt.smoothed))
		}
	}
	l.acked = max(l.acked, top)
	if news {
		l.probed, l.probes, l.answered = 0, 0, now
		l.findLost(now)
		l.traceWindow()
		l.settle(now)
	}
	l.forget(now)
	return true
}

// arrive notes that packet n has been acknowledged; flew is how much was under
// way when the acknowledgement came.
func (l *link) arrive(n uint64, flew int, now instant) (p *sentPacket, fresh bool) {
	i := int(n - l.first)
	p = l.sent.at(i)
	switch p.state {
	case flying:
		l.flying -= int(p.size)
		l.choke.arrived(now)
		if !p.large {
			l.cc.acked(n, int(p.size), 2*flew >= l.cc.window, l.rtt.smoothed, now)
		}
	case lost: // it was only late: be slower to give up
		l.stats.Spurious++
		l.choke.late(now)
		l.reorder = min(max(l.reorder, float64(l.acked-n+1)), mostReorder)
		l.late = min(max(l.late, now-p.at), mostLate)
	default:
		return p, false
	}
	if p.large {
		l.packet, l.largeTries, l.largeOut = largePacket, 0, false
	}
	if p.size > basePacket {
		l.largeLost = 0
	}
	if p.bye && l.stage == lingering {
		l.stage = gone
	}
	p.state = arrived
	l.eachRef(i, func(r ref) { l.out[r.lane].ack(r) })
	l.tracePacket(func(t *Trace) func(Packet) { return t.Acked }, n, int(p.size), nil, false, now)
	return p, true
}

// findLost declares packets lost that others overtook by number or by time.
func (l *link) findLost(now instant) {
	l.lossAt = never
	limit := max(timeThreshold*max(l.rtt.smoothed, l.rtt.latest)/8, l.late, granularity)
	for n := l.settled; n < l.acked; n++ {
		p := l.sent.at(int(n - l.first))
		if p.state == flying && float64(l.acked-1-n) < math.Round(l.reorder) && now-p.at < limit {
			l.lossAt = min(l.lossAt, p.at+limit)
			continue
		}
		if p.state == flying {
			l.lose(n, now)
		}
		if n == l.settled {
			l.settled++
		}
	}
}

// lose declares packet n lost; what it carried is sent again.
func (l *link) lose(n uint64, now instant) {
	i := int(n - l.first)
	p := l.sent.at(i)
	p.state = lost
	l.flying -= int(p.size)
	l.stats.Lost++
	l.lostAt, l.waryTo = now, l.next+waryPackets
	l.choke.missed()
	if p.large {
		l.largeOut = false
	} else {
		l.cc.lost(n, l.next, &l.rtt)
		if p.size > basePacket {
			most := mostLarge
			if l.choke.holds { // where most are lost, a few say nothing of the large ones
				most *= 4
			}
			if l.largeLost++; l.largeLost >= most {
				l.packet, l.largeLost = basePacket, 0
			}
		}
	}
	l.requeue(i, 0)
	l.tracePacket(func(t *Trace) func(Packet) { return t.Lost }, n, int(p.size), nil, false, now)
}

// requeue has what the i-th packet carried sent again, from its ref first on, where it is still wanted.
func (l *link) requeue(i, first int) (size int) {
	p := l.sent.at(i)
	l.creditLost = l.creditLost || p.credit
	l.bye.due = l.bye.due || p.bye && l.stage == lingering
	l.eachRef(i, func(r ref) {
		if first--; first >= 0 {
			return
		}
		o := &l.out[r.lane]
		for last := r.number + uint64(r.more); ; {
			if r.more = 0; o.wants(r) {
				l.resend.push(r)
				size += int(r.size)
			}
			if r.number == last {
				break
			}
			r.number++
			r.offset, r.size = 0, o.size(r.number)
		}
	})
	return size
}

// probe has packets sent whatever the window, to learn what became of the
// others. They carry what has waited longest, so that a lost last message
// costs one probe and not one more round trip.
func (l *link) probe() {
	l.probed++
	copies := 1
	if l.probed > doubleAfter {
		copies = 2
	}
	if l.probed > doubleAfter && l.packet > basePacket && !l.choke.holds {
		l.packet = basePacket // the path may no longer carry large packets
	}
	l.probes = copies
	l.repeat(true)
	// The same again, in a datagram of its own. Where more is waiting, the
	// second datagram carries other bytes: copies of copies have no bound.
	if n := l.resend.len(); copies == 2 && n > 0 && n <= mostCopied {
		l.resend.push(ref{})
		for i := range n {
			l.resend.push(*l.resend.at(i))
		}
	}
	if !l.resending() {
		l.ping, l.probes = true, 1
	}
}

// doubles tells whether the next packet is to carry what the ones before it did
// besides what is new: where a round trip is long and packets were lost lately,
// a message that is lost would otherwise be two round trips late. Only what
// takes no packet more is sent twice, and none of a stream.
func (l *link) doubles(limit int, now instant) bool {
	return l.rtt.least >= longTrip && now < l.lostAt+doubling && l.flying > 0 && l.flying < rideUnder && l.probes == 0 &&
		!l.resending() && l.out[0].unsent()+l.out[1].unsent()+basePacket/2+mostHeader < limit
}

// repeat has what has waited longest sent again, or, unless all, what is under way for the
// first time.
func (l *link) repeat(all bool) {
	end := l.sent.len()
	for size, i := 0, int(max(l.settled, l.first)-l.first); i < end && size < basePacket/2; i++ {
		if p := l.sent.at(i); p.state == flying && !p.copied {
			p.copied = true
			first := int(p.again)
			if all {
				first = 0
			}
			size += l.requeue(i, first)
		}
	}
}
