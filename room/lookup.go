package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/transport"
)

const (
	// lookTime is how long the host may take to look something up before the
	// copy is looked at.
	lookTime = 3 * time.Second
	// lookShown is how many finds an answer shows: a screen full.
	lookShown = 20
	// maxLook bounds what one question asks for.
	maxLook = maxReplay
	// maxAnswer bounds the bytes of an answer: twice what a host of ours gives.
	maxAnswer = 2 * maxFound
	// maxReceipted is of how many messages of ours we know how far they came.
	maxReceipted = 512
)

// A Look is what was looked up of what was said earlier.
type Look struct {
	Events []Event // oldest first
	More   bool    // there is more before
	Before uint64  // what is more is before this one; the events of whom we ignore are looked up, and left out
	Copy   bool    // it is from our own copy, as the host was not to be asked
}

// lookup is a question to the host that is not answered yet, or not wholly.
type lookup struct {
	before  uint64 // the answer is of events before this one,
	reports []report
	bytes   int  // of them
	earlier bool // there are more before
	err     *Refused
	done    bool
}

// errNoCopy tells why nothing can be looked up.
var errNoCopy = &Refused{Code: codeNotHere, Text: "the host is not connected, and there is no copy of your own of what was said here"}

// Search returns the last n things said before seq before (0: the end) that have
// all of words: from the host, or where it cannot be asked from our own copy.
func (m *Member) Search(ctx context.Context, words string, before uint64, n int) (Look, error) {
	n = min(max(n, 1), maxLook)
	return m.look(ctx, command{Type: typeSearch, Text: words, Seq: before, N: n + 1}, func(c Copy) ([]Entry, error) {
		return c.Search(ctx, m.o.Identity.Key(), words, end(before), n+1)
	})
}

// Page returns the last n events before seq before (0: the end), likewise.
func (m *Member) Page(ctx context.Context, before uint64, n int) (Look, error) {
	n = min(max(n, 1), maxLook)
	return m.look(ctx, command{Type: typePage, Seq: before, N: n + 1}, func(c Copy) ([]Entry, error) {
		return c.Page(ctx, m.o.Identity.Key(), end(before), n+1)
	})
}

// end is where a log is read backwards from.
func end(before uint64) uint64 {
	if before == 0 {
		return 1<<63 - 1
	}
	return before
}

