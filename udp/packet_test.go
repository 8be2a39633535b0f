package udp

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"parley/transport"
)

// TestPacketLayout holds the bytes themselves: a second implementation relies
// on them.
func TestPacketLayout(t *testing.T) {
	const header = "50 0102030405060708 9abcdef0"
	b := appendPacketHeader(nil, packetPlain, 0x0102030405060708, 0x123456789abcdef0, 0x123456789abcdef0-shortAhead)
	if want := unhex(header); !bytes.Equal(b, want) {
		t.Errorf("header % x, not % x", b, want)
	}
	b = appendPacketHeader(nil, packetPlain, 0x0102030405060708, 0x123456789abcdef0, 0x123456789abcdef1-shortAhead)
	if want := unhex("58 0102030405060708 f0"); !bytes.Equal(b, want) {
		t.Errorf("short header % x, not % x", b, want)
	}
	got := ranges{{1, 3}, {5, 6}, {0x4000, 0x4101}}
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"ack":       {appendAck(nil, got, 300, maxAckSpans, 1000), "02 80004100 412c 02 4100 7ff9 00 01 01"},
		"ack short": {appendAck(nil, got, 300, 1, 1000), "02 80004100 412c 00 4100"},
		"message":   {appendPiece(nil, 0, 70, 5, 0, 5), "10 4046 0a"},
		"fragment":  {appendPiece(nil, 1, 70, 65536, 1200, 20), "13 4046 80010000 44b0 14"},
	} {
		if want := unhex(c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s: % x, not % x", name, c.got, want)
		}
	}
	for _, v := range []struct {
		n    uint64
		want string
	}{{0, "00"}, {63, "3f"}, {64, "4040"}, {16383, "7fff"}, {16384, "80004000"}, {1<<30 - 1, "bfffffff"},
		{1 << 30, "c000000040000000"}, {1<<62 - 1, "ffffffffffffffff"}} {
		b := appendVarint(nil, v.n)
		r := reader{b: b}
		if !bytes.Equal(b, unhex(v.want)) || len(b) != varintLen(v.n) || r.varint() != v.n || r.bad {
			t.Errorf("%d: % x, not %s", v.n, b, v.want)
		}
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		panic(err)
	}
	return b
}

// FuzzPacket: a header says what it was made of, if the number is within 2^31
// of the one expected; and a link takes whatever bytes come.
func FuzzPacket(f *testing.F) {
	f.Add(uint64(7), uint64(0), uint64(0), []byte{})
	f.Add(uint64(7), uint64(1)<<32, uint64(1)<<32-5, []byte{0x50, 0})
	f.Add(uint64(1)<<63, uint64(1)<<61, uint64(1)<<61+1<<31, bytes.Repeat([]byte{0x52}, 40))
	f.Fuzz(func(t *testing.T, id, number, expected uint64, raw []byte) {
		number, expected = number>>2, expected>>2
		b := appendPacketHeader(nil, packetSealed, id, number, 0)
		r := reader{b: b}
		if r.byte()&^packetShort != packetSealed || len(b) != headerSize(b[0]) {
			t.Fatalf("% x", b)
		}
		for acked := number - min(number, shortAhead); acked <= number; acked += 7 { // what the peer expects is more
			b := appendPacketHeader(nil, packetSealed, id, number, acked)
			if got := numberOf(b, acked+1); got != number {
				t.Fatalf("%d acknowledged: %d became %d", acked, number, got)
			}
		}
		low := uint32(number)
		got := wholeNumber(uint64(low), 1<<32, expected)
		if uint32(got) != low {
			t.Fatalf("%d expected, %x gave %x", expected, low, got)
		}
		far := max(number, expected) - min(number, expected)
		if near := max(got, expected) - min(got, expected); near > far {
			t.Fatalf("%d expected: %d is nearer than %d", expected, number, got)
		}
		if far < 1<<31 && got != number {
			t.Fatalf("%d expected: %d became %d", expected, number, got)
		}
		l := frameLink(true)
		l.handle(slices.Clone(raw), clientAddr, second)
	})
}

