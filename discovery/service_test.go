package discovery

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// room makes a room whose key follows from its name and a number.
func room(name string, number byte) Room {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	seed[ed25519.SeedSize-1] = number
	return Room{Name: name, UDP: 7667, TCP: 7667, Members: 1, Secure: true, Signer: ed25519.NewKeyFromSeed(seed)}
}

func announce(t *testing.T, n Net, seed byte, rooms ...Room) (stop func()) {
	s := &Service{Net: n, Rand: chacha(seed)}
	return start(t, func(ctx context.Context) error { return s.Announce(ctx, func() []Room { return rooms }) })
}

func browse(t *testing.T, n Net, seed byte) (w *watch, stop func()) {
	w = &watch{}
	s := &Service{Net: n, Rand: chacha(seed)}
	return w, start(t, func(ctx context.Context) error { return s.Browse(ctx, w.heard) })
}

func TestRoomIsListedWithin300ms(t *testing.T) {
	for seed := range byte(20) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(uint64(seed))
			announce(t, l.machine(1), seed, room("physics", 1))
			time.Sleep(10 * time.Second)
			began := time.Now()
			w, _ := browse(t, l.machine(2), seed+100)
			time.Sleep(300 * time.Millisecond)
			list := w.all()
			if len(list) == 0 {
				t.Fatalf("seed %d: nothing is listed", seed)
			}
			if s := list[0]; s.Name != "physics" || s.UDP != 7667 || s.TCP != 7667 || s.Members != 1 || !s.Secure || s.Password || s.Guests || s.Gone {
				t.Errorf("seed %d: %+v", seed, s)
			}
			if took := list[0].At.Sub(began); took > 100*time.Millisecond {
				t.Errorf("seed %d: took %v on a LAN without loss", seed, took)
			}
			if s := w.now()["physics"]; len(s.Addrs) != 2 || s.Addrs[0].String() != "10.0.0.1" || s.Addrs[1].String() != "fe80::1%eth0" {
				t.Errorf("seed %d: at %v", seed, s.Addrs)
			}
		})
	}
}

func TestGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		w, _ := browse(t, l.machine(2), 2)
		stop := announce(t, l.machine(1), 1, room("physics", 1))
		time.Sleep(time.Second)
		if len(w.now()) != 1 {
			t.Fatal("nothing is listed")
		}
		left := time.Now()
		stop()
		if took := time.Since(left); took != goodbyeAgain {
			t.Errorf("goodbye kept the host for %v", took)
		}
		time.Sleep(1500*time.Millisecond - goodbyeAgain)
		if len(w.now()) != 0 {
			t.Error("it is still listed after 1.5 s")
		}
		time.Sleep(time.Minute)
		if len(w.now()) != 0 || len(w.all()) > 4 {
			t.Errorf("it came back: %+v", w.all())
		}
	})
}

// kill cuts a machine off without a word, as kill -9 or a pulled plug does.
func (m *machineNet) kill() {
	m.change(func() { m.broken, m.sockets = net.ErrClosed, nil })
}

func TestKilledHostIsGoneWithin10s(t *testing.T) {
	for seed := range byte(20) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(uint64(seed))
			host := l.machine(1)
			announce(t, host, seed, room("physics", 1))
			w, _ := browse(t, l.machine(2), seed+100)
			time.Sleep(5*time.Second + time.Duration(seed)*151*time.Millisecond)
			if len(w.now()) != 1 {
				t.Fatal("nothing is listed")
			}
			host.kill()
			killed := time.Now()
			time.Sleep(10 * time.Second)
			all := w.all()
			last := all[len(all)-1]
			if !last.Gone || last.At.Sub(killed) < 5*time.Second {
				t.Errorf("seed %d: %+v %v after", seed, last, last.At.Sub(killed))
			}
		})
	}
}

