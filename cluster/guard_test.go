package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"parley/cluster/clustertest"
)

// liar is somebody who answers as a server, and says more when it is asked something.
func liar(t testing.TB, info, more string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); l.Close(); work.Wait() })
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				fmt.Fprintf(c, "INFO %s\r\n", info)
				for b := make([]byte, 4096); ; {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if strings.Contains(string(b[:n]), "PING") {
						io.WriteString(c, "PONG\r\n")
					}
					if strings.Contains(string(b[:n]), "PUB") {
						io.WriteString(c, more)
					}
				}
			})
		}
	})
	return "nats://" + l.Addr().String()
}

const goodInfo = `{"server_id":"x","version":"2.15.0","proto":1,"headers":true,"max_payload":1048576}`

// TestHostileServer has a server that announces what nobody can keep, or never ends a line, be
// left, and what it says of itself be harmless.
func TestHostileServer(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, more := range map[string]string{
		"a message of exabytes":        "MSG _INBOX.x 1 4611686018427387904\r\nhello",
		"one with headers":             "HMSG _INBOX.x 1 12 9223372036854775807\r\nhello",
		"one behind another":           "MSG _INBOX.x 1 1\r\nx\r\nmsg\t_INBOX.x 1 4611686018427387904 \r\nhello",
		"one behind a crooked end":     "MSG _INBOX.x 1 1\r\nxy\nMSG _INBOX.x 1 4611686018427387904\r\nhello",
		"more than a number can hold":  "MSG _INBOX.x 1 99999999999999999999\r\nhello",
		"a line without an end":        "-ERR '" + strings.Repeat(long, 8),
		"what it is, at length":        "INFO {\"" + strings.Repeat(long, 8),
		"what is none of the protocol": "\x16\x03\x01\x00\x00MSG x 1 4611686018427387904\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			began := time.Now()
			if _, err := Connect(ctx, Options{URLs: []string{liar(t, goodInfo, more)}}); err == nil || time.Since(began) > 10*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	}
}

// FuzzGuard has what passes never make the client library keep more than we allow: it is given the
// same bytes, in other pieces.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("PING\r\nMSG a 1 5\r\nhello\r\nHMSG a 1 r 12 13\r\nNATS/1.0\r\n\r\nx\r\n+OK\r\n"), uint8(3))
	f.Add([]byte("MSG a 1 99\r9\r\n"), uint8(1))
	f.Add([]byte("MSG a 1 1\r\nxy\nMSG a 1 99999999999\r\n"), uint8(2))
	f.Add([]byte("MSG a 1 0\r\n\nMSG a 1 99999999999\r\n\n"), uint8(9))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var whole, parts watch
		a := whole.look(b)
		var c error
		for rest := b; len(rest) > 0 && c == nil; {
			n := min(int(step)+1, len(rest))
			c = parts.look(rest[:n])
			rest = rest[n:]
		}
		if a != c {
			t.Errorf("%v at once, %v in pieces", a, c)
		}
		if len(whole.line) > maxServerLine || whole.left > maxServerMessage+1 {
			t.Errorf("%d bytes of a line, %d of a message", len(whole.line), whole.left)
		}
	})
}

var _ nats.CustomDialer = guarded{}

// TestServerThatTakesNothing has who tells another host something not wait for a server that reads no more.
func TestServerThatTakesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	t.Cleanup(func() { close(stop); l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "INFO %s\r\n", goodInfo)
		b := make([]byte, 4096)
		for n := 0; !strings.Contains(string(b[:n]), "PING"); {
			if n, err = c.Read(b); err != nil {
				return
			}
		}
		io.WriteString(c, "PONG\r\n")
		<-stop // and reads no more
	}()
	c := &Cluster{log: slog.New(slog.DiscardHandler)}
	if c.conn, err = nats.Connect("nats://"+l.Addr().String(), c.settings("test")...); err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	r := c.named("physics")
	ctx, cancel := context.WithCancel(context.Background())
	var hearing sync.WaitGroup
	defer hearing.Wait()
	defer cancel()
	hearing.Go(func() { r.Hear(ctx, "x", func([]byte) {}) })
	lost := make(chan struct{}, 8)
	c.conn.SetDisconnectErrHandler(func(*nats.Conn, error) { lost <- struct{}{} })
	data := make([]byte, 64<<10)
	for end := time.Now().Add(15 * time.Second); ; {
		began := time.Now()
		for range 100 {
			r.Tell("y", data)
		}
		if took := time.Since(began); took > time.Second {
			t.Fatalf("it waits for %v", took)
		}
		select {
		case <-lost: // after takeTime
			return
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("the server is borne with for ever")
		}
	}
}

// TestEncryptedOrNotAtAll has what is asked to be encrypted never be said in clear: not to the second of two
// servers, nor where a certificate is named and no tls://.
func TestEncryptedOrNotAtAll(t *testing.T) {
	plain := clustertest.Start(t, 1, nil).URLs()[0]
	for _, urls := range [][]string{{"tls://127.0.0.1:1", plain}, {plain, "tls" + plain[4:]}} {
		var e *Error
		if _, err := Connect(context.Background(), Options{URLs: urls}); !errors.As(err, &e) || e.Code != CodeTLS && e.Code != CodeUnreachable {
			t.Errorf("%v: %v", urls, err)
		}
	}
	var e *Error
	if _, err := Connect(context.Background(), Options{URLs: []string{plain}, CA: certificate(t)}); !errors.As(err, &e) || e.Code != CodeTLS {
		t.Errorf("with --cluster-ca: %v", err)
	}
	c, err := Connect(context.Background(), Options{URLs: []string{plain}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Clear() {
		t.Error("nobody reads along on loopback")
	}
}

// certificate writes one into a file.
func certificate(t *testing.T) (path string) {
	t.Helper()
	public, private, _ := ed25519.GenerateKey(nil)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
