package room

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/text"
	"parley/transport"
)

// sum is how far something was sent, and what it comes to.
type sum struct {
	seq   uint64
	chain chain
}

// givingAway is one handover's work at the old host.
//
//	copying   entries go over as the log has them, while people talk
//	frozen    nothing is stored; the last entries, then the key
//	marked    the new host has all and said so; we have written down that the room is its
//	told      it knows, and says that it serves: everybody is sent there
//
// Up to the mark anything that goes wrong has the room go on here. From the mark
// on it never does: then nobody else but the new host may, and it may as soon as it
// has heard of the mark.
type givingAway struct {
	host     *Host
	conn     transport.Conn
	g        *handover
	acks     chan handing // from the new host
	sent     chan sum     // how far entries were sent; the latest
	copied   uint64
	sum      []byte        // of what the new host says it has
	sketched atomic.Uint64 // the seq of the checkpoint that was sent
	began    time.Time     // of standing still
	work     sync.WaitGroup
}

// run hands the room over.
func (w *givingAway) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, copyTime)
	defer cancel()
	work, stop := context.WithCancelCause(ctx)
	w.work.Go(func() { stop(w.listen(work)) })
	w.work.Go(func() { stop(w.copy(work)) })
	err := w.untilReady(work)
	if err == nil {
		err = w.mark(work)
	} else if cause := context.Cause(work); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if err != nil {
		w.fail(ctx, err)
	} else {
		w.finish(ctx, work)
	}
	stop(nil)
	w.conn.Close()
	w.work.Wait()
	return err
}

