package history

import (
	"errors"
	"io/fs"
	"os"

	"parley/lock"
)

// openReading connects to a file that is there, to read it.
func (l *Log) openReading() (err error) {
	if _, err := os.Stat(l.path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return unusable(l.path, err)
	}
	if f, err := os.Open(l.path + ".lock"); err == nil { // before the log, which is never behind it
		l.reached = readReach(f)
		f.Close()
	}
	if err := l.checkLeftJournal(); err != nil {
		return err
	}
	tables := int64(0)
	for _, l.mode = range []string{"mode=rw", "mode=ro", "mode=ro&immutable=1"} { // for lists, and journals, on what cannot be written
		if l.w, err = connect(l.path, l.mode); err != nil {
			continue
		}
		if err = l.w.script(settings); err == nil {
			tables, _, err = l.w.number("SELECT count(*) FROM sqlite_schema")
		}
		if err == nil {
			break
		}
		l.w.close()
		l.w = nil
		if c := code(err) & 0xff; c != codeReadOnly && c != codeCantOpen && c != codePerm {
			break
		}
	}
	if err != nil {
		return err
	}
	if id, _, err := l.w.number("PRAGMA application_id"); err == nil && id == 0 && tables == 0 && l.reached.last == 0 {
		return fs.ErrNotExist // another program is making it just now
	}
	if err := l.recognize(); err != nil {
		return err
	}
	if err := l.identify(); err != nil {
		return err
	}
	if err := l.verifyEnd(); err != nil && !errors.Is(err, ErrDamaged) && code(err)&0xff != codeCorrupt {
		return err
	}
	return nil
}

// checkLeftJournal looks at the journal if no other process writes it.
func (l *Log) checkLeftJournal() error {
	f, err := os.OpenFile(l.path+".lock", os.O_RDWR, 0o600)
	if err != nil {
		return nil // a copy, or on a disk that cannot be written
	}
	defer lock.Close(f)
	if !lock.Try(f) {
		return nil
	}
	return l.checkJournal()
}

// Whole tells whether a log that was opened to be read ends before where it had come to:
// then the records from there on are lost.
func (l *Log) Whole() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.copies() || l.reached.id != l.id || l.reached.last <= l.last {
		return nil
	}
	return damaged(l.path, l.o.Room, l.reached.short(l.last))
}

// A Summary says what a file is.
type Summary struct {
	Room   string
	Of     [32]byte // the room's key; zero: a plaintext room
	Log    [16]byte // the id of the log, or of the one it is a copy of
	Copy   bool
	Last   uint64
	Pruned uint64 // up to here what was said is deleted
	Gone   uint64 // and up to here every trace of it
}

// Summary says what the file is.
func (l *Log) Summary() Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Summary{Room: l.o.Room, Of: l.o.Of, Log: l.id, Copy: l.o.copies(), Last: l.last, Pruned: l.pruned.seq, Gone: l.gone}
}
