package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// SQLite takes the first frame of its journal that does not have its checksum for the
// journal's end: what a crash left half written. When a frame in the middle is
// damaged, all that was committed after it would so vanish without a word. So we
// look at a journal that was left behind before SQLite does.
//
// The format is in https://www.sqlite.org/fileformat2.html#walformat: a header of 32
// bytes, and frames of 24 bytes and a page each. Frames that count have the salts
// of the header.
const (
	walHeader = 32
	frameHead = 24
	walMagic  = 0x377f0682 // or one more: words are big-endian to the checksum
)

// A frame is a page in a journal.
type frame struct {
	page   uint32 // its number
	commit bool   // it ends a transaction
	at     int    // of its content in the journal
}

// journal is what a journal has.
type journal struct {
	pageSize int
	frames   []frame // those with the salts of the header
	whole    int     // so many of them have their checksums
	broken   bool    // the header is damaged, and there is something behind it
}

// readJournal reads the journal of the database at path; without one, or with an
// empty one, it has no frames.
func readJournal(path string) (j journal, b []byte, err error) {
	b, err = os.ReadFile(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return parseJournal(b), b, err
}

func parseJournal(b []byte) (j journal) {
	if len(b) < walHeader {
		return j
	}
	magic, size := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[8:])
	var order binary.ByteOrder = binary.LittleEndian
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	sum := walSum(order, [2]uint32{}, b[:24])
	if magic&^1 != walMagic || size < 512 || size > 65536 || size&(size-1) != 0 || !sum.is(b[24:]) {
		j.broken = len(b) >= walHeader+frameHead+512 && len(bytes.Trim(b, "\x00")) > 0
		return j
	}
	j.pageSize = int(size)
	salts, whole := b[16:24], true
	for at := walHeader; at+frameHead+j.pageSize <= len(b); at += frameHead + j.pageSize {
		head, page := b[at:at+frameHead], b[at+frameHead:at+frameHead+j.pageSize]
		current := bytes.Equal(head[8:16], salts)
		if whole {
			sum = walSum(order, walSum(order, sum, head[:8]), page)
			whole = current && sum.is(head[16:])
		}
		if !current {
			continue
		}
		if whole {
			j.whole++
		}
		j.frames = append(j.frames, frame{binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:]) != 0, at + frameHead})
	}
	return j
}

// lost tells how many transactions are behind a frame that is damaged.
func (j *journal) lost() (n int) {
	for _, f := range j.frames[j.whole:] {
		if f.commit {
			n++
		}
	}
	return n
}

// sums is the running checksum of a journal.
type sums [2]uint32

func (s sums) is(b []byte) bool {
	return s[0] == binary.BigEndian.Uint32(b) && s[1] == binary.BigEndian.Uint32(b[4:])
}

func walSum(order binary.ByteOrder, s sums, b []byte) sums {
	for ; len(b) >= 8; b = b[8:] {
		s[0] += order.Uint32(b) + s[1]
		s[1] += order.Uint32(b[4:]) + s[0]
	}
	return s
}

// checkJournal looks at the journal of a log that nobody has open.
func (l *Log) checkJournal() error {
	j, _, err := readJournal(l.path)
	if err != nil {
		return unusable(l.path, err)
	}
	switch n := j.lost(); {
	case j.broken:
		return damaged(l.path, l.o.Room, "the head of its journal does not have its checksum")
	case n > 1: // of one nobody was told yet that it is stored, when the power failed
		return damaged(l.path, l.o.Room, fmt.Sprintf("its journal is damaged before the last %d changes", n))
	case n == 1:
		l.o.Warn(fmt.Sprintf("the last change of the history of %s was not written whole; if the power has failed that is nothing to worry about", l.o.Room))
	}
	return nil
}
