//go:build unix && !linux

package metrics

// readProc knows nothing more.
func (s *process) readProc() {}
