// Package tcp carries whole messages over streams: TLS 1.3 around
// length-prefixed frames, or the same frames in clear.
//
// An [Endpoint] is given a listener and a way to dial, and makes
// [transport.Conn]s of connections. One port serves three kinds of callers,
// told apart by their first bytes: encrypted parley, plaintext parley, and
// guests, who are people with netcat.
//
// # Protocol
//
// All integers are big-endian. A host is either secure or plaintext.
//
//	secure                                  plaintext
//	client                 host             client                 host
//	  | TLS 1.3 handshake    |                |                      |
//	  |<-------------------->|                |                      |
//	  | preamble, proof      |                | preamble             |
//	  |--------------------->|                |--------------------->|
//	  |      preamble, proof |                |             preamble |
//	  |<---------------------|                |<---------------------|
//	  | frames               |                | frames               |
//	  |<-------------------->|                |<-------------------->|
//
// Everything but the handshake of a secure connection is inside TLS.
//
// The preamble is 9 bytes and comes first in either direction:
//
//	offset size
//	     0    7  0x89 "parley"  (89 70 61 72 6c 65 79)
//	     7    1  version of this protocol: 1
//	     8    1  from the client 0; from the host 0 for welcome, else why it
//	             will not talk: 1 version, 2 mode, 3 full, 4 proof of identity
//
// A host that refuses sends its preamble with the reason and closes. It does so
// in clear when a client begins with TLS and the host is plaintext, or begins
// with a preamble and the host is secure (reason 2); so a client that expected
// TLS knows why there is none. Whoever begins otherwise is a guest, where guests
// are welcome, and so is whoever is silent for a second; else the host closes
// without a word. No text in UTF-8 begins with 0x89, and TLS begins with 0x16.
//
// In a secure connection the certificates mean nothing: the host's is made for
// the occasion and the client does not check it. Instead the first frame of
// either side, right after its preamble, is a message of 96 bytes that proves
// its long-lived key, as written at [transport.Identity.Proof], over the
// binding: 32 bytes that TLS exports with the label "EXPORTER-parley-cb" and no
// context. The client proves itself first; a host that does not believe it
// answers with reason 4. Plaintext proves nothing and has no proofs.
//
// # Frames
//
// A frame is a message or a control frame:
//
//	offset size
//	     0    4  length of the message: 1 to 65536
//	     4       the message
//
//	     0    4  0
//	     4    1  kind: 1 PING, 2 PONG, 3 BYE, 4 HERE
//	     5    8  data
//
// Frames of unknown kind are ignored, so that later versions can have more. A
// length above 65536 ends the connection.
//
//	PING  asks for a PONG with the same data. It is sent 1 s after a message that
//	      no PONG has proved to have come, and 15 s after the last PONG, or 5 s by
//	      the side that dialed. One at a time is under way.
//	PONG  answers a PING; if several have come meanwhile, the last.
//	BYE   is the last frame of its sender. Who receives it answers with its
//	      own BYE, sends nothing more and closes; what is under way to the one
//	      that said BYE first is dropped. A stream that ends without a BYE was
//	      cut off.
//	HERE  is sent each second by a side whose user has not yet taken what
//	      was received, so that it does not read on: it is behind, not gone.
//
// The data of BYE and HERE are zero, and not looked at.
//
// Only a PONG tells that the peer hears us: what else comes may come one way.
// How long it has been owed is told by Stats.Silent; HERE excuses the peer until
// then. A peer that has not been heard, or has not answered a PING, for 30 s is lost. So is one that has neither
// been heard nor taken any bytes for 10 s while a write waits for it. (So
// the kernel, where it can be told, gives up after 30 s and not sooner: Linux
// counts the time in which a living peer has its window closed.)
//
// A client of a plaintext room needs this much: connect, send the preamble,
// read 9 bytes and look at the last; then send and read frames, answer PING
// with PONG, and end with BYE.
//
// # Structure
//
// [Endpoint] accepts and dials (endpoint.go, shake.go) within limits
// (admit.go: strangers wait in line for a place inside, fairly by source), and gives each connection to a conn (conn.go), which has two
// goroutines. The writer (outbox.go) empties the queue that Send fills, all that
// has gathered in one write. The reader (inbox.go) reads into buffers that
// Receive hands out in pieces, without copying. The pulse (pulse.go) is a
// state machine without clock or socket that says when to ask and when to
// give up. Frames and preambles are made and read in frame.go.
package tcp
