//go:build !nolab

package lab

import (
	"io"
	"time"
)

var slowreader = Lesson{
	Number: 10, Name: "slowreader",
	Topic: "flow control: send blocks, or datagrams are dropped",
	Claim: "A reader that sleeps is felt by the sender over TCP, whose write blocks; over UDP by the data, which is thrown away.",
	Setup: "B's program sleeps 5 s before it reads. Over TCP A writes 8 MB as fast as it may; over UDP A sends {messages} datagrams of 1,000 bytes, one every {every}.",
	Question: Question{
		Text:    "Who feels that B sleeps?",
		Answers: []string{"TCP: the data; UDP: the sender", "TCP: the sender; UDP: the data", "both times the sender", "nobody: there are buffers"},
		Right:   1,
		Why:     "TCP tells the sender how much room is left, down to zero; UDP tells nothing, and B's host throws away what does not fit",
	},
	So:       "our UDP transport has a window of its own, so a slow member slows its sender down and loses nothing; and a host that would be blocked by one member has a queue for each",
	Filters:  map[string]string{"windows that are full": "tcp.analysis.zero_window"},
	Defaults: Settings{"delay": "5ms", "messages": "1000", "every": "1ms"},
	Uses:     []string{"delay", "messages", "every"},
	Real:     true,
	run:      runSlowReader,
}

const (
	sleeping  = 5 * time.Second
	offered   = 8_000_000 // bytes
	perWrite  = 64 << 10
	perPacket = 1000
)

func runSlowReader(r *Run) {
	r.table("slow", "lane", "offered", "B's program got", "the longest the sender waited", "windows of zero")
	var got int64
	var longest time.Duration
	r.sparse = true // thousands of frames that are all alike
	l := r.lane("tcp", "tcp", r.config(), nil, func(l *Lane) { got, longest = l.toSleeperTCP() })
	zero := l.count(func(f *frame) bool { return f.From == l.B.wire && f.Flags == "A" && f.Window == 0 })
	r.row("slow", "tcp", offered, got, longest.Round(time.Millisecond), zero)
	r.check("received.tcp", got, offered)
	r.between("blocked_ms.tcp", longest.Milliseconds(), 4500, 6000)
	if !r.real {
		r.atLeast("zero_windows.tcp", zero, 1)
	}
	r.lane("udp", "udp", r.config(), nil, func(l *Lane) { got, longest = l.toSleeperUDP() })
	n := int64(r.Messages)
	r.row("slow", "udp", n*perPacket, got*perPacket, longest.Round(time.Millisecond), "-")
	r.between("received.udp", got, 1, n*9/10)
	r.atMost("blocked_ms.udp", longest.Milliseconds(), 10)
	r.note("%d of %d datagrams were dropped by B's host, for want of room, and nobody was told", n-got, n)
}

// toSleeperTCP has A write all, and returns what came and the longest write.
func (l *Lane) toSleeperTCP() (got int64, longest time.Duration) {
	c, in, end := l.connect("tcp")
	if c == nil {
		return 0, 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(sleeping)
		buf := make([]byte, perWrite)
		for {
			n, err := in.Conn.Read(buf)
			got += int64(n)
			if err != nil {
				return
			}
		}
	}()
	buf, wrote := make([]byte, perWrite), 0
	for wrote < offered {
		began := l.Now()
		n, err := c.Conn.Write(buf[:min(perWrite, offered-wrote)])
		took := l.Now() - began
		if longest = max(longest, took); took > lateBy || wrote == 0 {
			l.line(Line{K: "call", T: began, Host: "A", Fn: "write", N: n, Took: took})
		}
		if err != nil {
			break
		}
		wrote += n
	}
	c.Close()
	<-done
	end()
	return got, longest
}

// toSleeperUDP has A send all, and returns how many datagrams came and the
// longest send.
func (l *Lane) toSleeperUDP() (got int64, longest time.Duration) {
	c, in, end := l.connect("udp")
	if c == nil {
		return 0, 0
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(sleeping)
		buf := make([]byte, 2*perPacket)
		for {
			in.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := in.Conn.Read(buf); err != nil {
				return
			}
			got++
		}
	}()
	buf := make([]byte, perPacket)
	for range l.run.Messages {
		began := l.Now()
		if _, err := c.Conn.Write(buf); err != nil && err != io.ErrShortWrite {
			break
		}
		longest = max(longest, l.Now()-began)
		time.Sleep(l.run.Every)
	}
	<-done
	c.Close()
	end()
	return got, longest
}
