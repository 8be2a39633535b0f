package history

import (
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"parley/lock"
)

// Options say what a file is to be.
type Options struct {
	Room string   // its name, as messages have it
	Of   [32]byte // the room's key; zero: a plaintext room, which has none

	// Copy is the id of the log that the file copies a part of. Zero: the file
	// is a log itself.
	Copy [16]byte

	// Log is the id that a log gets when it is made: it goes on elsewhere.
	// Zero: a new one.
	Log [16]byte

	// Elsewhere says that all that is in this log lies somewhere else, too: commits do
	// not wait for the disk, and what a crash of the computer takes is put again.
	Elsewhere bool

	// Reading opens whatever there is at the path to be read alone, of this room or, if
	// none is given, of any, also while another process holds it.
	Reading bool

	Keep Keep              // how long records stay; zero: for ever
	Now  func() time.Time  // nil: time.Now
	Warn func(text string) // is told, in words for people, what is not an error. Nil: nobody
}

func (o *Options) copies() bool { return o.Copy != [16]byte{} }

const (
	// application marks our files among SQLite's: "prly".
	application = 0x70726c79
	// version is that of the schema.
	version = 1
)

// schema is what a new file has.
const schema = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE senders (num INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
CREATE TABLE entries (seq INTEGER PRIMARY KEY, sender INTEGER NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL,
	sum INTEGER NOT NULL, audience, body, words);
CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, sum INTEGER NOT NULL, chain BLOB NOT NULL, state BLOB NOT NULL);
CREATE TABLE marks (kind INTEGER NOT NULL, seq INTEGER NOT NULL, age INTEGER NOT NULL, PRIMARY KEY (kind, seq)) WITHOUT ROWID;
CREATE TABLE receipts (seq INTEGER PRIMARY KEY, count INTEGER NOT NULL, of INTEGER NOT NULL);
CREATE VIRTUAL TABLE found USING fts5(words, content='', contentless_delete=1,
	` + tokenize + `);
