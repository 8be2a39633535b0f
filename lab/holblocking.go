//go:build !nolab

package lab

import (
	"fmt"
	"slices"
	"time"

	"parley/lab/wire"
)

var holblocking = Lesson{
	Number: 6, Name: "holblocking",
	Topic: "ordered, guaranteed: and what that costs",
	Claim: "With {messages} messages, one every {every}, over a cable of {delay}: TCP keeps order, so one lost message makes later ones wait.",
	Setup: "A says {messages} messages to B, one every {every}, over a cable of {delay}. The frame with message 5 is lost, once. The same over bare UDP, by this program's own transport, and four times faster.",
	Question: Question{
		Text:    "Message 5 is lost once. Which messages come late over TCP?",
		Answers: []string{"only 5", "5, 6 and 7", "5 and all after it", "none: TCP does not lose"},
		Right:   1,
		Why:     "6 and 7 have arrived, but TCP must give 5 first: they wait for it in B's stack, though nothing happened to them",
	},
	So:       "our own transport over UDP numbers its messages, so a room can choose to show what has come (--delivery unordered)",
	Filters:  map[string]string{"what was sent again": "tcp.analysis.retransmission", "what we lost": `frame.comment contains "lab:drop"`},
	Defaults: Settings{"messages": "24", "every": "20ms", "delay": "20ms", "drop": "A>B:msg#5"},
	Uses:     []string{"transport", "messages", "every", "delay", "loss", "dup", "reorder", "rate", "queue", "drop", "cut"},
	Free:     []string{"seed", "transport"},
	run:      runHolblocking,
}

func runHolblocking(r *Run) {
	r.table("late", "lane", "arrived", "late", "of them innocent", "missing", "slowest")
	tell := func(l *Lane) Tally {
		t := l.tally()
		r.row("late", l.Name, fmt.Sprintf("%d of %d", t.Got, t.Sent), t.Late, t.Innocent, t.Missing, t.Percentile(1))
		return t
	}
	if r.Transport != "udp" {
		tcp := r.lane("tcp", "tcp", r.config(), numbered, func(l *Lane) { chat(l, "tcp", r.Every) })
		t := tell(tcp)
		r.check("innocent_late.tcp", t.Innocent, 2)
		r.check("missing.tcp", t.Missing, 0)
		for i, want := range []int64{20, 80, 60, 40, 20} {
			r.check(fmt.Sprintf("wait_ms.tcp.%d", 4+i), tcp.wait("B", 4+i).Milliseconds(), want)
		}
	}
	if r.Transport != "tcp" {
		t := tell(r.lane("udp", "udp", r.config(), numbered, func(l *Lane) { chat(l, "udp", r.Every) }))
		r.check("innocent_late.udp", t.Innocent, 0)
		r.check("late.udp", t.Late, 0)
		r.check("missing.udp", t.Missing, 1)
		own := r.ownLane("parley", "parley", r.config(), written, chatOwn)
		t = tell(own)
		r.check("missing.parley", t.Missing, 0)
		r.check("innocent_late.parley", t.Innocent, 0)
		r.check("late.parley", t.Late, 1)
		again := own.count(func(f *wire.Frame) bool { return slices.Contains(f.Messages, 5) && slices.Contains(f.Messages, 6) })
		if wait := own.wait("B", 5); wait > own.late && again > 0 {
			r.note("parley is this program's own transport, in order like TCP: message 5 rides once more in the packet of message 6, and is there %v after it was said, before 6 has to wait", wait.Round(time.Millisecond))
		}
	}
	if r.Transport != "udp" {
		t := tell(r.lane("tcp, faster", "tcp", r.config(), numbered, func(l *Lane) { chat(l, "tcp", r.Every/fasterBy) }))
		r.check("innocent_late.tcp_faster", t.Innocent, 10)
		r.check("missing.tcp_faster", t.Missing, 0)
		r.note("with a message every %v, more of them wait behind the gap; the last two of the late ones wait at A, which sends less at a time after a loss. How many those are depends on the system's congestion control", r.Every/fasterBy)
	}
}

// fasterBy is how many times faster A talks in the lane that shows that more
// messages wait the more there are.
const fasterBy = 4

// chat has A say numbered messages to B, and B's program read them.
func chat(l *Lane, network string, every time.Duration) {
	in, err := l.listen(network)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.read(func(msg int) {
			l.heardBy(l.B, msg)
			l.screen.show(l, msg)
		})
	}()
	if c, err := l.A.Dial(network, "B:7"); err != nil {
		l.unsaid()
	} else {
		for i := range l.run.Messages {
			l.said(i + 1)
			c.Write(message(i + 1))
			time.Sleep(every)
		}
		time.Sleep(patience)
		c.Close()
	}
	time.Sleep(time.Second)
	in.close()
	<-done
}

// tooLong is longer than a stack tries to connect.
const tooLong = 130 * time.Second

// patience is how long a lesson waits for what is late.
const patience = 10 * time.Second
