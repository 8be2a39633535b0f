//go:build !nolab

package lab

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"parley/lab/wire"
)

var natLesson = Lesson{
	Number: 17, Name: "nat",
	Topic: "address translation: who may speak first",
	Claim: "Behind a router that translates addresses, nobody outside can speak first; a datagram from inside opens a way back, which closes again after 30 s of silence.",
	Setup: "A sits behind a router, B outside. B sends five datagrams to the router's address; then A sends one to B, and B answers five times; 31 s later B tries five more. The same over TCP, which is idle meanwhile.",
	Question: Question{
		Text:    "A said something to B a minute ago, by UDP, and nothing since. Does B's datagram reach A now?",
		Answers: []string{"no: the router has forgotten it", "yes: the way is open", "only if A's program still listens"},
		Right:   0,
		Why:     "the router knows nothing of conversations by UDP; it forgets a mapping that nobody has used for half a minute",
	},
	So:       "who sits in a parley room sends something every few seconds, which keeps such a way open",
	Filters:  map[string]string{"what the router did not let in": `frame.comment contains "no way in"`},
	Defaults: Settings{"delay": "5ms"},
	Uses:     []string{"delay"},
	run:      runNAT,
}

// forgets is how long the router keeps a mapping that nobody uses.
const forgets = 30 * time.Second

func runNAT(r *Run) {
	r.table("nat", "when", "UDP from outside that arrived", "TCP")
	var before, open, late int64
	shown := ""
	r.lane("udp", "udp", r.config(), nil, func(l *Lane) { before, open, late, shown = l.throughNAT() })
	tcp := int64(0)
	r.lane("tcp", "tcp", r.config(), nil, func(l *Lane) { tcp = l.throughNATByTCP() })
	r.row("nat", "before A has said anything", fmt.Sprintf("%d of 5", before), "-")
	r.row("nat", "after A has sent one datagram", fmt.Sprintf("%d of 5", open), "connected")
	r.row("nat", "31 s later", fmt.Sprintf("%d of 5", late), fmt.Sprintf("%d of 5", tcp))
	r.check("in_before.udp", before, 0)
	r.check("in_open.udp", open, 5)
	r.check("in_late.udp", late, 0)
	r.check("in_late.tcp", tcp, 5)
	r.note("B sees %s: the router's address, and a port of its choice", shown)
}

// nat puts A behind a router.
func (l *Lane) nat() (router *Host) {
	router = l.Host("router")
	l.LAN.SetNAT(wire.NAT{Router: router.wire, Inside: []*wire.Host{l.A.wire}, Idle: forgets})
	return router
}

// throughNAT counts how many of five datagrams reach A at three times.
func (l *Lane) throughNAT() (before, open, late int64, shown string) {
	router := l.nat()
	a, err := l.A.Packet(":7")
	if err != nil {
		return
	}
	defer a.Close()
	b, err := l.B.Packet(":7")
	if err != nil {
		return
	}
	defer b.Close()
	five := func(to net.Addr) (n int64) {
		for range 5 {
			b.WriteTo([]byte("hello?"), to)
			a.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if _, _, err := a.ReadFrom(make([]byte, 9)); err == nil {
				n++
			}
		}
		return n
	}
	before = five(net.UDPAddrFromAddrPort(netip.AddrPortFrom(router.wire.Addr(), 7)))
	a.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(l.B.Addr(7)))
	b.SetReadDeadline(time.Now().Add(time.Second))
	_, from, err := b.ReadFrom(make([]byte, 9))
	if err != nil {
		return before, 0, 0, ""
	}
	open = five(from)
	time.Sleep(forgets + time.Second)
	return before, open, five(from), from.String()
}

// throughNATByTCP counts how many of five things B says to A arrive, on a
// connection of A's that has been idle.
func (l *Lane) throughNATByTCP() (n int64) {
	l.nat()
	a, b, end := l.connect("tcp")
	if a == nil {
		return 0
	}
	defer end()
	defer a.Close()
	time.Sleep(forgets + time.Second)
	for range 5 {
		b.Write([]byte("hello?"))
		a.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := io.ReadFull(a, make([]byte, 6)); err == nil {
			n++
		}
	}
	return n
}
