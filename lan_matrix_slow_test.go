//go:build linux && slow

package main_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/room/roomtest"
)

// The rows L1 to L7. In full they take two minutes; for the figures:
//
//	PARLEY_TRIALS=full go test -tags slow -parallel 2 -timeout 30m -v -run '^(TestLANLinks|TestLANNarrowPath|TestLateDatagram)$' . | grep FIGURE
func TestLANLinks(t *testing.T) {
	t.Parallel()
	rows := times([]trouble{noTrouble, loss5, loss20, loss40, disorder, doubled, flipped}, []trouble{noTrouble, loss20, disorder})
	for _, x := range rows {
		ways := times([]carried{overUDP, overPlain, overTCP, overAuto}, []carried{overUDP, overAuto})
		if x.impair != "" { // of datagrams
			ways = slices.DeleteFunc(slices.Clone(ways), func(w carried) bool { return w.name == "T" })
		}
		t.Run(x.name, func(t *testing.T) { x.run(t, times(250, 50), 60*time.Millisecond, ways...) })
	}
}

// A path that lets fifty packets a second through, one way: what is said goes
// on, as fast as that allows.
func TestLANNarrowPath(t *testing.T) {
	t.Parallel()
	const limit = 50
	lasts := times(20*time.Second, 4*time.Second)
	for _, w := range []carried{overUDP, overPlain} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "ana", "m1")
			s.open(w.both, append(w.member, w.both...))
			m := s.members()[0]
			s.drop(fmt.Sprintf("iifname %q meta l4proto udp limit rate over %d/second burst 5 packets", m.m.port, limit))
			begin := time.Now()
			stop := make(chan struct{})
			var talking sync.WaitGroup
			said := 0
			talking.Go(func() {
				for ; ; said++ {
					select {
					case <-stop:
						return
					default:
						m.say("", numbered(m.nick, said, 1040)+"!") // waits while too much is on its way
					}
				}
			})
			<-time.After(lasts)
			m.now().mu.Lock()
			stored := m.now().stored
			m.now().mu.Unlock()
			took := time.Since(begin)
			close(stop)
			talking.Wait()
			s.heal()
			s.planned = said
			s.settle(time.Minute)
			c, _ := m.now().stats()
			rate := float64(stored) / took.Seconds()
			const size, packet = 1041, 1452 // bytes of text; of the largest packet: one may end a message and begin the next
			t.Logf("FIGURE L8 %s: %.1f messages of 1 kB a second through a path of %d packets a second, text of %.0f %% of it (target 70 %%); %d packets sent, %d again, %d dropped; window %d bytes, rtt %.0f ms",
				w.name, rate, limit, 100*rate*size/(limit*packet), c.Sent, c.Resent, s.lost(), c.Window, c.RTT)
			if rate < 2 {
				t.Errorf("%.1f messages a second: it has collapsed", rate)
			}
			s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "dropped", Count: s.lost()})
			s.judge()
		})
	}
}

// holder passes datagrams between one member and a host, and keeps one of each
// way to deliver it later.
type holder struct {
	host    *net.UDPAddr
	down    *net.UDPConn // towards the member
	up      *net.UDPConn
	member  atomic.Pointer[net.UDPAddr]
	take    atomic.Bool // the next of each way is kept
	running sync.WaitGroup

	mu   sync.Mutex
	kept map[bool][]byte // upwards, downwards
}

func newHolder(t *testing.T, host string) *holder {
	t.Helper()
	h := &holder{host: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(host)), kept: map[bool][]byte{}}
	for _, c := range []**net.UDPConn{&h.down, &h.up} {
		var err error
		if *c, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	h.running.Go(func() { h.pass(h.down, true) })
	h.running.Go(func() { h.pass(h.up, false) })
	t.Cleanup(func() {
		h.down.Close()
		h.up.Close()
		h.running.Wait()
	})
	return h
}

func (h *holder) pass(from *net.UDPConn, upwards bool) {
	b := make([]byte, 1<<16)
	for {
		n, addr, err := from.ReadFromUDP(b)
		if err != nil {
			return
		}
		if upwards {
			h.member.Store(addr)
		}
		if h.take.Load() {
			h.mu.Lock()
			_, have := h.kept[upwards]
			if !have {
				h.kept[upwards] = append([]byte{}, b[:n]...)
			}
			h.mu.Unlock()
			if !have {
				continue
			}
		}
		h.deliver(b[:n], upwards)
	}
}

func (h *holder) deliver(b []byte, upwards bool) {
	if upwards {
		h.up.WriteToUDP(b, h.host)
	} else if to := h.member.Load(); to != nil {
		h.down.WriteToUDP(b, to)
	}
}

// A datagram of each direction comes late, in full two minutes, and again after that:
// nobody takes notice.
func TestLateDatagram(t *testing.T) {
	t.Parallel()
	late := times(2*time.Minute, 3*time.Second)
	for _, w := range []carried{overUDP, overPlain} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			rec := b.record(60)
			ana := b.host("ana", "physics", w.both...)
			h := newHolder(t, b.addr())
			ben := b.join("ben", h.down.LocalAddr().String(), append(w.member, w.both...)...)
			talk := func(from, to int) (last uint64) {
				for n := from; n < to; n++ {
					b.tell(ben, "", numbered("ben", n, 300))
					b.tell(ana, "", numbered("ana", n, 300))
				}
				for _, p := range []*proc{ana, ben} {
					p.await("all of it", func(l line) bool {
						last = max(last, l.Seq)
						return l.Type == "message" && l.Text == numbered("ben", to-1, 300)
					})
				}
				return last
			}
			talk(0, 10)
			h.take.Store(true)
			talk(10, 20)
			h.mu.Lock()
			kept := map[bool][]byte{true: h.kept[true], false: h.kept[false]}
			h.mu.Unlock()
			if len(kept[true]) == 0 || len(kept[false]) == 0 {
				t.Fatal("no datagram was kept")
			}
			ben.out.find(len(ben.out.all()), late, kind("link")) // nothing is said, as often
			for range 2 {
				for upwards, d := range kept {
					h.deliver(d, upwards)
				}
			}
			last := talk(20, 30)
			for _, l := range ben.out.all() {
				if l.Type == "link" {
					t.Errorf("it was noticed: %s", l.text)
				}
			}
			t.Logf("FIGURE L9 %s: a datagram of each direction, %d and %d bytes, came %v late and twice: ignored", w.name, len(kept[true]), len(kept[false]), late)
			rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "held", Count: uint64(len(kept))})
			b.judge(last, ana, ben)
		})
	}
}
