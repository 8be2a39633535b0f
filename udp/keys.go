package udp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/logging"
)

// Keys come from a DTLS 1.2 handshake, and nothing else does. This file is the
// only one that knows the library; another version of it, or another library,
// is a change here.
//
// The rules, each of which something rests on:
//
//   - One cipher suite, ECDHE_ECDSA_WITH_AES_128_GCM_SHA256. The library's CBC
//     and PSK suites have faults that a peer could reach if they were offered.
//   - Extended master secret is required of both sides. It makes the secret
//     depend on every handshake message, so no tampering survives to equal
//     keys. The library's server does not compare the client's Finished; that it
//     decrypts, and then the first sealed packet, are the proof that both saw
//     the same handshake. Until that packet has come, a peer is nobody.
//   - The server's certificate is thrown away with the process and the client
//     has none. They prove no identity: that is done inside, by a signature
//     over binding, which a man in the middle cannot make equal on both sides.
//     A client certificate would add a signature over what the extended master
//     secret covers already, and let listeners recognise who comes back.
//   - The connection never carries data. It is closed as soon as the secrets are
//     exported, without a word on the wire.
//   - The client is done last. A client that does not hear the server's last
//     flight repeats its own, so the server's caller keeps a copy to answer with.

const (
	// handshakeTime is how long a handshake may take: enough for all of 500
	// to finish with two of five datagrams lost.
	handshakeTime = 5 * time.Second

	// shakeSilence is how long a host may be silent in the middle of one. It
	// answers each repeated flight; who hears nothing after 20 of them has been
	// forgotten there, in a crowd, and had better begin anew.
	shakeSilence = time.Second

	// flightInterval is when a flight is repeated. On a LAN, 50 ms is many
	// round trips.
	flightInterval = 50 * time.Millisecond

	// handshakeMTU keeps a SHAKE within shakeSize: the library's datagrams
	// exceed its MTU by up to 25 bytes, and our header is added.
	handshakeMTU = shakeSize - shakeHeader - 25 - 4

	// replayWindow is in records, of which a handshake has few.
	replayWindow = 1024

	// maxCertificate is in bytes; a P-256 certificate has about 240.
	maxCertificate = 1024
)

// Labels of RFC 5705 for what is exported.
const (
	labelSecret  = "EXPORTER-parley keys"
	labelBinding = "EXPORTER-parley-cb"
)

// keying is what a handshake yields.
type keying struct {
	secret  [32]byte // both sides' packet keys come from it
	binding [32]byte // names this handshake to its two ends; see transport.Peer
	last    []byte   // server: its last flight, to be repeated when the client repeats its own
}

// handshake runs the handshake on f and returns when it has finished, failed, or
// ctx ended; ctx should carry handshakeTime. Nothing of it remains: f is
// closed and all goroutines have ended.
func handshake(ctx context.Context, f *flow, client bool) (keying, error) {
	defer f.Close()
	f.assume(client)
	begin, cfg := dtls.ServerWithContext, config()
	if client {
		begin = dtls.ClientWithContext
	} else {
		certificate, err := throwaway()
		if err != nil {
			return keying{}, fmt.Errorf("handshake: %w", err)
		}
		cfg.Certificates = []tls.Certificate{certificate}
	}
	conn, err := begin(ctx, f, cfg)
	if err != nil {
		f.mute()
		return keying{}, fmt.Errorf("handshake: %w", err)
	}
	k, err := export(conn)
	if !client {
		k.last = f.lastFlight()
	}
	// In this order nobody hears the library's goodbye, and its reader is
	// gone before Close waits for it.
	f.mute()
	f.Close()
	conn.Close()
	if err != nil {
		return keying{}, fmt.Errorf("handshake: %w", err)
	}
	return k, nil
}

func config() *dtls.Config {
	return &dtls.Config{
		CipherSuites:           []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes:       []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		ExtendedMasterSecret:   dtls.RequireExtendedMasterSecret,
		ClientAuth:             dtls.NoClientCert,
		VerifyPeerCertificate:  checkForm,
		FlightInterval:         flightInterval,
		MTU:                    handshakeMTU,
		ReplayProtectionWindow: replayWindow,
		LoggerFactory:          quiet{}, // the library's own writes to standard output

		// Nobody's name is in the certificate, and clocks are wrong.
		InsecureSkipVerify: true,
		// The token has proved the address already.
		InsecureSkipVerifyHello: true,
	}
}

func export(conn *dtls.Conn) (k keying, err error) {
	state := conn.ConnectionState()
	for label, dst := range map[string][]byte{labelSecret: k.secret[:], labelBinding: k.binding[:]} {
		b, err := state.ExportKeyingMaterial(label, nil, len(dst))
		if err != nil {
			return keying{}, fmt.Errorf("export keys: %w", err)
		}
		copy(dst, b)
	}
	return k, nil
}

// throwaway makes the process's certificate when first asked.
var throwaway = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1)} // nobody looks at names and dates
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
})

var errForm = errors.New("not one small P-256 certificate")

// checkForm judges the server's certificate by its form alone.
func checkForm(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) != 1 || len(certificates[0]) > maxCertificate {
		return errForm
	}
	c, err := x509.ParseCertificate(certificates[0])
	if err != nil {
		return errForm
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		return errForm
	}
	return nil
}

// quiet is a logger that does not log: what the network says must not reach a
// screen by way of the library.
type quiet struct{}

func (quiet) NewLogger(string) logging.LeveledLogger { return quiet{} }

func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(string)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(string)          {}
func (quiet) Errorf(string, ...any) {}
