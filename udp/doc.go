// Package udp carries messages over datagrams: it makes a network that loses,
// repeats and reorders look like one that does not, and shows what that takes.
//
// An [Endpoint] turns one socket into any number of [Conn]s. This comment is
// the protocol: from it alone one can write another implementation, and in
// plaintext mode that takes a page of Python.
//
// # A conversation
//
//	member                              host
//	  HELLO, 1200 bytes ───────────────►       who are you, at that address?
//	        ◄─────────────── RETRY, token      whoever reads this is there
//	secure:
//	  SHAKE(token, DTLS) ◄─────────────►       DTLS 1.2; both learn one secret
//	  packet 0: key and signature ─────►       the first packet confirms the keys
//	        ◄───── packet 0: key and signature
//	plaintext:
//	  HELLO with the token ────────────►
//	        ◄─────────────── ACCEPT, 1200 bytes
//	  packet 0: PING ──────────────────►       the host counts on us from now on
//	both:
//	  packets with messages ◄──────────►       numbered, acknowledged, sent again
//	  CLOSE ◄──────────────────────────►
//
// All integers are big-endian. Every datagram begins with a byte that tells its
// type, and names the conversation by an id of 8 random bytes that the member
// chose; to whom it belongs is decided by the id, not by the address. What is
// malformed, unknown or unexpected is dropped without an answer.
//
// # Before there are keys
//
//	HELLO   0x01  version 1, mode 1, id 8, token 20, zeros up to 1200 bytes
//	RETRY   0x02  id 8, token 20
//	REFUSE  0x03  id 8, reason 1
//	ACCEPT  0x04  id 8, zeros up to 1200 bytes
//	SHAKE   0x05  id 8, token 20, a DTLS datagram; the member's: zeros up to 1200 bytes
//
// The version is 1. The mode is 1 for secure, 2 for plaintext. The token of the
// first HELLO is zero. The host answers it with RETRY and keeps nothing: the
// token is a MAC over the member's address and port, the id, version and mode,
// and the time; it is good for 10 seconds. So whoever writes another's address on
// his datagrams makes the host remember nothing, and compute and send no more than
// he does himself. A HELLO of another version or mode is answered with REFUSE and
// the reason: 1 version, 2 mode, 3 full, 4 key.
//
// The member sends HELLO again after 50 ms, 100 ms and so on up to 800 ms until
// an answer comes. A REFUSE holds only if no RETRY follows within 150 ms, since
// whoever sees the wire can forge both. HELLO and ACCEPT are 1200 bytes long to
// prove that the path carries that much; whoever sends packets pads those that
// ask for an acknowledgement to 1200 bytes until the first was acknowledged. They
// may do so again later, to prove it anew (Conn.Probe).
//
// In secure mode the member then begins a DTLS handshake in SHAKE datagrams.
// It puts the token into each; the host leaves that field zero. The host opens
// a candidate for a SHAKE with a good token, within the limits of limiter, and
// goes by that token from then on. A SHAKE with another token is answered with
// RETRY. The member takes the token of such a RETRY if it has had that token before;
// or if the host has not taken part yet, 50 ms have gone by since its first SHAKE,
// and the RETRY is one of the first three. In all of the handshake the host sends
// no more bytes than have come.
// Only one cipher suite, extended master secret, and handshake messages that
// are not in fragments are let through (filter.go). When it has finished, each
// side exports two secrets (RFC 5705, no context, 32 bytes): "EXPORTER-parley
// keys", from which the packet keys come (crypt.go: the HKDF schedule), and
// "EXPORTER-parley-cb", the binding that the proof of identity signs. DTLS
// carries no data: its connection is dropped at that moment. The host answers
// a repeated last flight of the member with its own last flight again.
//
// The member speaks first. The host sends no packet before it has opened one.
// The first message of each side in the ordered lane is its proof of identity,
// 96 bytes, see [transport.Identity.Proof]; in plaintext there is none.
//
// # Packets
//
//	offset size
//	     0    1  0x40 sealed or 0x50 plaintext; 0x08 more with a short number;
//	             0x04 more to be acknowledged at once; 0x02 more from the host;
//	             0x01 more in odd key phases
//	     1    8  id
//	     9    4  the low 32 bits of the packet number; short: 1 byte, the low 8
//	    13       payload, then 16 bytes of AES-128-GCM tag, or 4 of CRC-32C
//
// Sealed, the payload is encrypted and the header before it is authenticated;
// in plaintext the CRC (Castagnoli, big-endian) is of everything before it and then
// bits 8 to 39 of the packet number, 4 bytes. Each direction numbers its packets from 0, and a number
// is never used again: what is sent again goes into a new packet. The receiver
// takes the number that has these low bits and is nearest to the one after the
// largest it has seen. The sender makes a number short while fewer than 64 packets
// have left after the largest one acknowledged. A packet that came before is dropped. The payload is
// frames, at least one; numbers in them are QUIC's variable-length integers
// (RFC 9000, section 16):
//
//	0x00 PADDING
//	0x01 PING
//	0x02 ACK        largest, delay, count, first; count times: gap, length
//	0x03 CREDIT     limit
//	0x04 CHALLENGE  8 bytes
//	0x05 RESPONSE   the same 8 bytes
//	0x06 CLOSE      code, 1 byte
//	0x10 MESSAGES   number, then once or more: length*2, 1 more if another follows, bytes
//	                whole messages with numbers in a row, ordered lane
//	0x11 FRAGMENT   number, total, offset, length, bytes   a part of one
//	0x12 MESSAGES   as 0x10, unordered lane
//	0x13 FRAGMENT   as 0x11, unordered lane
//	0x14 BARE       length, bytes
//
// A frame of another type, or one that does not fit, breaks the protocol: the
// receiver answers CLOSE with code 1.
//
// ACK acknowledges packets: those from largest-first to largest, and then, going
// down, after gap+1 that are missing, length+1 more, count times; at most 32
// times. A packet holds at most one. delay is the time in microseconds between the arrival of the largest
// and this ACK. What came is named by the next 8 ACKs; what is older may be left
// out, unless it is in a range with what is not. ACK and PADDING are not acknowledged. Of packets that hold more,
// every sixteenth one is acknowledged at once, and so is one that comes out of order,
// and one that asks for it in its first byte; any other within 25 ms.
//
// So it is the sender who decides what an early acknowledgement is worth. He
// asks for it in his first 4 packets; while packets are being lost, until a
// second and 64 packets after the last one; when his window or his buffer is
// full; and for PING, CREDIT, CLOSE, probes, and what is sent again. A stream
// without losses costs an acknowledgement for 16 packets or 25 ms; where
// packets are lost, the next one is missed after a round trip. Whoever asks too
// often gets a packet of acknowledgement for each of his packets, no more.
//
// # Messages
//
// A message is 1 to 65,536 bytes. Each lane of each direction numbers its
// messages from 0. The ordered lane hands them out in that order, the unordered
// lane each when it is whole, and both exactly once; a BARE message stands in
// no lane, is at most 1100 bytes, comes in one datagram or not at all, and is
// never sent again. Parts of a message may overlap and come in any order.
//
// A message of n bytes costs n+32. The sender may begin messages, of both lanes
// together, up to the cost that the peer's last CREDIT names, 262,144 at first;
// one byte more breaks the protocol. The receiver sends a larger limit as its
// messages are taken. No message may be numbered more than 7,943 after the
// oldest of its lane that is not acknowledged.
//
// # Loss
//
// A packet is lost when one sent 3 or more later was acknowledged, or one sent
// later was and 9/8 of a round trip has passed (RFC 9002, section 6.1). When a
// packet declared lost turns up after all, the sender waits from then on for as many
// packets and as much time as that one took; each packet that is lost for good takes a
// little of that back. So where packets overtake each other, few are sent in vain, and
// where most of the missing ones are lost, they are soon sent again. What it carried
// and is still wanted goes into the next packets, whole or in parts.
//
// If nothing was heard of the newest packet for 2 round trips, or one and four
// times its deviation, but at least 2 ms, and 25 ms longer where it did not ask to
// be acknowledged at once, a probe is sent: a packet that carries
// the oldest bytes not yet acknowledged, whatever the window says. The second
// probe waits as long, each later one twice as long as the one before, up to
// a second; from the fourth on each is sent twice. After a probe, packets with new
// messages carry the oldest bytes as well. If such a packet can be expected within
// 12 ms, the third probe and later ones wait for it, which saves a packet; so does
// the second one where 15 % are lost.
//
// Where a round trip takes 20 ms or more, messages are sent twice for 3 seconds after a
// loss: a packet carries besides its own what the ones before it brought for the first
// time and is not yet acknowledged, as long as no more than 4,800 bytes are under way
// and all fits. What is lost then is repaired by the next packet and not a round trip
// later.
//
// RFC 9002 would wait longer before it probes: its figures are for a path through
// the world, these for a LAN, where a reply takes a fifth of a millisecond and a lost last message is what people notice.
//
// The window is CUBIC's (RFC 9438), and slow start ends where the round trips of a
// whole round have grown, as in HyStart++ (RFC 9406): who shares a narrow link with
// a TCP connection takes about half. What a few dozen messages need must flow
// however bad the radio is, so with a round trip of up to 2 ms the window is never
// under 64 packets. Where it is longer, by more than jitter explains, there is a
// queue that others wait in too, and the least window goes down with its square,
// to 4 packets.
//
// With a round trip of a millisecond that is thousands of packets a second, so
// a path that passes 50 and drops the rest would be sent 40 times what it passes.
// Where more than 70 % of what leaves is lost and yet some arrives, and until it
// is less than half, packets and probes are spaced: two and a half times as many
// leave as arrive, and at least 25 a second. After 32 that arrived it is tried with
// one and a half times as many, at least 15; where no fewer arrive, it stays so until
// 12 in a row do. Random loss is not mistaken for it: up
// to 40 % nothing changes. Where few packets may leave, short messages
// are cut, too, to fill them. All this is the sender's business; another one may do
// otherwise (congestion.go).
//
// # Staying and going
//
// A PING is sent when nothing of ours has been acknowledged for a while, whatever
// comes from the peer: 15 s at the host; 2 s at the member, and half a second
// for 10 s after a message. So a member that only listens learns within seconds
// that the path is dead, one way or both, or that the host has been restarted and
// knows nothing of it. There is no packet that ends a conversation from outside, since anybody
// could forge it. All that costs two silent ends 4,300 bytes a minute,
// headers included. How long an acknowledgement has been owed is told by
// Stats.Silent; while that is under 3 s, probes are never more than 300 ms apart, so that a short
// darkness is over for both when it is over. Time in which the program was
// stopped does not count: a timer that comes more than 1 s late tells. For how long the system
// has refused to send anything is told by Stats.Stuck.
//
// After 30 s without a word, or
// without an acknowledgement while something waits for one, the Conn is lost. A
// datagram is at most 1200 bytes until a padded PING of 1452 has been
// acknowledged, which is tried three times and then every 2 s when there is much to send; when large ones
// only vanish, or the peer moves, it is 1200 again. A peer whose packets come from another address is sent a
// CHALLENGE there; it has moved when the RESPONSE comes from there, and not
// before, since anybody may copy a packet and send it from elsewhere.
//
// Close waits until everything accepted is acknowledged, then sends CLOSE with
// code 0 until that is acknowledged; the other end answers repeats of it for
// 200 ms at most. Other codes: 1 the peer broke the
// protocol, 2 not everything could be delivered, 16 and more: refused, with the
// reason of REFUSE more.
//
// # The code
//
// A link (link.go) is the conversation as a machine: a datagram and the time
// in, datagrams and the next wake-up time out. It has no socket, no clock, no
// goroutine. recovery.go finds out what was lost, lane.go puts messages
// together, input.go and output.go take packets apart and build them. A Conn is
// a link behind a mutex. The Endpoint moves the datagrams of all its links
// with two goroutines: one reads and answers, one keeps the time and sends what
// has gathered. What can leave at once leaves from the goroutine that sends it,
// and a CREDIT from the one that receives.
//
// pion/dtls is used by keys.go alone. Admission (admit.go, hello.go) and the
// flow of handshake datagrams (flow.go, filter.go) stand between it and the
// network: welcome.go lets members in, handshake.go is the member's part.
package udp
