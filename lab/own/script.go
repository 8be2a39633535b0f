//go:build !nolab

package own

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// MaxSource is how long a script can be, in bytes.
const MaxSource = 64 << 10

// Limits of a script. Each is far above what a transport for a chat needs.
const (
	callSteps   = 500_000    // steps of one callback: some hundredths of a second
	laneSteps   = 20_000_000 // steps of one end in one run
	maxRange    = 100_000    // numbers of one range
	maxText     = 64 << 10   // bytes of a text that is delivered, packed or made with str
	maxDatagram = 1472       // bytes that fit in an Ethernet frame behind the headers of IP and UDP
	maxTimers   = 1000       // that are set at once, on one end
	callSends   = 1000       // datagrams of one callback
	maxSent     = 8 << 20    // bytes in the datagrams of one end in one run
	maxSends    = 20_000     // datagrams of one end in one run
	maxShown    = 10_000     // texts delivered at one end in one run
	maxLog      = 200        // lines of log that are kept of one end in one run
	maxLogLine  = 500        // bytes of one
)

// dialect is Starlark with the loops that students know, and without recursion,
// which its author left out so that programs end.
var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

// The callbacks. Those that must be there come first.
var callbacks = []struct {
	name   string
	params string
	must   bool
}{
	{"on_say", "text", true},
	{"on_datagram", "data", true},
	{"on_start", "", false},
	{"on_timer", "name", false},
}

// A script is a student's transport, compiled.
type script struct {
	file    string
	lines   []string
	program *starlark.Program
}

// load compiles a script. The error is a *Fault.
func load(file, source string) (*script, error) {
	s := &script{file: file, lines: strings.Split(source, "\n")}
	if len(source) > MaxSource {
		return nil, &Fault{File: file, Text: fmt.Sprintf("the file has %d bytes, and at most %d are read", len(source), MaxSource)}
	}
	if !utf8.ValidString(source) || strings.ContainsRune(source, 0) {
		return nil, &Fault{File: file, Text: "this is not a text file in UTF-8"}
	}
	_, program, err := starlark.SourceProgramOptions(dialect, file, source, func(name string) bool {
		return name == "state" || name == "role" || builtins[name] != nil || name == "MAX_DATAGRAM"
	})
	if err != nil {
		return nil, s.explain(err)
	}
	if program.NumLoads() > 0 {
		_, at := program.Load(0)
		return nil, s.fault(at, "load: a script is one file, and reads no other")
	}
	s.program = program
	return s, nil
}

// source returns a line of the script.
func (s *script) source(line int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	return strings.TrimRight(s.lines[line-1], "\r")
}
