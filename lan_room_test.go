//go:build linux

package main_test

// The program on a LAN: nothing is configured, every machine has an interface
// and a name.

import (
	"strings"
	"testing"
	"time"

	"parley/room/roomtest"
)

// boxes makes each machine of the LAN a place to run the program on, with
// every port as it is by default.
func (l *lan) boxes() []*box {
	l.t.Helper()
	var all []*box
	for _, m := range l.machines {
		all = append(all, &box{
			t: l.t, program: program(l.t), command: m.command, ip: m.ip.String(), dir: l.t.TempDir(),
		})
	}
	return all
}

// listed is a line of rooms --json.
func listed(room string, gone bool) func(line) bool {
	return func(l line) bool { return l.Type == "room" && l.Room == room && l.Gone == gone }
}

// A room is listed, with the address it is reached at, and joined by its name
// alone.
func TestLANFindsRoom(t *testing.T) {
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")

	var took []time.Duration
	for range 5 {
		p := boxes[1].parley("ben", "rooms", "--json")
		room := p.await("the room", listed("physics", false))
		took = append(took, room.at.Sub(p.start))
		if room.Addr != boxes[0].ip && room.Addr != l.machines[0].ip6.String() || room.UDP != 7667 || room.TCP != 7667 || room.Members != float64(1) || room.Key == "" {
			t.Errorf("the room: %s", room.text)
		}
		p.exits(0)
		if lines := p.out.all(); len(lines) != 1 {
			t.Errorf("one room was listed %d times", len(lines))
		}
	}
	t.Logf("FIGURE start of rooms to the room listed, on a LAN: %v (target 300ms)", took)
	if took[0] > 3*time.Second {
		t.Errorf("the room was listed after %v", took[0])
	}

	for i, transport := range []string{"udp", "tcp"} {
		nick := "ben" + transport
		p := boxes[i+1].join(nick, "physics", "--transport", transport)
		ana.await(nick, comes(nick))
		p.say("found you over " + transport)
		ana.await("the message", from(nick, "found you over "+transport))
	}
	p := boxes[2].join("auto", "physics")
	if ready := p.sees("ready", kind("ready")); ready.Transport != "udp" {
		t.Errorf("with nothing in the way it is UDP: %s", ready.text)
	}
}

// Two hosts with one room name are two rooms, and nobody is sat down in one of
// them by chance.
func TestLANTwoRoomsOfOneName(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	boxes[0].host("ana", "physics")
	boxes[1].host("ben", "physics")
	p := boxes[2].parley("cyn", "rooms", "--json")
	p.exits(0)
	keys, addrs := map[string]bool{}, map[string]bool{}
	for _, l := range p.out.all() {
		keys[l.Key], addrs[l.Addr] = true, true
	}
	if len(keys) != 2 || len(addrs) != 2 {
		t.Errorf("want two rooms with two keys: %s", p.story())
	}
	stdout, stderr, code := boxes[2].joinAmbiguous("cyn", "physics")
	if code != 2 || stdout != "" || !strings.Contains(stderr, "parley join "+boxes[0].ip) || !strings.Contains(stderr, "parley join "+boxes[1].ip) {
		t.Errorf("exit code %d, want 2 and the lines to type\n%s%s", code, stdout, stderr)
	}
	boxes[2].join("cyn", boxes[1].ip)
}

// A host that says goodbye is gone at once, one that dies is gone soon.
func TestLANHostGoes(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn")
	boxes := l.boxes()
	ana, ben := boxes[0].host("ana", "physics"), boxes[1].host("ben", "maths")
	watch := boxes[2].parley("cyn", "rooms", "--watch", "--json")
	watch.sees("physics", listed("physics", false))
	watch.sees("maths", listed("maths", false))

	ended := time.Now()
	ana.say("/quit")
	gone := watch.awaitWithin(5*time.Second, "physics to go", listed("physics", true))
	t.Logf("FIGURE told to quit to gone: %v (target 1.5s)", gone.at.Sub(ended).Round(time.Millisecond))

	ben.kill()
	killed := time.Now()
	gone = watch.awaitWithin(15*time.Second, "maths to go", listed("maths", true))
	t.Logf("FIGURE kill -9 to gone: %v (target 10s)", gone.at.Sub(killed).Round(time.Millisecond))
	if took := gone.at.Sub(killed); took < time.Second {
		t.Errorf("gone after %v: one unanswered question is not enough", took)
	}
}

