//go:build linux && slow

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// avahi runs the daemon on a machine, with a bus of its own, and returns a command
// that runs one of its tools there.
func (m *machine) avahi(t *testing.T) func(name string, args ...string) *proc {
	t.Helper()
	for _, tool := range []string{"avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s is missing", tool)
		}
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bus := filepath.Join(dir, "bus")
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	conf := write("bus.conf", fmt.Sprintf(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy></busconfig>`, bus))
	avahi := write("avahi.conf", "[server]\nuse-ipv6=no\nenable-dbus=yes\n[publish]\npublish-workstation=no\n")
	address := "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + bus
	d := m.start("dbus-daemon", "--config-file="+conf, "--nofork", "--print-address=1")
	d.await("the bus", has("unix:path="))
	// Its run directory is the machine's own: there is one daemon on each.
	daemon := m.start("unshare", "--mount", "sh", "-c",
		`mount -t tmpfs none /run && mkdir -p /run/avahi-daemon && exec env `+address+` avahi-daemon --no-drop-root --no-rlimits --no-chroot -f `+avahi)
	daemon.hears("Server startup complete")
	return func(name string, args ...string) *proc {
		return m.start("env", append([]string{address, name}, args...)...)
	}
}

// A room is listed by avahi with its address, port and TXT, and avahi keeps its name.
func TestLANAvahiListsRooms(t *testing.T) {
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	anas, bens := l.machines[0].avahi(t), l.machines[1].avahi(t)
	host := boxes[0].host("ana", "physics")
	browse := bens("avahi-browse", "-rp", "_parley._udp")
	found := browse.await("the room", func(l line) bool {
		return strings.HasPrefix(l.text, "=") && strings.Contains(l.text, "IPv4;physics")
	})
	if !strings.Contains(found.text, ";10.77.0.1;7667;") || !strings.Contains(found.text, `"room=physics"`) {
		t.Errorf("avahi says %s", found.text)
	}
	t.Logf("avahi-browse: %s", found.text)
	// Two rooms of one name are two. One whose program was killed cannot take itself back from
	// avahi, and is in no list of ours for that.
	twin := boxes[2].host("cyn", "physics")
	browse.await("the other room of that name", func(l line) bool {
		return strings.HasPrefix(l.text, "=") && strings.Contains(l.text, "IPv4;physics") && strings.Contains(l.text, ";10.77.0.3;7667;")
	})
	both := func() int {
		stdout, _, _ := boxes[1].once("ben", "", "rooms", "--json")
		return strings.Count(stdout, `"room":"physics"`)
	}
	if n := both(); n != 2 {
		t.Errorf("%d rooms are listed, want 2", n)
	}
	twin.kill()
	if n := both(); n != 1 {
		t.Errorf("%d rooms are listed after one was killed, want 1", n)
	}
	name := anas("avahi-resolve", "-4", "-n", "ana.local")
	name.await("its own name", has("10.77.0.1"))
	host.stdin.Close()
	host.ends()
	browse.await("that it is gone", func(l line) bool { return strings.HasPrefix(l.text, "-") && strings.Contains(l.text, "IPv4;physics") })
}

// A host whose broadcasts nobody hears is found by what avahi publishes.
func TestLANListsWhatAvahiPublishes(t *testing.T) {
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	ana, cyn := l.machines[0], l.machines[2]
	l.hub("add rule bridge parley forward ether daddr ff:ff:ff:ff:ff:ff udp dport 7668 drop")
	l.hub("add rule bridge parley forward ip6 version 6 udp dport 7668 drop")
	for _, chain := range []string{"in", "out"} { // its own records, too
		l.run("ip", "netns", "exec", ana.ns, "nft", "add rule inet parley "+chain+" udp dport 5353 drop")
	}
	boxes[0].host("ana", "physics")
	if _, _, code := boxes[1].once("ben", "", "rooms"); code != 3 {
		t.Fatalf("the room is heard: %d", code)
	}
	cyns := cyn.avahi(t)
	address := cyns("avahi-publish", "-a", "-R", "anas-host.local", "10.77.0.1")
	address.hears("Established")
	service := cyns("avahi-publish", "-s", "-H", "anas-host.local", "physics", "_parley._udp", "7667", "room=physics")
	service.hears("Established")
	p := boxes[1].parley("ben", "rooms", "--json", "--wait", "10s")
	if got := p.await("the room", listed("physics", false)); got.Addr != "10.77.0.1" {
		t.Errorf("it is at %s", got.Addr)
	}
}

// Who asks across a router, at the host's address alone, is not told.
func TestLANDNSSDStaysOnTheLink(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "gate")
	boxes := l.boxes()
	ana, ben, gate := l.machines[0], l.machines[1], l.machines[2]
	for _, args := range [][]string{
		{"-n", gate.ns, "addr", "add", "10.78.0.3/24", "brd", "+", "dev", "eth0"},
		{"-n", ana.ns, "addr", "flush", "dev", "eth0"},
		{"-n", ana.ns, "addr", "add", "10.78.0.2/24", "brd", "+", "dev", "eth0"},
		{"-n", ana.ns, "route", "add", "default", "via", "10.78.0.3"},
		{"-n", ben.ns, "route", "add", "default", "via", gate.ip.String()},
	} {
		l.run("ip", args...)
	}
	l.run("ip", "netns", "exec", gate.ns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	l.part(ana, ben)
	boxes[1].host("ben", "physics")
	ask := func(m *machine) string {
		p := m.start(needPython(t), "-c", `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(0.5)
q = bytes([0,9,0,0,0,1,0,0,0,0,0,0]) + b'\x07_parley\x04_udp\x05local\0' + bytes([0,12,128,1])
heard = 'nothing'
for _ in range(4):
    s.sendto(q, ('10.77.0.2', 5353))
    try:
        if b'physics' in s.recv(9000):
            heard = 'the room'
            break
    except TimeoutError:
        pass
print('heard', heard, flush=True)
input()`)
		return p.await("what it hears", has("heard")).text
	}
	if got := ask(gate); got != "heard the room" {
		t.Errorf("on the link: %s", got)
	}
	if got := ask(ana); got != "heard nothing" {
		t.Errorf("across a router: %s", got)
	}
}
