package line

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"parley/text"
)

// maxTyped is how much of one line is kept: more than the longest command with
// the longest message, so that what is cut is too long in any case.
const maxTyped = 4 * text.MaxText

// lines reads the lines of a pipe, each as long as maxTyped at most.
type lines struct {
	in    io.Reader
	store []byte
	buf   []byte // what of store is read and not yet given
	n     int    // lines given so far
	err   error
}

// next returns the next line without its line break. The last one needs none.
// Long tells that only the beginning is there.
func (l *lines) next() (line string, long bool, err error) {
	var out []byte
	for {
		i := bytes.IndexByte(l.buf, '\n')
		part := l.buf
		if i >= 0 {
			part = part[:i]
		}
		if room := maxTyped - len(out); len(part) > room {
			part, long = part[:room], true
		}
		out = append(out, part...)
		if i >= 0 {
			l.buf = l.buf[i+1:]
			break
		}
		l.buf = l.buf[:0]
		if l.err != nil {
			if len(out) == 0 {
				return "", false, l.err
			}
			break
		}
		l.read()
	}
	l.n++
	return strings.TrimSuffix(string(out), "\r"), long, nil
}

// read fills the empty buffer.
func (l *lines) read() {
	if l.store == nil {
		l.store = make([]byte, 32<<10)
	}
	for range 100 {
		n, err := l.in.Read(l.store)
		l.buf, l.err = l.store[:n], err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

// errTooLong is what is said of a line that no message can hold.
var errTooLong = errors.New("a message may have 4,096 bytes: send it in parts")

// tooLong tells whether line, as it would be sent, is no command and longer
// than a message. Of commands the room knows what is too long.
func tooLong(line string) bool {
	return len(line) > text.MaxText && !strings.HasPrefix(line, "/") && !strings.HasPrefix(line, "@") ||
		len(line) >= maxTyped
}
