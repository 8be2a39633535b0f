package tcp

import (
	"context"
	"net"
	"sync"
)

const (
	// outboxSize is how many bytes wait to be written before Send waits.
	// As much again is being written, and the kernel is asked to hold no
	// more than that unsent (see tune): so a PING is not stuck behind
	// megabytes, and a slow member costs little. The largest message fits.
	outboxSize = 68 << 10
	// keepSize is the size above which a buffer is let go of at rest.
	keepSize = 16 << 10
)

// outbox gathers frames for the writer.
type outbox struct {
	turn chan struct{} // held by the sender whose messages go next
	room chan struct{} // to that sender: the writer has taken what was there
	wake chan struct{} // to the writer: there is something to take

	mu      sync.Mutex
	pending []byte // frames of messages
	spare   []byte // an empty buffer, when the writer has none
	asks    bool   // a PING is due, with the data ask
	ask     uint64
	answers bool // a PONG is due, with the data answer
	answer  uint64
	tells   bool  // a HERE is due
	end     error // no more messages are taken, why
}

func (o *outbox) init() {
	o.turn, o.room, o.wake = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeTurn waits for the sender's turn.
func (o *outbox) takeTurn(ctx context.Context, closing, over <-chan struct{}) error {
	select {
	case o.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case o.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closing:
	case <-over:
	}
	return o.ended()
}

// add queues a message, waiting for room. The caller has the turn, and wakes
// the writer when it has added what it has.
func (o *outbox) add(ctx context.Context, msg []byte, closing, over <-chan struct{}) error {
	for {
		o.mu.Lock()
		switch {
		case o.end != nil:
			defer o.mu.Unlock()
			return o.end
		case len(o.pending)+headerSize+len(msg) <= outboxSize:
			o.pending = appendMessage(o.pending, msg)
			o.mu.Unlock()
			return nil
		}
		o.mu.Unlock()
		signal(o.wake)
		select {
		case <-o.room:
		case <-ctx.Done():
			return ctx.Err()
		case <-closing:
		case <-over:
		}
	}
}

// control makes one of the control frames due.
func (o *outbox) control(kind control, data uint64) {
	o.mu.Lock()
	switch kind {
	case ping:
		o.asks, o.ask = true, data
	case pong:
		o.answers, o.answer = true, data
	case here:
		o.tells = true
	}
	o.mu.Unlock()
	signal(o.wake)
}

// stop takes no more messages. The first reason counts, but our own Close
// before any other.
func (o *outbox) stop(why error) {
	o.mu.Lock()
	if o.end == nil || why == net.ErrClosed {
		o.end = why
	}
	o.mu.Unlock()
}

func (o *outbox) ended() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end
}

// take gives the writer everything that is due, and tells whether there are
// messages in it.
func (o *outbox) take() (due []byte, messages bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due = o.pending
	o.pending, o.spare = o.spare, nil
	messages = len(due) > 0
	if o.asks {
		due = appendControl(due, ping, o.ask)
	}
	if o.answers {
		due = appendControl(due, pong, o.answer)
	}
	if o.tells {
		due = appendControl(due, here, 0)
	}
	o.asks, o.answers, o.tells = false, false, false
	signal(o.room)
	return due, messages
}

// giveBack returns a buffer that is written.
func (o *outbox) giveBack(written []byte) {
	o.mu.Lock()
	o.spare = written[:0]
	o.mu.Unlock()
}

// queued is how many bytes wait.
func (o *outbox) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending)
}

// rest lets go of large buffers that nothing uses.
func (o *outbox) rest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) == 0 && cap(o.pending) > keepSize {
		o.pending = nil
	}
	if cap(o.spare) > keepSize {
		o.spare = nil
	}
}
