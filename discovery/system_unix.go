//go:build unix && !linux

package discovery

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// sharePort lets several programs hear one port's broadcasts, which takes
// SO_REUSEPORT on the BSDs and their kin.
func sharePort(c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
	}); e != nil {
		return e
	}
	return err
}
