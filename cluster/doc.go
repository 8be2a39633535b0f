// Package cluster keeps a room that several hosts serve: its log is a stream of NATS
// JetStream, and what hosts have to agree on beside it is in key-value buckets.
//
// We do not build a distributed system here, we stand on one. What it gives: a
// stream numbers what is published into it, one after the other, on a majority of
// its servers, and refuses a message whose subject has one already, if asked to. That is
// all that a [room.Log] of several writers needs.
//
//	stream  PARLEY_ROOM            the log: each entry a message, its sequence the room's seq
//	bucket  parley_ROOM            the room's key, the password's verifier, and who has which name
//	bucket  parley_ROOM_state      of a room that was moved here without its oldest entries: what they added up to
//	bucket  parley_ROOM_hosts      which hosts are there; in memory, expires
//
// ROOM is the beginning of a hash of the room's name, in hex. Who may write to these is
// believed as a host of the room.
//
// # The log
//
// An entry is published under parley.ROOM.KEY.ID, KEY being whose it is and ID the
// sender's random id, in hex, and only if nothing is stored under that subject: so it is
// stored once for ever, whatever is sent again, through whichever host and however late.
// JetStream's own window of message ids, two minutes, would not do.
//
// Two entries of one key are never under way at once: each waits until the one before
// is stored. So what a person says stays in order though a server dies with half of
// what it was given. Entries of different people do not wait for each other.
//
// # When servers do not answer
//
// A publication without an answer may be stored or not. The room is told that nobody
// knows, and gives the same batch again, until it is answered (package room). So there is
// never a second version of a room: a host without a majority of the servers stores nothing.
//
// A server may answer that it has no space: then an entry is surely not stored. But where one
// entry of the same batch is, now or since an earlier attempt, the whole batch counts as
// unknown: that one would otherwise be called lost and stand in the log.
//
// JetStream acknowledges before its files are synced, which it does every two minutes unless
// sync_interval says otherwise. On three servers an entry outlives the loss of one; that all
// lose their power at once is outside what an acknowledgement promises.
//
// A stream may be deleted, replaced or put back to an older state by whoever may write to the
// servers. Each host looks every three seconds, and at each number it is given: then the log
// is over, and the room ends (lost.go). There would be two of it otherwise.
//
// # Time
//
// The clocks of servers and hosts may be hours apart: nothing is decided by comparing
// them, and hosts that are more than two minutes apart are told so. A host is
// gone when nothing was heard of it for 10 s of our own clock in which we ourselves could
// write; a claim of a name that nobody has is given back when we have seen it unchanged
// for a minute. The times of entries are those of the host that took them.
//
// # How far it goes
//
// Measured with nats-server 2.15 on two cores of a small machine, where hosts, three
// servers and the measurement share the processor (BenchmarkAppend, TestClusterLatency,
// TestClusterTenThousand of the program, and by hand):
//
//	a room on three servers     0.46 MB and 18 goroutines a server, 0.3 ms of processor a second, 0.2 s to make
//	a room on one server        4 ms to make, 0.11 MB and 8 goroutines, the client's part included (BenchmarkRooms)
//	a host in a room            1.4 ms of the servers' processor a second: a word every 3 s, and what each hears
//	a message                   420 bytes of a server's memory (its subject is looked up there for ever), 430 of its disk
//	messages, batches of 1/10/100 senders   one server 24,000/60,000/91,000 a second, three 8,000/26,000/40,000
//	of one sender               8,000 a second on three servers, one after the other; a person is paced at 100
//	Enter to the slowest of six members     p50 1.3 ms with one host, 1.8 with three
//
// What bounds a room is its log, in memory on each server: 10 million messages are 4 GB. The
// people of a room are bounded by its hosts, 1,000 each unless told otherwise, and by
// what each host has to say to all of its own; a message crosses to a host once, however many sit there.
//
//	10 rooms         nothing: 5 MB a server
//	1,000 rooms      memory of the servers: 460 MB each for the rooms alone, and a third of a core; nats-server starts
//	                 in minutes rather than seconds. Rooms that may stand still for a while do on one server (--replicas 1)
//	100,000 rooms    the servers, by far: 46 GB and 30 cores each. So many need several clusters, each with some of
//	                 the rooms; nothing here spans two
package cluster
