package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"parley/text"
)

// Info is what a giver knows of its file.
type Info struct {
	Path string
	Name string // as others are told
	Size int64
	Sum  Sum
	Time time.Time // of its last change
}

// hashAtOnce is how much is read between two looks at the context.
const hashAtOnce = 256 << 10

// Look reads a file that is to be offered: it must be an ordinary one, and of
// at most most bytes.
func Look(ctx context.Context, path string, most int64) (Info, error) {
	f, st, err := open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	if st.Size() > most {
		return Info{}, fmt.Errorf("%s has %s, and at most %s are sent here (--max-file)", path, text.Size(st.Size()), text.Size(most))
	}
	h := sha256.New()
	n, err := digest(ctx, h, f, st.Size())
	if err != nil {
		return Info{}, unreadable(path, err)
	}
	now, err := f.Stat()
	if err != nil {
		return Info{}, unreadable(path, err)
	}
	if n != st.Size() || !same(now, st.Size(), st.ModTime()) {
		return Info{}, fmt.Errorf("%s is being written: send it when that is over", path)
	}
	i := Info{Path: path, Name: Name(filepath.Base(path)), Size: n, Time: st.ModTime()}
	h.Sum(i.Sum[:0])
	return i, nil
}

// open opens an ordinary file for reading.
func open(path string) (*os.File, os.FileInfo, error) {
	st, err := os.Stat(path) // before anything is opened: a pipe would wait for its other end
	if err == nil {
		err = ordinary(path, st)
	}
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	if st, err = f.Stat(); err == nil {
		err = ordinary(path, st)
	}
	if err != nil {
		f.Close()
		return nil, nil, unreadable(path, err)
	}
	return f, st, nil
}

// refusal is an error that is in words already.
type refusal string

func (r refusal) Error() string { return string(r) }

func ordinary(path string, st os.FileInfo) error {
	switch mode := st.Mode(); {
	case mode.IsDir():
		return refusal(path + " is a directory: pack it into one file first, with zip or tar")
	case !mode.IsRegular():
		return refusal(path + " is no ordinary file, but a device or a pipe")
	}
	return nil
}

// unreadable is an error in words for who typed the path.
func unreadable(path string, err error) error {
	var words refusal
	switch {
	case errors.As(err, &words):
		return words
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return refusal("there is no file " + path)
	case errors.Is(err, fs.ErrPermission):
		return refusal("you may not read " + path)
	}
	return refusal(fmt.Sprintf("%s cannot be read: %v", path, cause(err)))
}

// cause is what a system call says, without the path, which is said already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// digest reads up to most bytes into h.
func digest(ctx context.Context, h io.Writer, f io.Reader, most int64) (n int64, err error) {
	buf := make([]byte, hashAtOnce)
	for n < most {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		got, err := f.Read(buf[:min(int64(len(buf)), most-n)])
		h.Write(buf[:got])
		if n += int64(got); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
	return n, nil
}

func same(st os.FileInfo, size int64, at time.Time) bool {
	return st.Size() == size && st.ModTime().Equal(at)
}

// A Source is a file being given.
type Source struct {
	info Info
	f    *os.File
}

// Open opens a file that was looked at, if it still is the same.
func (i Info) Open() (*Source, error) {
	f, _, err := open(i.Path)
	if err != nil {
		return nil, &Error{Code: Unreadable, Text: err.Error()}
	}
	s := &Source{i, f}
	if err := s.check(); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// check tells whether the file is what was offered, as far as can be seen from
// outside.
func (s *Source) check() error {
	st, err := s.f.Stat()
	if err != nil {
		return &Error{Code: Unreadable, Text: unreadable(s.info.Path, err).Error()}
	}
	if !same(st, s.info.Size, s.info.Time) {
		return &Error{Code: Changed, Text: s.info.Name + " was changed since it was offered: send it again"}
	}
	return nil
}

// read fills b with what is at a place in the file.
func (s *Source) read(b []byte, at int64) error {
	_, err := s.f.ReadAt(b, at)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return &Error{Code: Changed, Text: s.info.Name + " was changed since it was offered: send it again"}
	case err != nil:
		return &Error{Code: Unreadable, Text: unreadable(s.info.Path, err).Error()}
	}
	return nil
}

// Close closes the file.
func (s *Source) Close() error { return s.f.Close() }
