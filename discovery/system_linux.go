package discovery

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// sharePort lets several programs hear one port's broadcasts. With SO_REUSEPORT
// those of different users could not share it.
func sharePort(c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}); e != nil {
		return e
	}
	return err
}
