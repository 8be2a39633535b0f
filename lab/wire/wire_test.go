//go:build !nolab

package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// place is a test's LAN.
type place struct {
	*testing.T
	*LAN
	rec  *Recorder
	ctx  context.Context
	work sync.WaitGroup
}

// on runs f on a LAN of its own and returns what was recorded.
func on(t *testing.T, c Config, f func(p *place)) *Recorder {
	t.Helper()
	rec := NewRecorder(t.Name())
	c.Tap = rec.Tap
	Test(t)(func() {
		p := &place{T: t, LAN: New(c), rec: rec, ctx: context.Background()}
		defer p.Close()
		f(p)
		p.work.Wait()
	})
	return rec
}

func (p *place) listen(h *Host, address string) net.Listener {
	p.Helper()
	ln, err := h.Listen(p.ctx, "tcp", address)
	if err != nil {
		p.Fatal(err)
	}
	return ln
}

func (p *place) dial(h *Host, network, address string) net.Conn {
	p.Helper()
	c, err := h.DialContext(p.ctx, network, address)
	if err != nil {
		p.Fatal(err)
	}
	return c
}

func (p *place) socket(h *Host, address string) *PacketConn {
	p.Helper()
	c, err := h.ListenPacket(p.ctx, "udp", address)
	if err != nil {
		p.Fatal(err)
	}
	return c.(*PacketConn)
}

// pair returns the two ends of a TCP connection from a to b.
func (p *place) pair(a, b *Host) (client, server *Conn) {
	p.Helper()
	ln := p.listen(b, ":7")
	defer ln.Close()
	done := make(chan net.Conn)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			p.Error(err)
		}
		done <- c
	}()
	c := p.dial(a, "tcp", "B:7")
	s := <-done
	return c.(*Conn), s.(*Conn)
}

func TestHandshake(t *testing.T) {
	var heard time.Duration
	rec := on(t, Config{Seed: 7, Way: Way{Delay: 5 * time.Millisecond}}, func(p *place) {
		a, b := p.Host("A"), p.Host("B")
		ln := p.listen(b, ":7")
		p.work.Go(func() {
			defer ln.Close()
			c, err := ln.Accept()
			if err != nil {
				p.Error(err)
				return
			}
			defer c.Close()
			if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
				p.Errorf("%q, %v", got, err)
			}
			heard = p.Now()
		})
		c := p.dial(a, "tcp", "B:7")
		io.WriteString(c, "hello")
		c.Close()
		p.work.Wait()
		time.Sleep(time.Second)
	})
	var got []string
	frames, _ := rec.Frames()
	for _, f := range frames {
		got = append(got, fmt.Sprint(f.From.Name(), " ", f.Proto, f.Flags, len(f.Payload)))
	}
	want := "A arp0, B arp0, A tcpS0, B tcpSA0, A tcpA0, A tcpPA5, A tcpFA0, B tcpA0, B tcpA0, B tcpFA0, A tcpA0"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("frames: %s\nwant:   %s", s, want)
	}
	if heard != 25*time.Millisecond { // ARP there and back, SYN, SYN+ACK, data
		t.Errorf("heard after %v", heard)
	}
}

