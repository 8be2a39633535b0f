//go:build slow

package discovery

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRealKill(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	one := b.start(1, "announce maths")
	one.until(0, 5*time.Second, "the host runs", there("ready"))
	watch := b.start(2, "browse")
	watch.until(0, 5*time.Second, "maths over both families", func(s seen) bool { return len(s.Addrs) == 2 })
	from, killed := watch.count(), time.Now()
	one.end(syscall.SIGKILL)
	_, _, at := watch.until(from, 15*time.Second, "maths vanishes", gone("maths"))
	t.Logf("a killed host is gone after %v", at.Sub(killed))
	if at.Sub(killed) > 10*time.Second {
		t.Errorf("a killed host was gone after %v", at.Sub(killed))
	}
}

func TestRealInterfacesComeAndGo(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.start(1, "announce physics").until(0, 5*time.Second, "the host runs", there("ready"))
	<-time.After(4 * time.Second) // its first beacons are over, so that it is found by its answers
	watch := b.start(2, "browse")
	both := func(s seen) bool { return s.Name == "physics" && !s.Gone && len(s.Addrs) == 2 }
	watch.until(0, 5*time.Second, "the room", both)
	steps := []struct {
		what          string
		before, after func()
	}{
		{"the host's interface is down and up",
			func() { b.in(1, "ip link set eth0 down") },
			func() { b.in(1, "ip link set eth0 up") }},
		{"the listener's interface is down and up",
			func() { b.in(2, "ip link set eth0 down") },
			func() { b.in(2, "ip link set eth0 up") }},
		{"the host's interface is made anew",
			func() { b.in(1, "ip link del eth0") },
			func() { b.plug(1) }},
		{"the listener's interface is made anew",
			func() { b.in(2, "ip link del eth0") },
			func() { b.plug(2) }},
	}
	for _, step := range steps {
		from := watch.count()
		step.before()
		from, _, _ = watch.until(from, 15*time.Second, step.what+": gone", gone("physics"))
		step.after()
		since := time.Now()
		_, _, at := watch.until(from, 8*time.Second, step.what+": back over both families", both)
		t.Logf("%s: listed again after %v", step.what, at.Sub(since))
	}
}

func TestRealInterfaceRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.in(1, "ip link add idle0 type veth peer name idle1") // both are down
	b.in(1, "nft add table inet f")
	b.in(1, `nft add chain inet f out '{ type filter hook output priority 0; policy accept; }'`)
	b.in(1, "nft add rule inet f out oifname eth0 udp dport 7668 drop")
	host := b.start(1, "announce physics")
	// Beacons are refused with EPERM; queries come in and are answered.
	b.start(2, "browse").until(0, 5*time.Second, "the room", there("physics"))
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(host.err.String(), "eth0") && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond)
	}
	host.end(syscall.SIGTERM)
	warnings := strings.Split(strings.TrimSpace(host.err.String()), "\n")
	t.Logf("warnings: %q", warnings)
	for name, want := range map[string]int{"idle0": 0, "idle1": 0, "eth0": 1} {
		if n := strings.Count(host.err.String(), name); n != want {
			t.Errorf("%d warnings about %s, want %d", n, name, want)
		}
	}
}
