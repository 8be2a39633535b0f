package tcp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"parley/transport"
)

const (
	bindingLabel = "EXPORTER-parley-cb"
	proofSize    = 96
	// lingerLimit and lingerBytes bound what is read and dropped from a
	// caller that was refused, so that it gets to read why: a connection
	// closed with something unread is reset.
	lingerLimit = time.Second
	lingerBytes = 64 << 10
)

type tlsConfigs struct{ client, server *tls.Config }

// newTLSConfigs makes the configurations of one Endpoint, with a certificate
// that nobody will check.
func newTLSConfigs() (c tlsConfigs, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return c, err
	}
	c.server = &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
	c.client = &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		InsecureSkipVerify:          true, // the proofs do that
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
	}
	return c, nil
}

// callOut does the client's part of the handshake.
func (e *Endpoint) callOut(raw net.Conn) (*conn, error) {
	peer := transport.Peer{Addr: addrPort(raw.RemoteAddr()), Via: "tcp"}
	nc := raw
	raw.SetDeadline(time.Now().Add(shakeLimit))
	if !e.Plaintext {
		t := tls.Client(&sniffer{Conn: raw}, e.tls.client)
		if err := handshake(t, &peer); err != nil {
			return nil, err
		}
		nc = t
		raw.SetDeadline(time.Now().Add(shakeLimit))
	}
	begin := time.Now()
	if err := e.introduce(nc, peer, transport.Client); err != nil {
		return nil, err
	}
	var b [preambleSize]byte
	if _, err := io.ReadFull(nc, b[:]); err != nil {
		return nil, err
	}
	trip := time.Since(begin)
	v, reason, err := parsePreamble(b[:])
	switch {
	case err != nil:
		return nil, err
	case reason != 0:
		return nil, &transport.RefusedError{Reason: reason}
	case v != version:
		return nil, &transport.RefusedError{Reason: transport.ReasonVersion}
	}
	if err := e.recognise(nc, &peer, transport.Server); err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	return newConn(e, raw, nc, peer, trip, true), nil
}

// callIn does the host's part, with a caller who began with head.
func (e *Endpoint) callIn(raw net.Conn, head []byte) (*conn, error) {
	peer := transport.Peer{Addr: addrPort(raw.RemoteAddr()), Via: "tcp"}
	var nc net.Conn = &replay{Conn: raw, head: head}
	raw.SetDeadline(time.Now().Add(shakeLimit))
	if !e.Plaintext {
		t := tls.Server(nc, e.tls.server)
		if err := handshake(t, &peer); err != nil {
			return nil, err
		}
		nc = t
		raw.SetDeadline(time.Now().Add(shakeLimit))
	}
	var b [preambleSize]byte
	if _, err := io.ReadFull(nc, b[:]); err != nil {
		return nil, err
	}
	v, _, err := parsePreamble(b[:])
	if err != nil {
		return nil, err
	}
	if v != version {
		return nil, refuse(raw, nc, transport.ReasonVersion)
	}
	if err := e.recognise(nc, &peer, transport.Client); err != nil {
		if errors.Is(err, transport.ErrRefused) {
			refuse(raw, nc, transport.ReasonKey)
		}
		return nil, err
	}
	if err := e.introduce(nc, peer, transport.Server); err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	if e.Plaintext {
		nc = raw // head was all preamble
	}
	return newConn(e, raw, nc, peer, 0, false), nil
}

// handshake does the handshake of TLS and takes the binding from it.
func handshake(t *tls.Conn, peer *transport.Peer) error {
	if err := t.Handshake(); err != nil {
		return err
	}
	state := t.ConnectionState()
	binding, err := state.ExportKeyingMaterial(bindingLabel, nil, len(peer.Binding))
	if err != nil {
		return err
	}
	peer.Secure = true
	copy(peer.Binding[:], binding)
	return nil
}

// introduce sends our preamble and, if it is worth something, our proof.
func (e *Endpoint) introduce(nc net.Conn, peer transport.Peer, as transport.Role) error {
	hello := appendPreamble(nil, 0)
	if peer.Secure {
		hello = appendMessage(hello, e.Identity.Proof(as, peer.Binding))
	}
	_, err := nc.Write(hello)
	return err
}

// recognise reads and checks the peer's proof.
func (e *Endpoint) recognise(nc net.Conn, peer *transport.Peer, as transport.Role) error {
	if !peer.Secure {
		return nil
	}
	var frame [headerSize + proofSize]byte
	if _, err := io.ReadFull(nc, frame[:]); err != nil {
		return err
	}
	key := &transport.RefusedError{Reason: transport.ReasonKey}
	if size, err := frameSize(frame[:]); err != nil || size != len(frame) {
		return key
	}
	var err error
	if peer.Key, err = transport.CheckProof(frame[headerSize:], as, peer.Binding); err != nil {
		return key
	}
	return nil
}

// refuse tells the caller through nc why we will not talk, and lets it hang up.
func refuse(raw, nc net.Conn, reason transport.Reason) error {
	raw.SetDeadline(time.Now().Add(lingerLimit))
	nc.Write(appendPreamble(nil, reason))
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.CopyN(io.Discard, raw, lingerBytes)
	return &transport.RefusedError{Reason: reason}
}

// meet reads first bytes until it is clear who calls. With guests, silence is
// an answer too.
func meet(nc net.Conn, guests bool) (who caller, head []byte, err error) {
	begin := time.Now()
	var b [preambleSize]byte // no longer, so that nothing but a preamble is read
	for n := 0; who == unknown; {
		limit := shakeLimit
		if guests && n == 0 {
			limit = guestSilence
		}
		nc.SetReadDeadline(begin.Add(limit))
		var k int
		k, err = nc.Read(b[n:])
		n += k
		head = b[:n]
		if n > 0 {
			who = classify(head)
		}
		if err != nil && who == unknown {
			if guests && errors.Is(err, os.ErrDeadlineExceeded) {
				return guest, head, nil
			}
			return unknown, head, err
		}
	}
	return who, head, nil
}

// replay is a connection of which a first part has been read already.
type replay struct {
	net.Conn
	head []byte
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(b, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

// CloseWrite tells the other end that no more comes, where that is possible.
func (r *replay) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// sniffer is a connection on which TLS is expected. A preamble instead is an
// error of Read that tells the host's reason.
type sniffer struct {
	net.Conn
	known bool
}

func (s *sniffer) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if s.known || n == 0 {
		return n, err
	}
	s.known = true
	if b[0] != magic[0] {
		return n, err
	}
	var p [preambleSize]byte
	k := copy(p[:], b[:n])
	if _, err := io.ReadFull(s.Conn, p[k:]); err != nil {
		return 0, err
	}
	if _, reason, err := parsePreamble(p[:]); err == nil && reason != 0 {
		return 0, &transport.RefusedError{Reason: reason}
	}
	return 0, errPreamble
}
