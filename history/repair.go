package history

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"parley/lock"
)

// A Repaired tells what Repair has done.
type Repaired struct {
	Old   string // where the damaged file is now
	Saved uint64 // how many records were read whole
	Lost  uint64 // how many were not, as far as gaps between them, and the note of how far it had come, tell
}

// Repair reads what can be read of a damaged log, and makes a new one of it: with
// the same numbers, nothing in the place of what is lost, and an id of its
// own, since it is not the same any more. The damaged file stays beside it as
// it is, its name ending in .damaged and the time.
func Repair(ctx context.Context, path string, o Options) (r Repaired, err error) {
	if o.copies() {
		return r, errors.New("a copy is not repaired: it is begun anew when the room is joined")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := onlyFiles(path); err != nil {
		return r, err
	}
	held, err := hold(path, o.Room)
	if err != nil {
		return r, err
	}
	fresh := path + ".repairing"
	discard := func() {
		for _, end := range []string{"", "-wal", "-shm", ".lock"} {
			os.Remove(fresh + end)
		}
	}
	defer lock.Close(held)
	defer discard()
	discard() // what one that was broken off has left
	c, err := openCarver(path)
	if err != nil {
		return r, unusable(path, err)
	}
	found := c.survey()
	if of, ok := found.meta[metaOf]; ok && of != string(o.Of[:]) {
		return r, otherRoom(path, "the room's key is another")
	}
	if len(found.rows) == 0 {
		return r, &Error{Path: path, Problem: ErrDamaged, Detail: "nothing of it can be read", WayOut: "move it away to begin anew"}
	}
	o.Log, o.Keep = [16]byte{}, Keep{}
	to, err := Open(fresh, o)
	if err != nil {
		return r, err
	}
	err = found.into(ctx, to, &r)
	if reached := readReach(held); found.meta[metaID] == string(reached.id[:]) && reached.last > to.Last() {
		r.Lost += reached.last - to.Last()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return Repaired{}, err
	}
	r.Old = path + ".damaged-" + o.Now().UTC().Format("20060102-150405")
	return r, exchange(path, fresh, r.Old)
}

// exchange puts fresh in the place of path, which becomes old.
func exchange(path, fresh, old string) error {
	if _, err := os.Lstat(old); err == nil {
		return fmt.Errorf("%s is there already", old)
	}
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+end, old+end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir has the names in a directory on the disk, where the system can do that.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// survey is what a carver has found.
type survey struct {
	c           *carver
	meta        map[string]string
	keys        map[int64][][32]byte // what may be the key of a sender
	rows        []found
	checkpoints []checkpoint
}

// found is where a row may be.
type found struct {
	seq  int64
	page uint32
	cell int
}

// survey looks at all pages.
func (c *carver) survey() *survey {
	s := &survey{c: c, meta: map[string]string{}, keys: map[int64][][32]byte{}}
	for n := uint32(1); n <= c.pages(); n++ {
		c.cells(n, func(cell int, rowid int64, v []driver.Value) {
			switch len(v) {
			case 2: // of senders, of the index on them, or anything
				if key, ok := v[1].([]byte); ok && len(key) == 32 {
					s.keys[rowid] = append(s.keys[rowid], [32]byte(key))
				} else if key, ok := v[0].([]byte); ok && len(key) == 32 {
					num, _ := v[1].(int64)
					s.keys[num] = append(s.keys[num], [32]byte(key))
				}
			case 3: // of meta
				name, _ := v[0].(string)
				value, _ := v[1].([]byte)
				if sum, ok := v[2].(int64); ok && name != "" && sum == metaSum(name, value) {
					s.meta[name] = string(value)
				}
			case 4: // of checkpoints
				sum, _ := v[1].(int64)
				chain, _ := v[2].([]byte)
				state, _ := v[3].([]byte)
				if p := (checkpoint{place: place{seq: uint64(rowid)}, state: state}); len(chain) == len(p.chain) {
					if p.chain = Chain(chain); sum == checkpointSum(p.place, state) {
						s.checkpoints = append(s.checkpoints, p)
					}
				}
			case maxColumns:
				if rowid > 0 {
					s.rows = append(s.rows, found{rowid, n, cell})
				}
			}
		})
	}
	slices.SortFunc(s.rows, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.page, b.page))
	})
	return s
}

// records gives what may be the record at a place: one for each key.
func (s *survey) record(f found) (r Record, ok bool) {
	var scratch []byte
	s.c.cells(f.page, func(cell int, rowid int64, v []driver.Value) {
		if cell != f.cell || ok || len(v) != maxColumns {
			return
		}
		sender, _ := v[1].(int64)
		v[0] = rowid
		for _, key := range s.keys[sender] {
			v[1] = key[:]
			if r, ok = unpack(v, &scratch); ok {
				return
			}
		}
	})
	return r, ok
}

// into writes all records that are whole to a new log.
func (s *survey) into(ctx context.Context, to *Log, r *Repaired) error {
	known := make(map[[48]byte]bool)
	var batch []Record
	flush := func(least int) error {
		if len(batch) < max(least, 1) {
			return nil
		}
		err := to.Put(ctx, batch)
		batch = batch[:0]
		return err
	}
	next := uint64(1)
	if gone := s.meta[metaGone]; len(gone) == 8 {
		for last := number8(gone); next <= last; next++ {
			batch = append(batch, blank(next))
			if err := flush(maxGather); err != nil {
				return err
			}
		}
	}
	for _, f := range s.rows {
		rec, ok := s.record(f)
		name := [48]byte(append(append(make([]byte, 0, 48), rec.Key[:]...), rec.ID[:]...))
		if !ok || rec.Seq < next || rec.Seq-next > maxLost || known[name] {
			continue
		}
		known[name] = true
		for ; next < rec.Seq; next++ {
			filler := blank(next)
			rand.Read(filler.ID[:])
			batch, r.Lost = append(batch, filler), r.Lost+1
			if err := flush(maxGather); err != nil {
				return err
			}
		}
		batch, r.Saved, next = append(batch, rec), r.Saved+1, next+1
		if err := flush(maxGather); err != nil {
			return err
		}
	}
	if err := flush(1); err != nil {
		return err
	}
	var newest checkpoint
	for _, p := range s.checkpoints {
		if p.seq < next && p.seq > newest.seq {
			newest = p
		}
	}
	if newest.seq == 0 {
		return nil
	}
	return to.SaveCheckpoint(ctx, newest.seq, newest.state)
}

// maxLost is how many records in a row may be missing: a number beyond is a
// fault itself.
const maxLost = 1_000_000
