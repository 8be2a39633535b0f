//go:build !nolab && unix

package lab

import (
	"os"

	"golang.org/x/sys/unix"
)

const pollNote = ""

// selectLoop serves all connections with one goroutine that asks the system
// which of them has something to say.
func selectLoop(y *yard) {
	var files []*os.File
	var polled []unix.PollFd
	for _, c := range y.servers {
		f, err := c.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			break
		}
		files = append(files, f)
		polled = append(polled, unix.PollFd{Fd: int32(f.Fd()), Events: unix.POLLIN})
	}
	wake, tell, err := os.Pipe()
	if err != nil {
		return
	}
	polled = append(polled, unix.PollFd{Fd: int32(wake.Fd()), Events: unix.POLLIN})
	y.stop = append(y.stop, func() { tell.Close() })
	y.work.Go(func() {
		defer func() {
			for _, f := range append(files, wake) {
				f.Close()
			}
		}()
		buf := make([]byte, 256)
		for {
			if _, err := unix.Poll(polled, -1); err != nil && err != unix.EINTR {
				return
			}
			for i, p := range polled {
				switch {
				case p.Revents == 0:
				case i == len(polled)-1:
					return
				default:
					n, err := unix.Read(int(p.Fd), buf)
					if err != nil || n == 0 {
						polled[i].Fd = -1 // no longer asked about
						continue
					}
					unix.Write(int(p.Fd), buf[:n])
				}
			}
		}
	})
}
