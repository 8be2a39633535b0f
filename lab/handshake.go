//go:build !nolab

package lab

import (
	"io"
	"time"

	"parley/lab/wire"
)

var handshake = Lesson{
	Number: 3, Name: "handshake",
	Topic: "three-way handshake; connectionless; bind, listen, accept, connect",
	Claim: "TCP shakes hands before it says anything; UDP just says it.",
	Setup: "A says hello to B, once by each transport, over a cable of {delay}, and closes. Then once more over TCP, and B's program never calls accept.",
	Question: Question{
		Text:    "B's program listens, but never calls accept. What happens to A's connect and hello?",
		Answers: []string{"connect waits until B accepts", "connect is refused", "connect succeeds, and hello is acknowledged", "connect succeeds, hello is refused"},
		Right:   2,
		Why:     "the stack shakes hands, not the program: accept only fetches a connection that is already there",
	},
	So:       "a connection over UDP has to be made by the program: ours asks for a token first, so that nothing is kept for those who lie about their address",
	Filters:  map[string]string{"handshakes": "tcp.flags.syn==1", "goodbyes": "tcp.flags.fin==1"},
	Defaults: Settings{"delay": "5ms"},
	Uses:     []string{"delay", "loss", "drop"},
	Free:     []string{"seed"},
	run:      runHandshake,
}

func runHandshake(r *Run) {
	c := r.config()
	r.table("hello", "lane", "segments or datagrams", "heard after", "packets in all", "bytes")
	tell := func(l *Lane, carrier string) {
		after := "never"
		if l.got[receipt{"B", 1}] != nil {
			after = l.wait("B", 1).Round(time.Microsecond).String()
		}
		r.row("hello", l.Name, l.count(proto(carrier)), after, l.count(anything), l.bytes())
	}
	cables := func(l *Lane) int64 { return int64(l.wait("B", 1) / max(r.Way.Delay, 1)) }
	tcp := r.lane("tcp", "tcp", c, whole, func(l *Lane) { helloTCP(l, true) })
	r.check("segments.tcp", tcp.count(proto("tcp")), 9)
	r.check("cables.tcp", cables(tcp), 3)
	tell(tcp, "tcp")

	udp := r.lane("udp", "udp", c, whole, helloUDP)
	r.check("datagrams.udp", udp.count(proto("udp")), 1)
	r.check("cables.udp", cables(udp), 1)
	tell(udp, "udp")

	// The stack shakes hands, not the program: nobody accepts.
	deaf := r.lane("no accept", "tcp", c, whole, func(l *Lane) { helloTCP(l, false) })
	r.check("segments.no_accept", deaf.count(proto("tcp")), 5)
	r.check("bytes.no_accept", deaf.bytes(), 281)
	r.check("acked.no_accept", deaf.count(func(f *wire.Frame) bool {
		return f.From == deaf.B.wire && f.Flags == "A" // the only bare one of B
	}), 1)
	tell(deaf, "tcp")

	silent := r.lane("listen", "tcp", c, nil, func(l *Lane) {
		if ln, err := l.B.Listen(":7"); err == nil {
			time.Sleep(time.Second)
			ln.Close()
		}
	})
	r.check("frames.listen", silent.count(anything), 0)
	tell(silent, "tcp")

	c.Met = false
	strangers := r.lane("udp, strangers", "udp", c, whole, helloUDP)
	r.check("arp.strangers", strangers.count(proto("arp")), 2)
	r.check("cables.strangers", cables(strangers), 3)
	tell(strangers, "udp")
	r.note("bind and listen put nothing on the cable. The hosts know each other's hardware addresses, but for the strangers: there, ARP asks first, with %d frames", strangers.count(proto("arp")))
}

// whole takes all bytes for message 1.
func whole(data []byte, stream bool, offset uint64) []int { return []int{1} }

// helloTCP says hello and, if the server accepts, closes.
func helloTCP(l *Lane, accept bool) {
	ln, err := l.B.Listen(":7")
	if err != nil {
		return
	}
	if accept { // to stop listening resets what was not accepted
		defer ln.Close()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !accept {
			return
		}
		c, err := ln.acceptSoon()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience + 10*l.run.Way.Delay))
		if _, err := io.ReadFull(c, make([]byte, 5)); err == nil {
			l.heardBy(l.B, 1)
			l.line(Line{K: "show", T: l.Now(), Host: "B", Msgs: []int{1}, Text: "hello"})
		}
		io.Copy(io.Discard, c)
	}()
	l.said(1)
	c, err := l.A.Dial("tcp", "B:7")
	if err == nil {
		io.WriteString(c, "hello")
		if accept {
			c.Close()
		}
	} else {
		ln.Close()
	}
	<-done
	time.Sleep(time.Second) // what follows on its own
}

// helloUDP says hello.
func helloUDP(l *Lane) {
	in, err := l.B.Packet(":7")
	if err != nil {
		return
	}
	defer in.Close()
	l.said(1)
	out, err := l.A.Dial("udp", "B:7")
	if err != nil {
		return
	}
	defer out.Close()
	io.WriteString(out, "hello")
	in.SetReadDeadline(time.Now().Add(time.Second + 10*l.run.Way.Delay))
	if _, _, err := in.ReadFrom(make([]byte, 9)); err == nil {
		l.heardBy(l.B, 1)
		l.line(Line{K: "show", T: l.Now(), Host: "B", Msgs: []int{1}, Text: "hello"})
	}
}
