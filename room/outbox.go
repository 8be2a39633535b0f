package room

import (
	"sync"
	"time"

	"parley/transport"
)

const (
	// maxQueue is how many events a member may be behind and still get them by
	// the room's lane. Of more, none is worth losing.
	maxQueue = 256
	// maxCommands bounds the commands of one member that are on their way or
	// whose answer is: its reader takes no more until one is answered.
	maxCommands = 32
)

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
	feed    *feed
	deaf    bool
}

// outbox is what waits to be sent on one connection: answers, and how far the
// events go. The core puts in and never waits, the writer takes out, events from
// the feed as long as it has them.
type outbox struct {
	lanes   bool          // the connection can do more than Ordered
	ready   chan struct{} // something was put in
	credits chan struct{} // holds one for each command not answered
	asking  chan struct{} // holds one while a question about the log is

	mu      sync.Mutex
	begin   *start
	letters []letter
	told    map[uint64][2]uint64 // by seq: received by how many, of how many
	feed    *feed
	open    bool   // the stream has begun
	sent    uint64 // the last event that was taken,
	head    uint64 // and the newest there is
	late    uint64 // events up to here use no other lane
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
	o.begin, o.feed, o.open, o.sent, o.head, o.late = s, s.feed, !s.deaf, s.after, s.head, s.head
	o.mu.Unlock()
	o.wake()
}

// grown tells that there is another event. One that waits is sent with the next
// that does not, or in a hurry.
func (o *outbox) grown(seq uint64, waits bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open || seq <= o.head {
		return
	}
	if o.head = seq; !waits {
		o.wake()
	}
}

// hurry has events sent that wait.
func (o *outbox) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open && o.sent < o.head {
		o.wake()
	}
}

// at has the events follow that come after one.
func (o *outbox) at(seq uint64) {
	o.mu.Lock()
	o.sent = seq
	o.mu.Unlock()
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
	live    []*frame
	late    uint64 // those up to here use no other lane
	upto    uint64 // not zero: read the log up to here
	last    []byte
	ended   bool
}

// take takes what there is, and of many events a few, so that no answer waits
// for all of them.
func (o *outbox) take(reuse work) (w work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w = work{begin: o.begin, letters: o.letters, told: o.told, last: o.last, ended: o.ended}
	o.begin, o.letters, o.told, w.live = nil, emptied(reuse.letters), nil, emptied(reuse.live)
	if w.begin != nil || !o.open || o.sent >= o.head {
		return w
	}
	if o.head-o.sent > maxQueue {
		o.late = o.head
	}
	w.late = o.late
	var first uint64
	if w.live, first = o.feed.after(o.sent, o.head, w.live); len(w.live) > 0 {
		o.sent = w.live[len(w.live)-1].seq
	} else if w.upto = o.head; first > o.sent {
		w.upto = min(first-1, o.head)
	}
	return w
}

// takeLetters takes the answers alone, for a writer that is reading the log.
func (o *outbox) takeLetters(reuse []letter) (letters []letter, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	letters, o.letters = o.letters, emptied(reuse)
	return letters, o.ended
}

// emptied returns a list to be filled again, unless it was a rare, long one.
func emptied[T any](list []T) []T {
	if cap(list) > maxAtOnce {
		return nil
	}
	clear(list)
	return list[:0]
}
