package udp

import (
	"net"
	"os"
	"sync"
	"time"
)

// flowQueue is how many datagrams wait for the DTLS library: several flights of
// a peer that repeats itself. More are dropped, and repeated.
const flowQueue = 16

// A flow is one handshake's datagrams as the net.Conn that the DTLS library
// wants. Datagrams come in by deliver and go out by the write function; both
// ways they pass the filter, or are dropped. What fails to be sent counts as
// lost on the way: a handshake does not end because a send buffer was full.
//
// Any goroutine may call any method.
type flow struct {
	write         func([]byte) error // must neither keep the bytes nor wait
	local, remote net.Addr

	queue    chan []byte
	closed   chan struct{}
	deadline deadline

	mu    sync.Mutex
	in    side // who may send to us; both until handshake knows
	out   side
	muted bool
	last  []byte
	over  bool // closed is closed
}

// newFlow returns a flow that sends by write, which is called from goroutines of
// the handshake.
func newFlow(write func([]byte) error, local, remote net.Addr) *flow {
	return &flow{
		write: write, local: local, remote: remote,
		queue: make(chan []byte, flowQueue), closed: make(chan struct{}),
		in: fromClient | fromServer, out: fromClient | fromServer,
	}
}

// assume tells the flow on which side of the handshake it is. What came before
// is judged again.
func (f *flow) assume(client bool) {
	f.mu.Lock()
	f.in, f.out = fromClient, fromServer
	if client {
		f.in, f.out = fromServer, fromClient
	}
	in := f.in
	f.mu.Unlock()
	for range len(f.queue) {
		select {
		case b := <-f.queue:
			if passes(b, in) {
				f.enqueue(b)
			}
		default:
		}
	}
}

// deliver hands in the datagram of a SHAKE. It keeps a copy, never waits, and
// tells whether it took it.
func (f *flow) deliver(b []byte) bool {
	f.mu.Lock()
	ok := !f.over && passes(b, f.in)
	f.mu.Unlock()
	return ok && len(f.queue) < cap(f.queue) && f.enqueue(append([]byte(nil), b...))
}

func (f *flow) enqueue(b []byte) bool {
	select {
	case f.queue <- b:
		return true
	default:
		return false
	}
}

// Read returns the next datagram. Like a socket it cuts what is longer than b.
func (f *flow) Read(b []byte) (int, error) {
	expired := f.deadline.wait()
	select {
	case <-f.closed:
		return 0, net.ErrClosed
	case <-expired:
		return 0, os.ErrDeadlineExceeded
	default:
	}
	select {
	case d := <-f.queue:
		return copy(b, d), nil
	case <-f.closed:
		return 0, net.ErrClosed
	case <-expired:
		return 0, os.ErrDeadlineExceeded
	}
}

// Write sends a datagram, if it is one that belongs to a handshake.
func (f *flow) Write(b []byte) (int, error) {
	f.mu.Lock()
	silent := f.muted || f.over || !passes(b, f.out)
	if !silent {
		f.last = append(f.last[:0], b...)
	}
	f.mu.Unlock()
	if !silent {
		f.write(b) // an error is a loss
	}
	return len(b), nil
}

// mute sends what is written from now on nowhere: the library says goodbye when
// it is closed, and nobody is to hear it.
func (f *flow) mute() {
	f.mu.Lock()
	f.muted = true
	f.mu.Unlock()
}

// lastFlight returns a copy of the last datagram that was sent. For a server
// that has finished it is all of its last flight.
func (f *flow) lastFlight() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]byte(nil), f.last...)
}

// Close ends Read. Closing again does nothing.
func (f *flow) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.over = true
		close(f.closed)
		f.deadline.set(time.Time{}) // no timer stays behind
	}
	return nil
}

func (f *flow) LocalAddr() net.Addr  { return f.local }
func (f *flow) RemoteAddr() net.Addr { return f.remote }

// SetReadDeadline wakes a Read that waits: that is how the library cancels one.
func (f *flow) SetReadDeadline(t time.Time) error { f.deadline.set(t); return nil }
func (f *flow) SetWriteDeadline(time.Time) error  { return nil } // writing never waits
func (f *flow) SetDeadline(t time.Time) error     { return f.SetReadDeadline(t) }

// A deadline is a channel that is closed when its time has come.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{}
}

// wait returns the channel for the deadline as it is now. A later deadline
// that is set before this one has come counts for it too.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expired == nil {
		d.expired = make(chan struct{})
	}
	return d.expired
}

// set moves the deadline; the zero time means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.expired // the timer has fired: let it finish, it needs no lock
	}
	d.timer = nil
	gone := false
	if d.expired == nil {
		d.expired = make(chan struct{})
	}
	select {
	case <-d.expired:
		gone = true
	default:
	}
	switch {
	case t.IsZero() || time.Until(t) > 0:
		if gone {
			d.expired = make(chan struct{})
		}
		if !t.IsZero() {
			expired := d.expired
			d.timer = time.AfterFunc(time.Until(t), func() { close(expired) })
		}
	case !gone:
		close(d.expired)
	}
}
