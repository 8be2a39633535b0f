//go:build !nolab

package lab

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	"parley/lab/wire"
)

var loss = Lesson{
	Number: 5, Name: "loss",
	Topic: "datagrams: not guaranteed, unordered, perhaps doubled",
	Claim: "Of {messages} datagrams, with {loss} lost, {reorder} held back and {dup} doubled, some are missing, some come twice, and some in the wrong order; each of the three has its own cure.",
	Setup: "A says {messages} numbered messages to B, one every {every}. Four programs receive: bare UDP; one that looks at the numbers; one that acknowledges, too, so that A says again what was lost; and ours, which also puts them in order.",
	Question: Question{
		Text:    "Which of these does a sequence number alone cure?",
		Answers: []string{"missing messages", "doubled messages", "both", "neither"},
		Right:   1,
		Why:     "with a number a message that came before is known and left out; but no number brings back what never came",
	},
	So:       "our UDP transport has all three: numbers, acknowledgements with repeats, and a buffer that waits for gaps",
	Filters:  map[string]string{"what was lost": `frame.comment contains "lab:drop"`, "what came twice": `frame.comment contains "lab:dup"`},
	Defaults: Settings{"messages": "100", "every": "20ms", "delay": "5ms", "loss": "10%", "reorder": "10%:50ms", "dup": "5%"},
	Uses:     []string{"messages", "every", "delay", "loss", "reorder", "dup", "drop"},
	Free:     []string{"seed"},
	run:      runLoss,
}

func runLoss(r *Run) {
	r.table("loss", "program", "shown", "different", "missing", "twice", "out of order", "sent", "slowest")
	tell := func(l *Lane) Tally {
		t := l.tally()
		r.row("loss", l.What, l.screen.shown, t.Got, t.Missing, l.screen.twice, l.screen.wrong, l.count(fromA), t.Percentile(1).Round(time.Millisecond))
		return t
	}
	bare := r.lane("bare", "bare UDP", r.config(), numbered, func(l *Lane) { chatBare(l, false, false) })
	t := tell(bare)
	missing := t.Missing
	// What is on the screen has to be what the cable did, and nothing else.
	r.check("missing.bare", missing, bare.copies(func(f *frame, c wire.Copy) bool { return fromA(f) && c.Fate == wire.Dropped }))
	r.check("twice.bare", bare.screen.twice, bare.copies(func(f *frame, c wire.Copy) bool { return fromA(f) && c.Why == "dup" }))
	r.seeded("lost.bare", missing, 9, 1, 25)
	r.seeded("doubled.bare", bare.screen.twice, 2, 0, 18)
	r.seeded("order.bare", bare.screen.wrong, 9, 0, 25)

	number := r.lane("number", "+ number", r.config(), numbered, func(l *Lane) { chatBare(l, true, false) })
	t = tell(number)
	r.check("missing.number", t.Missing, missing)
	r.check("twice.number", number.screen.twice, 0)
	r.check("order.number", number.screen.wrong, bare.screen.wrong)

	repeat := r.lane("repeat", "+ ack", r.config(), numbered, func(l *Lane) { chatBare(l, true, true) })
	t = tell(repeat)
	r.check("missing.repeat", t.Missing, 0)
	r.check("twice.repeat", repeat.screen.twice, 0)
	r.atLeast("order.repeat", repeat.screen.wrong, 1)
	r.seeded("sends.repeat", repeat.count(fromA), 132, 105, 160)

	own := r.ownLane("parley", "+ order: ours", r.config(), written, chatOwn)
	t = tell(own)
	r.check("missing.parley", t.Missing, 0)
	r.check("twice.parley", own.screen.twice, 0)
	r.check("order.parley", own.screen.wrong, 0)
	r.note("to bring all %d, the third program sent %d datagrams and the slowest message took %v; ours sent %d, handshake and probes included, and took %v: it asks sooner", r.Messages,
		repeat.count(fromA), repeat.tally().Percentile(1).Round(time.Millisecond), own.count(fromA), t.Percentile(1).Round(time.Millisecond))
	r.note("a cable alone reorders nothing: that is asked for here. In larger networks datagrams take different ways, and do overtake each other")
}

// fromA tells whether a frame is a datagram of A's.
func fromA(f *frame) bool { return f.From.Name() == "A" && f.Proto == "udp" }

// chatBare has A say numbered messages to B by UDP.
func chatBare(l *Lane, dedupe, acks bool) {
	in, err := l.B.Packet(":7")
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		receive(l, in, dedupe, acks)
	}()
	sayAgain(l, acks)
	in.Close()
	<-done
}

// receive shows what comes, without what came before if dedupe, and
// acknowledges it if acks.
func receive(l *Lane, in *PacketConn, dedupe, acks bool) {
	buf := make([]byte, 2048)
	for {
		n, from, err := in.ReadFrom(buf)
		if err != nil {
			return
		}
		msg := int(binary.BigEndian.Uint32(buf[:n]))
		if acks {
			in.WriteTo(buf[:4], from)
		}
		if copies := l.heardBy(l.B, msg); copies == 1 || !dedupe {
			l.screen.show(l, msg)
		}
	}
}

// repeatAfter is when a sender takes a message for lost: after a round trip in
// which one of the two was held back, and a bit.
func repeatAfter(v *Values) time.Duration {
	hold := max(v.Way.HoldBack, 50*time.Millisecond)
	return 2*(v.Way.Delay+v.Way.Jitter) + hold + 13*time.Millisecond
}

// sayAgain sends the messages, and those again that nobody acknowledges if it
// is to wait for that.
func sayAgain(l *Lane, acks bool) {
	c, err := l.A.Dial("udp", "B:7")
	if err != nil {
		return
	}
	defer c.Close()
	repeatAfter := repeatAfter(l.run.Values)
	start, next, sent := time.Now(), 1, map[int]time.Time{}
	end := start.Add(time.Duration(l.run.Messages)*l.run.Every + patience)
	buf := make([]byte, 16)
	for time.Now().Before(end) {
		wake := end
		if next <= l.run.Messages {
			wake = start.Add(time.Duration(next-1) * l.run.Every)
		}
		for n := 1; n < next; n++ {
			if at, waits := sent[n]; waits && at.Add(repeatAfter).Before(wake) {
				wake = at.Add(repeatAfter)
			}
		}
		c.SetReadDeadline(wake)
		if _, err := c.Conn.Read(buf); err == nil {
			msg := int(binary.BigEndian.Uint32(buf))
			l.line(Line{K: "read", T: l.Now(), Host: "A", N: 4, Msgs: []int{msg}, Text: "ack"})
			delete(sent, msg)
			continue
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		now := time.Now()
		for n := 1; n < next; n++ {
			if at, waits := sent[n]; waits && !at.Add(repeatAfter).After(now) {
				c.Write(message(n))
				sent[n] = now
			}
		}
		if next <= l.run.Messages && !start.Add(time.Duration(next-1)*l.run.Every).After(now) {
			l.said(next)
			c.Write(message(next))
			if acks {
				sent[next] = now
			}
			next++
		}
	}
}
