package udp

import (
	"context"
	"testing"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// TestTrace compares what a Trace is told with what the counters say.
func TestTrace(t *testing.T) {
	bothModes(t, func(t *testing.T, plain bool) {
		link := transporttest.Link{Loss: 0.2, Delay: time.Millisecond, Jitter: 2 * time.Millisecond}
		onLAN(t, 2, plain, link, func(r *rig) {
			var mu chan struct{} = make(chan struct{}, 1) // one callback at a time
			told := map[string]int{}
			bytes, windows := 0, 0
			var last time.Duration
			var rtt time.Duration
			states := map[uint64]string{}
			count := func(what string) func(Packet) {
				return func(p Packet) {
					select {
					case mu <- struct{}{}:
					default:
						t.Error("two callbacks at once")
					}
					defer func() { <-mu }()
					told[what]++
					if p.Host || p.Peer != r.at[1] || p.Size <= leastHeader || p.Size > largePacket || p.Conn == 0 {
						t.Errorf("%s: %+v", what, p)
					}
					if p.At < last || p.At > time.Minute || p.At == 0 {
						t.Errorf("%s: at %v, after %v", what, p.At, last)
					}
					last = p.At
					before := states[p.Number]
					switch what {
					case "sent":
						bytes += p.Size
						if before != "" || len(p.Frames) == 0 {
							t.Errorf("packet %d was sent after it was %s", p.Number, before)
						}
						states[p.Number] = what
					case "acked", "lost":
						if p.Frames != nil || before != "sent" && (what != "acked" || before != "lost") {
							t.Errorf("packet %d was %s after it was %s", p.Number, what, before)
						}
						states[p.Number] = what
					case "resent":
						if before != "sent" {
							t.Errorf("packet %d was %s", p.Number, before)
						}
					case "received":
						if len(p.Frames) == 0 {
							t.Error("a packet without frames")
						}
					}
				}
			}
			r.ends[0].Trace = &Trace{
				Sent: count("sent"), Received: count("received"), Acked: count("acked"), Lost: count("lost"), Resent: count("resent"),
				Window: func(_ uint64, window, flying int) {
					if windows++; window < fewPackets || flying < 0 {
						t.Errorf("window %d, flying %d", window, flying)
					}
				},
				RTT: func(_ uint64, latest, smoothed time.Duration) {
					if rtt = smoothed; latest < 2*time.Millisecond || smoothed < 2*time.Millisecond || smoothed > 20*time.Millisecond {
						t.Errorf("round trip %v, %v", latest, smoothed)
					}
				},
			}
			a, b := r.connect()
			r.talk(a, b, 0, 300)
			r.talk(b, a, 0, 100)
			if err := a.SendVia(context.Background(), transport.Bare, []byte("bare")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			s := a.Stats()
			if uint64(told["sent"]) != s.Sent || uint64(told["received"]) != s.Received || uint64(told["lost"]) != s.Lost ||
				uint64(told["resent"]) != s.Resent || uint64(bytes) != s.BytesOut || rtt != s.RTT {
				t.Errorf("told of %v, %d bytes, %v; counted %+v", told, bytes, rtt, s)
			}
			if told["lost"] == 0 || told["resent"] == 0 || told["acked"] == 0 || windows == 0 {
				t.Errorf("told of %v, %d windows", told, windows)
			}
			r.ends[0].Close()
		})
	})
}

// What a packet carries is seen without taking it apart for good.
func TestContent(t *testing.T) {
	b := appendVarint([]byte{framePing, frameAck}, 9)
	b = append(b, 1, 0, 2) // delay, count, first
	b = append(b, frameMessages, 5)
	b = append(appendVarint(b, 2*3+1), "one"...)
	b = append(appendVarint(b, 2*3), "two"...)
	b = append(b, frameMessages|bitUnordered|bitFragment, 7, 10, 4, 2, 'x', 'y')
	b = append(b, frameBare, 1, 'z')
	c := Packet{Frames: b}.Content()
	if c.Messages != 3 || string(c.First) != "one" || c.Upto != [2]uint64{7, 0} || c.Bare != 1 {
		t.Errorf("%+v", c)
	}
	if c := (Packet{Frames: b[:6]}).Content(); c.First != nil || c.Messages != 0 {
		t.Errorf("an acknowledgement carries %+v", c)
	}
	for i := range b {
		Packet{Frames: b[:i]}.Content() // none is too short to be looked at
	}
}
