//go:build !nolab && slow

package wire

import (
	"testing"
	"time"
)

// TestCalibration prints the table of the package comment.
func TestCalibration(t *testing.T) {
	for _, s := range []struct {
		name string
		TCP
	}{
		{"the zero TCP: RACK, Reno", TCP{}},
		{"with max RTO 1 s", TCP{MaxRTO: time.Second}},
		{"with CUBIC", TCP{CUBIC: true}},
		{"Classic", Classic},
		{"Classic with max RTO 120 s", TCP{NoRACK: true}},
		{"Classic with CUBIC", TCP{NoRACK: true, CUBIC: true, MaxRTO: time.Second}},
		{"Classic without SACK", TCP{NoRACK: true, NoSACK: true, MaxRTO: time.Second}},
	} {
		for _, loss := range []float64{.01, .02, .05, .10} {
			var n []int
			var p99 []time.Duration
			for seed := range uint64(30) {
				took := chat(t, seed+1, loss, s.TCP)
				late, p := late(took)
				n, p99 = append(n, late), append(p99, p.Round(10*time.Millisecond))
			}
			t.Logf("%-33s %3.0f %%  late %-14s p99 %s", s.name, 100*loss, band(n), band(p99))
		}
	}
}
