package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"parley/lock"
)

const (
	// maxNamesakes bounds the numbers that are tried behind a name.
	maxNamesakes = 999
	// partLife is how long a part may wait for the rest.
	partLife = 30 * 24 * time.Hour
	// maxSwept bounds how many names are looked at for old parts.
	maxSwept = 4096
)

// Want is what a taker has agreed to take.
type Want struct {
	Name string // as the giver calls it
	Size int64
	Sum  Sum
}

// part is what has come of a file.
type part struct {
	root *os.Root
	want Want
	name string
	f    partFile
	at   int64     // written, and in sum
	sum  hash.Hash // of what is written
}

// partFile is the file on the disk.
type partFile interface {
	io.ReadWriteSeeker
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (os.FileInfo, error)
}

// locked is a file that is this process's until it is closed.
type locked struct{ *os.File }

func (f locked) Close() error { return lock.Close(f.File) }

func partName(s Sum) string { return ".parley-" + hex.EncodeToString(s[:]) + ".part" }

// openPart opens what is there of a file in a directory, which is made if
// there is none, and reads it.
func openPart(ctx context.Context, dir string, w Want) (_ *part, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritten(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unwritten(dir, err)
	}
	p := &part{root: root, want: w, name: partName(w.Sum), sum: sha256.New()}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	sweep(root, time.Now())
	if st, err := root.Lstat(p.name); err == nil && !st.Mode().IsRegular() {
		return nil, &Error{Code: Disk, Text: p.name + " in " + dir + " is no ordinary file"}
	}
	f, err := root.OpenFile(p.name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritten(dir, err)
	}
	if linked(f) { // a whole file has it too, after a crash: nothing is written into that
		f.Close()
		root.Remove(p.name)
		if f, err = root.OpenFile(p.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return nil, unwritten(dir, err)
		}
	}
	p.f = locked{f}
	if !lock.Try(f) {
		return nil, &Error{Code: Disk, Text: "another program of yours is taking this very file"}
	}
	if err := f.Chmod(0o600); err != nil { // it was there, and another's
		return nil, &Error{Code: Disk, Text: p.name + " in " + dir + " belongs to somebody else"}
	}
	st, err := f.Stat()
	if err != nil {
		return nil, unwritten(dir, err)
	}
	if st.Size() > w.Size { // nothing that we have written
		return p, p.restart()
	}
	if p.at, err = digest(ctx, p.sum, f, st.Size()); err != nil {
		return nil, err
	}
	return p, nil
}

// sweep deletes parts for which nobody has come back.
func sweep(root *os.Root, now time.Time) {
	d, err := root.Open(".")
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(maxSwept)
	for _, name := range names {
		if !strings.HasPrefix(name, ".parley-") || !strings.HasSuffix(name, ".part") {
			continue
		}
		if st, err := root.Lstat(name); err == nil && st.Mode().IsRegular() && now.Sub(st.ModTime()) > partLife {
			root.Remove(name)
		}
	}
}

// write adds what follows.
func (p *part) write(b []byte) error {
	n, err := p.f.Write(b)
	if err != nil || n < len(b) {
		return unwritten(p.root.Name(), errOr(err, io.ErrShortWrite))
	}
	p.sum.Write(b)
	p.at += int64(n)
	return nil
}

func errOr(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// restart throws away what has come.
func (p *part) restart() error {
	err := p.f.Truncate(0)
	if err == nil {
		_, err = p.f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return unwritten(p.root.Name(), err)
	}
	p.at = 0
	p.sum.Reset()
	return nil
}

// whole tells whether what has come is what was offered.
func (p *part) whole() bool {
	var got Sum
	p.sum.Sum(got[:0])
	return p.at == p.want.Size && got == p.want.Sum
}

// finish gives the file its name, which it returns. What has that name already
// stays.
func (p *part) finish() (name string, err error) {
	if err := p.f.Sync(); err != nil {
		return "", unwritten(p.root.Name(), err)
	}
	stem, ext := split(Name(p.want.Name))
	for n := 1; n <= maxNamesakes; n++ {
		name = stem + ext
		if n > 1 {
			name = fmt.Sprintf("%s (%d)%s", stem, n, ext)
		}
		switch err = p.call(name); {
		case err == nil:
			return name, nil
		case !errors.Is(err, fs.ErrExist):
			return "", unwritten(p.root.Name(), err)
		}
	}
	return "", &Error{Code: Disk, Text: fmt.Sprintf("there are %d files called %s already", maxNamesakes, stem+ext)}
}

// errReplaced says that what has the name of a part is not what was written and
// checked. In a directory of several people that can be.
var errReplaced = errors.New("somebody else changes files there: --downloads names another directory")

// is tells whether a name is that of what was written.
func (p *part) is(name string) bool {
	ours, err := p.f.Stat()
	if err != nil {
		return false
	}
	there, err := p.root.Lstat(name)
	return err == nil && os.SameFile(there, ours)
}

// call gives the part a name that nothing has. A link does that in one step, and
// shows whether it was given to the right file;
// where the file system has none, the name is held by an empty file first.
func (p *part) call(name string) error {
	if !p.is(p.name) {
		return errReplaced
	}
	err := p.root.Link(p.name, name)
	if err == nil && !p.is(name) {
		p.root.Remove(name)
		return errReplaced
	}
	if err == nil {
		p.root.Remove(p.name)
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := p.root.Lstat(name); err == nil {
		return fs.ErrExist
	}
	f, err := p.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	p.f.Close() // some systems move no open file
	if err := p.root.Rename(p.name, name); err != nil {
		p.root.Remove(name)
		return err
	}
	return nil
}

// close leaves what has come for another time; nothing, if nothing has.
func (p *part) close() {
	if p.f != nil {
		p.f.Close()
		if st, err := p.root.Lstat(p.name); p.at == 0 && err == nil && st.Size() == 0 {
			p.root.Remove(p.name)
		}
	}
	p.root.Close()
}

// unwritten is the error of a disk, in words.
func unwritten(dir string, err error) error {
	if noSpace(err) {
		return &Error{Code: Disk, Text: "the disk with " + dir + " is full: what has come is kept, and goes on from there when the file is sent again"}
	}
	if errors.Is(err, fs.ErrPermission) {
		return &Error{Code: Disk, Text: "you may not write into " + dir + ": --downloads names another directory"}
	}
	return &Error{Code: Disk, Text: fmt.Sprintf("nothing can be written into %s: %v", dir, cause(err))}
}
