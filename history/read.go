package history

import (
	"cmp"
	"context"
	"database/sql/driver"
	"math"
	"net"
	"slices"
)

// tailRun is how many records Tail gives at once at most.
const tailRun = 256

// read calls f with a connection for reading.
func (l *Log) read(ctx context.Context, f func(*conn) error) error {
	var c *conn
	select {
	case <-l.closing:
		return net.ErrClosed
	default:
	}
	select {
	case c = <-l.readers:
	case <-l.closing:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { l.readers <- c }()
	if c == nil {
		fresh, err := connect(l.path, cmp.Or(l.mode, "mode=rw"))
		if err == nil {
			err = fresh.script(settings + "PRAGMA query_only = ON;")
		}
		if err != nil {
			return explain(l.path, l.o.Room, err)
		}
		c = fresh
	}
	err := f(c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return explain(l.path, l.o.Room, err)
}

// Tail calls each with all records after seq after, in order and without a gap, and
// goes on as they are stored, until ctx ends or each returns an error, which
// Tail returns. Of records that are not kept any more only numbers come, for
// nobody to see. The records may be kept and must not be changed.
func (l *Log) Tail(ctx context.Context, after uint64, each func([]Record) error) error {
	for {
		run, last, grown := l.end(after)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(run) == 0 && after < last {
			err := l.read(ctx, func(c *conn) (err error) {
				run, err = l.scan(ctx, c, after, last, tailRun)
				return err
			})
			if err != nil {
				return err
			}
		}
		if len(run) > 0 {
			if err := each(run); err != nil {
				return err
			}
			after = run[len(run)-1].Seq
			continue
		}
		select {
		case <-grown:
		case <-l.closing:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end returns what is in memory after a seq, the last seq, and what is closed when
// there are more.
func (l *Log) end(after uint64) (run []Record, last uint64, grown <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.last - uint64(len(l.recent)) // the last that is not in memory
	if !l.o.copies() && after >= first && after < l.last {
		at := after - first
		run = l.recent[at:min(at+tailRun, uint64(len(l.recent)))]
		run = run[:len(run):len(run)]
	}
	return run, l.last, l.grown
}

// Page returns the last n records before seq before that viewer may see, oldest
// first.
func (l *Log) Page(ctx context.Context, viewer [32]byte, before uint64, n int) (page []Record, err error) {
	page, err = l.collect(ctx, viewer, nil, n, "SELECT "+recordColumns+" FROM entries e LEFT JOIN senders s ON s.num = e.sender"+
		" WHERE e.seq < ? AND (e.audience IS NULL OR instr(e.audience, ?) > 0) ORDER BY e.seq DESC LIMIT ?",
		number(before), viewer[:], int64(max(n, 0)))
	if err != nil {
		return nil, err
	}
	slices.Reverse(page)
	return page, nil
}

// collect appends to found what a query gives, the newest record first, and viewer may
// see, until there are n.
func (l *Log) collect(ctx context.Context, viewer [32]byte, found []Record, n int, query string, args ...driver.Value) ([]Record, error) {
	var scratch []byte
	err := l.read(ctx, func(c *conn) error {
		return c.query(ctx, func(v []driver.Value) error {
			r, ok := unpack(v, &scratch)
			if !ok {
				return l.damage(v)
			}
			if r.Visible(viewer) {
				found = append(found, r)
			}
			if len(found) >= n {
				return errEnough
			}
			return nil
		}, query, args...)
	})
	return found, err
}

// number is a seq as SQLite can have it.
func number(seq uint64) int64 { return int64(min(seq, math.MaxInt64)) }
