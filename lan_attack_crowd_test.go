//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/room"
	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// idle connects many times, from as many addresses as there are, says nothing,
// and waits until it has been sent away everywhere.
const idle = `
import resource, selectors, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
host, count, sources, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(','), float(sys.argv[4])
sel, began, opened, gone, last = selectors.DefaultSelector(), time.monotonic(), 0, 0, 0
def look(wait):
    global gone, last
    for key, _ in sel.select(wait):
        try: more = key.fileobj.recv(4096)
        except OSError: more = b''
        if not more:
            sel.unregister(key.fileobj)
            key.fileobj.close()
            gone, last = gone + 1, time.monotonic() - began
for n in range(count):
    s = socket.socket()
    s.bind((sources[n % len(sources)], 0))
    s.settimeout(5)
    try: s.connect((host, 7667))
    except OSError:
        s.close()
        continue
    s.setblocking(False)
    opened += 1
    sel.register(s, selectors.EVENT_READ)
    if n % 20 == 0: look(0)
print('opened', opened, flush=True)
while gone < opened and time.monotonic() - began < limit: look(0.1)
print('done', opened, gone, int(last * 1000), flush=True)
`

// sources gives a machine further addresses and returns them all.
func (m *machine) sources(count int) (list []string) {
	m.lan.t.Helper()
	list = append(list, m.ip.String())
	var script strings.Builder
	for n := range count - 1 {
		list = append(list, fmt.Sprintf("10.77.0.%d", 100+n))
		fmt.Fprintf(&script, "ip -n %s addr add %s/24 dev eth0\n", m.ns, list[n+1])
	}
	m.lan.run("sh", "-e", "-c", script.String())
	return list
}

// A thousand connections that say nothing, from one address or from fifty, keep
// nobody out, cost little, and are gone after their time.
func TestLANIdleStreams(t *testing.T) {
	if !thorough {
		t.Skip("SKIPPED: takes 10 s; with -tags slow")
	}
	for _, addresses := range []int{1, 50} {
		t.Run(fmt.Sprint(addresses), func(t *testing.T) {
			l := newLAN(t, "ana", "ben", "mallory")
			boxes := l.boxes()
			if !raceEnabled {
				boxes[0].program = release(t)
			}
			ana := boxes[0].host("ana", "physics")
			boxes[1].join("warm", boxes[0].ip, "--transport", "tcp")
			pid := ana.cmd.Process.Pid
			before := rss(t, pid)
			from := l.machines[2].sources(addresses)
			crowd := l.machines[2].start(needPython(t), "-c", idle, boxes[0].ip, "1000", strings.Join(from, ","), "20")
			var took []time.Duration
			for n := range 10 {
				p := boxes[1].join(fmt.Sprint("good", n), boxes[0].ip, "--transport", "tcp")
				took = append(took, p.sees("ready", kind("ready")).at.Sub(p.start))
			}
			crowd.await("the connections", has("opened"))
			for n := range 10 {
				p := boxes[1].join(fmt.Sprint("late", n), boxes[0].ip, "--transport", "tcp")
				took = append(took, p.sees("ready", kind("ready")).at.Sub(p.start))
			}
			grown := rss(t, pid) - before
			done := strings.Fields(crowd.awaitWithin(time.Minute, "their end", has("done")).text)
			slices.Sort(took)
			t.Logf("FIGURE 1,000 silent connections from %d addresses: 20 good joins over TCP meanwhile in %v at most (target 1s), p50 %v; host RSS %+.1f MiB with the 20; %s of %s were sent away, the last after %s ms",
				addresses, took[len(took)-1].Round(time.Millisecond), took[len(took)/2].Round(time.Millisecond), float64(grown)/(1<<20), done[2], done[1], done[3])
			if done[1] != done[2] {
				t.Errorf("%s connections, %s were sent away", done[1], done[2])
			}
			if took[len(took)-1] > time.Second && !raceEnabled {
				t.Errorf("a good join took %v", took[len(took)-1])
			}
			if grown > 16<<20 && !raceEnabled {
				t.Errorf("the host grew by %d bytes", grown)
			}
		})
	}
}

// shaker, if set, has the test binary do handshakes as fast as it can, over
// "udp" or "tcp", with the host whose address follows.
const shaker = "PARLEY_TEST_SHAKE"

func init() {
	if what := os.Getenv(shaker); what != "" {
		os.Exit(shake(strings.Fields(what)))
	}
}

// shake does handshakes from each of its addresses until it is killed, and
// counts them.
func shake(what []string) int {
	carrier, host := what[0], netip.MustParseAddrPort(what[1])
	var done, failed atomic.Int64
	for _, from := range what[2:] {
		dial, _, err := dialer(carrier, from, false, transport.Identity{})
		if err != nil {
			fmt.Println("failed", err)
			return 1
		}
		for range 16 {
			go func() {
				for {
					ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
					c, err := dial(ctx, host)
					cancel()
					if err != nil {
						failed.Add(1)
						continue
					}
					done.Add(1)
					go c.Close()
				}
			}()
		}
	}
	for range time.Tick(500 * time.Millisecond) {
		fmt.Println("count", done.Load(), failed.Load())
	}
	return 0
}