// listen brings what the new host says.
func (w *givingAway) listen(ctx context.Context) error {
	for {
		x, err := receive(ctx, w.conn)
		if err != nil {
			return err
		}
		select {
		case w.acks <- x:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// copy sends what there is to know of the room, and its entries, to the end and on.
func (w *givingAway) copy(ctx context.Context) error {
	h := w.host
	var head uint64
	if err := h.onCore(ctx, func(_ time.Time, c *core) { head = c.state.seq }); err != nil {
		return err
	}
	gone, _, err := h.Log.Bounds(ctx)
	if err != nil {
		return err
	}
	if err := w.conn.Send(ctx, encode(handing{Type: typeHand, Deed: h.deed(head, gone)})); err != nil {
		return err
	}
	if err := w.sketch(ctx); err != nil {
		return err
	}
	var at sum
	var some []crate
	size := 0
	flush := func() error {
		if len(some) == 0 {
			return nil
		}
		if err := w.conn.Send(ctx, encode(handing{Type: typeEntries, Entries: some})); err != nil {
			return err
		}
		some, size = some[:0], 0
		select { // only the latest counts
		case <-w.sent:
		default:
		}
		w.sent <- at
		return nil
	}
	return h.Log.Tail(ctx, 0, func(entries []Entry) error {
		for _, e := range entries {
			if e.Seq != at.seq+1 {
				return fmt.Errorf("the log goes from %d to %d", at.seq, e.Seq)
			}
			e = given(e, w.g.to.key)
			if n := sizeOf(e); size+n > maxHandful && size > 0 {
				if err := flush(); err != nil {
					return err
				}
			}
			some, size = append(some, pack(e)), size+sizeOf(e)
			at.seq = e.Seq
			at.chain.add(e)
		}
		return flush()
	})
}

// sketch sends what the entries add up to that are not there any more.
func (w *givingAway) sketch(ctx context.Context) error {
	k, ok := w.host.Log.(Checkpointer)
	if !ok {
		return nil
	}
	seq, data, err := k.Checkpoint(ctx)
	if err != nil || seq == 0 || len(data) == 0 {
		return err
	}
	w.sketched.Store(seq)
	for len(data) > 0 {
		n := min(len(data), maxSketch)
		if err := w.conn.Send(ctx, encode(handing{Type: typeSketch, Seq: seq, Data: data[:n], More: n < len(data)})); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// ack waits for the new host's next word.
func (w *givingAway) ack(ctx context.Context, limit time.Duration) (x handing, err error) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case x = <-w.acks:
		w.has(x)
		return x, nil
	case <-t.C:
		return x, fmt.Errorf("%s did not answer for %v", w.g.nick, limit)
	case <-ctx.Done():
		return x, context.Cause(ctx)
	}
}

// has takes in how much the new host says it has.
func (w *givingAway) has(x handing) {
	if x.Type == typeCopied && x.Seq > w.copied {
		w.copied, w.sum = x.Seq, x.Chain
	}
}

// untilReady gets the new host to have everything, the key too.
func (w *givingAway) untilReady(ctx context.Context) error {
	h, g := w.host, w.g
	h.onCore(ctx, func(_ time.Time, c *core) {
		c.tellHost("accepted", g.nick, g.nick+" takes the room: it is being copied while you talk")
	})
	type tried struct {
		move Move
		err  error
	}
	reached := make(chan tried, 1)
	w.work.Go(func() {
		m, err := g.move, error(nil)
		if h.Mover != nil {
			m, err = h.Mover.Try(ctx, m)
		}
		reached <- tried{m, err}
	})
	if err := w.catchUp(ctx); err != nil {
		return err
	}
	select {
	case t := <-reached:
		if t.err != nil {
			return fmt.Errorf("nobody could reach %s there: %w", g.nick, t.err)
		}
		t.move.Nick, t.move.Host = g.move.Nick, g.move.Host
		g.move = t.move
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := w.quieten(ctx, whispered); err != nil {
		return err
	}
	return w.rest(ctx)
}

// catchUp waits until nearly everything is there.
func (w *givingAway) catchUp(ctx context.Context) error {
	told, next := time.Now(), time.Second
	for {
		var head uint64
		if err := w.host.onCore(ctx, func(_ time.Time, c *core) {
			if head = c.state.seq; time.Since(told) >= next && head > 0 {
				told, next = time.Now(), 5*time.Second
				c.tellHost("copying", w.g.nick, fmt.Sprintf("%d %% of the room's record is copied to %s", w.copied*100/head, w.g.nick))
			}
		}); err != nil {
			return err
		}
		if w.copied+nearly >= head {
			return nil
		}
		if _, err := w.ack(ctx, copyStall); err != nil {
			return err
		}
	}
}

// quieten waits until everybody here has the whispers that stay here.
func (w *givingAway) quieten(ctx context.Context, limit time.Duration) error {
	for began := time.Now(); time.Since(began) < limit; {
		lacking := false
		if err := w.host.onCore(ctx, func(_ time.Time, c *core) { lacking = c.whispering() }); err != nil || !lacking {
			return err
		}
		if err := sleep(ctx, settling); err != nil {
			return context.Cause(ctx)
		}
		for more := true; more; { // acknowledgements go on
			select {
			case x := <-w.acks:
				w.has(x)
			default:
				more = false
			}
		}
	}
	return nil
}

// rest has the room stand still, and gives the last entries and the key away.
func (w *givingAway) rest(parent context.Context) error {
	h, g := w.host, w.g
	ctx, cancel := context.WithTimeoutCause(parent, maxPause, fmt.Errorf("it took longer than %v to copy the rest", maxPause))
	defer cancel()
	still := make(chan uint64, 1)
	w.began = time.Now()
	if err := h.onCore(ctx, func(_ time.Time, c *core) { g.still = still }); err != nil {
		return err
	}
	var end sum
	select {
	case end.seq = <-still:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := w.quieten(ctx, whisperedLast); err != nil {
		return err
	}
	for at := (sum{}); at.seq < end.seq; end.chain = at.chain {
		select {
		case at = <-w.sent:
		case x := <-w.acks:
			w.has(x)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for w.copied < end.seq {
		if _, err := w.ack(ctx, maxPause); err != nil {
			return err
		}
	}
	if w.copied != end.seq || !bytes.Equal(w.sum, end.chain[:]) { // nobody gets the key who does not have the log
		return fmt.Errorf("what %s has is not what the room holds", g.nick)
	}
	if gone, _, err := h.Log.Bounds(ctx); err != nil || gone > w.sketched.Load() { // deleted while it was copied: a ban may have been among it
		return errors.Join(errors.New("older entries were deleted meanwhile: try again"), err)
	}
	last := handing{Type: typeKey, Seq: end.seq, Chain: end.chain[:]}
	if err := h.onCore(ctx, func(_ time.Time, c *core) { last.Verifier = c.verifier }); err != nil {
		return err
	}
	if !h.Key.IsZero() && !h.Plaintext {
		last.Seed = h.Key.Seed()
	}
	if err := w.conn.Send(ctx, encode(last)); err != nil {
		return err
	}
	for {
		x, err := w.ack(ctx, maxPause)
		switch {
		case err != nil:
			return err
		case x.Type == typeCopied:
		case x.Type != typePrepared || x.Seq != end.seq || !bytes.Equal(x.Chain, end.chain[:]):
			return fmt.Errorf("what %s has is not what the room holds", g.nick)
		default:
			return nil
		}
	}
}

// mark writes down that the room is the new host's. From then on it is.
func (w *givingAway) mark(parent context.Context) error {
	h, g := w.host, w.g
	gone := errors.New("called off")
	if err := h.onCore(parent, func(_ time.Time, c *core) {
		if c.handing == g {
			g.marking, gone = true, nil
		}
	}); err != nil || gone != nil {
		return errors.Join(err, gone)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), maxPause)
	defer cancel()
	var err error
	if h.Mover != nil {
		err = h.Mover.Mark(ctx, g.move, g.ticket)
	}
	h.onCore(ctx, func(_ time.Time, c *core) {
		if g.marking = false; err == nil {
			c.handing, c.moved, c.given = nil, &g.move, g.ticket
		}
	})
	return err
}

// finish tells the new host that the room is its, and everybody where it is.
func (w *givingAway) finish(parent, work context.Context) {
	h, g := w.host, w.g
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), convincing)
	defer cancel()
	defer context.AfterFunc(parent, func() { time.AfterFunc(lastWords, cancel) })()
	told, done := context.WithTimeout(work, convincing) // whatever else it says
	defer done()
	err := w.conn.Send(ctx, encode(handing{Type: typeGo}))
	for err == nil {
		var x handing
		if x, err = w.ack(told, convincing); err == nil && x.Type == typeServing {
			break
		}
	}
	if err != nil && h.Mover != nil {
		h.Logger.Warn("the new host has not answered", "room", h.Name, "err", err)
		err = h.Mover.Tell(ctx, g.move, g.ticket)
	}
	pause := time.Since(w.began)
	h.Logger.Info("the room was handed over", "room", h.Name, "to", g.nick, "pause", pause.Round(time.Millisecond).String(), "err", err)
	words := fmt.Sprintf("the room was handed over: it stood still for %d ms", pause.Milliseconds())
	if err != nil {
		words = fmt.Sprintf("the room is %s's now, whose computer does not answer at this moment", g.nick)
	}
	if h.Mover != nil {
		h.Mover.Moved(g.move, g.ticket, err == nil)
	}
	h.onCore(context.WithoutCancel(parent), func(now time.Time, c *core) {
		c.tellHost("done", g.nick, words)
		c.dismiss(now)
	})
}

// fail has the room go on here.
func (w *givingAway) fail(ctx context.Context, err error) {
	why := text.Truncate(text.Clean(err.Error()), maxLine)
	w.host.Logger.Warn("a handover failed", "room", w.host.Name, "to", w.g.nick, "err", err)
	w.host.onCore(context.WithoutCancel(ctx), func(_ time.Time, c *core) {
		if c.handing == w.g {
			c.callOff(why)
		}
		if w.g.stopped != "" {
			why = w.g.stopped
		}
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	w.conn.Send(last, encode(handing{Type: typeOff, Text: outward(errors.New(why))}))
}
