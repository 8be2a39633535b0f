package history

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"slices"
)

// A carver finds rows in a database file that SQLite may not be able to read any
// more: it looks at every page by itself, whatever trees it was part of, and
// takes each cell that looks like a row of ours. Whether it is one its checksum
// tells. What the journal has goes before what the file has.
//
// The format is in https://www.sqlite.org/fileformat2.html.
type carver struct {
	file    []byte
	journal []byte
	size    int            // of a page
	newer   map[uint32]int // where the journal has a page
}

const (
	defaultPage  = 4096
	leafTable    = 0x0d
	leafIndex    = 0x0a
	firstPage    = 100 // bytes before the first page's content
	maxColumns   = 8
	maxCarve     = 4 << 30 // larger files are no history of a room
	maxCellBytes = 4 * maxRecord
)

// openCarver reads a file and its journal.
func openCarver(path string) (*carver, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCarve {
		return nil, errors.New("it is too large to be read")
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	j, wal, err := readJournal(path)
	if err != nil {
		return nil, err
	}
	return newCarver(file, wal, j), nil
}

func newCarver(file, wal []byte, j journal) *carver {
	c := &carver{file: file, journal: wal, size: defaultPage, newer: make(map[uint32]int)}
	if j.pageSize > 0 {
		c.size = j.pageSize
	}
	end := 0
	for i, f := range j.frames { // of the last transaction, if it is whole
		if f.commit {
			end = i + 1
		}
	}
	for _, f := range j.frames[:end] {
		c.newer[f.page] = f.at
	}
	return c
}

// pages is how many there may be.
func (c *carver) pages() uint32 {
	n := uint32(len(c.file) / c.size)
	for p := range c.newer {
		n = max(n, min(p, maxCarve/defaultPage))
	}
	return n
}

// page is a page's content, from 1; nil when there is none.
func (c *carver) page(n uint32) []byte {
	if at, ok := c.newer[n]; ok {
		return c.journal[at : at+c.size]
	}
	if n == 0 || int64(n)*int64(c.size) > int64(len(c.file)) {
		return nil
	}
	return c.file[int(n-1)*c.size : int(n)*c.size]
}

// cells calls f with every row on a page, and its number there.
func (c *carver) cells(n uint32, f func(cell int, rowid int64, v []driver.Value)) {
	page := c.page(n)
	if page == nil {
		return
	}
	head := page
	if n == 1 {
		head = page[firstPage:]
	}
	kind, count := head[0], int(binary.BigEndian.Uint16(head[3:]))
	if kind != leafTable && kind != leafIndex {
		return
	}
	for i := range count {
		if 8+2*i+2 > len(head) {
			return
		}
		at := int(binary.BigEndian.Uint16(head[8+2*i:]))
		if at < 8 || at >= len(page) {
			continue
		}
		cell := page[at:]
		size, k := varint(cell)
		cell = cell[k:]
		rowid := uint64(0)
		if kind == leafTable {
			rowid, k = varint(cell)
			cell = cell[k:]
		}
		if size == 0 || size > maxCellBytes {
			continue
		}
		if payload := c.payload(kind, cell, int(size)); payload != nil {
			if v := decode(payload); v != nil {
				f(i, int64(rowid), v)
			}
		}
	}
}

// payload is a cell's content, which may go on on other pages.
func (c *carver) payload(kind byte, cell []byte, size int) []byte {
	most := c.size - 35
	if kind == leafIndex {
		most = (c.size-12)*64/255 - 23
	}
	if size <= most {
		if size > len(cell) {
			return nil
		}
		return cell[:size]
	}
	least := (c.size-12)*32/255 - 23
	local := least + (size-least)%(c.size-4)
	if local > most {
		local = least
	}
	if local+4 > len(cell) {
		return nil
	}
	all := slices.Clone(cell[:local])
	for next := binary.BigEndian.Uint32(cell[local:]); len(all) < size; {
		page := c.page(next)
		if page == nil {
			return nil
		}
		next = binary.BigEndian.Uint32(page)
		all = append(all, page[4:min(c.size, 4+size-len(all))]...)
	}
	return all
}

// varint is SQLite's: seven bits a byte, the most significant first, and eight in
// the ninth. It tells how long it is.
func varint(b []byte) (n uint64, size int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return n<<8 | uint64(b[i]), 9
		}
		n = n<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return n, i + 1
		}
	}
	return 0, len(b)
}

// decode gives the values of a row, or nil where it is none of ours.
func decode(payload []byte) (values []driver.Value) {
	size, k := varint(payload)
	if size < uint64(k) || size > uint64(len(payload)) {
		return nil
	}
	types, body := payload[k:size], payload[size:]
	for len(types) > 0 {
		kind, k := varint(types)
		types = types[k:]
		n := width(kind)
		if k == 0 || n < 0 || n > len(body) || len(values) >= maxColumns {
			return nil
		}
		values, body = append(values, value(kind, body[:n])), body[n:]
	}
	return values
}

// width is how many bytes a value of a type has; -1: there is no such type.
func width(kind uint64) int {
	switch {
	case kind <= 4:
		return int(kind)
	case kind == 5:
		return 6
	case kind <= 7:
		return 8
	case kind <= 9:
		return 0
	case kind <= 11 || kind > math.MaxInt32:
		return -1
	}
	return int(kind-12) / 2
}

func value(kind uint64, b []byte) driver.Value {
	switch {
	case kind == 0:
		return nil
	case kind == 7:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case kind == 8, kind == 9:
		return int64(kind - 8)
	case kind < 7:
		n := int64(int8(b[0]))
		for _, x := range b[1:] {
			n = n<<8 | int64(x)
		}
		return n
	case kind%2 == 0:
		return slices.Clone(b)
	}
	return string(b)
}