// dialer returns what connects by a carrier, from an address of this machine, and
// what ends it.
func dialer(carrier, from string, plaintext bool, who transport.Identity) (dial func(context.Context, netip.AddrPort) (transport.Conn, error), end func() error, err error) {
	if carrier == "tcp" {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		e := &tcp.Endpoint{DialContext: d.DialContext, Plaintext: plaintext, Identity: who}
		return e.Dial, e.Close, nil
	}
	pc, err := net.ListenPacket("udp4", net.JoinHostPort(from, "0"))
	if err != nil {
		return nil, nil, err
	}
	e := &udp.Endpoint{Socket: pc, Plaintext: plaintext, Identity: who}
	return e.Dial, e.Close, nil
}

// Somebody who does real handshakes at full rate, from one address, keeps
// nobody else out; nor does he from forty.
func TestLANHandshakeFlood(t *testing.T) {
	for _, c := range []struct {
		transport string
		addresses int
	}{{"udp", 1}, {"tcp", 1}, {"udp", 40}, {"tcp", 40}} {
		t.Run(fmt.Sprint(c.transport, " ", c.addresses), func(t *testing.T) {
			if c.addresses > 1 && !thorough {
				t.Skip("SKIPPED: with -tags slow")
			}
			l := newLAN(t, "ana", "ben", "mallory")
			boxes := l.boxes()
			ana := boxes[0].host("ana", "physics")
			joins := func(name string, n int) (took []time.Duration) {
				for k := range n {
					p := boxes[1].join(fmt.Sprint(name, k), boxes[0].ip, "--transport", c.transport)
					took = append(took, p.sees("ready", kind("ready")).at.Sub(p.start))
					p.say("/quit")
				}
				slices.Sort(took)
				return took
			}
			calm := joins("calm", 5)
			cmd := l.machines[2].command(os.Args[0])
			cmd.Env = append(os.Environ(), shaker+"="+strings.Join(append([]string{c.transport, boxes[0].ip + ":7667"}, l.machines[2].sources(c.addresses)...), " "))
			crowd := start(t, "mallory", cmd, nil)
			first := crowd.await("the first handshakes", func(l line) bool { return has("count")(l) && !has("count 0 ")(l) })
			pid, began := ana.cmd.Process.Pid, time.Now()
			spent := cpu(t, pid)
			took := joins("good", 20)
			lasted := time.Since(began)
			share := (cpu(t, pid) - spent).Seconds() / lasted.Seconds()
			last := crowd.await("a last count", has("count"))
			rate := float64(number(t, strings.Fields(last.text), 1)-number(t, strings.Fields(first.text), 1)) / last.at.Sub(first.at).Seconds()
			crowd.kill()
			t.Logf("FIGURE handshakes at full rate over %s from %d addresses: %.0f a second let through, %.2f cores of the host; 20 good joins meanwhile p50 %v, p99 %v, calm %v",
				c.transport, c.addresses, rate, share, took[10].Round(time.Millisecond), took[19].Round(time.Millisecond), calm[2].Round(time.Millisecond))
			if took[19] > 5*time.Second {
				t.Errorf("a good join took %v", took[19])
			}
		})
	}
}

// cpu is the time a process has computed.
func cpu(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// TestJoinRate: how many people a second a host can seat, and what one costs it.
func TestJoinRate(t *testing.T) {
	if _, err := exec.LookPath("getconf"); err != nil {
		t.Skip("SKIPPED: getconf is missing, so nobody knows what a tick is")
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			b := loopback(t)
			if !raceEnabled {
				b.program = release(t)
			}
			host := b.host("ana", "physics", way.flags...)
			at := netip.MustParseAddrPort(b.addr())
			const people, hands = 200, 8
			var all sync.WaitGroup
			var seated atomic.Int64
			spent, began := cpu(t, host.cmd.Process.Pid), time.Now()
			members, ends := make(chan *room.Member, people), make(chan func() error, people)
			for hand := range hands {
				all.Go(func() {
					for n := range people / hands {
						o := room.JoinOptions{Nick: fmt.Sprintf("m%dx%d", hand, n)}
						var err error
						if way.secure { // everybody is somebody
							if o.Identity, err = transport.NewIdentity(); err != nil {
								t.Error(err)
								return
							}
						}
						dial, end, err := dialer(way.transport, "127.0.0.1", !way.secure, o.Identity)
						if err != nil {
							t.Error(err)
							return
						}
						ends <- end
						ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
						m, err := room.Join(ctx, o, room.Dial(func(ctx context.Context) (transport.Conn, error) { return dial(ctx, at) }))
						cancel()
						if err != nil {
							t.Errorf("join: %v", err)
							return
						}
						seated.Add(1)
						members <- m
					}
				})
			}
			all.Wait()
			took, used := time.Since(began), cpu(t, host.cmd.Process.Pid)-spent
			close(members)
			var leaving sync.WaitGroup
			for m := range members {
				leaving.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					if err := m.Leave(ctx, ""); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Log(err)
					}
				})
			}
			leaving.Wait()
			close(ends)
			for end := range ends {
				leaving.Go(func() { end() })
			}
			leaving.Wait()
			n := float64(seated.Load())
			t.Logf("FIGURE joins over %s: %.0f in %v, %.0f a second with both ends on this machine; each cost the host %.2f ms of a core, so it sustains %.0f a second a core",
				way.name, n, took.Round(time.Millisecond), n/took.Seconds(), used.Seconds()*1000/n, n/used.Seconds())
		})
	}
}
