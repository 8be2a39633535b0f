// Package history keeps numbered records in a file: what was said in a room. It
// knows nothing of rooms; a record is who wrote it, an id, a time, who may see
// it, some bytes, and words to be found by.
//
// A file is a SQLite database, and one of two kinds. A log is where records
// get their numbers: without gaps, from 1, and it is held by one process. A copy
// is what somebody saw of a log, with the numbers that the log gave; several
// processes may write the same one. Whoever has a log's records from somewhere that keeps
// them, too, puts them into a log of his own with that id ([Options].Elsewhere), whole and in order.
//
//	who appends ──► appends ─┐
//	who searches ─► jobs ────┤ writer: one goroutine, one connection
//	retention ────► jobs ────┘    │ commit, then publish
//	                              ▼
//	who follows ◄── the last records, in memory ; before them, the file
//	who reads ◄──── a few connections for reading, beside the writer
//
// # What is stored is stored
//
// Append returns when the disk has the records: the journal is written ahead, and
// each commit is synced. While one commit is under way others gather, and the
// next is for all of them, without any waiting for more; the busier a room, the
// less a message costs. An id that was stored once is known for ever (a month, once
// its record was deleted), so whoever does not know whether a record was stored
// appends it again. An error wraps ErrNotStored if surely nothing was stored: the
// disk was full, say, and the same Log will store again when it is not.
//
// Search is by SQLite's full-text index. It lies behind the log by up to a few
// hundred records, which are put in when they are enough, when nobody appends, or
// when somebody searches: that way appending takes a third less time. A query is
// words, all of which must be there; case and accents do not count. Scripts that
// put no spaces between words are indexed by the character, and their words
// looked for as characters in a row; so are emoji.
//
// # What is read is what was written
//
// SQLite has no checksums. So each record has one, over all its fields, and it is
// checked whenever the record is read; what does not fit is an error, never a
// text. When a log opens, what was written since its last checkpoint is read, and
// before that the journal that a crash left, of which SQLite would silently drop
// everything behind a damaged page (wal.go). Indexes have no checksums: what they
// lead to has, and that they are whole only Check finds out, which reads all of a file. Repair
// makes a new log of what is whole in a damaged one, page by page, without SQLite
// (carve.go).
//
// The chain is SHA-256 over the chain before and the canonical form of the
// record, from 32 zero bytes on. It is not stored with records but derived by whoever
// compares two logs; checkpoints have it. The canonical form, numbers big-endian:
//
//	seq        8
//	key       32
//	id        16
//	at         8   milliseconds since 1970
//	audience   4   how many, or 2^32-1: everybody; then 32 each
//	body       4   its length; then the bytes
//	words      4   likewise
//
// The checksum is the CRC-32C of the same.
//
// # What is deleted
//
// Keep says how long records stay. Of those that are older or too many, body,
// words and audience go, and a month later the id. What a log's records add up to must
// not go with them: they are deleted only if the last two checkpoints hold them
// (SaveCheckpoint), one of which may be damaged. What is free in the file is
// overwritten with zeros. Deleting is done in small steps beside everything else,
// never while opening.
//
// How old a record is does not depend on what its time says, nor on what the
// computer's clock is set to at the moment: clock.go has the rule. A clock that
// jumps ahead by years deletes nothing, unless it stays there for a week.
//
// # The file
//
//	meta         what the file is (room, of, id, kind), how far the index (indexed), deleting
//	             (pruned, gone) and the clock went; names with a dot before them are their setters'
//	senders      keys, and the numbers that stand for them
//	entries      the records; how a row is packed is at type row
//	ids          an index of (sender, id), which each may be there but once; not in copies
//	found        the full-text index, without the text
//	checkpoints  the last two
//	marks        how old records are, and since when they are deleted
//	receipts     how many had received a record; in copies
//
// The application id is "prly", the user version 1. A file of a newer version,
// of another room, of something else, or a damaged one is refused with an [Error]
// that names the file and the way out. Beside the file lie its journal (-wal,
// -shm) and, of a log, a lock that names the process (.lock). All are for their owner
// alone, and so is their directory.
package history
