//go:build !nolab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"parley/lab/wire"
	"parley/transport"
	"parley/udp"
)

// ownLane is a lane in which the program's own code runs, which passes messages
// through several goroutines: it is run until two runs agree. Package wire says
// why they might not.
func (r *Run) ownLane(name, what string, c wire.Config, label ids, f func(l *Lane)) *Lane {
	lines, notes, lanes := len(r.Lines), len(r.notes), len(r.Lanes)
	var last *Lane
	_, runs, ok := Agree(func() string {
		r.Lines, r.notes, r.Lanes = r.Lines[:lines], r.notes[:notes], r.Lanes[:lanes]
		defer wire.Steady(r.Seed)()
		last = r.lane(name, what, c, label, f)
		return fmt.Sprint(last.fingerprint(), r.notes[notes:])
	})
	if !ok {
		r.note("lane %s: no two of %d runs agree; the machine is very busy", name, runs)
	}
	return last
}

// parleyPort is where our own transport listens.
const parleyPort = 7667

// written finds the numbered messages that begin in a packet of our own
// transport, in plaintext.
func written(data []byte, stream bool, offset uint64) (msgs []int) {
	for {
		_, after, ok := bytes.Cut(data, []byte(" message "))
		if !ok {
			return msgs
		}
		digits, rest, _ := bytes.Cut(after, []byte{0})
		if n, err := strconv.Atoi(string(digits)); err == nil {
			msgs = append(msgs, n)
		}
		data = rest
	}
}

// chatOwn is chat by our own transport over UDP. Each message begins with its
// number.
func chatOwn(l *Lane) {
	ctx := context.Background()
	from, done := l.endpoint(l.A), l.endpoint(l.B)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := done.Accept(ctx)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			msg, err := c.Receive(ctx)
			if err != nil {
				return
			}
			for _, n := range numbered(msg, false, 0) {
				l.line(Line{K: "read", T: l.Now(), Host: "B", N: len(msg), Msgs: []int{n}})
				l.heardBy(l.B, n)
				l.screen.show(l, n)
			}
		}
	}()
	l.A.wire.Pause(time.Second)
	dialing, stop := context.WithTimeout(ctx, patience)
	c, err := from.Dial(dialing, l.B.Addr(parleyPort))
	stop()
	if err != nil {
		l.unsaid()
	} else {
		for i := range l.run.Messages {
			l.said(i + 1)
			l.send(ctx, c, message(i+1), i+1)
			l.A.wire.Pause(l.run.Every)
		}
		l.A.wire.Pause(patience)
		c.Close()
	}
	from.Close()
	done.Close()
	<-ended
}

// endpoint is our own transport on a host: in plaintext, since what is encrypted
// does not repeat itself.
func (l *Lane) endpoint(h *Host) *udp.Endpoint {
	s, err := h.wire.ListenPacket(context.Background(), "udp", netip.AddrPortFrom(h.wire.Addr(), parleyPort).String())
	if err != nil {
		panic(err) // the host is ours, and new
	}
	return &udp.Endpoint{Socket: s, Plaintext: true}
}

// send sends a message and tells of it.
func (l *Lane) send(ctx context.Context, c transport.Conn, msg []byte, number int) {
	began := l.Now()
	err := c.Send(ctx, msg)
	l.A.call("send", len(msg), []int{number}, began, err)
}
