package udp

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzLane puts pieces of messages into a lane in any order, overlapping and
// again and again, and compares what comes out with what a map would give. A
// script of four bytes a step says which piece comes.
func FuzzLane(f *testing.F) {
	f.Add(true, []byte{0, 0, 9, 0, 1, 0, 255, 0, 0, 5, 255, 0})
	f.Add(false, []byte{2, 0, 255, 1, 1, 0, 255, 1, 0, 0, 255, 1})
	f.Add(true, []byte{2, 0, 255, 1, 2, 0, 255, 1, 1, 0, 10, 1, 1, 5, 255, 1, 0, 0, 255, 1})
	random := rand.New(rand.NewPCG(6, 6))
	for range 4 {
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(random.Uint32())
			if i%4 == 0 {
				script[i] %= 8
			}
		}
		f.Add(random.IntN(2) == 0, script)
	}
	f.Fuzz(func(t *testing.T, ordered bool, script []byte) {
		l := inLane{ordered: ordered}
		have := map[uint64]map[int]bool{} // bytes that came, by message
		given := map[uint64]bool{}
		next := uint64(0)
		for ; len(script) >= 4; script = script[4:] {
			number := uint64(script[0] % 64)
			msg := laneMessage(number)
			from := int(script[1]) * len(msg) / 256
			to := min(len(msg), from+1+int(script[2])*int(1+script[3]%8))
			if have[number] == nil {
				have[number] = map[int]bool{}
			}
			data := bytes.Clone(msg[from:to])
			ok := l.put(piece{number: number, total: len(msg), offset: from, data: data}, func(got []byte) {
				n := uint64(got[0])
				if !bytes.Equal(got, laneMessage(n)) {
					t.Fatalf("message %d is damaged", n)
				}
				if given[n] || ordered && n != next {
					t.Fatalf("message %d came, and before it %d", n, next)
				}
				given[n] = true
				next++
			})
			clear(data) // it is only lent
			if !ok {
				t.Fatalf("an honest piece was refused: %d, %d to %d", number, from, to)
			}
			for i := from; i < to; i++ {
				have[number][i] = true
			}
			checkLane(t, &l, have, given)
		}
	})
}

func laneMessage(number uint64) []byte {
	b := make([]byte, 1+number*number%900)
	for i := range b {
		b[i] = byte(number) + byte(i*i)
	}
	return b
}

// checkLane: handed out is exactly what can be, and what is kept is counted.
func checkLane(t *testing.T, l *inLane, have map[uint64]map[int]bool, given map[uint64]bool) {
	earlier, kept := true, 0
	for n := range uint64(64) {
		whole := len(have[n]) == len(laneMessage(n))
		if want := whole && (earlier || !l.ordered); given[n] != want {
			t.Fatalf("message %d: handed out %v", n, given[n])
		}
		earlier = earlier && whole
		if m := l.msgs[n]; m != nil {
			kept += keptMessage + cap(m.begin)
			for _, p := range m.pieces {
				kept += keptPiece + len(p.data)
			}
			if m.have != len(have[n]) {
				t.Fatalf("message %d: it has %d bytes, not %d", n, m.have, len(have[n]))
			}
		}
	}
	if kept != l.held {
		t.Fatalf("%d bytes are kept and %d counted", kept, l.held)
	}
}

// TestOutLane: whatever parts are acknowledged in whatever order, the lane
// holds what is not, and nothing else.
func TestOutLane(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	for range 200 {
		var l outLane
		var open []ref
		for n := range uint64(1 + random.IntN(30)) {
			size := 1 + random.IntN(3000)
			l.push(bytes.Repeat([]byte{byte(n)}, size))
			for at := 0; at < size; {
				part := min(size-at, 1+random.IntN(1400))
				open = append(open, ref{number: n, offset: int32(at), size: int32(part)})
				at += part
			}
		}
		random.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for i, r := range open {
			if !l.wants(r) {
				t.Fatalf("%+v is not wanted", r)
			}
			m := l.find(r.number)
			got := make([]byte, r.size)
			l.data.read(m.at+uint64(r.offset), got)
			if want := bytes.Repeat([]byte{byte(r.number)}, int(r.size)); !bytes.Equal(got, want) {
				t.Fatalf("%+v reads % x", r, got)
			}
			l.ack(r)
			l.ack(open[random.IntN(i+1)]) // some come again
			if l.wants(r) {
				t.Fatalf("%+v is still wanted", r)
			}
		}
		if l.held != 0 || l.msgs.len() != 0 || l.data.len() != 0 {
			t.Fatalf("%d held, %d messages, %d bytes", l.held, l.msgs.len(), l.data.len())
		}
	}
}
