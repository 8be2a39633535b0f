package discovery

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// sharePort lets several programs hear one port's broadcasts. On Windows it
// also lets any of them take the unicast, of which there is none here.
func sharePort(c syscall.RawConn) (err error) {
	if e := c.Control(func(fd uintptr) {
		err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
	}); e != nil {
		return e
	}
	return err
}
