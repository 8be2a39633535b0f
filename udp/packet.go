package udp

import "encoding/binary"

// The header of a packet, in clear and authenticated:
//
//	offset size
//	     0    1  0x40 sealed or 0x50 plaintext; 0x08 more with a short number;
//	             0x04 more to be acknowledged at once; 0x02 more from the host;
//	             0x01 more in odd key phases
//	     1    8  connection id, as in the HELLO
//	     9    4  the low 32 bits of the packet number; short: 1 byte, the low 8
//
// Sealed, the payload follows encrypted with a 16-byte tag; in plaintext it
// follows as it is with a CRC-32C, 4 bytes: of the whole packet when in their place stand
// bits 8 to 39 of the number.
const (
	packetSealed   = 0x40
	packetPlain    = 0x50
	packetShort    = 0x08
	packetAtOnce   = 0x04
	packetFromHost = 0x02
	packetPhase    = 0x01
	packetFlags    = packetShort | packetAtOnce | packetFromHost | packetPhase
	leastHeader    = 1 + 8 + 1
	mostHeader     = 1 + 8 + 4

	// A number is short if the peer has acknowledged one that is less than
	// this much smaller: then it can take it for no other, and half of what 8
	// bits tell apart is left for packets that others overtake.
	shortAhead = 64
)

// appendPacketHeader appends a header; acked is one more than the largest
// packet that the peer has acknowledged.
func appendPacketHeader(b []byte, kind byte, id, number, acked uint64) []byte {
	if number < acked+shortAhead {
		b = append(b, kind|packetShort)
		b = binary.BigEndian.AppendUint64(b, id)
		return append(b, byte(number))
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, id)
	return binary.BigEndian.AppendUint32(b, uint32(number))
}

// headerSize tells how long the header is of the packet that begins with this byte.
func headerSize(kind byte) int {
	if kind&packetShort != 0 {
		return leastHeader
	}
	return mostHeader
}

// numberOf finds the number of a packet that holds a whole header, when
// expected is the one expected next.
func numberOf(pkt []byte, expected uint64) uint64 {
	if pkt[0]&packetShort != 0 {
		return wholeNumber(uint64(pkt[9]), 1<<8, expected)
	}
	return wholeNumber(uint64(binary.BigEndian.Uint32(pkt[9:])), 1<<32, expected)
}

// wholeNumber finds the packet number that is low modulo wrap, a power of
// two, and nearest to the one expected next.
func wholeNumber(low, wrap, expected uint64) uint64 {
	n := expected&^(wrap-1) | low
	switch {
	case n+wrap/2 <= expected:
		return n + wrap
	case n > expected+wrap/2 && n >= wrap:
		return n - wrap
	}
	return n
}

// The payload of a packet is frames, one after the other. Numbers are
// variable-length integers as in QUIC: the two high bits of the first byte
// tell the length, 1, 2, 4 or 8 bytes, the rest is the number, big-endian.
//
//	0x00 PADDING     nothing more; ignored
//	0x01 PING        nothing more; asks for an acknowledgement
//	0x02 ACK         largest, delay, count, first, then count times: gap, length
//	0x03 CREDIT      limit
//	0x04 CHALLENGE   8 random bytes
//	0x05 RESPONSE    the 8 bytes of a CHALLENGE
//	0x06 CLOSE       1-byte code
//	0x10 MESSAGES    number, then once or more: length*2, 1 more if another follows, and that
//	                 many bytes: whole messages with numbers in a row, ordered lane
//	0x11 FRAGMENT    number, total, offset, length, then that many bytes, ordered lane
//	0x12 MESSAGES    the same as 0x10 in the unordered lane
//	0x13 FRAGMENT    the same as 0x11 in the unordered lane
//	0x14 BARE        length, then that many bytes
//
// ACK: the packets largest-first <= n <= largest have come; then, going down,
// gap+1 packets have not and length+1 have. delay is how long, in microseconds,
// the largest waited for its acknowledgement.
//
// Everything but PADDING and ACK asks for an acknowledgement.
const (
	framePadding   = 0x00
	framePing      = 0x01
	frameAck       = 0x02
	frameCredit    = 0x03
	frameChallenge = 0x04
	frameResponse  = 0x05
	frameClose     = 0x06
	frameMessages  = 0x10 // or with the bits below
	frameBare      = 0x14

	bitFragment  = 0x01
	bitUnordered = 0x02
)

// Codes of CLOSE. From closeRefused on they are a transport.Reason more.
const (
	closeBye     = 0 // all has been said
	closeBroken  = 1 // the peer broke a rule of this protocol
	closeGaveUp  = 2 // not all that was accepted could be delivered
	closeRefused = 16
)

