package history

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// maxState is the largest checkpoint: that of a room with thousands of people
// and full lists has a few megabytes.
const maxState = 16 << 20

// keptCheckpoints is how many stay, so that one may be damaged.
const keptCheckpoints = 2

// A place is a record's number and the chain up to it.
type place struct {
	seq   uint64
	chain Chain
}

// marshal gives a place as it is kept in the file.
func (p place) marshal() []byte {
	return append(binary.BigEndian.AppendUint64(nil, p.seq), p.chain[:]...)
}

func parsePlace(b []byte) (p place, ok bool) {
	if len(b) != 8+len(p.chain) {
		return p, false
	}
	return place{binary.BigEndian.Uint64(b), Chain(b[8:])}, true
}

// Chain is the hash over all records up to upto. What it is made of is read
// from where it was known last: at a checkpoint, or when it was asked for before.
// Of records that retention has deleted it is not known any more (ErrPruned).
func (l *Log) Chain(ctx context.Context, upto uint64) (Chain, error) {
	if last := l.Last(); upto > last {
		return Chain{}, fmt.Errorf("the last record is %d, there is no %d", last, upto)
	}
	var at place
	err := l.read(ctx, func(c *conn) (err error) {
		at, err = l.known(c, upto)
		return err
	})
	if err != nil {
		return Chain{}, err
	}
	if at.seq > upto {
		return Chain{}, fmt.Errorf("%w: records up to %d", ErrPruned, at.seq)
	}
	l.mu.Lock()
	if l.chained.seq > at.seq && l.chained.seq <= upto {
		at = l.chained
	}
	l.mu.Unlock()
	var scratch []byte
	for at.seq < upto {
		var run []Record
		err := l.read(ctx, func(c *conn) (err error) {
			run, err = l.scan(ctx, c, at.seq, upto, tailRun)
			return err
		})
		if err != nil {
			return Chain{}, err
		}
		if len(run) == 0 {
			break // a copy, in which the last are missing
		}
		for _, r := range run {
			at.chain = at.chain.next(r, &scratch)
		}
		at.seq = run[len(run)-1].Seq
	}
	l.mu.Lock()
	if at.seq > l.chained.seq {
		l.chained = at
	}
	l.mu.Unlock()
	return at.chain, nil
}

// known is the last place up to upto of which the file has the chain, or the end of
// what was pruned.
func (l *Log) known(c *conn, upto uint64) (at place, err error) {
	pruned, err := c.meta(metaPruned)
	if err != nil {
		return at, err
	}
	at, _ = parsePlace(pruned) // none: the beginning
	err = c.checkpoints(func(p checkpoint) error {
		if p.ok && p.seq > at.seq && p.seq <= upto {
			at = p.place
		}
		return nil
	})
	return at, err
}

// checkpoint is what is in the table of them.
type checkpoint struct {
	place
	state []byte
	ok    bool // it has its checksum
}

func checkpointSum(at place, state []byte) int64 {
	head := binary.BigEndian.AppendUint64(nil, at.seq)
	sum := crc32.Update(crc32.Checksum(append(head, at.chain[:]...), castagnoli), castagnoli, state)
	return int64(sum)
}

// checkpoints calls f with each, the newest first.
func (c *conn) checkpoints(f func(checkpoint) error) error {
	return c.query(background, func(v []driver.Value) error {
		var p checkpoint
		seq, _ := v[0].(int64)
		sum, ok := v[1].(int64)
		chain, _ := v[2].([]byte)
		if p.seq = uint64(seq); len(chain) == len(p.chain) {
			p.chain = Chain(chain)
			p.state, _ = v[3].([]byte)
			p.ok = ok && sum == checkpointSum(p.place, p.state)
		}
		return f(p)
	}, "SELECT seq, sum, chain, state FROM checkpoints ORDER BY seq DESC")
}

// Checkpoint returns the newest of what SaveCheckpoint has saved and is not
// damaged; 0: there is none.
func (l *Log) Checkpoint(ctx context.Context) (seq uint64, state []byte, err error) {
	err = l.read(ctx, func(c *conn) error {
		seq, state, err = l.newest(c)
		return err
	})
	return seq, state, err
}

func (l *Log) newest(c *conn) (seq uint64, state []byte, err error) {
	last := l.Last()
	err = c.checkpoints(func(p checkpoint) error {
		if p.ok && p.seq <= last {
			seq, state = p.seq, p.state
			return errEnough
		}
		return nil
	})
	if err == nil && seq < l.Pruned() {
		err = damaged(l.path, l.o.Room, fmt.Sprintf("what records up to %d, which are deleted, added up to cannot be read", l.Pruned()))
	}
	return seq, state, err
}

// SaveCheckpoint saves what records up to seq add up to, and their chain. Only
// records that are in a checkpoint are ever deleted.
func (l *Log) SaveCheckpoint(ctx context.Context, seq uint64, state []byte) error {
	if len(state) > maxState {
		return fmt.Errorf("a checkpoint of %d bytes is too large", len(state))
	}
	chain, err := l.Chain(ctx, seq)
	if err != nil {
		return err
	}
	at := place{seq, chain}
	return l.do(ctx, func() error {
		_, err := l.w.transact(func() error {
			_, err := l.w.exec("INSERT OR REPLACE INTO checkpoints (seq, sum, chain, state) VALUES (?, ?, ?, ?)",
				int64(seq), checkpointSum(at, state), chain[:], notNil(state))
			if err == nil {
				_, err = l.w.exec("DELETE FROM checkpoints WHERE seq < (SELECT seq FROM checkpoints WHERE seq <= ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
					int64(seq), int64(keptCheckpoints-1))
			}
			return err
		})
		return err
	})
}

// notNil is b as a value that is not NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// SetPruned notes, in a log that was brought in by Put, that what was said in its
// records up to one was deleted where it comes from.
func (l *Log) SetPruned(ctx context.Context, upto uint64) error {
	if upto <= l.Pruned() {
		return nil
	}
	chain, err := l.Chain(ctx, upto)
	if err != nil {
		return err
	}
	return l.do(ctx, func() error {
		to := place{upto, chain}
		if _, err := l.w.transact(func() error { return l.setMeta(metaPruned, to.marshal()) }); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.pruned = to
		if len(l.recent) > 0 && l.recent[0].Seq <= upto {
			l.recent, l.bytes = nil, 0
		}
		return nil
	})
}

// Pruned is up to which record retention has deleted what was said.
func (l *Log) Pruned() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pruned.seq
}
