package file

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"parley/text"
)

// version of the protocol.
const version = 1

// Types of messages.
const (
	typeFrom = 0x01
	typeData = 0x02
	typeHave = 0x03
	typeDone = 0x04
	typeStop = 0x05
)

const (
	// chunk is how many bytes of a file one message carries: of a size at which
	// what is said in the room waits less than a millisecond behind it.
	chunk = 32 << 10
	// window is how far the giver may be ahead of what the taker has written. It
	// is what waits in the host, at most, and on a LAN more than the way holds.
	window = 192 << 10
	// reportEvery is how much the taker writes before it says so.
	reportEvery = 64 << 10
	// reportAfter is when it says so after less: on a slow way whoever counts what passes, the giver and the host,
	// would take it for dead.
	reportAfter = 5 * time.Second
	// maxWhy is the size in bytes of the reason of a STOP.
	maxWhy = 400
	// dataHead is what stands before the bytes of a DATA.
	dataHead = 9
)

// Sum is the SHA-256 of a file.
type Sum [sha256.Size]byte

// A Code says why a transfer goes no further.
type Code byte

const (
	Changed    Code = 1 + iota // the file is not what was offered any more
	Unreadable                 // the giver cannot read it
	Disk                       // the taker cannot write it
	Damaged                    // what came is not what was offered
	Protocol                   // the other side does not speak this protocol
	NoMore                     // somebody wanted it to end
)

// An Error ends a transfer for good: no other connection would mend it.
type Error struct {
	Code   Code
	Text   string // in words for people
	Theirs bool   // the other side said so
}

func (e *Error) Error() string { return e.Text }

// errWire is the error of whoever breaks the protocol.
func errWire(words string) error {
	return &Error{Code: Protocol, Text: "the other side breaks the protocol: " + words}
}

// message is one, as it was read.
type message struct {
	kind   byte
	offset int64
	sum    Sum
	data   []byte // of a DATA; it is the Conn's
	stop   *Error
}

var errShort = errors.New("a message of a wrong length")

// parse reads a message. It allocates nothing but for a STOP.
func parse(b []byte) (m message, err error) {
	if len(b) == 0 {
		return m, errShort
	}
	m.kind = b[0]
	switch want := fixed(b[0]); {
	case want > 0 && len(b) != want:
		return m, errShort
	case m.kind == typeFrom:
		if b[1] != version {
			return m, fmt.Errorf("version %d, and we speak %d", b[1], version)
		}
		copy(m.sum[:], b[10:])
		m.offset, err = offset(b[2:])
		return m, err
	case m.kind == typeHave:
		m.offset, err = offset(b[1:])
		return m, err
	case m.kind == typeDone:
		return m, nil
	case m.kind == typeData:
		if len(b) <= dataHead || len(b) > dataHead+chunk {
			return m, errShort
		}
		m.data = b[dataHead:]
		m.offset, err = offset(b[1:])
		return m, err
	case m.kind == typeStop:
		if len(b) < 2 || len(b) > 2+maxWhy || b[1] < byte(Changed) || b[1] > byte(NoMore) || !utf8.Valid(b[2:]) {
			return m, errShort
		}
		m.stop = &Error{Code: Code(b[1]), Text: text.Clean(string(b[2:])), Theirs: true}
		return m, nil
	}
	return m, fmt.Errorf("a message of the unknown type %d", b[0])
}

// offset reads a place in a file.
func offset(b []byte) (int64, error) {
	n := binary.BigEndian.Uint64(b)
	if n > 1<<62 {
		return 0, errors.New("an offset beyond any file")
	}
	return int64(n), nil
}

func from(at int64, sum Sum) []byte {
	b := binary.BigEndian.AppendUint64([]byte{typeFrom, version}, uint64(at))
	return append(b, sum[:]...)
}

func have(at int64) []byte { return binary.BigEndian.AppendUint64([]byte{typeHave}, uint64(at)) }

// putData writes the head of a DATA before the bytes that are in b already.
func putData(b []byte, at int64) {
	b[0] = typeData
	binary.BigEndian.PutUint64(b[1:], uint64(at))
}

// stop says that it goes no further. What names a file of ours stays here.
func stop(e *Error) []byte {
	why := e.Text
	switch e.Code {
	case Disk:
		why = "the file cannot be written there: its owner is told why"
	case Unreadable:
		why = "the file cannot be read there any more: its owner is told why"
	}
	for len(why) > maxWhy || !utf8.ValidString(why) {
		why = why[:min(len(why)-1, maxWhy)]
	}
	return append([]byte{typeStop, byte(e.Code)}, why...)
}

// fixed is the length of messages that have one; of others 0.
func fixed(kind byte) int {
	switch kind {
	case typeFrom:
		return 42
	case typeHave:
		return 9
	case typeDone:
		return 1
	}
	return 0
}
