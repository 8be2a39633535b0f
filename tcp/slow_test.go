//go:build slow

package tcp

import (
	"testing"
	"time"

	"parley/transport"
)

// TestBehindInTheKernel: a real kernel, too, lets a peer be behind for longer
// than a write may wait on a dead link.
func TestBehindInTheKernel(t *testing.T) {
	a, b := overLoopback(false)(t)
	n := fillUp(t, a)
	pause := time.NewTimer(writeLimit + 8*time.Second)
	<-pause.C
	if s := a.(transport.Statser).Stats(); s.Silent > 2*hereEvery {
		t.Errorf("silent for %v", s.Silent)
	}
	if err := a.Send(t.Context(), make([]byte, 1)); err == nil {
		n++
	}
	for i := range n {
		if _, err := b.Receive(t.Context()); err != nil {
			t.Fatalf("receive %d of %d: %v", i, n, err)
		}
	}
	done := make(chan struct{})
	go func() { a.Close(); close(done) }()
	b.Close()
	<-done
}
