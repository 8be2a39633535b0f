package tcp

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

const (
	// minBuffer and maxBuffer bound the buffers that the reader fills: a
	// resting connection holds little, and a whole frame must fit.
	minBuffer = 4 << 10
	maxBuffer = 128 << 10
	// enoughRoom is how much space is worth reading into.
	enoughRoom = 512
)

// inbox is what was read and not yet received, in one buffer or two: the
// reader fills the rear one, Receive empties the front one. They may be the
// same, because Receive only sees the whole frames that the reader has
// published, and the reader only writes behind them. A third waits to be used
// again.
//
//	front  [ received | whole frames ]
//	rear   [ whole frames, published | being read | space ]
type inbox struct {
	ready chan struct{} // to Receive: something was published
	space chan struct{} // to the reader: front was emptied
	done  chan struct{} // closed when the reader has ended

	mu          sync.Mutex
	front, rear *buffer
	spare       *buffer
	taken       int // bytes of front given to Receive
}

type buffer struct {
	b     []byte
	whole int // bytes published
}

func (in *inbox) init() {
	in.ready, in.space, in.done = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	in.rear = newBuffer(minBuffer)
	in.front = in.rear
}

// newBuffer returns a buffer for at least need bytes.
func newBuffer(need int) *buffer {
	return &buffer{b: make([]byte, min(max(1<<bits.Len(uint(need-1)), minBuffer), maxBuffer))}
}

// next returns whole frames for Receive, which has done with all before, or
// nil if there are none.
func (in *inbox) next() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.taken == in.front.whole && in.front != in.rear {
		in.spare, in.front, in.taken = in.front, in.rear, 0
		in.spare.whole = 0
		signal(in.space)
	}
	if in.taken == in.front.whole {
		return nil
	}
	b := in.front.b[in.taken:in.front.whole]
	in.taken = in.front.whole
	return b
}

// publish lets Receive see the first whole bytes of rear.
func (in *inbox) publish(whole int) {
	in.mu.Lock()
	in.rear.whole = whole
	in.mu.Unlock()
	signal(in.ready)
}

// more makes space behind the bytes of rear from start to end, of which those
// before start are published: need bytes from start on. It returns what rear
// and these are then, or nil if that has to wait until Receive has emptied the
// front buffer.
func (in *inbox) more(start, end, need int) (b []byte, newStart, newEnd int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.front == in.rear { // Receive may be looking at it: fill another
		want := max(need, len(in.rear.b))
		if in.taken < in.rear.whole { // it comes faster than it goes
			want = max(need, min(2*want, maxBuffer))
		}
		next := in.spare
		if in.spare = nil; next == nil || len(next.b) < want {
			next = newBuffer(want)
		}
		end = copy(next.b, in.rear.b[start:end])
		in.rear = next
		return in.rear.b, 0, end
	}
	if start+need > maxBuffer {
		return nil, start, end
	}
	larger := newBuffer(max(start+need, 2*len(in.rear.b)))
	copy(larger.b, in.rear.b[:end])
	larger.whole = start
	in.rear = larger
	return in.rear.b, start, end
}

// rest lets go of a large buffer that nothing uses.
func (in *inbox) rest() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.spare != nil && len(in.spare.b) > keepSize {
		in.spare = nil
	}
}

// errBye ends the reader when the peer has said BYE.
var errBye = errors.New("bye")

// read is the reader: it runs until the stream ends, and returns why.
func (c *conn) read() error {
	b, start, end := c.in.rear.b, 0, 0 // what was published ends at start
	for {
		n, err := c.nc.Read(b[end:])
		end += n
		if n > 0 {
			c.heard(n)
		}
		whole, messages, scanErr := c.scan(b[start:end])
		c.traceReceived(b[start:start+whole], n)
		if messages && !c.isClosing() {
			start += whole
			c.in.publish(start)
		} else { // only control frames, or nobody wants it
			end = start + copy(b[start:], b[start+whole:end])
		}
		if scanErr != nil {
			return scanErr
		}
		if err != nil {
			return readError(err)
		}
		size, err := frameSize(b[start:end])
		if err != nil {
			return err
		}
		if need := max(size, end-start+enoughRoom); len(b)-start < need {
			b, start, end = c.makeRoom(b, start, end, need)
		}
	}
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the peer ended without a goodbye")
	}
	return err
}

// makeRoom is inbox.more, and waits where that has to. After Close, nobody
// empties the front buffer: then it goes on in one of its own.
func (c *conn) makeRoom(b []byte, start, end, need int) ([]byte, int, int) {
	late := false
	for {
		if b, start, end := c.in.more(start, end, need); b != nil {
			if late {
				c.fallBehind(false)
			}
			return b, start, end
		}
		if !late {
			late = true
			c.fallBehind(true)
		}
		select {
		case <-c.in.space:
		case <-c.closing:
			own := make([]byte, maxBuffer)
			return own, 0, copy(own, b[start:end])
		}
	}
}

// scan goes over the frames that b begins with, obeys those of control, and
// returns how many bytes are whole frames.
func (c *conn) scan(b []byte) (whole int, messages bool, err error) {
	for {
		size, err := frameSize(b[whole:])
		if err != nil || size == 0 || len(b)-whole < size {
			return whole, messages, err
		}
		frame := b[whole : whole+size]
		whole += size
		if !isControl(frame) {
			messages = true
			continue
		}
		switch kind, data := parseControl(frame); kind {
		case ping:
			c.out.control(pong, data)
		case pong:
			c.answered(data)
		case here:
			c.excused()
		case bye:
			c.peerCloses()
			return whole, messages, errBye
		}
	}
}
