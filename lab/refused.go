//go:build !nolab

package lab

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/lab/wire"
)

var refused = Lesson{
	Number: 4, Name: "refused",
	Topic: "ports and addresses; an error, or silence",
	Claim: "Nobody listens on a port: TCP says so at once, UDP when one asks again. A firewall says nothing: TCP gives up after two minutes, UDP never.",
	Setup: "B's program listens on no port 9. A tries it, by TCP and by UDP, over a cable of {delay}. Then the same, with a firewall in front of B that drops everything without a word.",
	Question: Question{
		Text:    "In which of the four cases does A's first call, connect or send, report an error at once?",
		Answers: []string{"all four", "TCP and UDP to the closed port", "only TCP to the closed port", "none"},
		Right:   2,
		Why:     "B answers the SYN with a reset. Of the datagram B's host complains by ICMP, but A's send has long succeeded: the next call is told. The firewall tells nobody anything",
	},
	So:       "parley tries TCP beside UDP after 300 ms of silence, and parley doctor tells a closed port from a firewall",
	Filters:  map[string]string{"resets": "tcp.flags.reset==1", "ICMP: port unreachable": "icmp.type==3 && icmp.code==3", "SYNs": "tcp.flags.syn==1"},
	Defaults: Settings{"delay": "5ms"},
	Uses:     []string{"delay", "loss", "drop"},
	Free:     []string{"seed", "delay"},
	Real:     true,
	run:      runRefused,
}

// giveUp is how long a lesson waits for an answer that does not come: longer
// than TCP tries.
const giveUp = 200 * time.Second

// nobodysPort is where nobody listens.
const nobodysPort = "9"

func runRefused(r *Run) {
	r.table("refused", "case", "first call", "next call", "error after", "frames to B", "frames back")
	closed := r.config()
	var k knocking
	l := r.lane("tcp closed", "tcp", closed, nil, func(l *Lane) { k = knockTCP(l) })
	k.row(r, l)
	r.check("refused.tcp", refusal(k.first), 1)
	r.trip("refused_us.tcp", k.after)

	l = r.lane("udp closed", "udp", closed, whole, func(l *Lane) { k = knockUDP(l, false) })
	k.row(r, l)
	r.check("send_failed.udp", refusal(k.first), 0)
	r.check("refused_receive.udp", refusal(k.next), 1)
	r.trip("refused_us.udp", k.after)
	if !r.real {
		r.check("icmp_port_unreachable.udp", l.count(quotesUs), 1)
	}

	l = r.lane("udp closed, sent twice", "udp", closed, whole, func(l *Lane) { k = knockUDP(l, true) })
	k.row(r, l)
	r.check("first_send_failed.udp", refusal(k.first), 0)
	r.check("second_send_failed.udp", refusal(k.next), 1)
	if r.real {
		r.note("what drops everything without a word is a firewall's business, and nothing that a program may ask this machine for: that half is for the virtual LAN")
		return
	}
	runWall(r)
}

// runWall has a firewall drop all that A sends.
func runWall(r *Run) {
	wall := r.config()
	wall.Drops = append(slices.Clone(wall.Drops), wire.Rule{From: "A", To: "B", Kind: "any"})
	fromB := func(f *frame) bool { return f.From.Name() == "B" }
	var k knocking
	l := r.lane("tcp dropped", "tcp", wall, nil, func(l *Lane) { k = knockTCP(l) })
	k.row(r, l)
	syns := l.syns()
	r.check("syns.dropped", int64(len(syns)), 7)
	for i := 1; i < len(syns); i++ { // each pause is twice the one before, from 1 s on
		r.check(fmt.Sprintf("syn_s.dropped.%d", i+1), int64(syns[i].Round(time.Second).Seconds()), 1<<i-1)
	}
	r.check("timed_out.dropped", timeout(k.first), 1)
	gaveUp := k.after.Round(time.Second)
	r.check("gave_up_s.dropped", int64(gaveUp.Seconds()), 127)
	r.check("back.tcp_dropped", l.count(fromB), 0)

	l = r.lane("udp dropped", "udp", wall, whole, func(l *Lane) { k = knockUDP(l, false) })
	k.row(r, l)
	r.check("back.udp_dropped", l.count(fromB), 0)
	silent := int64(0)
	if k.first == nil && errors.Is(k.next, os.ErrDeadlineExceeded) {
		silent = 1
	}
	r.check("silent.udp_dropped", silent, 1)
	r.note("the SYNs left at %s; A gave up after %v. UDP was watched for %v", list(syns), gaveUp, giveUp)
	r.note("Linux since 6.5 asks four times more in the first seconds, once a second, and gives up after 131 s; other systems have other patience")
}

