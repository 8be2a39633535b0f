package history

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"parley/lock"
)

const (
	// maxRecord is the largest body, and the longest words: four times what a
	// room's messages may have.
	maxRecord = 64 << 10
	// maxGather is how many records one commit takes at most, so that those who
	// come first do not wait for ever more.
	maxGather = 1024
	// maxAppends is how many calls of Append may wait.
	maxAppends = 256
	// recentRecords and recentBytes bound what is kept in memory of the end of
	// the log, so that those who follow it seldom have to read the file.
	recentRecords = 512
	recentBytes   = 256 << 10
	// recentFirst is how many are looked at in any case when a log opens.
	recentFirst = 64
	// maxReaders is how many connections read at once; each has its cache.
	maxReaders = 3
	// maxSenders is how many senders' numbers are remembered.
	maxSenders = 4096
	// indexBatch is how many records are indexed at once at most, and indexIdle
	// after how long a pause those that are fewer.
	indexBatch = 512
	indexIdle  = 2 * time.Second
)

// Log is an open file.
type Log struct {
	path    string
	o       Options
	id      [16]byte
	held    *os.File // the lock of a log
	reached reach    // of the lock, before it was ours
	w       *conn    // the writer's
	mode    string   // how to connect; empty: mode=rw

	readers chan *conn // those that nobody uses; nil for one to be opened
	appends chan *appending
	jobs    chan job
	closing chan struct{}
	done    chan struct{}  // the writer has ended
	work    sync.WaitGroup // retention
	once    sync.Once
	shutErr error

	// The writer's own.
	senders map[[32]byte]int64
	scratch []byte
	indexed uint64 // all records up to this one are in the index
	next    uint64

	mu      sync.Mutex
	last    uint64        // the last record
	pruned  place         // up to here what was said is deleted
	gone    uint64        // and up to here every trace of it
	recent  []Record      // the last ones, without a gap
	bytes   int           // of them
	grown   chan struct{} // closed when last has changed
	chained place         // the last that Chain has found
}

// appending is a call of Append.
type appending struct {
	batch []Record
	reply chan error // has room for one
	res   []Result
}

// A Result tells what became of a record.
type Result struct {
	Seq       uint64
	Duplicate bool // stored before, as Seq
}

// job is something else to be done by the writer.
type job struct {
	do    func() error
	reply chan error // has room for one
}

// start starts the writer.
func (l *Log) start() {
	l.readers = make(chan *conn, maxReaders)
	for range maxReaders {
		l.readers <- nil
	}
	l.appends, l.jobs = make(chan *appending, maxAppends), make(chan job)
	l.closing, l.done = make(chan struct{}), make(chan struct{})
	l.senders = make(map[[32]byte]int64)
	l.grown = make(chan struct{})
	go l.write()
	if !l.o.Reading {
		l.work.Go(l.retain)
	}
}

// ID tells this log, or the one it is a copy of, from every other.
func (l *Log) ID() [16]byte { return l.id }

// Path is where the file is.
func (l *Log) Path() string { return l.path }

// Last is the seq of the last record; 0: there is none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Close waits for what is being written, and closes the file.
func (l *Log) Close() error {
	l.once.Do(func() {
		close(l.closing)
		<-l.done
		l.work.Wait()
		for range maxReaders { // waits for those who read
			if c := <-l.readers; c != nil {
				c.close()
			}
		}
		l.shutErr = l.shut()
	})
	return l.shutErr
}

// shut closes what open has opened.
func (l *Log) shut() (err error) {
	if l.w != nil {
		err = l.w.close()
	}
	if l.held != nil {
		holder(l.held, 0)
		lock.Close(l.held)
	}
	return err
}

// Append stores a batch in order and numbers it, whatever Seq its records have.
// A record whose (Key, ID) is stored already, or comes twice in the batch,
// is not stored again, however long ago it was. It returns when the disk has it.
// After an error that wraps ErrNotStored none of the batch is stored; after any
// other nobody knows, and the same batch may be appended again.
func (l *Log) Append(ctx context.Context, batch []Record) ([]Result, error) {
	if l.o.copies() || l.o.Reading {
		return nil, fmt.Errorf("%w: a copy takes no new records", ErrNotStored)
	}
	for _, r := range batch {
		if len(r.Body) > maxRecord || len(r.Words) > maxRecord {
			return nil, fmt.Errorf("%w: %d bytes are too many", ErrNotStored, max(len(r.Body), len(r.Words)))
		}
	}
	a := &appending{batch: batch, reply: make(chan error, 1), res: make([]Result, len(batch))}
	select {
	case l.appends <- a:
	case <-l.closing:
		return nil, fmt.Errorf("%w: %w", ErrNotStored, net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNotStored, ctx.Err())
	}
	select {
	case err := <-a.reply:
		if err != nil {
			return nil, err
		}
		return a.res, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		select {
		case err := <-a.reply:
			return a.res, err
		default:
			return nil, fmt.Errorf("%w: %w", ErrNotStored, net.ErrClosed)
		}
	}
}

