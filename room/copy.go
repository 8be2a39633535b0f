package room

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"parley/transport"
)

const (
	// maxCopying and maxCopyingBytes bound what waits to be written into a copy:
	// two replays. When a disk is slower than the room the rest is passed
	// over, for the screen does not wait; what the host replays when the
	// member sits down the next time fills it up.
	maxCopying      = 2 * maxReplay
	maxCopyingBytes = 4 << 20
	// copyPause is for how long entries are gathered for one write.
	copyPause = 50 * time.Millisecond
	// copyFarewell bounds the last write, when the member leaves.
	copyFarewell = 2 * time.Second
)

// A Copy is a member's own record of what it was shown of a log: what is left
// of it when the host is gone. Several members may write the same one. Its
// methods may be called by any goroutine.
type Copy interface {
	// Put stores entries as they are numbered, and in place of those before
	// how far messages of our own have come. What is stored already is passed over.
	Put(ctx context.Context, entries []Entry, receipts []Receipt) error

	// Anew tells that what is put from now on is of another log, though it has the
	// same id: none of what is there belongs to it.
	Anew() error

	// Page and Search are as those of a Log, but with gaps.
	Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]Entry, error)
	Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]Entry, error)

	// Receipt returns what is known of a message of our own.
	Receipt(ctx context.Context, seq uint64) (r Receipt, known bool, err error)

	Close() error
}

// A Receipt tells that Count of Of others have received the message Seq.
type Receipt struct {
	Seq       uint64
	Count, Of int
}

// copying is what a Member has to do with its copy. The Member's mu guards it.
type copying struct {
	copy    Copy   // nil: none is open
	of      string // the log that it is of
	waiting []portion
	bytes   int
	count   int
	writing bool   // a portion is being written
	passed  uint64 // how many were passed over
	err     error  // why there is none
}

// portion is some of what is to be written, of one log.
type portion struct {
	log      string
	anew     bool // the log is another than it was, with the same id
	entries  []Entry
	receipts []Receipt
}

// copies tells whether what comes is to be copied. The host's is in the log, until
// somebody else hosts the room. The caller holds mu.
func (m *Member) copies() bool {
	return m.o.Copy != nil && m.keep != "" && !m.o.Deaf && !m.o.Guest && m.role != roleHost
}

// keepCopy has an event written into the copy.
func (m *Member) keepCopy(r *report) {
	if !m.copies() {
		return
	}
	e, ok := m.copied(r)
	if !ok {
		return
	}
	c := &m.copying
	if c.count >= maxCopying || c.bytes+len(e.Body) > maxCopyingBytes {
		c.passed++
		return
	}
	p := c.portion(m.log)
	p.entries = append(p.entries, e)
	c.bytes += len(e.Body)
	if c.count++; c.count == 1 {
		m.fire()
	}
}

// portion returns the last portion, which is of a log.
func (c *copying) portion(log string) *portion {
	if n := len(c.waiting); n == 0 || c.waiting[n-1].log != log {
		c.waiting = append(c.waiting, portion{log: log})
	}
	return &c.waiting[len(c.waiting)-1]
}

// copyAnew has what comes from now on kept apart: the host has another log of the
// same id. The caller holds mu.
func (m *Member) copyAnew(log string) {
	c := &m.copying
	if !m.copies() {
		return
	}
	c.waiting = append(c.waiting, portion{log: log, anew: true})
	if c.count++; c.count == 1 {
		m.fire()
	}
}

// keepReceipt has the copy know how far a message of our own has come.
func (m *Member) keepReceipt(r Receipt) {
	c := &m.copying
	if !m.copies() || c.count >= maxCopying {
		return
	}
	p := c.portion(m.log)
	p.receipts = append(p.receipts, r)
	if c.count++; c.count == 1 {
		m.fire()
	}
}

