package transporttest

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// streamBuffer is how many bytes of a stream may be under way or
	// unread: what a small kernel buffer holds.
	streamBuffer = 64 << 10
	// resend is what a lost piece of a stream waits for its repetition,
	// and maxResends how often that may happen to one piece.
	resend     = 200 * time.Millisecond
	maxResends = 5
)

// stream is one end of a connection. Its incoming half is what the other end
// has sent and this one has not read. Everything is guarded by lan.mu.
type stream struct {
	lan           *LAN
	order         uint64 // of coming into being
	machine       *Machine
	other         *stream
	local, remote netip.AddrPort

	unread   []byte
	flight   int       // bytes under way to here
	last     time.Time // when the last piece under way arrives
	coming   []func()  // what the pieces under way to here do, in order
	stuck    int       // pieces that wait until the way is free again
	ended    bool      // the other end has closed, and all before has arrived
	broken   bool      // reset
	noWrite  bool      // CloseWrite was called
	readable chan struct{}
	room     chan struct{} // for the other end: there may be space
	closed   chan struct{}
	reading  deadline
	writing  deadline
}

func (l *LAN) connect(from, to *Machine, local, remote netip.AddrPort) (a, b *stream) {
	end := func(m *Machine, local, remote netip.AddrPort) *stream {
		l.made++
		return &stream{lan: l, order: l.made, machine: m, local: local, remote: remote, readable: make(chan struct{}, 1),
			room: make(chan struct{}, 1), closed: make(chan struct{})}
	}
	a, b = end(from, local, remote), end(to, remote, local)
	a.other, b.other = b, a
	l.streams[a], l.streams[b] = true, true
	return a, b
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *stream) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}

func (s *stream) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(s.local) }
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

func (s *stream) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *stream) Read(b []byte) (int, error) {
	for {
		over := s.reading.over()
		n, err, wait := s.tryRead(b, over)
		if !wait {
			return n, err
		}
		select {
		case <-s.readable:
		case <-s.closed:
		case <-over:
		}
	}
}

func (s *stream) tryRead(b []byte, over <-chan struct{}) (n int, err error, wait bool) {
	s.lan.mu.Lock()
	defer s.lan.mu.Unlock()
	select {
	case <-s.closed:
		return 0, s.opError("read", net.ErrClosed), false
	case <-over:
		return 0, s.opError("read", os.ErrDeadlineExceeded), false
	default:
	}
	switch {
	case s.broken:
		return 0, s.opError("read", os.NewSyscallError("read", syscall.ECONNRESET)), false
	case len(s.unread) > 0:
		n = copy(b, s.unread)
		s.unread = s.unread[n:]
		if len(s.unread) > 0 {
			signal(s.readable) // for another reader
		}
		signal(s.room)
		return n, nil, false
	case s.ended:
		signal(s.readable)
		return 0, io.EOF, false
	}
	return 0, nil, len(b) > 0
}

func (s *stream) Write(b []byte) (int, error) {
	written := 0
	for {
		over := s.writing.over()
		n, err := s.tryWrite(b[written:], over)
		written += n
		if err != nil || written == len(b) {
			return written, err
		}
		select {
		case <-s.other.room:
		case <-s.closed:
		case <-over:
		}
	}
}

func (s *stream) tryWrite(b []byte, over <-chan struct{}) (int, error) {
	s.lan.mu.Lock()
	defer s.lan.mu.Unlock()
	select {
	case <-s.closed:
		return 0, s.opError("write", net.ErrClosed)
	case <-over:
		return 0, s.opError("write", os.ErrDeadlineExceeded)
	default:
	}
	if s.broken {
		signal(s.other.room)
		return 0, s.opError("write", os.NewSyscallError("write", syscall.ECONNRESET))
	}
	if s.noWrite {
		return 0, s.opError("write", os.NewSyscallError("write", syscall.EPIPE))
	}
	n := min(len(b), streamBuffer-len(s.other.unread)-s.other.flight)
	if n <= 0 {
		return 0, nil
	}
	s.other.flight += n
	data := slices.Clone(b[:n])
	s.carry(func() { s.other.arrive(data) })
	if s.other.flight+len(s.other.unread) < streamBuffer {
		signal(s.other.room) // for another writer
	}
	return n, nil
}

