//go:build linux

package main_test

// A room of several hosts on subnets of their own. A router passes packets on between
// them, and no broadcast; behind it are three servers with JetStream, too, each a child
// of the test that can be killed, started anew and cut off.

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverEnv has the test's own binary be a server instead; its value is a serverSetup.
const serverEnv = "PARLEY_TEST_NATS"

// serverSetup is what a server is told.
type serverSetup struct {
	Name, IP, Dir string
	Peers         []string
}

func init() {
	setup := os.Getenv(serverEnv)
	if setup == "" {
		return
	}
	if err := serve(setup); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve is a server until its input ends. Each line of that is a stream's name: it
// answers whether it leads that; for an empty line, whether it leads the cluster.
func serve(setup string) error {
	var c serverSetup
	if err := json.Unmarshal([]byte(setup), &c); err != nil {
		return err
	}
	o := &server.Options{ServerName: c.Name, Host: c.IP, Port: 4222, JetStream: true, StoreDir: c.Dir, NoSigs: true, NoLog: true,
		Cluster: server.ClusterOpts{Name: "parley", Host: c.IP, Port: 6222}}
	for _, ip := range c.Peers {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: ip + ":6222"})
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(patience) {
		return fmt.Errorf("%s does not start", c.Name)
	}
	fmt.Println(`{"type":"ready"}`)
	for {
		stream, err := readAnswer(os.Stdin)
		if err != nil {
			return nil
		}
		leads := s.JetStreamIsLeader() && len(s.ActivePeers()) >= 2
		if stream != "" {
			leads = s.JetStreamIsStreamLeader("$G", stream)
		}
		fmt.Printf("{\"type\":\"leads\",\"gone\":%v}\n", !leads)
	}
}

// readAnswer reads a line, byte by byte.
func readAnswer(f *os.File) (string, error) {
	var b strings.Builder
	for one := make([]byte, 1); ; {
		if _, err := f.Read(one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return b.String(), nil
		}
		b.WriteByte(one[0])
	}
}

// campus is subnets behind a router: three with people, three with a server.
type campus struct {
	*fleet
	lan   *lan
	boxes []*box  // those of people
	nodes []*proc // the servers; nil where one does not run
	dirs  []string
	urls  string
}

func newCampus(t *testing.T, planned int) *campus {
	t.Helper()
	if why := noLAN(); why != "" {
		t.Skipf("SKIPPED, no LAN of namespaces here: %s", why)
	}
	sweep()
	l := &lan{t: t, prefix: fmt.Sprintf("parley-%d-%04x-", os.Getpid(), lans.Add(1))}
	t.Cleanup(l.delete)
	var script strings.Builder
	fmt.Fprintf(&script, "ip netns add %[1]shub\nip netns exec %[1]shub sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'\n"+
		"ip netns exec %[1]shub nft 'add table inet parley; add chain inet parley forward { type filter hook forward priority 0; }'\n", l.prefix)
	for i, name := range []string{"ana", "ben", "cyn", "n1", "n2", "n3"} {
		m := &machine{lan: l, name: name, ns: fmt.Sprintf("%s%d", l.prefix, i+1), port: fmt.Sprintf("port%d", i+1), ip: netip.AddrFrom4([4]byte{10, 77, byte(i + 1), 2})}
		l.machines = append(l.machines, m)
		fmt.Fprintf(&script, `ip netns add %[1]s
ip -n %[1]s link set lo up
ip -n %[2]shub link add %[3]s type veth peer name eth0 netns %[1]s
ip -n %[2]shub addr add 10.77.%[4]d.1/24 dev %[3]s
ip -n %[2]shub link set %[3]s up
ip -n %[1]s addr add %[5]s/24 brd + dev eth0
ip -n %[1]s link set eth0 up
ip -n %[1]s route add default via 10.77.%[4]d.1
`, m.ns, l.prefix, m.port, i+1, m.ip)
	}
	l.run("sh", "-e", "-c", script.String())
	boxes := l.boxes()[:3]
	c := &campus{lan: l, boxes: boxes, fleet: &fleet{box: boxes[0], hosts: map[string]*proc{}}, nodes: make([]*proc, 3)}
	rec := c.record(planned)
	for i := range 3 {
		boxes[i].rec = rec
		c.dirs = append(c.dirs, t.TempDir())
	}
	var urls []string
	for i := range 3 {
		c.serve(i)
		urls = append(urls, "nats://"+l.machines[3+i].ip.String())
	}
	c.urls = strings.Join(urls, ",")
	c.leader("")
	return c
}

// serve starts a server.
func (c *campus) serve(i int) {
	c.t.Helper()
	m := c.lan.machines[3+i]
	setup := serverSetup{Name: m.name, IP: m.ip.String(), Dir: c.dirs[i]}
	for _, peer := range c.lan.machines[3:] {
		setup.Peers = append(setup.Peers, peer.ip.String())
	}
	b, err := json.Marshal(setup)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := m.command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+string(b))
	c.nodes[i] = start(c.t, m.name, cmd, nil)
	c.nodes[i].await("ready", kind("ready"))
}

// stop kills a server, as a power cut does.
func (c *campus) stop(i int) {
	c.nodes[i].kill()
	c.nodes[i] = nil
}

// leader waits until a server leads the stream, or the cluster.
func (c *campus) leader(stream string) int {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		for i, p := range c.nodes {
			if p == nil {
				continue
			}
			p.say(stream)
			if !p.await("whether it leads", kind("leads")).Gone {
				return i
			}
		}
	}
	c.t.Fatalf("nobody leads %q", stream)
	return 0
}

// open has the people of a subnet host the room, too, and two more sit down.
func (c *campus) open(i int, more ...string) (host *proc, people []*proc) {
	c.t.Helper()
	name, b := c.lan.machines[i].name, c.boxes[i]
	host = b.host(name, "bridge", append([]string{"--cluster", c.urls}, more...)...)
	c.hosts[name] = host
	for n := range 2 {
		people = append(people, b.join(fmt.Sprint(name, n), b.ip))
	}
	return host, people
}

// dark cuts a subnet off from the servers; its people still reach each other.
func (c *campus) dark(i int) {
	c.t.Helper()
	for s := range 3 {
		c.lan.hub("add rule inet parley forward iifname " + c.lan.machines[i].port + " oifname " + c.lan.machines[3+s].port + " drop")
		c.lan.hub("add rule inet parley forward oifname " + c.lan.machines[i].port + " iifname " + c.lan.machines[3+s].port + " drop")
	}
}

// light ends that.
func (c *campus) light() {
	c.t.Helper()
	c.lan.hub("flush chain inet parley forward")
}
