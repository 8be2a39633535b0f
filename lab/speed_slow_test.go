//go:build !nolab && slow

package lab

import (
	"testing"
	"time"

	"parley/lab/wire"
)

// TestSpeed tells how long things take; a benchmark cannot have a bubble.
func TestSpeed(t *testing.T) {
	tell := func(what string, n int, f func()) {
		f()
		begin := time.Now()
		for range n {
			f()
		}
		t.Logf("%-22s %v", what, (time.Since(begin) / time.Duration(n)).Round(10*time.Microsecond))
	}
	for _, lesson := range Lessons {
		tell(lesson.Name, 5, func() { Do(wire.Test(t), lesson, Request{Quiet: true}) })
	}
	for _, via := range []string{"udp", "tcp"} {
		tell("500 messages by "+via, 20, func() { carry(t, via, 7, .02) })
	}
}
