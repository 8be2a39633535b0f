package transport

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"sync"
)

// pipeDepth is how many messages a Pipe holds each way before Send waits:
// enough that two goroutines need not take turns for each message.
const pipeDepth = 64

// Pipe returns the two ends of a Conn in memory. The first end's Peer is b, as
// the second's is a: each end is told who is at the other. Both get the same
// fresh Binding, and Via and Secure as they are for a pipe.
func Pipe(a, b Peer) (Conn, Conn) {
	rand.Read(a.Binding[:])
	b.Binding = a.Binding
	a.Via, b.Via, a.Secure, b.Secure = "pipe", "pipe", true, true
	ab, ba := newHalf(), newHalf()
	return &pipeEnd{peer: b, out: ab, in: ba}, &pipeEnd{peer: a, out: ba, in: ab}
}

// half is one direction. Only the sending end closes ended, only the
// receiving end closes gone.
type half struct {
	msgs  chan []byte
	ended chan struct{} // the sender has closed; msgs may still hold messages
	gone  chan struct{} // the receiver has closed
	lock  sync.RWMutex  // held for reading while sending, so that nothing is sent after ended
}

func newHalf() *half {
	return &half{msgs: make(chan []byte, pipeDepth), ended: make(chan struct{}), gone: make(chan struct{})}
}

type pipeEnd struct {
	peer    Peer
	out, in *half
	once    sync.Once
}

func (p *pipeEnd) Peer() Peer { return p.peer }

func (p *pipeEnd) Send(ctx context.Context, msg []byte) error {
	if len(msg) == 0 || len(msg) > MaxMessage {
		return ErrSize
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.out.lock.RLock()
	defer p.out.lock.RUnlock()
	select {
	case <-p.in.gone:
		return net.ErrClosed
	case <-p.out.gone:
		return io.EOF
	default:
	}
	select {
	case p.out.msgs <- append([]byte(nil), msg...):
		return nil
	case <-p.in.gone:
		return net.ErrClosed
	case <-p.out.gone:
		return io.EOF
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipeEnd) Receive(ctx context.Context) ([]byte, error) {
	select {
	case <-p.in.gone:
		return nil, net.ErrClosed
	default:
	}
	select { // what is there goes before the end of ctx or of the peer
	case msg := <-p.in.msgs:
		return msg, nil
	default:
	}
	select {
	case msg := <-p.in.msgs:
		return msg, nil
	case <-p.in.gone:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.in.ended:
		select { // the peer's last words
		case msg := <-p.in.msgs:
			return msg, nil
		default:
			return nil, io.EOF
		}
	}
}

// Close leaves what was sent for the other end to read.
func (p *pipeEnd) Close() error {
	p.once.Do(func() {
		close(p.in.gone)
		p.out.lock.Lock() // a waiting Send sees gone and lets go
		defer p.out.lock.Unlock()
		close(p.out.ended)
	})
	return nil
}
