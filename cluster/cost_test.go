package cluster

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"parley/cluster/clustertest"
	"parley/room"
)

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkKept measures what the server, which runs in this process, keeps in memory
// for each entry: each is a subject of its own. One iteration is 20,000 entries.
func BenchmarkKept(b *testing.B) {
	s := clustertest.Start(b, 1, nil)
	r := open(b, connect(b, s), "physics")
	const people, each = 200, 100
	before, n := heap(), 0
	for b.Loop() {
		for range each {
			n++
			batch := make([]room.Entry, people)
			for i := range batch {
				batch[i] = entryOf(byte(i), n)
			}
			if _, err := r.Append(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	after := heap()
	info, err := r.stream.Info(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.State.Msgs), "entries")
	b.ReportMetric(float64(after-before)/float64(n*people), "heap-B/entry")
	b.ReportMetric(float64(info.State.Bytes)/float64(n*people), "disk-B/entry")
}

// BenchmarkRooms measures what a room that is open costs the server, and the host, which
// are one process here. One iteration is one room.
func BenchmarkRooms(b *testing.B) {
	for _, servers := range []int{1, 3} {
		b.Run(fmt.Sprint("servers=", servers), func(b *testing.B) {
			c := connect(b, clustertest.Start(b, servers, nil))
			before, running, n := heap(), runtime.NumGoroutine(), 0
			var rooms []*Room
			for b.Loop() {
				n++
				r, err := c.Room(context.Background(), fmt.Sprint("room", n), 0)
				if err != nil {
					b.Fatal(err)
				}
				rooms = append(rooms, r)
			}
			b.ReportMetric(float64(heap()-before)/float64(n), "heap-B/room")
			b.ReportMetric(float64(runtime.NumGoroutine()-running)/float64(n), "goroutines/room")
			runtime.KeepAlive(rooms)
		})
	}
}
