package metrics

import (
	"fmt"
	"os"
)

// readProc reads what /proc tells.
func (s *process) readProc() {
	var all, resident int64
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if _, err := fmt.Sscan(string(b), &all, &resident); err == nil {
			s.resident = resident * int64(os.Getpagesize())
		}
	}
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		return
	}
	defer d.Close()
	if names, err := d.Readdirnames(-1); err == nil {
		s.files = int64(len(names)) - 1 // d
	}
}
