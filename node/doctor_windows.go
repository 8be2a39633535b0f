package node

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// freeSpace is how many bytes a user may still write in a directory.
func freeSpace(dir string) (free uint64, ok bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	return free, windows.GetDiskFreeSpaceEx(name, &free, nil, nil) == nil
}

// remoteDir tells whether a directory is on another computer.
func remoteDir(dir string) (bool, string) {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	return err == nil && windows.GetDriveType(root) == windows.DRIVE_REMOTE, "a network drive"
}
