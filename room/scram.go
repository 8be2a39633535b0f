package room

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides of it, as far as the protocol
// of this package needs it. The password itself never travels, neither does
// anything from which it could be had without trying passwords one by one, and
// what travels is of no use on another connection.

const (
	// maxScram bounds a message of the exchange: several times what ours are.
	maxScram = 1024
	// maxNonce and maxSalt bound what the other side makes up.
	maxNonce = 128
	maxSalt  = 64
)

var (
	errScram   = errors.New("not a message of SCRAM-SHA-256")
	errChannel = errors.New("not the same channel")
)

// binding is what an exchange is tied to: the header that announces it, and the
// data, which only the two ends of one connection have.
type binding struct {
	user   string // RFC 5802 wants one; a room has one password for everybody
	header string
	data   []byte
}

// bound is the binding of an exchange of ours.
func bound(data []byte) binding { return binding{user: "room", header: "p=parley-proof,,", data: data} }

// encoded is the channel binding as it is sent.
func (b binding) encoded() string {
	return base64.StdEncoding.EncodeToString(append([]byte(b.header), b.data...))
}

// newNonce draws a nonce. It fits an attribute as it is.
func newNonce() string {
	b := make([]byte, 18)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// keys are what a password comes to with a salt and a number of rounds.
type keys struct{ client, server []byte }

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// stored is the hash of the client key, by which a host recognises it.
func (k keys) stored() []byte {
	sum := sha256.Sum256(k.client)
	return sum[:]
}

// asking is the side that proves to know the password.
type asking struct {
	binding
	nonce     string
	bare      string // its first message without the header
	signature []byte // what the other side has to know, once final was called
}

func newAsking(b binding, nonce string) *asking {
	return &asking{binding: b, nonce: nonce, bare: "n=" + b.user + ",r=" + nonce}
}

// first is the first message.
func (a *asking) first() string { return a.header + a.bare }

// offer is the answer to it: a nonce that begins with ours, and what the keys
// are made with.
type offer struct {
	text   string
	nonce  string
	salt   []byte
	rounds int
}

// read reads the offer.
func (a *asking) read(text string) (o offer, err error) {
	f, ok := attributes(text, "r", "s", "i")
	if !ok || !nonceFits(f[0]) || !strings.HasPrefix(f[0], a.nonce) || len(f[0]) == len(a.nonce) {
		return o, errScram
	}
	salt, ok := decode64(f[1])
	if !ok || len(salt) == 0 || len(salt) > maxSalt {
		return o, errScram
	}
	rounds, err := strconv.ParseUint(f[2], 10, 31)
	if err != nil || rounds == 0 || strconv.FormatUint(rounds, 10) != f[2] {
		return o, errScram
	}
	return offer{text: text, nonce: f[0], salt: salt, rounds: int(rounds)}, nil
}

// final is the last message: the proof.
func (a *asking) final(o offer, k keys) string {
	plain := "c=" + a.encoded() + ",r=" + o.nonce
	auth := a.bare + "," + o.text + "," + plain
	a.signature = mac(k.server, auth)
	proof := mac(k.stored(), auth)
	subtle.XORBytes(proof, proof, k.client)
	return plain + ",p=" + base64.StdEncoding.EncodeToString(proof)
}

// convinced tells whether text proves that the other side knows the password,
// or what it is stored as, too.
func (a *asking) convinced(text string) bool {
	f, ok := attributes(text, "v")
	if !ok || a.signature == nil {
		return false
	}
	v, ok := decode64(f[0])
	return ok && hmac.Equal(v, a.signature)
}

// giving is the side that has the verifier and checks the proof.
type giving struct {
	binding
	verifier *Verifier
	bare     string // the first message of the other side
	nonce    string
	offered  string
}

// newGiving takes in the first message of the other side.
func newGiving(v *Verifier, b binding, nonce, first string) (*giving, error) {
	bare, ok := strings.CutPrefix(first, b.header)
	if !ok || len(first) > maxScram {
		return nil, errScram
	}
	f, ok := attributes(bare, "n", "r")
	if !ok || f[0] != b.user || !nonceFits(f[1]) {
		return nil, errScram
	}
	g := &giving{binding: b, verifier: v, bare: bare, nonce: f[1] + nonce}
	g.offered = fmt.Sprintf("r=%s,s=%s,i=%d", g.nonce, base64.StdEncoding.EncodeToString(v.salt), v.rounds)
	return g, nil
}

// proof is a last message that may be right: it belongs to this exchange and
// this connection. To find out is to guess the password.
type proof struct {
	verifier *Verifier
	auth     string
	value    []byte
}

// read reads the last message. Where that one is bound to another connection,
// the error is errChannel.
func (g *giving) read(final string) (p proof, err error) {
	f, ok := attributes(final, "c", "r", "p")
	if !ok || f[1] != g.nonce {
		return p, errScram
	}
	value, ok := decode64(f[2])
	if !ok || len(value) != sha256.Size {
		return p, errScram
	}
	if subtle.ConstantTimeCompare([]byte(f[0]), []byte(g.encoded())) != 1 {
		return p, errChannel
	}
	plain := final[:strings.LastIndex(final, ",p=")]
	return proof{verifier: g.verifier, auth: g.bare + "," + g.offered + "," + plain, value: value}, nil
}

// check tells whether the password was right, and returns our own proof then.
// It costs two hashes: the work was the other side's.
func (p proof) check() (answer string, right bool) {
	client := mac(p.verifier.stored, p.auth)
	subtle.XORBytes(client, client, p.value)
	if !hmac.Equal(keys{client: client}.stored(), p.verifier.stored) {
		return "", false
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(p.verifier.server, p.auth)), true
}

// attributes reads a message that has exactly these attributes, in this order.
func attributes(s string, names ...string) (values []string, ok bool) {
	if len(s) > maxScram {
		return nil, false
	}
	parts := strings.Split(s, ",")
	if len(parts) != len(names) {
		return nil, false
	}
	for i, p := range parts {
		value, ok := strings.CutPrefix(p, names[i]+"=")
		if !ok || value == "" {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// nonceFits tells whether s is made of what RFC 5802 allows a nonce.
func nonceFits(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return s != "" && len(s) <= maxNonce
}

// decode64 reads base64 that has one spelling.
func decode64(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil && !strings.ContainsAny(s, "\r\n")
}