func TestLossMakesNobodyVanish(t *testing.T) {
	for seed := range byte(2) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(uint64(seed))
			l.loss, l.delay = 0.2, 30*time.Millisecond
			for n := range byte(5) {
				announce(t, l.machine(1+n), seed+10*n, room("physics", n))
			}
			w, _ := browse(t, l.machine(100), seed+100)
			time.Sleep(2 * time.Minute)
			rooms := map[[32]byte]bool{}
			for _, s := range w.all() {
				rooms[s.Key] = true
				if s.Gone {
					t.Errorf("seed %d: %v vanished at %v", seed, s.Addrs, s.At)
				}
			}
			if len(rooms) != 5 {
				t.Errorf("seed %d: %d rooms", seed, len(rooms))
			}
		})
	}
}

// Two hosts and two listeners in one machine, and a listener elsewhere.
func TestProgramsOnOneMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		m := l.machine(1)
		announce(t, m, 1, room("physics", 1))
		a, _ := browse(t, m, 2)
		announce(t, m, 3, room("maths", 1))
		b, _ := browse(t, m, 4)
		c, _ := browse(t, l.machine(2), 5)
		time.Sleep(400 * time.Millisecond)
		for i, w := range []*watch{a, b, c} {
			want := "[10.0.0.1 127.0.0.1 fe80::1%eth0]"
			if i == 2 {
				want = "[10.0.0.1 fe80::1%eth0]"
			}
			for _, name := range []string{"physics", "maths"} {
				if got := fmt.Sprint(w.now()[name].Addrs); got != want {
					t.Errorf("listener %d knows %s at %v, want %v", i, name, got, want)
				}
			}
		}
		m.change(func() { m.ifaces = m.ifaces[:1] }) // off the network
		time.Sleep(13 * time.Second)
		if got := fmt.Sprint(b.now()["physics"].Addrs); got != "[127.0.0.1]" {
			t.Errorf("without a network at %v", got)
		}
		d, _ := browse(t, m, 6)
		time.Sleep(300 * time.Millisecond)
		if len(d.now()) != 2 || len(c.now()) != 0 {
			t.Errorf("without a network %d rooms are listed here, and %d elsewhere", len(d.now()), len(c.now()))
		}
	})
}

func TestInterfacesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		host, guest := l.machine(1), l.machine(2)
		announce(t, host, 1, room("physics", 1))
		time.Sleep(20 * time.Second)
		w, _ := browse(t, guest, 2)
		addrs := func() string { return fmt.Sprint(w.now()["physics"].Addrs) }
		time.Sleep(time.Second)
		both := addrs()
		if both != "[10.0.0.1 fe80::1%eth0]" {
			t.Fatalf("at first at %v", both)
		}
		for _, m := range []*machineNet{host, guest} {
			eth := m.ifaces[1]
			m.change(func() { m.ifaces[1].Flags &^= net.FlagUp })
			time.Sleep(13 * time.Second)
			if len(w.now()) != 0 {
				t.Errorf("a dead interface: at %v", addrs())
			}
			m.change(func() { m.ifaces[1].Flags |= net.FlagUp })
			time.Sleep(5 * time.Second)
			if addrs() != both {
				t.Errorf("up again: at %v", addrs())
			}
			m.change(func() { m.ifaces = m.ifaces[:1] })
			time.Sleep(13 * time.Second)
			eth.Index = 7
			m.change(func() { m.ifaces = append(m.ifaces, eth) })
			time.Sleep(5 * time.Second)
			if addrs() != both {
				t.Errorf("made anew: at %v", addrs())
			}
			m.change(func() { // between two looks, so that only the index tells
				m.ifaces[1].Index = 8
				for _, s := range m.sockets {
					s.index = 0
				}
			})
			time.Sleep(13 * time.Second)
			if addrs() != both {
				t.Errorf("made anew in an instant: at %v", addrs())
			}
		}
		host.change(func() { // a new address, and a second network
			host.ifaces[1].Prefixes[0] = netip.MustParsePrefix("10.0.0.77/24")
			host.ifaces = append(host.ifaces, host.eth("wlan0", 9, "10.9.0.1/24"))
		})
		guest.change(func() { guest.ifaces = append(guest.ifaces, guest.eth("wlan0", 9, "10.9.0.2/24")) })
		time.Sleep(13 * time.Second)
		if got := addrs(); got != "[10.9.0.1 10.0.0.77 fe80::1%eth0]" && got != "[10.0.0.77 10.9.0.1 fe80::1%eth0]" {
			t.Errorf("on two networks at %v", got)
		}
	})
}

