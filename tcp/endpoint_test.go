package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

const lan10 = "10.0.0.2:7667"

// accepting accepts whatever comes and closes it with the test.
func accepting(t *testing.T, host *Endpoint) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := host.Accept(context.Background())
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	t.Cleanup(func() {
		host.Close()
		<-done
	})
}

// virtually runs a test in virtual time and looks for goroutines left.
func virtually(t *testing.T, f func(*testing.T)) {
	transporttest.NoLeaks(t)
	synctest.Test(t, f)
}

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

func TestDialEnds(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, client, host := onLAN(t, transporttest.Link{}, false)
		defer host.Listener.Close() // nobody accepts
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Dial(ctx, netip.MustParseAddrPort(lan10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial with a deadline: %v", err)
		}
		begin := time.Now()
		lan.SetAll(transporttest.Link{Cut: true})
		if _, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10)); err == nil || time.Since(begin) > dialLimit {
			t.Errorf("Dial where nobody answers: %v after %v", err, time.Since(begin))
		}
		go func() {
			time.Sleep(time.Second)
			client.Close()
		}()
		if _, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial while the Endpoint closes: %v", err)
		}
		if _, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial after Close: %v", err)
		}
		if _, err := client.Accept(t.Context()); err == nil {
			t.Error("Accept without a Listener succeeded")
		}
	})
}

// TestFull: a host whose user does not accept turns callers away, with the reason.
func TestFull(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		virtually(t, func(t *testing.T) {
			_, client, host := onLAN(t, transporttest.Link{}, plaintext)
			over, cancel := context.WithCancel(t.Context())
			cancel()
			host.Accept(over)
			for range maxReady {
				c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			synctest.Wait()
			_, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
			var refused *transport.RefusedError
			if !errors.As(err, &refused) || refused.Reason != transport.ReasonFull {
				t.Errorf("Dial: %v, want %v", err, transport.ReasonFull)
			}
			host.Close()
			client.Close()
		})
	}
}

// TestEndpointClose: Conns outlive their Endpoints, handshakes do not.
func TestEndpointClose(t *testing.T) {
	virtually(t, func(t *testing.T) {
		_, client, host := onLAN(t, transporttest.Link{}, false)
		a, b := pairOf(t, client, host)
		waiting := make(chan error, 1)
		go func() {
			_, err := host.Accept(context.Background())
			waiting <- err
		}()
		idle, err := client.DialContext(t.Context(), "tcp", lan10)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		unaccepted, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
		if err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != nil { // it took that one
			t.Fatal(err)
		}
		defer unaccepted.Close()
		a.Close()
		b.Close()
		a, b = pairOf(t, client, host)
		for range 2 {
			host.Close()
			client.Close()
		}
		if _, err := host.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
		if n, err := idle.Read(make([]byte, 1)); err == nil {
			t.Errorf("the handshake goes on after Close: read %d bytes", n)
		}
		if err := a.Send(t.Context(), []byte("still here")); err != nil {
			t.Error(err)
		}
		if msg, err := b.Receive(t.Context()); string(msg) != "still here" {
			t.Errorf("received %q, %v", msg, err)
		}
		a.Close()
		b.Close()
	})
}

// TestStrangers: many that connect and say nothing do not keep others out, and
// are sent away.
func TestStrangers(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, false)
		defer client.Close()
		accepting(t, host)
		crowd := func(m *transporttest.Machine, n int) (left *atomic.Int32) {
			left = new(atomic.Int32)
			for range n {
				nc, err := m.DialContext(t.Context(), "tcp", lan10)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					defer nc.Close()
					nc.Read(make([]byte, 1))
					left.Add(1)
				}()
			}
			return left
		}
		one := crowd(lan.Machine("mal", "10.0.0.66/24"), 40)
		time.Sleep(100 * time.Millisecond)
		if n := one.Load(); n != 40-maxVisitsPer {
			t.Errorf("%d of 40 from one address were sent away at once, want %d", n, 40-maxVisitsPer)
		}
		for i := range 20 {
			crowd(lan.Machine("mal"+string(rune('a'+i)), netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}).String()+"/24"), maxVisitsPer)
		}
		begin := time.Now()
		c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("Dial took %v among strangers", took)
		}
		c.Close()
		host.door.mu.Lock()
		if n := len(host.door.inside); n > maxVisits {
			t.Errorf("%d strangers are inside", n)
		}
		host.door.mu.Unlock()
		time.Sleep(shakeLimit + time.Second)
		host.door.mu.Lock()
		if n := len(host.door.inside); n != 0 {
			t.Errorf("%d strangers are inside after the limit", n)
		}
		host.door.mu.Unlock()
	})
}

