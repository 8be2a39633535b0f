package udp

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// poll builds the next datagram to send in b, whose capacity is a largePacket,
// and returns nil when there is none for now.
func (l *link) poll(b []byte, now instant) (pkt []byte, to netip.AddrPort) {
	if l.stage == gone || l.mute {
		return nil, to
	}
	b = appendPacketHeader(b[:0], l.kind, l.id, l.next, l.acked)
	header := len(b)
	if b, to := l.pathPacket(b, now); b != nil {
		return l.leave(b, sentPacket{at: now}, false), to
	}
	limit := l.packet - l.guard.overhead()
	p := sentPacket{at: now}
	eager := l.eager() && l.may(now)
	if eager && l.wantsLarge(now) {
		return l.largeProbe(b, now), l.peer
	}
	if !eager && now < l.ackBy {
		return nil, to
	}
	if l.pending > 0 || now >= l.ackBy {
		b = l.appendAck(b, limit, now)
	}
	resent := false
	if eager {
		if l.probed > 0 && l.flying < rideUnder && l.probes == 0 {
			l.repeat(true) // it rides along with what is new
		} else if l.doubles(limit, now) {
			l.repeat(false)
		}
		b, resent = l.fill(b, limit, &p)
	}
	if len(b) == header {
		return nil, to
	}
	if l.acked <= l.proof && p.state == flying { // prove that the path carries this much
		b = padTo(b, basePacket-l.guard.overhead())
	}
	return l.leave(b, p, resent), l.peer
}

// eager tells whether there is something to send besides an acknowledgement.
func (l *link) eager() bool {
	if l.stage == gone || l.mute {
		return false
	}
	return l.ping || l.bye.due || l.resending() || l.bare.len() > 0 || l.creditDue() && l.stage <= closing ||
		l.startable(0) || l.startable(1)
}

// resending tells whether there is something to send again.
func (l *link) resending() bool {
	for l.resend.len() > 0 {
		if r := *l.resend.at(0); r.size > 0 && l.out[r.lane].wants(r) {
			return true
		}
		l.resend.pop()
	}
	return false
}

// startable tells whether the lane has bytes never sent that the peer's credit allows.
func (l *link) startable(lane int) bool {
	o := &l.out[lane]
	if o.fresh >= o.end() {
		return false
	}
	return o.begun > 0 || l.started+int64(cost(int(o.msgs.at(int(o.fresh-o.base)).size))) <= l.limit
}

// may tells whether window and pacing allow a packet now.
func (l *link) may(now instant) bool {
	return l.bye.due || (l.probes > 0 || l.flying+l.packet <= l.cc.window) && l.paced(now) == 0
}

// paced is how long pacing makes the next packet wait. Probes wait for no more
// than the choke.
func (l *link) paced(now instant) instant {
	if l.probes > 0 {
		return max(0, l.choke.next-now)
	}
	l.pace.refill(now, l.cc.window, l.rtt.smoothed)
	return max(l.choke.next-now, l.pace.wait(l.packet, l.cc.window, l.rtt.smoothed))
}

// untold is how many spans of got, from the highest down, hold what came lately.
func (l *link) untold() int {
	low := min(l.news, slices.Min(l.told[:]))
	n := 1
	for n < min(len(l.got), maxAckSpans) && l.got[len(l.got)-1-n].hi > low {
		n++
	}
	return n
}

func (l *link) appendAck(b []byte, limit int, now instant) []byte {
	l.pending, l.ackBy = 0, never
	if len(l.got) == 0 {
		return b
	}
	delay := uint64((now - l.gotAt) / microsecond)
	b = appendAck(b, l.got, delay, l.untold(), limit-len(b))
	copy(l.told[1:], l.told[:])
	l.told[0] = l.news
	l.news = math.MaxUint64
	return b
}

