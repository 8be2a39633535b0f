//go:build unix

package history

import (
	"errors"
	"os"
	"syscall"
)

// lock takes f for this process and tells whether it got it. The system gives
// it back when f is closed, also by a crash. Where a file system has no locks,
// everybody gets it.
func lock(f *os.File) bool {
	return !errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
