//go:build !nolab

package view

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"parley/lab"
)

// The bounds of a file that is read: larger than any lesson's.
const (
	maxFileLine  = 64 << 20 // bytes of a line: a capture is one
	maxFile      = 512 << 20
	maxFileLines = 4 << 20
)

// Read reads saved runs: those of a sweep are many. An error names the line.
func Read(r io.Reader) (runs [][]lab.Line, err error) {
	limited := &io.LimitedReader{R: r, N: maxFile}
	in := bufio.NewReaderSize(limited, 64<<10)
	for n := 1; ; n++ {
		raw, readErr := readLine(in)
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return nil, fmt.Errorf("line %d: %w", n, readErr)
		}
		if len(raw) > 0 {
			var l lab.Line
			if err := json.Unmarshal(raw, &l); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, unreadable(err))
			}
			switch {
			case l.K == "":
				return nil, fmt.Errorf("line %d has no kind (\"k\"): is this a saved run?", n)
			case l.K == "run":
				runs = append(runs, nil)
			case len(runs) == 0:
				return nil, fmt.Errorf("line %d is of a run that has not begun: the line with \"k\":\"run\" is missing", n)
			}
			if l.K == "run" && l.V > lab.Schema {
				return nil, fmt.Errorf("line %d: the run was saved by a later parley, in form %d; this one knows forms up to %d", n, l.V, lab.Schema)
			}
			runs[len(runs)-1] = append(runs[len(runs)-1], l)
		}
		if readErr != nil && limited.N == 0 || n > maxFileLines {
			return nil, fmt.Errorf("line %d: the file is larger than any run", n)
		}
		if readErr != nil {
			break
		}
	}
	if len(runs) == 0 {
		return nil, errors.New("it is empty")
	}
	return runs, nil
}

// unreadable says what is wrong with a line in the words of who reads it.
func unreadable(err error) error {
	var at *json.UnmarshalTypeError
	if errors.As(err, &at) {
		return fmt.Errorf("%q cannot be a %s", at.Field, at.Value)
	}
	return fmt.Errorf("this is no JSON object: %w", err)
}

// readLine reads a line of whatever length, up to a bound.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxFileLine {
			return nil, errors.New("it is longer than any line of a run")
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r' || line[len(line)-1] == ' ') {
				line = line[:len(line)-1]
			}
			return line, err
		}
	}
}
