package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// A Book is a file of what was said in a room: the log of one that was hosted
// here, or a copy.
type Book struct {
	Path    string
	Name    string        // of the room
	Key     transport.Key // of the room; zero: a plaintext room
	Log     [16]byte      // the log's id
	Copy    bool          // what a member saw of it
	Shared  bool          // the copy of a cluster's log, which was hosted here with others
	Before  string        // a log that a copy goes on from, and is read before it; see [Histories.Together]
	Last    uint64        // the last entry
	Changed time.Time
	Err     error // why nothing else is known of it, or nil
}

// Find lists the books of a room, those that were written last first.
func (h *Histories) Find(name string) ([]Book, error) {
	files, err := os.ReadDir(h.Dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var books []Book
	for _, f := range files {
		if end := filepath.Ext(f.Name()); !strings.HasPrefix(f.Name(), short([]byte(name))+"-") || end != logSuffix && end != copySuffix {
			continue
		}
		b := Book{Path: filepath.Join(h.Dir, f.Name()), Name: name, Copy: strings.HasSuffix(f.Name(), copySuffix), Shared: strings.HasSuffix(f.Name(), sharedSuffix)}
		for _, end := range []string{"", "-wal"} {
			if info, err := os.Stat(b.Path + end); err == nil && info.ModTime().After(b.Changed) {
				b.Changed = info.ModTime()
			}
		}
		if l, err := history.Open(b.Path, history.Options{Room: name, Reading: true}); errors.Is(err, fs.ErrNotExist) {
			continue // it is being made just now, or has been moved
		} else if err != nil {
			b.Err = historyError(name, err)
		} else {
			s := l.Summary()
			b.Key, b.Log, b.Copy, b.Last = s.Of, s.Log, s.Copy, s.Last
			l.Close()
		}
		books = append(books, b)
	}
	slices.SortStableFunc(books, func(a, b Book) int { return b.Changed.Compare(a.Changed) })
	return books, nil
}

// A Reader reads a book, also while somebody writes it.
type Reader struct {
	log  sequel
	name string
}

// Read opens a book. The caller closes it.
func (h *Histories) Read(b Book) (*Reader, error) {
	l, err := history.Open(b.Path, history.Options{Room: b.Name, Reading: true})
	if err != nil {
		return nil, historyError(b.Name, err)
	}
	r := &Reader{sequel{Log: l}, b.Name}
	if err := r.log.open(b.Before, b.Name); err != nil {
		l.Close()
		return nil, err
	}
	return r, nil
}

// After returns the first n entries after a seq that viewer may see, oldest first,
// and the seq to go on after; when that is the one given, there are no more.
func (r *Reader) After(ctx context.Context, viewer transport.Key, after uint64, n int) ([]room.Entry, uint64, error) {
	run, err := r.log.After(ctx, after, n)
	if err != nil || len(run) == 0 {
		return nil, after, historyError(r.name, err)
	}
	last := run[len(run)-1].Seq
	run = slices.DeleteFunc(run, func(e history.Record) bool { return !e.Visible(viewer) })
	return entries(run), last, nil
}

// Page returns the last n entries before a seq that viewer may see, oldest first.
func (r *Reader) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]room.Entry, error) {
	page, err := r.log.Page(ctx, viewer, before, n)
	return page, historyError(r.name, err)
}

// Search returns the last n entries before a seq that viewer may see and whose
// words contain all of words, oldest first.
func (r *Reader) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) ([]room.Entry, error) {
	found, err := r.log.Search(ctx, viewer, words, before, n)
	return found, historyError(r.name, err)
}

// Receipt returns how many had received a message of our own.
func (r *Reader) Receipt(ctx context.Context, seq uint64) (receipt history.Receipt, known bool, err error) {
	return r.log.Receipt(ctx, seq)
}

// Whole tells whether the book ends before where it had come to.
func (r *Reader) Whole() error {
	for _, l := range []*history.Log{r.log.before, r.log.Log} {
		if l == nil {
			continue
		}
		if err := l.Whole(); err != nil {
			return historyError(r.name, err)
		}
	}
	return nil
}

// Check reads all of the file and tells what is wrong with it.
func (r *Reader) Check(ctx context.Context) (history.Report, error) { return r.log.Check(ctx) }

// Close ends the reading.
func (r *Reader) Close() error { return r.log.close() }
