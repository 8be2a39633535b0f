package metrics

import "time"

// bounds are the upper ends of a Histogram's buckets: from what a commit in memory
// takes to what nobody waits for, three in each power of ten.
var bounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// A Histogram counts durations by their length. The zero value is empty. It is
// for one goroutine; a copy is what it was then.
type Histogram struct {
	counts [len(bounds) + 1]uint64
	sum    time.Duration
}

// Observe counts one duration. Less than nothing is nothing: clocks are set.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i]++
	h.sum += d
}

// Count tells how many durations were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}
