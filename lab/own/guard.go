//go:build !nolab

package own

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"
)

// What a script may take of the computer. Steps do not bound memory, nor the
// time that one step takes: "a" * 10**9 is one step.
const (
	collectAt = 192 << 20              // bytes in use at which garbage is collected
	enough    = 384 << 20              // bytes in use at which a script is stopped
	tooMuch   = 512 << 20              // bytes at which the process ends, if it does not stop
	grace     = 300 * time.Millisecond // to stop, once told
	watchEach = 2 * time.Millisecond
)

// How long all runs together may take in real time, and one call of a script:
// all of its steps take a hundredth of that. Tests have less patience.
var (
	maxReal = 90 * time.Second
	maxCall = 4 * time.Second
)

// maxStack is how deep calls may nest, in bytes of the stack: the printing of a
// list in a list in a list has no other bound.
const maxStack = 128 << 20

// A guard watches over scripts from outside of their bubble, where time is
// real. It stops the interpreter, which looks up between two steps. Where a step
// itself does not end, it calls abort, which ends the process: there is no
// other way to stop a goroutine.
type guard struct {
	abort func(text string) // nil: there is no process to end

	mu      sync.Mutex
	threads []*starlark.Thread
	told    time.Time
	place   atomic.Pointer[string] // what runs, on which end
	calls   atomic.Uint64          // beginnings and ends of calls

	done  chan struct{}
	ended sync.WaitGroup
	limit int64 // of memory, as it was
	stack int   // likewise
}

// newGuard starts a guard. stop must be called.
func newGuard(abort func(string)) *guard {
	g := &guard{abort: abort, done: make(chan struct{}), limit: debug.SetMemoryLimit(collectAt), stack: debug.SetMaxStack(maxStack)}
	g.ended.Go(g.look)
	return g
}

// calling notes that a call begins, at a place, or that it is over: nil.
func (g *guard) calling(place *string) {
	if place != nil {
		g.place.Store(place)
	}
	g.calls.Add(1)
}

// watch has the guard stop a thread if need be.
func (g *guard) watch(t *starlark.Thread) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.threads = append(g.threads, t)
}

// forget forgets all threads, which have ended.
func (g *guard) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.threads, g.told = nil, time.Time{}
}

// stop ends the guard.
func (g *guard) stop() {
	close(g.done)
	g.ended.Wait()
	debug.SetMemoryLimit(g.limit)
	debug.SetMaxStack(g.stack)
}

func (g *guard) look() {
	tick := time.NewTicker(watchEach)
	defer tick.Stop()
	began, call, since := time.Now(), uint64(0), time.Now()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		select {
		case <-g.done:
			return
		case <-tick.C:
		}
		if n := g.calls.Load(); n != call || n%2 == 0 {
			call, since = n, time.Now()
		}
		metrics.Read(sample)
		used := sample[0].Value.Uint64()
		switch {
		case used > tooMuch:
			g.end(true, tooMuchMemory)
		case used > enough:
			g.end(false, tooMuchMemory)
		case time.Since(since) > maxCall:
			g.end(false, fmt.Sprintf("one call takes more than %v of real time", maxCall))
		case time.Since(began) > maxReal:
			g.end(false, fmt.Sprintf("it takes more than %v of real time", maxReal))
		}
	}
}

var tooMuchMemory = fmt.Sprintf("it takes more than %d MB of memory", enough>>20)

// end stops the script, or the process if the script does not stop, or at once.
func (g *guard) end(now bool, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.threads {
		t.Cancel(why)
	}
	if g.told.IsZero() {
		g.told = time.Now()
	}
	if (now || time.Since(g.told) > grace) && g.abort != nil && len(g.threads) > 0 {
		if p := g.place.Load(); p != nil {
			why += ", in " + *p
		}
		g.abort(why)
	}
}
