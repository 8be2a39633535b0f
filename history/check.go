package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
)

// A Report is what Check has found.
type Report struct {
	Records uint64   // how many there are with what was said
	Deleted uint64   // how many retention has emptied
	Last    uint64   // the number of the last
	Chain   Chain    // up to the last
	Bytes   int64    // the size of the file
	Faults  []string // what is wrong, in words for people; none: nothing is
}

// maxFaults is how many faults are listed: more are no more news.
const maxFaults = 20

// Check reads all of the file: its structure, every checksum, whether numbers are
// missing, and whether the chain at the checkpoints is that of the records.
func (l *Log) Check(ctx context.Context) (r Report, err error) {
	fault := func(format string, args ...any) {
		if len(r.Faults) < maxFaults {
			r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
		}
	}
	if info, err := os.Stat(l.path); err == nil {
		r.Bytes = info.Size()
	}
	err = l.read(ctx, func(c *conn) error {
		if err := c.structure(ctx, fault); err != nil {
			return err
		}
		return l.contents(ctx, c, &r, fault)
	})
	if errors.Is(err, ErrDamaged) {
		fault("%v", err)
		err = nil
	}
	if l.o.Reading && err == nil && l.Whole() != nil {
		fault("%s", l.reached.short(r.Last))
	}
	return r, err
}

// structure has SQLite look at its own part, the indexes included.
func (c *conn) structure(ctx context.Context, fault func(string, ...any)) error {
	return c.query(ctx, func(v []driver.Value) error {
		if s, _ := v[0].(string); s != "ok" {
			fault("structure: %v", v[0])
		}
		return nil
	}, fmt.Sprintf("PRAGMA integrity_check(%d)", maxFaults))
}

// contents looks at every record as of one moment.
func (l *Log) contents(ctx context.Context, c *conn, r *Report, fault func(string, ...any)) error {
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	defer c.exec("ROLLBACK")
	pruned, err := c.meta(metaPruned)
	if err != nil {
		return err
	}
	base, _ := parsePlace(pruned)
	gone, err := c.numberMeta(metaGone)
	if err != nil {
		return err
	}
	saved := make(map[uint64]Chain)
	err = c.checkpoints(func(p checkpoint) error {
		if saved[p.seq] = p.chain; !p.ok {
			fault("the checkpoint at %d does not have its checksum", p.seq)
			delete(saved, p.seq)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var scratch []byte
	next, whole := gone+1, true
	if r.Chain = base.chain; base.seq == 0 { // it came from elsewhere, where these were gone already
		for seq := uint64(1); seq <= gone; seq++ {
			r.Chain = r.Chain.next(blank(seq), &scratch)
		}
	}
	err = c.query(ctx, func(v []driver.Value) error {
		rec, ok := unpack(v, &scratch)
		if !ok {
			fault("record %v does not have its checksum", v[0])
			whole = false
			next = max(next, rec.Seq+1)
			return nil
		}
		if !l.o.copies() && rec.Seq != next {
			fault("records %d to %d are missing", next, rec.Seq-1)
			whole = false
		}
		next = rec.Seq + 1
		if r.Last = rec.Seq; rec.Blank() {
			r.Deleted++
		} else {
			r.Records++
		}
		if rec.Seq > base.seq {
			r.Chain = r.Chain.next(rec, &scratch)
		}
		if chain, ok := saved[rec.Seq]; ok && whole && !l.o.copies() && chain != r.Chain {
			fault("up to the checkpoint at %d the records are not those that were there when it was saved", rec.Seq)
		}
		return nil
	}, "SELECT "+recordColumns+" FROM entries e LEFT JOIN senders s ON s.num = e.sender ORDER BY e.seq")
	r.Last, r.Deleted = max(r.Last, gone), r.Deleted+gone
	return err
}
