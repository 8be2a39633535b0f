package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"parley/transport"
)

// farewell is how long a last word may wait to be sent.
const farewell = 2 * time.Second

// giver is the sending side as a machine.
type giver struct {
	size  int64
	sum   Sum
	asked bool  // FROM has come
	next  int64 // what is sent next,
	have  int64 // and what is written there
	done  bool
}

// heard takes in a message of the taker.
func (g *giver) heard(msg []byte) error {
	m, err := parse(msg)
	if err != nil {
		return errWire(err.Error())
	}
	switch {
	case m.kind == typeStop:
		return m.stop
	case m.kind == typeFrom && !g.asked:
		if m.sum != g.sum || m.offset > g.size {
			return errWire("it asks for another file")
		}
		g.asked, g.next, g.have = true, m.offset, m.offset
	case m.kind == typeHave && g.asked:
		if m.offset < g.have || m.offset > g.next {
			return errWire("it has what was not sent")
		}
		g.have = m.offset
	case m.kind == typeDone && g.asked && g.next == g.size:
		g.have, g.done = g.size, true
	default:
		return errWire(fmt.Sprintf("message %d at a wrong time", m.kind))
	}
	return nil
}

// due is the next chunk to send: none if n is 0.
func (g *giver) due() (at int64, n int) {
	left := min(g.size-g.next, chunk)
	if !g.asked || g.done || left == 0 || g.next+left-g.have > window {
		return 0, 0
	}
	return g.next, int(left)
}

// Give gives a file over one connection, until the taker has all of it and has
// said so. An [*Error] is final; any other is the connection's, and another one may
// go on. Moved is told how much of the file the taker has.
func Give(ctx context.Context, c transport.Conn, s *Source, moved func(int64)) error {
	var at atomic.Int64
	ctx, cancel := watch(ctx, c, &at)
	defer cancel()
	var lock sync.Mutex
	g := &giver{size: s.info.Size, sum: s.info.Sum}
	news, heard := make(chan struct{}, 1), make(chan error, 1)
	go func() { // ends with ctx, and is waited for
		for {
			msg, err := c.Receive(ctx)
			if err == nil {
				lock.Lock()
				if err = g.heard(msg); err == nil {
					at.Store(g.have + 1) // to be asked is a step, too
					if g.asked {
						moved(g.have)
					}
				}
				done := g.done
				lock.Unlock()
				if err == nil && done {
					err = errDone
				}
			}
			if err != nil {
				heard <- err
				return
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	err, read := g.send(ctx, &lock, c, s, news, heard)
	if !read {
		cancel()
		<-heard
	}
	return last(c, ended(ctx, err))
}

// errDone tells that the taker has all.
var errDone = errors.New("done")

// last says to the other side why it goes no further, if that is for good.
func last(c transport.Conn, err error) error {
	if errors.Is(err, errDone) {
		return nil
	}
	final := (*Error)(nil)
	if errors.Is(err, context.Canceled) {
		final = &Error{Code: NoMore, Text: "called off"}
	}
	if errors.As(err, &final); final != nil && !final.Theirs {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		defer cancel()
		c.Send(ctx, stop(final))
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the host hung up: %w", transport.ErrLost)
	}
	return err
}

// send sends what is due. Read tells that the error is the reader's last word.
func (g *giver) send(ctx context.Context, lock *sync.Mutex, c transport.Conn, s *Source, news <-chan struct{}, heard <-chan error) (err error, read bool) {
	buf := make([]byte, dataHead+chunk)
	for {
		lock.Lock()
		at, n := g.due()
		lock.Unlock()
		if n == 0 {
			select {
			case <-news:
			case err := <-heard:
				return err, true
			}
			continue
		}
		if err := s.check(); err != nil {
			return err, false
		}
		if err := s.read(buf[dataHead:dataHead+n], at); err != nil {
			return err, false
		}
		putData(buf, at)
		lock.Lock() // before it is sent: the answer may come before Send returns
		g.next += int64(n)
		lock.Unlock()
		if err := c.Send(ctx, buf[:dataHead+n]); err != nil {
			return err, false
		}
		select {
		case err := <-heard:
			return err, true
		default:
		}
	}
}

// Refuse tells the other side of a connection why nothing is given over it, and
// returns err.
func Refuse(c transport.Conn, err error) error { return last(c, err) }
