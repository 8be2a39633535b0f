package history

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
)

// What may be wrong with a file. An [Error] wraps one of them.
var (
	ErrDamaged   = errors.New("is damaged")                    // what is in it is not what was written
	ErrNewer     = errors.New("is of a newer version")         // a newer version of the program wrote it
	ErrForeign   = errors.New("is no history")                 // it is something else
	ErrOtherRoom = errors.New("is of another room")            // a history, but not of this room
	ErrInUse     = errors.New("is in use")                     // another program hosts the room
	ErrReadOnly  = errors.New("cannot be written")             // the file or its directory
	ErrFull      = errors.New("has no space left on its disk") // on the disk
	ErrFailed    = errors.New("cannot be used")                // for another reason, which Err has
	ErrNotStored = errors.New("nothing was stored")            // wrapped by errors of Append after which that is sure
	ErrPruned    = errors.New("deleted as intended")           // what was asked for is older than what is kept
)

// Error says what is wrong with a file and what can be done.
type Error struct {
	Path    string
	Problem error  // one of those above
	Detail  string // more about it, or empty
	WayOut  string // what can be done
	PID     int    // ErrInUse: who has it, or 0
	Err     error  // what the system or the database said, or nil
}

// Error names the problem, the file and the way out.
func (e *Error) Error() string {
	s := fmt.Sprintf("the history %s %v", e.Path, e.Problem)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.WayOut != "" {
		s += "; " + e.WayOut
	}
	return s
}

// Unwrap gives the problem and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Problem}
	}
	return []error{e.Problem, e.Err}
}

// Primary result codes of SQLite.
const (
	codePerm     = 3
	codeBusy     = 5
	codeReadOnly = 8
	codeIO       = 10
	codeCorrupt  = 11
	codeFull     = 13
	codeCantOpen = 14
	codeNotADB   = 26
)

// code is SQLite's extended result code in err, or 0.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// shortRead is the extended code of a file that ends too early.
const shortRead = codeIO | 2<<8

// explain turns what SQLite says about the file at path into an Error.
func explain(path, room string, err error) error {
	var ours *Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	e := &Error{Path: path, Problem: ErrFailed, Err: err}
	switch c := code(err); {
	case errors.Is(err, errSum):
		return damaged(path, room, err.Error())
	case c == 0:
		return err
	case c&0xff == codeCorrupt, c == shortRead:
		return damaged(path, room, err.Error())
	case c&0xff == codeNotADB:
		return foreign(path, room, err)
	case c&0xff == codeReadOnly, c&0xff == codePerm, c&0xff == codeCantOpen:
		e.Problem, e.WayOut = ErrReadOnly, "make it and its directory writable, or choose another directory with --data-dir"
	case c&0xff == codeFull:
		e.Problem, e.WayOut = ErrFull, "free some space there"
	}
	return e
}

// damaged is what a damaged file is told as.
func damaged(path, room, detail string) error {
	return &Error{Path: path, Problem: ErrDamaged, Detail: detail,
		WayOut: "nothing was changed; save what can be read with: parley history " + room + " --repair"}
}

// foreign is what a file that is none of ours is told as. It may have been one.
func foreign(path, room string, err error) error {
	return &Error{Path: path, Problem: ErrForeign, Err: err,
		WayOut: "if it was one once, save what can be read with: parley history " + room + " --repair; else move it away, or choose another directory with --data-dir"}
}