// TestErrors compares each error with the one of the net package.
func TestErrors(t *testing.T) {
	on(t, Config{Seed: 1, Way: Way{Delay: time.Millisecond}}, func(p *place) {
		a, b := p.Host("A"), p.Host("B")
		expect := func(what string, err error, want error) {
			p.Helper()
			var op *net.OpError
			if !errors.Is(err, want) || want != io.EOF && !errors.As(err, &op) {
				p.Errorf("%s: %v (%T), want %v", what, err, err, want)
			}
		}
		_, err := a.DialContext(p.ctx, "tcp", "B:9")
		expect("dial where nobody listens", err, syscall.ECONNREFUSED)
		begin := p.Now()
		_, err = a.DialContext(p.ctx, "tcp", "10.77.0.99:9")
		expect("dial where nobody is", err, syscall.EHOSTUNREACH)
		if d := p.Now() - begin; d != 3*time.Second {
			p.Errorf("unreachable after %v", d)
		}
		ctx, cancel := context.WithTimeout(p.ctx, time.Second)
		_, err = a.DialContext(ctx, "tcp", "10.77.0.99:9")
		cancel()
		expect("dial with a deadline", err, context.DeadlineExceeded)

		client, server := p.pair(a, b)
		client.SetReadDeadline(time.Now().Add(time.Second))
		begin = p.Now()
		_, err = client.Read(make([]byte, 1))
		expect("read past the deadline", err, os.ErrDeadlineExceeded)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || p.Now()-begin != time.Second {
			p.Errorf("%v after %v", err, p.Now()-begin)
		}
		client.SetReadDeadline(time.Time{})
		p.work.Go(func() { time.Sleep(time.Second); client.Close() })
		_, err = client.Read(make([]byte, 1))
		expect("read while it is closed", err, net.ErrClosed)
		_, err = client.Write([]byte("x"))
		expect("write after close", err, net.ErrClosed)
		expect("close again", client.Close(), net.ErrClosed)
		_, err = server.Read(make([]byte, 1))
		expect("read after the peer closed", err, io.EOF)
		server.Write([]byte("x")) // is answered with a reset
		time.Sleep(time.Second)
		_, err = server.Write([]byte("x"))
		expect("write after a reset", err, syscall.EPIPE)
		server.Close()

		ln := p.listen(b, ":8")
		_, err = b.Listen(p.ctx, "tcp", ":8")
		expect("listen twice", err, syscall.EADDRINUSE)
		p.work.Go(func() { time.Sleep(time.Second); ln.Close() })
		_, err = ln.Accept()
		expect("accept while it is closed", err, net.ErrClosed)
		_, err = b.Listen(p.ctx, "tcp", "10.77.0.1:8")
		expect("listen on another's address", err, syscall.EADDRNOTAVAIL)

		u := p.dial(a, "udp", "B:9")
		_, err = u.Write([]byte("x"))
		if err != nil {
			p.Errorf("a datagram to nobody: %v", err)
		}
		begin = p.Now()
		_, err = u.Read(make([]byte, 1)) // wakes when the ICMP message comes
		expect("read after a datagram to nobody", err, syscall.ECONNREFUSED)
		if d := p.Now() - begin; d != 2*time.Millisecond {
			p.Errorf("refused after %v", d)
		}
		_, err = u.Write(make([]byte, 65508))
		expect("a datagram that is too long", err, syscall.EMSGSIZE)
		u.Close()
		s := p.socket(b, ":5")
		_, err = b.ListenPacket(p.ctx, "udp", ":5")
		expect("a port that is taken", err, syscall.EADDRINUSE)
		p.work.Go(func() { time.Sleep(time.Second); s.SetReadDeadline(time.Unix(1, 0)) })
		_, _, err = s.ReadFrom(make([]byte, 1))
		expect("a deadline set while reading", err, os.ErrDeadlineExceeded)
		s.Close()
		_, _, err = s.ReadFrom(make([]byte, 1))
		expect("read after close", err, net.ErrClosed)
	})
}

func TestBroadcastAndGroups(t *testing.T) {
	group := "239.1.2.3"
	rec := on(t, Config{Seed: 1, Way: Way{Delay: time.Millisecond}}, func(p *place) {
		a := p.Host("A")
		var hear []*PacketConn
		for i := range 6 {
			h := p.Host(fmt.Sprint("m", i))
			c := p.socket(h, ":5000")
			if i < 2 {
				if err := c.Join(netip.MustParseAddr(group)); err != nil {
					p.Error(err)
				}
			}
			hear = append(hear, c)
		}
		from := p.socket(a, ":0")
		for i, to := range []string{"255.255.255.255", "10.77.0.255", group} {
			if _, err := from.WriteTo([]byte{byte(i)}, &net.UDPAddr{IP: net.ParseIP(to), Port: 5000}); err != nil {
				p.Error(to, err)
			}
		}
		for i, c := range hear {
			c.SetReadDeadline(time.Now().Add(time.Second))
			n := 0
			for {
				if _, _, err := c.ReadFrom(make([]byte, 9)); err != nil {
					break
				}
				n++
			}
			want := 2
			if i < 2 {
				want = 3
			}
			if n != want {
				p.Errorf("m%d heard %d, want %d", i, n, want)
			}
			c.Close()
		}
		from.Close()
	})
	if frames, _ := rec.Frames(); len(frames) != 3 || len(frames[0].Copies) != 6 {
		t.Errorf("%d frames", len(frames))
	}
}

