package transporttest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// virtually runs a test in virtual time and looks for goroutines left.
func virtually(t *testing.T, f func(*testing.T)) {
	NoLeaks(t)
	synctest.Test(t, f)
}

func open(t *testing.T, m *Machine, network, address string) net.PacketConn {
	t.Helper()
	pc, err := m.ListenPacket(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}

func openShared(t *testing.T, m *Machine, network, address string) net.PacketConn {
	t.Helper()
	pc, err := m.ListenShared(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}

func send(t *testing.T, pc net.PacketConn, to, text string) {
	t.Helper()
	if _, err := pc.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); err != nil {
		t.Fatal(err)
	}
}

// heard returns what arrives within a second, as "text from address".
func heard(t *testing.T, pc net.PacketConn) (all []string) {
	t.Helper()
	pc.SetReadDeadline(time.Now().Add(time.Second))
	for buf := make([]byte, 2000); ; {
		n, from, err := pc.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s from %s", buf[:n], from))
	}
}

func wantHeard(t *testing.T, pc net.PacketConn, want ...string) {
	t.Helper()
	if got := heard(t, pc); strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%v heard %q, want %q", pc.LocalAddr(), got, want)
	}
}

func TestLANReaches(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan := NewLAN(1, Link{Delay: time.Millisecond})
		ana := lan.Machine("ana", "10.0.0.1/24", "fe80::1/64")
		ben := lan.Machine("ben", "10.0.0.2/24", "fe80::2/64")
		far := lan.Machine("far", "192.168.7.1/24")
		a, b, f := open(t, ana, "udp4", ":7"), open(t, ben, "udp4", ":7"), open(t, far, "udp4", ":7")
		a6, b6 := open(t, ana, "udp6", ":7"), open(t, ben, "udp6", ":7")

		send(t, a, "10.0.0.2:7", "unicast")
		wantHeard(t, b, "unicast from 10.0.0.1:7")
		send(t, a, "10.0.0.255:7", "subnet")
		wantHeard(t, a, "subnet from 10.0.0.1:7")
		wantHeard(t, b, "subnet from 10.0.0.1:7")
		wantHeard(t, f)
		send(t, a, "255.255.255.255:7", "everyone")
		wantHeard(t, b, "everyone from 10.0.0.1:7")
		wantHeard(t, f, "everyone from 10.0.0.1:7")
		send(t, a, "127.0.0.1:7", "me")
		send(t, a, "127.255.255.255:7", "my programs")
		send(t, a, "10.0.0.1:7", "my address")
		wantHeard(t, a, "everyone from 10.0.0.1:7", "me from 127.0.0.1:7", "my programs from 127.0.0.1:7", "my address from 10.0.0.1:7")
		send(t, a6, "[fe80::2%eth0]:7", "link-local")
		send(t, a6, "[ff02::1%eth0]:7", "group")
		wantHeard(t, b6, "link-local from [fe80::1%eth0]:7", "group from [fe80::1%eth0]:7")
		wantHeard(t, a6, "group from [fe80::1%eth0]:7")
		send(t, a, "10.0.0.3:7", "nobody")

		if _, err := a.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 7}); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("to an address outside: %v, want ENETUNREACH", err)
		}
		if c := lan.Counts(); c.Nowhere != 1 || c.Delivered == 0 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestLANPorts(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan := NewLAN(1, Link{})
		ana := lan.Machine("ana", "10.0.0.1/24")
		open(t, ana, "udp4", ":7")
		for _, address := range []string{":7", "127.0.0.1:7", "10.0.0.1:7"} {
			if _, err := ana.ListenPacket(t.Context(), "udp4", address); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("listening on %s again: %v, want EADDRINUSE", address, err)
			}
		}
		if _, err := ana.ListenPacket(t.Context(), "udp4", "10.0.0.9:8"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("listening on another's address: %v, want EADDRNOTAVAIL", err)
		}
		one, two := openShared(t, ana, "udp4", ":8"), openShared(t, ana, "udp4", ":8")
		from := open(t, ana, "udp4", "127.0.0.1:0")
		send(t, from, "127.255.255.255:8", "both")
		send(t, from, "127.0.0.1:8", "the last")
		source := from.LocalAddr().String()
		wantHeard(t, one, "both from "+source)
		wantHeard(t, two, "both from "+source, "the last from "+source)
	})
}

