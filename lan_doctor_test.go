//go:build linux

package main_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// diagnosis is a line of doctor --json.
type diagnosis struct {
	Type, Check, State, Code, Text, Next string
	Class                                int
	Join                                 []string
}

// examine runs doctor on the machine b and returns all it says, the diagnosis last.
func examine(t *testing.T, b *box, args ...string) []diagnosis {
	t.Helper()
	began := time.Now()
	stdout, stderr, code := b.once("doctor", "", append([]string{"doctor", "--json"}, args...)...)
	var all []diagnosis
	for l := range strings.Lines(stdout) {
		var d diagnosis
		if err := json.Unmarshal([]byte(l), &d); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		all = append(all, d)
	}
	if len(all) == 0 || all[len(all)-1].Type != "diagnosis" {
		t.Fatalf("doctor %v ended with %d and no diagnosis:\n%s%s", args, code, stdout, stderr)
	}
	last := all[len(all)-1]
	if code != last.Class {
		t.Errorf("doctor %v ended with %d and says %d", args, code, last.Class)
	}
	t.Logf("%v: doctor %v: exit %d, %s: %s\n-> %s  join: %q", time.Since(began).Round(time.Millisecond), args, code, last.Code, last.Text, last.Next, last.Join)
	return all
}

// examined checks what the diagnosis is.
func examined(t *testing.T, b *box, code string, class int, args ...string) diagnosis {
	t.Helper()
	all := examine(t, b, args...)
	last := all[len(all)-1]
	if last.Code != code || last.Class != class {
		for _, d := range all {
			t.Logf("%+v", d)
		}
		t.Errorf("doctor %v says %s (%d), want %s (%d)", args, last.Code, last.Class, code, class)
	}
	return last
}

// What keeps two computers apart is told from everything else that could.
func TestLANDoctorTells(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	at := l.machines[1].ip.String()

	examined(t, boxes[0], "nobody", 3)
	examined(t, boxes[0], "nobody_hosts", 3, at)
	boxes[1].host("ben", "physics")
	if d := examined(t, boxes[0], "fine", 0, at); len(d.Join) != 1 || d.Join[0] != "parley join "+at {
		t.Errorf("it is joined by %q", d.Join)
	}
	if d := examined(t, boxes[0], "fine", 0); len(d.Join) != 1 || d.Join[0] != "parley join "+at+"/physics" {
		t.Errorf("the room is joined by %q", d.Join)
	}
	examined(t, boxes[1], "fine", 0) // the port is its own

	l.drop(protocol("udp"))
	examined(t, boxes[0], "udp_blocked", 5, at)
	l.drop(protocol("tcp"))
	examined(t, boxes[0], "both_blocked", 5, at)
	l.heal()
	examined(t, boxes[0], "wrong_subnet", 1, "10.78.0.2")
}

// A router that all may reach, and they not each other. Where others are seen, it is
// the address that is wrong.
func TestLANDoctorTellsIsolation(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "gate")
	boxes := l.boxes()
	ana, ben, gate := l.machines[0], l.machines[1], l.machines[2]
	boxes[1].host("ben", "physics")
	examined(t, boxes[0], "no_computer", 3, "10.77.0.99")
	l.run("ip", "-n", ana.ns, "route", "add", "default", "via", gate.ip.String())
	l.run("ip", "-n", ana.ns, "neigh", "flush", "all")
	for _, m := range []*machine{ana, ben} {
		l.run("ip", "netns", "exec", l.prefix+"hub", "bridge", "link", "set", "dev", m.port, "isolated", "on")
	}
	examined(t, boxes[0], "isolation", 5, ben.ip.String())
}

// Two computers on one wire with addresses of two networks hear each other's
// broadcasts and nothing else.
func TestLANDoctorHearsOtherNetworks(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	ben := l.machines[1]
	l.run("ip", "-n", ben.ns, "addr", "flush", "dev", "eth0")
	l.run("ip", "-n", ben.ns, "addr", "add", "10.78.0.2/24", "brd", "+", "dev", "eth0")
	boxes[1].host("ben", "physics")
	if d := examined(t, boxes[0], "wrong_subnet", 1); !strings.Contains(d.Text, "10.78.0.2") {
		t.Errorf("it says %q", d.Text)
	}
}

