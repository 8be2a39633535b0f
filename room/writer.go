package room

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"parley/transport"
)

const (
	// stalled is how long a connection may take nothing before it is ended.
	// Its seat may come back and go on where it was.
	stalled = 30 * time.Second
	// lastWords is how long what is left may take when a connection ends.
	lastWords = 2 * time.Second
	// markEvery is how soon after a bare event the member learns, in order,
	// what it should have got: often enough for a gap to be seen at once, and
	// a few bytes in ten datagrams a second.
	markEvery = 100 * time.Millisecond
	// maxAtOnce and maxBytesAtOnce bound what is handed to a Conn in one call.
	maxAtOnce      = 64
	maxBytesAtOnce = 64 << 10
)

var (
	errStalled = errors.New("it takes nothing any more")
	errCaught  = errors.New("caught up")
	errEnded   = errors.New("ended")
)

// writer sends what an outbox holds. It is the only one to send on its Conn,
// and the only reader of the log for its member.
type writer struct {
	log   Log
	conn  transport.Conn
	out   *outbox
	lane  transport.Delivery
	gone  <-chan struct{} // the host has ended
	now   func() time.Time
	stuck *time.Timer

	viewer  transport.Key
	sent    uint64 // the newest event dealt with,
	hidden  uint64 // and so many up to it were passed over just now
	markAt  time.Time
	batch   [][]byte
	bytes   int
	charged int
	asked   bool
	ending  bool
}

