package history

import (
	"fmt"
	"os"
	"strconv"
)

// A reach is how far a log had come, written beside it after each commit. SQLite
// takes a journal that was cut short for one that was not written to its end, and
// an empty file for a new one: nothing in them tells that something is missing.
// It is not made safe: after a crash of the computer it may be behind the
// log, never ahead of it.
//
// It stands in the lock file, behind the process id:
//
//	PID, with spaces to 15 bytes, and a newline
//	20 digits, a space, the log's id in 32 hex digits, and a newline
type reach struct {
	last uint64
	id   [16]byte
}

const reachAt = 16

// holder writes who holds a log; 0: nobody. What holds is the lock: this is for
// people, and for the message of who comes second.
func holder(f *os.File, pid int) {
	who := ""
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	f.WriteAt(fmt.Appendf(nil, "%-15s\n", who), 0)
}

// readReach reads what the last holder noted; zero if there is none.
func readReach(f *os.File) (m reach) {
	b := make([]byte, 20+1+32)
	if n, _ := f.ReadAt(b, reachAt); n < len(b) {
		return reach{}
	}
	var id []byte
	if n, err := fmt.Sscanf(string(b), "%20d %32x", &m.last, &id); n != 2 || err != nil || len(id) != len(m.id) {
		return reach{}
	}
	m.id = [16]byte(id)
	return m
}

// note notes how far the log has come.
func (l *Log) note(last uint64) {
	if l.held != nil {
		l.held.WriteAt(fmt.Appendf(nil, "%020d %032x\n", last, l.id), reachAt)
	}
}

// checkReach compares the log, as it has been opened, with what was noted.
func (l *Log) checkReach() error {
	if l.reached.id == l.id && l.reached.last > l.last {
		return damaged(l.path, l.o.Room, l.reached.short(l.last))
	}
	l.note(l.last)
	return nil
}

// short says that a log ends early.
func (m reach) short(last uint64) string {
	return fmt.Sprintf("it ends at record %d, and had %d", last, m.last)
}