// flood sends n datagrams under the link and returns what arrives, in order.
func flood(t *testing.T, seed uint64, link Link, n int) (got []string, c Counts) {
	virtually(t, func(t *testing.T) {
		lan := NewLAN(seed, link)
		a, b := open(t, lan.Machine("ana", "10.0.0.1/24"), "udp4", ":7"), open(t, lan.Machine("ben", "10.0.0.2/24"), "udp4", ":7")
		for i := range n {
			send(t, a, "10.0.0.2:7", fmt.Sprintf("%04d", i))
			time.Sleep(100 * time.Microsecond)
			if i%100 == 99 {
				got = append(got, heard(t, b)...)
			}
		}
		c = lan.Counts()
	})
	return got, c
}

func TestLANDamage(t *testing.T) {
	const n = 2000
	about := func(t *testing.T, what string, got int, share float64) {
		t.Helper()
		if want := share * n; float64(got) < want-100 || float64(got) > want+100 {
			t.Errorf("%s: %d of %d, want about %.0f", what, got, n, want)
		}
	}
	link := Link{Loss: 0.3, Dup: 0.2, Reorder: 0.1, Corrupt: 0.05, Delay: time.Millisecond, Jitter: time.Millisecond}
	got, c := flood(t, 7, link, n)
	about(t, "lost", c.Lost, 0.3)
	about(t, "duplicated", c.Duplicated, 0.7*0.2)
	about(t, "reordered", c.Reordered, 0.7*0.1)
	about(t, "corrupted", c.Corrupted, 0.7*0.05)
	if c.Sent != n || len(got) != n-c.Lost+c.Duplicated || c.Delivered != len(got) {
		t.Errorf("%d heard, counts %+v", len(got), c)
	}
	if c.Overtaken < c.Reordered/2 {
		t.Errorf("%d overtaken, %d held back", c.Overtaken, c.Reordered)
	}
	if again, c2 := flood(t, 7, link, n); !reflect.DeepEqual(got, again) || c != c2 {
		t.Error("the same seed gave another result")
	}
	if other, _ := flood(t, 8, link, n); reflect.DeepEqual(got, other) {
		t.Error("another seed gave the same result")
	}
	if perfect, c := flood(t, 7, Link{}, n); len(perfect) != n || c.Dropped() != 0 {
		t.Errorf("the zero Link delivered %d of %d", len(perfect), n)
	}
}

func TestLANLinks(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan := NewLAN(1, Link{MTU: 10})
		ana, ben := lan.Machine("ana", "10.0.0.1/24"), lan.Machine("ben", "10.0.0.2/24")
		a, b := open(t, ana, "udp4", ":7"), open(t, ben, "udp4", ":7")
		send(t, a, "10.0.0.2:7", "12345678901")
		send(t, a, "10.0.0.2:7", "1234567890")
		wantHeard(t, b, "1234567890 from 10.0.0.1:7")
		lan.Set(ana, ben, Link{Cut: true})
		send(t, a, "10.0.0.2:7", "one way")
		send(t, b, "10.0.0.1:7", "the other")
		wantHeard(t, b)
		wantHeard(t, a, "the other from 10.0.0.2:7")
		lan.Partition(true, ben)
		send(t, b, "10.0.0.1:7", "cut")
		wantHeard(t, a)
		lan.SetAll(Link{})
		send(t, b, "10.0.0.1:7", "whole")
		wantHeard(t, a, "whole from 10.0.0.2:7")
		if c := lan.CountsOf(ana, ben); c.TooBig != 1 || c.Cut != 1 || c.Sent != 3 {
			t.Errorf("counts %+v", c)
		}
		ben.Move("10.0.0.77/24")
		send(t, b, "10.0.0.1:7", "moved")
		send(t, a, "10.0.0.2:7", "old address")
		send(t, a, "10.0.0.77:7", "new address")
		wantHeard(t, a, "moved from 10.0.0.77:7")
		wantHeard(t, b, "new address from 10.0.0.1:7")
		for range 2 * inboxSize {
			send(t, a, "10.0.0.77:7", "flood")
		}
		if c := lan.CountsOf(ana, ben); c.Overflowed != inboxSize {
			t.Errorf("%d datagrams overflowed, want %d", c.Overflowed, inboxSize)
		}
		ben.Kill()
		if _, _, err := b.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a killed machine: %v", err)
		}
	})
}

