package udp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"testing"

	"parley/transport"
)

// feed gives l a packet of its peer.
func feed(l *link, number uint64, now instant, payload []byte) bool {
	return l.handle(packetOf(l, number, payload), l.peer, now)
}

// drain has l send all that it wants to, and returns the last packet's payload.
func drain(l *link, now instant) (last []byte) {
	for {
		b, _ := l.poll(make([]byte, 0, largePacket), now)
		if b == nil {
			return last
		}
		last = b[headerSize(b[0]) : len(b)-checksumSize]
	}
}

// acks is an ACK of the given spans, from high to low, without delay.
func acks(spans ...span) []byte {
	var got ranges
	for _, s := range spans {
		got.add(s.lo, s.hi)
	}
	return appendAck(nil, got, 0, maxAckSpans, 1000)
}

func pieceFrame(lane int, number uint64, total, offset int, data []byte) []byte {
	return append(appendPiece(nil, lane, number, total, offset, len(data)), data...)
}

// TestRulesBroken: a peer that does what no rule allows is told so, once.
func TestRulesBroken(t *testing.T) {
	big := make([]byte, 1000)
	flood := func(lane int, size int, from uint64) (all [][]byte) {
		for n := from; n < from+2*window/uint64(size); n++ {
			all = append(all, pieceFrame(lane, n, size, 0, big[:min(size, len(big))]))
		}
		return all
	}
	var pieces [][]byte
	for i := range 2 * maxMessage {
		pieces = append(pieces, pieceFrame(0, uint64(1+2*i/maxMessage), maxMessage, 2*i%maxMessage, big[:1]))
	}
	for name, payloads := range map[string][][]byte{
		"nothing":                {{}},
		"unknown frame":          {{0x3f}},
		"unknown piece":          {{0x15, 0, 1, 1}},
		"cut frame":              {{frameChallenge, 1, 2, 3}},
		"cut number":             {{frameCredit, 0xc0}},
		"empty message":          {{frameMessages, 0, 0}},
		"empty next message":     {{frameMessages, 0, 3, 7, 0}},
		"no next message":        {{frameMessages, 0, 3, 7}},
		"long message":           {pieceFrame(0, 0, maxMessage+1, 0, big)},
		"piece beyond its end":   {{frameMessages | bitFragment, 0, 10, 8, 3, 1, 2, 3}},
		"two totals":             {pieceFrame(0, 0, 3000, 0, big), pieceFrame(0, 0, 3001, 1000, big)},
		"whole and part":         {pieceFrame(0, 1, 3000, 0, big), pieceFrame(0, 1, 1000, 0, big)},
		"far ahead":              {pieceFrame(0, maxAhead+1, 1000, 0, big)},
		"far ahead, unordered":   {pieceFrame(1, maxAhead+1, 1000, 0, big)},
		"largest number":         {pieceFrame(1, 1<<62-1, 1000, 0, big)},
		"credit, ordered":        flood(0, 1000, 0),
		"credit, unordered":      flood(1, 1000, 0),
		"credit, kept":           flood(0, 1000, 1),
		"credit, begun":          flood(1, maxMessage, 0),
		"tiny pieces":            pieces,
		"ack of nothing sent":    {acks(span{5, 6})},
		"ack beyond what is":     {acks(span{0, 1 << 61})},
		"ack below zero":         {{frameAck, 5, 0, 0, 6}},
		"ack gap below zero":     {{frameAck, 5, 0, 1, 0, 9, 0}},
		"ack of too many spans":  {append([]byte{frameAck, 0x40, 200, 0, maxAckSpans + 1, 0}, make([]byte, 2*(maxAckSpans+1))...)},
		"two acks in one packet": {append(acks(span{0, 1}), acks(span{0, 1})...)},
	} {
		t.Run(name, func(t *testing.T) {
			l := frameLink(false)
			l.push(transport.Ordered, big)
			drain(l, second)
			for i, p := range payloads {
				if !feed(l, uint64(i), second, p) {
					t.Fatalf("packet %d was not taken for genuine", i)
				}
				if l.stage != open {
					break
				}
			}
			if l.stage != lingering || !errors.Is(l.err, errBroken) || !errors.Is(l.err, transport.ErrLost) {
				t.Fatalf("stage %d, error %v", l.stage, l.err)
			}
			last := drain(l, second)
			r := reader{b: last}
			if len(last) > 0 && last[0] == frameAck {
				r.byte()
				r.ack(func(span) {})
			}
			if a, b := r.byte(), r.byte(); a != frameClose || b != closeBroken {
				t.Errorf("it says % x, not CLOSE", last)
			}
		})
	}
}

