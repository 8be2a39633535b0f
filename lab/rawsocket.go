//go:build !nolab

package lab

import (
	"fmt"
	"io"
	"time"
)

var rawsocket = Lesson{
	Number: 18, Name: "raw",
	Topic: "raw sockets",
	Claim: "A raw socket sees what a datagram socket hides: the IP and UDP headers, 28 bytes before the text.",
	Setup: `A sends "hello" to B. On B, one program has a datagram socket, another a raw one.`,
	Question: Question{
		Text:    "A sends 5 bytes. How many does each of B's two programs read?",
		Answers: []string{"5 and 5", "5 and 33", "13 and 33", "5, and the raw socket gets nothing"},
		Right:   1,
		Why:     "20 bytes of IP header and 8 of UDP header stand before the 5 bytes; the stack takes them off for the datagram socket, and gives the raw one a copy of all",
	},
	So:       "parley needs no raw socket, and so no privileges; its doctor reads nobody's packets",
	Filters:  map[string]string{"the datagram": "udp.length==13"},
	Defaults: Settings{"delay": "5ms"},
	Uses:     []string{"delay"},
	run:      runRaw,
}

func runRaw(r *Run) {
	r.table("raw", "socket", "bytes read", "what they are")
	var plainRead, rawRead []byte
	r.lane("udp", "udp", r.config(), whole, func(l *Lane) { plainRead, rawRead = l.hearTwice() })
	r.row("raw", "datagram", len(plainRead), fmt.Sprintf("%q", plainRead))
	r.check("bytes.datagram", int64(len(plainRead)), 5)
	r.check("bytes.raw", int64(len(rawRead)), 33)
	if len(rawRead) == 33 {
		ip, udp := rawRead[:20], rawRead[20:28]
		r.row("raw", "raw", len(rawRead), fmt.Sprintf("% x (IP)", ip))
		r.row("raw", "", "", fmt.Sprintf("% x (UDP: from %d to %d, %d bytes)", udp, int(udp[0])<<8|int(udp[1]), int(udp[2])<<8|int(udp[3]), int(udp[4])<<8|int(udp[5])))
		r.row("raw", "", "", fmt.Sprintf("%q", rawRead[28:]))
		r.check("version_and_header", int64(ip[0]), 0x45)
		r.check("protocol", int64(ip[9]), 17)
	}
}

// hearTwice has B hear one datagram with two sockets.
func (l *Lane) hearTwice() (datagram, raw []byte) {
	in, err := l.B.Packet(":7")
	if err != nil {
		return nil, nil
	}
	defer in.Close()
	all, err := l.B.wire.ListenRaw()
	l.B.call("socket(SOCK_RAW)", 0, nil, l.Now(), err)
	if err != nil {
		return nil, nil
	}
	defer all.Close()
	c, err := l.A.Dial("udp", "B:7")
	if err != nil {
		return nil, nil
	}
	defer c.Close()
	l.said(1)
	io.WriteString(c, "hello")
	buf := make([]byte, 100)
	in.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := in.Read(buf); err == nil {
		datagram = append(datagram, buf[:n]...)
		l.heardBy(l.B, 1)
	}
	all.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := all.Read(buf); err == nil {
		raw = append(raw, buf[:n]...)
		l.line(Line{K: "read", T: l.Now(), Host: "B", N: n, Msgs: []int{1}, Text: "raw"})
	}
	return datagram, raw
}
