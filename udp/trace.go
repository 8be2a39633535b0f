package udp

import (
	"net/netip"
	"time"
)

// Trace is told what happens to packets. Callbacks that are nil are not
// called. They are called one at a time for each Conn, by whoever moves its
// packets: they must be quick and must not call the Conn's methods.
type Trace struct {
	Sent     func(Packet)
	Received func(Packet)
	Acked    func(Packet)
	Lost     func(Packet)                        // declared lost; what it carried is sent again in another packet
	Resent   func(Packet)                        // it carries something that an earlier packet carried, too
	Repeated func(Packet)                        // received before, and dropped
	Window   func(id uint64, window, flying int) // bytes, after each change
	RTT      func(id uint64, latest, smoothed time.Duration)
}

// Packet describes one packet to a Trace.
type Packet struct {
	Conn   uint64         // connection id
	Number uint64         // packet number
	Size   int            // of the datagram, bytes
	Peer   netip.AddrPort // where it goes, or came from
	Host   bool           // whether this end is the one that was dialed
	At     time.Duration  // since the Endpoint started
	Frames []byte         // the frames in clear, valid during the call; nil in Acked, Lost and Repeated
	Again  bool           // it carries something that an earlier packet carried, too: Resent follows on Sent
}

// Content is what the frames of a packet carry.
type Content struct {
	Messages int       // that begin in it, or stand in it whole
	First    []byte    // what it has of the first message in it; nil: it only acknowledges, or asks for that
	Upto     [2]uint64 // of the ordered and the unordered lane: one more than the last number of a message that begins in it
	Bare     int       // messages of no lane
}

// Content looks into Frames.
func (p Packet) Content() (c Content) {
	r := reader{b: p.Frames}
	for len(r.b) > 0 && !r.bad {
		switch t := r.byte(); {
		case t == framePadding || t == framePing:
		case t == frameAck:
			r.ack(func(span) {})
		case t == frameCredit:
			r.varint()
		case t == frameChallenge || t == frameResponse:
			r.take(8)
		case t == frameClose:
			r.byte()
		case t >= frameMessages && t < frameBare:
			for m := r.piece(t); !r.bad; r.next(&m) {
				c.begin(m.data, m.offset == 0)
				if m.offset == 0 {
					c.Upto[m.lane] = max(c.Upto[m.lane], m.number+1)
				}
				if !m.more {
					break
				}
			}
		case t == frameBare:
			c.begin(r.take(r.varint()), true)
			c.Bare++
		default:
			return c
		}
	}
	return c
}

func (c *Content) begin(data []byte, begins bool) {
	if c.First == nil {
		c.First = data
	}
	if begins {
		c.Messages++
	}
}
