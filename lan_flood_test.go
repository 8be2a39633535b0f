//go:build linux

package main_test

import (
	"testing"
	"time"
)

// flood sends argv[2] datagrams of junk, and as many well-formed HELLOs from
// addresses that are not its own, spread over about three seconds.
const flood = `
import os, random, socket, struct, sys, time
to, count = sys.argv[1], int(sys.argv[2])
junk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
started = time.monotonic()
for n in range(count):
    junk.sendto(random.randbytes(random.randrange(1, 1400)), (to, 7667))
    hello = (b'\x01\x01\x01' + os.urandom(8) + bytes(20)).ljust(1200, b'\0')
    udp = struct.pack('>HHHH', random.randrange(1024, 65536), 7667, 8 + len(hello), 0) + hello
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), n & 0xffff, 0, 64, 17, 0,
                     bytes([10, 77, 0, random.randrange(20, 250)]), socket.inet_aton(to))
    raw.sendto(ip + udp, (to, 0))
    if n % 100 == 99:
        print('sent', n + 1, flush=True)
        time.sleep(max(0, started + 3 * n / count - time.monotonic()))
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
	boxes[2].join("warm-up", boxes[0].ip, "--transport", "udp")
	pid := ana.cmd.Process.Pid
	before, wire := rss(t, pid), l.machines[0].counted()

	mallory := l.machines[1].start(py, "-c", flood, boxes[0].ip, "20000")
	mallory.await("half of the flood", has("sent 10000"))
	cyn := boxes[2].join("cyn", boxes[0].ip, "--transport", "udp")
	joined := cyn.sees("ready", kind("ready")).at.Sub(cyn.start)
	select {
	case <-mallory.done:
		t.Error("the flood was over before the good member was in: nothing is proved")
	default:
	}
	cyn.say("in spite of all")
	ana.await("the message", said("in spite of all"))
	mallory.exits(0)

	grown, after := rss(t, pid)-before, l.machines[0].counted()
	in, out := after["udp_in"].Bytes-wire["udp_in"].Bytes, after["udp_out"].Bytes-wire["udp_out"].Bytes
	if seen := after["udp_in"].Packets - wire["udp_in"].Packets; seen < 2*count*9/10 {
		t.Errorf("only %d packets of the flood came through: nothing is proved", seen)
	}
	t.Logf("FIGURE flood of %d junk datagrams and %d spoofed HELLOs: resident memory %+.1f MiB, a good join meanwhile %v, %.3f bytes out per byte in",
		count, count, float64(grown)/(1<<20), joined.Round(time.Millisecond), float64(out)/float64(in))
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
