package tcp

import (
	"bytes"
	"encoding/binary"
	"errors"

	"parley/transport"
)

const (
	version      = 1
	preambleSize = 9
	headerSize   = 4
	controlSize  = headerSize + 1 + 8
	maxFrame     = headerSize + transport.MaxMessage
)

// magic begins every preamble.
var magic = []byte("\x89parley")

// control is the kind of a control frame.
type control byte

const (
	ping control = 1 + iota
	pong
	bye
	here
)

var (
	errFrame    = errors.New("the peer sent a frame that is too long")
	errPreamble = errors.New("the peer does not speak parley")
)

// appendPreamble appends a preamble: reason is 0 or why the host refuses.
func appendPreamble(dst []byte, reason transport.Reason) []byte {
	dst = append(dst, magic...)
	return append(dst, version, byte(reason))
}

// parsePreamble reads a preamble.
func parsePreamble(b []byte) (v byte, reason transport.Reason, err error) {
	if len(b) != preambleSize || !bytes.HasPrefix(b, magic) {
		return 0, 0, errPreamble
	}
	return b[len(magic)], transport.Reason(b[len(magic)+1]), nil
}

// caller is what the first bytes of a connection tell about who calls.
type caller int

const (
	unknown caller = iota // too few bytes to tell
	secure                // TLS
	plain                 // a preamble
	guest                 // anything else
)

// classify tells who begins with b.
func classify(b []byte) caller {
	// A TLS record of the type handshake, and the major version of all TLS.
	tls := []byte{0x16, 0x03}
	switch {
	case bytes.HasPrefix(b, tls):
		return secure
	case bytes.HasPrefix(b, magic):
		return plain
	case bytes.HasPrefix(tls, b), bytes.HasPrefix(magic, b):
		return unknown
	}
	return guest
}

// appendMessage appends msg as a frame.
func appendMessage(dst, msg []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(msg)))
	return append(dst, msg...)
}

// appendControl appends a control frame.
func appendControl(dst []byte, kind control, data uint64) []byte {
	dst = append(dst, 0, 0, 0, 0, byte(kind))
	return binary.BigEndian.AppendUint64(dst, data)
}

// frameSize returns the size of the frame that b begins with, or 0 if b is too
// short to tell.
func frameSize(b []byte) (int, error) {
	if len(b) < headerSize {
		return 0, nil
	}
	switch n := binary.BigEndian.Uint32(b); {
	case n == 0:
		return controlSize, nil
	case n > transport.MaxMessage:
		return 0, errFrame
	default:
		return headerSize + int(n), nil
	}
}

// isControl tells whether a whole frame is a control frame.
func isControl(frame []byte) bool { return binary.BigEndian.Uint32(frame) == 0 }

// parseControl reads a whole control frame.
func parseControl(frame []byte) (kind control, data uint64) {
	return control(frame[headerSize]), binary.BigEndian.Uint64(frame[headerSize+1:])
}