// What is wrong with the computer itself.
func TestLANDoctorTellsThisMachine(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana")
	box, ana := l.boxes()[0], l.machines[0]
	other := ana.start(needPython(t), "-c", `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 7667))
print('ready', flush=True)
s.recv(1)
s.recv(1 << 16)
input()`)
	other.await("ready", has("ready"))
	if d := examined(t, box, "port_taken", 1); !strings.Contains(d.Text, "python") {
		t.Errorf("whose port it is: %q", d.Text)
	}
	examined(t, box, "data_not_writable", 1, "--port", "7700", "--data-dir", "/proc/none")
	ana.link("down")
	examined(t, box, "no_network", 1)
	l.run("ip", "-n", ana.ns, "tuntap", "add", "dev", "tun0", "mode", "tun")
	l.run("ip", "-n", ana.ns, "addr", "add", "10.99.0.1/32", "dev", "tun0")
	l.run("ip", "-n", ana.ns, "link", "set", "tun0", "up")
	examined(t, box, "no_broadcast", 1)
}

// findingOf is the finding with a code.
func findingOf(t *testing.T, all []diagnosis, code string) diagnosis {
	t.Helper()
	for _, d := range all {
		if d.Code == code {
			return d
		}
	}
	t.Errorf("there is no finding %s: %+v", code, all)
	return diagnosis{}
}

// Who hosts asks whether others could come in, and the firewall is read. Of two rooms at an
// address each has its line.
func TestLANDoctorTellsTheWayBack(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	ana, ben := l.machines[0], l.machines[1]
	host := boxes[1].parley("ben", "host", "physics", "maths", "--json", "--nick", "ben", "--headless")
	host.await("ready", kind("ready"))
	all := examine(t, boxes[0], ben.ip.String())
	findingOf(t, all, "reached_back")
	findingOf(t, all, "firewall_open")
	findingOf(t, all, "clock_agrees")
	if d := all[len(all)-1]; d.Code != "fine" || len(d.Join) != 2 || d.Join[0] != "parley join 10.77.0.2/physics" {
		t.Errorf("%+v", d)
	}
	if d := examined(t, boxes[0], "fine", 0, ben.ip.String()+"/maths"); len(d.Join) != 1 || d.Join[0] != "parley join 10.77.0.2/maths" {
		t.Errorf("the room is joined by %q", d.Join)
	}
	l.run("ip", "netns", "exec", ana.ns, "nft", `table inet wall { chain input { type filter hook input priority 10; policy drop; iif lo accept; ct state established,related accept; udp dport 7668 accept; }; }`)
	all = examine(t, boxes[0], ben.ip.String())
	if d := findingOf(t, all, "firewall_shut"); !strings.Contains(d.Text, "by UDP 7667, TCP 7667:") {
		t.Errorf("it says %q", d.Text)
	}
	if d := findingOf(t, all, "not_reached_back"); !strings.Contains(d.Text, "UDP or TCP") {
		t.Errorf("it says %q", d.Text)
	}
	if d := all[len(all)-1]; d.Code != "fine" {
		t.Errorf("%+v", d)
	}
	examined(t, boxes[0], "unknown_name", 3, "no-such-computer")
}

// A host behind a router is asked by unicast, is listed and is joined by its room's name.
func TestLANPeersAcrossARouter(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "gate")
	boxes := l.boxes()
	ana, ben, gate := l.machines[0], l.machines[1], l.machines[2]
	l.run("ip", "-n", ben.ns, "addr", "flush", "dev", "eth0")
	l.run("ip", "-n", ben.ns, "addr", "add", "10.78.0.2/24", "brd", "+", "dev", "eth0")
	l.run("ip", "-n", gate.ns, "addr", "add", "10.78.0.3/24", "brd", "+", "dev", "eth0")
	l.run("ip", "-n", ana.ns, "route", "add", "default", "via", gate.ip.String())
	l.run("ip", "-n", ben.ns, "route", "add", "default", "via", "10.78.0.3")
	l.run("ip", "netns", "exec", gate.ns, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")
	l.part(ana, ben) // they share a wire, which routed networks do not
	boxes[1].host("ben", "physics")
	if _, _, code := boxes[0].once("ana", "", "rooms"); code != 3 {
		t.Errorf("a room behind the router is listed by itself: %d", code)
	}
	p := boxes[0].parley("ana", "rooms", "--json", "--peers", "10.78.0.2")
	if got := p.await("the room", listed("physics", false)); got.Addr != "10.78.0.2" {
		t.Errorf("it is at %s", got.Addr)
	}
	all := examine(t, boxes[0], "--peers", "10.78.0.2,10.78.0.9")
	findingOf(t, all, "peer_silent")
	if d := findingOf(t, all, "peer"); d.Class != 0 || !strings.Contains(d.Text, "10.78.0.2") {
		t.Errorf("%+v", d)
	}
	if d := all[len(all)-1]; d.Code != "peer_silent" || len(d.Join) != 1 {
		t.Errorf("%+v", d)
	}
	boxes[0].env = append(boxes[0].env, "PARLEY_PEERS=10.78.0.2:7668,10.78.0.9")
	boxes[0].join("ana", "physics")
}
