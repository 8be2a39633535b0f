//go:build !linux && !darwin && !windows

package node

// freeSpace is not known here.
func freeSpace(string) (uint64, bool) { return 0, false }

// remoteDir cannot tell here.
func remoteDir(string) (bool, string) { return false, "" }
