package udp

import (
	"testing"

	"parley/transport"
)

var testToken = token{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}

// TestLayout holds the bytes themselves: a second implementation relies on them.
func TestLayout(t *testing.T) {
	tok := string(testToken[:])
	id := uint64(0x0102030405060708)
	const idBytes = "\x01\x02\x03\x04\x05\x06\x07\x08"
	cases := []struct {
		name string
		got  []byte
		want string // followed by zeros
		size int
	}{
		{"HELLO", appendHello(nil, hello{1, 2, id, testToken}), "\x01\x01\x02" + idBytes + tok, 1200},
		{"RETRY", appendRetry(nil, id, testToken), "\x02" + idBytes + tok, 29},
		{"REFUSE", appendRefuse(nil, id, transport.ReasonFull), "\x03" + idBytes + "\x03", 10},
		{"ACCEPT", appendAccept(nil, id), "\x04" + idBytes, 1200},
		{"SHAKE", appendShake(nil, id, testToken, []byte("dtls")), "\x05" + idBytes + tok + "dtls", 1200},
		{"SHAKE of the host", appendShake(nil, id, token{}, []byte("dtls")), "\x05" + idBytes + string(make([]byte, tokenSize)) + "dtls", 33},
	}
	for _, x := range cases {
		if want := x.want + string(zeros[:x.size-len(x.want)]); string(x.got) != want {
			t.Errorf("%s is %x", x.name, x.got)
		}
	}
	if appended := appendHello([]byte("before"), hello{version: 1}); len(appended) != 6+1200 || string(appended[:6]) != "before" {
		t.Error("append does not append")
	}
}

// TestStrict changes lengths and padding of datagrams that are right.
func TestStrict(t *testing.T) {
	parsers := map[string]func([]byte) bool{
		"HELLO":  func(b []byte) bool { _, ok := parseHello(b); return ok },
		"RETRY":  func(b []byte) bool { _, _, ok := parseRetry(b); return ok },
		"REFUSE": func(b []byte) bool { _, _, ok := parseRefuse(b); return ok },
		"ACCEPT": func(b []byte) bool { _, ok := parseAccept(b); return ok },
	}
	good := map[string][]byte{
		"HELLO":  appendHello(nil, hello{version: protocolVersion, mode: modeSecure, id: 9, token: testToken}),
		"RETRY":  appendRetry(nil, 9, testToken),
		"REFUSE": appendRefuse(nil, 9, transport.ReasonMode),
		"ACCEPT": appendAccept(nil, 9),
	}
	for name, parse := range parsers {
		for other, b := range good {
			if parse(b) != (name == other) {
				t.Errorf("%s parsed as %s: %v", other, name, parse(b))
			}
		}
		b := good[name]
		for n := range len(b) {
			if parse(b[:n]) {
				t.Errorf("%s cut to %d bytes was taken", name, n)
			}
		}
		if parse(append(b[:len(b):len(b)], 0)) {
			t.Errorf("%s with a byte more was taken", name)
		}
		if len(b) == helloSize {
			padded := append([]byte(nil), b...)
			padded[helloSize-1] = 1
			if parse(padded) {
				t.Errorf("%s with padding that is not zero was taken", name)
			}
		}
	}
	later := appendHello(nil, hello{version: 9, mode: 7, id: 5})
	later[500] = 1
	if h, ok := parseHello(later); !ok || h.version != 9 || h.mode != 7 || h.id != 5 {
		t.Error("a HELLO of another version cannot be refused by name")
	}
	for size, want := range map[int]bool{0: false, shakeHeader: false, shakeHeader + 1: true, shakeSize: true, shakeSize + 1: false} {
		b := make([]byte, size)
		if size > 0 {
			b[0] = typeShake
		}
		if _, _, d, ok := parseShake(b); ok != want || ok && len(d) != size-shakeHeader {
			t.Errorf("SHAKE of %d bytes: %v", size, ok)
		}
	}
	flight := flights()[2]
	for _, datagram := range [][]byte{flight, flight[:len(flight)-1], flight[:5], {0, 1}} {
		b := appendShake(nil, 9, testToken, datagram)
		_, _, d, ok := parseShake(b)
		whole := len(datagram) == len(flight)
		if !ok || whole != (len(d) == len(datagram)) {
			t.Errorf("of a SHAKE with %d bytes %d are read, %v", len(datagram), len(d), ok)
		}
		if _, _, _, ok := parseShake(b[:shakeSize-1]); ok {
			t.Error("a short SHAKE of a client was taken")
		}
	}
}

func TestAdmissionHash(t *testing.T) {
	seen := map[[32]byte]bool{}
	for _, h := range [][32]byte{
		admissionHash(1, 1, 1, testToken), admissionHash(2, 1, 1, testToken), admissionHash(1, 2, 1, testToken),
		admissionHash(1, 1, 2, testToken), admissionHash(1, 1, 1, token{}),
	} {
		if seen[h] {
			t.Error("two admissions have one hash")
		}
		seen[h] = true
	}
}

// FuzzDatagrams: what any of the parsers takes, it takes apart without loss. A
// datagram is its beginning and a number of zeros, since the fuzzer is slow with
// long inputs.
func FuzzDatagrams(f *testing.F) {
	for _, b := range [][]byte{
		appendHello(nil, hello{version: 1, mode: 1, id: 9}),
		appendHello(nil, hello{version: 1, mode: 2, id: 9, token: testToken}),
		appendHello(nil, hello{version: 200, mode: 9, id: 1 << 63, token: testToken}),
		appendRetry(nil, 9, testToken),
		appendRefuse(nil, 9, transport.ReasonVersion),
		appendRefuse(nil, 9, 200),
		appendAccept(nil, 9),
		{},
		{typeHello},
	} {
		head := b[:min(len(b), helloUsed)]
		f.Add(head, uint16(len(b)-len(head)))
	}
	f.Fuzz(func(t *testing.T, head []byte, more uint16) {
		b := append(head[:len(head):len(head)], make([]byte, more%(helloSize+1))...)
		var again []byte
		taken := 0
		if h, ok := parseHello(b); ok {
			taken++
			if again = appendHello(nil, h); h.version != protocolVersion {
				again = append(again[:helloUsed], b[helloUsed:]...) // not ours to know
			}
		}
		if id, tok, ok := parseRetry(b); ok {
			taken++
			again = appendRetry(nil, id, tok)
		}
		if id, r, ok := parseRefuse(b); ok {
			taken++
			again = appendRefuse(nil, id, r)
			_ = r.String()
		}
		if id, ok := parseAccept(b); ok {
			taken++
			again = appendAccept(nil, id)
		}
		if taken > 1 || taken == 1 && string(again) != string(b) {
			t.Errorf("%x became %x (%d parsers)", b, again, taken)
		}
	})
}

func FuzzShake(f *testing.F) {
	client := appendShake(nil, 9, testToken, record(22, 0, 0, whole(1, 0, make([]byte, 60))))
	f.Add(client[:shakeHeader+100], uint16(shakeSize-shakeHeader-100))
	f.Add(appendShake(nil, 9, token{}, record(20, 0, 1, []byte{1})), uint16(0))
	f.Add(appendShake(nil, 9, token{}, nil), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, padding uint16) {
		b = append(b, make([]byte, padding%2048)...)
		id, tok, d, ok := parseShake(b)
		if ok && string(appendShake(nil, id, tok, d)) != string(b) {
			t.Errorf("%x does not come back", b)
		}
	})
}
