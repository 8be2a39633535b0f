package udp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"parley/transport"
)

func duration(i instant) time.Duration { return time.Duration(i) }

// handle takes a datagram whose header names this link, in place. It returns
// whether the datagram was genuine and new.
func (l *link) handle(pkt []byte, from netip.AddrPort, now instant) bool {
	if l.stage == gone || len(pkt) < leastHeader || len(pkt) < headerSize(pkt[0])+l.guard.overhead() {
		return false
	}
	number := numberOf(pkt, l.highest)
	if number < l.from || l.got.covers(number, number+1) {
		l.stats.Repeated++
		l.tracePacket(func(t *Trace) func(Packet) { return t.Repeated }, number, len(pkt), nil, false, now)
		return false
	}
	size := len(pkt)
	payload, ok := l.guard.open(pkt, headerSize(pkt[0]), number)
	if !ok {
		return false
	}
	if len(payload) == 0 || !l.frames(payload, from, now) {
		l.abort(now, closeBroken, fmt.Errorf("%w: %w", transport.ErrLost, errBroken))
		return true
	}
	l.stats.Received++
	l.stats.BytesIn += uint64(size)
	l.heard, l.mute = now, false
	if number >= l.highest && from != l.peer {
		l.suspectMove(from, now)
	}
	l.note(number, payload, pkt[0]&packetAtOnce != 0, now)
	l.tracePacket(func(t *Trace) func(Packet) { return t.Received }, number, size, payload, false, now)
	return true
}

// note remembers the number and decides when to acknowledge it: at once where
// the sender wants that. He gets no more than a packet for each of his.
func (l *link) note(number uint64, payload []byte, atOnce bool, now instant) {
	inOrder := number == l.highest
	if number >= l.highest {
		l.highest, l.gotAt = number+1, now
	}
	l.got.add(number, number+1)
	l.news = min(l.news, number)
	if len(l.got) > maxSpans {
		l.from = l.got[1].lo
		l.got.dropBelow(l.from)
	}
	if !asksForAck(payload) {
		return
	}
	l.pending++
	if atOnce || l.pending >= ackEvery || !inOrder {
		l.ackBy = now
	} else {
		l.ackBy = min(l.ackBy, now+ackDelay)
	}
}

// asksForAck tells whether there is more in payload than ACK and PADDING.
func asksForAck(payload []byte) bool {
	r := reader{b: payload}
	for len(r.b) > 0 {
		switch r.byte() {
		case framePadding:
		case frameAck:
			r.ack(func(span) {})
		default:
			return true
		}
	}
	return false
}

// frames does what payload says. It returns false where the peer broke a rule.
func (l *link) frames(payload []byte, from netip.AddrPort, now instant) bool {
	r := reader{b: payload}
	acks := 0
	for len(r.b) > 0 && !r.bad {
		t := r.byte()
		switch {
		case t == framePadding || t == framePing:
		case t == frameAck:
			// Each may name every packet there is: one is enough.
			if acks++; acks > 1 || !l.onAck(&r, now) {
				return false
			}
		case t == frameCredit:
			l.limit = max(l.limit, int64(r.varint()))
		case t == frameChallenge:
			if b := r.take(8); !r.bad {
				l.answer.due, l.answer.addr, l.answer.data = true, from, binary.BigEndian.Uint64(b)
			}
		case t == frameResponse:
			if b := r.take(8); !r.bad {
				l.onResponse(binary.BigEndian.Uint64(b), from)
			}
		case t == frameClose:
			l.onClose(r.byte(), now)
		case t >= frameMessages && t < frameBare:
			l.spoken = now
			for p := r.piece(t); ; r.next(&p) {
				if r.bad || !l.onPiece(p) {
					return false
				}
				if !p.more {
					break
				}
			}
		case t == frameBare:
			if b := r.take(r.varint()); !r.bad && len(b) > 0 && l.stage == open && l.bareWaiting+cost(len(b)) <= window {
				l.spoken = now
				l.store(b, bareMark)
				l.bareWaiting += cost(len(b))
			}
		default:
			return false
		}
	}
	return !r.bad
}

func (l *link) onPiece(p piece) bool {
	if l.stage != open {
		return true // nobody will receive it; acknowledged all the same, so that the peer can end
	}
	ok := l.in[p.lane].put(p, l.deliver)
	return ok && l.in[0].begun+l.in[1].begun <= l.granted && l.in[0].held+l.in[1].held <= mostKept
}

// deliver queues a message of a lane for Receive.
func (l *link) deliver(msg []byte) {
	l.store(msg, 0)
	l.waiting += cost(len(msg))
}

// bareMark is added to the length of a bare message in link.ready.
const bareMark = 1 << 31

func (l *link) store(msg []byte, mark uint32) {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(msg))|mark)
	l.ready.push(head[:])
	l.ready.push(msg)
}

func (l *link) onClose(code byte, now instant) {
	if l.stage == gone {
		return
	}
	if l.err == nil && code != closeBye {
		l.err = closeError(code)
	}
	if l.stage == lingering && l.ends == never { // both said it
		l.bye.due = false
	}
	if l.err == nil && l.stage == open {
		l.err = errBye
	}
	if l.stage != lingering || l.ends == never {
		l.stage, l.ends = lingering, now+min(lingerAfter, lingerProbes*l.patience())
	}
	l.bye.due = false
	l.dropOutput()
}

// dropOutput forgets what the peer will not take any more.
func (l *link) dropOutput() {
	l.out = [2]outLane{}
	l.bare, l.bareHeld, l.resend = deque[[]byte]{}, 0, deque[ref]{}
	for i := range l.sent.len() {
		if p := l.sent.at(i); p.state == flying {
			p.state = untracked
		}
	}
	l.flying, l.lossAt, l.probes, l.largeOut = 0, never, 0, false
}

func closeError(code byte) error {
	if code > closeRefused {
		return &transport.RefusedError{Reason: transport.Reason(code - closeRefused)}
	}
	if code == closeGaveUp {
		return fmt.Errorf("%w: the peer gave up", transport.ErrLost)
	}
	return fmt.Errorf("%w: the peer says that we broke the protocol", transport.ErrLost)
}

// suspectMove asks whether the peer is where its newest packet came from. An
// address counts only once an answer has come from it: anybody can copy a
// packet and send it from elsewhere.
func (l *link) suspectMove(from netip.AddrPort, now instant) {
	if l.path.addr == from || l.path.addr.IsValid() && now < l.path.at && l.path.tries < pathTries {
		return
	}
	var b [8]byte
	randRead(l.rand, b[:])
	l.path.addr, l.path.data, l.path.tries, l.path.at = from, binary.BigEndian.Uint64(b[:]), 0, now
}

func (l *link) onResponse(data uint64, from netip.AddrPort) {
	if l.path.addr.IsValid() && from == l.path.addr && data == l.path.data {
		l.peer = from
		l.path.addr = netip.AddrPort{}
		l.packet, l.largeTries, l.choke = basePacket, 0, choke{} // it is another path
	}
}
