package line

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"parley/text"
)

const (
	// silence is how long nothing comes before what came without a line break counts
	// as a line: some programs send none.
	silence = 50 * time.Millisecond
	// halfRune is how many silences the rest of a character may take.
	halfRune = 20
)

// Telnet's commands, as far as they tell us anything (RFC 854).
const (
	telnetEOF  = 236 // the end of input, from Ctrl-D
	telnetSE   = 240 // the end of a subnegotiation
	telnetIP   = 244 // interrupt, from Ctrl-C
	telnetSB   = 250 // the beginning of a subnegotiation
	telnetWill = 251 // WILL, WONT, DO and DONT have one byte behind them
	telnetIAC  = 255 // before each command; never part of UTF-8
)

// deframer makes lines of what a bare text client sends: bytes in, lines
// out. Telnet's negotiation and NUL are dropped; LF, CR LF, CR NUL and CR end a line.
type deframer struct {
	line    []byte
	lines   []guestLine
	telnet  byte // where in a command we are: 0, IAC, SB, WILL, or SE for an IAC within SB
	cr      bool // the last byte was a carriage return, which ended a line
	long    bool // the line is too long; its rest is dropped
	halves  int  // silences in the middle of a character
	stopped bool // the client asked to end
}

// guestLine is a line, or that there was one too long.
type guestLine struct {
	text string
	long bool
}

// feed takes what came.
func (d *deframer) feed(b []byte) {
	if len(b) > 0 {
		d.halves = 0
	}
	for _, c := range b {
		if d.command(c) || c == 0 {
			d.cr = d.cr && c == telnetIAC
			continue
		}
		lf := c == '\n' && d.cr
		d.cr = c == '\r'
		switch {
		case lf: // of CR LF
		case c == '\n' || c == '\r':
			d.cut(len(d.line))
		case d.long:
		case len(d.line) == text.MaxText:
			d.line, d.long = d.line[:0], true
			d.lines = append(d.lines, guestLine{long: true})
		default:
			d.line = append(d.line, c)
		}
	}
}

// command takes c if it belongs to one of telnet's commands.
func (d *deframer) command(c byte) bool {
	switch d.telnet {
	case 0:
		if c != telnetIAC {
			return false
		}
		d.telnet = telnetIAC
	case telnetIAC:
		d.telnet = 0
		switch {
		case c == telnetSB:
			d.telnet = telnetSB
		case c >= telnetWill && c != telnetIAC:
			d.telnet = telnetWill
		case c == telnetIP || c == telnetEOF:
			d.stopped = true
		}
	case telnetWill:
		d.telnet = 0
	case telnetSB:
		if c == telnetIAC {
			d.telnet = telnetSE
		}
	case telnetSE:
		d.telnet = telnetSB
		if c == telnetSE {
			d.telnet = 0
		}
	}
	return true
}

// quiet is told that nothing came for a silence: what is there is a line.
func (d *deframer) quiet() {
	if d.long {
		d.cut(0)
		return
	}
	n := len(d.line)
	if r, size := utf8.DecodeLastRune(d.line); r == utf8.RuneError && size == 1 && d.halves < halfRune {
		for i := n - 1; i >= max(n-utf8.UTFMax, 0); i-- {
			if utf8.RuneStart(d.line[i]) && !utf8.FullRune(d.line[i:]) {
				d.halves++
				return
			}
		}
	}
	if n > 0 {
		d.cut(n)
	}
}

// cut makes a line of the first n bytes, and begins a new one.
func (d *deframer) cut(n int) {
	if !d.long {
		d.lines = append(d.lines, guestLine{text: string(d.line[:n])})
	}
	d.line, d.long, d.halves = d.line[:0], false, 0
}

// waits tells whether a silence would mean something.
func (d *deframer) waits() bool { return len(d.line) > 0 || d.long }

// guestReader reads a guest's lines from its connection.
type guestReader struct {
	conn net.Conn
	d    deframer
	buf  [4096]byte
	err  error
}

// next returns the next line; by is when to give up, zero: never.
func (g *guestReader) next(by time.Time) (guestLine, error) {
	for {
		if len(g.d.lines) > 0 {
			l := g.d.lines[0]
			g.d.lines = g.d.lines[1:]
			l.text = strings.ToValidUTF8(l.text, string(utf8.RuneError))
			return l, nil
		}
		if g.err != nil {
			return guestLine{}, g.err
		}
		g.read(by)
	}
}

func (g *guestReader) read(by time.Time) {
	wait := by
	if g.d.waits() {
		wait = time.Now().Add(silence)
	}
	g.conn.SetReadDeadline(wait)
	n, err := g.conn.Read(g.buf[:])
	g.d.feed(g.buf[:n])
	switch {
	case g.d.stopped:
		g.err = io.EOF
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded) && g.d.waits():
		if n == 0 {
			g.d.quiet()
		}
	default:
		g.err = err
		g.d.halves = halfRune
		g.d.quiet()
	}
}
