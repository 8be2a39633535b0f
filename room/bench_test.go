package room

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// BenchmarkFanOut has one of 16 members say things as fast as the room takes
// them, until all have heard all.
func BenchmarkFanOut(b *testing.B) {
	for _, metered := range []bool{false, true} {
		b.Run(fmt.Sprintf("metered=%v", metered), func(b *testing.B) { fanOut(b, metered) })
	}
}

func fanOut(b *testing.B, metered bool) {
	const people = 16
	h := open(b, pipes, func(h *Host) { h.Burst, h.Metered = 1<<30, metered })
	defer h.close()
	var members []*Member
	var reading sync.WaitGroup
	for i := range people {
		m := h.join(fmt.Sprintf("m%dx", i), nil)
		members = append(members, m)
		reading.Go(func() {
			for n := 0; n < b.N; {
				e, err := m.Next(context.Background())
				if err != nil {
					b.Error(err)
					return
				}
				if e.Type == Message {
					n++
				}
			}
			go keep(m)
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := members[0].Say(context.Background(), "the quick brown fox jumps over the lazy dog"); err != nil {
			b.Fatal(err)
		}
	}
	reading.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	for _, m := range members {
		m.Leave(context.Background(), "")
	}
}

// BenchmarkFold measures what the core does for a message, apart from its log.
func BenchmarkFold(b *testing.B) { benchmarkFold(b, &Host{Burst: 1 << 30}) }

func benchmarkFold(b *testing.B, h *Host) {
	p := newPlay(h)
	ana := p.join("ana")
	for i := range 100 {
		p.join(fmt.Sprintf("m%dx", i))
	}
	b.ReportAllocs()
	for range b.N {
		p.say(ana, "the quick brown fox jumps over the lazy dog")
		p.settle()
		for l := range p.core.links {
			for range len(l.out.credits) {
				l.out.answered()
			}
			l.out.take(work{})
			l.out.sent = l.out.head
		}
	}
}

// BenchmarkReceipts measures what it costs to count who has received one
// message, with as many messages as there may be counted already and all speaking
// in turn: a step or two for each member.
func BenchmarkReceipts(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var c receipts
			now, seats := time.Unix(1000, 0), map[seatID]*seat{}
			all := make([]*seat, n)
			for i := range all {
				all[i] = &seat{id: seatID{byte(i), byte(i >> 8)}, key: transport.Key{byte(i), byte(i >> 8)}}
				seats[all[i].id] = all[i]
			}
			seq := uint64(0)
			message := func() {
				seq++
				c.track(now, Entry{Seq: seq}, all[int(seq)%n], seats, nil)
				for _, s := range all {
					c.report(now, s, seq, nil)
					c.due(now)
				}
				now = now.Add(time.Millisecond)
			}
			for range maxReceipts {
				message()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				message()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/member")
		})
	}
}
