package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"time"

	"parley/transport"
)

// instant is a time in nanoseconds since the Endpoint started.
type instant int64

const (
	microsecond = instant(time.Microsecond)
	millisecond = instant(time.Millisecond)
	second      = instant(time.Second)
	never       = instant(1<<63 - 1)
)

// What both ends agree on.
const (
	maxMessage  = transport.MaxMessage
	basePacket  = 1200             // bytes of a datagram every path must carry; the HELLO proves it
	largePacket = 1452             // tried when there is much to send: Ethernet's 1500 less IPv6 and UDP
	window      = 256 << 10        // cost of messages a peer may send ahead of what was received
	maxAckSpans = 32               // in one ACK
	ackDelay    = 25 * millisecond // longest wait before a packet is acknowledged
	ackEvery    = 16               // packets that one acknowledgement waits for at most
)

// How long nothing of ours may have been acknowledged before we ask for it. A
// member asks soon: it is the one who goes elsewhere when the path is dead, and
// the host it knew may have been restarted and know nothing of it, which a
// listener would not learn otherwise. It costs the two of them 3.6 kB a minute.
// In a conversation it asks sooner, which costs next to nothing then: whoever
// has just said the last of what he had to say should not learn later than the
// others that nothing comes any more.
const (
	memberAsks = 2 * second
	livelyAsks = second / 2
	livelyFor  = 10 * second // after a message either way
	hostAsks   = 15 * second
)

// What one end decides for itself.
const (
	// sendBuffer is the cost of messages accepted and not yet acknowledged, or not
	// yet sent if bare, per lane: more than a LAN has under way, and what a
	// peer costs that reads nothing.
	sendBuffer   = 2 * (maxMessage + 32) // two of the longest
	maxSpans     = 256                   // of packet numbers remembered; what is older counts as having come
	ackRepeats   = 8                     // ACKs that name a packet, if those before it are missing
	deadAfter    = 30 * second           // without a word from the peer
	lateness     = 1 * second            // a timer this late means that we were stopped, not the peer
	graceAfter   = 5 * second            // what the peer gets to answer then
	closeTries   = 8                     // probes in a row that Close waits for,
	closeSilence = 2 * second            // and as long, since with a short round trip they take no time
	closeLimit   = 10 * second           // and the longest it waits for a peer that answers but does not read
	lingerTries  = 10                    // times CLOSE is sent: at 30 % loss one in 100,000 goes unheard
	lingerAfter  = 200 * millisecond
	lingerProbes = 16      // or as many times the wait of a probe, if that is less
	unread       = 1 << 40 // cost of messages; more than a peer has in a lifetime
	pathTries    = 3
	pathInterval = 50 * millisecond
)

// stage is where a link is in its life:
//
//	open ──close()──► closing ──all acknowledged──► lingering ──CLOSE acknowledged──► gone
//	  │                  │                             ▲
//	  ├──── CLOSE from the peer ───────────────────────┘ (answers repeats for a while)
//	  └──── silence, broken rule ─────────────────────────────────────────────────────► gone
type stage uint8

const (
	open stage = iota
	closing
	lingering
	gone
)

// link is one conversation: a machine that takes datagrams and the time, and
// gives datagrams and when it wants to be woken. It knows no socket and no
// clock. Conn.mu guards it.
//
// Its parts: recovery (what became of packets), the lanes (what became of
// messages), and here its life.
type link struct {
	id    uint64
	host  bool // this end was dialed
	kind  byte // first byte of packets sent
	guard protector
	rand  io.Reader
	trace *Trace

	mute    bool // nothing may be sent until the peer's first packet has confirmed the keys
	stage   stage
	err     error // why it is gone, or the peer's goodbye
	heard   instant
	planned instant // when tick was to be called
	spoken  instant // when a message last came or left
	refused instant // since when the system sends nothing of ours; never: it does
	ends    instant // of closing or lingering
	ping    bool    // a PING is due
	bye     struct {
		due  bool
		code byte
		sent int
	}

	peer netip.AddrPort
	path struct { // an address the peer may have moved to
		addr  netip.AddrPort
		data  uint64
		tries int
		at    instant // of the next try
	}
	answer struct { // a challenge to answer
		due  bool
		addr netip.AddrPort
		data uint64
	}

	recovery
	out      [2]outLane
	bare     deque[[]byte]
	bareHeld int // cost of bare
	resend   deque[ref]
	started  int64 // cost of messages begun
	limit    int64 // what the peer lets us begin

	got     ranges // packets that came
	from    uint64 // earlier ones count as having come
	highest uint64 // one more than the largest
	pending int    // packets not yet acknowledged
	ackBy   instant
	gotAt   instant                // when the largest came
	news    uint64                 // the smallest that came since the last ACK,
	told    [ackRepeats - 1]uint64 // and before those before it
	in      [2]inLane
	ready   store // messages to be received, each behind its length
	waiting int   // cost of ready, but for the bare messages
	taken   int64 // cost of messages received, but for those
	granted int64 // what we let the peer begin

	bareWaiting int // cost of the bare messages in ready: nobody gave credit for them

	stats transport.Stats
}

