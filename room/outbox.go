package room

import (
	"sync"
	"time"

	"parley/transport"
)

const (
	// maxQueue and maxQueueBytes bound the events that wait for one slow
	// member. With more it reads from the log, which costs no memory.
	maxQueue      = 256
	maxQueueBytes = 256 << 10
	// maxCommands bounds the commands of one member that are on their way or
	// whose answer is: its reader takes no more until one is answered.
	maxCommands = 32
)

// frame is an event in wire form, shared by all who get it.
type frame struct {
	seq  uint64
	data []byte
	said bool // it may use another lane
}

// offered is an event in the queue of a member, or a run of those it may not see.
type offered struct {
	frame *frame
	from  uint64
	count uint64
}

// letter is an answer.
type letter struct {
	data    []byte
	charged bool // it answers a command that was counted
	asked   bool // it ends the answer to a question about the log
}

// start is how a seat's stream of events begins.
type start struct {
	welcome report
	roster  [][]byte
	viewer  transport.Key
	after   uint64 // events follow from here,
	history int    // and so many more from before
	head    uint64
	deaf    bool
}

// outbox is what waits to be sent on one connection: answers, and events in
// the order of the log. The core puts in and never waits, the writer takes
// out. Up to maxQueue events wait in memory; when there are more, only the
// newest seq is kept, and the writer reads the log up to it.
type outbox struct {
	lanes   bool          // the connection can do more than Ordered
	ready   chan struct{} // something was put in
	credits chan struct{} // holds one for each command not answered
	asking  chan struct{} // holds one while a question about the log is

	mu      sync.Mutex
	begin   *start
	letters []letter
	told    map[uint64][2]uint64 // by seq: received by how many, of how many
	live    []offered
	bytes   int
	open    bool   // the stream has begun
	head    uint64 // the newest event there is
	behind  bool   // live ends before head
	last    []byte // the last word
	ended   bool
	resume  time.Time // when the reader may go on
}

func newOutbox(lanes bool) *outbox {
	return &outbox{lanes: lanes, ready: make(chan struct{}, 1), credits: make(chan struct{}, maxCommands), asking: make(chan struct{}, 1)}
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// answered gives back what a command's reader took.
func (o *outbox) answered() {
	select {
	case <-o.credits:
	default:
	}
}

// answeredAsk lets the reader ask the log again.
func (o *outbox) answeredAsk() {
	select {
	case <-o.asking:
	default:
	}
}

// control puts in an answer. charged tells that it answers a command.
func (o *outbox) control(data []byte, charged bool) { o.put(letter{data: data, charged: charged}) }

func (o *outbox) put(l letter) {
	o.mu.Lock()
	o.letters = append(o.letters, l)
	o.mu.Unlock()
	o.wake()
}

// receipts puts in, by seq, how many have received what. A newer count takes
// the place of one that still waits.
func (o *outbox) receipts(triples [][3]uint64) {
	o.mu.Lock()
	if o.told == nil {
		o.told = map[uint64][2]uint64{}
	}
	for _, t := range triples {
		o.told[t[0]] = [2]uint64{t[1], t[2]}
	}
	o.mu.Unlock()
	o.wake()
}

// start begins the stream of events.
func (o *outbox) start(s *start) {
	o.mu.Lock()
	o.begin, o.head, o.open = s, s.head, !s.deaf
	o.behind = o.open // the writer finds out what is missing
	o.mu.Unlock()
	o.wake()
}

// offer puts in the next event, or that there was one not to be seen.
func (o *outbox) offer(f *frame, visible bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || f.seq <= o.head {
		return
	}
	o.head = f.seq
	if o.behind {
		return
	}
	o.wake()
	if n := len(o.live); !visible && n > 0 && o.live[n-1].frame == nil {
		o.live[n-1].count++
		return
	}
	if len(o.live) >= maxQueue || o.bytes+len(f.data) > maxQueueBytes {
		o.behind = true
		return
	}
	if !visible {
		o.live = append(o.live, offered{from: f.seq, count: 1})
		return
	}
	o.live = append(o.live, offered{frame: f})
	o.bytes += len(f.data)
}

// finish puts in the last word, after which the connection is closed.
func (o *outbox) finish(last []byte) {
	o.mu.Lock()
	if !o.ended {
		o.last, o.ended = last, true
	}
	o.mu.Unlock()
	o.wake()
}

// pause has the reader wait until t.
func (o *outbox) pause(t time.Time) {
	o.mu.Lock()
	o.resume = t
	o.mu.Unlock()
}

// paused returns until when the reader waits.
func (o *outbox) paused() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.resume
}

// work is what a writer takes at once.
type work struct {
	begin   *start
	letters []letter
	told    map[uint64][2]uint64
	live    []offered
	upto    uint64 // not zero: read the log up to here
	last    []byte
	ended   bool
}

// take takes what there is. sent is the newest event the writer has dealt with.
func (o *outbox) take(sent uint64, reuse work) (w work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w = work{begin: o.begin, letters: o.letters, told: o.told, live: o.live, last: o.last, ended: o.ended}
	clear(reuse.letters)
	clear(reuse.live)
	o.begin, o.letters, o.told, o.live, o.bytes = nil, reuse.letters[:0], nil, reuse.live[:0], 0
	if o.behind && len(w.live) == 0 && w.begin == nil {
		if w.upto = o.head; sent >= o.head {
			o.behind, w.upto = false, 0
		}
	}
	return w
}

// takeLetters takes the answers alone, for a writer that is reading the log.
func (o *outbox) takeLetters(reuse []letter) (letters []letter, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	letters, o.letters = o.letters, reuse[:0]
	return letters, o.ended
}
