//go:build !nolab

package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/lab/wire"
	"parley/transport"
	"parley/udp"
)

// told is a packet as udp.Trace tells of it.
type told struct {
	number uint64
	frames []byte
	resent bool
}

// A talk is a conversation between A and B over UDP, as seen and as told.
type talk struct {
	host   [2]*wire.Host
	frames []*wire.Frame
	sent   [2][]told
}

// talkUDP has A say things to B, and B answer some, in all lanes and sizes.
func talkUDP(t *testing.T, port int, plaintext bool, way wire.Way) (k talk) {
	t.Helper()
	defer wire.Steady(7)()
	rec := wire.NewRecorder(t.Name())
	wire.Test(t)(func() {
		l := wire.New(wire.Config{Seed: 7, Tap: rec.Tap, Way: way})
		defer l.Close()
		ctx := context.Background()
		var ends [2]*udp.Endpoint
		var lock sync.Mutex
		for i, name := range []string{"A", "B"} {
			k.host[i] = l.Host(name)
			s, err := k.host[i].ListenPacket(ctx, "udp", ":"+strconv.Itoa(port))
			if err != nil {
				t.Fatal(err)
			}
			mine := &k.sent[i]
			ends[i] = &udp.Endpoint{Socket: s, Plaintext: plaintext, Trace: &udp.Trace{
				Sent: func(p udp.Packet) {
					lock.Lock()
					defer lock.Unlock()
					*mine = append(*mine, told{number: p.Number, frames: slices.Clone(p.Frames)})
				},
				Resent: func(udp.Packet) {
					lock.Lock()
					defer lock.Unlock()
					(*mine)[len(*mine)-1].resent = true
				},
			}}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c, err := ends[1].Accept(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for n := 0; ; n++ {
				msg, err := c.Receive(ctx)
				if err != nil {
					return
				}
				if n%10 == 0 {
					c.Send(ctx, msg)
				}
			}
		}()
		k.host[0].Pause(time.Second)
		c, err := ends[0].Dial(ctx, netip.AddrPortFrom(k.host[1].Addr(), uint16(port)))
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			for {
				if _, err := c.Receive(ctx); err != nil {
					return
				}
			}
		}()
		for i := range 200 {
			size := 64
			if i%20 == 7 {
				size = 5000 // in parts
			}
			msg := make([]byte, size)
			binary.BigEndian.PutUint32(msg, uint32(i))
			if err := c.(interface {
				SendVia(context.Context, transport.Delivery, []byte) error
			}).SendVia(ctx, lane(i), msg); err != nil {
				t.Error(err)
			}
			if i%4 != 0 {
				k.host[0].Pause(20 * time.Millisecond)
			}
		}
		k.host[0].Pause(time.Second)
		c.Close()
		<-read
		<-done
		ends[0].Close()
		ends[1].Close()
	})
	k.frames, _ = rec.Frames()
	return k
}

// lane is the one of message i: mostly the ordered one.
func lane(i int) transport.Delivery {
	switch i % 10 {
	case 3:
		return transport.Unordered
	case 5:
		return transport.Bare
	}
	return transport.Ordered
}

// pieces reads the numbers of messages, and the largest packet acknowledged, in
// frames, in another way than the dissector: by the layouts of package udp alone.
func pieces(t *testing.T, b []byte) (msgs []string, acked string) {
	t.Helper()
	next := func() (v uint64) {
		n := 1 << (b[0] >> 6)
		v = uint64(b[0] & 0x3f)
		for _, c := range b[1:n] {
			v = v<<8 | uint64(c)
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case 0, 1:
		case 2:
			acked = fmt.Sprint(next())
			next()
			count := next()
			next()
			for range 2 * count {
				next()
			}
		case 3:
			next()
		case 4, 5:
			b = b[8:]
		case 6:
			b = b[1:]
		case 0x10, 0x12:
			n := next()
			for more := true; more; n++ {
				length := next()
				more = length&1 != 0
				msgs = append(msgs, fmt.Sprint(n))
				b = b[length/2:]
			}
		case 0x11, 0x13:
			msgs = append(msgs, fmt.Sprint(next()))
			next()
			next()
			b = b[next():]
		case 0x14:
			b = b[next():]
		default:
			t.Fatalf("frame of type %#x", kind)
		}
	}
	return msgs, acked
}

// rows are the packets as the dissector ought to show them.
func rows(t *testing.T, sent []told) (list []string) {
	t.Helper()
	for _, p := range sent {
		msgs, acked := pieces(t, p.frames)
		list = append(list, fmt.Sprintf("packet %d acks %s carries %v again %v", p.number, acked, msgs, p.resent))
	}
	return list
}

// TestDissectorPlain compares what the dissector shows with what the endpoints
// say that they sent, on the program's port and another, where packets are lost,
// doubled and overtaken.
func TestDissectorPlain(t *testing.T) {
	s := newShark(t)
	way := wire.Way{Delay: 20 * time.Millisecond, Loss: .05, Dup: .02, Reorder: .02, HoldBack: 15 * time.Millisecond}
	for _, port := range ports(false) {
		k := talkUDP(t, port, true, way)
		for i, h := range k.host {
			file := s.capture(t, h, k.frames)
			s.sound(t, file)
			var got []string
			for _, r := range s.fields(t, file, "parley.pn && frame.packet_flags_direction==2",
				"parley.pn", "parley.ack.largest", "parley.msg.id", "parley.analysis.retransmission", "parley.crc.status") {
				got = append(got, fmt.Sprintf("packet %s acks %s carries %v again %v", strings.Join(r[0], ","), strings.Join(r[1], ","), r[2], r[3] != nil))
			}
			want := rows(t, k.sent[i])
			if !slices.Equal(got, want) {
				for n := range max(len(got), len(want)) {
					if n >= len(got) || n >= len(want) || got[n] != want[n] {
						t.Fatalf("port %d, %s, packet %d of %d and %d: shown %q, told %q", port, h.Name(), n, len(got), len(want),
							got[min(n, len(got)-1)], want[min(n, len(want)-1)])
					}
				}
			}
			t.Logf("FIGURE port %d, %s: %d packets as told, %d with something again", port, h.Name(), len(want),
				s.count(t, file, "parley.analysis.retransmission && frame.packet_flags_direction==2")[0])
		}
	}
}