var (
	errBroken = errors.New("the peer broke the protocol")
	errSilent = errors.New("the peer is silent")
	errIdle   = errors.New("the peer does not take what is left")
	errBye    = errors.New("the peer said goodbye")
)

func newLink(id uint64, host bool, peer netip.AddrPort, guard protector, rtt, now instant) *link {
	l := &link{id: id, host: host, guard: guard, peer: peer, heard: now, planned: never, refused: never,
		limit: window, granted: window, ackBy: never, ends: never}
	l.kind = packetSealed
	if _, plain := guard.(checksum); plain {
		l.kind = packetPlain
	}
	if host {
		l.kind |= packetFromHost
	}
	l.in[0].ordered = true
	l.news = math.MaxUint64
	for i := range l.told {
		l.told[i] = l.news
	}
	l.recovery.init(rtt)
	l.answered, l.spoken = now, now-livelyFor
	return l
}

// close ends the conversation once everything accepted has arrived.
func (l *link) close(now instant) {
	if l.stage == open {
		l.stage, l.ends = closing, now+closeLimit
		l.taken += unread                              // nobody will; the peer must not wait for it
		l.ping = l.ping || l.flying > 0 && l.delay > 0 // not that Close waits for a late acknowledgement
		l.settle(now)
	}
}

// abort says why and ends it now.
func (l *link) abort(now instant, code byte, err error) {
	if l.stage < lingering {
		l.err = err
		l.bye.code = code
		l.dropOutput()
		l.sayGoodbye(now)
	}
}

// settle goes from closing to lingering when nothing is left to deliver.
func (l *link) settle(now instant) {
	if l.stage == closing && l.out[0].msgs.len()+l.out[1].msgs.len()+l.bare.len() == 0 {
		l.sayGoodbye(now)
	}
}

func (l *link) sayGoodbye(now instant) {
	l.stage, l.ends, l.bye.due = lingering, never, true
}

func (l *link) fail(err error) {
	if l.err == nil {
		l.err = err
	}
	l.stage = gone
}

// held is the cost of what was accepted for a lane and is still kept.
func (l *link) held(d transport.Delivery) int {
	if d == transport.Bare {
		return l.bareHeld
	}
	return l.out[d].held
}

// room tells whether a message of n bytes may be pushed now.
func (l *link) room(d transport.Delivery, n int) bool {
	held := l.held(d)
	return held == 0 || held+cost(n) <= sendBuffer
}

func (l *link) push(d transport.Delivery, msg []byte) {
	if d != transport.Bare {
		l.out[d].push(msg)
		return
	}
	l.bare.push(append([]byte(nil), msg...))
	l.bareHeld += cost(len(msg))
}

// take appends messages received to b, each behind its length in 4 bytes: as
// many as are there and end within the first most bytes of b, but at least one.
func (l *link) take(b []byte, most int) []byte {
	for l.ready.len() > 0 {
		var head [4]byte
		l.ready.read(l.ready.head, head[:])
		bare := head[0]&(bareMark>>24) != 0
		head[0] &^= bareMark >> 24
		n, at := int(binary.BigEndian.Uint32(head[:])), len(b)
		if at > 0 && at+len(head)+n > most {
			break
		}
		b = slices.Grow(b, len(head)+n)[:at+len(head)+n]
		copy(b[at:], head[:])
		l.ready.read(l.ready.head+uint64(len(head)), b[at+len(head):])
		l.ready.drop(l.ready.head + uint64(len(head)+n))
		if bare {
			l.bareWaiting -= cost(n)
		} else {
			l.waiting -= cost(n)
			l.taken += int64(cost(n))
		}
	}
	return b
}

// creditDue tells that the peer should hear that it may send more. What is left to
// it then is as much as it keeps unacknowledged (sendBuffer): it need not wait.
func (l *link) creditDue() bool {
	return l.creditLost || l.taken+window-l.granted >= window/2
}

// tick does what has become due.
func (l *link) tick(now instant) {
	if l.stage == gone {
		return
	}
	if l.planned != never && now > l.planned+lateness {
		l.excuse(now-l.planned, now)
	}
	switch {
	case now >= l.deadAt():
		quiet := max(now-l.heard, instant(l.silent(now)))
		l.fail(fmt.Errorf("%w: %w for %v", transport.ErrLost, errSilent, duration(quiet).Round(time.Second)))
		return
	case l.stage == closing && l.probed >= closeTries && l.silent(now) >= duration(closeSilence):
		l.fail(fmt.Errorf("%w: %w", transport.ErrLost, errSilent))
		return
	case l.stage == closing && now >= l.ends:
		l.abort(now, closeGaveUp, fmt.Errorf("%w: %w", transport.ErrLost, errIdle))
	case l.stage == lingering && (now >= l.ends || l.bye.sent >= lingerTries && l.probed > 0 && now >= l.probeAt()):
		l.stage = gone
		return
	}
	if now >= l.asksAt() {
		l.ping = true
	}
	if l.path.tries >= pathTries && now >= l.path.at {
		l.path.addr = netip.AddrPort{}
		l.path.tries = 0
	}
	if now >= l.lossAt {
		l.findLost(now)
	}
	if now >= l.probeAt() {
		l.probe()
	}
}

// excuse makes up for time in which we did not run: that is no silence of the
// peer's, though he may have given us up meanwhile.
func (l *link) excuse(late, now instant) {
	l.heard = max(l.heard, now-deadAfter+graceAfter)
	l.answered, l.flyingSince = min(now, l.answered+late), min(now, l.flyingSince+late)
}

// deadAt is when the peer counts as gone: not heard for long, or heard without
// ever a word about what we sent.
func (l *link) deadAt() instant {
	at := l.heard
	if l.flying > 0 {
		at = min(at, max(l.answered, l.flyingSince))
	}
	return at + deadAfter
}

// wake is when tick and next want to be called again.
func (l *link) wake(now instant) instant {
	if l.stage == gone {
		return never
	}
	at := min(l.deadAt(), l.ends, l.ackBy, l.lossAt, l.probeAt())
	if !l.mute {
		at = min(at, l.asksAt())
	}
	if l.path.addr.IsValid() {
		at = min(at, l.path.at)
	}
	if wait := l.paced(now); wait > 0 && (l.probes > 0 || l.flying < l.cc.window) && l.eager() {
		at = min(at, now+wait)
	}
	l.planned = at
	return at
}

// restless tells whether the link wants to be served before the time it
// planned.
func (l *link) restless(now instant) bool {
	return l.answer.due || l.stage != open || l.ackBy < l.planned || l.lossAt < l.planned || l.probeAt() < l.planned ||
		l.path.addr.IsValid() && l.path.at < l.planned || l.eager()
}

// asksAt is when a PING is due: that we hear the peer does not tell whether it
// hears us.
func (l *link) asksAt() instant {
	switch {
	case l.flying > 0 || l.stage != open:
		return never
	case l.host:
		return l.answered + hostAsks
	case l.answered < l.spoken+livelyFor:
		return l.answered + livelyAsks
	}
	return l.answered + memberAsks
}

// silent is how long the peer has owed an acknowledgement. If we are behind our
// own plan, we did not run, and what came meanwhile may wait to be read.
func (l *link) silent(now instant) time.Duration {
	if l.flying == 0 {
		return 0
	}
	if l.planned != never && now > l.planned+lateness {
		now = l.planned
	}
	return duration(max(0, now-max(l.answered, l.flyingSince)))
}

// took notes whether the system took what was to be sent.
func (l *link) took(ok bool, now instant) {
	if ok {
		l.refused = never
	} else {
		l.refused = min(l.refused, now)
	}
}

// demand has the peer show that full packets come through: all are padded
// until one that left after now has been acknowledged.
func (l *link) demand() {
	l.proof, l.ping = l.next, true
}

func (l *link) snapshot(now instant) transport.Stats {
	s := l.stats
	s.RTT, s.RTTVar, s.MinRTT = time.Duration(l.rtt.smoothed), time.Duration(l.rtt.variance), time.Duration(l.rtt.least)
	s.Window, s.InFlight, s.Silent = l.cc.window, l.flying, l.silent(now)
	if l.refused != never {
		s.Stuck = duration(now - l.refused)
	}
	for i := range l.out {
		s.Queued += l.out[i].unsent()
	}
	return s
}
