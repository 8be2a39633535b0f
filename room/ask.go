package room

import (
	"context"
	"io"
	"strings"

	"parley/transport"
)

// Found is an answer about what was said: events, oldest first, and whether
// there are earlier ones. The Seq of the first is where to go on from.
type Found struct {
	Events  []Event
	Earlier bool
}

// asked is what a question about the log has come to so far.
type asked struct {
	Found
	most int
	done bool
	err  error
}

// Page asks the host for the last n events before the event before that we may
// see; 0 means the newest. It gives 100 at most. Those whom we ignore are left out.
// A *Refused tells that the host would not.
func (m *Member) Page(ctx context.Context, before uint64, n int) (Found, error) {
	return m.ask(ctx, command{Type: typePage, Seq: before, N: n})
}

// Search is Page for what was said with all of words in it.
func (m *Member) Search(ctx context.Context, words string, before uint64, n int) (Found, error) {
	if words = strings.TrimSpace(words); words == "" || !line(words) {
		return Found{}, &Refused{Code: codeUsage, Text: "words to look for are one line of at most 400 bytes"}
	}
	return m.ask(ctx, command{Type: typeSearch, Text: words, Seq: before, N: n})
}

// Receipt asks the host how many have received what we said as the event seq. A
// Delivered follows by Next, or a Failure.
func (m *Member) Receipt(ctx context.Context, seq uint64) error {
	_, err := m.send(ctx, &saying{cmd: command{Type: typeReceipt, Seq: seq}})
	return err
}

// ask asks, and waits for the answer, over however many connections it takes.
func (m *Member) ask(ctx context.Context, cmd command) (Found, error) {
	cmd.N = min(cmd.N, maxPage)
	s := &saying{cmd: cmd, asked: &asked{most: cmd.N}}
	id, err := m.send(ctx, s)
	if err != nil {
		return Found{}, err
	}
	err = m.await(ctx, func() bool { return s.asked.done || m.err != nil })
	defer m.mu.Unlock()
	switch {
	case s.asked.done:
		return s.asked.Found, s.asked.err
	case err != nil:
		m.answered(id) // it is not sent again
		return Found{}, err
	case m.err != nil:
		return Found{}, m.err
	}
	return Found{}, io.ErrUnexpectedEOF
}

// found takes in a part of an answer. The caller holds mu.
func (m *Member) found(r *report) error {
	s := m.asking(r.ID)
	if s == nil {
		return nil // nobody waits for it any more
	}
	a := s.asked
	for _, data := range r.Events {
		one, err := parseReport(data)
		if err != nil || one.Seq == 0 || len(a.Events) == a.most {
			return errWire
		}
		if n := len(a.Events); n > 0 && one.Seq <= a.Events[n-1].Seq {
			return errWire
		}
		if Kind(one.Type).said() && m.hides(&one) {
			a.most--
			continue
		}
		e := one.event()
		if e.Replay = true; m.plain {
			e.Key = transport.Key{} // it proves nothing
		}
		e.Own = e.Type.said() && e.From == m.nick || one.Seat != "" && one.Seat == m.seat
		a.Events = append(a.Events, e)
	}
	if !r.More {
		a.Earlier, a.done = r.Earlier, true
		m.answered(r.ID)
	}
	return nil
}

// asking finds a question that waits.
func (m *Member) asking(id string) *saying {
	for _, s := range m.pending {
		if s.cmd.ID == id && s.asked != nil {
			return s
		}
	}
	return nil
}

// refuse takes in that the host would not answer. The caller holds mu.
func (a *asked) refuse(r *report) {
	a.err, a.done = &Refused{Code: r.Code, Text: r.Text}, true
}

// askAgain forgets the parts of answers that the last connection brought: what
// is pending is sent again. The caller holds mu.
func (m *Member) askAgain() {
	for _, s := range m.pending {
		if a := s.asked; a != nil {
			a.Events, a.most = nil, s.cmd.N
		}
	}
}