// connected returns the ends of a stream from ana to ben.
func connected(t *testing.T, ana, ben *Machine) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := ben.Listen(t.Context(), "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := ana.DialContext(t.Context(), "tcp", netip.AddrPortFrom(ben.Addr(), 80).String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, s
}

func pairOfMachines(link Link) (lan *LAN, ana, ben *Machine) {
	lan = NewLAN(1, link)
	return lan, lan.Machine("ana", "10.0.0.1/24"), lan.Machine("ben", "10.0.0.2/24")
}

// TestStreamIsAConn runs the tests of net.Conn on a stream.
func TestStreamIsAConn(t *testing.T) {
	NoLeaks(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		_, ana, ben := pairOfMachines(Link{Delay: 10 * time.Microsecond})
		c1, c2 = connected(t, ana, ben)
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}

func TestStream(t *testing.T) {
	virtually(t, func(t *testing.T) {
		_, ana, ben := pairOfMachines(Link{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1})
		c, s := connected(t, ana, ben)
		const size = 1 << 20
		sent := make([]byte, size)
		fill(sent, 3)
		go func() {
			c.Write(sent)
			c.Close()
		}()
		begin := time.Now()
		got, err := io.ReadAll(s)
		if err != nil || string(got) != string(sent) {
			t.Errorf("%d of %d bytes, %v", len(got), size, err)
		}
		// 1 MiB through a buffer of 64 KiB: at least 16 delays one way.
		if took := time.Since(begin); took < 16*10*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestStreamFailures(t *testing.T) {
	virtually(t, func(t *testing.T) {
		lan, ana, ben := pairOfMachines(Link{Delay: time.Millisecond})
		if _, err := ana.DialContext(t.Context(), "tcp", "10.0.0.2:81"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v, want ECONNREFUSED", err)
		}
		if _, err := ana.DialContext(t.Context(), "tcp", "10.0.0.9:81"); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("nobody there: %v, want ETIMEDOUT", err)
		}
		if _, err := ana.DialContext(t.Context(), "tcp", "8.8.8.8:81"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("outside: %v, want ENETUNREACH", err)
		}
		buf := make([]byte, 100)
		c, s := connected(t, ana, ben)
		lan.Cut(ana, ben, true)
		c.Write([]byte("patience"))
		s.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := s.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read over a cut: %v", err)
		}
		lan.Cut(ana, ben, false)
		s.SetReadDeadline(time.Time{})
		if n, err := s.Read(buf); string(buf[:n]) != "patience" {
			t.Errorf("read %q, %v after the cut", buf[:n], err)
		}
		ben.Kill()
		if _, err := c.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read from a killed machine: %v, want ECONNRESET", err)
		}
		if _, err := s.Read(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read on a killed machine: %v, want ErrClosed", err)
		}
		c, s = connected(t, ana, ben)
		c.Write([]byte("unread"))
		time.Sleep(time.Second)
		s.Close()
		if _, err := c.Read(buf); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer closed without reading: %v, want ECONNRESET", err)
		}
		c, s = connected(t, ana, ben)
		ana.Move("10.0.0.5/24")
		c.Write([]byte("stuck"))
		s.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := s.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read from a machine that moved: %v", err)
		}
	})
}

func TestInterfaces(t *testing.T) {
	_, ana, _ := pairOfMachines(Link{})
	ifs := ana.Interfaces()
	if len(ifs) != 2 || ifs[0].Flags&net.FlagLoopback == 0 || ifs[1].Prefixes[0].String() != "10.0.0.1/24" {
		t.Errorf("interfaces %v", ifs)
	}
}