// FuzzFrames gives a link payloads as if they were genuine. Nothing may crash,
// and what is kept is bounded by what came.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{framePing, framePadding})
	f.Add(append(acks(span{0, 2}, span{4, 5}), frameClose, 0))
	f.Add(pieceFrame(0, 3, 4000, 100, make([]byte, 50)))
	f.Add(pieceFrame(1, 0, 40, 0, make([]byte, 40)))
	f.Add([]byte{frameMessages, 0, 5, 1, 2, 3, 1, 4, 2, 5, framePing})
	f.Add(append([]byte{frameBare, 3, 1, 2, 3, frameCredit}, appendVarint(nil, 1<<40)...))
	f.Add([]byte{frameChallenge, 1, 2, 3, 4, 5, 6, 7, 8, frameResponse, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{frameAck, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0})
	f.Add([]byte{frameMessages | bitFragment, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		payload = payload[:min(len(payload), largePacket)]
		l := frameLink(false)
		l.push(transport.Ordered, make([]byte, 3000))
		l.push(transport.Unordered, make([]byte, 100))
		drain(l, second)
		for i, now := range []instant{second, second + millisecond, 2 * second} {
			feed(l, uint64(i), now, payload)
			l.tick(now)
			drain(l, now)
			l.wake(now)
			if kept := l.in[0].held + l.in[1].held + blockSize*l.ready.blocks.len() + 24*len(l.resend.ring); kept > 64<<10 {
				t.Fatalf("%d bytes are kept for packets of %d", kept, len(payload))
			}
			if l.flying < 0 || l.out[0].held < 0 || l.taken < 0 || l.waiting < 0 {
				t.Fatalf("a counter is negative: %+v", l.stats)
			}
		}
		checkAck(t, payload)
		checkPieces(t, payload)
	})
}

// checkAck: an ACK that is accepted says the same when it is written again.
func checkAck(t *testing.T, b []byte) {
	if len(b) == 0 || b[0] != frameAck {
		return
	}
	r := reader{b: b[1:]}
	var spans []span
	_, delay := r.ack(func(s span) { spans = append(spans, s) })
	if r.bad {
		return
	}
	slices.Reverse(spans)
	for i, s := range spans {
		if s.lo >= s.hi || i > 0 && s.lo <= spans[i-1].hi {
			t.Fatalf("spans %v", spans)
		}
	}
	again := appendAck(nil, spans, delay, maxAckSpans+1, 1<<20)
	r = reader{b: again[1:]}
	var second []span
	if _, d := r.ack(func(s span) { second = append(second, s) }); r.bad || d != delay || len(r.b) > 0 {
		t.Fatalf("% x does not read", again)
	}
	slices.Reverse(second)
	if !slices.Equal(spans, second) {
		t.Fatalf("%v became %v", spans, second)
	}
}

func checkPieces(t *testing.T, b []byte) {
	if len(b) == 0 || b[0] < frameMessages || b[0] >= frameBare {
		return
	}
	r := reader{b: b[1:]}
	p := r.piece(b[0])
	if r.bad {
		return
	}
	if p.offset+len(p.data) > p.total || p.total > maxMessage || len(p.data) == 0 {
		t.Fatalf("%+v was accepted", p)
	}
	again := pieceFrame(p.lane, p.number, p.total, p.offset, p.data)
	if len(again) != pieceHeader(p.number, p.total, p.offset, len(p.data))+len(p.data) {
		t.Fatalf("a piece takes %d bytes, not as announced", len(again))
	}
	r = reader{b: again[1:]}
	if q := r.piece(again[0]); r.bad || q.number != p.number || q.total != p.total || q.offset != p.offset || !bytes.Equal(q.data, p.data) {
		t.Fatalf("%+v became %+v", p, q)
	}
}

// TestAckFits: an ACK takes no more room than it is given, and says the newest.
func TestAckFits(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	for range 5000 {
		var got ranges
		at := random.Uint64N(1 << (1 + random.IntN(60)))
		for range 1 + random.IntN(40) {
			at += 2 + random.Uint64N(1<<random.IntN(20))
			n := 1 + random.Uint64N(1<<random.IntN(20))
			got.add(at, at+n)
			at += n
		}
		room := 40 + random.IntN(100)
		b := appendAck(nil, got, random.Uint64N(1<<30), 1+random.IntN(maxAckSpans), room)
		r, i := reader{b: b[1:]}, len(got)
		r.ack(func(s span) {
			if i--; s != got[i] {
				t.Errorf("span %v, not %v", s, got[i])
			}
		})
		if len(b) > room || r.bad || len(r.b) > 0 {
			t.Fatalf("%d bytes in a room of %d", len(b), room)
		}
	}
}
