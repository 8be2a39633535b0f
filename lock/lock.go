// Package lock lets one process at a time have a file: a room's log, its key, a
// part of a file that comes. The system takes a lock back when its process ends,
// however it ends.
//
// The lock is the system's own, flock and LockFileEx, and not that of POSIX
// (fcntl), which is lost as soon as anything in the process closes the file. It is
// for programs of one computer: where a file system has no locks everybody gets
// the file.
package lock

import "os"

// Try takes f for this process and tells whether it got it. It does not wait.
// [Close] gives it back.
func Try(f *os.File) bool { return try(f) }

// Close gives back a file that [Try] got, and closes it. To close it would not do:
// on Unix a lock lasts as long as anybody has the open file, and a process that is
// just being started has everything of ours for a moment, until it becomes another
// program.
func Close(f *os.File) error {
	release(f)
	return f.Close()
}
