package discovery

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Every datagram begins with a header. Numbers are big-endian.
//
//	offset size
//	     0    4  "prly"
//	     4    1  version, 1; others are not for us
//	     5    1  kind: 1 beacon, 2 query, 3 answer, 4 goodbye, 5 call, 6 called
//	     6    1  turn: in a query which page of a long list is wanted, counted
//	             up by each query of an asker; else 0
//	     7    8  nonce: in a query or call random, in what answers it the same, else 0
//
// In a query the rest is padding and not looked at. In a call a port of 1024 or
// more follows in two bytes, and padding to 400 bytes at least; after the header of
// a called there is nothing. In the other kinds one or more notices follow, up to the end.
const (
	magic      = "prly"
	version    = 1
	headerSize = 15
)

type kind byte

const (
	beacon  kind = 1
	query   kind = 2
	answer  kind = 3
	goodbye kind = 4
	call    kind = 5
	called  kind = 6
)

// maxDatagram is what passes every link unfragmented. It is also the size of a
// query, which an answer may not exceed.
const maxDatagram = 1200

// A notice tells of one room.
//
//	offset size
//	     0    2  size of the notice, signature included
//	     2    8  instance: random, the same as long as the announcing program runs
//	    10    8  issue: grows with every notice of that instance; microseconds
//	             since 1970 if the clock agrees
//	    18    2  ttl: seconds for which a beacon stands
//	    20    1  flags: 1 encrypted, 2 password wanted, 4 guests admitted
//	    21    2  UDP port, 0 if not served, else 1024 or more
//	    23    2  TCP port, likewise; one of both is not 0
//	    25    2  members
//	    27   32  the room's Ed25519 key
//	    59    1  length n of the name, 1 to 63
//	    60    n  name: UTF-8 without control characters, spaces, '/', '#' and ':'
//	  60+n    e  what later versions may add; signed, else ignored
//	60+n+e   64  signature by the key over the line "parley notice 1\n", the
//	             datagram's kind and nonce, and the notice up to here
const (
	noticeFixed = 60
	minNotice   = noticeFixed + 1 + ed25519.SignatureSize
	maxName     = 63
	maxNotice   = noticeFixed + maxName + ed25519.SignatureSize // as we make them
	noticeLine  = "parley notice 1\n"
)

const (
	flagSecure   = 1
	flagPassword = 2
	flagGuests   = 4
)

type notice struct {
	instance  [8]byte
	issue     uint64
	ttl       uint16
	flags     byte
	udp, tcp  uint16
	members   uint16
	key       [ed25519.PublicKeySize]byte
	name      []byte
	extra     []byte
	signed    []byte // what precedes the signature
	signature []byte
}

// header is the beginning of a datagram, and what follows it.
type header struct {
	kind  kind
	turn  byte
	nonce [8]byte
	rest  []byte
}

var (
	errForeign = errors.New("not a datagram of this protocol and version")
	errNotice  = errors.New("malformed notice")
)

func appendHeader(b []byte, k kind, turn byte, nonce [8]byte) []byte {
	b = append(b, magic...)
	b = append(b, version, byte(k), turn)
	return append(b, nonce[:]...)
}

func parseHeader(b []byte) (h header, err error) {
	if len(b) < headerSize || string(b[:4]) != magic || b[4] != version {
		return h, errForeign
	}
	h = header{kind: kind(b[5]), turn: b[6], nonce: [8]byte(b[7:headerSize]), rest: b[headerSize:]}
	if h.kind < beacon || h.kind > called {
		return h, errForeign
	}
	return h, nil
}

// appendQuery makes a query of the given size, or as small as it can be.
func appendQuery(b []byte, size int, turn byte, nonce [8]byte) []byte {
	b = appendHeader(b, query, turn, nonce)
	return append(b, make([]byte, max(size-len(b), 0))...)
}

// appendNotice appends n without its signature.
func appendNotice(b []byte, n *notice) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(noticeFixed+len(n.name)+len(n.extra)+ed25519.SignatureSize))
	b = append(b, n.instance[:]...)
	b = binary.BigEndian.AppendUint64(b, n.issue)
	b = binary.BigEndian.AppendUint16(b, n.ttl)
	b = append(b, n.flags)
	b = binary.BigEndian.AppendUint16(b, n.udp)
	b = binary.BigEndian.AppendUint16(b, n.tcp)
	b = binary.BigEndian.AppendUint16(b, n.members)
	b = append(b, n.key[:]...)
	b = append(b, byte(len(n.name)))
	b = append(b, n.name...)
	return append(b, n.extra...)
}

// signNotice appends n, signed for a datagram of the given kind and nonce.
func signNotice(b []byte, n *notice, k kind, nonce [8]byte, s crypto.Signer) ([]byte, error) {
	at := len(b)
	b = appendNotice(b, n)
	signature, err := s.Sign(nil, signedText(k, nonce, b[at:]), crypto.Hash(0))
	if err != nil {
		return b[:at], err
	}
	return append(b, signature...), nil
}

func signedText(k kind, nonce [8]byte, body []byte) []byte {
	text := make([]byte, 0, len(noticeLine)+9+len(body))
	text = append(text, noticeLine...)
	text = append(text, byte(k))
	text = append(text, nonce[:]...)
	return append(text, body...)
}

// genuine tells whether the notice's key signed it.
func (n *notice) genuine(h *header) bool {
	return ed25519.Verify(n.key[:], signedText(h.kind, h.nonce, n.signed), n.signature)
}

// parseNotice reads the first notice of b. What it returns points into b.
func parseNotice(b []byte) (n notice, rest []byte, err error) {
	if len(b) < minNotice {
		return n, nil, errNotice
	}
	size := int(binary.BigEndian.Uint16(b))
	if size < minNotice || size > len(b) {
		return n, nil, errNotice
	}
	b, rest = b[:size], b[size:]
	n = notice{
		instance:  [8]byte(b[2:]),
		issue:     binary.BigEndian.Uint64(b[10:]),
		ttl:       binary.BigEndian.Uint16(b[18:]),
		flags:     b[20],
		udp:       binary.BigEndian.Uint16(b[21:]),
		tcp:       binary.BigEndian.Uint16(b[23:]),
		members:   binary.BigEndian.Uint16(b[25:]),
		key:       [ed25519.PublicKeySize]byte(b[27:]),
		signed:    b[:size-ed25519.SignatureSize],
		signature: b[size-ed25519.SignatureSize:],
	}
	length := int(b[59])
	if noticeFixed+length > len(n.signed) {
		return n, nil, errNotice
	}
	n.name = n.signed[noticeFixed : noticeFixed+length]
	n.extra = n.signed[noticeFixed+length:]
	if !validName(n.name) || !validPorts(n.udp, n.tcp) {
		return n, nil, errNotice
	}
	return n, rest, nil
}

// firstPort keeps those who forge the source of a beacon from having listeners
// knock where other services are.
const firstPort = 1024

func validPorts(udp, tcp uint16) bool {
	return (udp != 0 || tcp != 0) && (udp == 0 || udp >= firstPort) && (tcp == 0 || tcp >= firstPort)
}

// validName holds for what a room can be called, as far as every listener may
// rely on it. Which letters deceive is the front end's to judge.
func validName(name []byte) bool {
	return len(name) >= 1 && len(name) <= maxName && utf8.Valid(name) &&
		!bytes.ContainsFunc(name, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune("/#:", r)
		})
}
