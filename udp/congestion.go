package udp

import "math"

// Congestion control is CUBIC (RFC 9438), as in nearly all that a LAN carries
// besides, so that who shares a narrow link with us gets his half. It leaves slow
// start where the round trip grows, as HyStart++ does (RFC 9406), and not only
// when the queue has overflowed. Two things differ, as a LAN asks for them.
//
// Loss on radio is random, and what a few dozen messages need must always flow.
// So the window does not fall below leastWindow, but only while the round trip
// is that of a LAN whose queues are empty: short, but for jitter. Where it is
// longer, a queue has built up or the path goes elsewhere, and the least window
// goes down with its square, to fewPackets. And a path that drops most of what it is sent is sent less: choke.
const (
	leastWindow = 64 * basePacket // to shortTrip; that is 300 Mbit/s
	shortTrip   = 2 * millisecond // a full queue of a link of 50 Mbit/s or more is seldom shorter
	fewPackets  = 4 * basePacket  // never fewer, or the last ones of a message could only be probed for
	firstWindow = 32 * basePacket // paced: see burstPackets
	mostWindow  = 8 << 20
	lossFactor  = 0.7                                     // of the window that remains
	cubicC      = 0.4                                     // segments a second cubed
	cubicAlpha  = 3 * (1 - lossFactor) / (1 + lossFactor) // segments a round trip: as many as Reno has with lossFactor 1/2
	segment     = float64(largePacket)

	delaySamples = 8 // least number of round trips measured in a round
	leastDelay   = 4 * millisecond
	mostDelay    = 16 * millisecond
)

type congestion struct {
	window    int
	threshold int     // slow start ends here; 0: not yet known
	recovery  uint64  // losses of packets before this one are of a round already answered
	most      float64 // the window at the last loss
	steady    float64 // what Reno's would be
	part      float64 // of a byte that the window should be larger
	since     instant // start of the curve; never: at the next acknowledgement
	rise      instant // from since until the curve is at most

	round struct { // of slow start
		end     uint64 // the packet after its last one
		least   instant
		samples int
	}
}

func newCongestion() congestion {
	c := congestion{window: firstWindow, since: never}
	c.round.least = never
	return c
}

// acked notes that a packet has arrived. limited tells whether the window was
// what kept the sender from sending more; one that is not used does not grow.
func (c *congestion) acked(number uint64, size int, limited bool, rtt, now instant) {
	switch {
	case number < c.recovery || c.window >= mostWindow:
	case !limited:
		c.since = never
	case c.threshold == 0 || c.window < c.threshold:
		c.window += size
	default:
		c.grow(float64(size), rtt, now)
	}
}

// grow follows the curve, or Reno where that is faster.
func (c *congestion) grow(size float64, rtt, now instant) {
	w := float64(c.window) + c.part
	if c.since == never {
		c.since, c.steady = now, w
		c.most = max(c.most, w)
		c.rise = instant(math.Cbrt((c.most-w)/segment/cubicC) * float64(second))
	}
	t := float64(now+rtt-c.since-c.rise) / float64(second)
	target := min(max(c.most+cubicC*segment*t*t*t, w), 1.5*w)
	alpha := cubicAlpha
	if c.steady >= c.most {
		alpha = 1
	}
	c.steady += alpha * segment * size / w
	w = max(w+(target-w)*size/w, c.steady)
	c.window = int(w)
	c.part = w - float64(c.window)
}

// sampled ends slow start where the round trips of a round are all longer than
// the least ever: what jitter adds is not in all of them, what a queue adds is.
func (c *congestion) sampled(rtt *rttEstimate, acked, next uint64) {
	if c.threshold != 0 {
		return
	}
	r := &c.round
	r.least = min(r.least, rtt.latest)
	if r.samples++; acked < r.end || r.samples < delaySamples {
		return
	}
	if r.least >= rtt.least+min(max(rtt.least/8, leastDelay), mostDelay) {
		c.threshold = c.window
	}
	r.end, r.least, r.samples = next, never, 0
}

// lost notes that a packet was lost; next is the number of the next one.
func (c *congestion) lost(number, next uint64, rtt *rttEstimate) {
	if number < c.recovery {
		return
	}
	c.recovery = next
	w := float64(c.window)
	if c.most > w { // somebody came: leave him some
		c.most = w * (1 + lossFactor) / 2
	} else {
		c.most = w
	}
	c.window = max(int(w*lossFactor), leastFor(rtt.smoothed-4*rtt.variance))
	c.threshold, c.part, c.since = c.window, 0, never
}

// leastFor is how small the window may become, where trip is the part of the
// round trip that is no jitter.
func leastFor(trip instant) int {
	ratio := float64(shortTrip) / float64(max(trip, shortTrip))
	return max(int(leastWindow*ratio*ratio), fewPackets)
}

