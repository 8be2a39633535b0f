package history

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// scan reads up to n records after a seq and not after upto. Of a log there is one
// for each number.
func (l *Log) scan(ctx context.Context, c *conn, after, upto uint64, n int) (run []Record, err error) {
	var scratch []byte
	if gone := l.traceless(); after < gone {
		for seq := after + 1; seq <= min(gone, upto) && len(run) < n; seq++ {
			run = append(run, blank(seq))
		}
		return run, nil
	}
	want := after + 1
	err = c.query(ctx, func(v []driver.Value) error {
		r, ok := unpack(v, &scratch)
		if !ok {
			return l.damage(v)
		}
		if !l.o.copies() && r.Seq != want {
			return damaged(l.path, l.o.Room, fmt.Sprintf("record %d is missing", want))
		}
		want++
		run = append(run, r)
		return nil
	}, "SELECT "+recordColumns+" FROM entries e LEFT JOIN senders s ON s.num = e.sender WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?",
		int64(after), int64(upto), int64(n))
	if err == nil && !l.o.copies() && uint64(len(run)) < min(upto-after, uint64(n)) {
		err = damaged(l.path, l.o.Room, fmt.Sprintf("record %d is missing", want))
	}
	return run, err
}

// damage is what a row that does not verify is told as.
func (l *Log) damage(v []driver.Value) error {
	return damaged(l.path, l.o.Room, fmt.Sprintf("record %v does not have its checksum", v[0]))
}

// traceless is up to where records are gone altogether.
func (l *Log) traceless() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}
