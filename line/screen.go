package line

import (
	"bytes"
	"errors"
	"io"
	"syscall"

	"golang.org/x/term"

	"github.com/charmbracelet/x/ansi"
)

// screen is where lines go. With an editor it is a terminal in raw mode whose
// last row is the editor's; whatever is printed goes above it.
type screen struct {
	out, err io.Writer
	editor   *editor
	width    func() int
	restore  func() // the terminal, as it was

	lines, talk bytes.Buffer // printed and not yet flushed
	drawn       bool         // the editor's row shows what the editor holds
	columns     int          // of the terminal when it was drawn
	failed      error        // of out
}

// control calls f with the number by which the system knows a file, or returns
// an error. Asking the file itself for it would make its reads endless.
func control(file any, f func(fd int)) error {
	c, ok := file.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

// newScreen prepares the terminal of o, if it is one that can be drawn on.
func newScreen(o Options) *screen {
	s := &screen{out: o.Out, err: o.Err, width: o.Width, restore: func() {}}
	if s.err == nil {
		s.err = io.Discard
	}
	if !o.Terminal {
		return s
	}
	s.err = s.out // one screen, one order
	drawn := false
	if control(o.Out, func(fd int) { drawn = obeys(fd) }) == nil && s.width == nil {
		s.width = func() int { return columns(o.Out) }
	}
	if o.Dumb || o.JSON || o.Headless || !drawn {
		return s
	}
	var state *term.State
	err := errors.ErrUnsupported
	control(o.In, func(fd int) { state, err = term.MakeRaw(fd) })
	if err != nil {
		return s
	}
	s.editor = &editor{}
	io.WriteString(s.out, ansi.SetModeBracketedPaste)
	s.restore = func() {
		io.WriteString(s.out, "\r\x1b[K"+ansi.ResetModeBracketedPaste)
		control(o.In, func(fd int) { term.Restore(fd, state) })
	}
	return s
}

// columns is the width of a terminal; most are as wide when they do not say.
func columns(file any) int {
	width := 0
	control(file, func(fd int) { width, _, _ = term.GetSize(fd) })
	if width < 1 {
		return 80
	}
	return width
}

// print adds a line, of the room or about the connection. It is clean.
func (s *screen) print(talk bool, line string) {
	to := &s.lines
	if talk && s.err != s.out {
		to = &s.talk
	}
	to.WriteString(line)
	if s.editor != nil {
		to.WriteByte('\r')
	}
	to.WriteByte('\n')
}

// waiting is how many bytes were printed and not flushed.
func (s *screen) waiting() int { return s.lines.Len() + s.talk.Len() }

// ring rings the terminal's bell.
func (s *screen) ring() { s.lines.WriteByte('\a') }

// clear empties a terminal that can be drawn on.
func (s *screen) clear() {
	if s.editor != nil {
		s.lines.Reset()
		s.lines.WriteString(ansi.CursorHomePosition + ansi.EraseEntireScreen)
	}
}

// resized has the editor drawn again if the terminal has another width now.
func (s *screen) resized() {
	if s.editor != nil && s.drawn && s.width() != s.columns {
		s.drawn = false
	}
}

// flush writes what was printed, and the editor below it. It returns the error
// of the first write to out that failed.
func (s *screen) flush() error {
	if s.talk.Len() > 0 {
		s.err.Write(s.talk.Bytes())
		s.talk.Reset()
	}
	if s.editor != nil && (s.lines.Len() > 0 || !s.drawn) {
		s.columns = s.width()
		row := s.editor.draw(s.columns)
		if s.lines.Len() > 0 {
			row = "\r\x1b[K" + s.lines.String() + row
		}
		s.lines.Reset()
		s.lines.WriteString(row)
		s.drawn = true
	}
	if s.lines.Len() > 0 && s.failed == nil {
		_, s.failed = s.out.Write(s.lines.Bytes())
	}
	s.lines.Reset()
	return s.failed
}
