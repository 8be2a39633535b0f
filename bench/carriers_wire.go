package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A wire is two network namespaces and a virtual cable between them.
type wire struct{ near, far string }

const (
	wireDevice = "cable"
	nearIP     = "10.99.0.1"
	farIP      = "10.99.0.2"
)

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// newWire lays a cable. Without offload the kernel cuts what it sends into
// packets before the cable, as it does where there is a real one, so that each is
// counted, and lost, alone.
func newWire(offload bool) (w *wire, err error) {
	var id [3]byte
	rand.Read(id[:])
	name := "bench" + hex.EncodeToString(id[:])
	w = &wire{name + "n", name + "f"}
	defer func() {
		if err != nil {
			w.cut()
		}
	}()
	steps := [][]string{
		{"netns", "add", w.near}, {"netns", "add", w.far},
		{"link", "add", wireDevice, "netns", w.near, "type", "veth", "peer", "name", wireDevice, "netns", w.far},
	}
	for ns, ip := range map[string]string{w.near: nearIP, w.far: farIP} {
		steps = append(steps,
			[]string{"netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"},
			[]string{"-n", ns, "address", "add", ip + "/24", "dev", wireDevice},
			[]string{"-n", ns, "link", "set", wireDevice, "up"})
		if !offload {
			steps = append(steps, []string{"-n", ns, "link", "set", wireDevice, "gso_max_segs", "1"})
		}
	}
	for _, args := range steps {
		if err = run("ip", args...); err != nil {
			return w, err
		}
	}
	return w, nil
}

// lose drops that many of a hundred packets, at random, where they arrive.
func (w *wire) lose(percent int) error {
	if percent == 0 {
		return nil
	}
	for _, ns := range []string{w.near, w.far} {
		for _, rule := range []string{
			"add table inet bench",
			"add chain inet bench arrive { type filter hook input priority 0 ; }",
			fmt.Sprintf("add rule inet bench arrive numgen random mod 100 < %d drop", percent),
		} {
			if err := run("ip", "netns", "exec", ns, "nft", rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut removes the cable and both ends.
func (w *wire) cut() {
	run("ip", "netns", "delete", w.near)
	run("ip", "netns", "delete", w.far)
}

// crossed is what this namespace's end of the cable has sent and received, bytes
// and packets.
func crossed() figures {
	b, _ := os.ReadFile("/proc/net/dev")
	_, line, _ := strings.Cut(string(b), wireDevice+":")
	var v [10]float64
	for i, field := range strings.Fields(line) {
		if i < len(v) {
			fmt.Sscan(field, &v[i])
		}
	}
	return figures{"bytes": v[0] + v[8], "packets": v[1] + v[9]}
}