// trip notes a time that has to be that of one round trip, in microseconds.
func (r *Run) trip(name string, took time.Duration) {
	if r.real {
		r.atMost(name, took.Microseconds(), (5 * time.Second).Microseconds()) // Windows asks three times
		return
	}
	w := r.Way
	r.between(name, took.Microseconds(), 2*(w.Delay-w.Jitter).Microseconds(), 2*(w.Delay+w.Jitter).Microseconds())
}

// knocking is what came of calls to a port where nobody answers.
type knocking struct {
	calls       [2]string // what they were
	first, next error
	after       time.Duration // since the beginning, of the first error or of giving up
}

// row tells it.
func (k knocking) row(r *Run, l *Lane) {
	said := func(call string, err error) string {
		switch {
		case call == "":
			return "-"
		case err == nil:
			return call + ": done"
		case errors.Is(err, os.ErrDeadlineExceeded):
			return call + ": nothing comes"
		}
		return call + ": " + plain(err)
	}
	after := "never"
	if err := cmp.Or(k.first, k.next); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		after = k.after.Round(time.Microsecond).String()
	}
	from := func(name string) any {
		if r.real {
			return "not seen"
		}
		return l.count(func(f *frame) bool { return f.From.Name() == name })
	}
	r.row("refused", l.Name, said(k.calls[0], k.first), said(k.calls[1], k.next), after, from("A"), from("B"))
}

// Windows has numbers of its own for "refused" and, on datagram sockets, for the
// same by ICMP.
const (
	wsaConnReset   = syscall.Errno(10054)
	wsaConnRefused = syscall.Errno(10061)
)

// refusal is 1 for an error that says that nobody listens.
func refusal(err error) int64 {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused) || errors.Is(err, wsaConnReset) {
		return 1
	}
	return 0
}

// timeout is 1 for an error that says that nobody answered.
func timeout(err error) int64 {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return 1
	}
	return 0
}

// quotesUs tells whether a frame is the ICMP message "port unreachable" that
// quotes the header of a datagram to nobody's port.
func quotesUs(f *frame) bool {
	const ether, ip, icmp = 14, 20, 8
	if f.Proto != "icmp" || len(f.Data) < ether+ip+icmp+ip+8 {
		return false
	}
	said, quoted := f.Data[ether+ip:], f.Data[ether+ip+icmp:]
	port, _ := strconv.Atoi(nobodysPort)
	return said[0] == 3 && said[1] == 3 && quoted[9] == syscall.IPPROTO_UDP && int(binary.BigEndian.Uint16(quoted[ip+2:])) == port
}

// syns are when connections were asked for.
func (l *Lane) syns() (at []time.Duration) {
	frames, _ := l.rec.Frames()
	for _, f := range frames {
		if f.Flags == "S" {
			at = append(at, f.At)
		}
	}
	return at
}

// list writes times in seconds.
func list(times []time.Duration) string {
	var all []string
	for _, t := range times {
		all = append(all, fmt.Sprint(int64(t.Round(time.Second).Seconds())))
	}
	return strings.Join(all, ", ") + " s"
}

// knockTCP connects to nobody's port.
func knockTCP(l *Lane) (k knocking) {
	l.vacate("tcp")
	c, err := l.A.Dial("tcp", "B:"+nobodysPort)
	k = knocking{calls: [2]string{"connect"}, first: err, after: l.Now()}
	if err == nil {
		c.Close()
	}
	return k
}

// knockUDP sends a datagram to nobody's port, and then waits for one, or sends
// another.
func knockUDP(l *Lane, again bool) (k knocking) {
	l.vacate("udp")
	k.calls = [2]string{"send", "receive"}
	c, err := l.A.Dial("udp", "B:"+nobodysPort)
	if k.first = err; err != nil {
		return k
	}
	defer c.Close()
	l.said(1)
	_, k.first = c.Write([]byte("anybody there?"))
	if again {
		k.calls[1] = "send"
		time.Sleep(4*(l.run.Way.Delay+l.run.Way.Jitter) + 100*time.Millisecond)
		_, k.next = c.Write([]byte("anybody?"))
	} else {
		c.SetReadDeadline(time.Now().Add(giveUp))
		_, k.next = c.Read(make([]byte, 9))
	}
	k.after = l.Now()
	return k
}

// vacate finds a port of this machine at which nobody listens; on the LAN there
// is one.
func (l *Lane) vacate(network string) {
	if !l.run.real {
		return
	}
	var at net.Addr
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return
		}
		at = c.LocalAddr()
		c.Close()
	} else {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return
		}
		at = ln.Addr()
		ln.Close()
	}
	known.mu.Lock()
	known.ports["B:"+nobodysPort+"/"+network] = at.String()
	known.mu.Unlock()
}
