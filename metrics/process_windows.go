package metrics

import (
	"syscall"
	"time"
)

// read asks the system.
func (s *process) read() {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return
	}
	var made, ended, kernel, user syscall.Filetime
	if syscall.GetProcessTimes(self, &made, &ended, &kernel, &user) == nil {
		s.cpu = ticks(kernel) + ticks(user)
	}
}

// ticks is a Filetime that is a duration: so many times 100 ns.
func ticks(t syscall.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}
