//go:build linux

package main_test

// A LAN in namespaces: machines with a network interface, a name and nothing
// else, on the ports of a hub. Faults happen in the hub, where a real network
// has them, never in the sender, who would be told.
//
// All of it carries the pid of this test in its name and is deleted with the
// test; what a test that was killed left behind goes at the next start.

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// toolLimit bounds each call of ip and nft.
const toolLimit = 20 * time.Second

// lan is a hub and the machines on it.
type lan struct {
	t        testing.TB
	prefix   string
	machines []*machine
}

// machine is a network namespace with one interface, eth0, on the hub, and no
// default route.
type machine struct {
	lan  *lan
	name string     // its host name
	ns   string     // its network namespace
	port string     // its end of the cable at the hub
	ip   netip.Addr // 10.77.0.n/24
	ip6  netip.Addr // fe80::77:n, with zone eth0
}

// lans counts them, so that no two have the same names.
var lans atomic.Int32

// newLAN makes a LAN with a machine for each name, or skips the test where
// that is not possible.
func newLAN(t testing.TB, names ...string) *lan {
	t.Helper()
	if why := noLAN(); why != "" {
		t.Skipf("SKIPPED, no LAN of namespaces here: %s", why)
	}
	sweep()
	l := &lan{t: t, prefix: fmt.Sprintf("parley-%d-%04x-", os.Getpid(), lans.Add(1))}
	t.Cleanup(l.delete)
	var script strings.Builder
	fmt.Fprintf(&script, "ip netns add %[1]shub\nip -n %[1]shub link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n"+
		"ip -n %[1]shub link set br0 up\n", l.prefix)
	for i, name := range names {
		m := &machine{
			lan: l, name: name, ns: l.prefix + strconv.Itoa(i+1), port: fmt.Sprintf("port%d", i+1),
			ip:  netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}),
			ip6: netip.MustParseAddr(fmt.Sprintf("fe80::77:%x", i+1)).WithZone("eth0"),
		}
		l.machines = append(l.machines, m)
		fmt.Fprintf(&script, `ip netns add %[1]s
ip -n %[1]s link set lo up
ip -n %[2]shub link add %[3]s type veth peer name eth0 netns %[1]s
ip -n %[2]shub link set %[3]s master br0 up
ip -n %[1]s link set eth0 addrgenmode none up
ip -n %[1]s addr add %[4]s/24 brd + dev eth0
ip -n %[1]s addr add %[5]s/64 dev eth0 nodad
ip netns exec %[1]s nft -f - <<'END'
%[6]s
END
`, m.ns, l.prefix, m.port, m.ip, m.ip6.WithZone(""), countRules)
	}
	fmt.Fprintf(&script, "ip netns exec %shub nft -f - <<'END'\n%s\nEND\n", l.prefix, hubRules)
	l.run("sh", "-e", "-c", script.String())
	return l
}

// countRules count what a machine sends and receives, loopback aside.
const countRules = `table inet parley {
	counter udp_out {}
	counter tcp_out {}
	counter udp_in {}
	counter tcp_in {}
	counter forged {}
	chain out {
		type filter hook output priority 0
		oifname "eth0" meta l4proto udp counter name udp_out
		oifname "eth0" meta l4proto tcp counter name tcp_out
	}
	chain in {
		type filter hook input priority 0
		iifname "eth0" meta l4proto udp counter name udp_in
		iifname "eth0" meta l4proto tcp counter name tcp_in
	}
}`

// hubRules leave a place for faults; what they drop is counted as lost.
const hubRules = `table bridge parley {
	counter lost {}
	chain forward {
		type filter hook forward priority 0
	}
}`

var noLAN = sync.OnceValue(func() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	for _, tool := range []string{"ip", "nft", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is missing"
		}
	}
	ns := fmt.Sprintf("parley-%d-probe", os.Getpid())
	script := fmt.Sprintf("ip netns add %[1]s && ip netns exec %[1]s nft list ruleset; rc=$?; ip netns del %[1]s; exit $rc", ns)
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Sprintf("namespaces do not work: %v: %s", err, bytes.TrimSpace(out))
	}
	return ""
})

var ours = regexp.MustCompile(`^parley-(\d+)-`)

// sweep deletes the namespaces of tests that are no more.
func sweep() {
	names, _ := filepath.Glob("/var/run/netns/parley-*")
	for _, path := range names {
		name := filepath.Base(path)
		of := ours.FindStringSubmatch(name)
		if of == nil {
			continue
		}
		if _, err := os.Stat("/proc/" + of[1]); os.IsNotExist(err) {
			exec.Command("ip", "netns", "del", name).Run()
		}
	}
}

