package cluster

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"parley/room"
	"parley/transport"
)

// An entry is a message:
//
//	subject  parley.ROOM.KEY.ID   KEY 64 and ID 32 hex digits
//	data     version  1 byte: 1
//	         at       8 bytes, big-endian: milliseconds since 1970, signed
//	         audience uvarint: 0 everybody, else one more than there are keys; 32 bytes each
//	         body     uvarint length, and the body
//	         words    what is left
const entryVersion = 1

// Limits of what is read. A host writes entries of 17 KiB at most.
const (
	maxEntry    = 64 << 10
	maxAudience = 256
)

var errEntry = errors.New("not an entry")

// subject is where an entry is published.
func (r *Room) subject(e *room.Entry) string {
	b := make([]byte, 0, len(r.prefix)+64+1+32)
	b = append(b, r.prefix...)
	b = hex.AppendEncode(b, e.Key[:])
	b = append(b, '.')
	return string(hex.AppendEncode(b, e.ID[:]))
}

// encode writes an entry's data.
func encode(e *room.Entry) []byte {
	b := make([]byte, 0, 1+8+4+32*len(e.Audience)+4+len(e.Body)+len(e.Words))
	b = append(b, entryVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMilli()))
	if e.Audience == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(e.Audience))+1)
		for _, k := range e.Audience {
			b = append(b, k[:]...)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(e.Body)))
	b = append(b, e.Body...)
	return append(b, e.Words...)
}

// decode reads an entry. What is none of ours is an entry without a body, which
// shows nothing.
func decode(prefix, subject string, seq uint64, data []byte) (e room.Entry, err error) {
	e.Seq = seq
	rest, ok := strings.CutPrefix(subject, prefix)
	key, id, _ := strings.Cut(rest, ".")
	if !ok || len(key) != 64 || len(id) != 32 || rest != strings.ToLower(rest) || len(data) < 10 || len(data) > maxEntry || data[0] != entryVersion {
		return e, errEntry
	}
	if _, err := hex.Decode(e.Key[:], []byte(key)); err != nil {
		return room.Entry{Seq: seq}, errEntry
	}
	if _, err := hex.Decode(e.ID[:], []byte(id)); err != nil {
		return room.Entry{Seq: seq}, errEntry
	}
	e.At = time.UnixMilli(int64(binary.BigEndian.Uint64(data[1:]))).UTC()
	data = data[9:]
	n, w := binary.Uvarint(data)
	if w <= 0 || n > maxAudience+1 || len(data)-w < 32*int(max(n, 1)-1) {
		return room.Entry{Seq: seq}, errEntry
	}
	if data = data[w:]; n > 0 {
		e.Audience = make([]transport.Key, n-1)
		for i := range e.Audience {
			data = data[copy(e.Audience[i][:], data):]
		}
	}
	n, w = binary.Uvarint(data)
	if w <= 0 || n > uint64(len(data)-w) {
		return room.Entry{Seq: seq}, errEntry
	}
	data = data[w:]
	e.Body, e.Words = data[:n:n], string(data[n:])
	return e, nil
}
