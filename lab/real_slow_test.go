//go:build !nolab && slow

package lab

import "testing"

// seedsTried is how many other seeds a proof is tried with.
const seedsTried = 30

// TestRealAll has the first lessons run on this machine's sockets, in real time.
func TestRealAll(t *testing.T) {
	for _, lesson := range []Lesson{boundaries, framing, broadcast} {
		onThisMachine(t, lesson)
	}
}
