//go:build !nolab

package lab

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley/lab/wire"
)

var fairness = Lesson{
	Number: 12, Name: "fairness",
	Topic: "congestion control",
	Claim: "TCP connections share a cable of {rate} like neighbours; a program that sends datagrams at full rate leaves TCP next to nothing.",
	Setup: "A cable of {rate} with a queue of {queue} frames, for {until}: two TCP connections; four; one TCP connection beside a program that sends UDP datagrams at twice the cable's rate; and one beside our own transport over UDP.",
	Question: Question{
		Text:    "One TCP connection meets a UDP sender at full rate. How is the cable shared?",
		Answers: []string{"half and half", "TCP gets most: it repeats what is lost", "UDP gets nearly all"},
		Right:   2,
		Why:     "TCP takes each loss for a sign that the cable is full, and slows down. The UDP sender does not listen",
	},
	So:       "a program that sends datagrams must pace itself: ours has a congestion window of its own, which shares with TCP",
	Filters:  map[string]string{"signs of congestion": "tcp.analysis.duplicate_ack || tcp.analysis.retransmission"},
	Defaults: Settings{"rate": "2mbit", "queue": "25", "delay": "5ms", "until": "30s"},
	Uses:     []string{"rate", "queue", "delay", "until"},
	run:      runFairness,
}

func runFairness(r *Run) {
	r.table("shares", "who", "kbit/s", "Jain's index")
	r.sparse = true
	c := r.config()
	c.TCP = wire.TCP{NoRACK: true, CUBIC: true, MaxRTO: time.Second} // what most kernels do; see package wire
	half := r.Port.Rate / 1000 / 2
	run := func(name string, own bool, who ...string) (rates []int64, jain int64) {
		lane := r.lane
		if own {
			lane = r.ownLane
		}
		lane(name, "tcp", c, nil, func(l *Lane) { rates = l.share(who) })
		sum, squares := int64(0), int64(0)
		for i, v := range rates {
			sum, squares = sum+v, squares+v*v
			r.row("shares", fmt.Sprint(name, ": ", who[i]), v, "")
		}
		jain = 1000 * sum * sum / max(1, int64(len(rates))*squares)
		r.row("shares", name+": all", sum, fmt.Sprintf("%.3f", float64(jain)/1000))
		return rates, jain
	}
	_, jain := run("two", false, "tcp", "tcp")
	r.atLeast("jain1000.two", jain, 950)
	_, jain = run("four", false, "tcp", "tcp", "tcp", "tcp")
	r.atLeast("jain1000.four", jain, 950)
	rates, jain := run("flood", false, "tcp", "udp")
	r.atMost("kbit.tcp_beside_flood", rates[0], half/5)
	r.atMost("jain1000.flood", jain, 650)
	rates, jain = run("ours", true, "tcp", "parley")
	r.atLeast("kbit.tcp_beside_ours", rates[0], half/4)
	r.atLeast("jain1000.ours", jain, 700)
	r.note("this TCP is more cautious than an operating system's: beside Linux's, ours shares a queue of 50 to 200 ms with an index of 0.91 to 1.0")
}

// shareSize is the size of what is sent, in bytes.
const shareSize = 1000

// share has senders of A share its cable, and returns what each one's receiver
// got, in kbit/s.
func (l *Lane) share(who []string) (rates []int64) {
	end := l.Now() + l.run.Until
	counts := make([]atomic.Int64, len(who))
	var work sync.WaitGroup
	var closers []func()
	for i, kind := range who {
		address := fmt.Sprint(":", 5000+i)
		switch kind {
		case "tcp":
			closers = append(closers, l.shareTCP(&work, &counts[i], address, end))
		case "udp":
			closers = append(closers, l.shareUDP(&work, &counts[i], address, end))
		case "parley":
			closers = append(closers, l.shareOwn(&work, &counts[i], end))
		}
		l.A.wire.Pause(10 * time.Millisecond)
	}
	for l.Now() < end {
		time.Sleep(min(time.Second, end-l.Now()))
		for i, kind := range who {
			l.line(Line{K: "sample", T: l.Now(), Host: "B", Name: fmt.Sprint(kind, " ", i+1, " kB"), Got: counts[i].Load() / 1000})
		}
	}
	for i := range who {
		rates = append(rates, counts[i].Load()*8/int64(l.run.Until/time.Millisecond))
	}
	for _, c := range closers {
		c()
	}
	work.Wait()
	return rates
}

func (l *Lane) shareTCP(work *sync.WaitGroup, got *atomic.Int64, address string, end time.Duration) func() {
	ctx := context.Background()
	ln, err := l.B.wire.Listen(ctx, "tcp", address)
	if err != nil {
		return func() {}
	}
	work.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			if got.Add(int64(n)); err != nil {
				return
			}
		}
	})
	out, err := l.A.wire.DialContext(ctx, "tcp", "B"+address)
	if err != nil {
		return func() { ln.Close() }
	}
	work.Go(func() {
		buf := make([]byte, 16<<10)
		for l.Now() < end {
			out.SetWriteDeadline(time.Now().Add(end - l.Now()))
			if _, err := out.Write(buf); err != nil {
				break
			}
		}
		out.Close()
	})
	return func() { ln.Close() }
}

func (l *Lane) shareUDP(work *sync.WaitGroup, got *atomic.Int64, address string, end time.Duration) func() {
	ctx := context.Background()
	in, err := l.B.wire.ListenPacket(ctx, "udp", address)
	if err != nil {
		return func() {}
	}
	work.Go(func() {
		buf := make([]byte, 2*shareSize)
		for {
			n, _, err := in.ReadFrom(buf)
			if got.Add(int64(n)); err != nil {
				return
			}
		}
	})
	out, err := l.A.wire.DialContext(ctx, "udp", "B"+address)
	if err != nil {
		return func() { in.Close() }
	}
	every := time.Duration(shareSize * 8 * int64(time.Second) / (2 * max(l.run.Port.Rate, 8000)))
	work.Go(func() {
		buf := make([]byte, shareSize)
		for l.Now() < end {
			out.Write(buf)
			time.Sleep(every)
		}
		out.Close()
	})
	return func() { in.Close() }
}

func (l *Lane) shareOwn(work *sync.WaitGroup, got *atomic.Int64, end time.Duration) func() {
	ctx := context.Background()
	from, to := l.endpoint(l.A), l.endpoint(l.B)
	work.Go(func() {
		c, err := to.Accept(ctx)
		if err != nil {
			return
		}
		for {
			msg, err := c.Receive(ctx)
			if got.Add(int64(len(msg))); err != nil {
				return
			}
		}
	})
	c, err := from.Dial(ctx, l.B.Addr(parleyPort))
	if err == nil {
		sending, stop := context.WithTimeout(ctx, end-l.Now())
		work.Go(func() {
			defer stop()
			buf := make([]byte, shareSize)
			for c.Send(sending, buf) == nil {
			}
		})
	}
	return func() {
		from.Close()
		to.Close()
	}
}
