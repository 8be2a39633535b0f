package room

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"parley/transport"
)

// Members may read the log backwards (page) and look for words in it (search).
// The core decides who may; the log is read by the asker's own reader, which reads
// no more of the connection meanwhile, and asks nothing else before the answer is sent.
// So an asker has at most one answer in memory and keeps nobody waiting but himself.

const (
	// maxPage bounds the events of one answer: some screens full.
	maxPage = 100
	// maxFound bounds its bytes; of what is more, the newest are given.
	maxFound = 64 << 10
	// maxFoundIn bounds the events, and foundSize the bytes of them, in one message.
	maxFoundIn = 64
	foundSize  = maxWire - 2<<10
	// maxAsking bounds the questions of a room that are read at once: what two
	// cores of a laptop do beside the room itself.
	maxAsking = 4
	// askTime bounds one question. A search in a million messages takes 50 ms.
	askTime = 5 * time.Second
)

// question is what a reader may ask the log for its member.
type question struct {
	viewer transport.Key
	id     string
	words  string // empty: a page
	before uint64
	n      int
}

// grant decides whether a member may ask the log.
func (c *core) grant(l *link, cmd command) {
	it := &item{link: l, seat: l.seat, cmd: cmd}
	q := &question{viewer: l.seat.key, id: cmd.ID, before: cmd.Seq, n: min(cmd.N, maxPage)}
	if q.before == 0 || q.before > everything {
		q.before = everything
	}
	_, ok := parseID(cmd.ID)
	switch q.words = strings.TrimSpace(cmd.Text); {
	case !ok:
		c.fail(it, codeProtocol, "a question needs an id of 32 hex digits")
	case l.seat.guest:
		c.fail(it, codeNotAllowed, "guests see what is said while they are here")
	case q.n <= 0:
		c.fail(it, codeUsage, "how many?")
	case cmd.Type == typeSearch && q.words == "":
		c.fail(it, codeUsage, "which words?")
	case cmd.Type == typePage && q.words != "", !line(q.words):
		c.fail(it, codeTooLong, "words to look for are one line of at most 400 bytes")
	default:
		l.grants = q
	}
}

// asks has the core decide about a question, and answers it. It is called by the
// reader of the link.
func (h *Host) asks(ctx context.Context, l *link, cmd command) error {
	granted := make(chan *question, 1)
	err := h.do(func(now time.Time, c *core) {
		c.command(now, l, cmd)
		granted <- l.grants
		l.grants = nil
	})
	if err != nil {
		return err
	}
	var q *question
	select {
	case q = <-granted:
	case <-ctx.Done():
		return ctx.Err()
	}
	if q == nil {
		return nil
	}
	for _, turn := range []chan struct{}{l.out.asking, h.asking} {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	answer := h.find(ctx, q)
	<-h.asking
	return h.do(func(_ time.Time, c *core) {
		if l.ended { // who was put out meanwhile gets no answer
			return
		}
		for i, data := range answer {
			l.out.put(letter{data: data, charged: i == len(answer)-1, asked: i == len(answer)-1})
		}
	})
}

// find reads the log, and returns the messages that answer a question.
func (h *Host) find(ctx context.Context, q *question) [][]byte {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var entries []Entry
	var err error
	if q.words == "" {
		entries, err = h.Log.Page(ctx, q.viewer, q.before, q.n+1)
	} else {
		entries, err = h.Log.Search(ctx, q.viewer, q.words, q.before, q.n+1)
	}
	if err != nil {
		words := "the host could not read what was said"
		if errors.Is(err, context.DeadlineExceeded) {
			words = "the host is too busy to look for that now"
		} else if ctx.Err() == nil {
			h.Logger.Warn("the room's log could not be read", "room", h.Name, "err", err)
		}
		return [][]byte{encode(report{Type: string(Failed), ID: q.id, Code: codeUnread, Text: words})}
	}
	return foundIn(entries, q)
}

// foundIn are the messages that tell of entries, which are one more than were
// asked for where there are earlier ones. What does not fit is left for the next
// question.
func foundIn(entries []Entry, q *question) (messages [][]byte) {
	earlier := len(entries) > q.n
	if earlier {
		entries = entries[1:]
	}
	var events found
	bytes := 0
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		data := eventForm(e)
		if data == nil || len(data) > foundSize || !e.Visible(q.viewer) || e.Seq >= q.before {
			continue
		}
		if bytes += len(data); bytes > maxFound {
			earlier = true
			break
		}
		events = append(events, data)
	}
	for first := true; first || len(events) > 0; first = false {
		r := report{Type: string(Found), ID: q.id}
		size, n := 0, len(events)
		for n > 0 && len(r.Events) < maxFoundIn && size+len(events[n-1]) <= foundSize {
			n--
			size += len(events[n]) + 1
			r.Events = append(r.Events, events[n])
		}
		events = events[:n]
		if r.More = n > 0; !r.More {
			r.Earlier = earlier
		}
		messages = append(messages, encode(r))
	}
	return messages
}

// everything is a seq after all others, fit for logs that count in 63 bits.
const everything = math.MaxInt64
