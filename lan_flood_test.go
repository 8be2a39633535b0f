//go:build linux

package main_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// flood sends junk, and as many well-formed HELLOs from addresses of the LAN
// that are nobody's, every other one with a made-up token, some 13,000
// datagrams a second, until it is killed.
const flood = `
import itertools, os, random, socket, struct, sys, time
to = sys.argv[1]
junk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
started = time.monotonic()
for n in itertools.count(1):
    junk.sendto(random.randbytes(random.randrange(1, 1400)), (to, 7667))
    hello = (b'\x01\x01\x01' + os.urandom(8) + (os.urandom(20) if n % 2 else bytes(20))).ljust(1200, b'\0')
    udp = struct.pack('>HHHH', random.randrange(1024, 65536), 7667, 8 + len(hello), 0) + hello
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), n & 0xffff, 0, 64, 17, 0,
                     bytes([10, 77, 0, random.randrange(20, 250)]), socket.inet_aton(to))
    raw.sendto(ip + udp, (to, 0))
    if n % 100 == 0:
        print('sent', n, flush=True)
        time.sleep(max(0, started + n * 150e-6 - time.monotonic()))
`

// A flood of junk and of spoofed greetings costs the host next to nothing,
// makes it no weapon against others, and keeps nobody out.
func TestLANFlood(t *testing.T) {
	const count = 20000
	l := newLAN(t, "ana", "mallory", "cyn")
	py := needPython(t)
	boxes := l.boxes()
	if !raceEnabled {
		boxes[0].program = release(t)
	}
	ana := boxes[0].host("ana", "physics")
	ben := boxes[2].join("ben", boxes[0].ip, "--transport", "udp")
	pid := ana.cmd.Process.Pid
	before, wire := rss(t, pid), l.machines[0].counted()

	mallory := l.machines[1].start(py, "-c", flood, boxes[0].ip)
	mallory.await("half of the flood", has("sent 10000"))
	var took []time.Duration
	var joined []time.Duration
	var cyn *proc
	for n := range 10 {
		cyn = boxes[2].join(fmt.Sprint("cyn", n), boxes[0].ip, "--transport", "udp")
		joined = append(joined, cyn.sees("ready", kind("ready")).at.Sub(cyn.start))
	}
	slices.Sort(joined)
	mallory.sees("all of it", has(fmt.Sprintf("sent %d", count)))
	for _, p := range []*proc{ben, cyn} {
		p.say("in spite of all, " + p.name)
		began := time.Now()
		heard := ana.await("the message", said("in spite of all, "+p.name))
		took = append(took, heard.at.Sub(began).Round(100*time.Microsecond))
	}
	mallory.kill()

	grown, after := rss(t, pid)-before, l.machines[0].counted()
	in, out := after["udp_in"].Bytes-wire["udp_in"].Bytes, after["udp_out"].Bytes-wire["udp_out"].Bytes
	if seen := after["udp_in"].Packets - wire["udp_in"].Packets; seen < 2*count*9/10 {
		t.Errorf("only %d packets of the flood came through: nothing is proved", seen)
	}
	t.Logf("FIGURE flood of %d junk datagrams and %d spoofed HELLOs: resident memory %+.1f MiB with 10 members more, 10 good joins meanwhile %v at most (target 500ms), p50 %v, messages %v, %.3f bytes out per byte in",
		count, count, float64(grown)/(1<<20), joined[9].Round(time.Millisecond), joined[5].Round(time.Millisecond), took, float64(out)/float64(in))
	if grown > 8<<20 && !raceEnabled {
		t.Errorf("resident memory grew by %d bytes", grown)
	}
	if out > in {
		t.Errorf("%d bytes out for %d in", out, in)
	}
	if talk := ana.talk.all(); len(talk) > 0 {
		t.Errorf("the flood made the host say %q", talk[0].text)
	}
}
