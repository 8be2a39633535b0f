package file

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// noSpace tells whether err is that of a full disk.
func noSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

// linked tells whether f has a second name.
func linked(f *os.File) bool {
	var d windows.ByHandleFileInformation
	return windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &d) == nil && d.NumberOfLinks > 1
}
