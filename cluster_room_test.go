//go:build linux

package main_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"parley/cluster/clustertest"
	"parley/room/roomtest"
)

// faultyRoom has six members at three hosts on three subnets talk while something happens.
func faultyRoom(t *testing.T, each int, every time.Duration, fault string, dark time.Duration) {
	c := newCampus(t, 6*each)
	mode := "readonly"
	if strings.HasSuffix(fault, "queue") {
		mode = "queue"
	}
	var all, people []*proc
	for i := range 3 {
		host, two := c.open(i, "--cut-off", mode)
		all, people = append(append(all, host), two...), append(people, two...)
	}
	begin := time.Now()
	last := c.talks(each, every, people...)
	<-time.After(time.Second)
	judge := all[3] // ben hosts throughout
	rest := append(append([]*proc{}, all[:3]...), all[4:]...)
	switch fault {
	case "none":
	case "leader":
		i := c.leader(streamOf("bridge"))
		c.stop(i)
		t.Logf("the leader n%d is killed", i+1)
		c.leader(streamOf("bridge"))
		defer c.serve(i)
	case "host":
		killed := time.Now()
		all[0].kill()
		c.rec.Add(roomtest.Record{Op: roomtest.End, Who: "ana", Dead: true})
		for _, p := range all[1:3] {
			again := p.await("another host", func(l line) bool { return l.Type == "link" && l.State != "lost" })
			took := again.at.Sub(killed)
			t.Logf("FIGURE a host on another subnet killed, %s sits elsewhere after %v (target 5s)", p.name, round(took))
			if took > 5*time.Second {
				t.Errorf("%s sits elsewhere after %v", p.name, took)
			}
		}
		rest = rest[1:]
	default:
		c.dark(0)
		all[1].sees("that it is cut off", func(l line) bool { return l.Type == "notice" && l.Code == "readonly" })
		<-time.After(dark)
		c.light()
		all[1].sees("that it is over", func(l line) bool { return l.Type == "notice" && l.Code == "writable" })
	}
	seq := last()
	t.Logf("FIGURE %d messages of six at three hosts on subnets, fault %s: %v", 6*each, fault, round(time.Since(begin)))
	c.judge(seq, judge, rest...)
}

// Hosts on three subnets are one room, while the server that leads it is killed.
func TestClusterOnSubnets(t *testing.T) {
	t.Parallel()
	faultyRoom(t, 50, 40*time.Millisecond, "leader", 0)
}

// A stream that is not a room's is left alone, and there is no room instead.
func TestClusterStreamOfSomebodyElse(t *testing.T) {
	t.Parallel()
	url := clustertest.Start(t, 1, func(*server.Options) {}).URLs()[0]
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: streamOf("bridge"), Subjects: []string{"others"}}); err != nil {
		t.Fatal(err)
	}
	b := loopback(t)
	out, talk, code := b.once("ana", "", "host", "bridge", "--cluster", url, "--json", "--headless")
	if code == 0 || strings.Contains(out, `"ready"`) || !strings.Contains(out, `"cluster_not_ours"`) || !strings.Contains(out, `"hint"`) {
		t.Errorf("exit code %d: %s%s", code, out, talk)
	}
	if c, err := net.Dial("tcp", b.addr()); err == nil {
		c.Close()
		t.Error("there is a room all the same")
	}
}
