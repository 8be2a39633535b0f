package discovery

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"strings"
	"testing"
)

// datagramOf makes a datagram of one notice, signed by the room's key.
func datagramOf(t testing.TB, k kind, nonce [8]byte, r Room, instance byte, issue uint64) []byte {
	key, _ := publicKey(r.Signer)
	n := notice{instance: [8]byte{instance}, issue: issue, ttl: 90, flags: flagSecure, udp: r.UDP, tcp: r.TCP,
		members: uint16(r.Members), key: key, name: []byte(r.Name)}
	b, err := signNotice(appendHeader(nil, k, 0, nonce), &n, k, nonce, r.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLayout(t *testing.T) {
	b := datagramOf(t, beacon, [8]byte{}, room("physics", 1), 0xab, 0x0102030405060708)
	want := "70726c79" + "01" + "01" + "00" + "0000000000000000" + // header
		"0083" + "ab00000000000000" + "0102030405060708" + "005a" + "01" + "1df3" + "1df3" + "0001"
	if got := hex.EncodeToString(b[:headerSize+27]); got != want {
		t.Errorf("a beacon begins with\n%s, want\n%s", got, want)
	}
	if !bytes.Equal(b[headerSize+59:headerSize+67], []byte("\x07physics")) {
		t.Errorf("no name where it belongs: %q", b[headerSize+59:])
	}
	if len(b) != headerSize+0x83 {
		t.Errorf("the beacon has %d bytes", len(b))
	}
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	n, rest, err := parseNotice(h.rest)
	if err != nil || len(rest) != 0 || !n.genuine(&h) {
		t.Fatalf("it is not read back: %v", err)
	}
	for i := range b[:headerSize+len(n.signed)] {
		if i == 6 {
			continue // the turn means nothing here
		}
		b[i] ^= 1
		if h, err := parseHeader(b); err == nil {
			if n, _, err := parseNotice(h.rest); err == nil && n.genuine(&h) {
				t.Errorf("the signature does not cover byte %d", i)
			}
		}
		b[i] ^= 1
	}
}

func TestLaterVersionsMayAddToANotice(t *testing.T) {
	r := room("physics", 1)
	key, _ := publicKey(r.Signer)
	n := notice{issue: 1, udp: 7667, key: key, name: []byte("physics"), extra: []byte("something new")}
	b, _ := signNotice(appendHeader(nil, beacon, 0, [8]byte{}), &n, beacon, [8]byte{}, r.Signer)
	h, _ := parseHeader(b)
	got, _, err := parseNotice(h.rest)
	if err != nil || string(got.name) != "physics" || string(got.extra) != "something new" || !got.genuine(&h) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMalformed(t *testing.T) {
	good := datagramOf(t, beacon, [8]byte{}, room("physics", 1), 1, 1)
	edit := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(good)) }
	named := func(name string) []byte {
		r := room("x", 1)
		r.Name = name
		return datagramOf(t, beacon, [8]byte{}, r, 1, 1)
	}
	cases := map[string][]byte{
		"empty":           {},
		"other magic":     edit(func(b []byte) []byte { b[0]++; return b }),
		"other version":   edit(func(b []byte) []byte { b[4]++; return b }),
		"kind 0":          edit(func(b []byte) []byte { b[5] = 0; return b }),
		"kind 7":          edit(func(b []byte) []byte { b[5] = 7; return b }),
		"cut":             good[:len(good)-1],
		"longer":          append(bytes.Clone(good), 0),
		"size 0":          edit(func(b []byte) []byte { b[headerSize], b[headerSize+1] = 0, 0; return b }),
		"size 65535":      edit(func(b []byte) []byte { b[headerSize], b[headerSize+1] = 255, 255; return b }),
		"name overlong":   edit(func(b []byte) []byte { b[headerSize+59] = 255; return b }),
		"no name":         edit(func(b []byte) []byte { b[headerSize+59] = 0; return b }),
		"no port":         edit(func(b []byte) []byte { clear(b[headerSize+21 : headerSize+25]); return b }),
		"UDP port 53":     edit(func(b []byte) []byte { b[headerSize+21], b[headerSize+22] = 0, 53; return b }),
		"TCP port 22":     edit(func(b []byte) []byte { b[headerSize+23], b[headerSize+24] = 0, 22; return b }),
		"name too long":   named(strings.Repeat("x", maxName+1)),
		"control":         named("a\x1b[2Jb"),
		"C1 control":      named("a\u009bb"),
		"space":           named("a b"),
		"no-break space":  named("a\u00a0b"),
		"slash":           named("a/b"),
		"fragment":        named("a#b"),
		"colon":           named("a:b"),
		"not UTF-8":       named("a\xffb"),
		"line separator":  named("a\u2028b"),
		"half a rune":     named("a\xe2\x82"),
		"surrogate":       named("a\xed\xa0\x80"),
		"carriage return": named("a\r"),
	}
	for name, b := range cases {
		h, err := parseHeader(b)
		for rest := h.rest; err == nil && len(rest) > 0; {
			_, rest, err = parseNotice(rest)
		}
		if err == nil {
			t.Errorf("%s: taken for good", name)
		}
	}
	for i := range good {
		if h, err := parseHeader(good[:i]); err == nil {
			if _, _, err := parseNotice(h.rest); err == nil {
				t.Errorf("the first %d bytes are taken for good", i)
			}
		}
	}
}

func TestParsingDoesNotAllocate(t *testing.T) {
	b := datagramOf(t, beacon, [8]byte{}, room("physics", 1), 1, 1)
	if n := testing.AllocsPerRun(100, func() {
		h, _ := parseHeader(b)
		if n, _, err := parseNotice(h.rest); err != nil || n.udp != 7667 {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What is parsed and put together again is what it was, and no input makes
// the machines panic.
func FuzzParse(f *testing.F) {
	r := room("physics", 1)
	for _, k := range []kind{beacon, answer, goodbye} {
		f.Add(datagramOf(f, k, [8]byte{1, 2, 3}, r, 9, 77))
	}
	two := datagramOf(f, beacon, [8]byte{}, r, 1, 1)
	f.Add(append(two, two[headerSize:]...))
	f.Add(appendQuery(nil, maxDatagram, 3, [8]byte{5}))
	f.Add(appendHeader(nil, beacon, 0, [8]byte{}))
	f.Add([]byte("prly"))
	f.Add(Call(7667, [8]byte{7}))
	f.Add(appendHeader(nil, called, 0, [8]byte{7}))
	long := room("ħ", 2)
	long.Name = strings.Repeat("ħ", 31)
	f.Add(datagramOf(f, beacon, [8]byte{}, long, 1, 1<<63))
	f.Fuzz(func(t *testing.T, b []byte) {
		feed(t, b)
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		again := appendHeader(nil, h.kind, h.turn, h.nonce)
		if !bytes.Equal(again, b[:headerSize]) {
			t.Fatalf("header %x became %x", b[:headerSize], again)
		}
		if port, ok := parseCall(&h); ok && (h.kind == call) && !bytes.HasPrefix(b, Call(port, h.nonce)[:headerSize+2]) && h.turn == 0 {
			t.Fatalf("call %x became %x", b, Call(port, h.nonce))
		}
		for rest := h.rest; len(rest) > 0; {
			n, next, err := parseNotice(rest)
			if err != nil {
				return
			}
			again := append(appendNotice(nil, &n), n.signature...)
			if !bytes.Equal(again, rest[:len(rest)-len(next)]) || len(n.signature) != ed25519.SignatureSize {
				t.Fatalf("notice %x became %x", rest[:len(rest)-len(next)], again)
			}
			rest = next
		}
	})
}
