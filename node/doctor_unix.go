//go:build linux || darwin

package node

import "golang.org/x/sys/unix"

// freeSpace is how many bytes a user may still write in a directory.
func freeSpace(dir string) (uint64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}

// remoteDir tells whether a directory is on another computer, and by what.
func remoteDir(dir string) (bool, string) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return false, ""
	}
	return remoteFS(&s)
}
