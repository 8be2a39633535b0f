// Package file passes one file from a giver to a taker over a
// [transport.Conn], whatever carries it, and however often that has to be
// replaced. It knows neither rooms nor how the two found each other: package
// room's comment has that part, the offer, the answer, and the host between them,
// which passes messages on as they are.
//
//	name.go    what a file may be called on the taker's disk
//	source.go  the giver's file: what it is, and whether it still is that
//	dir.go     the taker's directory: the part that has come, and the whole
//	wire.go    messages
//	give.go    the giver: a machine, and the loop around it
//	take.go    the taker: likewise
//	watch.go   when a connection is given up
//
// # The protocol
//
// A file is its size and the SHA-256 of its content; both ends know both before
// they begin, from the offer. A message of the Conn is one of these; numbers are
// big-endian, and offsets count from the beginning of the file:
//
//	offset size
//	     0    1  0x01 FROM   taker: send from here
//	     1    1  1, the version of this protocol
//	     2    8  offset
//	    10   32  the SHA-256 of the file
//
//	     0    1  0x02 DATA   giver: a chunk
//	     1    8  offset
//	     9       32,768 bytes; fewer only where the file ends with them
//
//	     0    1  0x03 HAVE   taker: written up to here
//	     1    8  offset
//
//	     0    1  0x04 DONE   taker: it is whole, checked, and on the disk
//
//	     0    1  0x05 STOP   either: this goes no further
//	     1    1  1 changed, 2 unreadable, 3 disk, 4 damaged, 5 protocol, 6 no more
//	     2       why, in words: UTF-8, at most 400 bytes
//
// The taker speaks first. It has either nothing of the file, or the first part
// from an earlier connection, of this or of another program's life: it says how
// long that is. The giver sends chunks from there, in order and without gaps, and
// never more than 192 KiB beyond what the taker has written. That is what bounds
// the memory of the host between them, and keeps the queues short in which the
// room's talk waits, too. HAVE comes at least every 64 KiB, and with the first chunk that comes 5 s after
// the last.
//
// When all has come the taker compares the SHA-256 of what it has with the
// offer's, over the part from before as well. If it is the same, the file gets
// its name, and DONE is said. If not, the part is thrown away, and STOP is said; what came
// from an earlier connection may have been somebody else's lie, so the taker begins
// once more from nothing in that case.
//
// A connection that fails proves nothing about the file: both come back on
// another one, and the taker says again from where. A taker takes no byte beyond
// the size of the offer, no chunk out of order and none of a wrong length; a giver
// sends nothing that was not asked for.
//
// # On the taker's disk
//
// What has come is in a file called .parley-SHA256.part, in the directory for
// downloads, readable by its owner alone. Only what is whole and checked gets a
// name, and never one that is taken: then it is "name (2).txt" and so on. A part
// stays when the transfer ends early, and the same file goes on from there, be it
// offered by somebody else; after 30 days it is deleted.
//
// A file is called on the disk what its giver calls it, as far as that is
// harmless ([Name]). The directory is an [os.Root]: nothing is written outside of it
// whatever a name says.
//
// # Limits
//
//	chunk            32 KiB in a message
//	window           192 KiB sent and not written by the taker
//	maxName          120 bytes of a name
//	maxWhy           400 bytes of the reason of a STOP
//	maxNamesakes     999 files of one name beside each other
//	silence, stuck   2.5 s that the peer may owe an acknowledgement, 1 s that our system may send nothing
//	idle             20 s without a byte of the file getting further
//	partLife         30 days until a part is deleted
package file
