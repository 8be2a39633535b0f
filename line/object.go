package line

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// Object writes v to w as one line of JSON, in one Write. Whatever strings v
// has, the line holds no control character but the line break at its end, and
// nothing that embeds or overrides the direction of writing: a terminal may be
// all that reads it.
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

const digits = "0123456789abcdef"

// escape writes DEL, C1 and what sets a direction as JSON escapes. They can stand
// in strings only, which is where JSON has escapes.
func escape(b []byte) []byte {
	first := 0
	for first < len(b) && !escaped(b[first:]) {
		first++
	}
	if first == len(b) {
		return b
	}
	out := append(make([]byte, 0, len(b)+64), b[:first]...)
	for i := first; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if escaped(b[i:]) {
			out = append(out, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		} else {
			out = append(out, b[i:i+size]...)
		}
		i += size
	}
	return out
}

// escaped tells whether b begins with what is to be escaped: U+007F to U+009F,
// U+202A to U+202E, U+2066 to U+2069.
func escaped(b []byte) bool {
	switch {
	case b[0] == 0x7f:
		return true
	case b[0] == 0xc2:
		return len(b) > 1 && b[1] < 0xa0
	case b[0] != 0xe2 || len(b) < 3:
		return false
	}
	return b[1] == 0x80 && 0xaa <= b[2] && b[2] <= 0xae || b[1] == 0x81 && 0xa6 <= b[2] && b[2] <= 0xa9
}
