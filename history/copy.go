package history

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrDiffers says that a file has another record of that number already: they
// are not of the same log.
var ErrDiffers = errors.New("another record has that number")

// Put stores records with the numbers they have. What is there already is passed
// over, so that several programs may put the same; if it differs, none of
// them is stored (ErrDiffers). In a log, which has no gaps, records must follow
// its end: so one is brought in from elsewhere. Receipts are stored in place of
// those there are of the same records.
func (l *Log) Put(ctx context.Context, records []Record, receipts ...Receipt) error {
	if l.o.Reading {
		return fmt.Errorf("%w: it is open for reading", ErrNotStored)
	}
	for _, r := range records {
		if len(r.Body) > maxRecord || len(r.Words) > maxRecord || r.Seq == 0 || r.Seq > 1<<62 {
			return fmt.Errorf("%w: no such record can be", ErrNotStored)
		}
	}
	return l.do(ctx, func() error {
		var stored []Record
		end := l.gone
		_, err := l.w.transact(func() (err error) {
			if stored, end, err = l.put(records); err != nil {
				return err
			}
			for _, r := range receipts {
				if err := l.setReceipt(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			clear(l.senders)
			return err
		}
		l.mu.Lock()
		if end > l.gone {
			l.recent, l.bytes = nil, 0
		}
		l.gone, l.last = end, max(l.last, end)
		l.mu.Unlock()
		if !l.o.copies() {
			l.publish(stored)
		}
		return nil
	})
}

// put is for within a transaction.
func (l *Log) put(records []Record) (stored []Record, gone uint64, err error) {
	gone, next := l.gone, l.Last()+1
	for i := range records {
		r := records[i]
		r.At = r.At.UTC().Truncate(time.Millisecond)
		if r.Seq <= max(l.Pruned(), gone) {
			continue
		}
		if !l.o.copies() {
			if r.Seq > next {
				return nil, 0, fmt.Errorf("%w: record %d does not follow %d", ErrNotStored, r.Seq, next-1)
			}
			if r.Seq == next {
				next++
			}
			if r.traceless() && r.Seq == gone+1 && l.Last() <= gone {
				gone = r.Seq
				continue
			}
			if r.traceless() {
				r = Deleted(r.Seq)
			}
		}
		fresh, err := l.place(&r)
		if err != nil {
			return nil, 0, err
		}
		if fresh {
			stored = append(stored, r)
		}
	}
	if gone > l.gone {
		err = l.setNumber(metaGone, gone)
	}
	return stored, gone, err
}

// traceless tells whether the record is one of those that retention has removed.
func (r Record) traceless() bool { return r.Blank() && r.Key == [32]byte{} && r.ID == [16]byte{} }

// Deleted is what a log has in place of a record of which nothing is left, where
// others are before it. It has an id, since two records cannot have the same.
func Deleted(seq uint64) Record {
	r := blank(seq)
	r.At = time.UnixMilli(0).UTC()
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("parley deleted 1\n"), seq))
	copy(r.ID[:], sum[:])
	return r
}

// place stores a record as its number, unless it is there.
func (l *Log) place(r *Record) (fresh bool, err error) {
	r.Body, r.Audience = slices.Clone(r.Body), slices.Clone(r.Audience)
	sender, err := l.sender(r.Key)
	if err != nil {
		return false, err
	}
	p := pack(r, &l.scratch)
	n, err := l.w.exec("INSERT INTO entries (seq, sender, id, at, sum, audience, body, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"+
		" ON CONFLICT (seq) DO NOTHING", int64(r.Seq), sender, r.ID[:], r.At.UnixMilli(), p.sum, p.audience, p.body, p.words)
	if err != nil {
		return false, err
	}
	if n > 0 {
		if l.o.copies() && r.Words != "" {
			_, err = l.w.exec("INSERT INTO found (rowid, words) VALUES (?, ?)", int64(r.Seq), spread(r.Words))
		}
		return true, err
	}
	sum, _, err := l.w.number("SELECT sum FROM entries WHERE seq = ?", int64(r.Seq))
	if err == nil && sum != p.sum {
		err = fmt.Errorf("%w: %d", ErrDiffers, r.Seq)
	}
	return false, err
}

// After returns the first n records after a seq that there are. A copy may have
// gaps between them.
func (l *Log) After(ctx context.Context, after uint64, n int) (run []Record, err error) {
	upto := uint64(1) << 62
	if !l.o.copies() {
		upto = max(l.Last(), after)
	}
	err = l.read(ctx, func(c *conn) error {
		run, err = l.scan(ctx, c, after, upto, n)
		return err
	})
	return run, err
}

// A Receipt says how many of how many had received one of our messages.
type Receipt struct {
	Seq       uint64
	Count, Of int
}

func (l *Log) setReceipt(r Receipt) error {
	_, err := l.w.exec("INSERT OR REPLACE INTO receipts (seq, count, of) VALUES (?, ?, ?)", number(r.Seq), int64(r.Count), int64(r.Of))
	return err
}

// Receipt is what Put has stored last of a record.
func (l *Log) Receipt(ctx context.Context, seq uint64) (r Receipt, known bool, err error) {
	err = l.read(ctx, func(c *conn) error {
		return c.query(ctx, func(v []driver.Value) error {
			count, ok1 := v[0].(int64)
			of, ok2 := v[1].(int64)
			r, known = Receipt{seq, int(count), int(of)}, ok1 && ok2
			return nil
		}, "SELECT count, of FROM receipts WHERE seq = ?", number(seq))
	})
	return r, known, err
}
