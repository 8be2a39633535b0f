package udp

// A lane numbers messages from 0 up. The ordered lane hands them out in that
// order, the unordered lane each as soon as it is whole. outLane is the
// sending end, inLane the receiving end.

// cost is what a message of n bytes counts against the buffers of either end:
// its bytes and about what it takes to know of it, so that a flood of tiny
// messages is bounded too.
func cost(n int) int { return n + 32 }

// outMsg is a message on its way out.
type outMsg struct {
	at   uint64 // address of its first byte in outLane.data
	size int32
	done bool // all of it is acknowledged
}

// ref names bytes of a message that travelled in a packet, and how many whole
// messages after it travelled there, too.
type ref struct {
	lane, offset, size, more int32
	number                   uint64
}

// outLane holds messages until they are acknowledged.
type outLane struct {
	msgs  deque[outMsg] // from number base on
	base  uint64
	fresh uint64 // the first message not yet sent whole
	begun int    // bytes of it that were sent
	data  store
	held  int // cost of msgs

	// Bytes acknowledged of messages of which only a part is. They stand apart
	// since few messages are cut, and what is kept of the others is to be small.
	acked map[uint64]ranges
}

func (l *outLane) push(msg []byte) {
	l.msgs.push(outMsg{at: l.data.push(msg), size: int32(len(msg))})
	l.held += cost(len(msg))
}

// end is the number of the next message to be pushed.
func (l *outLane) end() uint64 { return l.base + uint64(l.msgs.len()) }

// unsent is how many bytes were never sent.
func (l *outLane) unsent() int {
	if l.fresh >= l.end() {
		return 0
	}
	return int(l.data.tail-l.msgs.at(int(l.fresh-l.base)).at) - l.begun
}

// find returns a message that is not yet acknowledged.
func (l *outLane) find(number uint64) *outMsg {
	if number < l.base || number >= l.end() {
		return nil
	}
	if m := l.msgs.at(int(number - l.base)); !m.done {
		return m
	}
	return nil
}

// size is how long a message is that is not yet acknowledged.
func (l *outLane) size(number uint64) int32 {
	if m := l.find(number); m != nil {
		return m.size
	}
	return 0
}

// append appends size bytes of data from at on to b, which has room for them.
func (l *outLane) append(b []byte, at uint64, size int) []byte {
	n := len(b)
	b = b[:n+size]
	l.data.read(at, b[n:])
	return b
}

// wants tells whether the bytes r names are still to be acknowledged.
func (l *outLane) wants(r ref) bool {
	return l.find(r.number) != nil && !l.acked[r.number].covers(uint64(r.offset), uint64(r.offset+r.size))
}

// ack notes that what r names has come.
func (l *outLane) ack(r ref) {
	if m := l.find(r.number); m != nil {
		m.done = r.size == m.size || l.ackPart(r, m.size)
	}
	for n := r.number + 1; n <= r.number+uint64(r.more); n++ {
		if m := l.find(n); m != nil {
			m.done = true
		}
	}
	end := l.data.head
	for l.msgs.len() > 0 && l.msgs.at(0).done {
		m := l.msgs.pop()
		end = m.at + uint64(m.size)
		l.held -= cost(int(m.size))
		if l.acked != nil {
			l.forgetParts(l.base)
		}
		l.base++
	}
	l.data.drop(end)
}

// ackPart notes a part of a message of size bytes, and tells whether it was the last.
func (l *outLane) ackPart(r ref, size int32) bool {
	got := l.acked[r.number]
	got.add(uint64(r.offset), uint64(r.offset+r.size))
	if l.acked == nil {
		l.acked = make(map[uint64]ranges)
	}
	l.acked[r.number] = got
	return got.covers(0, uint64(size))
}

func (l *outLane) forgetParts(number uint64) {
	if delete(l.acked, number); len(l.acked) == 0 {
		l.acked = nil // a map does not shrink
	}
}

// inMsg is a message that is not whole, or waits for earlier ones.
type inMsg struct {
	total  int
	have   int       // bytes
	begin  []byte    // its first bytes, as far as they came without a gap
	pieces []inPiece // what lies behind a gap
	got    ranges    // all of it
}

type inPiece struct {
	offset int
	data   []byte
}

