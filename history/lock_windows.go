package history

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock takes f for this process and tells whether it got it. The system gives
// it back when f is closed, also by a crash. The locked byte lies beyond the
// content, which others may so still read. Where a file system has no locks,
// everybody gets it.
func lock(f *os.File) bool {
	at := windows.Overlapped{Offset: 1 << 20}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	return !errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}
