package udp

import (
	"crypto/sha256"
	"encoding/binary"

	"parley/transport"
)

// Datagrams that are exchanged before there are keys. Integers are big-endian.
//
//	HELLO   type 1, version 1, mode 1, id 8, token 20, zeros up to 1200 bytes
//	RETRY   type 1, id 8, token 20
//	REFUSE  type 1, id 8, reason 1
//	ACCEPT  type 1, id 8, zeros up to 1200 bytes
//	SHAKE   type 1, id 8, token 20, a DTLS datagram; the client's: zeros up to 1200 bytes
//
// The id is drawn at random by the client and names the conversation from its
// HELLO to its last packet. Whoever does not see the wire cannot guess it, so
// he cannot take part in a handshake either.
const (
	typeHello  = 0x01
	typeRetry  = 0x02
	typeRefuse = 0x03
	typeAccept = 0x04
	typeShake  = 0x05
)

// protocolVersion is the version of everything in this package.
const protocolVersion = 1

// Modes in a HELLO.
const (
	modeSecure    = 1
	modePlaintext = 2
)

const (
	// helloSize is the size of HELLO and ACCEPT, which thereby prove that
	// the path carries full packets. It also makes every answer to a
	// stranger far smaller than what the stranger sent.
	helloSize  = 1200
	retrySize  = 1 + 8 + tokenSize
	refuseSize = 1 + 8 + 1
	helloUsed  = 1 + 1 + 1 + 8 + tokenSize
	acceptUsed = 1 + 8

	shakeHeader = 1 + 8 + tokenSize
	// shakeSize bounds a SHAKE like any datagram before the path is probed.
	// The client's have this size, so that the server's part of the
	// handshake, of 545 bytes, is no more than what it answers.
	shakeSize = helloSize
)

// A token proves that its bearer receives at the address it sends from.
type token = [tokenSize]byte

// A hello is what the client begins with. All but the padding means the same in
// every version, so that other versions can be refused by name.
type hello struct {
	version, mode byte
	id            uint64
	token         token // zero in the first
}

func appendHello(dst []byte, h hello) []byte {
	start := len(dst)
	dst = append(dst, typeHello, h.version, h.mode)
	dst = binary.BigEndian.AppendUint64(dst, h.id)
	dst = append(dst, h.token[:]...)
	return fill(dst, start)
}

// parseHello reads a HELLO of any version and mode. In our version the padding
// must be zero.
func parseHello(b []byte) (h hello, ok bool) {
	if len(b) != helloSize || b[0] != typeHello {
		return hello{}, false
	}
	h = hello{version: b[1], mode: b[2], id: binary.BigEndian.Uint64(b[3:]), token: token(b[11:helloUsed])}
	if h.version == protocolVersion && !areZero(b[helloUsed:]) {
		return hello{}, false
	}
	return h, true
}

func appendRetry(dst []byte, id uint64, t token) []byte {
	dst = append(dst, typeRetry)
	dst = binary.BigEndian.AppendUint64(dst, id)
	return append(dst, t[:]...)
}

func parseRetry(b []byte) (id uint64, t token, ok bool) {
	if len(b) != retrySize || b[0] != typeRetry {
		return 0, token{}, false
	}
	return binary.BigEndian.Uint64(b[1:]), token(b[9:]), true
}

func appendRefuse(dst []byte, id uint64, r transport.Reason) []byte {
	dst = append(dst, typeRefuse)
	dst = binary.BigEndian.AppendUint64(dst, id)
	return append(dst, byte(r))
}

// parseRefuse reads a REFUSE. A reason that we do not know is passed on: it
// refuses all the same.
func parseRefuse(b []byte) (id uint64, r transport.Reason, ok bool) {
	if len(b) != refuseSize || b[0] != typeRefuse {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(b[1:]), transport.Reason(b[9]), true
}

func appendAccept(dst []byte, id uint64) []byte {
	start := len(dst)
	dst = append(dst, typeAccept)
	dst = binary.BigEndian.AppendUint64(dst, id)
	return fill(dst, start)
}

func parseAccept(b []byte) (id uint64, ok bool) {
	if len(b) != helloSize || b[0] != typeAccept || !areZero(b[acceptUsed:]) {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[1:]), true
}

// appendShake wraps a datagram of the handshake. The client puts its token into
// every one, because any of them may be the first to arrive; the server leaves
// it zero.
func appendShake(dst []byte, id uint64, t token, datagram []byte) []byte {
	start := len(dst)
	dst = append(dst, typeShake)
	dst = binary.BigEndian.AppendUint64(dst, id)
	dst = append(dst, t[:]...)
	dst = append(dst, datagram...)
	if t == (token{}) {
		return dst
	}
	return fill(dst, start)
}

// parseShake reads a SHAKE; datagram lies within b and is not yet filtered.
func parseShake(b []byte) (id uint64, t token, datagram []byte, ok bool) {
	if len(b) <= shakeHeader || len(b) > shakeSize || b[0] != typeShake {
		return 0, token{}, nil, false
	}
	id, t, datagram = binary.BigEndian.Uint64(b[1:]), token(b[9:shakeHeader]), b[shakeHeader:]
	if t != (token{}) {
		if len(b) != shakeSize {
			return 0, token{}, nil, false
		}
		datagram = unpadded(datagram)
	}
	return id, t, datagram, len(datagram) > 0
}

// unpadded cuts off the zeros that follow the last record. No record begins
// with one. What is not records remains as it is.
func unpadded(b []byte) []byte {
	for at := 0; at < len(b); {
		if rest := b[at:]; rest[0] == 0 && areZero(rest) {
			return b[:at]
		} else if len(rest) < recordHeader {
			break
		} else {
			at += recordHeader + int(binary.BigEndian.Uint16(rest[11:]))
		}
	}
	return b
}

var zeros [helloSize]byte

func areZero(b []byte) bool { return string(b) == string(zeros[:len(b)]) }

// fill pads the datagram that begins at start up to helloSize.
func fill(dst []byte, start int) []byte {
	return append(dst, zeros[min(len(dst)-start, helloSize):]...)
}

// admissionHash digests all that was agreed on before the handshake. The keys
// of the packets depend on it, so if anybody on the way changed version, mode,
// id or token for one of the two, the first sealed packet does not open.
func admissionHash(version, mode byte, id uint64, t token) [32]byte {
	b := make([]byte, 0, 64)
	b = append(b, "parley admission\n"...)
	b = append(b, version, mode)
	b = binary.BigEndian.AppendUint64(b, id)
	return sha256.Sum256(append(b, t[:]...))
}
