package line

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// Object writes v to w as one line of JSON, in one Write. Whatever strings v
// has, the line holds no control character but the line break at its end.
func Object(w io.Writer, v any) error {
	b, err := object(v)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func object(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return escape(out.Bytes()), nil
}

const hex = "0123456789abcdef"

// escape writes DEL and C1 as JSON escapes. They can stand in strings only,
// which is where JSON has escapes.
func escape(b []byte) []byte {
	control := func(i int) bool {
		return b[i] == 0x7f || b[i] == 0xc2 && i+1 < len(b) && b[i+1] < 0xa0
	}
	first := 0
	for first < len(b) && !control(first) {
		first++
	}
	if first == len(b) {
		return b
	}
	out := append(make([]byte, 0, len(b)+64), b[:first]...)
	for i := first; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if control(i) {
			out = append(out, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		} else {
			out = append(out, b[i:i+size]...)
		}
		i += size
	}
	return out
}
