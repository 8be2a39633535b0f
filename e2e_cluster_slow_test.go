//go:build slow

package main_test

import (
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	clusterRaces = 200
	clusterDark  = 20 * time.Second
)

// Six members at three hosts say ten thousand things.
func TestClusterTenThousand(t *testing.T) {
	const each = 1667
	f := newFleet(t, 6*each)
	f.open("ana")
	ben := f.open("ben")
	f.open("cyn")
	var people []*proc
	for i, name := range []string{"dan", "eve", "flo", "gus", "hal", "ida"} {
		people = append(people, f.sit(name, []string{"ana", "ben", "cyn"}[i%3]))
	}
	begin := time.Now()
	last := f.talks(each, 5*time.Millisecond, people...)()
	t.Logf("FIGURE %d messages of six at three hosts took %v", 6*each, round(time.Since(begin)))
	f.judge(last, ben, append([]*proc{f.hosts["ana"], f.hosts["cyn"]}, people...)...)
}

// From Enter to the slowest member, at one host and at three.
func TestClusterLatency(t *testing.T) {
	const count = 500
	for _, hosts := range []int{0, 1, 3} { // none: a room that one computer keeps
		f := newFleet(t, 0)
		f.rec = nil
		var people []*proc
		names := []string{"ana", "ben", "cyn"}[:max(hosts, 1)]
		if hosts == 0 {
			f.ports["ana"], f.hosts["ana"] = f.port, f.host("ana", "bridge")
		}
		for i, name := range []string{"dan", "eve", "flo", "gus", "hal", "ida"} {
			if hosts > 0 && i == 0 {
				for _, h := range names {
					f.open(h)
				}
			}
			at := net.JoinHostPort(f.ip, strconv.Itoa(f.ports[names[i%len(names)]]))
			people = append(people, f.join(name, at))
		}
		var took []time.Duration
		for n := range count {
			from, text := people[n%len(people)], numbered("x", n, 100)
			begin := time.Now()
			from.say(text)
			slowest := time.Duration(0)
			for _, p := range people {
				slowest = max(slowest, p.await("it", said(text)).at.Sub(begin))
			}
			took = append(took, slowest)
		}
		slices.Sort(took)
		t.Logf("FIGURE six members, hosts in a cluster: %d (0: one host by itself); Enter to the slowest member p50 %v, p99 %v", hosts, round(took[count/2]), round(took[count*99/100]))
		begin := time.Now()
		const each = 500
		for n := range each {
			for _, p := range people {
				p.say(numbered("y"+p.name, n, 100))
			}
		}
		for _, p := range people {
			n := 0
			p.await("all accepted", func(l line) bool {
				if l.Type == "accepted" && len(l.Text) > 0 && l.Text[0] == 'y' {
					n++
				}
				return n == each
			})
		}
		t.Logf("FIGURE the same: %.0f messages a second accepted", float64(each*len(people))/time.Since(begin).Seconds())
		for _, p := range append(people, f.hosts["ana"]) {
			p.end()
		}
	}
}

// Two of three hosts are killed at any moment, one or the other, and opened again, while people who sit
// there say things: nothing that was accepted is lost, twice or out of order, whoever looks, and each
// host's copy is the log.
func TestClusterKills(t *testing.T) {
	const each, kills = 500, 24
	f := newFleet(t, 4*each)
	f.open("cyn")
	silent := *f.box
	silent.rec = nil
	urls := strings.Join(f.servers.URLs(), ",")
	run := func(name string) {
		f.hosts[name] = silent.parley(name, "host", "bridge", "--json", "--headless", "--nick", name, "--port", strconv.Itoa(f.ports[name]), "--cluster", urls)
	}
	for _, name := range []string{"ana", "ben"} {
		f.ports[name] = freePort(t)
		run(name)
		f.hosts[name].await("ready", func(l line) bool { return l.Type == "room" || l.Type == "ready" })
	}
	var people []*proc
	for i, name := range []string{"mia", "noa", "oli", "pia"} {
		host := []string{"ana", "ben", "cyn"}[i%3]
		people = append(people, f.join(name, net.JoinHostPort(f.ip, strconv.Itoa(f.ports[host]))))
	}
	last := f.talks(each, 40*time.Millisecond, people...)
	for n := range kills {
		<-time.After(time.Duration(rand.IntN(900)) * time.Millisecond)
		name := []string{"ana", "ben"}[n%2]
		f.hosts[name].kill()
		<-time.After(time.Duration(rand.IntN(500)) * time.Millisecond)
		run(name)
	}
	f.judge(last(), f.hosts["cyn"], people...)
	for _, name := range []string{"ana", "ben", "cyn"} {
		p := f.hosts[name]
		if name != "cyn" {
			p.await("ready", func(l line) bool { return l.Type == "room" || l.Type == "ready" })
		}
		p.kill()
		out, talk, code := silent.once(name, "", "history", "bridge", "--check", "--json")
		if code != 0 || strings.Contains(out, `"faults":["`) {
			t.Errorf("%s: %d\n%s%s", name, code, out, talk)
		}
	}
	t.Logf("FIGURE two hosts of three killed %d times at any moment while four say %d things", kills, 4*each)
}

// A host whose room somebody deletes ends it, and says so; of the room there are not two.
func TestClusterDeleted(t *testing.T) {
	f := newFleet(t, 0)
	f.rec = nil
	ana := f.open("ana")
	mia := f.sit("mia", "ana")
	x := f.intruder()
	if err := x.js.DeleteStream(t.Context(), streamOf("bridge")); err != nil {
		t.Fatal(err)
	}
	mia.say("into nothing")
	l := ana.awaitWithin(time.Minute, "why it ends", func(l line) bool { return l.Type == "error" })
	if l.Code != "cluster_missing" || !strings.Contains(l.text, "deleted") {
		t.Errorf("it ends with %s", l.text)
	}
	ana.exits(3)
	for _, l := range mia.out.all() {
		if l.Type == "accepted" || l.Type == "message" {
			t.Errorf("mia is told %s", l.text)
		}
	}
}