// inLane puts messages together.
type inLane struct {
	ordered bool
	next    uint64            // every earlier message was handed out
	done    ranges            // later ones that were, too: unordered only
	msgs    map[uint64]*inMsg // those that wait
	held    int               // bytes of memory in msgs, about
	begun   int64             // cost of all messages of which a part came
}

// Bounds on what a peer can make us keep besides the bytes it was given
// credit for. Pieces of an honest peer are a packet long but for the last of
// each message; sent again in packets of another size they can overlap.
const (
	maxPieces = 4 * maxMessage / 1024
	maxAhead  = window / 33 // messages of one byte that fit into the credit

	keptMessage = 160 // bytes it takes to know of a message in inLane.msgs
	keptGrowth  = 4   // how much longer inMsg.begin becomes when it must
	keptPiece   = 96  // and of a piece, besides its data
	// mostKept lets an honest peer's credit of one-byte messages wait for
	// the one before them. Without it, pieces of a byte each would cost
	// a hundred times what they count.
	mostKept = maxAhead * (keptMessage + keptPiece + 1)
)

// put takes a piece and gives each message that is now ready to be handed
// out. It returns false where the peer broke a rule. The data given is only
// valid during the call.
func (l *inLane) put(p piece, give func(msg []byte)) bool {
	if p.number < l.next || l.done.covers(p.number, p.number+1) {
		return true // it came again
	}
	if p.number > l.next+maxAhead {
		return false
	}
	whole, known := len(p.data) == p.total, l.msgs[p.number] != nil
	if !known {
		l.begun += int64(cost(p.total))
	}
	if whole && !known && (!l.ordered || p.number == l.next) {
		give(p.data)
		l.finish(p.number)
	} else if ok, complete := l.keep(p); !ok {
		return false
	} else if complete && !l.ordered {
		give(l.release(p.number))
		l.finish(p.number)
	}
	for l.ordered { // those that waited for this one
		m := l.msgs[l.next]
		if m == nil || m.have < m.total {
			break
		}
		give(l.release(l.next))
		l.next++
	}
	return true
}

// finish notes that a message was handed out.
func (l *inLane) finish(number uint64) {
	if l.ordered {
		l.next++
		return
	}
	l.done.add(number, number+1)
	if l.done[0].lo == l.next {
		l.next = l.done[0].hi
		l.done.dropBelow(l.next)
	}
}

// keep stores a piece for later.
func (l *inLane) keep(p piece) (ok, complete bool) {
	m := l.msgs[p.number]
	if m == nil {
		if l.msgs == nil {
			l.msgs = make(map[uint64]*inMsg)
		}
		m = &inMsg{total: p.total}
		l.msgs[p.number] = m
		l.held += keptMessage
	}
	if m.total != p.total {
		return false, false
	}
	added := m.got.add(uint64(p.offset), uint64(p.offset+len(p.data)))
	if added == 0 {
		return true, m.have == m.total
	}
	m.have += int(added)
	if p.offset <= len(m.begin) {
		l.held -= cap(m.begin)
		m.prolong(p.data[len(m.begin)-p.offset:])
		l.held += cap(m.begin)
		return true, m.have == m.total
	}
	if len(m.pieces) == maxPieces {
		return false, false
	}
	m.pieces = append(m.pieces, inPiece{p.offset, append([]byte(nil), p.data...)})
	l.held += keptPiece + len(p.data)
	return true, m.have == m.total
}

// prolong puts data behind begin. Memory comes as data does, not as announced.
func (m *inMsg) prolong(data []byte) {
	if need := len(m.begin) + len(data); need > cap(m.begin) {
		longer := make([]byte, len(m.begin), min(m.total, max(need, keptGrowth*cap(m.begin))))
		copy(longer, m.begin)
		m.begin = longer
	}
	m.begin = append(m.begin, data...)
}

// release takes a complete message out of the store.
func (l *inLane) release(number uint64) []byte {
	m := l.msgs[number]
	if delete(l.msgs, number); len(l.msgs) == 0 {
		l.msgs = nil // a map does not shrink
	}
	l.held -= keptMessage + cap(m.begin)
	if missing := m.total - len(m.begin); missing > 0 {
		m.prolong(make([]byte, missing))
	}
	for _, p := range m.pieces {
		l.held -= keptPiece + len(p.data)
		copy(m.begin[p.offset:], p.data)
	}
	return m.begin
}