// The pacer spreads packets over the round trip, a quarter faster than the
// window asks, so that the window fills; a burst may be burstPackets, or what
// the rate gives in burstTime, as timers here are not finer than that.
const (
	burstPackets = 16
	burstTime    = 2 * millisecond
)

type pacer struct {
	tokens float64 // bytes that may leave now
	at     instant // when tokens was true
}

// rate is in bytes a nanosecond.
func (p *pacer) rate(window int, rtt instant) float64 {
	return 1.25 * float64(window) / float64(max(rtt, 50*microsecond))
}

func (p *pacer) refill(now instant, window int, rtt instant) {
	rate := p.rate(window, rtt)
	burst := max(burstPackets*float64(basePacket), rate*float64(burstTime))
	p.tokens = min(burst, p.tokens+rate*float64(now-p.at))
	p.at = now
}

// wait is how long until size bytes may leave.
func (p *pacer) wait(size, window int, rtt instant) instant {
	if p.tokens >= float64(size) {
		return 0
	}
	return instant((float64(size)-p.tokens)/p.rate(window, rtt)) + 1
}

// A path may pass some packets a second and drop the rest: a router that
// polices, a radio that is nearly gone. Round trips stay short there, so the
// window would let thousands of packets a second leave in vain. Where most are
// lost and yet some keep arriving, a choke spaces packets, probes too: 5 leave
// in the time in which 2 arrived.
//
// What is lost at random is not throttled by it, since there more arrive the
// more are sent: below 60 % of loss a rate that is two and a half times the
// delivered one only grows. And that tells the two apart: now and then a choke
// that holds is made firm, 3 leave for 2, and stays so while no fewer arrive.
// It lets go when none is lost any more. A darkness is one long run of losses, and no run
// counts for more than chokeRun. Time in which nothing was under way does not
// count, so that who says little is not taken for one with a narrow path.
const (
	chokeAt    = 0.7               // share lost, from which on it holds
	chokeUntil = 0.5               // below which it lets go
	chokeMean  = 32                // packets that share is a mean of, about
	chokeTimes = 16                // and gap
	chokeRun   = 8                 // losses in a row that count
	chokeTrial = 32                // packets that arrive before it is made firm,
	chokeAgain = 128               // and before it is again, if that was wrong
	chokeFewer = 1.4               // times the gap that is more than chance
	chokeFree  = 12                // packets in a row that arrive when the path is wide again
	chokeSlow  = 100 * millisecond // between two that arrived, the most that counts: 25 packets a second leave in any case, 15 if firm
	chokeFast  = 250 * microsecond // who gets so many through is not held
)

type choke struct {
	holds  bool
	firm   bool    // 3 leave for 2 that arrive
	share  float64 // of packets that were lost, lately
	gap    instant // between two that arrived, lately
	firmed instant // gap when it became firm, or less since
	trial  int     // packets that are to arrive before it does
	row    int     // that arrived since one was lost
	run    int     // losses since one arrived, less those that were none
	last   instant // when one arrived
	since  instant // from when on one has been under way, or was held
	next   instant // when the next packet may leave
}

// arrived notes that a packet has arrived.
func (c *choke) arrived(now instant) {
	c.gap += (min(now-max(c.last, c.since), chokeSlow) - c.gap) / chokeTimes
	c.share -= c.share / chokeMean
	c.run, c.last = min(c.run, 0), now
	c.row++
	if held := c.holds; !held {
		c.holds = c.share >= chokeAt
		c.firm, c.trial = false, chokeTrial
	} else if c.firm {
		c.holds = c.row < chokeFree
	} else {
		c.holds = c.share >= chokeUntil
	}
	if c.holds = c.holds && c.gap >= chokeFast; !c.holds {
		c.next = 0
		return
	}
	c.firmed = min(c.firmed, c.gap)
	if c.firm && float64(c.gap) > chokeFewer*float64(c.firmed) {
		c.firm, c.trial = false, chokeAgain
	} else if c.trial--; !c.firm && c.trial <= 0 {
		c.firm, c.firmed = true, c.gap
	}
}

// missed notes that a packet was lost, or, late, that it was not after all.
func (c *choke) missed() {
	c.row = 0
	if c.run++; c.run > 0 && c.run <= chokeRun {
		c.share += (1 - c.share) / chokeMean
	}
}

func (c *choke) late(now instant) {
	c.run = max(c.run-1, -chokeRun)
	c.arrived(now)
}

// left notes that a packet leaves; idle tells that no other one was under way.
// Where timers are late the next one follows the sooner.
func (c *choke) left(idle bool, now instant) {
	space := c.gap * 2 / 5
	if c.firm {
		space = c.gap * 2 / 3
	}
	if idle && !(c.holds && now < c.next+space) { // and not since the choke held it
		c.since = now
	}
	if c.holds {
		c.next = max(c.next, now-space) + space
	}
}
