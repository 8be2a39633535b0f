package transport

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// Key is a peer's Ed25519 public key: its name on every carrier. The zero Key
// names nobody.
type Key [ed25519.PublicKeySize]byte

// String gives the key in unpadded URL-safe base64, 43 characters.
func (k Key) String() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// MarshalText is String, and the empty text for the zero Key.
func (k Key) MarshalText() ([]byte, error) {
	if k == (Key{}) {
		return nil, nil
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (k *Key) UnmarshalText(text []byte) error {
	parsed, err := ParseKey(string(text))
	if len(text) == 0 {
		parsed, err = Key{}, nil
	}
	*k = parsed
	return err
}

// ParseKey reads what String wrote.
func ParseKey(s string) (k Key, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(k) {
		return Key{}, fmt.Errorf("not a key: want %d characters of base64", base64.RawURLEncoding.EncodedLen(len(k)))
	}
	return Key(b), nil
}

// Identity is who we are: a key pair. The zero Identity is nobody; carriers
// that need one make one for themselves.
type Identity struct{ private ed25519.PrivateKey }

// NewIdentity makes an identity that nobody had before.
func NewIdentity() (Identity, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return Identity{private}, err
}

// IdentityFromSeed makes the identity that belongs to a 32-byte seed, which
// Seed gave.
func IdentityFromSeed(seed []byte) (Identity, error) {
	if len(seed) != ed25519.SeedSize {
		return Identity{}, fmt.Errorf("identity: a seed is %d bytes, not %d", ed25519.SeedSize, len(seed))
	}
	return Identity{ed25519.NewKeyFromSeed(seed)}, nil
}

// Seed returns the secret from which the identity can be made again.
func (id Identity) Seed() []byte { return id.private.Seed() }

// IsZero tells that id is nobody.
func (id Identity) IsZero() bool { return id.private == nil }

// Key returns the public half, or the zero Key.
func (id Identity) Key() Key {
	if id.private == nil {
		return Key{}
	}
	return Key(id.private.Public().(ed25519.PublicKey))
}

// Sign signs msg. The caller makes sure that no message can be taken for one
// of another purpose: messages begin with a line that names theirs.
func (id Identity) Sign(msg []byte) []byte { return ed25519.Sign(id.private, msg) }

// Verify tells whether k signed msg.
func (k Key) Verify(msg, signature []byte) bool {
	return k != (Key{}) && ed25519.Verify(k[:], msg, signature)
}

// Role is the part a peer plays in beginning a Conn.
type Role byte

const (
	Client Role = 'c' // it dialed
	Server Role = 's' // it accepted
)

// The proof of identity is the first message of either side of an encrypted
// connection, and the same on every carrier:
//
//	offset size
//	     0   32  the sender's Ed25519 public key
//	    32   64  its signature over the line "parley identity 1\n", the
//	             sender's role ('c' or 's') and the 32-byte Binding
//
// The binding is exported from the connection's handshake, so a proof is
// worth nothing on any other connection, and a man in the middle, who has two
// connections with two bindings, cannot pass it on.
const proofSize = ed25519.PublicKeySize + ed25519.SignatureSize

// ErrProof means that a peer could not prove to be who it says it is.
var ErrProof = errors.New("proof of identity does not hold")

// Proof returns the message by which id proves itself in the given role on
// the connection with the given binding.
func (id Identity) Proof(role Role, binding [32]byte) []byte {
	key := id.Key()
	return append(key[:], id.Sign(proofText(role, binding))...)
}

// CheckProof returns the key that msg proves, or ErrProof.
func CheckProof(msg []byte, role Role, binding [32]byte) (Key, error) {
	if len(msg) != proofSize {
		return Key{}, ErrProof
	}
	key := Key(msg[:ed25519.PublicKeySize])
	if !key.Verify(proofText(role, binding), msg[ed25519.PublicKeySize:]) {
		return Key{}, ErrProof
	}
	return key, nil
}

func proofText(role Role, binding [32]byte) []byte {
	text := append([]byte("parley identity 1\n"), byte(role))
	return append(text, binding[:]...)
}
