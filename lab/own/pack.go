//go:build !nolab

package own

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"go.starlark.net/starlark"
)

// maxPacked is how deep lists can be inside each other in pack.
const maxPacked = 8

// pack appends a value: a letter that says what it is, and then
//
//	i  a whole number, as a varint (zigzag)
//	d  a number with a fraction, 8 bytes
//	s  text: how many bytes, as an unsigned varint, and the bytes
//	l  a list: how many values, and the values
//	t f n  True, False, None
func pack(b []byte, v starlark.Value, depth int) ([]byte, error) {
	if len(b) > maxText {
		return nil, fmt.Errorf("more than %d bytes", maxText)
	}
	if depth > maxPacked {
		return nil, fmt.Errorf("lists more than %d deep", maxPacked)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return append(b, 'n'), nil
	case starlark.Bool:
		if v {
			return append(b, 't'), nil
		}
		return append(b, 'f'), nil
	case starlark.Int:
		n, ok := v.Int64()
		if !ok {
			return nil, errors.New("a number of more than 64 bits")
		}
		return binary.AppendVarint(append(b, 'i'), n), nil
	case starlark.Float:
		return binary.BigEndian.AppendUint64(append(b, 'd'), math.Float64bits(float64(v))), nil
	case starlark.String:
		return appendText(b, string(v))
	case starlark.Bytes:
		return appendText(b, string(v))
	case starlark.Indexable:
		b = binary.AppendUvarint(append(b, 'l'), uint64(v.Len()))
		var err error
		for i := 0; i < v.Len() && err == nil; i++ {
			b, err = pack(b, v.Index(i), depth+1)
		}
		return b, err
	}
	return nil, fmt.Errorf("cannot pack a %s; numbers, texts, True, False, None and lists of them can be", v.Type())
}

func appendText(b []byte, s string) ([]byte, error) {
	if len(s) > maxText {
		return nil, fmt.Errorf("a text of %d bytes", len(s))
	}
	return append(binary.AppendUvarint(append(b, 's'), uint64(len(s))), s...), nil
}

var errNotPacked = errors.New("this datagram was not made by pack")

// unpack reads one value.
func unpack(b []byte, depth int) (v starlark.Value, rest []byte, err error) {
	if len(b) == 0 || depth > maxPacked {
		return nil, nil, errNotPacked
	}
	kind, b := b[0], b[1:]
	switch kind {
	case 'n':
		return starlark.None, b, nil
	case 't', 'f':
		return starlark.Bool(kind == 't'), b, nil
	case 'i':
		n, used := binary.Varint(b)
		if used <= 0 {
			return nil, nil, errNotPacked
		}
		return starlark.MakeInt64(n), b[used:], nil
	case 'd':
		if len(b) < 8 {
			return nil, nil, errNotPacked
		}
		return starlark.Float(math.Float64frombits(binary.BigEndian.Uint64(b))), b[8:], nil
	case 's', 'l':
		n, used := binary.Uvarint(b)
		if b = b[max(used, 0):]; used <= 0 || n > uint64(len(b)) { // a value of a list has a byte, too
			return nil, nil, errNotPacked
		}
		if kind == 's' {
			return starlark.String(b[:n]), b[n:], nil
		}
		all := make([]starlark.Value, n)
		for i := range all {
			if all[i], b, err = unpack(b, depth+1); err != nil {
				return nil, nil, err
			}
		}
		return starlark.NewList(all), b, nil
	}
	return nil, nil, errNotPacked
}

// unpackAll reads all values of a datagram.
func unpackAll(b []byte) (all starlark.Tuple, err error) {
	for len(b) > 0 {
		var v starlark.Value
		if v, b, err = unpack(b, 0); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil, errNotPacked
	}
	return all, nil
}
