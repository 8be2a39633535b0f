package transporttest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// NoLeaks fails t if, when all its other clean-ups have run, goroutines of
// this module are left that were not there when NoLeaks was called. Tests that
// run in parallel with others cannot use it.
func NoLeaks(t *testing.T) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		var left []string
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			left = left[:0]
			for id, stack := range goroutines() {
				if before[id] == "" {
					left = append(left, stack)
				}
			}
			if len(left) == 0 {
				return
			}
		}
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// goroutines returns the stacks of the other goroutines that are in our code,
// by their ids.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	found := map[string]string{}
	for i, stack := range strings.Split(string(buf), "\n\n") {
		id, _, ok := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		ours := strings.Contains(stack, "\nparley/") || strings.Contains(stack, "created by parley/")
		if i > 0 && ok && ours && !strings.Contains(stack, "testing.(*T).Run(") && !strings.Contains(stack, "testing.tRunner(") {
			found[id] = stack
		}
	}
	return found
}
