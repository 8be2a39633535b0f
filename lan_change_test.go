//go:build linux

package main_test

import (
	"fmt"
	"testing"
	"time"

	"parley/room/roomtest"
)

// Networks change under a running program.

// A network that comes and goes under a running program.
func TestLANInterfaceReturns(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	boxes[0].host("ana", "physics")
	l.machines[1].link("down")
	watch := boxes[1].parley("ben", "rooms", "--watch", "--json")
	watch.out.find(0, 500*time.Millisecond, kind("room")) // it runs while there is no network
	watch.lives()
	l.machines[1].link("up")
	watch.await("the room", listed("physics", false))
}

// A machine that gets a new address keeps its conversation.
func TestLANAddressChanges(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	ben := boxes[1].join("ben", boxes[0].ip, "--transport", "udp")
	ben.say("from the old address")
	ana.await("it", said("from the old address"))

	m := l.machines[1]
	l.run("ip", "-n", m.ns, "addr", "add", "10.77.0.99/24", "brd", "+", "dev", "eth0")
	l.run("ip", "-n", m.ns, "addr", "del", m.ip.String()+"/24", "dev", "eth0")
	l.run("sh", "-c", fmt.Sprintf("ip -n %s addr show dev eth0 | grep -q 10.77.0.99 || ip -n %[1]s addr add 10.77.0.99/24 brd + dev eth0", m.ns))
	ben.say("from the new one")
	ana.await("it", said("from the new one"))
	ana.say("both ways")
	ben.await("the answer", said("both ways"))
	for _, l := range ben.out.all() {
		if l.Type == "link" {
			t.Errorf("the change was noticed: %s", l.text)
		}
	}
}

// While a cable is cut nobody knows what the other side knows. When it is
// whole again, nothing is lost and nothing comes twice.
func TestLANPartsAndHeals(t *testing.T) {
	t.Parallel()
	const each = 20
	l := newLAN(t, "ana", "ben", "cyn", "dan")
	boxes := l.boxes()
	rec := boxes[0].record(2 * each * len(boxes))
	for _, b := range boxes[1:] {
		b.rec = rec
	}
	ana := boxes[0].host("ana", "physics")
	ben := boxes[1].join("ben", boxes[0].ip, "--transport", "udp")
	cyn := boxes[2].join("cyn", boxes[0].ip, "--transport", "tcp")
	dan := boxes[3].join("dan", boxes[0].ip, "--transport", "udp")
	people := []*proc{ana, ben, cyn, dan}
	speak := func(from, to int) {
		for n := from; n < to; n++ {
			for _, p := range people {
				boxes[0].tell(p, "", numbered(p.name, n, 500))
			}
		}
	}
	speak(0, each)
	l.part(l.machines[0], l.machines[1])
	l.part(l.machines[0], l.machines[2])
	speak(each, 2*each)
	for _, p := range []*proc{ben, cyn} {
		p.sees("that the link is lost", func(l line) bool { return l.Type == "link" && l.State == "lost" })
	}
	rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "cut", Count: l.lost()})
	l.heal()
	healed := time.Now()
	var last uint64
	for _, p := range people {
		stored := 0
		p.await("everything accepted", func(l line) bool {
			if l.Type == "accepted" {
				last = max(last, l.Seq)
				stored++
			}
			return stored == 2*each
		})
	}
	for _, p := range people {
		p.sees("the last message", func(l line) bool { return l.Type == "message" && l.Seq >= last })
	}
	t.Logf("FIGURE cut healed to all caught up: %v", time.Since(healed).Round(time.Millisecond))
	boxes[0].judge(last, ana, ben, cyn, dan)
}
