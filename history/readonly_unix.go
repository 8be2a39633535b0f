//go:build unix

package history

import (
	"errors"
	"syscall"
)

// readOnly tells whether err is of a file system that takes no changes.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