// fill puts frames into b until it is limit bytes long.
func (l *link) fill(b []byte, limit int, p *sentPacket) (_ []byte, resent bool) {
	start := len(b)
	if l.bye.due {
		b = append(b, frameClose, l.bye.code)
		l.bye.due, p.bye, p.urgent = false, true, true
		l.bye.sent++
	}
	if l.creditDue() && l.stage <= closing {
		l.granted = l.taken + window
		b = appendVarint(append(b, frameCredit), uint64(l.granted))
		l.creditLost, p.credit, p.urgent = false, true, true
	}
	b, resent = l.fillResend(b, limit, p)
	p.again = p.refs
	for l.bare.len() > 0 {
		msg := *l.bare.at(0)
		if len(b)+1+2+len(msg) > limit {
			break
		}
		b = appendVarint(append(b, frameBare), uint64(len(msg)))
		b = append(b, msg...)
		l.bare.pop()
		l.bareHeld -= cost(len(msg))
	}
	for lane := range l.out {
		b = l.fillFresh(b, limit, lane, p)
	}
	if len(b) == start && l.ping {
		b, p.urgent = append(b, framePing), true
	}
	if len(b) > start {
		l.ping = false
		p.state = flying
	}
	return b, resent
}

// fillResend puts in what was lost, or what a probe repeats.
func (l *link) fillResend(b []byte, limit int, p *sentPacket) (_ []byte, any bool) {
	for l.resend.len() > 0 {
		r := l.resend.at(0)
		if r.size == 0 { // the rest goes into another datagram
			l.resend.pop()
			if any {
				break
			}
			continue
		}
		o := &l.out[r.lane]
		if !o.wants(*r) || l.carries(p, *r) {
			l.resend.pop()
			continue
		}
		m := o.find(r.number)
		room := limit - len(b) - pieceHeader(r.number, int(m.size), int(r.offset), int(r.size))
		if room < int(r.size) {
			if any || room < leastPiece {
				break
			}
			part := *r
			part.size = int32(min(room-8, int(r.size)))
			r.offset += part.size
			r.size -= part.size
			return l.appendRef(b, part, p), true
		}
		b, any = l.appendRef(b, *r, p), true
		l.resend.pop()
	}
	return b, any
}

// carries tells whether packet p, which is being filled, carries r already.
func (l *link) carries(p *sentPacket, r ref) bool {
	for i := range int(p.refs) {
		if *l.refs.at(l.refs.len() - 1 - i) == r {
			return true
		}
	}
	return false
}

// leastPiece is the smallest part of a message worth a frame, in bytes.
const leastPiece = 64

// fillFresh puts in what was never sent.
func (l *link) fillFresh(b []byte, limit, lane int, p *sentPacket) []byte {
	o := &l.out[lane]
	for l.startable(lane) {
		l.spoken = p.at
		size := int(o.msgs.at(int(o.fresh - o.base)).size)
		left := size - o.begun
		room := limit - len(b) - pieceHeader(o.fresh, size, o.begun, left)
		if room < left {
			// A message that fits into a packet of its own is not cut, unless
			// packets are what there is too little of.
			if limit-mostHeader-32 >= size && !l.narrow() || room < leastPiece {
				break
			}
			left = room - 8 // the header of a part is longer than that of a whole
		}
		p.fresh = true
		if o.begun == 0 {
			l.started += int64(cost(size))
		}
		b = l.appendRef(b, ref{lane: int32(lane), number: o.fresh, offset: int32(o.begun), size: int32(left)}, p)
		if o.begun += left; o.begun == size {
			o.fresh, o.begun = o.fresh+1, 0
		}
		if left == size {
			b = l.fillNext(b, limit, lane)
		}
	}
	return b
}

// fillNext puts in the messages after the one just put in, as far as they fit whole.
func (l *link) fillNext(b []byte, limit, lane int) []byte {
	o, r := &l.out[lane], l.refs.at(l.refs.len()-1)
	length := len(b) - int(r.size) - 1 // where the length of the one before ends
	for l.startable(lane) {
		m := o.msgs.at(int(o.fresh - o.base))
		size := int(m.size)
		if len(b)+nextHeader(size)+size > limit {
			break
		}
		b[length] |= 1
		b = appendVarint(b, uint64(size)*2)
		length = len(b) - 1
		b = o.append(b, m.at, size)
		l.started += int64(cost(size))
		o.fresh++
		r.more++
	}
	return b
}

// narrow tells whether so few packets may leave that each should be full.
func (l *link) narrow() bool { return l.choke.holds || l.cc.threshold > 0 && l.cc.window < leastWindow }

