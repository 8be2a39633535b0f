//go:build linux

package main_test

// The LAN itself is tested with plain sockets, before anything is said about
// the program on it.

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// listenUDP prints each datagram that comes to a port, until one says end.
const listenUDP = `
import socket, struct, sys
s = socket.socket(socket.AF_INET6 if sys.argv[1] == '6' else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind(('', 4000))
if sys.argv[1] == '6':
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                 socket.inet_pton(socket.AF_INET6, 'ff02::7667') + struct.pack('@I', socket.if_nametoindex('eth0')))
print('ready', socket.gethostname(), flush=True)
while True:
    b, a = s.recvfrom(2048)
    print(b.decode(), a[0], flush=True)
    if b == b'end': break
`

// sendUDP sends argv[3] count times, then "end" until it is killed.
const sendUDP = `
import socket, sys, time
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
to = socket.getaddrinfo(sys.argv[1], 4000, type=socket.SOCK_DGRAM)[0][4]
for i in range(int(sys.argv[2])):
    s.sendto(sys.argv[3].encode(), to)
while len(sys.argv) > 4:
    s.sendto(b'end', to)
    time.sleep(0.01)
`

func TestLANCarries(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn")
	ana, ben, cyn := l.machines[0], l.machines[1], l.machines[2]
	py := needPython(t)

	four, six := ben.start(py, "-c", listenUDP, "4"), cyn.start(py, "-c", listenUDP, "6")
	four.await("its name", has("ready ben"))
	six.await("its name", has("ready cyn"))
	for _, to := range []string{ben.ip.String(), "255.255.255.255", "10.77.0.255"} {
		ana.start(py, "-c", sendUDP, to, "1", "to-"+to).exits(0)
		four.await("a datagram to "+to, has("to-"+to+" "+ana.ip.String()))
	}
	ana.start(py, "-c", sendUDP, cyn.ip6.String(), "1", "hi6").exits(0)
	six.await("a datagram over IPv6", has("hi6 "+ana.ip6.WithZone("").String()))
	ana.start(py, "-c", sendUDP, "ff02::7667%eth0", "1", "group").exits(0)
	six.await("a datagram to the group", has("group "+ana.ip6.WithZone("").String()))

	if got := ana.counted(); got["udp_out"].Packets != 5 || got["tcp_out"].Packets != 0 {
		t.Errorf("ana sent 5 datagrams and no segment, counted %+v", got)
	}
	if route := l.run("ip", "-n", ana.ns, "route", "show", "default"); len(route) != 0 {
		t.Errorf("there is a default route: %s", route)
	}
}

func TestLANCarriesStreams(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	ana, ben := l.machines[0], l.machines[1]
	if _, err := exec.LookPath("nc"); err != nil {
		t.Skip("SKIPPED: nc is missing")
	}
	stop := ana.capture("tcp")
	listener := ben.start("nc", "-v", "-l", "-n", "4000")
	listener.hears("Listening")
	client := ana.start("nc", "-n", "-N", ben.ip.String(), "4000")
	client.say("over a stream")
	listener.await("the line", has("over a stream"))
	client.stdin.Close()
	listener.stdin.Close()
	listener.exits(0)
	client.exits(0)
	if !bytes.Contains(stop(), []byte("over a stream")) {
		t.Error("the capture lacks what was sent")
	}
	if got := ana.counted(); got["tcp_out"].Packets == 0 || got["tcp_in"].Packets == 0 || got["udp_out"].Packets != 0 {
		t.Errorf("ana sent and received segments only, counted %+v", got)
	}
}

func TestLANLoses(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben")
	ana, ben := l.machines[0], l.machines[1]
	py := needPython(t)
	listener := ben.start(py, "-c", listenUDP, "4")
	listener.await("ready", has("ready"))
	const sent = 300
	l.lose(20, "udp")
	ana.start(py, "-c", sendUDP, ben.ip.String(), strconv.Itoa(sent), "x").exits(0)
	l.heal()
	ana.start(py, "-c", sendUDP, ben.ip.String(), "0", "", "end")
	listener.exits(0)
	arrived := uint64(len(listener.out.all()) - 2)
	if lost := l.lost(); lost < sent/10 || lost > sent/2 || lost+arrived != sent {
		t.Errorf("%d sent, %d arrived, %d counted as lost; a fifth should be", sent, arrived, lost)
	}
}

func TestLANParts(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "ana", "ben", "cyn")
	ana, ben, cyn := l.machines[0], l.machines[1], l.machines[2]
	py := needPython(t)
	atAna, atBen := ana.start(py, "-c", listenUDP, "4"), ben.start(py, "-c", listenUDP, "4")
	atAna.await("ready", has("ready"))
	atBen.await("ready", has("ready"))
	say := func(from, to *machine, text string) {
		t.Helper()
		from.start(py, "-c", sendUDP, to.ip.String(), "1", text).exits(0)
	}

	l.block(ana, ben, "udp")
	say(ana, ben, "no-1")
	say(ben, ana, "yes-1")
	say(cyn, ben, "yes-1")
	atAna.await("the free way", has("yes-1"))
	atBen.await("a third", has("yes-1"))
	l.heal()
	l.part(ana, ben)
	say(ana, ben, "no-2")
	say(cyn, ben, "yes-2")
	atBen.await("a third", has("yes-2"))
	l.heal()
	say(ana, ben, "yes-3")
	atBen.await("the healed way", has("yes-3"))
	for _, line := range atBen.out.all() {
		if strings.HasPrefix(line.text, "no-") {
			t.Errorf("%q came through", line.text)
		}
	}
	if l.lost() == 0 {
		t.Error("nothing was counted as lost")
	}
}

// What a test leaves is nothing.
func TestLANGoes(t *testing.T) {
	var prefix string
	t.Run("a test with a process that does not end", func(t *testing.T) {
		l := newLAN(t, "ana")
		prefix = l.prefix
		l.machines[0].start("sleep", "1000")
	})
	if prefix == "" {
		t.Skip("SKIPPED: no LAN of namespaces here")
	}
	if left, _ := filepath.Glob("/var/run/netns/" + prefix + "*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