// run sends until the connection has ended or failed.
func (w *writer) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.stuck = time.AfterFunc(stalled, func() { cancel(errStalled) })
	defer w.stuck.Stop()
	var now work
	for {
		w.stuck.Stop()
		now = w.out.take(now)
		if w.progress(); now.ended && !w.ending {
			w.ending = true
			w.stuck.Reset(lastWords)
		}
		if err = w.do(ctx, &now); err != nil {
			break
		}
		if now.ended {
			return errEnded
		}
		if now.begin != nil || len(now.letters) > 0 || len(now.live) > 0 || now.upto > 0 || now.told != nil {
			continue
		}
		w.stuck.Stop()
		if err = w.wait(ctx); err != nil {
			break
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// progress notes that the connection still takes something. When it is to
// end, it has lastWords for everything.
func (w *writer) progress() {
	if !w.ending {
		w.stuck.Reset(stalled)
	}
}

// wait waits for the next work, and sends the mark when it is time.
func (w *writer) wait(ctx context.Context) error {
	var mark <-chan time.Time
	if !w.markAt.IsZero() {
		t := time.NewTimer(w.markAt.Sub(w.now()))
		defer t.Stop()
		mark = t.C
	}
	select {
	case <-w.out.ready:
		return nil
	case <-mark:
		return w.mark(ctx)
	case <-w.gone:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mark tells up to which event everything was sent, by whichever lane.
func (w *writer) mark(ctx context.Context) error {
	w.markAt = time.Time{}
	w.add(encode(report{Type: typeUpto, Seq: w.sent}), false)
	return w.flush(ctx)
}

// do sends some work: answers first, so that a roster is never older than
// the events before it.
func (w *writer) do(ctx context.Context, now *work) error {
	if now.begin != nil {
		if err := w.welcome(ctx, now.begin); err != nil {
			return err
		}
	}
	if err := w.letters(ctx, now.letters, now.told); err != nil {
		return err
	}
	for _, f := range now.live {
		if err := w.show(ctx, f, now.late); err != nil {
			return err
		}
	}
	if now.upto > 0 && !now.ended {
		if err := w.read(ctx, now.upto); err != nil {
			return err
		}
		w.out.at(w.sent)
	}
	if err := w.unhide(ctx); err != nil {
		return err
	}
	if !w.markAt.IsZero() && (now.ended || !w.now().Before(w.markAt)) {
		if err := w.mark(ctx); err != nil {
			return err
		}
	}
	if now.last != nil {
		w.add(now.last, false)
	}
	return w.flush(ctx)
}

// welcome finds where the stream of events begins, and sends the welcome.
func (w *writer) welcome(ctx context.Context, s *start) error {
	w.viewer, w.sent = s.viewer, s.after
	gone, err := w.forgotten(ctx)
	if err != nil {
		return err
	}
	if s.history > 0 {
		if w.sent, err = w.back(ctx, s); err != nil {
			return err
		}
		w.sent = max(w.sent, min(gone, s.after))
	}
	s.welcome.After, s.welcome.Lane = w.sent, w.lane.String()
	w.add(encode(s.welcome), true)
	for _, b := range s.roster {
		if err := w.put(ctx, b, false); err != nil {
			return err
		}
	}
	if gone = min(gone, s.head); gone > w.sent && !s.deaf { // though the feed may have it still
		if err := w.skip(ctx, w.sent+1, gone-w.sent); err != nil {
			return err
		}
	}
	w.out.at(w.sent)
	return w.flush(ctx)
}

// forgotten returns up to where the log has deleted all. Of one that does not tell, nothing is
// known to be deleted: what is not there is passed over when it is read.
func (w *writer) forgotten(ctx context.Context) (uint64, error) {
	limited, cancel := context.WithTimeout(ctx, boundsTime)
	defer cancel()
	gone, _, err := w.log.Bounds(limited)
	if err != nil && ctx.Err() == nil {
		return 0, nil
	}
	return gone, err
}

// back returns after which event the last ones begin that somebody is to see who
// has just sat down.
func (w *writer) back(ctx context.Context, s *start) (uint64, error) {
	if seq, ok := s.feed.back(s.viewer, s.after, s.history); ok {
		return seq, nil
	}
	page, err := w.log.Page(ctx, s.viewer, s.after+1, s.history)
	if err != nil || len(page) == 0 || page[0].Seq > s.after {
		return s.after, err
	}
	return page[0].Seq - 1, nil
}

// letters sends answers, and how many have received what.
func (w *writer) letters(ctx context.Context, letters []letter, told map[uint64][2]uint64) error {
	for _, l := range letters {
		w.asked = w.asked || l.asked
		if err := w.put(ctx, l.data, l.charged); err != nil {
			return err
		}
	}
	if len(told) == 0 {
		return nil
	}
	triples := make([][3]uint64, 0, len(told))
	for seq, n := range told {
		triples = append(triples, [3]uint64{seq, n[0], n[1]})
	}
	slices.SortFunc(triples, func(a, b [3]uint64) int { return int(int64(a[0] - b[0])) })
	for some := range slices.Chunk(triples, maxTriples) {
		if err := w.put(ctx, encode(report{Type: string(Delivered), Delivered: some}), false); err != nil {
			return err
		}
	}
	return nil
}

// show sends an event, if the member may see it. One that is late uses no other lane.
func (w *writer) show(ctx context.Context, f *frame, late uint64) error {
	if f.seq <= w.sent {
		return nil
	}
	if !f.visible(w.viewer) {
		w.hidden++
		w.sent = f.seq
		return nil
	}
	if err := w.unhide(ctx); err != nil {
		return err
	}
	w.sent = f.seq
	if !f.said || w.lane == transport.Ordered || f.seq <= late {
		if !f.said {
			w.markAt = time.Time{} // it says as much
		}
		return w.put(ctx, f.data, false)
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	w.progress()
	err := w.conn.(transport.LaneSender).SendVia(ctx, w.lane, f.data)
	if errors.Is(err, transport.ErrSize) { // of a time when the room was not bare
		return w.put(ctx, f.data, false)
	}
	if w.lane == transport.Bare && w.markAt.IsZero() {
		w.markAt = w.now().Add(markEvery)
	}
	return err
}

// unhide tells of the events that were passed over.
func (w *writer) unhide(ctx context.Context) error {
	if w.hidden == 0 {
		return nil
	}
	n := w.hidden
	w.hidden = 0
	return w.skip(ctx, w.sent-n+1, n)
}

// skip tells that the member may not see some events.
func (w *writer) skip(ctx context.Context, from, count uint64) error {
	w.sent, w.markAt = from+count-1, time.Time{}
	return w.put(ctx, encode(report{Type: typeSkip, FromSeq: from, Count: count}), false)
}

// read sends events from the log, up to one that was offered.
func (w *writer) read(ctx context.Context, upto uint64) error {
	var reuse []letter
	gone, err := w.forgotten(ctx)
	if err != nil {
		return err
	}
	if gone = min(gone, upto); gone > w.sent { // to look at each would be long
		if err := w.skip(ctx, w.sent+1, gone-w.sent); err != nil || w.sent >= upto {
			return err
		}
	}
	err = w.log.Tail(ctx, w.sent, func(entries []Entry) error {
		for _, e := range entries {
			if e.Seq > upto {
				break
			}
			data := []byte(nil)
			if e.Visible(w.viewer) {
				data = eventForm(e)
			}
			if data == nil {
				w.hidden++
				w.sent = e.Seq
				continue
			}
			if err := w.unhide(ctx); err != nil {
				return err
			}
			w.sent = e.Seq
			if err := w.put(ctx, data, false); err != nil {
				return err
			}
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
		letters, ended := w.out.takeLetters(reuse)
		reuse = letters
		switch err := w.letters(ctx, letters, nil); {
		case err != nil:
			return err
		case w.sent >= upto || ended:
			return errCaught
		}
		return nil
	})
	if err != nil && !errors.Is(err, errCaught) {
		return err
	}
	return w.unhide(ctx)
}

// put adds a message to those to be sent in order, and sends when they are many.
func (w *writer) put(ctx context.Context, data []byte, charged bool) error {
	w.add(data, charged)
	if len(w.batch) >= maxAtOnce || w.bytes >= maxBytesAtOnce {
		return w.flush(ctx)
	}
	return nil
}

func (w *writer) add(data []byte, charged bool) {
	w.batch = append(w.batch, data)
	w.bytes += len(data)
	if charged {
		w.charged++
	}
}

// flush sends what was added.
func (w *writer) flush(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	if b, ok := w.conn.(transport.Batcher); ok {
		if err := b.SendBatch(ctx, w.batch); err != nil {
			return err
		}
	} else {
		for _, data := range w.batch {
			if err := w.conn.Send(ctx, data); err != nil {
				return err
			}
			w.progress()
		}
	}
	w.progress()
	for ; w.charged > 0; w.charged-- {
		w.out.answered()
	}
	if w.asked {
		w.asked = false
		w.out.answeredAsk()
	}
	w.batch, w.bytes = emptied(w.batch), 0
	return nil
}
