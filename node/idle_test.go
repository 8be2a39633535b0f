package node

import (
	"context"
	"net"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"parley/discovery"
	"parley/room"
)

// metered is a Net that counts what it is given to send.
type metered struct {
	Net
	talk, find *meter
}

// meter counts datagrams, or writes to streams, and their bytes.
type meter struct{ sends, bytes atomic.Int64 }

func (m *meter) note(n int) {
	m.sends.Add(1)
	m.bytes.Add(int64(n))
}

func newMetered(n Net) metered { return metered{n, new(meter), new(meter)} }

func (m metered) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := m.Net.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return meteredPackets{c, m.talk}, nil
}

func (m metered) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := m.Net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return meteredStream{c, m.talk}, nil
}

func (m metered) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := m.Net.Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return meteredListener{l, m.talk}, nil
}

func (m metered) Discovery() discovery.Net { return meteredDiscovery{m.Net.Discovery(), m.find} }

type meteredDiscovery struct {
	discovery.Net
	m *meter
}

func (d meteredDiscovery) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := d.Net.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return meteredPackets{c, d.m}, nil
}

type meteredPackets struct {
	net.PacketConn
	m *meter
}

func (c meteredPackets) WriteTo(b []byte, to net.Addr) (int, error) {
	c.m.note(len(b))
	return c.PacketConn.WriteTo(b, to)
}

type meteredListener struct {
	net.Listener
	m *meter
}

func (l meteredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return meteredStream{c, l.m}, nil
}

type meteredStream struct {
	net.Conn
	m *meter
}

func (s meteredStream) Write(b []byte) (int, error) {
	s.m.note(len(b))
	return s.Conn.Write(b)
}

// wakeups is how often goroutines of this process were set running, about: the
// runtime looks at every eighth time.
func wakeups() int64 {
	const every = 8
	s := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(s)
	total := uint64(0)
	for _, n := range s[0].Value.Float64Histogram().Counts {
		total += n
	}
	return int64(total * every)
}

// Headers of a datagram, and of a write to a stream with the acknowledgement that it gets.
const (
	datagramHead = 28
	streamHead   = 2 * 52
)

// Who sits in a room and says nothing hardly costs anything, all day.
func TestIdleDay(t *testing.T) {
	const day = 24 * time.Hour
	perHour := func(n int64) int64 { return n / int64(day/time.Hour) }
	alone := int64(0)
	for _, c := range []struct {
		carrier   Transport
		head      int64
		mostBytes int64 // an hour
		mostRuns  int64
	}{{"", 0, 0, 15_000}, {UDP, datagramHead, 300_000, 50_000}, {TCP, streamHead, 300_000, 50_000}} {
		inBubble(t, func(w *world) {
			host := newMetered(machine{w.lan.Machine("host", "10.0.0.1/24", "fe80::1/64")})
			guest := newMetered(machine{w.lan.Machine("guest", "10.0.0.2/24", "fe80::2/64")})
			h := &Node{Net: host}
			w.nodes = append(w.nodes, h)
			w.open(h, "physics")
			name := "a host alone"
			if c.carrier != "" {
				m := &Node{Net: guest, Transport: c.carrier}
				w.nodes = append(w.nodes, m)
				w.join(m, "physics", "ana")
				name = "a member by " + string(c.carrier)
			}
			time.Sleep(10 * time.Minute)
			ran := wakeups()
			count := func() (all [4]int64) {
				for i, m := range []*meter{guest.talk, host.talk, guest.find, host.find} {
					head := c.head
					if i >= 2 {
						head = datagramHead
					}
					all[i] = m.bytes.Load() + head*m.sends.Load()
				}
				return all
			}
			before, sends := count(), guest.talk.sends.Load()
			time.Sleep(day)
			after := count()
			sends = guest.talk.sends.Load() - sends
			for i := range after {
				after[i] = perHour(after[i] - before[i])
			}
			ran = perHour(wakeups() - ran)
			if c.carrier == "" {
				alone = ran
			}
			t.Logf("FIGURE idle for 24 h, an hour of %s: it sends %d times, %d bytes, and the host %d to it; discovery %d and %d; goroutines set running %d times, %d of them for the member and his seat",
				name, perHour(sends), after[0], after[1], after[2], after[3], ran, ran-alone)
			if after[0] > c.mostBytes || after[1] > c.mostBytes || after[2] != 0 || ran > c.mostRuns && !raceEnabled {
				t.Errorf("that is more than %d bytes and %d runs, or it looks for rooms", c.mostBytes, c.mostRuns)
			}
		})
	}
}

// Who watches which rooms there are asks all the time.
func TestIdleList(t *testing.T) {
	inBubble(t, func(w *world) {
		w.open(w.node("10.0.0.1"), "physics")
		guest := newMetered(machine{w.lan.Machine("guest", "10.0.0.2/24", "fe80::2/64")})
		n := &Node{Net: guest}
		w.nodes = append(w.nodes, n)
		ctx, cancel := context.WithTimeout(w.Context(), time.Hour)
		defer cancel()
		n.Rooms(ctx, func(room.Listing) {})
		bytes := guest.find.bytes.Load() + datagramHead*guest.find.sends.Load()
		t.Logf("FIGURE a list of rooms that is kept open, an hour: %d datagrams, %d bytes", guest.find.sends.Load(), bytes)
		if bytes > 6<<20 {
			t.Errorf("that is more than 6 MiB")
		}
	})
}
