package tcp

import (
	"time"

	"parley/transport"
)

// rtt smooths round-trip times as RFC 6298 does.
type rtt struct{ smooth, dev, least time.Duration }

func (r *rtt) sample(d time.Duration) {
	if r.smooth == 0 {
		*r = rtt{d, d / 2, d}
		return
	}
	r.dev += ((r.smooth - d).Abs() - r.dev) / 4
	r.smooth += (d - r.smooth) / 8
	r.least = min(r.least, d)
}

// Stats implements transport.Statser. Where the kernel tells, RTT, Window,
// InFlight and the counters of packets are the kernel's. Else RTT is that of
// the handshake and of PINGs, and reads and writes are counted as packets.
func (c *conn) Stats() transport.Stats {
	c.mu.Lock()
	s := c.stats
	s.RTT, s.RTTVar, s.MinRTT = c.rtt.smooth, c.rtt.dev, c.rtt.least
	now := c.now()
	if now > c.armed && now-c.armed > lateness { // we did not run; what came meanwhile may wait to be read
		now = c.armed
	}
	s.Silent = c.pulse.silent(now)
	c.mu.Unlock()
	s.Queued = c.out.queued()
	kernelStats(c.raw, &s)
	return s
}