func TestHalfClose(t *testing.T) {
	on(t, Config{Seed: 1, Way: Way{Delay: time.Millisecond}}, func(p *place) {
		client, server := p.pair(p.Host("A"), p.Host("B"))
		client.CloseWrite()
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			p.Errorf("%d, %v", n, err)
		}
		time.Sleep(time.Second)
		if s := client.State() + " " + server.State(); s != "FIN-WAIT2 CLOSE-WAIT" {
			p.Error(s)
		}
		io.WriteString(server, "still here")
		server.Close()
		if got, err := io.ReadAll(client); string(got) != "still here" || err != nil {
			p.Errorf("%q, %v", got, err)
		}
		client.Close()
	})
}

// TestLoopback has two programs of one host talk.
func TestLoopback(t *testing.T) {
	rec := on(t, Config{Seed: 1}, func(p *place) {
		b := p.Host("B")
		for _, to := range []string{"B:7", "127.0.0.1:7"} {
			ln := p.listen(b, ":7")
			p.work.Go(func() {
				c, err := ln.Accept()
				if err != nil {
					p.Error(err)
					return
				}
				io.Copy(c, c)
				c.Close()
			})
			c := p.dial(b, "tcp", to)
			io.WriteString(c, "echo")
			c.(*Conn).CloseWrite()
			if got, err := io.ReadAll(c); string(got) != "echo" || err != nil {
				p.Errorf("%s: %q, %v", to, got, err)
			}
			c.Close()
			ln.Close()
			p.work.Wait()
		}
	})
	if frames, _ := rec.Frames(); len(frames) > 0 {
		t.Errorf("%d frames left the host", len(frames))
	}
}

// bulk sends n bytes from A to B.
func bulk(p *place, n int) time.Duration {
	client, server := p.pair(p.Host("A"), p.Host("B"))
	begin := p.Now()
	p.work.Go(func() {
		if _, err := client.Write(make([]byte, n)); err != nil {
			p.Error(err)
		}
		client.Close()
	})
	if got, err := io.Copy(io.Discard, server); int(got) != n || err != nil {
		p.Errorf("%d bytes, %v", got, err)
	}
	server.Close()
	return p.Now() - begin
}

// TestSameSeedSameBytes repeats a run with everything damaged, on one
// processor and on two, and expects the fingerprint of all other systems.
func TestSameSeedSameBytes(t *testing.T) {
	const golden = "bc6067af73d7"
	run := func(seed uint64) string {
		w := Way{Loss: .05, Dup: .05, Reorder: .05, Corrupt: .05, Delay: 3 * time.Millisecond, Jitter: time.Millisecond}
		rec := on(t, Config{Seed: seed, Way: w, Port: Port{Rate: 1e7, Queue: 20}}, func(p *place) { bulk(p, 200_000) })
		return rec.Fingerprint()
	}
	for _, procs := range []int{1, 2} {
		before := runtime.GOMAXPROCS(procs)
		for range 10 {
			if got := run(7); got != golden {
				t.Errorf("%d processors: %s, want %s", procs, got, golden)
			}
		}
		runtime.GOMAXPROCS(before)
	}
	if run(8) == golden {
		t.Error("another seed, the same fingerprint")
	}
}
