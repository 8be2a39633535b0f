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
	Frames []byte         // the frames in clear, valid during the call; nil in Acked and Lost
}
