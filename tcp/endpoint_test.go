package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
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

// silentCrowd connects n times from a machine and says nothing. It returns how many
// of them have been sent away.
func silentCrowd(t *testing.T, m *transporttest.Machine, n int) (left *atomic.Int32) {
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

func (d *door) numbers() (inside, line int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.inside.visits), len(d.line.visits)
}

// TestStrangers: many that connect and say nothing do not keep others out, and
// are sent away.
func TestStrangers(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, false)
		defer client.Close()
		accepting(t, host)
		one := silentCrowd(t, lan.Machine("mal", "10.0.0.66/24"), 200)
		time.Sleep(100 * time.Millisecond)
		inside, line := host.door.numbers()
		if away := int(one.Load()); inside != maxVisitsPer || line > maxLinePer || away != 200-inside-line {
			t.Errorf("of 200 from one address %d are inside, %d in line, %d were sent away", inside, line, away)
		}
		for i := range 20 {
			silentCrowd(t, lan.Machine("mal"+string(rune('a'+i)), netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}).String()+"/24"), maxVisitsPer)
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
		if inside, line := host.door.numbers(); inside > maxVisits || line > maxLine {
			t.Errorf("%d strangers are inside, %d in line", inside, line)
		}
		time.Sleep(lineLimit + shakeLimit + time.Second)
		if inside, line := host.door.numbers(); inside+line != 0 {
			t.Errorf("%d strangers are inside and %d in line after the limit", inside, line)
		}
	})
}

// TestOneOfMany: strangers from more addresses than there are places come and
// come; whoever is honest gets in each time.
func TestOneOfMany(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, false)
		defer client.Close()
		accepting(t, host)
		over := make(chan struct{})
		var crowds sync.WaitGroup
		for i := range 60 {
			m := lan.Machine(fmt.Sprint("mal", i), netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}).String()+"/24")
			crowds.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					case <-time.After(time.Duration(5+i%7) * time.Millisecond):
					}
					if nc, err := m.DialContext(t.Context(), "tcp", lan10); err == nil {
						crowds.Go(func() {
							nc.Read(make([]byte, 1))
							nc.Close()
						})
					}
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		worst, again := time.Duration(0), 0
		for range 20 {
			begin := time.Now()
			c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
			if err != nil && again == 0 { // seldom somebody is crowded out; he tries again
				t.Log(err)
				again++
				c, err = client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
			}
			if err != nil {
				t.Error(err)
				break
			}
			worst = max(worst, time.Since(begin))
			c.Close()
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("20 honest ones among strangers from 60 addresses: %v at most", worst)
		if worst > 100*time.Millisecond {
			t.Errorf("Dial took %v among strangers", worst)
		}
		close(over)
		crowds.Wait()
	})
}

// TestClass: everybody who sits behind one address connects at once, and again:
// all get in.
func TestClass(t *testing.T) {
	for _, plaintext := range []bool{false, true} {
		virtually(t, func(t *testing.T) {
			_, client, host := onLAN(t, transporttest.Link{Delay: time.Millisecond}, plaintext)
			defer client.Close()
			accepting(t, host)
			const pupils = 48
			for round := range 3 {
				begin, worst := time.Now(), new(atomic.Int64)
				var all sync.WaitGroup
				for range pupils {
					all.Go(func() {
						c, err := client.Dial(t.Context(), netip.MustParseAddrPort(lan10))
						if err != nil {
							t.Errorf("round %d: %v", round, err)
							return
						}
						worst.Store(max(worst.Load(), int64(time.Since(begin))))
						c.Close()
					})
				}
				all.Wait()
				t.Logf("round %d of %d from one address: %v", round, pupils, time.Duration(worst.Load()))
				time.Sleep(time.Second)
			}
		})
	}
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