// TestWithinTheRules: what is odd and yet allowed.
func TestWithinTheRules(t *testing.T) {
	big := make([]byte, 1200)
	for i := range big {
		big[i] = byte(i)
	}
	l := frameLink(false)
	for i, p := range [][]byte{
		pieceFrame(0, 0, 1200, 0, big[:700]),
		pieceFrame(0, 0, 1200, 500, big[500:]), // overlaps
		pieceFrame(0, 0, 1200, 0, big[:700]),   // comes again
		pieceFrame(0, 1, 10, 0, big[:10]),
		pieceFrame(0, 1, 11, 0, big[:11]), // nobody looks at what was handed out
		{framePadding, framePing, framePadding},
		{frameCredit, 0}, // takes nothing back
		pieceFrame(0, 2+maxAhead, 1, 0, big[:1]),
	} {
		if !feed(l, uint64(i), 0, p) || l.stage != open {
			t.Fatalf("payload %d: %v", i, l.err)
		}
	}
	if msg, ok := l.pop(nil); !ok || string(msg) != string(big) {
		t.Errorf("received %d bytes", len(msg))
	}
	if l.limit != window {
		t.Errorf("credit %d", l.limit)
	}
}

// TestPeerThatNeverAcks talks and talks, and says nothing of what it was sent.
func TestPeerThatNeverAcks(t *testing.T) {
	l := frameLink(false)
	l.push(transport.Ordered, []byte("hello?"))
	now, most, number := instant(0), 0, uint64(0)
	for ; now < 60*second && l.stage != gone; now += 800 * microsecond {
		feed(l, number, now, []byte{framePing})
		number++
		l.tick(now)
		drain(l, now)
		most = max(most, l.sent.len())
	}
	if most > mostSent {
		t.Errorf("%d packets are remembered", most)
	}
	if l.stage != gone || now > deadAfter+second || !errors.Is(l.err, errSilent) {
		t.Errorf("stage %d after %v: %v", l.stage, duration(now), l.err)
	}
}

// TestLossDoesNotSlowDown: that one packet is lost makes neither memory nor
// work grow with all that are sent within the next second.
func TestLossDoesNotSlowDown(t *testing.T) {
	l := frameLink(false)
	now, most := second, 0
	for n := range uint64(20_000) {
		l.push(transport.Ordered, []byte("hi"))
		drain(l, now)
		now += 10 * microsecond
		if n > 1 {
			feed(l, n-2, now, acks(span{1, l.next}))
		}
		most = max(most, l.sent.len())
	}
	if most > rememberMost+100 {
		t.Errorf("%d packets are remembered", most)
	}
	if behind := l.next - l.settled; behind > 100 {
		t.Errorf("%d packets are looked at for each acknowledgement", behind)
	}
}

