package file

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"parley/transport"
)

// taker is the receiving side as a machine.
type taker struct {
	size int64
	at   int64 // what has come
	told int64 // and what was said to have
}

// heard takes in a message of the giver and returns what to write.
func (t *taker) heard(msg []byte) ([]byte, error) {
	m, err := parse(msg)
	if err != nil {
		return nil, errWire(err.Error())
	}
	switch {
	case m.kind == typeStop:
		return nil, m.stop
	case m.kind != typeData:
		return nil, errWire(fmt.Sprintf("message %d is not the giver's", m.kind))
	case m.offset != t.at:
		return nil, errWire("a chunk out of order")
	case int64(len(m.data)) != min(chunk, t.size-t.at):
		return nil, errWire("a chunk of a wrong length")
	}
	t.at += int64(len(m.data))
	return m.data, nil
}

// report tells whether it is time to say what is written.
func (t *taker) report() bool {
	if t.at-t.told < reportEvery && t.at < t.size {
		return false
	}
	t.told = t.at
	return true
}

// A Part is what has come of a file so far, open for the rest.
type Part struct{ p *part }

// OpenPart opens what is there of a file in a directory, and reads it. Nobody
// else takes that file there until Close.
func OpenPart(ctx context.Context, dir string, w Want) (*Part, error) {
	p, err := openPart(ctx, dir, w)
	if err != nil {
		return nil, err
	}
	return &Part{p}, nil
}

// Close leaves what has come for another time.
func (p *Part) Close() { p.p.close() }

// Take takes the rest over one connection and returns where the file is. An [*Error] is final; any other is the connection's, and another one may go on.
// Moved is told how much of the file is there.
func (o *Part) Take(ctx context.Context, c transport.Conn, moved func(int64)) (path string, err error) {
	p := o.p
	var at atomic.Int64
	ctx, cancel := watch(ctx, c, &at)
	defer cancel()
	moved(p.at)
	began := p.at
	err = p.receive(ctx, c, func(n int64) {
		at.Store(n)
		moved(n)
	})
	if err != nil {
		return "", last(c, ended(ctx, err))
	}
	if !p.whole() {
		if err := p.restart(); err != nil {
			return "", last(c, err)
		}
		if began > 0 { // that part may have been the wrong one
			return "", fmt.Errorf("what had come before was not of this file: %w", transport.ErrLost)
		}
		return "", last(c, &Error{Code: Damaged, Text: "what came is not what was offered (its SHA-256 is another), and was thrown away"})
	}
	name, err := p.finish()
	if err != nil {
		return "", last(c, err)
	}
	return filepath.Join(p.root.Name(), name), ended(ctx, c.Send(ctx, []byte{typeDone}))
}

// receive asks for the rest and writes it.
func (p *part) receive(ctx context.Context, c transport.Conn, moved func(int64)) error {
	if err := c.Send(ctx, from(p.at, p.want.Sum)); err != nil {
		return whyGone(ctx, c, err)
	}
	t := &taker{size: p.want.Size, at: p.at, told: p.at}
	told := time.Now()
	for t.at < t.size {
		msg, err := c.Receive(ctx)
		if err != nil {
			return err
		}
		b, err := t.heard(msg)
		if err != nil {
			return err
		}
		if err := p.write(b); err != nil {
			return err
		}
		moved(t.at)
		if now := time.Now(); t.report() || now.Sub(told) >= reportAfter {
			told, t.told = now, t.at
			if err := c.Send(ctx, have(t.at)); err != nil {
				return whyGone(ctx, c, err)
			}
		}
	}
	return nil
}

// whyGone is the giver's last word, which may wait unread when nothing can be sent to
// it any more, or else err.
func whyGone(ctx context.Context, c transport.Conn, err error) error {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	for range window/chunk + 1 { // of what it sent before
		msg, failed := c.Receive(ctx)
		if failed != nil {
			break
		}
		if m, bad := parse(msg); bad == nil && m.stop != nil {
			return m.stop
		}
	}
	return err
}
