package udp

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"
)

// record builds a DTLS record.
func record(kind byte, epoch uint16, number uint64, body []byte) []byte {
	b := []byte{kind, 0xfe, 0xfd}
	b = binary.BigEndian.AppendUint16(b, epoch)
	b = append(b, byte(number>>40), byte(number>>32), byte(number>>24), byte(number>>16), byte(number>>8), byte(number))
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

// message builds a handshake message, or the fragment of one that says it has
// length bytes in all.
func message(kind byte, number uint16, length, offset int, body []byte) []byte {
	b := []byte{kind, byte(length >> 16), byte(length >> 8), byte(length)}
	b = binary.BigEndian.AppendUint16(b, number)
	b = append(b, byte(offset>>16), byte(offset>>8), byte(offset), byte(len(body)>>16), byte(len(body)>>8), byte(len(body)))
	return append(b, body...)
}

func whole(kind byte, number uint16, body []byte) []byte {
	return message(kind, number, len(body), 0, body)
}

// hostile are datagrams that kill or disturb the library when it sees them.
// Those that are said to pass look like records of a handshake.
var hostile = []struct {
	name   string
	passes bool
	b      []byte
}{
	{"fatal alert", false, record(21, 0, 5, []byte{2, 40})},
	{"close_notify", false, record(21, 0, 5, []byte{1, 0})},
	{"malformed alert", false, record(21, 0, 5, []byte{2})},
	{"sealed alert", false, record(21, 1, 5, make([]byte, 26))},
	{"application data", false, record(23, 0, 5, []byte("hi"))},
	{"sealed application data", false, record(23, 1, 5, make([]byte, 48))},
	{"unknown type", false, record(99, 0, 5, []byte("hi"))},
	{"heartbeat", false, record(24, 0, 5, []byte{1, 0, 1, 0})},
	{"ChangeCipherSpec of another kind", false, record(20, 0, 5, []byte{2})},
	{"ChangeCipherSpec too long", false, record(20, 0, 5, []byte{1, 1})},
	{"ChangeCipherSpec of epoch 1", false, record(20, 1, 5, []byte{1})},
	{"early ChangeCipherSpec", true, record(20, 0, 500, []byte{1})},
	{"HelloVerifyRequest", false, record(22, 0, 5, whole(3, 0, append([]byte{0xfe, 0xfd, 20}, make([]byte, 20)...)))},
	{"HelloRequest", false, record(22, 0, 5, whole(0, 0, nil))},
	{"CertificateRequest", false, record(22, 0, 5, whole(13, 3, []byte{1, 64, 0, 2, 4, 3, 0, 0}))},
	{"Certificate of a client", false, record(22, 0, 5, whole(11, 0, []byte{0, 0, 0}))},
	{"Finished in clear", false, record(22, 0, 5, whole(20, 2, make([]byte, 12)))},
	{"fragment without length", false, record(22, 0, 5, message(1, 0, 1000, 0, nil))},
	{"fragment", false, record(22, 0, 5, message(1, 0, 1000, 0, make([]byte, 100)))},
	{"later fragment", false, record(22, 0, 5, message(2, 0, 100, 1, make([]byte, 99)))},
	{"whole message out of place", false, record(22, 0, 5, message(2, 0, 99, 1, make([]byte, 99)))},
	{"two messages in a record", false, record(22, 0, 5, append(whole(14, 3, nil), whole(14, 3, nil)...))},
	{"message longer than its record", false, record(22, 0, 5, whole(1, 0, make([]byte, 50))[:40])},
	{"message number ahead", false, record(22, 0, 5, whole(1, 1, make([]byte, 50)))},
	{"record number 2^48-1", false, record(20, 0, 1<<48-1, []byte{1})},
	{"record number 1000", false, record(20, 0, 1000, []byte{1})},
	{"junk of epoch 1", true, record(22, 1, 5, make([]byte, sealedFinished))},
	{"junk of epoch 1, far ahead", false, record(22, 1, 1<<40, make([]byte, sealedFinished))},
	{"epoch 2", false, record(22, 2, 5, make([]byte, sealedFinished))},
	{"empty record", false, record(22, 0, 5, nil)},
	{"good record, then rubbish", false, append(record(20, 0, 5, []byte{1}), 1, 2, 3)},
	{"good record, then an alert", false, append(record(20, 0, 5, []byte{1}), record(21, 0, 6, []byte{2, 40})...)},
	{"five records", false, slices.Repeat(record(20, 0, 5, []byte{1}), 5)},
	{"record longer than the datagram", false, record(20, 0, 5, []byte{1, 1})[:14]},
	{"TLS version", false, append([]byte{20, 3, 3}, record(20, 0, 5, []byte{1})[3:]...)},
	{"half a header", false, record(22, 0, 5, nil)[:9]},
	{"garbage", false, []byte("GET / HTTP/1.1\r\nHost: parley\r\n\r\n")},
	{"nothing", false, nil},
}

// TestFilterRefuses is the table above, judged.
func TestFilterRefuses(t *testing.T) {
	for _, x := range hostile {
		if got := passes(x.b, fromClient) || passes(x.b, fromServer); got != x.passes {
			t.Errorf("%s: passes %v", x.name, got)
		}
	}
}

// TestHostileDatagrams puts a hostile datagram of each kind, with the right id
// and token, in front of every genuine one, towards either side and towards both.
func TestHostileDatagrams(t *testing.T) {
	for _, x := range hostile {
		for victims := 1; victims <= 3; victims++ {
			synctest.Test(t, func(t *testing.T) {
				p := newPath(uint64(victims), 0)
				p.before = func(receiver int, genuine []byte) {
					if id, tok, _, ok := parseShake(genuine); ok && victims>>receiver&1 == 1 {
						p.to[receiver](appendShake(nil, id, tok, x.b))
					}
				}
				if _, took, err := meet(t, p, handshakeTime); err != nil {
					t.Errorf("%s towards %d: %v", x.name, victims, err)
				} else if took > 200*time.Millisecond {
					t.Errorf("%s towards %d: took %v", x.name, victims, took)
				}
			})
		}
	}
}

// TestHostileFlood puts 120 well-formed records that do not decrypt before every
// genuine datagram, as fast as a wire would bring them.
func TestHostileFlood(t *testing.T) {
	junk := record(22, 1, 7, make([]byte, sealedFinished))
	for receiver := range 2 {
		synctest.Test(t, func(t *testing.T) {
			p := newPath(9, 0)
			var id uint64
			var tok token
			p.before = func(r int, genuine []byte) {
				if got, t, _, ok := parseShake(genuine); ok {
					p.mu.Lock()
					id = got
					if r == 1 {
						tok = t
					}
					p.mu.Unlock()
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for i := uint64(0); ctx.Err() == nil; i++ {
					time.Sleep(10 * time.Microsecond)
					p.mu.Lock()
					to, known, tok := p.to[receiver], id, tok
					p.mu.Unlock()
					if known != 0 && to != nil {
						binary.BigEndian.PutUint16(junk[9:], uint16(i%1000))
						to(appendShake(nil, known, tok, junk))
					}
				}
			}()
			h := &testHost{p: p}
			p.to[1] = h.receive
			within, stop := context.WithTimeout(ctx, handshakeTime)
			defer stop()
			start := time.Now()
			if _, err := testDial(within, p, 42); err != nil {
				t.Errorf("flood towards %d: %v", receiver, err)
			}
			t.Logf("flood of 100,000 a second towards side %d: %v", receiver, time.Since(start))
			cancel()
			time.Sleep(handshakeTime)
		})
	}
}

// TestUnknownID: forged messages that the filter cannot tell from genuine ones
// do nothing without the conversation's id.
func TestUnknownID(t *testing.T) {
	forged := [2][][]byte{
		{ // towards the client
			record(22, 0, 5, whole(2, 0, append([]byte{0xfe, 0xfd}, make([]byte, 36)...))),
			record(22, 0, 5, whole(11, 1, []byte{0, 0, 0})),
			record(22, 0, 5, whole(12, 2, make([]byte, 80))),
			record(22, 0, 5, whole(14, 3, nil)),
		},
		{ // towards the server
			record(22, 0, 5, whole(1, 0, make([]byte, 60))),
			record(22, 0, 5, whole(16, 1, make([]byte, 33))),
		},
	}
	for _, knows := range []bool{false, true} {
		for receiver, datagrams := range forged {
			for i, b := range datagrams {
				synctest.Test(t, func(t *testing.T) {
					p := newPath(5, 0)
					p.before = func(r int, genuine []byte) {
						if id, tok, _, ok := parseShake(genuine); ok && r == receiver {
							if !knows {
								id++
							}
							p.to[r](appendShake(nil, id, tok, b))
						}
					}
					if !passes(b, fromClient) && !passes(b, fromServer) {
						t.Fatal("the filter could tell")
					}
					// Who knows the id can end the handshake, but
					// meet checks that he cannot bend it.
					_, took, err := meet(t, p, handshakeTime)
					if !knows && (err != nil || took > 20*time.Millisecond) {
						t.Errorf("towards %d, forgery %d: %v after %v", receiver, i, err, took)
					}
				})
			}
		}
	}
}

// TestReplayedDatagrams: at each arrival, everything that arrived there before
// comes once more.
func TestReplayedDatagrams(t *testing.T) {
	for _, loss := range []float64{0, 0.2} {
		for seed := range uint64(seeds) {
			synctest.Test(t, func(t *testing.T) {
				p := newPath(seed, loss)
				var heard [2][][]byte
				p.before = func(r int, genuine []byte) {
					for _, b := range heard[r] {
						p.to[r](slices.Clone(b))
					}
					heard[r] = append(heard[r], slices.Clone(genuine))
				}
				if _, _, err := meet(t, p, handshakeTime); err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			})
		}
	}
}

// TestRecordedHandshake: a recorded client, played to a host, gets no keys.
func TestRecordedHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPath(1, 0)
		var recorded [][]byte
		p.before = func(r int, genuine []byte) {
			if _, _, d, ok := parseShake(genuine); ok && r == 1 {
				recorded = append(recorded, slices.Clone(d))
			}
		}
		if _, _, err := meet(t, p, handshakeTime); err != nil {
			t.Fatal(err)
		}
		f := newFlow(func([]byte) error { return nil }, &net.UDPAddr{}, &net.UDPAddr{})
		ctx, cancel := context.WithTimeout(t.Context(), handshakeTime)
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				for _, b := range recorded {
					f.deliver(b)
					time.Sleep(5 * time.Millisecond)
				}
			}
		}()
		if k, err := handshake(ctx, f, false); err == nil {
			t.Errorf("a recording made the keys %x", k.secret)
		}
		time.Sleep(time.Second)
	})
}

