package history

import (
	"context"
	"encoding/binary"
)

// Meta returns a value that was set by SetMeta, or nil.
func (l *Log) Meta(ctx context.Context, name string) (value []byte, err error) {
	err = l.read(ctx, func(c *conn) error {
		value, err = c.meta("." + name)
		return err
	})
	return value, err
}

// SetMeta keeps a small value under a name, durably.
func (l *Log) SetMeta(ctx context.Context, name string, value []byte) error {
	return l.do(ctx, func() error {
		_, err := l.w.transact(func() error { return l.setMeta("."+name, value) })
		return err
	})
}

// numberMeta reads a number, 0 if there is none.
func (c *conn) numberMeta(name string) (uint64, error) {
	value, err := c.meta(name)
	if err != nil || len(value) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

func (l *Log) setNumber(name string, n uint64) error {
	return l.setMeta(name, binary.BigEndian.AppendUint64(nil, n))
}

// number8 is a number of eight bytes.
func number8(s string) uint64 { return binary.BigEndian.Uint64([]byte(s)) }
