package cluster

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
)

// The client library believes a server what size a message has, and keeps a line however
// long it is: a few bytes from somebody on the wire would end the program. So what comes over a
// connection in clear is looked at first. Over an encrypted one only the servers speak, which
// are proved by then, and nothing can be looked at.

const (
	// maxServerMessage is more than JetStream's longest answer, which is as long as a
	// server's max_payload at most: a megabyte, mostly.
	maxServerMessage = 8 << 20
	// maxServerLine is for what a server tells of itself, and a thousand others.
	maxServerLine = 64 << 10
	// handshake is the first byte of a TLS record. No line of a server begins with it.
	handshake = 0x16
)

// guarded makes connections to servers.
type guarded struct{}

// Dial connects to a server.
func (guarded) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &guard{Conn: c}, nil
}

// guard is a connection that ends when a server says what nobody would.
type guard struct {
	net.Conn
	watch
}

// Read reads what the server says.
func (g *guard) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if wrong := g.look(b[:n]); wrong != nil {
		g.Close()
		return 0, wrong
	}
	return n, err
}

// watch follows the lines of a server, as the client library does:
//
//	MSG SUBJECT SID [REPLY] SIZE             and HMSG, with the size of its headers before that of all
//	that many bytes, another, and what follows up to the end of the line
//	any other line
type watch struct {
	line   []byte // of which the end has not come
	left   int    // of a message
	ending bool   // the end of a message's line is to come
	sealed bool   // the rest is encrypted
}

var (
	errServerLine    = errors.New("the server sends a line that is too long, or none")
	errServerMessage = errors.New("the server announces a message that is too large")
)

// look takes in what comes next.
func (w *watch) look(b []byte) error {
	for len(b) > 0 && !w.sealed {
		if n := min(w.left, len(b)); n > 0 {
			w.left, b = w.left-n, b[n:]
			continue
		}
		if len(w.line) == 0 && !w.ending && b[0] == handshake {
			w.sealed = true
			break
		}
		part, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		switch {
		case w.ending:
			w.ending = !whole
			continue
		case len(w.line)+len(part) > maxServerLine:
			return errServerLine
		}
		if w.line = append(w.line, part...); whole {
			if err := w.announced(); err != nil {
				return err
			}
			w.line = w.line[:0]
		}
	}
	return nil
}

// announced looks at a whole line.
func (w *watch) announced() error {
	line := bytes.TrimSuffix(w.line, []byte{'\r'})
	if len(line) == 0 || !bytes.ContainsRune([]byte("mMhH"), rune(line[0])) {
		return nil
	}
	words := bytes.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
	if bytes.IndexByte(line, '\r') >= 0 || len(words) < 4 {
		return errServerLine
	}
	size, err := strconv.ParseUint(string(words[len(words)-1]), 10, 63)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return errServerLine
	case err != nil || size > maxServerMessage:
		return errServerMessage
	}
	w.left, w.ending = int(size)+1, true
	return nil
}
