package tui

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
)

// maxPastFile is how long the file of what was typed becomes before it is written
// anew with the last of it.
const maxPastFile = 256 << 10

// loadPast reads what was typed on other days, oldest first. The file has one JSON
// string a line; what is none is passed over, and so is a file that cannot be read:
// nothing depends on it.
func loadPast(name string) (past []string) {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() { // a pipe would be waited for
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, 2*maxPastFile))
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(all) {
		var typed string
		if json.Unmarshal(line, &typed) == nil && typed != "" && len(typed) <= maxTyped && (len(past) == 0 || past[len(past)-1] != typed) {
			past = append(past, typed)
		}
	}
	past = past[max(0, len(past)-maxPast):]
	if len(all) > maxPastFile {
		rewritePast(name, past)
	}
	return past
}

// rewritePast keeps the last of what was typed.
func rewritePast(name string, past []string) {
	var all []byte
	for _, typed := range past {
		all = append(all, pastLine(typed)...)
	}
	if len(all) > maxPastFile { // long pastes: they are not worth it
		all = nil
	}
	temporary := name + ".new"
	if os.WriteFile(temporary, all, 0o600) == nil {
		os.Rename(temporary, name)
	}
}

func pastLine(typed string) []byte {
	line, _ := json.Marshal(typed)
	return append(line, '\n')
}

// keepPast appends what is typed to the file, which its owner alone can read. Each
// line is written at once, so that several programs may share the file.
func (s *shell) keepPast(name string) {
	var f *os.File
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	keep := func(line string) {
		if strings.HasPrefix(line, " ") || len(line) > maxPastLine { // as shells have it; and pastes
			return
		}
		if f == nil {
			if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
				return
			}
			var err error
			if f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
				return
			}
		}
		f.Write(pastLine(line))
	}
	for {
		select {
		case line := <-s.past:
			keep(line)
		case <-s.ctx.Done():
			for len(s.past) > 0 {
				keep(<-s.past)
			}
			return
		}
	}
}

// maxPastLine is the longest line that is kept for another day.
const maxPastLine = 4096
