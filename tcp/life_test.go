package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"parley/transport"
	"parley/transport/transporttest"
)

// between runs a test on a Conn over a LAN in virtual time.
func between(t *testing.T, link transporttest.Link, plaintext bool, f func(t *testing.T, lan *transporttest.LAN, a, b transport.Conn)) {
	virtually(t, func(t *testing.T) {
		lan, client, host := onLAN(t, link, plaintext)
		a, b := pairOf(t, client, host)
		f(t, lan, a, b)
		done := make(chan struct{})
		go func() {
			a.Close()
			close(done)
		}()
		b.Close()
		<-done
	})
}

func stats(c transport.Conn) transport.Stats { return c.(transport.Statser).Stats() }

var lan1ms = transporttest.Link{Delay: time.Millisecond}

// TestPrompt: what has arrived is received at once, and not with whatever
// comes next.
func TestPrompt(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		between(t, lan1ms, plaintext, func(t *testing.T, _ *transporttest.LAN, a, b transport.Conn) {
			const n = 200
			for size := 1; size <= transport.MaxMessage; size *= 4 {
				begin := time.Now()
				go func() {
					for range n {
						a.Send(t.Context(), make([]byte, size))
					}
				}()
				for range n {
					if _, err := b.Receive(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				// A delay for every 64 KiB, and some.
				if took, limit := time.Since(begin), time.Duration(n*(size+20)>>16+5)*3*time.Millisecond; took > limit {
					t.Errorf("%d messages of %d bytes took %v", n, size, took)
				}
			}
		})
	}
}

// TestDead: a link that carries nothing any more is noticed.
func TestDead(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int // sent into the cut link
		limit time.Duration
	}{
		{"idle", 0, deadAfter + time.Second},
		{"something under way", 100, deadAfter + time.Second},
		{"a write that waits", 1 << 20, writeLimit + 2*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			between(t, lan1ms, false, func(t *testing.T, lan *transporttest.LAN, a, b transport.Conn) {
				lan.SetAll(transporttest.Link{Cut: true})
				begin := time.Now()
				failed := make(chan error, 1)
				go func() {
					for sent := 0; sent < c.bytes; sent += 100 {
						if err := a.Send(t.Context(), make([]byte, 100)); err != nil {
							failed <- err
							return
						}
					}
					failed <- transport.ErrLost
				}()
				_, err := a.Receive(t.Context())
				if !errors.Is(err, transport.ErrLost) || time.Since(begin) > c.limit {
					t.Errorf("Receive: %v after %v", err, time.Since(begin))
				}
				if err := <-failed; !errors.Is(err, transport.ErrLost) {
					t.Errorf("Send: %v", err)
				}
				if err := a.Send(t.Context(), []byte("late")); !errors.Is(err, transport.ErrLost) {
					t.Errorf("Send afterwards: %v", err)
				}
				if err := a.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

// TestKilled: a peer that is killed says no goodbye, and is lost, not gone.
func TestKilled(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		virtually(t, func(t *testing.T) {
			lan := transporttest.NewLAN(1, lan1ms)
			ana, ben := lan.Machine("ana", "10.0.0.1/24"), lan.Machine("ben", "10.0.0.2/24")
			ln, err := ben.Listen(t.Context(), "tcp4", ":7667")
			if err != nil {
				t.Fatal(err)
			}
			host := &Endpoint{Listener: ln, Plaintext: plaintext}
			client := &Endpoint{DialContext: ana.DialContext, Plaintext: plaintext}
			accepting(t, host)
			c, err := client.Dial(t.Context(), addrPort(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7667}))
			if err != nil {
				t.Fatal(err)
			}
			ben.Kill()
			begin := time.Now()
			if _, err := c.Receive(t.Context()); !errors.Is(err, transport.ErrLost) || time.Since(begin) > time.Second {
				t.Errorf("Receive: %v after %v", err, time.Since(begin))
			}
			c.Close()
			client.Close()
		})
	}
}

// TestTorn: a stream that ends without BYE was cut off.
func TestTorn(t *testing.T) {
	between(t, lan1ms, true, func(t *testing.T, _ *transporttest.LAN, a, b transport.Conn) {
		a.Send(t.Context(), []byte("last words"))
		time.Sleep(time.Second)
		a.(*conn).raw.Close()
		if msg, err := b.Receive(t.Context()); string(msg) != "last words" {
			t.Errorf("received %q, %v", msg, err)
		}
		if _, err := b.Receive(t.Context()); !errors.Is(err, transport.ErrLost) {
			t.Errorf("Receive: %v, want ErrLost", err)
		}
	})
}

// fillUp sends until a message has to wait, and returns how many did not.
func fillUp(t *testing.T, c transport.Conn) (n int) {
	for {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := c.Send(ctx, make([]byte, 10000))
		cancel()
		if err != nil {
			return n
		}
		n++
	}
}

// TestCloseIsBounded: Close does not wait for ever for a peer that does not
// answer, or does not receive.
func TestCloseIsBounded(t *testing.T) {
	bounded := func(t *testing.T, c transport.Conn) {
		begin := time.Now()
		c.Close()
		if took := time.Since(begin); took > closeTotal {
			t.Errorf("Close took %v", took)
		}
	}
	t.Run("cut", func(t *testing.T) {
		between(t, lan1ms, false, func(t *testing.T, lan *transporttest.LAN, a, b transport.Conn) {
			lan.SetAll(transporttest.Link{Cut: true})
			a.Send(t.Context(), []byte("never arrives"))
			bounded(t, a)
		})
	})
	t.Run("nobody receives", func(t *testing.T) {
		between(t, lan1ms, false, func(t *testing.T, lan *transporttest.LAN, a, b transport.Conn) {
			fillUp(t, a)
			bounded(t, a)
		})
	})
	t.Run("nobody receives on either side", func(t *testing.T) {
		between(t, lan1ms, true, func(t *testing.T, lan *transporttest.LAN, a, b transport.Conn) {
			fillUp(t, a)
			fillUp(t, b)
			bounded(t, a)
		})
	})
}

// TestSilent: a peer that owes an answer is known to be silent within
// seconds, one that is there is not, whatever it does.
func TestSilent(t *testing.T) {
	between(t, lan1ms, false, func(t *testing.T, lan *transporttest.LAN, a, b transport.Conn) {
		watch := func(d time.Duration) (most time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				most = max(most, stats(a).Silent)
			}
			return most
		}
		if s := watch(time.Minute); s > 100*time.Millisecond {
			t.Errorf("silent for %v at rest", s)
		}
		if s := stats(a); s.RTT < 2*time.Millisecond || s.RTT > 4*time.Millisecond || s.MinRTT > s.RTT {
			t.Errorf("round trips of 2 ms measured as %v", s.RTT)
		}
		go func() { // one way only, at a trickle
			for range 200 {
				a.Send(t.Context(), make([]byte, 100))
				time.Sleep(50 * time.Millisecond)
			}
		}()
		if s := watch(15 * time.Second); s > askAfter+100*time.Millisecond {
			t.Errorf("silent for %v while it takes what comes", s)
		}
		filled := fillUp(t, a)
		if s := watch(15 * time.Second); s > 2*hereEvery {
			t.Errorf("silent for %v while it is behind", s)
		}
		for range 200 + filled {
			if _, err := b.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // until it has caught up with our last question, too
		lan.SetAll(transporttest.Link{Cut: true})
		a.Send(t.Context(), []byte("lost"))
		time.Sleep(3500 * time.Millisecond)
		if s := stats(a).Silent; s < 3*time.Second || s > 4*time.Second {
			t.Errorf("silent for %v, 3.5 s after a cut", s)
		}
		lan.SetAll(lan1ms)
		time.Sleep(2 * time.Second)
		if s := stats(a).Silent; s != 0 {
			t.Errorf("silent for %v after the cut", s)
		}
	})
}

// TestPlaintextByHand is the whole of a client of a plaintext room, as the
// package comment says it.
func TestPlaintextByHand(t *testing.T) {
	virtually(t, func(t *testing.T) {
		_, client, host := onLAN(t, lan1ms, true)
		nc, err := client.DialContext(t.Context(), "tcp", lan10)
		if err != nil {
			t.Fatal(err)
		}
		read := func(n int) string {
			b := make([]byte, n)
			if _, err := io.ReadFull(nc, b); err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		io.WriteString(nc, "\x89parley\x01\x00")
		c, err := host.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := read(9); got != "\x89parley\x01\x00" {
			t.Fatalf("preamble %q", got)
		}
		io.WriteString(nc, "\x00\x00\x00\x05he")
		time.Sleep(time.Second)
		io.WriteString(nc, "llo\x00\x00\x00\x00\xeeunknown!\x00\x00\x00\x00\x01pingdata\x00\x00\x00\x01!")
		for _, want := range []string{"hello", "!"} {
			if msg, err := c.Receive(t.Context()); string(msg) != want {
				t.Errorf("received %q, %v", msg, err)
			}
		}
		if got := read(13); got != "\x00\x00\x00\x00\x02pingdata" {
			t.Errorf("the answer to PING is %q", got)
		}
		c.Send(t.Context(), []byte("welcome"))
		if got := read(11); got != "\x00\x00\x00\x07welcome" {
			t.Errorf("a message is %q", got)
		}
		if got := read(5); got != "\x00\x00\x00\x00\x01" { // unanswered for a second
			t.Errorf("PING is %q", got)
		}
		read(8)
		io.WriteString(nc, "\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00")
		if got := read(13); got != "\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00" {
			t.Errorf("the answer to BYE is %q", got)
		}
		if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after BYE: %v, want EOF", err)
		}
		if _, err := c.Receive(t.Context()); err != io.EOF {
			t.Errorf("Receive after BYE: %v, want EOF", err)
		}
		nc.Close()
		c.Close()
		host.Close()
		client.Close()
	})
}

// TestTooLong: a frame that is too long ends the connection.
func TestTooLong(t *testing.T) {
	between(t, lan1ms, true, func(t *testing.T, _ *transporttest.LAN, a, b transport.Conn) {
		fmt.Fprint(a.(*conn).raw, "\x00\x01\x00\x01")
		if _, err := b.Receive(t.Context()); !errors.Is(err, transport.ErrLost) || !errors.Is(err, errFrame) {
			t.Errorf("Receive: %v", err)
		}
	})
}

// TestSilentOneWay: bytes that come from the peer do not tell that it hears us.
func TestSilentOneWay(t *testing.T) {
	for _, toPeer := range []bool{true, false} {
		virtually(t, func(t *testing.T) {
			lan := transporttest.NewLAN(1, lan1ms)
			ana, ben := lan.Machine("ana", "10.0.0.1/24"), lan.Machine("ben", "10.0.0.2/24")
			ln, err := ben.Listen(t.Context(), "tcp4", "10.0.0.2:7667")
			if err != nil {
				t.Fatal(err)
			}
			a, b := pairOf(t, &Endpoint{DialContext: ana.DialContext}, &Endpoint{Listener: ln})
			ctx, cancel := context.WithCancel(t.Context())
			var talking sync.WaitGroup
			for _, end := range []transport.Conn{a, b} {
				talking.Go(func() {
					for ctx.Err() == nil && end.Send(ctx, make([]byte, 100)) == nil {
						time.Sleep(50 * time.Millisecond)
					}
				})
				talking.Go(func() {
					for ctx.Err() == nil {
						end.Receive(ctx)
					}
				})
			}
			most := time.Duration(0)
			for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				most = max(most, stats(a).Silent)
			}
			if most > askAfter+100*time.Millisecond {
				t.Errorf("silent for %v while it answers", most)
			}
			dark := transporttest.Link{Cut: true}
			if toPeer {
				lan.Set(ana, ben, dark)
			} else {
				lan.Set(ben, ana, dark)
			}
			began := time.Now()
			for stats(a).Silent < 2500*time.Millisecond && time.Since(began) < 10*time.Second {
				time.Sleep(10 * time.Millisecond)
			}
			if took := time.Since(began); took > 3600*time.Millisecond {
				t.Errorf("cut to the peer %v: found out after %v", toPeer, took)
			}
			lan.SetAll(lan1ms)
			lan.Set(ana, ben, lan1ms)
			lan.Set(ben, ana, lan1ms)
			cancel()
			talking.Wait()
			done := make(chan struct{})
			go func() { a.Close(); close(done) }()
			b.Close()
			<-done
		})
	}
}
