package room

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"parley/transport"
)

// Serve serves one connection, whose first message has been read, until it
// ends, and closes it. What the connection ends with is returned: nil when
// the member said goodbye or the room was closed. Run must have been called, or be
// about to be.
func (h *Host) Serve(ctx context.Context, c transport.Conn, first []byte) error {
	h.setup()
	defer c.Close()
	_, lanes := c.(transport.LaneSender)
	out := newOutbox(lanes)
	l := &link{out: out, peer: c.Peer()}
	if s, ok := c.(transport.Statser); ok {
		l.silent, l.counts = func() time.Duration { return s.Stats().Silent }, h.countsOf(l.peer.Via, s)
	}
	if err := h.do(func(now time.Time, core *core) { core.attach(now, l) }); err != nil {
		return err
	}
	w := &writer{log: h.Log, conn: c, out: out, now: time.Now, gone: h.ended}
	if lanes {
		w.lane = h.Delivery
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wrote error
	var writing sync.WaitGroup
	writing.Go(func() {
		wrote = w.run(ctx)
		if errors.Is(wrote, errEnded) {
			c.Close() // which delivers the last word
		}
		cancel()
	})
	read := h.read(ctx, c, l, first)
	if errors.Is(read, errWire) {
		out.finish(refusal(codeProtocol, "that was "+errWire.Error()))
		writing.Wait()
	}
	cancel()
	writing.Wait()
	why := ""
	if errors.Is(wrote, errStalled) {
		why = "you were cut off because you took nothing for 30 s"
		h.Logger.Info("a member was cut off: it read too slowly", "room", h.Name, "addr", l.peer.Addr.String())
	}
	h.do(func(now time.Time, core *core) { core.detach(now, l, why) })
	switch {
	case errors.Is(wrote, errEnded), errors.Is(read, io.EOF):
		return nil
	case errors.Is(wrote, errStalled), read == nil, errors.Is(read, context.Canceled) && wrote != nil:
		return wrote
	}
	return read
}

// read hands what a member sends to the core, no faster than it is answered.
func (h *Host) read(ctx context.Context, c transport.Conn, l *link, msg []byte) error {
	for {
		cmd, err := parseCommand(msg)
		if err != nil {
			return err
		}
		if cmd.Type != typeGot {
			select {
			case l.out.credits <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := h.hand(ctx, l, cmd); err != nil {
			return err
		}
		if err := sleep(ctx, time.Until(l.out.paused())); err != nil {
			return err
		}
		if msg, err = c.Receive(ctx); err != nil {
			if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
				err = ctx.Err()
			}
			return err
		}
	}
}

// hand hands a command to the core. What needs the log is read here.
func (h *Host) hand(ctx context.Context, l *link, cmd command) error {
	if h.Metered {
		cmd.read = time.Since(epoch)
	}
	switch cmd.Type {
	case typePage, typeSearch:
		return h.asks(ctx, l, cmd)
	case typeJoin:
		if l.compared++; l.compared > maxTries { // the core takes no more joins either
			break
		}
		if err := h.compare(ctx, &cmd); err != nil {
			return err
		}
	}
	return h.do(func(now time.Time, core *core) { core.command(now, l, cmd) })
}

// sleep waits for d, if that is more than nothing.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
