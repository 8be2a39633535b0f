package discovery

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bench is a LAN of network namespaces: a bridge in one of them, a machine in
// each of the others, no routes but that to the LAN.
type bench struct {
	t      *testing.T
	prefix string
}

func newBench(t *testing.T, machines int) *bench {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: network namespaces want root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("SKIPPED: there is no " + tool)
		}
	}
	var id [3]byte
	rand.Read(id[:])
	b := &bench{t: t, prefix: "pd" + hex.EncodeToString(id[:])}
	if out, err := exec.Command("ip", "netns", "add", b.ns(0)).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot make network namespaces: %s", out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", b.ns(0)).Run() })
	b.in(0, "ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
	b.in(0, "ip link set br0 up")
	for n := 1; n <= machines; n++ {
		b.run("ip netns add " + b.ns(n))
		t.Cleanup(func() { exec.Command("ip", "netns", "del", b.ns(n)).Run() })
		b.in(n, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
		b.in(n, "ip link set lo up")
		b.plug(n)
	}
	return b
}

func (b *bench) ns(n int) string { return fmt.Sprintf("%s-%d", b.prefix, n) }

// plug gives machine n its interface, always with the same address: what other
// machines remember of it shall not disturb.
func (b *bench) plug(n int) {
	b.in(0, fmt.Sprintf("ip link add p%d type veth peer name eth0 address 02:77:00:00:00:%02x netns %s", n, n, b.ns(n)))
	b.in(0, fmt.Sprintf("ip link set p%d master br0 up", n))
	b.in(n, fmt.Sprintf("ip addr add 10.77.1.%d/24 dev eth0", n))
	b.in(n, "ip link set eth0 up")
}

func (b *bench) in(n int, command string) string {
	return b.run("ip netns exec " + b.ns(n) + " " + command)
}

func (b *bench) run(command string) string {
	b.t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// program is a helper that runs in a machine.
type program struct {
	t       *testing.T
	cmd     *exec.Cmd
	mu      sync.Mutex
	lines   []seen
	at      []time.Time
	err     output
	stdin   io.Closer
	reading sync.WaitGroup
}

func (b *bench) start(n int, what string) *program {
	b.t.Helper()
	p := &program{t: b.t, cmd: exec.Command("ip", "netns", "exec", b.ns(n), os.Args[0])}
	p.cmd.Env = append(os.Environ(), helperEnv+"="+what, "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = &p.err
	out, err1 := p.cmd.StdoutPipe()
	in, err2 := p.cmd.StdinPipe()
	if err1 != nil || err2 != nil {
		b.t.Fatal(err1, err2)
	}
	p.stdin = in
	if err := p.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	p.reading.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var s seen
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				p.mu.Lock()
				p.lines, p.at = append(p.lines, s), append(p.at, time.Now())
				p.mu.Unlock()
			}
		}
	})
	b.t.Cleanup(func() { p.end(syscall.SIGTERM) })
	return p
}

// output can be read while it is written.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// end stops the program with a signal, and waits.
func (p *program) end(s syscall.Signal) {
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(s)
	hung := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
	defer hung.Stop()
	p.reading.Wait()
	p.cmd.Wait()
	p.stdin.Close()
}

// until waits for a line, from the given one on, and tells which and when.
func (p *program) until(from int, limit time.Duration, what string, want func(seen) bool) (line int, s seen, at time.Time) {
	p.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		p.mu.Lock()
		for i := from; i < len(p.lines); i++ {
			if want(p.lines[i]) {
				defer p.mu.Unlock()
				return i, p.lines[i], p.at[i]
			}
		}
		all := fmt.Sprintf("%+v", p.lines[min(from, len(p.lines)):])
		p.mu.Unlock()
		if time.Now().After(deadline) {
			p.t.Fatalf("not within %v: %s; seen since: %s; said: %s", limit, what, all, p.err.String())
		}
		<-time.After(2 * time.Millisecond)
	}
}

func there(name string) func(seen) bool {
	return func(s seen) bool { return s.Name == name && !s.Gone }
}

func gone(name string) func(seen) bool {
	return func(s seen) bool { return s.Name == name && s.Gone }
}

func (p *program) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

func TestRealLAN(t *testing.T) {
	b := newBench(t, 3)
	one, two := b.start(1, "announce physics maths"), b.start(2, "announce physics")
	one.until(0, 5*time.Second, "the host runs", there("ready"))
	two.until(0, 5*time.Second, "the host runs", there("ready"))

	var took []time.Duration
	for range 5 {
		p := b.start(3, "browse")
		hosts := map[[32]byte]bool{}
		_, last, _ := p.until(0, 5*time.Second, "three rooms of two hosts", func(s seen) bool {
			hosts[s.Key] = true
			return len(hosts) == 3
		})
		took = append(took, time.Duration(last.Mono))
		p.end(syscall.SIGTERM)
	}
	slices.Sort(took)
	t.Logf("three rooms of two hosts listed after %v", took)

	// A host and two listeners of different users in one machine hear everything.
	three := b.start(3, "announce chess")
	watch, beside := b.start(3, "browse"), b.start(3, "nobody browse")
	for _, p := range []*program{watch, beside} {
		for _, name := range []string{"physics", "maths", "chess"} {
			p.until(0, 5*time.Second, name, there(name))
		}
		p.until(0, 5*time.Second, "both families", func(s seen) bool {
			return s.Name == "maths" && len(s.Addrs) == 2 && s.Addrs[0].String() == "10.77.1.1" && s.Addrs[1].Zone() == "eth0"
		})
	}

	from, killed := watch.count(), time.Now()
	three.end(syscall.SIGTERM)
	_, _, at := watch.until(from, 5*time.Second, "chess leaves", gone("chess"))
	t.Logf("a goodbye is heard after %v", at.Sub(killed))
	if at.Sub(killed) > 1500*time.Millisecond {
		t.Errorf("a goodbye took %v", at.Sub(killed))
	}

	// Without any network the programs of one machine still meet.
	chess := b.start(3, "announce chess")
	chess.until(0, 5*time.Second, "the host runs", there("ready"))
	b.in(3, "ip link del eth0")
	b.start(3, "browse").until(0, 5*time.Second, "chess by loopback", func(s seen) bool {
		return s.Name == "chess" && len(s.Addrs) == 1 && s.Addrs[0].IsLoopback()
	})
}
