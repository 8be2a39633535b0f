package tcp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

func TestKeysAreProved(t *testing.T) {
	virtually(t, func(t *testing.T) {
		_, client, host := onLAN(t, transporttest.Link{}, false)
		client.Identity, _ = transport.NewIdentity()
		a, b := pairOf(t, client, host)
		defer b.Close()
		defer a.Close()
		if b.Peer().Key != client.Identity.Key() || a.Peer().Key != host.Identity.Key() || a.Peer().Key == b.Peer().Key {
			t.Error("the Conns know other keys than the Endpoints have")
		}
	})
}

// TestRefusals: whoever does not fit is told at once, and why.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name                   string
		plainHost, plainClient bool
		reason                 transport.Reason
	}{
		{name: "plaintext client, secure host", plainClient: true, reason: transport.ReasonMode},
		{name: "secure client, plaintext host", plainHost: true, reason: transport.ReasonMode},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtually(t, func(t *testing.T) {
				_, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, false)
				client.Plaintext, host.Plaintext = c.plainClient, c.plainHost
				defer client.Close()
				accepting(t, host)
				begin := time.Now()
				_, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
				var refused *transport.RefusedError
				if !errors.As(err, &refused) || refused.Reason != c.reason {
					t.Errorf("Dial: %v, want %v", err, c.reason)
				}
				if took := time.Since(begin); took > 50*time.Millisecond {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestHostRefuses speaks to a host by hand.
func TestHostRefuses(t *testing.T) {
	answer := func(t *testing.T, plaintext bool, talk func(nc net.Conn) net.Conn) (got []byte) {
		virtually(t, func(t *testing.T) {
			_, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, plaintext)
			accepting(t, host)
			raw, err := client.DialContext(t.Context(), "tcp", lan10)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			nc := talk(raw)
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			if got, err = io.ReadAll(nc); err != nil && len(got) == 0 {
				t.Logf("read: %v", err)
			}
		})
		return got
	}
	other := []byte("\x89parley\x02\x00")
	t.Run("version in plaintext", func(t *testing.T) {
		got := answer(t, true, func(nc net.Conn) net.Conn { nc.Write(other); return nc })
		if string(got) != "\x89parley\x01\x01" {
			t.Errorf("answer %q", got)
		}
	})
	secretly := func(t *testing.T, say func(*tls.Conn)) func(net.Conn) net.Conn {
		return func(nc net.Conn) net.Conn {
			c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			if err := c.Handshake(); err != nil {
				t.Error(err)
			}
			say(c)
			return c
		}
	}
	t.Run("version", func(t *testing.T) {
		got := answer(t, false, secretly(t, func(c *tls.Conn) { c.Write(other) }))
		if string(got) != "\x89parley\x01\x01" {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("proof of another connection", func(t *testing.T) {
		got := answer(t, false, secretly(t, func(c *tls.Conn) {
			id, _ := transport.NewIdentity()
			c.Write(appendMessage(appendPreamble(nil, 0), id.Proof(transport.Client, [32]byte{1})))
		}))
		if string(got) != "\x89parley\x01\x04" {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("proof in the wrong role", func(t *testing.T) {
		got := answer(t, false, secretly(t, func(c *tls.Conn) {
			id, _ := transport.NewIdentity()
			state := c.ConnectionState()
			b, _ := state.ExportKeyingMaterial(bindingLabel, nil, 32)
			c.Write(appendMessage(appendPreamble(nil, 0), id.Proof(transport.Server, [32]byte(b))))
		}))
		if string(got) != "\x89parley\x01\x04" {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("no proof", func(t *testing.T) {
		got := answer(t, false, secretly(t, func(c *tls.Conn) { c.Write(appendMessage(appendPreamble(nil, 0), []byte("hi"))) }))
		if len(got) != 0 {
			t.Errorf("answer %q", got)
		}
	})
	for _, junk := range []string{"hello\n", "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x05hello", "\x16\x02", "\x89PNG\r\n\x1a\n"} {
		t.Run("junk", func(t *testing.T) {
			got := answer(t, false, func(nc net.Conn) net.Conn { nc.Write([]byte(junk)); return nc })
			if len(got) != 0 {
				t.Errorf("answer to %q: %q", junk, got)
			}
		})
	}
}

// TestClientRefuses speaks to a client by hand.
func TestClientRefuses(t *testing.T) {
	dial := func(t *testing.T, plaintext bool, talk func(nc net.Conn)) (err error) {
		virtually(t, func(t *testing.T) {
			_, client, host := onLAN(t, transporttest.Link{}, plaintext)
			defer client.Close()
			defer host.Listener.Close()
			go func() {
				nc, err := host.Listener.Accept()
				if err == nil {
					defer nc.Close()
					talk(nc)
				}
			}()
			_, err = client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
		})
		return err
	}
	says := func(text string) func(net.Conn) {
		return func(nc net.Conn) {
			var b [preambleSize]byte
			io.ReadFull(nc, b[:])
			nc.Write([]byte(text))
			io.Copy(io.Discard, nc)
		}
	}
	for _, c := range []struct {
		name      string
		plaintext bool
		host      func(net.Conn)
		reason    transport.Reason // 0: another error
	}{
		{"refused for its version", true, says("\x89parley\x02\x01"), transport.ReasonVersion},
		{"host has another version", true, says("\x89parley\x02\x00"), transport.ReasonVersion},
		{"full", true, says("\x89parley\x01\x03"), transport.ReasonFull},
		{"no parley", true, says("HTTP/1.1 400 Bad Request\r\n"), 0},
		{"host hangs up", true, func(net.Conn) {}, 0},
		{"host is silent", true, func(nc net.Conn) { io.Copy(io.Discard, nc) }, 0},
		{"no TLS", false, says("HTTP/1.1 400 Bad Request\r\n"), 0},
		{"plaintext host", false, says("\x89parley\x01\x02"), transport.ReasonMode},
		{"plaintext host, torn", false, func(nc net.Conn) {
			nc.Write([]byte("\x89par"))
			time.Sleep(time.Second)
			says("ley\x01\x02")(nc)
		}, transport.ReasonMode},
		{"welcome without TLS", false, says("\x89parley\x01\x00"), 0},
		{"host hangs up on TLS", false, func(net.Conn) {}, 0},
		{"host proves nothing", false, func(nc net.Conn) {
			configs, _ := newTLSConfigs()
			c := tls.Server(nc, configs.server)
			var b [preambleSize + headerSize + proofSize]byte
			io.ReadFull(c, b[:])
			c.Write(appendMessage(appendPreamble(nil, 0), b[preambleSize+headerSize:])) // the client's own
			io.Copy(io.Discard, c)
		}, transport.ReasonKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := dial(t, c.plaintext, c.host)
			var refused *transport.RefusedError
			switch {
			case err == nil:
				t.Error("Dial succeeded")
			case errors.As(err, &refused) != (c.reason != 0), c.reason != 0 && refused.Reason != c.reason:
				t.Errorf("Dial: %v, want the reason %d", err, c.reason)
			}
		})
	}
}

// BenchmarkHandshake is all that it takes to begin a Conn over loopback, both
// ends of it, from connect to the proofs of identity.
func BenchmarkHandshake(b *testing.B) {
	for name, plaintext := range map[string]bool{"secure": false, "plaintext": true} {
		b.Run(name, func(b *testing.B) {
			client, host := &Endpoint{Plaintext: plaintext}, &Endpoint{Listener: loopback(b), Plaintext: plaintext}
			defer client.Close()
			defer host.Close()
			at := addrPort(host.Listener.Addr())
			var closing sync.WaitGroup
			defer closing.Wait()
			b.ReportAllocs()
			for b.Loop() {
				accepted := make(chan error, 1)
				var d transport.Conn
				go func() {
					var err error
					d, err = host.Accept(b.Context())
					accepted <- err
				}()
				c, err := client.Dial(b.Context(), at)
				if err != nil {
					b.Fatal(err)
				}
				if err := <-accepted; err != nil {
					b.Fatal(err)
				}
				closing.Go(func() { c.Close() })
				d.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "joins/s")
		})
	}
}