// TestMemoryOfPieces measures what a peer can make us keep by pieces of a byte.
func TestMemoryOfPieces(t *testing.T) {
	before := heapInUse()
	l := frameLink(false)
	number, one := uint64(0), []byte{1}
	for m := uint64(1); l.stage == open && m < maxAhead; m++ {
		for offset := 0; offset < 500 && l.stage == open; offset += 2 {
			feed(l, number, 0, pieceFrame(1, m, 500, offset, one))
			number++
		}
	}
	if l.stage == open {
		t.Error("there is no bound")
	}
	if used := heapInUse() - before; used > 4<<20 {
		t.Errorf("%d bytes are kept", used)
	} else {
		t.Logf("%d packets of a byte made us keep %d bytes", number, used)
	}
	runtime.KeepAlive(l)
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHonestPeerIsNotBroken: the most that credit allows, in the worst order.
func TestHonestPeerIsNotBroken(t *testing.T) {
	for lane := range 2 {
		l := frameLink(false)
		n := uint64(window / cost(1))
		for i := n; i > 0; i-- {
			if feed(l, n-i, 0, pieceFrame(lane, i-1, 1, 0, []byte{byte(i)})); l.stage != open {
				t.Fatalf("lane %d: %v with %d messages", lane, l.err, n-i)
			}
		}
		for i := range n {
			if msg, ok := l.pop(nil); !ok || lane == 0 && msg[0] != byte(i+1) {
				t.Fatalf("lane %d: message %d is %v", lane, i, msg)
			}
		}
	}
}

// TestNarrowerPath: packets that become too large for the path do not stay
// away for ever, though small ones arrive all the time.
func TestNarrowerPath(t *testing.T) {
	for _, loss := range []float64{0, 0.1} {
		s := newSim(t, 5, true, wire{delay: millisecond, loss: loss})
		for n := range 500 {
			s.mustSend(0, transport.Ordered, simMessage(n, 5000))
		}
		if s.links[0].packet != largePacket {
			t.Errorf("packets are of %d bytes on a path that carries 1500", s.links[0].packet)
		}
		s.run(s.now+second, nil)
		s.wires[0].mtu = 1280
		for n := 500; n < 520; n++ {
			s.mustSend(0, transport.Ordered, simMessage(n, 5000))
		}
		small := 0
		for ; small < 3000; small++ {
			s.mustSend(0, transport.Unordered, simMessage(1000, 10))
			s.run(s.now+millisecond, nil)
			if s.links[0].out[0].held == 0 {
				break
			}
		}
		if took := duration(instant(small) * millisecond); s.links[0].out[0].held > 0 {
			t.Errorf("loss %v: not yet there after %v; %+v", loss, took, s.links[0].snapshot(s.now))
		} else {
			t.Logf("loss %v: recovered in %v", loss, took)
		}
	}
}

// TestGoodbyeForEver: a peer that repeats its goodbye does not keep us.
func TestGoodbyeForEver(t *testing.T) {
	l := frameLink(false)
	now := second
	for n := uint64(0); l.stage != gone && now < 10*second; n++ {
		feed(l, n, now, []byte{frameClose, closeBye})
		drain(l, now)
		now += 10 * millisecond
		l.tick(now)
	}
	if now > second+2*lingerAfter {
		t.Errorf("it took %v", duration(now-second))
	}
}

// TestWhoMoves: the peer is asked for elsewhere only when its newest packet came
// from there, not an older one that was late; and it has moved only once the answer has
// come from the address that was asked, and not from whoever read the question.
func TestWhoMoves(t *testing.T) {
	there, elsewhere := netip.MustParseAddrPort("10.0.0.7:7"), netip.MustParseAddrPort("10.0.0.66:666")
	l := frameLink(true)
	l.handle(packetOf(l, 5, []byte{framePing}), clientAddr, 0)
	if l.handle(packetOf(l, 4, []byte{framePing}), there, 0); l.path.addr.IsValid() {
		t.Errorf("an old packet has %v asked", l.path.addr)
	}
	if l.handle(packetOf(l, 6, []byte{framePing}), there, 0); l.path.addr != there {
		t.Fatalf("%v is asked", l.path.addr)
	}
	l.poll(make([]byte, 0, largePacket), 0) // the question
	answer := binary.BigEndian.AppendUint64([]byte{frameResponse}, l.path.data)
	if l.handle(packetOf(l, 7, answer), elsewhere, 0); l.peer != clientAddr {
		t.Errorf("the peer is at %v", l.peer)
	}
	if l.handle(packetOf(l, 8, answer), there, 0); l.peer != there {
		t.Errorf("the peer is at %v", l.peer)
	}
}

// TestAckOfTheNext: to acknowledge the very next packet, which was not sent yet,
// breaks the protocol.
func TestAckOfTheNext(t *testing.T) {
	for sent := range uint64(3) {
		l := frameLink(true)
		for range sent {
			l.ping = true
			l.poll(make([]byte, 0, largePacket), second)
		}
		if l.next != sent {
			t.Fatalf("%d packets were sent, not %d", l.next, sent)
		}
		l.handle(packetOf(l, 0, appendAck(nil, ranges{{sent, sent + 1}}, 0, 1, 100)), clientAddr, second)
		if l.err == nil {
			t.Errorf("packet %d is acknowledged before it is sent", sent)
		}
	}
}

// TestManyPieces: a message is kept in so many pieces with gaps, and no more.
func TestManyPieces(t *testing.T) {
	var lane inLane
	for n := range maxPieces + 1 {
		ok := lane.put(piece{total: maxMessage, offset: 1 + 2*n, data: []byte{1}}, func([]byte) {})
		if ok != (n < maxPieces) {
			t.Fatalf("piece %d: %v", n, ok)
		}
	}
}

// TestManyGaps: of a peer that leaves out every other number, so many are
// remembered, and what is older counts as having come.
func TestManyGaps(t *testing.T) {
	l := frameLink(true)
	for n := range uint64(2 * maxSpans) {
		l.note(2*n, []byte{framePadding}, false, 0)
	}
	if len(l.got) > maxSpans || l.from != l.got[0].lo {
		t.Errorf("%d spans, from %d on", len(l.got), l.from)
	}
}
