package tcp

import (
	"net/netip"
	"time"
)

// recordCost is what TLS 1.3 adds to each record that is written: a header, the
// record's type, and the tag of the ciphers there are.
const recordCost = 5 + 1 + 16

// Trace is told what is written to streams and read from them. Callbacks that are
// nil are not called. They are called one at a time in each direction of a Conn: they
// must be quick and must not call the Conn's methods.
//
// That is all that can be known here. Segments are the kernel's: how it cuts
// them, when it sends one again, and what it acknowledges is seen from outside as
// counters alone, where it tells (Stats).
type Trace struct {
	Sent     func(Chunk) // handed to the kernel with the next write, or writes
	Received func(Chunk) // what one read brought
}

// Chunk is a piece of a stream.
type Chunk struct {
	Conn   uint64         // the number of the connection in this program
	Size   int            // bytes: sent, with what TLS adds; received, without
	Writes int            // of Sent: how many it takes, each one record of TLS
	Peer   netip.AddrPort // where it goes, or comes from
	Host   bool           // whether this end is the one that was dialed
	At     time.Duration  // since the Conn was made
	Frames []byte         // whole frames in clear, valid during the call
}

// Messages looks into Frames: n is how many messages there are, and first the
// first of them. Without any there are only PINGs and the like, or a part of a
// frame that is not whole yet.
func (c Chunk) Messages() (n int, first []byte) {
	for b := c.Frames; ; {
		size, err := frameSize(b)
		if err != nil || size == 0 || size > len(b) {
			return n, first
		}
		if frame := b[:size]; !isControl(frame) {
			if n++; first == nil {
				first = frame[headerSize:]
			}
		}
		b = b[size:]
	}
}

func (c *conn) traceSent(b []byte, now time.Duration) {
	if c.trace == nil || c.trace.Sent == nil {
		return
	}
	k := c.chunk(b, len(b), now)
	k.Writes = (len(b) + writeChunk - 1) / writeChunk
	if c.peer.Secure {
		k.Size += k.Writes * recordCost
	}
	c.trace.Sent(k)
}

func (c *conn) traceReceived(frames []byte, size int) {
	if c.trace != nil && c.trace.Received != nil && size > 0 {
		c.trace.Received(c.chunk(frames, size, c.now()))
	}
}

func (c *conn) chunk(frames []byte, size int, now time.Duration) Chunk {
	return Chunk{Conn: c.id, Size: size, Peer: c.peer.Addr, Host: !c.dialed, At: now, Frames: frames}
}

// ID is what a Trace calls the Conn: Chunk.Conn.
func (c *conn) ID() uint64 { return c.id }
