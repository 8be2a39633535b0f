package history

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

const (
	// firstTick is when retention looks at the file after it was opened, and
	// tickEvery how often from then on.
	firstTick = time.Minute
	tickEvery = time.Hour
	// markEvery is how often it is noted how old records are: they go that much
	// later than they could.
	markEvery = 6 * time.Hour
	// tombstones is how long ids of deleted records are kept. What waits to be
	// sent is given up after a week.
	tombstones = 30 * day
	// pruneStep is how many records one transaction deletes: a few milliseconds,
	// for which those who append may have to wait; prunePause is between two.
	pruneStep  = 256
	prunePause = 20 * time.Millisecond
	// sweepPages is how many pages of the index one transaction writes anew, of
	// about 4 KB: some milliseconds.
	sweepPages = 128
)

// Kinds of marks: when records up to one were stored, and when they were deleted.
const (
	markStored  = 0
	markDeleted = 1
)

// retain deletes what is older than it may be, until the log is closed.
func (l *Log) retain() {
	if l.o.Keep.Age <= 0 && l.o.Keep.Count <= 0 {
		return
	}
	timer, seen := time.NewTimer(firstTick), time.Now()
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.closing:
			return
		}
		ran := time.Since(seen)
		seen = seen.Add(ran)
		l.prune(ran) // what went wrong is tried again in an hour
		timer.Reset(tickEvery)
	}
}

