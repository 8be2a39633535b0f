//go:build !nolab

package own

import (
	"bytes"
	"testing"

	"go.starlark.net/starlark"
)

// FuzzUnpack reads datagrams that anybody made.
func FuzzUnpack(f *testing.F) {
	for _, v := range []starlark.Tuple{
		{starlark.MakeInt(7), starlark.String("hello")},
		{starlark.None, starlark.True, starlark.False, starlark.Float(1.5)},
		{starlark.NewList([]starlark.Value{starlark.MakeInt(-1), starlark.NewList(nil)})},
	} {
		var b []byte
		for _, x := range v {
			b, _ = pack(b, x, 0)
		}
		f.Add(b)
	}
	f.Add([]byte("l\xff\xff\xff\xff\x0f"))
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := unpackAll(data)
		if err != nil {
			return
		}
		var b []byte
		for _, v := range all {
			if b, err = pack(b, v, 0); err != nil {
				if len(data) > maxText {
					return
				}
				t.Fatalf("what came out does not go in: %v", err)
			}
		}
		again, err := unpackAll(b)
		if err != nil || len(again) != len(all) {
			t.Fatalf("%v: %v, %v", err, all, again)
		}
		var c []byte
		for _, v := range again {
			c, _ = pack(c, v, 0)
		}
		if !bytes.Equal(b, c) {
			t.Fatalf("%q, then %q", b, c)
		}
	})
}

// FuzzLoad compiles what anybody wrote.
func FuzzLoad(f *testing.F) {
	for _, x := range Examples {
		f.Add(x)
	}
	for _, h := range hostile {
		if len(h.source) < 1000 {
			f.Add(h.source)
		}
	}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := load("own.star", source)
		if (s == nil) == (err == nil) {
			t.Fatal("neither a script nor an error, or both")
		}
		if err != nil && err.Error() == "" {
			t.Fatal("nothing is said of the error")
		}
	})
}
