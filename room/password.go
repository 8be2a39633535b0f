package room

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"parley/transport"
)

const (
	// rounds is what it costs to try a password: some 30 ms of a laptop, and so
	// several hours of it for the million commonest passwords.
	rounds = 200_000
	// A member makes no keys with fewer rounds than minRounds, which would make
	// its proof cheap to try passwords on, nor with more than maxRounds, which
	// would keep it busy for seconds.
	minRounds = 100_000
	maxRounds = 2_000_000

	// MaxPassword is the length of the longest password, in bytes.
	MaxPassword = 1024
)

// A Verifier is what a host keeps of a password: enough to recognise who knows
// it and to prove that it was told the password once, and nothing that opens
// another room.
type Verifier struct {
	salt   []byte
	rounds int
	stored []byte
	server []byte
}

// NewVerifier makes what a host keeps of password. It takes as long as a
// member takes to prove it.
func NewVerifier(password string) (*Verifier, error) {
	clean, err := cleanPassword(password)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	k := derive(clean, salt, rounds)
	return &Verifier{salt: salt, rounds: rounds, stored: k.stored(), server: k.server}, nil
}

// String tells nothing.
func (v *Verifier) String() string { return "(a password)" }

// GoString tells nothing, either.
func (v *Verifier) GoString() string { return v.String() }

// cleanPassword writes a password as everybody does who types the same one,
// whichever keyboard it is (RFC 8265).
func cleanPassword(s string) (string, error) {
	if len(s) > MaxPassword {
		return "", fmt.Errorf("a password is at most %d bytes long", MaxPassword)
	}
	if s == "" {
		return "", errors.New("a password is not empty")
	}
	clean, err := precis.OpaqueString.String(s)
	if err != nil || !utf8.ValidString(s) {
		return "", errors.New("a password is made of letters, digits, signs and spaces: there is something else in this one") // the cause would show it
	}
	return clean, nil
}

// CheckPassword tells what is wrong with a password, if it cannot be one.
func CheckPassword(password string) error {
	_, err := cleanPassword(password)
	return err
}

// derive makes the keys of a clean password.
func derive(clean string, salt []byte, rounds int) keys {
	salted, err := pbkdf2.Key(sha256.New, clean, salt, rounds, sha256.Size)
	if err != nil {
		panic("room: " + err.Error()) // of lengths that do not change
	}
	return keys{client: mac(salted, "Client Key"), server: mac(salted, "Server Key")}
}

// verifierWire is a Verifier on its way from the host's own seat to the host, in
// one program: nobody else may send one.
type verifierWire struct {
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
	Stored []byte `json:"stored"`
	Server []byte `json:"server"`
}

// MarshalJSON writes v for the pipe of the host's own seat.
func (v *Verifier) MarshalJSON() ([]byte, error) {
	return json.Marshal(verifierWire{v.salt, v.rounds, v.stored, v.server})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (v *Verifier) UnmarshalJSON(b []byte) error {
	var w verifierWire
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if len(w.Salt) == 0 || len(w.Salt) > maxSalt || w.Rounds < minRounds || w.Rounds > maxRounds ||
		len(w.Stored) != sha256.Size || len(w.Server) != sha256.Size {
		return errors.New("not a password's verifier")
	}
	*v = Verifier{w.Salt, w.Rounds, w.Stored, w.Server}
	return nil
}

// proofOf is what a proof of the password is bound to: this connection, by what
// only its two ends know, the three keys, the room and the version. Whoever
// sits in between has two connections, and so two values that differ.
func proofOf(peer [32]byte, room, host, member transport.Key, name string) []byte {
	h := sha256.New()
	h.Write([]byte("parley proof 1\n"))
	h.Write(peer[:])
	h.Write(room[:])
	h.Write(host[:])
	h.Write(member[:])
	fmt.Fprintf(h, "%d\n%s", Version, name)
	return h.Sum(nil)
}
