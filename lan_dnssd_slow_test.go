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
	l := newLAN(t, "ana", "ben")
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