`

// tokenize is what a word is.
const tokenize = `tokenize="unicode61 remove_diacritics 2 categories 'L* M* N* Co'"`

// uniqueIDs is what a log has beside it. The ids in a copy are its host's business.
const uniqueIDs = `CREATE UNIQUE INDEX ids ON entries (sender, id);`

// settings of each connection. The page cache is small since the system has one, too.
const settings = `
PRAGMA busy_timeout = 5000;
PRAGMA cache_size = -512;
PRAGMA temp_store = MEMORY;
PRAGMA journal_size_limit = 8388608;
PRAGMA secure_delete = ON;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
`

// Open opens the file at path, or makes it. A log is held by one process at a
// time, a copy by any number.
func Open(path string, o Options) (*Log, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if err := onlyFiles(path); err != nil {
		return nil, err
	}
	l := &Log{path: path, o: o}
	if o.Reading {
		if err := l.openReading(); err != nil {
			l.shut()
			return nil, explain(path, o.Room, err)
		}
		l.start()
		return l, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unusable(path, err)
	}
	if !o.copies() {
		held, err := hold(path, o.Room)
		if err != nil {
			return nil, err
		}
		l.held, l.reached = held, readReach(held)
	}
	err := l.open()
	if err != nil {
		l.shut()
		return nil, explain(path, o.Room, err)
	}
	l.start()
	return l, nil
}

// onlyFiles refuses whatever else is where one of the files of a history should be. A pipe would be
// waited for without end, and of a directory or a device SQLite says that the disk is broken.
func onlyFiles(path string) error {
	for _, end := range []string{"", ".lock", "-wal", "-shm"} {
		if info, err := os.Stat(path + end); err == nil && !info.Mode().IsRegular() {
			what := "a pipe or a device"
			if info.IsDir() {
				what = "a directory"
			}
			return &Error{Path: path + end, Problem: ErrFailed, Detail: "it is " + what + ", and no file",
				WayOut: "move it away, or choose another directory with --data-dir"}
		}
	}
	return nil
}

// unusable is an error of the file system.
func unusable(path string, err error) error {
	e := &Error{Path: path, Problem: ErrFailed, Err: err, WayOut: "choose another directory with --data-dir"}
	if errors.Is(err, fs.ErrPermission) || readOnly(err) {
		e.Problem, e.WayOut = ErrReadOnly, "make its directory writable, or choose another with --data-dir"
	}
	return e
}

// hold takes a log for this process, until the file it returns is given back, by [lock.Close].
func hold(path, room string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(path, err)
	}
	if !lock.Try(f) {
		owner := make([]byte, 16)
		n, _ := f.Read(owner)
		f.Close()
		pid, _ := strconv.Atoi(strings.TrimSpace(string(owner[:n])))
		e := &Error{Path: path, Problem: ErrInUse, PID: pid, WayOut: "sit down in the room with: parley join " + room}
		if pid > 0 {
			e.Detail = fmt.Sprintf("process %d hosts the room already", pid)
		}
		return nil, e
	}
	holder(f, os.Getpid())
	return f, nil
}

// open connects, and makes the tables or checks them.
func (l *Log) open() (err error) {
	_, missing := os.Stat(l.path)
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would have it read by all
	if err != nil {
		return unusable(l.path, err)
	}
	f.Close()
	if !l.o.copies() {
		if err := l.checkJournal(); err != nil {
			return err
		}
	}
	if l.w, err = connect(l.path, "mode=rw"); err != nil {
		return err
	}
	if err := l.w.script(settings); err != nil {
		return err
	}
	tables, _, err := l.w.number("SELECT count(*) FROM sqlite_schema")
	if err == nil && tables == 0 {
		if missing == nil && l.reached.last > 0 {
			return damaged(l.path, l.o.Room, fmt.Sprintf("it is empty, and had %d records", l.reached.last))
		}
		is, _, e := l.w.number("PRAGMA application_id")
		if err = e; err == nil && is == 0 {
			err = l.create()
		}
	}
	if err != nil {
		return err
	}
	if err := l.recognize(); err != nil {
		return err
	}
	if err := l.synchronous(true); err != nil {
		return err
	}
	if err := l.identify(); err != nil {
		return err
	}
	if err := l.verifyEnd(); err != nil {
		return err
	}
	return l.checkReach()
}

// recognize tells our files, of versions that we know, from others.
func (l *Log) recognize() error {
	if is, _, err := l.w.number("PRAGMA application_id"); err != nil {
		return err
	} else if is != application {
		return foreign(l.path, l.o.Room, nil)
	}
	if v, _, err := l.w.number("PRAGMA user_version"); err != nil {
		return err
	} else if v != version {
		return &Error{Path: l.path, Problem: ErrNewer, Detail: fmt.Sprintf("version %d, this program knows %d", v, version),
			WayOut: "use the newer parley, or choose another directory with --data-dir"}
	}
	return nil
}

// synchronous chooses whether a commit waits for the disk. That of a copy, or of what
// lies elsewhere, never does: what a crash of the computer takes from it, is there.
func (l *Log) synchronous(full bool) error {
	text := "PRAGMA synchronous = NORMAL"
	if full && !l.o.copies() && !l.o.Elsewhere {
		text = "PRAGMA synchronous = FULL"
	}
	_, err := l.w.exec(text)
	return err
}

// Attempts at changing a new file's journal while others do the same, for which
// SQLite does not wait.
const (
	journalAttempts = 100
	journalPause    = 10 * time.Millisecond
)

// create makes the tables, all or none.
func (l *Log) create() error {
	for n := 1; ; n++ {
		err := l.w.script("PRAGMA journal_mode = WAL")
		if err == nil {
			break
		}
		if code(err)&0xff != codeBusy || n == journalAttempts {
			return err
		}
		time.Sleep(journalPause)
	}
	id := l.o.Copy
	if !l.o.copies() {
		if id = l.o.Log; id == [16]byte{} {
			rand.Read(id[:])
		}
	}
	_, err := l.w.transact(func() error {
		if tables, _, err := l.w.number("SELECT count(*) FROM sqlite_schema"); err != nil || tables > 0 {
			return err // somebody else was quicker with a copy
		}
		text := schema + fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", application, version)
		if !l.o.copies() {
			text += uniqueIDs
		}
		if err := l.w.script(text); err != nil {
			return err
		}
		for name, value := range map[string][]byte{metaRoom: []byte(l.o.Room), metaOf: l.o.Of[:], metaID: id[:], metaKind: l.kind()} {
			if err := l.setMeta(name, value); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (l *Log) kind() []byte {
	if l.o.copies() {
		return []byte("copy")
	}
	return []byte("log")
}

// Names in the table meta. Those of others have a dot before them.
const (
	metaRoom    = "room"
	metaOf      = "of"
	metaID      = "id"
	metaKind    = "kind"
	metaIndexed = "indexed"
	metaPruned  = "pruned" // a place
	metaGone    = "gone"
	metaSwept   = "swept"
	metaClock   = "clock"
)

func metaSum(name string, value []byte) int64 {
	return int64(crc32.Checksum(append([]byte(name+"\x00"), value...), castagnoli))
}

// setMeta is for within a transaction.
func (l *Log) setMeta(name string, value []byte) error {
	_, err := l.w.exec("INSERT OR REPLACE INTO meta (name, value, sum) VALUES (?, ?, ?)", name, value, metaSum(name, value))
	return err
}

// meta is nil when there is no such value.
func (c *conn) meta(name string) (value []byte, err error) {
	err = c.query(background, func(v []driver.Value) error {
		b, _ := v[0].([]byte)
		if sum, _ := v[1].(int64); sum != metaSum(name, b) {
			return fmt.Errorf("%w: %s", errSum, name)
		}
		value = b
		return errEnough
	}, "SELECT value, sum FROM meta WHERE name = ?", name)
	return value, err
}

// errSum is a checksum that does not fit.
var errSum = errors.New("a checksum does not fit")

// identify checks whose file it is.
func (l *Log) identify() error {
	got := make(map[string]string)
	for _, name := range []string{metaRoom, metaOf, metaID, metaKind} {
		value, err := l.w.meta(name)
		if errors.Is(err, errSum) || err == nil && value == nil {
			return damaged(l.path, l.o.Room, "its head cannot be read")
		}
		if err != nil {
			return err
		}
		got[name] = string(value)
	}
	if l.o.Reading { // whatever it is
		l.o.Of = [32]byte{}
		copy(l.o.Of[:], got[metaOf])
		if got[metaKind] == "copy" {
			copy(l.o.Copy[:], got[metaID])
		}
		if l.o.Room == "" {
			l.o.Room = got[metaRoom]
		}
	}
	switch {
	case len(got[metaID]) != 16 || len(got[metaOf]) != 32:
		return damaged(l.path, l.o.Room, "its head cannot be read")
	case got[metaRoom] != l.o.Room:
		return otherRoom(l.path, fmt.Sprintf("the room is %q", got[metaRoom]))
	case got[metaOf] != string(l.o.Of[:]):
		return otherRoom(l.path, "the room's key is another")
	case got[metaKind] != string(l.kind()):
		return otherRoom(l.path, "it is a "+got[metaKind])
	}
	l.id = [16]byte([]byte(got[metaID]))
	if l.o.copies() && l.id != l.o.Copy {
		return otherRoom(l.path, "it copies another log")
	}
	return nil
}

func otherRoom(path, detail string) error {
	return &Error{Path: path, Problem: ErrOtherRoom, Detail: detail, WayOut: "move it to where it belongs, or choose another directory with --data-dir"}
}
