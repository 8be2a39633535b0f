//go:build !nolab

package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/lab/wire"
	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// TestDissectorRefusals has A knock where the mode is another, and where nobody is:
// what an ICMP error quotes must not be taken for a packet.
func TestDissectorRefusals(t *testing.T) {
	s := newShark(t)
	rec := wire.NewRecorder(t.Name())
	var a *wire.Host
	wire.Test(t)(func() {
		l := wire.New(wire.Config{Seed: 7, Tap: rec.Tap})
		defer l.Close()
		ctx := context.Background()
		a = l.Host("A")
		b := l.Host("B")
		sa, errA := a.ListenPacket(ctx, "udp", ":50000")
		sb, errB := b.ListenPacket(ctx, "udp", ":7667")
		ln, errL := b.Listen(ctx, "tcp", ":7667")
		if errA != nil || errB != nil || errL != nil {
			t.Fatal(errA, errB, errL)
		}
		from := &udp.Endpoint{Socket: sa, Plaintext: true}
		to := &udp.Endpoint{Socket: sb}
		toTCP := &tcp.Endpoint{Listener: ln}
		fromTCP := &tcp.Endpoint{DialContext: a.DialContext, Plaintext: true}
		for _, e := range []transport.Listener{to, toTCP} {
			go e.Accept(ctx)
		}
		soon, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		for _, port := range []uint16{7667, 9} {
			for _, d := range []transport.Dialer{from, fromTCP} {
				if _, err := d.Dial(soon, netip.AddrPortFrom(b.Addr(), port)); err == nil {
					t.Error("it was let in")
				}
			}
		}
		for _, e := range []io.Closer{from, fromTCP, to, toTCP} {
			e.Close()
		}
	})
	frames, _ := rec.Frames()
	file := s.capture(t, a, frames)
	s.lacks(t, file, wrong)
	s.finds(t, file, "parley.type==3 && parley.reason==2", "icmp.type==3 && parley.type==1", "parley.tcp && parley.reason==2")
}

// TestDissectorDamage compares the packets that are shown as damaged with those that
// the lab damaged, behind their headers.
func TestDissectorDamage(t *testing.T) {
	s := newShark(t)
	k := talkUDP(t, 7667, true, wire.Way{Delay: 5 * time.Millisecond})
	r := rand.New(rand.NewPCG(7, 7))
	var frames []*wire.Frame
	damaged := 0
	for _, f := range k.frames {
		if n := len(f.Payload); f.From == k.host[0] && n > 30 && f.Payload[0] >= 0x50 && r.IntN(4) == 0 {
			f = changed(f, func(b []byte) []byte {
				b[14+r.IntN(len(b)-14)] ^= 1 << r.IntN(8)
				return b
			})
			damaged++
		}
		frames = append(frames, f)
	}
	file := s.capture(t, k.host[0], frames)
	if n := s.count(t, file, "parley.crc.bad")[0]; n != damaged || damaged < 20 {
		t.Errorf("%d packets are shown as damaged, %d are", n, damaged)
	}
	s.lacks(t, file, "_ws.lua.error || _ws.malformed")
	t.Logf("FIGURE %d damaged packets, all found", damaged)
}

// changed returns a frame with another payload, which takes the place of the
// one it had; the sums above it are as they were.
func changed(f *wire.Frame, change func([]byte) []byte) *wire.Frame {
	g := *f
	head := len(f.Data) - len(f.Payload)
	g.Data = append(slices.Clone(f.Data[:head]), change(slices.Clone(f.Payload))...)
	g.Payload = g.Data[head:]
	return &g
}

// TestDissectorLater reads a capture that began in the midst of a conversation: the
// numbers are right all the same, for the checksum betrays them.
func TestDissectorLater(t *testing.T) {
	s := newShark(t)
	way := wire.Way{Delay: 20 * time.Millisecond, Loss: .02}
	k := talkUDP(t, 50007, true, way)
	const from = 350
	file := s.capture(t, k.host[0], k.frames[from:])
	var got, want []string
	for _, r := range s.fields(t, file, "parley.pn && frame.packet_flags_direction==2", "parley.pn") {
		got = append(got, r[0]...)
	}
	for _, r := range s.fields(t, s.capture(t, k.host[0], k.frames), "parley.pn && frame.packet_flags_direction==2", "parley.pn") {
		want = append(want, r[0]...)
	}
	if len(got) < 20 || !slices.Equal(got, want[len(want)-len(got):]) {
		t.Errorf("packets %v, want the last of %v", got, want)
	}
	s.lacks(t, file, wrong)
	a, _, frames := talkTCP(t, 7667, true, wire.Way{Delay: 5 * time.Millisecond})
	file = s.capture(t, a, frames[33:])
	s.lacks(t, file, "_ws.lua.error || _ws.malformed")
	s.finds(t, file, "parley.tcp")
}

