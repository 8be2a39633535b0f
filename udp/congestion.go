package udp

// Congestion control is NewReno (RFC 9002, section 7) with two differences
// that a LAN asks for.
//
// The window never falls below leastWindow: loss on radio is random, and what
// a few dozen messages need must always flow. And a loss costs 30 % of the
// window, not half, as in CUBIC (RFC 9438).
const (
	leastWindow = 32 * basePacket
	mostWindow  = 8 << 20
	lossFactor  = 7 // tenths of the window that remain
)

type congestion struct {
	window    int
	threshold int    // slow start ends here; 0: not yet known
	recovery  uint64 // losses of packets before this one are of a round already answered
	credit    int    // bytes acknowledged towards the next packet of growth
}

func newCongestion() congestion { return congestion{window: leastWindow} }

// acked notes that a packet has arrived. limited tells whether the window was
// what kept the sender from sending more; one that is not used does not grow.
func (c *congestion) acked(number uint64, size int, limited bool) {
	if number < c.recovery || !limited || c.window >= mostWindow {
		return
	}
	if c.threshold == 0 || c.window < c.threshold {
		c.window += size
		return
	}
	if c.credit += size; c.credit >= c.window {
		c.credit -= c.window
		c.window += basePacket
	}
}

// lost notes that a packet was lost; next is the number of the next one.
func (c *congestion) lost(number, next uint64) {
	if number < c.recovery {
		return
	}
	c.recovery = next
	c.window = max(c.window*lossFactor/10, leastWindow)
	c.threshold, c.credit = c.window, 0
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