// look asks the host, and where that cannot be the copy, for one more than is
// wanted, so as to know whether there is more.
func (m *Member) look(ctx context.Context, cmd command, read func(Copy) ([]Entry, error)) (Look, error) {
	reports, earlier, err := m.ask(ctx, cmd)
	var no *Refused
	switch {
	case ctx.Err() != nil:
		return Look{}, ctx.Err()
	case errors.As(err, &no) && no.Code != codeProtocol && no.Code != codeUnknown && no.Code != codeNotHere:
		return Look{}, no
	}
	fromCopy := err != nil
	if fromCopy {
		if reports, err = m.lookHere(ctx, read); err != nil {
			return Look{}, err
		}
	}
	l := Look{Copy: fromCopy}
	if l.More = earlier; len(reports) >= cmd.N {
		l.More = true
		reports = reports[len(reports)-cmd.N+1:]
	}
	if len(reports) == 0 {
		l.More = false // nobody could ask for it
	} else {
		l.Before = reports[0].Seq
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range reports {
		r := &reports[i]
		if Kind(r.Type).said() && m.hides(r) {
			continue
		}
		e := r.event()
		if e.Replay, e.Own = true, r.From == m.nick; m.plain {
			e.Key = transport.Key{} // it proves nothing
		}
		l.Events = append(l.Events, e)
	}
	return l, nil
}

// lookHere looks at the copy.
func (m *Member) lookHere(ctx context.Context, read func(Copy) ([]Entry, error)) (reports []report, err error) {
	c, done := m.readCopy(ctx)
	if c == nil {
		return nil, errNoCopy
	}
	defer done()
	found, err := read(c)
	for _, e := range found {
		if r, err := parseReport(wireForm(e)); err == nil {
			reports = append(reports, r)
		}
	}
	return reports, err
}

// ask asks the host, if it is there.
func (m *Member) ask(ctx context.Context, cmd command) (reports []report, earlier bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	m.mu.Lock()
	linked := m.conn != nil && !m.lost
	m.mu.Unlock()
	if !linked {
		return nil, false, errNoCopy
	}
	a := &lookup{before: end(cmd.Seq)}
	s := &saying{cmd: cmd, lookup: a}
	if _, err := m.send(ctx, s); err != nil {
		return nil, false, err
	}
	err = m.await(ctx, func() bool { return a.done || m.err != nil || m.lost || m.conn == nil })
	defer m.mu.Unlock()
	switch {
	case a.done && a.err != nil:
		return nil, false, a.err
	case a.done:
		return a.reports, a.earlier, nil
	}
	m.answered(s.cmd.ID) // nobody waits for it any more
	if err == nil {
		err = errNoCopy
	}
	return nil, false, err
}

// found takes in a part of the answer to a question.
func (m *Member) found(r *report) {
	i := slices.IndexFunc(m.pending, func(s *saying) bool { return s.cmd.ID == r.ID && s.lookup != nil })
	if i < 0 {
		return
	}
	a := m.pending[i].lookup
	last := uint64(0)
	if n := len(a.reports); n > 0 {
		last = a.reports[n-1].Seq
	}
	for _, raw := range r.Events {
		e, err := parseReport(raw)
		if err != nil || e.Seq <= last || e.Seq >= a.before || len(a.reports) > maxLook || a.bytes+len(raw) > maxAnswer {
			continue // not what was asked for
		}
		e.raw, last = nil, e.Seq
		a.reports, a.bytes = append(a.reports, e), a.bytes+len(raw)
	}
	if !r.More {
		a.done, a.earlier = true, r.Earlier
		m.answered(r.ID)
	}
}

// search answers /search: the last that has the words; without words, those
// before the last that were shown.
func (m *Member) search(ctx context.Context, words string) error {
	m.mu.Lock()
	before := uint64(0)
	if words == "" {
		words, before = m.sought, m.soughtTo
	}
	m.mu.Unlock()
	switch {
	case words == "":
		return &Refused{Code: codeUsage, Text: "what for? It goes: /search WORDS"}
	case before == 1:
		return &Refused{Code: codeUnchanged, Text: "that was all there is with " + strconv.Quote(words)}
	}
	l, err := m.Search(ctx, words, before, lookShown)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sought, m.soughtTo = words, 1
	if l.More {
		m.soughtTo = l.Before
	}
	m.push(foundEvent("search", words, l))
	return nil
}

// lastLog answers /lastlog: the last n things that were said.
func (m *Member) lastLog(ctx context.Context, arg string) error {
	n, err := lookShown, error(nil)
	if arg != "" {
		if n, err = strconv.Atoi(arg); err != nil || n < 1 || n > maxLook {
			return &Refused{Code: codeUsage, Text: fmt.Sprintf("how many? It goes: /lastlog N, with 1 to %d", maxLook)}
		}
	}
	l, err := m.Spoken(ctx, 0, n)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.push(foundEvent("lastlog", "", l))
	return nil
}

// Spoken is Page for what was said alone: who came and went is left out.
func (m *Member) Spoken(ctx context.Context, before uint64, n int) (Look, error) {
	var all Look
	for range maxLook { // pages, most of which are much said
		l, err := m.Page(ctx, before, min(maxLook, max(2*n, 100)))
		if err != nil {
			return all, err
		}
		all.Copy, all.More = l.Copy, l.More
		before = l.Before
		said := slices.DeleteFunc(l.Events, func(e Event) bool { return !e.Type.said() })
		all.Events = append(said, all.Events...)
		if over := len(all.Events) - n; over > 0 {
			all.Events, all.More = all.Events[over:], true
		}
		if len(all.Events) >= n || !l.More || before <= 1 {
			break
		}
	}
	return all, nil
}

// foundEvent is the answer to who looks something up.
func foundEvent(what, words string, l Look) Event {
	e := Event{Type: Found, Code: what, Text: words, Count: len(l.Events), Events: l.Events, State: "host"}
	if l.Copy {
		e.State = "copy"
	}
	if l.More {
		e.Why = "more"
	}
	return e
}

// received notes how far a message of ours has come.
func (m *Member) received(r Receipt) {
	if m.receipts == nil {
		m.receipts = map[uint64]Receipt{}
	}
	if _, known := m.receipts[r.Seq]; !known {
		if m.receipted = append(m.receipted, r.Seq); len(m.receipted) > maxReceipted {
			delete(m.receipts, m.receipted[0])
			m.receipted = m.receipted[1:]
		}
	}
	m.receipts[r.Seq] = r
	m.keepReceipt(r)
	m.push(Event{Type: Delivered, Seq: r.Seq, Count: r.Count, Of: r.Of})
}

// delivered answers /delivered: how far a message of ours has come, the last if
// none is named.
func (m *Member) delivered(ctx context.Context, arg string) error {
	m.mu.Lock()
	seq := m.stored
	m.mu.Unlock()
	if arg != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(arg, "#"), 10, 64)
		if err != nil || n == 0 {
			return &Refused{Code: codeUsage, Text: "which? It goes: /delivered SEQ with the number of a message of yours, or on, or off"}
		}
		seq = n
	}
	if seq == 0 {
		return &Refused{Code: codeUnchanged, Text: "you have said nothing here yet"}
	}
	r, err := m.Receipt(ctx, seq)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.push(Event{Type: Delivered, Seq: r.Seq, Count: r.Count, Of: r.Of, State: stateAsked})
	return nil
}

// stateAsked marks an answer to /delivered.
const stateAsked = "asked"

// Receipt returns how far a message of ours has come: as we know it, as the host
// does, or as our copy has it.
func (m *Member) Receipt(ctx context.Context, seq uint64) (Receipt, error) {
	m.mu.Lock()
	r, known := m.receipts[seq]
	m.mu.Unlock()
	if known {
		return r, nil
	}
	_, _, err := m.ask(ctx, command{Type: typeReceipt, Seq: seq})
	m.mu.Lock()
	r, known = m.receipts[seq] // told before the answer
	m.mu.Unlock()
	if known || ctx.Err() != nil {
		return r, ctx.Err()
	}
	if c, done := m.readCopy(ctx); c != nil {
		defer done()
		if r, known, err := c.Receipt(ctx, seq); known && err == nil {
			return r, nil
		}
	}
	var no *Refused
	if errors.As(err, &no) && no.Code != codeProtocol && no.Code != codeUnknown && no.Code != codeNotHere {
		return r, no
	}
	return r, &Refused{Code: codeUnchanged, Text: fmt.Sprintf("nothing is known of who received %d: is it a message of yours?", seq)}
}
