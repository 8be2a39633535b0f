package lanes

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"parley/tcp"
	"parley/text"
	"parley/transport"
	"parley/udp"
)

const (
	// sampling is how often connections are asked what they count.
	sampling = 250 * time.Millisecond
	// Poll is how often those who show packets as they come should look: often
	// enough that nobody sees it.
	Poll = 50 * time.Millisecond
)

// A Recorder keeps what happens to the packets of a program. Any number of
// goroutines may use it.
type Recorder struct {
	now func() time.Duration

	mu    sync.Mutex
	board *board
}

// New returns a Recorder whose time begins now.
func New() *Recorder {
	began := time.Now()
	return newRecorder(func() time.Duration { return time.Since(began) })
}

func newRecorder(now func() time.Duration) *Recorder {
	return &Recorder{now: now, board: newBoard()}
}

// UDP is for udp.Endpoint.Trace.
func (r *Recorder) UDP() *udp.Trace {
	tell := func(kind Kind) func(udp.Packet) { return func(p udp.Packet) { r.datagram(kind, p) } }
	return &udp.Trace{Sent: tell(Sent), Received: tell(Received), Acked: tell(Acked), Lost: tell(Lost), Repeated: tell(Repeated)}
}

func (r *Recorder) datagram(kind Kind, p udp.Packet) {
	out := Packet{Kind: kind, Via: UDP, Number: p.Number, Size: p.Size, Again: p.Again}
	if p.Frames != nil {
		c := p.Content()
		out.Messages, out.Talk, out.Seq, out.upto, out.fresh = c.Messages, c.First != nil, seqOf(c.First), c.Upto, c.Bare
	}
	r.add(p.Conn, out)
}

// TCP is for tcp.Endpoint.Trace.
func (r *Recorder) TCP() *tcp.Trace {
	tell := func(kind Kind) func(tcp.Chunk) { return func(c tcp.Chunk) { r.chunk(kind, c) } }
	return &tcp.Trace{Sent: tell(Sent), Received: tell(Received)}
}

func (r *Recorder) chunk(kind Kind, c tcp.Chunk) {
	n, first := c.Messages()
	r.add(c.Conn, Packet{Kind: kind, Via: TCP, Size: c.Size, Messages: n, fresh: n, Talk: n > 0, Seq: seqOf(first)})
}

func (r *Recorder) add(id uint64, p Packet) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	p.At = now
	r.board.add(id, p)
}

// seqOf is the number of the event that a message of a room's host begins
// with, or 0.
func seqOf(msg []byte) (seq uint64) {
	digits, found := bytes.CutPrefix(msg, []byte(`{"seq":`))
	if !found {
		return 0
	}
	for i, c := range digits {
		if c < '0' || c > '9' || i == 19 {
			break
		}
		seq = seq*10 + uint64(c-'0')
	}
	return seq
}

// identified is a Conn that a Trace knows by a number.
type identified interface{ ID() uint64 }

// Open tells of a connection, and returns what to call when it has ended. One that no
// carrier traces has no lane.
func (r *Recorder) Open(c transport.Conn) (ended func()) {
	peer := c.Peer()
	known, ok := c.(identified)
	if !ok || peer.Via != UDP.String() && peer.Via != TCP.String() {
		return func() {}
	}
	via := UDP
	if peer.Via == TCP.String() {
		via = TCP
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.board.open(now, via, known.ID())
	if l == nil {
		return func() {}
	}
	l.peer = peer
	l.conn, _ = c.(transport.Statser)
	return func() {
		now := r.now()
		r.mu.Lock()
		defer r.mu.Unlock()
		l.ended, l.conn = now, nil
	}
}

// Name tells whose connections are.
func (r *Recorder) Name(nicks map[transport.Peer]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.board.lanes {
		if nick, known := nicks[l.peer]; known {
			l.nick = nick
		}
	}
}

// Sample asks each connection what it counts, four times a second until ctx ends, and
// calls names as often, which tells Name who is there.
func (r *Recorder) Sample(ctx context.Context, names func()) {
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	for {
		names()
		r.sample()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sample asks outside the lock: a Conn that answers may be telling its Trace
// something, which waits for the lock.
func (r *Recorder) sample() {
	type asked struct {
		l     *lane
		conn  transport.Statser
		stats transport.Stats
	}
	r.mu.Lock()
	r.board.sweep(r.now())
	ask := make([]asked, 0, len(r.board.lanes))
	for _, l := range r.board.lanes {
		if l.conn != nil {
			ask = append(ask, asked{l: l, conn: l.conn})
		}
	}
	r.mu.Unlock()
	for i := range ask {
		ask[i].stats = ask[i].conn.Stats()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range ask {
		r.board.sample(r.now(), a.l, a.stats)
	}
}

// Totals are what a carrier came to.
func (r *Recorder) Totals(via Via) Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.board.totals[via]
}

// A Follower reads what a Recorder has, at its own pace.
type Follower struct {
	r    *Recorder
	next uint64
	buf  [256]Packet
}

// Follow returns a Follower of all that happens from now on.
func (r *Recorder) Follow() *Follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &Follower{r: r, next: r.board.next}
}

// Next gives what has happened since the last call, at most 256 packets, which are
// valid until the next call, and how many it was too slow for. It does not wait.
func (f *Follower) Next() (some []Packet, missed uint64) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	n, next, missed := f.r.board.since(f.next, f.buf[:])
	f.next = next
	return f.buf[:n], missed
}

// Lane is whose a lane is: a nick, or an address while nobody sits there.
func (r *Recorder) Lane(index int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, found := slices.BinarySearchFunc(r.board.lanes, index, func(l *lane, index int) int { return cmp.Compare(l.index, index) })
	if !found {
		return "?"
	}
	return r.board.lanes[i].name()
}

// name is what a lane is called.
func (l *lane) name() string {
	switch {
	case l.nick != "":
		return text.Clean(l.nick)
	case l.peer.Addr.IsValid():
		return l.peer.Addr.String()
	}
	return "(new)"
}
