//go:build unix

package metrics

import (
	"syscall"
	"time"
)

// read asks the system.
func (s *process) read() {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		s.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) == nil {
		s.maxFiles = int64(r.Cur)
	}
	s.readProc()
}