// What does not work is skipped with one warning, and used when it works.
func TestBadInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		m := l.machine(1)
		bad := func(name string, index int, flags net.Flags, addr string) Interface {
			return Interface{Index: index, Name: name, Flags: flags, Prefixes: prefixes(addr)}
		}
		m.ifaces = append(m.ifaces,
			bad("tun0", 3, net.FlagUp|net.FlagPointToPoint|net.FlagMulticast, "10.8.0.1/32"),
			bad("wlan0", 4, net.FlagBroadcast|net.FlagMulticast, "10.3.0.1/24"),
			bad("ib0", 5, net.FlagUp, "10.4.0.1/24"))
		m.broken = syscall.EPERM
		var mu sync.Mutex
		warned, down := map[string]int{}, []string(nil)
		s := &Service{Net: m, Rand: chacha(1), Warn: func(w string) {
			mu.Lock()
			defer mu.Unlock()
			warned[strings.TrimSuffix(strings.Fields(w)[4], ":")]++
		}, Debug: func(w string) {
			mu.Lock()
			defer mu.Unlock()
			down = append(down, w)
		}}
		start(t, func(ctx context.Context) error {
			return s.Announce(ctx, func() []Room { return []Room{room("physics", 1)} })
		})
		time.Sleep(10 * time.Minute)
		mu.Lock()
		if got := fmt.Sprint(warned); got != "map[eth0:1 ib0:1 tun0:1]" || len(down) != 1 || !strings.Contains(down[0], "wlan0: it is down") {
			t.Errorf("warnings: %v; of those down: %q", got, down)
		}
		mu.Unlock()
		m.change(func() { m.broken = nil })
		w, _ := browse(t, l.machine(2), 2)
		time.Sleep(time.Second)
		if len(w.now()) != 1 {
			t.Error("it does not work when it could")
		}
	})
}

func TestChosenInterfaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		m := l.machine(1)
		m.ifaces = append(m.ifaces, m.eth("wlan0", 3, "10.9.0.1/24", "fe80::1:1/64"))
		l.tap = func(d sent) {
			if !strings.HasPrefix(d.from.String(), "10.9.") && !strings.HasPrefix(d.from.String(), "[fe80::1:1%wlan0]") {
				t.Errorf("a datagram leaves from %v", d.from)
			}
		}
		var warned []string
		host := &Service{Net: m, Rand: chacha(1), Ifaces: []string{"wlan0", "wlan7"}, Warn: func(w string) { warned = append(warned, w) }}
		guest := &Service{Net: m, Rand: chacha(2), Ifaces: []string{"wlan0"}}
		stop := start(t, func(ctx context.Context) error {
			return host.Announce(ctx, func() []Room { return []Room{room("physics", 1)} })
		})
		stopped := start(t, func(ctx context.Context) error { return guest.Browse(ctx, func(Sighting) {}) })
		time.Sleep(time.Minute)
		stopped()
		stop()
		if len(warned) != 1 || !strings.Contains(warned[0], "wlan7") {
			t.Errorf("warnings: %q", warned)
		}
	})
}

func TestFiftyHostsSpreadTheirAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		for n := range byte(50) {
			announce(t, l.machine(1+n), n, room("physics", n))
		}
		time.Sleep(10 * time.Second)
		var mu sync.Mutex
		var first, last time.Time
		var asked, in, out int
		l.mu.Lock()
		l.tap = func(d sent) {
			mu.Lock()
			defer mu.Unlock()
			switch kind(d.data[5]) {
			case query:
				asked++
				in += len(d.data)
			case answer:
				out += len(d.data)
				if asked <= 4 { // one query, by four ways
					first, last = sooner(first, d.at), d.at
				}
			}
		}
		l.mu.Unlock()
		began := time.Now()
		w, _ := browse(t, l.machine(200), 200)
		time.Sleep(300 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if spread := last.Sub(first); spread < 40*time.Millisecond || spread > answerDelay+2*time.Millisecond {
			t.Errorf("answers to one query are spread over %v", spread)
		}
		if len(w.all()) < 50 {
			t.Errorf("%d rooms are listed", len(w.all()))
		}
		t.Logf("50 rooms after %v; %d bytes asked, %d answered", w.all()[49].At.Sub(began), in, out)
	})
}

func TestMembersAndRoomsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		var mu sync.Mutex
		rooms := []Room{room("physics", 1)}
		set := func(list ...Room) {
			mu.Lock()
			defer mu.Unlock()
			rooms = list
		}
		changed := make(chan struct{}, 1)
		s := &Service{Net: l.machine(1), Rand: chacha(1), Changed: changed}
		start(t, func(ctx context.Context) error {
			return s.Announce(ctx, func() []Room {
				mu.Lock()
				defer mu.Unlock()
				return rooms
			})
		})
		w, _ := browse(t, l.machine(2), 2)
		time.Sleep(7500 * time.Millisecond)
		full := room("physics", 1)
		full.Members = 30
		set(full)
		changed <- struct{}{}
		time.Sleep(10 * time.Millisecond)
		if got := w.now()["physics"].Members; got != 30 {
			t.Errorf("%d members at once", got)
		}
		time.Sleep(10 * time.Second)
		set(room("maths", 1)) // untold: it is noticed
		time.Sleep(3 * time.Second)
		if now := w.now(); len(now) != 1 || now["maths"].Name == "" {
			t.Errorf("listed: %v", now)
		}
		close(changed)
		time.Sleep(time.Minute)
	})
}

// Nothing that is sent names a person or a machine, and instances are new each time.
func TestPrivacy(t *testing.T) {
	host, _ := os.Hostname()
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	var datagrams [][]byte
	instances := map[string]int{}
	for run := range byte(2) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(1)
			l.tap = func(d sent) {
				datagrams = append(datagrams, d.data)
				if kind(d.data[5]) == beacon {
					instances[string(d.data[headerSize+2:headerSize+10])]++
				}
			}
			announce(t, l.machine(1), run, room("a", 1))
			browse(t, l.machine(2), 100)
			time.Sleep(time.Minute)
		})
	}
	for _, secret := range []string{host, who.Username, who.Name, who.HomeDir} {
		for _, d := range datagrams {
			if len(secret) > 3 && bytes.Contains(d, []byte(secret)) {
				t.Fatalf("a datagram contains %q", secret)
			}
		}
	}
	if len(instances) != 2 || len(datagrams) < 100 {
		t.Errorf("%d instances in two runs, %d datagrams", len(instances), len(datagrams))
	}
}

type noRandomness struct{}

func (noRandomness) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestWithoutRandomnessNothingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(1)
		l.tap = func(d sent) { t.Errorf("sent %q", d.data) }
		s := &Service{Net: l.machine(1), Rand: noRandomness{}}
		if err := s.Announce(t.Context(), func() []Room { return []Room{room("physics", 1)} }); err == nil {
			t.Error("Announce does not mind")
		}
		if err := s.Browse(t.Context(), func(Sighting) {}); err == nil {
			t.Error("Browse does not mind")
		}
	})
}

// With one seed a run is the same again, datagram for datagram.
func TestRunsRepeat(t *testing.T) {
	run := func() (trace []string) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(3)
			l.tap = func(d sent) { trace = append(trace, fmt.Sprintf("%v %v %v %x", d.at, d.from, d.to, d.data)) }
			stop := announce(t, l.machine(1), 1, room("physics", 1), room("maths", 1))
			time.Sleep(1500 * time.Millisecond)
			_, stopped := browse(t, l.machine(2), 2)
			time.Sleep(10 * time.Second)
			stopped()
			stop()
		})
		return trace
	}
	a, b := run(), run()
	if !slices.Equal(a, b) || len(a) < 30 {
		t.Errorf("two runs of %d and %d datagrams differ", len(a), len(b))
	}
}