// TestMutatedDatagrams damages the handshake's datagrams, past the filter as
// often as not. Whatever comes out, it is not two different secrets, nor a
// panic, nor a goroutine left.
func TestMutatedDatagrams(t *testing.T) {
	failed := 0
	for seed := range uint64(4 * seeds) {
		synctest.Test(t, func(t *testing.T) {
			p := newPath(seed, 0)
			random := rand.New(rand.NewPCG(seed, 2))
			p.before = func(_ int, b []byte) {
				if random.IntN(2) == 0 || len(b) <= shakeHeader || b[0] != typeShake {
					return
				}
				d := b[shakeHeader:]
				for range 1 + random.IntN(3) {
					d[random.IntN(len(d))] ^= 1 << random.IntN(8)
				}
			}
			if _, _, err := meet(t, p, handshakeTime); err != nil {
				failed++
			}
		})
	}
	t.Logf("%d of %d damaged handshakes failed", failed, 4*seeds)
}

// rawFlow is a peer's flow without the filter, so that the peer may be anything.
type rawFlow struct{ *flow }

func (f rawFlow) Write(b []byte) (int, error) { return len(b), f.write(b) }

// TestPeersRefused: a peer that would weaken the handshake gets none, whichever
// side it is on.
func TestPeersRefused(t *testing.T) {
	mine, err := throwaway()
	if err != nil {
		t.Fatal(err)
	}
	peers := []struct {
		name   string
		change func(*dtls.Config)
		ok     bool
		side   int // 0 both, 1 only as client, 2 only as server
	}{
		{name: "like us", change: func(*dtls.Config) {}, ok: true},
		{name: "no extended master secret", change: func(c *dtls.Config) { c.ExtendedMasterSecret = dtls.DisableExtendedMasterSecret }},
		{name: "only CBC", change: func(c *dtls.Config) {
			c.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}},
		{name: "only CCM", change: func(c *dtls.Config) {
			c.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM}
		}},
		{name: "only PSK", change: func(c *dtls.Config) {
			c.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_GCM_SHA256}
			c.SignatureSchemes = nil
			c.Certificates = nil
			c.PSK = func([]byte) ([]byte, error) { return []byte("secret"), nil }
			c.PSKIdentityHint = []byte("x")
		}},
		{name: "asks for a certificate", side: 2, change: func(c *dtls.Config) { c.ClientAuth = dtls.RequireAnyClientCert }},
		{name: "sends a cookie first", side: 2, change: func(c *dtls.Config) { c.InsecureSkipVerifyHello = false }},
		{name: "P-384 certificate", side: 2, change: func(c *dtls.Config) {
			key, _ := ecdsa.GenerateKey(elliptic.P384(), crand.Reader)
			c.Certificates = []tls.Certificate{certify(t, key.Public(), key)}
			c.SignatureSchemes = nil
		}},
		{name: "Ed25519 certificate", side: 2, change: func(c *dtls.Config) {
			public, key, _ := ed25519.GenerateKey(crand.Reader)
			c.Certificates = []tls.Certificate{certify(t, public, key)}
			c.SignatureSchemes = nil
		}},
		{name: "two certificates", side: 2, change: func(c *dtls.Config) {
			two := mine
			two.Certificate = [][]byte{mine.Certificate[0], mine.Certificate[0]}
			c.Certificates = []tls.Certificate{two}
		}},
	}
	for _, x := range peers {
		for _, asClient := range []bool{true, false} {
			if x.side == 1 && !asClient || x.side == 2 && asClient {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				var ours, theirs *flow
				said := 0
				ours = newFlow(func(b []byte) error {
					if !passes(b, fromClient) && !passes(b, fromServer) {
						t.Errorf("%s: we said something odd: %x", x.name, b)
					}
					said++
					theirs.enqueue(slices.Clone(b))
					return nil
				}, &net.UDPAddr{}, &net.UDPAddr{})
				theirs = newFlow(func(b []byte) error { ours.deliver(b); return nil }, &net.UDPAddr{}, &net.UDPAddr{})
				cfg := config()
				begin := dtls.ClientWithContext
				if !asClient {
					cfg.Certificates = []tls.Certificate{mine}
					begin = dtls.ServerWithContext
				}
				x.change(cfg)
				ctx, cancel := context.WithTimeout(t.Context(), handshakeTime)
				defer cancel()
				done := make(chan struct{})
				go func() {
					defer close(done)
					conn, err := begin(ctx, rawFlow{theirs}, cfg)
					if err == nil {
						time.Sleep(time.Second)
						conn.Close()
					} else if x.ok {
						t.Errorf("%s: the peer says %v", x.name, err)
					}
					theirs.Close()
				}()
				_, err := handshake(ctx, ours, !asClient)
				if (err == nil) != x.ok {
					t.Errorf("%s, as client %v: %v", x.name, asClient, err)
				}
				if err != nil {
					cancel()
				}
				<-done
				if asClient && !x.ok && said != 0 {
					t.Errorf("%s, as client: got %d answers", x.name, said)
				}
			})
		}
	}
}

func certify(t *testing.T, public, private any) tls.Certificate {
	t.Helper()
	form := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(crand.Reader, form, form, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}
