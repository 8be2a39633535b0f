//go:build !nolab && slow

package lab

import (
	"testing"
	"time"

	"parley/node"
)

// TestRoomsRepeat holds a minute of a room of five, twenty times, without
// asking two runs to agree, and tells how many did and how long one took.
func TestRoomsRepeat(t *testing.T) {
	for _, via := range []node.Transport{node.UDP, node.TCP} {
		seen := map[string]int{}
		begin := time.Now()
		for range 20 {
			seen[party(t, via, 5, 57, time.Second)]++
		}
		t.Logf("%s: %v, %v each", via, seen, time.Since(begin)/20)
		most := 0
		for _, n := range seen {
			most = max(most, n)
		}
		if most < 15 {
			t.Errorf("%s: %d of 20 agree", via, most)
		}
	}
}