// What is asked for is what is used: no segment beside UDP, no datagram beside
// TCP, other than discovery's.
func TestLANOneCarrierOnly(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben")
			boxes := l.boxes()
			ana := boxes[0].host("ana", "physics", "--no-discovery")
			ben := boxes[1].join("ben", boxes[0].ip, "--transport", transport, "--no-discovery")
			for n := range 20 {
				text := numbered("ben", n, n*200)
				ben.say(text)
				ana.await("the message", said(text))
			}
			ben.say("/quit")
			ben.exits(0)
			for _, m := range l.machines {
				got := m.counted()
				used, other := got[transport+"_out"].Packets, got["tcp_out"].Packets
				if transport == "tcp" {
					other = got["udp_out"].Packets
				}
				if used == 0 || other != 0 {
					t.Errorf("%s, --transport %s: counted %+v", m.name, transport, got)
				}
			}
		})
	}
}

// Where UDP is blocked from the start, auto comes in by TCP.
func TestLANFallsBackAtStart(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	ana := boxes[0].host("ana", "physics")
	l.drop("udp dport 7667")
	ben := boxes[1].join("ben", boxes[0].ip)
	ready := ben.sees("ready", kind("ready"))
	if ready.Transport != "tcp" {
		t.Errorf("with UDP blocked: %s", ready.text)
	}
	t.Logf("FIGURE start to ready, UDP blocked: %v (target 1s)", ready.at.Sub(ben.start).Round(time.Millisecond))
	ben.say("over TCP then")
	ana.await("the message", said("over TCP then"))
	if l.lost() == 0 {
		t.Error("UDP was never tried")
	}
	p := boxes[1].joining("dan", boxes[0].ip, "--transport", "udp")
	p.exits(5)
}

// One room, two members over UDP and two over TCP on machines of their own.
func TestLANMixedRoom(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn", "dan", "eve")
	lossy(t, l, 0, 40, []string{"udp", "tcp", "udp", "tcp"})
}

// A fifth of the packets lost, both ways: nothing is lost, nothing comes
// twice, all see one order.
func TestLANLossyRoom(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn", "dan")
	lossy(t, l, 20, 60, []string{"udp", "udp", "udp"})
}

// lossy has everybody in a room speak at once while the LAN loses packets, and
// leaves the verdict to the checker.
func lossy(t *testing.T, l *lan, percent, each int, transports []string) {
	t.Helper()
	boxes := l.boxes()
	rec := boxes[0].record(each * len(boxes))
	for _, b := range boxes[1:] {
		b.rec = rec
	}
	ana := boxes[0].host("ana", "physics")
	if percent > 0 {
		l.lose(percent, "udp")
	}
	people := []*proc{ana}
	for i, transport := range transports {
		people = append(people, boxes[i+1].join(l.machines[i+1].name, boxes[0].ip, "--transport", transport))
	}
	began := time.Now()
	last := boxes[0].chatter(each, 2000, people...)
	for _, p := range people {
		p.sees("the last message", func(l line) bool { return l.Type == "message" && l.Seq >= last })
	}
	t.Logf("FIGURE %d messages of up to 2 kB from %d people at %d %% loss: %v", each*len(people), len(people), percent,
		time.Since(began).Round(time.Millisecond))
	if percent > 0 {
		rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "loss", Count: l.lost()})
	}
	boxes[0].judge(last, ana, people[1:]...)
}

// A person's words and names are not readable on the wire, and in a plaintext
// room they are.
func TestLANWire(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, "ana", "ben")
			boxes := l.boxes()
			ana := boxes[0].host("anastasia", "physics", way.flags...)
			stop := l.machines[1].capture()
			ben := boxes[1].join("benedikta", boxes[0].ip, append([]string{"--transport", way.transport}, way.flags...)...)
			ben.say("an open secret")
			ana.await("the message", said("an open secret"))
			ben.say("/quit")
			ben.exits(0)
			wire := string(stop())
			for _, word := range []string{"an open secret", "benedikta", "anastasia"} {
				if strings.Contains(wire, word) == way.secure {
					t.Errorf("%q on the wire: %v", word, way.secure)
				}
			}
			key := ana.sees("ready", kind("ready")).Key
			if way.secure && (key == "" || strings.Contains(wire, key)) {
				t.Errorf("the host's key %q is readable on the wire", key)
			}
		})
	}
}

// The default port is taken: the next one is used and announced.
func TestLANNextPort(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	boxes := l.boxes()
	first, second := boxes[0].host("ana", "physics"), boxes[0].host("amy", "maths")
	ready := second.sees("ready", kind("ready"))
	if !strings.HasSuffix(first.sees("ready", kind("ready")).Addr, ":7667") || strings.HasSuffix(ready.Addr, ":7667") {
		t.Errorf("the second host's ready: %s", ready.text)
	}
	p := boxes[1].join("ben", "maths")
	p.say("hello maths")
	second.await("the message", said("hello maths"))
	boxes[1].join("bea", "physics")
	if _, stderr, code := boxes[0].once("alf", "", "host", "chess", "--nick", "alf", "--port", "7667"); code != 1 || !strings.Contains(stderr, "7667") ||
		!strings.Contains(stderr, "parley") {
		t.Errorf("exit code %d, want 1 and who has the port: %s", code, stderr)
	}
}