// appendVarint appends v, which is less than 1<<62.
func appendVarint(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(b, uint16(v)|1<<14)
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(b, uint32(v)|2<<30)
	}
	return binary.BigEndian.AppendUint64(b, v|3<<62)
}

// varintLen is how many bytes appendVarint appends.
func varintLen(v uint64) int {
	switch {
	case v < 1<<6:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<30:
		return 4
	}
	return 8
}

// reader takes frames apart. After reading past the end, or a length that
// cannot be, bad is set and it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) varint() uint64 {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	n := 1 << (r.b[0] >> 6)
	if len(r.b) < n {
		r.fail()
		return 0
	}
	v := uint64(r.b[0] & 0x3f)
	for _, c := range r.b[1:n] {
		v = v<<8 | uint64(c)
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

// piece is a message, or a part of one, in a frame.
type piece struct {
	lane   int    // 0 ordered, 1 unordered
	number uint64 // of the message in its lane
	total  int    // bytes of the message
	offset int    // of data in it
	data   []byte
	more   bool // the message after it follows
}

// piece reads what follows the frame type t.
func (r *reader) piece(t byte) (p piece) {
	p.lane = int(t&bitUnordered) / bitUnordered
	p.number = r.varint()
	if t&bitFragment == 0 {
		r.whole(&p)
		return p
	}
	total, offset := r.varint(), r.varint()
	p.data = r.take(r.varint())
	if total > maxMessage || offset > total || uint64(len(p.data)) > total-offset || len(p.data) == 0 {
		r.fail()
	}
	p.total, p.offset = int(total), int(offset)
	return p
}

// next reads the message after p.
func (r *reader) next(p *piece) {
	p.number++
	r.whole(p)
}

// whole reads a message of MESSAGES.
func (r *reader) whole(p *piece) {
	length := r.varint()
	p.more = length&1 != 0
	p.data = r.take(length >> 1)
	if p.total = len(p.data); p.total == 0 || p.total > maxMessage {
		r.fail()
	}
}

// pieceHeader is how many bytes appendPiece needs besides the data.
func pieceHeader(number uint64, total, offset, length int) int {
	if length == total {
		return 1 + varintLen(number) + nextHeader(length)
	}
	return 1 + varintLen(number) + varintLen(uint64(total)) + varintLen(uint64(offset)) + varintLen(uint64(length))
}

// nextHeader is how many bytes a further message takes in MESSAGES besides its own.
func nextHeader(length int) int { return varintLen(uint64(length) * 2) }

// appendPiece appends the frame's head; the caller appends length bytes of data.
func appendPiece(b []byte, lane int, number uint64, total, offset, length int) []byte {
	t := byte(frameMessages | lane*bitUnordered)
	if length == total {
		b = appendVarint(append(b, t), number)
		return appendVarint(b, uint64(length)*2)
	}
	b = appendVarint(append(b, t|bitFragment), number)
	b = appendVarint(b, uint64(total))
	b = appendVarint(b, uint64(offset))
	return appendVarint(b, uint64(length))
}

// appendAck appends an ACK of the highest spans of got, as many as limit, but
// no more than fit into room bytes. got is not empty.
func appendAck(b []byte, got ranges, delay uint64, limit, room int) []byte {
	last := got[len(got)-1]
	spans := got[max(0, len(got)-limit):]
	size := 1 + varintLen(last.hi-1) + varintLen(delay) + 1 + varintLen(last.hi-1-last.lo)
	first := len(spans) - 1
	for ; first > 0; first-- {
		size += varintLen(spans[first].lo-spans[first-1].hi-1) + varintLen(spans[first-1].hi-spans[first-1].lo-1)
		if size > room {
			break
		}
	}
	spans = spans[first:]
	b = appendVarint(append(b, frameAck), last.hi-1)
	b = appendVarint(b, delay)
	b = appendVarint(b, uint64(len(spans)-1))
	b = appendVarint(b, last.hi-1-last.lo)
	for i := len(spans) - 1; i > 0; i-- {
		b = appendVarint(b, spans[i].lo-spans[i-1].hi-1)
		b = appendVarint(b, spans[i-1].hi-spans[i-1].lo-1)
	}
	return b
}

// ack reads what follows the frame type and gives each span, from high to low.
func (r *reader) ack(each func(span)) (largest, delay uint64) {
	largest, delay = r.varint(), r.varint()
	count, first := r.varint(), r.varint()
	if r.bad || first > largest || count > maxAckSpans {
		r.fail()
		return 0, 0
	}
	lo := largest - first
	each(span{lo, largest + 1})
	for ; count > 0; count-- {
		gap, length := r.varint(), r.varint()
		if r.bad || gap > lo || lo-gap < 2 || length > lo-gap-2 {
			r.fail()
			return 0, 0
		}
		hi := lo - gap - 1
		lo = hi - 1 - length
		each(span{lo, hi})
	}
	return largest, delay
}
