package history

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAccept is how many records a second are stored durably, by how many
// senders who each wait for the answer, and how long each waits.
func BenchmarkAccept(b *testing.B) {
	for _, senders := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			l := open(b, file(b), options)
			took := make([]time.Duration, b.N)
			var work sync.WaitGroup
			b.ResetTimer()
			for s := range senders {
				work.Go(func() {
					key := [32]byte{byte(s)}
					for i := s; i < b.N; i += senders {
						start := time.Now()
						if _, err := l.Append(b.Context(), []Record{said(key, i, "an ordinary message of an ordinary length, say")}); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(start)
					}
				})
			}
			work.Wait()
			b.StopTimer()
			report(b, took)
		})
	}
}

// BenchmarkOneByOne is BenchmarkAccept if every record had a commit to itself: what
// gathering is measured by.
func BenchmarkOneByOne(b *testing.B) {
	for _, senders := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			l := open(b, file(b), options)
			took := make([]time.Duration, b.N)
			var work sync.WaitGroup
			var one sync.Mutex
			b.ResetTimer()
			for s := range senders {
				work.Go(func() {
					for i := s; i < b.N; i += senders {
						start := time.Now()
						one.Lock()
						_, err := l.Append(b.Context(), []Record{said([32]byte{byte(s)}, i, "an ordinary message of an ordinary length, say")})
						one.Unlock()
						if took[i] = time.Since(start); err != nil {
							b.Error(err)
						}
					}
				})
			}
			work.Wait()
			b.StopTimer()
			report(b, took)
		})
	}
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkOpen is what a log adds to a host's start: the first time, and when it
// is there.
func BenchmarkOpen(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		dir := b.TempDir()
		for i := range b.N {
			l, err := Open(fmt.Sprintf("%s/%d.log", dir, i), options)
			if err != nil {
				b.Fatal(err)
			}
			l.Close()
		}
	})
	b.Run("there", func(b *testing.B) {
		path := file(b)
		l := open(b, path, options)
		fill(b, l, 0, 10_000)
		if err := l.SaveCheckpoint(b.Context(), 9000, []byte("state")); err != nil {
			b.Fatal(err)
		}
		l.Close()
		b.ResetTimer()
		for range b.N {
			l, err := Open(path, options)
			if err != nil {
				b.Fatal(err)
			}
			l.Close()
		}
	})
}
