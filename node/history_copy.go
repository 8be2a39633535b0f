package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// A Copy is what a member's program keeps of what its user may see of a log. Several
// programs may write the same.
type Copy struct {
	histories *Histories
	name      string
	key       transport.Key
	id        [16]byte

	mu  sync.RWMutex // held for reading by those who use log
	log *history.Log
	n   int // which of the copies of this id it is

	unmeasured atomic.Int64 // entries put since the file was looked at
}

const (
	// maxCopyBytes bounds a copy: some 5 million messages. A host could fill a
	// disk with more.
	maxCopyBytes = 1 << 30
	// measureEvery is after how many entries its size is looked at: 64 MiB at most.
	measureEvery = 4096
)

// Copy opens the copy of a log, or begins it; key is zero for a plaintext room. The
// caller closes it.
func (h *Histories) Copy(name string, key transport.Key, id [16]byte) (*Copy, error) {
	c := &Copy{histories: h, name: name, key: key, id: id, n: 1}
	for c.n < maxCopies && exists(c.path(c.n+1)) {
		c.n++
	}
	if err := c.room(); err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	return c, nil
}

// room refuses to begin one copy more of a room that has very many: a host could fill a
// disk with them, by calling its log another one again and again.
func (c *Copy) room() error {
	if exists(c.path(c.n)) {
		return nil
	}
	files, err := os.ReadDir(c.histories.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it tells
	}
	n, begins := 0, filepath.Base(c.histories.path(c.name, c.key))+"-"
	for _, f := range files {
		if strings.HasPrefix(f.Name(), begins) && strings.HasSuffix(f.Name(), copySuffix) {
			n++
		}
	}
	if n < maxCopies {
		return nil
	}
	return &Error{Code: CodeHistory, Text: fmt.Sprintf("there are %d copies of logs of %s already, and no more are begun", n, c.name),
		Hint: "move those away that you do not need: " + filepath.Join(c.histories.Dir, begins+"*"+copySuffix)}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (c *Copy) path(n int) string {
	path := c.histories.path(c.name, c.key) + "-" + hex.EncodeToString(c.id[:])
	if n > 1 {
		path += fmt.Sprintf("-%d", n)
	}
	return path + copySuffix
}

// open opens the nth. A copy that is damaged is left as it is, and the next is
// begun: what the host still has comes again when the room is joined.
func (c *Copy) open() error {
	for {
		o := c.histories.options(c.name, c.key)
		o.Copy = c.id
		l, err := history.Open(c.path(c.n), o)
		if err == nil {
			c.log = l
			return nil
		}
		if !errors.Is(err, history.ErrDamaged) && !errors.Is(err, history.ErrForeign) || c.n >= maxCopies {
			return historyError(c.name, err)
		}
		if c.histories.Warn != nil {
			var e *history.Error
			errors.As(err, &e)
			c.histories.Warn(fmt.Sprintf("your copy of what was said in %s, %s, %v: a new one is begun", c.name, e.Path, e.Problem))
		}
		c.n++
	}
}

// Put stores entries, as they are numbered, and what is known of messages of our own.
func (c *Copy) Put(ctx context.Context, entries []room.Entry, receipts []history.Receipt) error {
	if err := c.measure(len(entries)); err != nil {
		return err
	}
	records := make([]history.Record, len(entries))
	for i, e := range entries {
		records[i] = record(e)
	}
	c.mu.RLock()
	n, err := c.n, c.log.Put(ctx, records, receipts...)
	c.mu.RUnlock()
	if !errors.Is(err, history.ErrDiffers) {
		return err
	}
	if err := c.next(n); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.log.Put(ctx, records, receipts...)
}

// measure refuses to put more into a copy that is very large.
func (c *Copy) measure(more int) error {
	if c.unmeasured.Add(int64(more)) < measureEvery {
		return nil
	}
	c.mu.RLock()
	path := c.path(c.n)
	c.mu.RUnlock()
	if info, err := os.Stat(path); err == nil && info.Size() >= maxCopyBytes {
		return &Error{Code: CodeHistory, Text: fmt.Sprintf("the copy of what was said in %s has %d MiB, and nothing is added to it", c.name, info.Size()>>20),
			Hint: "move it away to begin another: " + path}
	}
	c.unmeasured.Store(0)
	return nil
}

// Anew goes on in a new copy, or in the one that another program of the same user
// has begun because the log is another.
func (c *Copy) Anew() error {
	c.mu.RLock()
	n := c.n
	c.mu.RUnlock()
	return c.next(n)
}

// next goes on in a new copy instead of the nth: the log is another than that was of.
func (c *Copy) next(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n != n {
		return nil // somebody else did
	}
	if err := (&Copy{histories: c.histories, name: c.name, key: c.key, id: c.id, n: n + 1}).room(); err != nil {
		return err
	}
	if n >= maxCopies {
		return &Error{Code: CodeHistory, Text: fmt.Sprintf("the log of %s has been another so often that no copy of it is kept", c.name)}
	}
	old := c.log
	for c.n++; c.n < maxCopies && exists(c.path(c.n+1)); c.n++ {
	}
	if err := c.open(); err != nil {
		c.n = n
		return err
	}
	return old.Close()
}

// Page is that of a log, with gaps.
func (c *Copy) Page(ctx context.Context, viewer transport.Key, before uint64, n int) (page []room.Entry, err error) {
	err = c.read(ctx, func(s sequel) error {
		page, err = s.Page(ctx, viewer, before, n)
		return err
	})
	return page, err
}

// Search is that of a log.
func (c *Copy) Search(ctx context.Context, viewer transport.Key, words string, before uint64, n int) (found []room.Entry, err error) {
	err = c.read(ctx, func(s sequel) error {
		found, err = s.Search(ctx, viewer, words, before, n)
		return err
	})
	return found, err
}

// read has the copy read, after the log that it goes on from if there is one.
func (c *Copy) read(ctx context.Context, look func(sequel) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := sequel{Log: c.log}
	if exists(c.histories.path(c.name, c.key)+logSuffix) || exists(c.histories.fresh(c.name, c.key)) {
		books, err := c.histories.Find(c.name)
		if err != nil {
			return err
		}
		for _, b := range c.histories.Together(ctx, books) {
			if b.Path != c.path(c.n) {
				continue
			}
			if err := s.open(b.Before, c.name); err != nil {
				return err
			}
		}
	}
	if s.before != nil {
		defer s.before.Close()
	}
	return look(s)
}

// Receipt returns what is known of a message of our own.
func (c *Copy) Receipt(ctx context.Context, seq uint64) (r history.Receipt, known bool, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.log.Receipt(ctx, seq)
}

// Close closes the file.
func (c *Copy) Close() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.log.Close()
}
