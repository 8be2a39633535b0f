//go:build !nolab

package wire

import (
	"crypto/rand"
	"io"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
)

// A Bubble runs f in a bubble of testing/synctest of its own, whose clock
// begins at midnight of 1 January 2000, and returns when f and all goroutines
// that it started have ended.
type Bubble func(f func())

// Test returns the Bubble of a test.
func Test(t *testing.T) Bubble {
	return func(f func()) { synctest.Test(t, func(*testing.T) { f() }) }
}

// Enter makes an engine of the process, which has to be there for nothing
// else: it calls serve, outside of any bubble, and then ends the process with
// the status that serve returns.
//
// Bubbles are to be had in tests alone, so the process becomes a test of the
// kind that [testing.Main] is kept for. What the testing package prints goes to
// standard error; serve is given what standard output was.
func Enter(serve func(b Bubble, out io.Writer) (status int)) {
	out := os.Stdout
	os.Args, os.Stdout = os.Args[:1], os.Stderr
	engine := func(t *testing.T) {
		os.Exit(serve(func(f func()) {
			synctest.Test(t, func(*testing.T) { f() })
		}, out))
	}
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "engine", F: engine}}, nil, nil)
}

// Steady makes the process repeat itself, until restore is called: what is
// said by goroutines that take turns depends on nothing but the seed. One
// processor runs them, in the order in which they became ready. No garbage
// collection interrupts them, other than the LAN's own (see LAN.sweep). And
// what programs draw from crypto/rand is drawn from the seed, so nothing that
// is secret may be made meanwhile.
//
// What is left is Go's preemption of a goroutine that has run for 10 ms, which
// on a busy machine can happen to any. A host's sockets do not care; a program
// of several goroutines may join two messages in one packet, or not.
func Steady(seed uint64) (restore func()) {
	reader, procs, percent := rand.Reader, runtime.GOMAXPROCS(1), debug.SetGCPercent(-1)
	rand.Reader = newSeeded(seed)
	return func() {
		rand.Reader = reader
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
	}
}

// seeded is a source of randomness that is none.
type seeded struct {
	mu  sync.Mutex
	rng *mathrand.ChaCha8
}

func newSeeded(seed uint64) *seeded {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	return &seeded{rng: mathrand.NewChaCha8(s)}
}

func (s *seeded) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Read(p)
}

const (
	sweepEvery = 1024      // events between two looks at the heap
	sweepAbove = 128 << 20 // bytes
)

// sweep collects garbage now and then, if nobody else does. The pump calls it
// when everybody else waits, so that it interrupts nobody.
func (l *LAN) sweep() {
	if l.sinceSweep++; l.sinceSweep < sweepEvery {
		return
	}
	l.sinceSweep = 0
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if now := sample[0].Value.Uint64(); now > l.swept+sweepAbove {
		runtime.GC()
		metrics.Read(sample)
		l.swept = sample[0].Value.Uint64()
	}
}