// do has the writer call f.
func (l *Log) do(ctx context.Context, f func() error) error {
	j := job{do: f, reply: make(chan error, 1)}
	select {
	case l.jobs <- j:
	case <-l.closing:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return explain(l.path, l.o.Room, <-j.reply)
}

// write is the writer: the only one that changes the file.
func (l *Log) write() {
	defer close(l.done)
	idle := time.NewTimer(time.Hour)
	defer idle.Stop()
	for {
		if l.behind() > 0 {
			idle.Reset(indexIdle)
		}
		select {
		case a := <-l.appends:
			l.commit(l.gather(a))
			if l.behind() >= indexBatch {
				l.index()
			}
		case j := <-l.jobs:
			j.reply <- j.do()
			if l.behind() >= indexBatch && !l.o.Reading { // of what was put
				l.index()
			}
		case <-idle.C:
			l.index()
		case <-l.closing:
			if n := l.behind(); n > 0 && n <= indexBatch && !l.o.Reading {
				l.index() // for those who only read
			}
			return
		}
	}
}

// gather takes what else has come: one commit is for all of it.
func (l *Log) gather(a *appending) []*appending {
	all, n := []*appending{a}, len(a.batch)
	for n < maxGather {
		select {
		case a := <-l.appends:
			all, n = append(all, a), n+len(a.batch)
		default:
			return all
		}
	}
	return all
}

// commit stores batches, all or none of them.
func (l *Log) commit(all []*appending) {
	var stored []Record
	l.next = l.Last() + 1
	surely, err := l.w.transact(func() error {
		for _, a := range all {
			for i := range a.batch {
				r := a.batch[i]
				r.Seq = l.next
				res, err := l.insert(&r)
				if err != nil {
					return err
				}
				if a.res[i] = res; !res.Duplicate {
					stored = append(stored, r)
					l.next++
				}
			}
		}
		return nil
	})
	if err != nil {
		clear(l.senders) // what was learnt may not be so
		if err = explain(l.path, l.o.Room, err); surely {
			err = fmt.Errorf("%w: %w", ErrNotStored, err)
		}
	} else {
		l.publish(stored)
		l.note(l.next - 1)
	}
	for _, a := range all {
		a.reply <- err
	}
}

// insert stores a record, unless its id is there.
func (l *Log) insert(r *Record) (Result, error) {
	r.At = r.At.UTC().Truncate(time.Millisecond)
	r.Body, r.Audience = slices.Clone(r.Body), slices.Clone(r.Audience)
	sender, err := l.sender(r.Key)
	if err != nil {
		return Result{}, err
	}
	p := pack(r, &l.scratch)
	n, err := l.w.exec("INSERT INTO entries (seq, sender, id, at, sum, audience, body, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"+
		" ON CONFLICT (sender, id) DO NOTHING", int64(r.Seq), sender, r.ID[:], r.At.UnixMilli(), p.sum, p.audience, p.body, p.words)
	if err != nil || n > 0 {
		return Result{Seq: r.Seq}, err
	}
	seq, err := l.stored(r, sender)
	return Result{Seq: seq, Duplicate: true}, err
}

// stored finds the record that has the id of r. The index of ids has no checksums, so
// it is looked at whether that record is the one.
func (l *Log) stored(r *Record, sender int64) (seq uint64, err error) {
	err = l.w.query(background, func(v []driver.Value) error {
		if old, ok := unpack(v, &l.scratch); ok && old.Key == r.Key && old.ID == r.ID {
			seq = old.Seq
		}
		return errEnough
	}, "SELECT "+recordColumns+" FROM entries e LEFT JOIN senders s ON s.num = e.sender WHERE e.sender = ? AND e.id = ?", sender, r.ID[:])
	if err == nil && seq == 0 {
		err = damaged(l.path, l.o.Room, "its ids and its records differ")
	}
	return seq, err
}

// sender gives the number by which a key is known in the file.
func (l *Log) sender(key [32]byte) (int64, error) {
	if n, ok := l.senders[key]; ok {
		return n, nil
	}
	const find = "SELECT num FROM senders WHERE key = ?"
	n, found, err := l.w.number(find, key[:])
	if err == nil && !found {
		if _, err = l.w.exec("INSERT INTO senders (key) VALUES (?)", key[:]); err == nil {
			n, _, err = l.w.number(find, key[:])
		}
	}
	if err != nil {
		return 0, err
	}
	if len(l.senders) >= maxSenders {
		clear(l.senders)
	}
	l.senders[key] = n
	return n, nil
}

// publish shows stored records to those who follow.
func (l *Log) publish(stored []Record) {
	if len(stored) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = stored[len(stored)-1].Seq
	for _, r := range stored {
		l.bytes += len(r.Body) + len(r.Words)
	}
	l.recent = append(l.recent, stored...)
	if n := len(l.recent); n > 2*recentRecords || l.bytes > 2*recentBytes {
		keep := max(n-recentRecords, 0)
		for l.bytes = 0; n > keep && l.bytes <= recentBytes; n-- {
			l.bytes += len(l.recent[n-1].Body) + len(l.recent[n-1].Words)
		}
		l.recent = slices.Clone(l.recent[n:]) // others may hold the old ones
	}
	close(l.grown)
	l.grown = make(chan struct{})
}