// carry takes a piece to the other end, after all pieces before it.
func (s *stream) carry(arrive func()) {
	s.other.coming = append(s.other.coming, arrive)
	s.move()
}

// move makes the other end's next piece arrive when it is time: each call
// lets one piece through, whichever is the first then.
func (s *stream) move() {
	l, o := s.lan, s.other
	if !l.open(s) {
		o.stuck++
		return
	}
	p, link := l.pair(s.machine, o.machine), l.linkOf(s.machine, o.machine)
	wait := link.Delay + time.Duration(p.rng.Float64()*float64(link.Jitter))
	for range maxResends {
		if p.rng.Float64() < link.Loss {
			wait += resend
		}
	}
	at := time.Now().Add(wait)
	if at.Before(o.last) {
		at = o.last
	}
	o.last = at
	l.after(time.Until(at), func() {
		if !l.open(s) {
			o.stuck++
			return
		}
		arrive := o.coming[0]
		o.coming = o.coming[1:]
		arrive()
	})
}

// open tells whether pieces can pass and be acknowledged.
func (l *LAN) open(s *stream) bool {
	o := s.other
	there := func(s *stream) bool { return s.local.Addr().IsLoopback() || s.machine.has(s.local.Addr()) }
	return there(s) && there(o) && !l.linkOf(s.machine, o.machine).Cut && !l.linkOf(o.machine, s.machine).Cut
}

// allStreams returns the ends of all streams, the oldest first.
func (l *LAN) allStreams() []*stream {
	return slices.SortedFunc(maps.Keys(l.streams), func(a, b *stream) int { return cmp.Compare(a.order, b.order) })
}

// retryStreams sends again what was held while the way was cut.
func (l *LAN) retryStreams() {
	for _, s := range l.allStreams() {
		if s.stuck > 0 && l.open(s.other) {
			n := s.stuck
			s.stuck = 0
			for range n {
				s.other.move()
			}
		}
	}
}

// arrive takes in what has come.
func (s *stream) arrive(data []byte) {
	s.flight -= len(data)
	if s.isClosed() { // nobody will read it: the sender is told
		s.other.reset()
		return
	}
	s.lan.count(s.lan.pair(s.other.machine, s.machine), func(c *Counts) *int { return &c.Stream }, len(data))
	s.unread = append(s.unread, data...)
	signal(s.readable)
}

// reset breaks the stream: what was not read is lost.
func (s *stream) reset() {
	s.broken, s.unread = true, nil
	signal(s.readable)
	signal(s.other.room)
}

// end tells the other end that no more comes.
func (s *stream) end() {
	if !s.noWrite {
		s.noWrite = true
		s.carry(func() {
			s.other.ended = true
			signal(s.other.readable)
		})
	}
}

// CloseWrite tells the other end that no more comes.
func (s *stream) CloseWrite() error {
	s.lan.mu.Lock()
	defer s.lan.mu.Unlock()
	if s.isClosed() {
		return s.opError("close", net.ErrClosed)
	}
	s.end()
	return nil
}

// Close leaves what was written to arrive. As in TCP, the other end sees a
// reset if there was something to read that nobody will.
func (s *stream) Close() error {
	s.lan.mu.Lock()
	defer s.lan.mu.Unlock()
	if s.isClosed() {
		return s.opError("close", net.ErrClosed)
	}
	if len(s.unread) > 0 {
		s.carry(s.other.reset)
	} else {
		s.end()
	}
	s.close()
	return nil
}

// abort closes with a reset.
func (s *stream) abort() {
	if !s.isClosed() {
		s.carry(s.other.reset)
		s.close()
	}
}

func (s *stream) close() {
	close(s.closed)
	s.unread = nil
	s.reading.set(time.Time{})
	s.writing.set(time.Time{})
	signal(s.room)
	if s.other.isClosed() {
		delete(s.lan.streams, s)
		delete(s.lan.streams, s.other)
	}
}

func (s *stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *stream) SetReadDeadline(t time.Time) error  { return s.setDeadline(&s.reading, t) }
func (s *stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.writing, t) }

func (s *stream) setDeadline(d *deadline, t time.Time) error {
	if s.isClosed() {
		return s.opError("set", net.ErrClosed)
	}
	d.set(t)
	return nil
}
