package udp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A protector makes packets that the other end can tell from damaged ones: a
// sealer against people, a checksum against accidents. A packet is a header,
// which stays readable, and a payload. The packet number goes into the
// protection in full, though the header carries only its low half.
type protector interface {
	// overhead is how many bytes seal adds.
	overhead() int
	// seal protects pkt in place and returns it, longer by overhead: give it
	// that capacity. Numbers must rise from one call to the next.
	seal(pkt []byte, header int, number uint64) []byte
	// open undoes seal in place. If it fails, pkt may be destroyed.
	open(pkt []byte, header int, number uint64) (payload []byte, ok bool)
}

const (
	// phaseBits: a key protects 2^22 packets, half of what RFC 9001 allows
	// AES-GCM, so that an attacker's odds stay below what anybody counts.
	phaseBits = 22
	// phaseMask is the bit of a sealed packet's first byte that shows
	// whether its key's turn is odd.
	phaseMask = 0x01

	keySize = 16 // AES-128
	ivSize  = 12
	tagSize = 16
)

// A sealer seals one side's packets and opens the other's, with AES-128-GCM.
//
//	root            = HKDF-Extract(salt: admission hash, secret: exported by DTLS)
//	secret 0        = HKDF-Expand(root, "parley 1 client" or "parley 1 server", 32)
//	secret n+1      = HKDF-Expand(secret n, "parley 1 next", 32)
//	key n | IV n    = HKDF-Expand(secret n, "parley 1 key", 16 + 12)
//	nonce           = IV n xor packet number, as 12 bytes
//	associated data = the header
//
// where n = packet number >> 22. So a packet's number tells its key, and with
// secrets that only go forward, no key betrays an earlier one. The key that
// comes next is used only for a packet that opens with it, and only then the
// one after is made: forged numbers cannot drive the keys ahead.
//
// A sealer allocates only when keys change. One goroutine may use it.
type sealer struct {
	sending keyPhase
	next    uint64 // the least number that seal may use

	previous, current, coming keyPhase // for opening; previous.aead may be nil

	nonce [ivSize]byte // scratch space; as a local variable it would be allocated
}

// A keyPhase is the time of one key.
type keyPhase struct {
	n      uint64
	secret []byte
	aead   cipher.AEAD
	iv     [ivSize]byte
}

// newSealer derives the keys of both directions. client tells which side we are.
func newSealer(k keying, admission [32]byte, client bool) (*sealer, error) {
	root, err := hkdf.Extract(sha256.New, k.secret[:], admission[:])
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	ours, theirs := "parley 1 server", "parley 1 client"
	if client {
		ours, theirs = theirs, ours
	}
	s := &sealer{}
	if s.sending, err = firstPhase(root, ours); err != nil {
		return nil, err
	}
	if s.current, err = firstPhase(root, theirs); err != nil {
		return nil, err
	}
	if s.coming, err = s.current.following(); err != nil {
		return nil, err
	}
	return s, nil
}

func firstPhase(root []byte, label string) (keyPhase, error) {
	secret, err := hkdf.Expand(sha256.New, root, label, sha256.Size)
	if err != nil {
		return keyPhase{}, fmt.Errorf("derive keys: %w", err)
	}
	return newPhase(0, secret)
}

func newPhase(n uint64, secret []byte) (keyPhase, error) {
	p := keyPhase{n: n, secret: secret}
	km, err := hkdf.Expand(sha256.New, secret, "parley 1 key", keySize+ivSize)
	if err != nil {
		return keyPhase{}, fmt.Errorf("derive keys: %w", err)
	}
	copy(p.iv[:], km[keySize:])
	block, err := aes.NewCipher(km[:keySize])
	if err != nil {
		return keyPhase{}, fmt.Errorf("derive keys: %w", err)
	}
	if p.aead, err = cipher.NewGCM(block); err != nil {
		return keyPhase{}, fmt.Errorf("derive keys: %w", err)
	}
	return p, nil
}

// following is the phase after p.
func (p *keyPhase) following() (keyPhase, error) {
	secret, err := hkdf.Expand(sha256.New, p.secret, "parley 1 next", sha256.Size)
	if err != nil {
		return keyPhase{}, fmt.Errorf("derive keys: %w", err)
	}
	return newPhase(p.n+1, secret)
}

func (s *sealer) overhead() int { return tagSize }

// seal implements protector. A number used twice would give the key away, so
// one that does not rise is a fault of ours that must not go on.
func (s *sealer) seal(pkt []byte, header int, number uint64) []byte {
	if number < s.next {
		panic("udp: packet number used twice")
	}
	s.next = number + 1
	for s.sending.n < number>>phaseBits {
		following, err := s.sending.following()
		if err != nil {
			panic("udp: " + err.Error()) // it worked with the same lengths before
		}
		s.sending = following
	}
	pkt[0] = pkt[0]&^phaseMask | byte(s.sending.n)&phaseMask
	return s.sending.aead.Seal(pkt[:header], s.nonceFor(&s.sending, number), pkt[header:], pkt[:header])
}

// open implements protector.
func (s *sealer) open(pkt []byte, header int, number uint64) ([]byte, bool) {
	if len(pkt) < header+tagSize {
		return nil, false
	}
	var p *keyPhase
	switch n := number >> phaseBits; {
	case n == s.current.n:
		p = &s.current
	case n == s.coming.n:
		p = &s.coming
	case n == s.previous.n && s.previous.aead != nil:
		p = &s.previous
	default:
		return nil, false
	}
	if pkt[0]&phaseMask != byte(p.n)&phaseMask {
		return nil, false
	}
	payload, err := p.aead.Open(pkt[header:header], s.nonceFor(p, number), pkt[header:], pkt[:header])
	if err != nil {
		return nil, false
	}
	if p == &s.coming {
		s.advance()
	}
	return payload, true
}

// advance makes the coming phase the current one.
func (s *sealer) advance() {
	after, err := s.coming.following()
	if err != nil {
		panic("udp: " + err.Error()) // as in seal
	}
	s.previous, s.current, s.coming = s.current, s.coming, after
	s.previous.secret = nil
}

func (s *sealer) nonceFor(p *keyPhase, number uint64) []byte {
	s.nonce = p.iv
	tail := s.nonce[ivSize-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^number)
	return s.nonce[:]
}

// A checksum protects packets by a CRC-32C at their end, over all before it. It
// notices damage, which the 16 bits of UDP too often do not, and a number that was
// made whole wrongly; it hides nothing and proves nothing.
type checksum struct{}

const checksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (checksum) overhead() int { return checksumSize }

func (checksum) seal(pkt []byte, _ int, number uint64) []byte {
	pkt = binary.BigEndian.AppendUint32(pkt, uint32(number>>8))
	binary.BigEndian.PutUint32(pkt[len(pkt)-checksumSize:], crc32.Checksum(pkt, castagnoli))
	return pkt
}

func (checksum) open(pkt []byte, header int, number uint64) ([]byte, bool) {
	if len(pkt) < header+checksumSize {
		return nil, false
	}
	end := len(pkt) - checksumSize
	sum := binary.BigEndian.Uint32(pkt[end:])
	binary.BigEndian.PutUint32(pkt[end:], uint32(number>>8))
	good := crc32.Checksum(pkt, castagnoli) == sum
	binary.BigEndian.PutUint32(pkt[end:], sum)
	if !good {
		return nil, false
	}
	return pkt[header:end], true
}
