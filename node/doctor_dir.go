package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"parley/text"
)

const (
	// littleSpace is how much a history can grow to in a busy day.
	littleSpace = 64 << 20
	// oldest is before any version of this program: a clock that says so is not set.
	oldest = 2025
	// newest leaves a century to those who set it by hand.
	newest = 2125
)

// ExamineDir looks at where keys and histories are kept.
func ExamineDir(dir string) Finding {
	f := Finding{Check: "data", Code: "data", Text: "keys and histories are kept in " + text.Clean(dir)}
	there := dir
	for { // the program makes what is missing
		if s, err := os.Stat(there); err == nil && s.IsDir() {
			break
		} else if err == nil {
			return f.broken("data_no_dir", there+" is a file and must be a directory", "move it away, or name another place with --data-dir")
		}
		up := filepath.Dir(there)
		if up == there {
			break
		}
		there = up
	}
	trial, err := os.CreateTemp(there, ".parley-*")
	if err != nil {
		return f.broken("data_not_writable", fmt.Sprintf("nothing can be kept in %s: %v", there, err), "make it writable, or name another place with --data-dir")
	}
	trial.Close()
	var open *Error
	if errors.As(CheckDir(dir), &open) {
		os.Remove(trial.Name())
		code := "data_open"
		if open.Code == CodeNoDir {
			code = CodeNoDir
		}
		return f.broken(code, open.Text, open.Hint)
	}
	if far, what := remoteDir(there); far {
		f.Code, f.Note = "data_remote", true
		f.Text, f.Next = f.Text+", which is on another computer ("+what+"): without it nothing can be kept", "name a place on this one with --data-dir"
	} else if s, err := os.Stat(dir); err == nil && runtime.GOOS != "windows" && s.Mode().Perm()&0o022 != 0 {
		f.Code, f.Note = "data_open", true
		f.Text, f.Next = f.Text+", in which others who use this computer can write", "chmod 700 "+Quoted(dir)
	}
	os.Remove(trial.Name())
	if space, ok := freeSpace(there); ok && space < littleSpace {
		return f.broken("data_full", fmt.Sprintf("only %d MB are free in %s", space>>20, there), "make room there, or name another place with --data-dir")
	}
	return f
}

func (f Finding) broken(code, what, next string) Finding {
	f.Code, f.Class, f.Text, f.Next = code, ThisMachine, text.Clean(what), next
	return f
}

// ExamineClock looks at whether the clock can be right.
func ExamineClock(now time.Time) Finding {
	f := Finding{Check: "clock", Code: "clock", Text: "the clock says " + now.Format("2006-01-02 15:04 MST")}
	if now.Year() < oldest || now.Year() > newest {
		f.Code, f.Note = "clock_wrong", true
		f.Text, f.Next = f.Text+", which cannot be", "set it: what is said here would be dated wrongly"
	}
	return f
}
