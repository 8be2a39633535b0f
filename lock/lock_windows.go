package lock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// The byte that is locked lies beyond any content, which others may so still read.
var place = windows.Overlapped{OffsetHigh: 1 << 30}

func try(f *os.File) bool {
	at := place
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	return !errors.Is(err, windows.ERROR_LOCK_VIOLATION)
}

func release(f *os.File) {
	at := place
	windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &at)
}
