package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/cluster/clustertest"
	"parley/room"
	"parley/transport"
)

// BenchmarkAppend stores batches of one message of each of so many senders, on one server
// and on three. Files are on this computer's disk, and so are all servers.
func BenchmarkAppend(b *testing.B) {
	for _, servers := range []int{1, 3} {
		for _, senders := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("servers=%d/senders=%d", servers, senders), func(b *testing.B) {
				r := open(b, connect(b, clustertest.Start(b, servers, nil)), "physics")
				var took []time.Duration
				n := uint64(0)
				for b.Loop() {
					batch := make([]room.Entry, senders)
					for i := range batch {
						batch[i] = room.Entry{Key: transport.Key{byte(i)}, At: time.UnixMilli(1), Body: make([]byte, 200), Words: "so and so"}
						binary.BigEndian.PutUint64(batch[i].ID[:], n)
					}
					n++
					begin := time.Now()
					if _, err := r.Append(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(begin))
				}
				slices.Sort(took)
				b.ReportMetric(float64(senders)*float64(len(took))/b.Elapsed().Seconds(), "entries/s")
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}