// failingListener fails as a process without descriptors does.
type failingListener struct {
	net.Listener
	failures atomic.Int32
	err      error
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: l.err}
	}
	return l.Listener.Accept()
}

func TestAcceptBacksOff(t *testing.T) {
	virtually(t, func(t *testing.T) {
		_, client, host := onLAN(t, transporttest.Link{}, false)
		failing := &failingListener{Listener: host.Listener, err: os.NewSyscallError("accept", syscall.EMFILE)}
		failing.failures.Store(10)
		host.Listener = failing
		begin := time.Now()
		a, b := pairOf(t, client, host)
		// 5, 10, 20 … 640 ms, then 1 s twice.
		if took := time.Since(begin); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("10 failures took %v", took)
		}
		b.(*conn).fail(errSilent)
		a.Close()
		b.Close()
	})
	virtually(t, func(t *testing.T) {
		_, _, host := onLAN(t, transporttest.Link{}, false)
		failing := &failingListener{Listener: host.Listener, err: syscall.EBADF}
		failing.failures.Store(1)
		host.Listener = failing
		if _, err := host.Accept(t.Context()); !errors.Is(err, syscall.EBADF) {
			t.Errorf("Accept on a broken listener: %v", err)
		}
		host.Close()
	})
}

// guestHost returns a host that welcomes guests, and a channel with the first
// line of each.
func guestHost(t *testing.T, plaintext bool) (*transporttest.LAN, *Endpoint, *Endpoint, chan string) {
	lan, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, plaintext)
	lines := make(chan string, 2*maxGuests)
	var inside sync.WaitGroup
	t.Cleanup(inside.Wait) // virtual time stops with the test
	host.Guests = func(nc net.Conn) {
		inside.Add(1)
		defer inside.Done()
		defer nc.Close()
		io.WriteString(nc, "name? ")
		var line []byte
		for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; {
			if _, err := nc.Read(b); err != nil {
				break
			}
			line = append(line, b...)
		}
		lines <- string(line)
	}
	accepting(t, host)
	return lan, client, host, lines
}

func TestGuests(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		virtually(t, func(t *testing.T) {
			_, client, _, lines := guestHost(t, plaintext)
			defer client.Close()
			for _, first := range []string{"ana\n", "", "\x89parl", "\x16\x02\x01", "\x16", "x", "é\n", strings.Repeat("long ", 1000)} {
				nc, err := client.DialContext(t.Context(), "tcp", lan10)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				nc.Write([]byte(first))
				prompt := make([]byte, 6)
				if _, err := io.ReadFull(nc, prompt); err != nil || string(prompt) != "name? " {
					t.Errorf("a guest who began with %q was told %q, %v", first, prompt, err)
				}
				limit := 100 * time.Millisecond
				if first == "" {
					limit += guestSilence
				} else if classify([]byte(first)) == unknown {
					limit += shakeLimit
				}
				if took := time.Since(begin); took > limit {
					t.Errorf("the prompt for a guest who began with %q came after %v", first, took)
				}
				if !strings.HasSuffix(first, "\n") {
					nc.Write([]byte("rest\n"))
					first += "rest\n"
				}
				if line := <-lines; line != first {
					t.Errorf("a guest who said %q was heard as %q", first, line)
				}
				nc.Close()
			}
			c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
}

func TestGuestsAreBounded(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, client, host, _ := guestHost(t, false)
		defer client.Close()
		for i := range 20 {
			m := lan.Machine("mal"+string(rune('a'+i)), netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}).String()+"/24")
			for range 20 {
				nc, err := m.DialContext(t.Context(), "tcp", lan10)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
			}
			time.Sleep(2 * guestSilence)
		}
		host.door.mu.Lock()
		guests, inside := len(host.door.guests), len(host.door.inside)
		host.door.mu.Unlock()
		if guests != maxGuests || inside != 0 {
			t.Errorf("%d guests, %d strangers, want %d and none", guests, inside, maxGuests)
		}
		c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}