// delete runs after the processes of the test have ended, since they were
// started later.
func (l *lan) delete() {
	names, _ := filepath.Glob("/var/run/netns/" + l.prefix + "*")
	for _, path := range names {
		if out, err := exec.Command("ip", "netns", "del", filepath.Base(path)).CombinedOutput(); err != nil {
			l.t.Errorf("delete namespace %s: %v: %s", filepath.Base(path), err, out)
		}
	}
}

// run runs a tool to its end.
func (l *lan) run(name string, args ...string) []byte {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), toolLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %.200s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// hub runs an nft command in the hub.
func (l *lan) hub(command ...string) []byte {
	l.t.Helper()
	return l.run("ip", slices.Concat([]string{"netns", "exec", l.prefix + "hub", "nft"}, command)...)
}

// lose drops this many percent of all packets between machines, both ways;
// what is "udp", "tcp" or "all".
func (l *lan) lose(percent int, what string) {
	l.t.Helper()
	l.drop(protocol(what) + fmt.Sprintf("numgen random mod 100 < %d", percent))
}

// block drops what one machine sends to another.
func (l *lan) block(from, to *machine, what string) {
	l.t.Helper()
	l.drop(fmt.Sprintf("iifname %q oifname %q %s", from.port, to.port, protocol(what)))
}

// part drops everything between the two machines, both ways.
func (l *lan) part(a, b *machine) {
	l.t.Helper()
	l.block(a, b, "all")
	l.block(b, a, "all")
}

// heal ends all faults.
func (l *lan) heal() {
	l.t.Helper()
	l.hub("flush chain bridge parley forward")
}

func (l *lan) drop(match string) {
	l.t.Helper()
	l.hub("add rule bridge parley forward " + match + " counter name lost drop")
}

func protocol(what string) string {
	if what == "all" {
		return ""
	}
	return "meta l4proto " + what + " "
}

// lost is how many packets the hub has dropped so far.
func (l *lan) lost() uint64 {
	l.t.Helper()
	return counters(l.t, l.hub("-j", "list counters"))["lost"].Packets
}

// counter is what an nft counter has counted.
type counter struct {
	Name    string
	Packets uint64
	Bytes   uint64 // of IP packets
}

func counters(t testing.TB, out []byte) map[string]counter {
	t.Helper()
	var list struct {
		Nftables []struct{ Counter *counter }
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("counters of nft: %v\n%s", err, out)
	}
	m := map[string]counter{}
	for _, o := range list.Nftables {
		if o.Counter != nil {
			m[o.Counter.Name] = *o.Counter
		}
	}
	return m
}

// counted tells what the machine has sent and received: udp_out, udp_in,
// tcp_out, tcp_in.
func (m *machine) counted() map[string]counter {
	m.lan.t.Helper()
	return counters(m.lan.t, m.lan.run("ip", "netns", "exec", m.ns, "nft", "-j", "list counters"))
}

// command makes a command that will run on the machine, under its name, and
// die with the test. Its process id is that of the program itself.
func (m *machine) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", m.ns, "unshare", "--uts",
		"sh", "-c", `hostname "$0" && exec "$@"`, m.name, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start runs a command on the machine.
func (m *machine) start(name string, args ...string) *proc {
	m.lan.t.Helper()
	return start(m.lan.t, m.name+":"+filepath.Base(name), m.command(name, args...), nil)
}

// link sets the machine's cable "up" or "down".
func (m *machine) link(state string) {
	m.lan.t.Helper()
	m.lan.run("ip", "-n", m.ns, "link", "set", "eth0", state)
}

// drained waits until tcpdump has written what it was given: asked for its
// counts, it says the same twice.
func drained(t testing.TB, dump *proc) {
	t.Helper()
	cursor, last := 0, ""
	for range 100 {
		dump.cmd.Process.Signal(syscall.SIGUSR1)
		l, next, err := dump.talk.find(cursor, patience, func(l line) bool { return strings.Contains(l.text, "captured,") })
		if err != nil {
			t.Fatalf("tcpdump does not tell its counts: %v", err)
		}
		count, _, _ := strings.Cut(l.text, " captured,")
		if count == last {
			return
		}
		cursor, last = next, count
		<-time.After(100 * time.Millisecond)
	}
	t.Fatal("tcpdump never comes to an end")
}

// capture writes what passes the machine's interface to a file, until the
// returned function is called, which returns the file's contents.
func (m *machine) capture(filter ...string) (stop func() []byte) {
	t := m.lan.t
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("SKIPPED: tcpdump is missing")
	}
	file := filepath.Join(t.TempDir(), m.name+".pcap")
	dump := m.start("tcpdump", slices.Concat([]string{"-Z", "root", "-i", "eth0", "-s", "0", "-U", "--immediate-mode", "-w", file}, filter)...)
	dump.hears("listening on")
	return func() []byte {
		t.Helper()
		drained(t, dump)
		dump.cmd.Process.Signal(syscall.SIGINT)
		dump.exits(0)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}