// prune looks once for what may be deleted, and deletes it step by step. Ran is how
// much time has passed since it looked last, or since the file was opened.
func (l *Log) prune(ran time.Duration) error {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var doubted time.Duration
	var upto, gone uint64
	err := l.do(ctx, func() (err error) {
		_, err = l.w.transact(func() error {
			doubted, upto, gone, err = l.due(ran)
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	if doubted > 0 {
		l.o.Warn(fmt.Sprintf("by this computer's clock %d days have passed that the history %s saw nothing of. If that is so, what is too old in it goes in a week; if it is not, put the clock right before",
			int(doubted/day)+1, l.path))
	}
	if upto > l.Pruned() || gone > l.traceless() {
		if err := l.pace(ctx, func() (bool, error) { return l.step(upto, gone) }); err != nil {
			return err
		}
	}
	first := true
	return l.pace(ctx, func() (more bool, err error) {
		more, err = l.sweep(first)
		first = false
		return more, err
	})
}

// pace has the writer do step after step, and others in between.
func (l *Log) pace(ctx context.Context, step func() (more bool, err error)) error {
	for more := true; more; {
		err := l.do(ctx, func() (err error) {
			more, err = step()
			return err
		})
		if err != nil || !more {
			return err
		}
		select {
		case <-time.After(prunePause):
		case <-l.closing:
			return nil
		}
	}
	return nil
}

// due advances the file's clock, and tells up to which record all may be
// deleted, and up to which nothing need be left of them. It is for within a transaction.
func (l *Log) due(ran time.Duration) (doubted time.Duration, upto, gone uint64, err error) {
	saved, err := l.w.meta(metaClock)
	if err != nil {
		return 0, 0, 0, err
	}
	c, _ := parseClock(saved) // none: it begins
	doubted = c.tick(l.o.Now(), ran)
	if err := l.setMeta(metaClock, c.marshal()); err != nil {
		return 0, 0, 0, err
	}
	age := c.age.Milliseconds()
	last, lastAge, err := l.mark(markStored, age)
	if err != nil {
		return 0, 0, 0, err
	}
	end, _, err := l.w.number("SELECT max(seq) FROM entries") // of a copy others may have written to
	if err != nil {
		return 0, 0, 0, err
	}
	if end := uint64(end); end > last && (last == 0 || age-lastAge >= markEvery.Milliseconds()) {
		if err := l.setMark(markStored, end, age); err != nil {
			return 0, 0, 0, err
		}
	}
	if k := l.o.Keep; k.Age > 0 {
		upto, _, err = l.mark(markStored, age-k.Age.Milliseconds())
	} else {
		n, _, e := l.w.number("SELECT seq FROM entries WHERE seq > ? ORDER BY seq DESC LIMIT 1 OFFSET ?", int64(l.Pruned()), int64(k.Count))
		upto, err = uint64(n), e
	}
	if err != nil {
		return 0, 0, 0, err
	}
	if !l.o.copies() { // what is deleted must be in checkpoints, and one of them may be damaged
		n, _, err := l.w.number("SELECT seq FROM checkpoints ORDER BY seq DESC LIMIT 1 OFFSET ?", int64(keptCheckpoints-1))
		if err != nil {
			return 0, 0, 0, err
		}
		upto = min(upto, uint64(n))
	}
	if upto = max(upto, l.Pruned()); upto > l.Pruned() && !l.o.copies() {
		if err := l.setMark(markDeleted, upto, age); err != nil {
			return 0, 0, 0, err
		}
	}
	gone, _, err = l.mark(markDeleted, age-tombstones.Milliseconds())
	return doubted, upto, min(gone, l.Pruned()), err
}

// mark is the last mark of a kind that was made up to some age.
func (l *Log) mark(kind int, age int64) (seq uint64, at int64, err error) {
	err = l.w.query(background, func(v []driver.Value) error {
		n, _ := v[0].(int64)
		seq = uint64(n)
		at, _ = v[1].(int64)
		return errEnough
	}, "SELECT seq, age FROM marks WHERE kind = ? AND age <= ? ORDER BY seq DESC LIMIT 1", int64(kind), age)
	return seq, at, err
}

func (l *Log) setMark(kind int, seq uint64, age int64) error {
	_, err := l.w.exec("INSERT OR IGNORE INTO marks (kind, seq, age) VALUES (?, ?, ?)", int64(kind), int64(seq), age)
	return err
}

// step takes what was said out of some records up to upto, or else the last
// traces of some up to gone. It tells whether there are more.
func (l *Log) step(upto, gone uint64) (more bool, err error) {
	if !l.o.copies() && l.indexed < upto { // or they would be put into the index afterwards
		return true, l.index()
	}
	if err := l.synchronous(false); err != nil { // what a crash takes of it is done again
		return false, err
	}
	defer l.synchronous(true)
	to, end := l.pruned, l.gone
	_, err = l.w.transact(func() error {
		if to.seq < upto {
			to, err = l.empty(to, upto)
		} else {
			end, err = l.remove(end, gone)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	l.pruned, l.gone = to, end
	if n := len(l.recent); n > 0 && l.recent[0].Seq <= to.seq {
		l.recent, l.bytes = nil, 0 // they are read again, as they are now
	}
	l.mu.Unlock()
	return to.seq < upto || end < gone, nil
}

// sweep has the index forget the words of what was deleted. To delete something
// from it marks that alone as deleted, and the words go when the parts they are in are
// put together with others, which may be never: so all are put together, step by step.
func (l *Log) sweep(first bool) (more bool, err error) {
	swept, err := l.w.numberMeta(metaSwept)
	pruned := l.Pruned()
	if err != nil || swept >= pruned {
		return false, err
	}
	if err := l.synchronous(false); err != nil {
		return false, err
	}
	defer l.synchronous(true)
	pages := int64(sweepPages)
	if first {
		pages = -pages // begin anew
	}
	_, err = l.w.transact(func() error {
		before, _, err := l.w.number("SELECT total_changes()")
		if err != nil {
			return err
		}
		if _, err = l.w.exec("INSERT INTO found (found, rank) VALUES ('merge', ?)", pages); err != nil {
			return err
		}
		after, _, err := l.w.number("SELECT total_changes()")
		if more = after-before >= 2; err != nil || more { // as SQLite says it is to be found out
			return err
		}
		return l.setNumber(metaSwept, pruned)
	})
	return more, err
}

// empty takes what was said out of some records after from, and returns the last
// of them: of a log ids stay, of a copy nothing does.
func (l *Log) empty(from place, upto uint64) (place, error) {
	run, err := l.scan(background, l.w, from.seq, upto, pruneStep)
	if err != nil {
		return from, err
	}
	to := place{upto, from.chain}
	if len(run) == pruneStep || !l.o.copies() {
		to.seq = run[len(run)-1].Seq
	}
	var scratch []byte
	for _, r := range run {
		if r.Words != "" {
			if _, err := l.w.exec("DELETE FROM found WHERE rowid = ?", int64(r.Seq)); err != nil {
				return from, err
			}
		}
		if l.o.copies() {
			_, err = l.w.exec("DELETE FROM entries WHERE seq = ?", int64(r.Seq))
		} else {
			to.chain = to.chain.next(r, &scratch)
			r.Audience, r.Body, r.Words = [][32]byte{}, nil, ""
			_, err = l.w.exec("UPDATE entries SET sum = ?, audience = 0, body = NULL, words = NULL WHERE seq = ?", r.sum(&scratch), int64(r.Seq))
		}
		if err != nil {
			return from, err
		}
	}
	return to, l.setMeta(metaPruned, to.marshal())
}

// remove deletes some records after from of which only ids are left.
func (l *Log) remove(from, gone uint64) (uint64, error) {
	to := min(gone, from+pruneStep)
	if to <= from {
		return from, nil
	}
	if _, err := l.w.exec("DELETE FROM entries WHERE seq <= ?", int64(to)); err != nil {
		return from, err
	}
	if _, err := l.w.exec("DELETE FROM marks WHERE kind = ? AND seq < ?", int64(markDeleted), int64(to)); err != nil {
		return from, err
	}
	return to, l.setNumber(metaGone, to)
}