// TestDissectorMutants has tshark read what no program sends.
func TestDissectorMutants(t *testing.T) {
	s := newShark(t)
	r := rand.New(rand.NewPCG(7, 11))
	mutants, ways := 400, [][]string{{"-2", "-V"}} // of each capture; read twice
	if thorough {
		mutants, ways = 20_000, append(ways, []string{"-V"}, []string{"-T", "pdml"})
	}
	pools := [][]*wire.Frame{beacons(t)}
	for _, plaintext := range []bool{true, false} {
		k := talkUDP(t, 7667, plaintext, wire.Way{Delay: 5 * time.Millisecond, Loss: .02})
		_, _, frames := talkTCP(t, 7667, plaintext, wire.Way{Delay: 5 * time.Millisecond})
		pools = append(pools, k.frames, frames)
	}
	shown := 0
	for i, pool := range pools {
		list := mutate(r, pool, mutants)
		file := s.capture(t, list[0].From, list)
		for _, args := range ways {
			said := s.read(t, file, append(args, "-o", "tcp.check_checksum:FALSE")...)
			if at := strings.Index(said, "Lua Error"); at >= 0 {
				t.Errorf("pool %d, %v: %d Lua errors: %.600s", i, args, strings.Count(said, "Lua Error"), said[at:])
			}
		}
		shown += s.count(t, file, "parley")[0]
	}
	if shown < mutants {
		t.Errorf("of %d mutants only %d are taken for parley", mutants*len(pools), shown)
	}
	t.Logf("FIGURE %d mutants, %d of them taken for parley: no Lua error", mutants*len(pools), shown)
}

// beacons are what a room's host, and who looks for it, say in discovery.
func beacons(t *testing.T) []*wire.Frame {
	t.Helper()
	p := Party{Members: 1, Each: 1, Every: time.Second, Via: "udp", Recorder: wire.NewRecorder(t.Name()), Wire: wire.Config{Seed: 7}}
	if _, err := p.Run(wire.Test(t)); err != nil {
		t.Fatal(err)
	}
	frames, _ := p.Recorder.Frames()
	return slices.DeleteFunc(frames, func(f *wire.Frame) bool { return !bytes.HasPrefix(f.Payload, []byte("prly")) })
}

// mutate makes n frames out of those of a pool, as if one host had sent all.
func mutate(r *rand.Rand, pool []*wire.Frame, n int) (list []*wire.Frame) {
	h, seq := pool[0].From, uint32(1)
	good := slices.DeleteFunc(slices.Clone(pool), func(f *wire.Frame) bool { return len(f.Payload) == 0 || f.Proto == "icmp" })
	for i := range n {
		whole := r.IntN(8) == 0 // those in between that are not changed have the rest go on
		f := changed(good[r.IntN(len(good))], func(b []byte) []byte {
			if whole {
				return b
			}
			return mend(r, mutant(r, b))
		})
		f.At, f.From, f.Copies = time.Duration(i)*time.Millisecond, h, nil
		ip := f.Data[14:]
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		if f.Proto == "tcp" { // what was there before, Wireshark does not look at
			binary.BigEndian.PutUint32(ip[24:], seq)
			seq += uint32(len(f.Payload))
		} else {
			binary.BigEndian.PutUint16(ip[24:], uint16(len(ip)-20))
		}
		list = append(list, f)
	}
	return list
}

// mutant changes a payload in up to four ways.
func mutant(r *rand.Rand, b []byte) []byte {
	odd := []byte{0, 1, 2, 0x10, 0x11, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff}
	for range 1 + r.IntN(4) {
		switch at := r.IntN(len(b)); r.IntN(5) {
		case 0:
			b[at] = byte(r.IntN(256))
		case 1:
			b[at] ^= 1 << r.IntN(8)
		case 2: // where lengths and numbers are
			b[r.IntN(min(len(b), 40))] = odd[r.IntN(len(odd))]
		case 3:
			b = b[:at+1]
		case 4:
			b = append(b[:at:at], b[r.IntN(len(b)):]...)
		}
	}
	return b
}

// mend gives some packets a good sum again, so that their frames are believed.
func mend(r *rand.Rand, b []byte) []byte {
	if len(b) < 20 || b[0]&0xf0 != 0x50 || r.IntN(4) == 0 {
		return b
	}
	b[0] |= 8 // a short number
	sum := b[len(b)-4:]
	clear(sum)
	binary.BigEndian.PutUint32(sum, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}