func (l *link) appendRef(b []byte, r ref, p *sentPacket) []byte {
	o := &l.out[r.lane]
	m := o.find(r.number)
	b = appendPiece(b, int(r.lane), r.number, int(m.size), int(r.offset), int(r.size))
	b = o.append(b, m.at+uint64(r.offset), int(r.size))
	l.refs.push(r)
	p.refs++
	return b
}

// leave seals a packet and records it.
func (l *link) leave(b []byte, p sentPacket, resent bool) []byte {
	number, size, header := l.next, len(b)+l.guard.overhead(), headerSize(b[0])
	p.size = uint16(size)
	l.tracePacket(func(t *Trace) func(Packet) { return t.Sent }, number, size, b[header:], resent, p.at)
	if resent {
		l.stats.Resent++
		l.tracePacket(func(t *Trace) func(Packet) { return t.Resent }, number, size, b[header:], true, p.at)
	}
	if p.state == flying {
		l.delay = ackDelay
		if resent || p.urgent || l.probes > 0 || l.acked <= l.proof || l.stage != open || l.wantsSoon(p.at) || l.cornered(size) {
			b[0] |= packetAtOnce
			l.delay = 0
		}
		l.pace.tokens -= float64(size)
		l.probes = max(0, l.probes-1)
	}
	l.makeRoom(p.at)
	l.record(p)
	l.forget(p.at)
	l.stats.Sent++
	l.stats.BytesOut += uint64(size)
	return l.guard.seal(b, header, number)
}

// cornered tells whether a packet of this size is the last for now: the window is
// full, or what waits for its acknowledgement leaves no room in the buffer for the
// longest message.
func (l *link) cornered(size int) bool {
	return l.flying+size+l.packet > l.cc.window ||
		l.out[0].held+l.out[1].held+cost(maxMessage) > sendBuffer && !l.startable(0) && !l.startable(1)
}

func padTo(b []byte, size int) []byte {
	if len(b) < size {
		n := len(b)
		b = b[:size]
		clear(b[n:])
	}
	return b
}

// pathPacket is a packet that goes elsewhere than the others, or is nil.
func (l *link) pathPacket(b []byte, now instant) ([]byte, netip.AddrPort) {
	if l.answer.due {
		l.answer.due = false
		b = append(b, frameResponse)
		return binary.BigEndian.AppendUint64(b, l.answer.data), l.answer.addr
	}
	if l.path.addr.IsValid() && now >= l.path.at && l.path.tries < pathTries {
		l.path.tries++
		l.path.at = now + max(pathInterval, 2*l.rtt.smoothed)
		b = append(b, frameChallenge)
		return binary.BigEndian.AppendUint64(b, l.path.data), l.path.addr
	}
	return nil, netip.AddrPort{}
}

// wantsLarge tells whether to try a large packet: only with much to send, a few
// times soon and then now and again.
func (l *link) wantsLarge(now instant) bool {
	const tries, again, much = 3, 2 * second, 8 * basePacket
	if l.packet == largePacket || l.acked == 0 || l.largeTries >= tries && now < l.largeAt+again || l.probed > 0 && !l.choke.holds {
		return false
	}
	return !l.largeOut && l.out[0].data.len()+l.out[1].data.len() >= much
}

func (l *link) largeProbe(b []byte, now instant) []byte {
	l.largeTries, l.largeAt = l.largeTries+1, now
	l.largeOut = true
	b = padTo(append(b, framePing), largePacket-l.guard.overhead())
	return l.leave(b, sentPacket{at: now, state: flying, large: true, urgent: true}, false)
}

func (l *link) tracePacket(which func(*Trace) func(Packet), number uint64, size int, frames []byte, again bool, now instant) {
	if l.trace == nil {
		return
	}
	if f := which(l.trace); f != nil {
		f(Packet{Conn: l.id, Number: number, Size: size, Peer: l.peer, Host: l.host, At: duration(now), Frames: frames, Again: again})
	}
}

func (l *link) traceWindow() {
	if l.trace != nil && l.trace.Window != nil {
		l.trace.Window(l.id, l.cc.window, l.flying)
	}
}
