// Package lanes shows the packets of a running room: which left for which member, what
// was lost and sent again, and what that came to.
//
//	lanes.go   the Recorder: what carriers tell, with the time, under one lock
//	board.go   the board: lanes, their slots of time, their counters; a machine without clock
//	draw.go    the board as rows for a terminal
//	line.go    packets as lines for people, and as the lab's JSON lines
//
// A Recorder is handed to a node, which gives its UDP and TCP to the carriers as their
// Trace and tells it which connection is whose. Carriers that have no Trace pay
// nothing. What a Recorder costs a packet is a lock, a look at the first message
// in it, and a few stores: nothing is allocated, and all it keeps is bounded.
//
// # What is kept
//
// Each connection has a lane: two rows of slots, out and in, each slot 20 ms of time and
// what happened in it. A packet of UDP that is declared lost marks the slot in
// which it had left, so that the picture shows when it was lost, not when that was
// noticed. The first maxDrawn lanes have slots, further ones only counters. Beside
// that there is one ring of the last packets of all lanes, from which followers read
// at their own pace: one that is too slow misses packets, and is told how many.
//
// # What can be known
//
// Of UDP everything: the packets are this program's own. Of TCP only what is
// written and read: segments, their acknowledgements and their repetitions are
// the kernel's, which on Linux tells how many it sent again, and nothing elsewhere. So the R
// in a lane of TCP stands where the counter was seen to have grown, up to a
// quarter of a second late. Sizes are without the headers of IP, UDP and TCP.
//
// What is sealed on the wire is recorded before it is sealed, and after it was
// opened: a room that is encrypted looks here as one in plaintext does.
package lanes