// copied is an event as a copy has it: its body is the log's own, byte for byte.
// Who else may see a whisper is not ours to know; this copy is ours alone.
func (m *Member) copied(r *report) (e Entry, ok bool) {
	id, ok := parseID(r.ID)
	if !ok || r.Seq == 0 || r.At.IsZero() {
		return e, false
	}
	e = Entry{Seq: r.Seq, ID: id, At: r.At.UTC().Truncate(time.Millisecond)}
	front := append(strconv.AppendUint([]byte(`{"seq":`), r.Seq, 10), `,"at":"`+stamp(r.At)+`","id":"`+r.ID+`",`...)
	if rest, ours := bytes.CutPrefix(r.raw, front); ours {
		e.Body = append([]byte{'{'}, rest...)
	} else { // a host that writes its fields in another order
		body := *r
		body.Seq, body.At, body.ID = 0, time.Time{}, ""
		e.Body = encode(body)
	}
	switch kind := Kind(r.Type); {
	case kind == Whisper, kind == Filter, kind == Unfilter, kind == Address, kind == Deny:
		e.Audience = []transport.Key{m.o.Identity.Key()}
		fallthrough
	default:
		if kind.said() {
			e.Words = r.Text
		}
	}
	return e, true
}

// writeCopies writes the copy until the seat has ended.
func (m *Member) writeCopies() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		m.mu.Lock()
		c := &m.copying
		ended, changed := m.err != nil, m.changed
		if c.count > 0 && !ended && m.hurry == 0 { // more may follow at once
			m.mu.Unlock()
			pause.Reset(copyPause)
			<-pause.C
			m.mu.Lock()
		}
		waiting := c.waiting
		c.waiting, c.bytes, c.count = nil, 0, 0
		c.writing = len(waiting) > 0
		m.mu.Unlock()
		if ended {
			defer time.AfterFunc(copyFarewell, cancel).Stop()
		}
		for _, p := range waiting {
			m.write(ctx, p)
		}
		m.mu.Lock()
		if c.writing {
			c.writing = false
			m.fire()
		}
		m.mu.Unlock()
		if ended {
			m.closeCopy()
			return
		}
		if len(waiting) == 0 {
			<-changed
		}
	}
}

// write writes a portion into the copy of its log. Only writeCopies calls it.
func (m *Member) write(ctx context.Context, p portion) {
	c, err := m.copyOf(p.log)
	if err == nil && c != nil && p.anew {
		err = c.Anew()
	}
	if err == nil && c != nil && len(p.entries)+len(p.receipts) > 0 {
		err = c.Put(ctx, p.entries, p.receipts)
	}
	if err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copying.passed += uint64(len(p.entries))
	if m.copying.err == nil {
		m.copying.err = err
		m.o.Logger.Warn("no copy is kept of what is said", "room", m.room, "err", err)
		m.push(Event{Type: Notice, Code: NoticeUnkept, Text: "no copy of your own is kept of what is said here: " + err.Error()})
	}
}

// copyOf opens the copy of a log, if it is not open. Nil: there is none.
func (m *Member) copyOf(log string) (Copy, error) {
	m.mu.Lock()
	c := &m.copying
	if c.of == log && c.copy != nil || c.err != nil {
		defer m.mu.Unlock()
		return c.copy, nil
	}
	old, name, key := c.copy, m.room, m.roomKey
	c.copy = nil
	m.mu.Unlock()
	if old != nil {
		m.readers.Wait()
		old.Close()
	}
	id, _ := parseID(log)
	fresh, err := m.o.Copy(name, key, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	c.copy, c.of = fresh, log
	return fresh, err
}

func (m *Member) closeCopy() {
	m.mu.Lock()
	c, passed := m.copying.copy, m.copying.passed
	m.copying.copy = nil
	m.mu.Unlock()
	m.readers.Wait()
	if passed > 0 {
		m.o.Logger.Warn("not everything is in the copy", "room", m.room, "missing", passed)
	}
	if c != nil {
		if err := c.Close(); err != nil {
			m.o.Logger.Warn("the copy cannot be closed", "err", err)
		}
	}
}

// readCopy returns the copy of the log that we see, with everything in it that
// was shown so far, for reading until done is called. Nil: there is none.
func (m *Member) readCopy(ctx context.Context) (c Copy, done func()) {
	m.mu.Lock()
	if !m.copies() {
		m.mu.Unlock()
		return nil, nil
	}
	m.hurry++
	m.fire()
	m.mu.Unlock()
	err := m.await(ctx, func() bool { return m.copying.count == 0 && !m.copying.writing || m.err != nil })
	m.hurry--
	defer m.mu.Unlock()
	if err != nil || m.err != nil || m.copying.copy == nil || m.copying.of != m.log {
		return nil, nil
	}
	m.readers.Add(1)
	return m.copying.copy, m.readers.Done
}
