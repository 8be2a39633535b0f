package history

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"time"
)

// A Record is what a history keeps: opaque but for its number, who wrote it
// and who may see it.
type Record struct {
	Seq      uint64
	Key      [32]byte   // who wrote it
	ID       [16]byte   // unique with Key
	At       time.Time  // in whole milliseconds
	Audience [][32]byte // who may see it; nil: everybody; empty: nobody
	Body     []byte
	Words    string // what Search looks in
}

// Visible tells whether viewer may see the record.
func (r Record) Visible(viewer [32]byte) bool {
	return r.Audience == nil || slices.Contains(r.Audience, viewer)
}

// Blank tells whether nothing is left of the record but its number.
func (r Record) Blank() bool {
	return r.Audience != nil && len(r.Audience) == 0 && len(r.Body) == 0
}

// blank is a record of which nothing is left.
func blank(seq uint64) Record { return Record{Seq: seq, Audience: [][32]byte{}} }

// canonical appends the record's canonical form, of which checksums and the chain are
// made: every field, in the order of the struct, numbers big-endian, and before
// what has no fixed size how long it is.
func (r Record) canonical(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, r.Seq)
	b = append(b, r.Key[:]...)
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMilli()))
	if r.Audience == nil {
		b = binary.BigEndian.AppendUint32(b, everybody)
	} else {
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.Audience)))
	}
	for _, k := range r.Audience {
		b = append(b, k[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Body)))
	b = append(b, r.Body...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Words)))
	return append(b, r.Words...)
}

// everybody stands for the number of an audience that is everybody.
const everybody = 1<<32 - 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Chain is a hash over all records up to one: two histories with the same Chain
// at a number have the same records up to it.
type Chain [sha256.Size]byte

// Next is the chain with one more record.
func (c Chain) Next(r Record) Chain { return c.next(r, new([]byte)) }

func (c Chain) next(r Record, scratch *[]byte) Chain {
	*scratch = r.canonical(append((*scratch)[:0], c[:]...))
	return sha256.Sum256(*scratch)
}

// sum is the checksum of the record.
func (r Record) sum(scratch *[]byte) int64 {
	*scratch = r.canonical((*scratch)[:0])
	return int64(crc32.Checksum(*scratch, castagnoli))
}

// row is a record as it lies in the file, without the sender's number.
//
//	audience  NULL: everybody; 0: nobody; else the keys, one after the other
//	body      NULL: empty
//	words     NULL: none; a number, offset << 16 | length: they stand in the body; else a text
type row struct {
	sum                   int64
	audience, body, words driver.Value
}

// pack makes the row of a record.
func pack(r *Record, scratch *[]byte) row {
	p := row{sum: r.sum(scratch)}
	if r.Audience != nil && len(r.Audience) == 0 {
		p.audience = int64(0)
	} else if r.Audience != nil {
		all := make([]byte, 0, 32*len(r.Audience))
		for _, k := range r.Audience {
			all = append(all, k[:]...)
		}
		p.audience = all
	}
	if len(r.Body) > 0 {
		p.body = r.Body
	}
	if r.Words != "" {
		p.words = r.Words
		if at := bytes.Index(r.Body, []byte(r.Words)); at >= 0 && len(r.Words) < 1<<16 {
			p.words = int64(at)<<16 | int64(len(r.Words))
		}
	}
	return p
}

// recordColumns is what unpack takes, of entries e and senders s.
const recordColumns = "e.seq, s.key, e.id, e.at, e.sum, e.audience, e.body, e.words"

// unpack makes the record of a row, or tells that it is damaged.
func unpack(v []driver.Value, scratch *[]byte) (r Record, ok bool) {
	seq, ok1 := v[0].(int64)
	key, ok2 := v[1].([]byte)
	id, ok3 := v[2].([]byte)
	at, ok4 := v[3].(int64)
	sum, ok5 := v[4].(int64)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || len(key) != 32 || len(id) != 16 {
		return r, false
	}
	r = Record{Seq: uint64(seq), Key: [32]byte(key), ID: [16]byte(id), At: time.UnixMilli(at).UTC()}
	switch a := v[5].(type) {
	case nil:
	case int64:
		r.Audience = [][32]byte{}
	case []byte:
		if len(a) == 0 || len(a)%32 != 0 {
			return r, false
		}
		for k := range slices.Chunk(a, 32) {
			r.Audience = append(r.Audience, [32]byte(k))
		}
	default:
		return r, false
	}
	switch b := v[6].(type) {
	case nil:
	case []byte:
		r.Body = b
	default:
		return r, false
	}
	switch w := v[7].(type) {
	case nil:
	case int64:
		at, n := w>>16, w&0xffff
		if at < 0 || at+n > int64(len(r.Body)) {
			return r, false
		}
		r.Words = string(r.Body[at : at+n])
	case string:
		r.Words = strings.Clone(w)
	default:
		return r, false
	}
	return r, r.sum(scratch) == sum
}
