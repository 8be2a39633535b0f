package history

import (
	"errors"

	"golang.org/x/sys/windows"
)

// readOnly tells whether err is of a disk that takes no changes.
func readOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }
