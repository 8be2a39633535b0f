// Package transport is what a room asks of a network: whole messages, both
// ways, between two peers who know each other's keys.
//
// A [Conn] is a conversation with one peer. A [Dialer] begins one, a [Listener]
// accepts them. The carriers (package udp over datagrams, package tcp over
// streams) provide all three; [Pipe] provides a Conn inside one process.
// Nothing here opens a socket.
//
// Whoever a peer is, it is the same on every carrier: a long-lived Ed25519 key
// ([Identity]), proved inside the encrypted connection by signing what is
// peculiar to that very connection ([Peer.Binding]); see [Identity.Proof].
package transport

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// MaxMessage is the size in bytes of the largest message a Conn carries. The
// smallest is one byte.
const MaxMessage = 64 << 10

// A Conn carries messages both ways between two peers.
//
// Messages arrive whole, in the order sent, each at most once, and none is
// lost while the Conn lives. After an error other than the context's or
// [ErrSize], a Conn is finished: what is left is to Close it.
type Conn interface {
	// Send hands msg over for delivery. It waits while the peer is behind
	// and keeps no reference to msg. Any number of goroutines may call it.
	// Nil means accepted, not acknowledged; when ctx ends the wait, nothing
	// was sent. It returns ErrSize for a message that is empty or longer
	// than MaxMessage, io.EOF after the peer closed, net.ErrClosed after
	// Close, and an error wrapping ErrLost when the link is dead.
	Send(ctx context.Context, msg []byte) error

	// Receive waits for the next message. The slice is valid until the next
	// Receive; only one goroutine may call it. It returns io.EOF after the
	// last message of a peer that closed, net.ErrClosed after Close, and an
	// error wrapping ErrLost when the link is dead.
	Receive(ctx context.Context) ([]byte, error)

	// Close delivers what Send accepted, giving up after a bounded time if
	// the peer does not answer, and ends every Send and Receive. Closing
	// again does nothing.
	Close() error

	// Peer tells who is at the other end.
	Peer() Peer
}

// Methods that a Conn may have besides; found by asserting the interface.
type (
	// A Batcher sends several messages at the cost of about one.
	Batcher interface {
		// SendBatch is Send for each of msgs in order. On an error some
		// first part of msgs may have been accepted.
		SendBatch(ctx context.Context, msgs [][]byte) error
	}

	// A LaneSender can deliver a message otherwise than in order.
	LaneSender interface {
		SendVia(ctx context.Context, d Delivery, msg []byte) error
	}

	// A Prober can show that the path carries full packets both ways, now.
	Prober interface {
		// Probe has the peer acknowledge a packet of full size and returns
		// when it has, or when ctx ends.
		Probe(ctx context.Context) error
	}

	// A Statser counts.
	Statser interface {
		Stats() Stats
	}
)

// Delivery is what a message may expect of its carrier.
type Delivery uint8

const (
	Ordered   Delivery = iota // once, in the order sent
	Unordered                 // once, as soon as it is there
	Bare                      // one datagram, never sent again: at most once
)

// MaxBare is the size in bytes of the largest message sent [Bare].
const MaxBare = 1100

// String gives the delivery's name as the command line knows it.
func (d Delivery) String() string {
	switch d {
	case Ordered:
		return "ordered"
	case Unordered:
		return "unordered"
	case Bare:
		return "bare"
	}
	return "unknown"
}

// A Dialer begins Conns.
type Dialer interface {
	// Dial returns when both ends have proved who they are. A peer that
	// answers but will not talk gives an error wrapping ErrRefused.
	Dial(ctx context.Context, addr netip.AddrPort) (Conn, error)
}

// A Listener hands out Conns that others began.
type Listener interface {
	// Accept returns the next Conn whose peer has proved who it is, and
	// net.ErrClosed after Close.
	Accept(ctx context.Context) (Conn, error)

	// Close refuses newcomers from then on. Conns already accepted live.
	Close() error
}

// Peer tells who is at the other end of a Conn.
type Peer struct {
	Key     Key            // proved, or zero: in plaintext nothing is proved
	Addr    netip.AddrPort // where it is now; it may move
	Via     string         // the carrier: "udp", "tcp" or "pipe"
	Secure  bool           // nobody on the way can read or change messages
	Binding [32]byte       // known to these two ends alone; zero in plaintext
}

// Stats are the counters of one Conn. A carrier leaves zero what it cannot know.
type Stats struct {
	RTT      time.Duration // smoothed round-trip time
	RTTVar   time.Duration // its mean deviation
	MinRTT   time.Duration // the least seen
	Window   int           // bytes that may be under way at once
	InFlight int           // bytes under way
	Queued   int           // bytes accepted and not yet sent
	Sent     uint64        // packets sent
	Received uint64        // packets received
	Lost     uint64        // packets sent and declared lost
	Resent   uint64        // packets that carried something for the second time
	Spurious uint64        // packets declared lost and acknowledged after all
	Repeated uint64        // packets received a second time and dropped
	BytesOut uint64        // payload bytes of datagrams, or of the stream, sent
	BytesIn  uint64        // and received
	// Silent is how long the peer has owed an answer: the time since it last
	// acknowledged something of ours, while something waits for that; else
	// zero. What it sends besides proves nothing: it may not hear us. Nor
	// does time count in which this program itself did not run.
	Silent time.Duration
	// Stuck is for how long our own system has refused everything that we
	// wanted sent: no route, a cable pulled, a firewall of our own.
	Stuck time.Duration
}

// Errors that callers tell apart.
var (
	// ErrLost is wrapped by the errors of a Conn whose link is dead.
	ErrLost = errors.New("connection lost")
	// ErrRefused is wrapped by Dial's errors where the peer answered that
	// it will not talk. See RefusedError.
	ErrRefused = errors.New("refused")
	// ErrSize is returned for a message that no Conn, or not this lane, carries.
	ErrSize = errors.New("message size out of bounds")
)

// Reason tells why a peer will not talk.
type Reason uint8

const (
	ReasonVersion Reason = 1 + iota // it speaks another version of the protocol
	ReasonMode                      // it is encrypted and we are not, or the reverse
	ReasonFull                      // it has no room for another Conn
	ReasonKey                       // the proof of identity failed
)

// String gives the reason in words.
func (r Reason) String() string {
	switch r {
	case ReasonVersion:
		return "it speaks another version of the protocol"
	case ReasonMode:
		return "one side is encrypted and the other is plaintext"
	case ReasonFull:
		return "it has no room for another connection"
	case ReasonKey:
		return "the proof of identity failed"
	}
	return "no reason given"
}

// RefusedError is the error of a Dial that the peer refused; it wraps ErrRefused.
type RefusedError struct{ Reason Reason }

func (e *RefusedError) Error() string { return "refused: " + e.Reason.String() }

// Unwrap makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Unwrap() error { return ErrRefused }
