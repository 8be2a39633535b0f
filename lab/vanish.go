//go:build !nolab

package lab

import (
	"context"
	"fmt"
	"net"
	"time"

	"parley/lab/wire"
	"parley/node"
	"parley/room"
)

var vanish = Lesson{
	Number: 15, Name: "vanish",
	Topic: "the peer disappears",
	Claim: "Who is idle never learns over TCP that the cable was cut; who asks now and then learns it in seconds, who writes in a quarter of an hour.",
	Setup: "The cable is cut after 2 s. A TCP connection is idle for an hour; another asks every 5 s after 10 s of silence (keepalive); on a third A writes; and a parley room's member sits there.",
	Question: Question{
		Text:    "The cable is cut. When does an idle TCP connection notice?",
		Answers: []string{"at once", "after a minute", "after two hours", "never, unless asked to look"},
		Right:   3,
		Why:     "TCP sends nothing when there is nothing to send: silence and a cut cable look the same",
	},
	So:       "a parley member asks after 2 s of silence and takes 2.5 s without an answer for a lost host, whatever carries it",
	Filters:  map[string]string{"questions": "tcp.analysis.keep_alive", "what is sent again": "tcp.analysis.retransmission"},
	Defaults: Settings{"delay": "5ms", "cut": "2s"},
	Uses:     []string{"delay"},
	run:      runVanish,
}

// watched is how long.
const watched = time.Hour

func runVanish(r *Run) {
	r.table("vanish", "who", "learns it after", "packets meanwhile", "what it is told")
	cut := r.Cut
	tell := func(name string, l *Lane, after time.Duration, err error) (packets int64) {
		packets = l.count(func(f *frame) bool { return f.At > cut && f.At < watched && f.From == l.A.wire })
		learnt := after.Round(time.Millisecond).String()
		if after == 0 {
			learnt = "never (1 h watched)"
		}
		r.row("vanish", name, learnt, packets, plainOrNone(err))
		return packets
	}
	var after time.Duration
	var err error
	l := r.lane("idle", "tcp", r.config(), nil, func(l *Lane) { after, err = l.waitFor(nil, watched) })
	r.check("packets.idle", tell("idle", l, after, nil), 0)
	r.check("learnt_ms.idle", after.Milliseconds(), 0)

	l = r.lane("keepalive", "tcp", r.config(), nil, func(l *Lane) {
		after, err = l.waitFor(func(c net.Conn) error { return c.(*wire.Conn).KeepAlive(10*time.Second, 5*time.Second, 3) }, watched)
	})
	r.check("probes.keepalive", tell("keepalive 10 s, 5 s, 3", l, after, err), 3)
	r.between("learnt_s.keepalive", int64(after.Seconds()), 18, 24)

	l = r.lane("writes", "tcp", r.config(), nil, func(l *Lane) {
		after, err = l.waitFor(func(c net.Conn) error {
			time.Sleep(3*time.Second - l.Now())
			_, err := c.Write([]byte("are you there?"))
			l.A.call("write", 14, nil, l.Now(), err)
			return err
		}, watched)
	})
	tell("writes", l, after, err)
	r.between("learnt_s.writes", int64(after.Seconds()), 600, 1000)
	r.note("the write that nobody will ever read returned at once, without an error. It is sent again after 0.2, 0.4, 0.8 ... 102 s; Linux gives up after about 924 s")

	l = r.ownLane("parley", "room", r.config(), nil, func(l *Lane) { after = l.roomVanishes() })
	tell("a member of a parley room", l, after, nil)
	r.between("learnt_ms.parley", after.Milliseconds(), 2000, 6000)
}

// waitFor has A wait on a connection to B, after doing something with it. It
// returns how long after the cut the wait ended; 0 if it did not.
func (l *Lane) waitFor(first func(net.Conn) error, limit time.Duration) (after time.Duration, err error) {
	c, _, end := l.connect("tcp")
	if c == nil {
		return 0, nil
	}
	defer end()
	defer c.Close()
	if first != nil {
		if err := first(c.Conn); err != nil {
			return 0, err
		}
	}
	c.SetReadDeadline(time.Now().Add(limit))
	if _, err = c.Read(make([]byte, 1)); l.Now() >= limit {
		return 0, nil
	}
	return l.Now() - l.run.Cut, err
}

// roomVanishes opens a room on B, in which A sits, and returns how long after
// the cut A's program says that the host is lost.
func (l *Lane) roomVanishes() (after time.Duration) {
	ctx := context.Background()
	host := &node.Node{Net: Machine{l.B.wire}, Plaintext: true, Transport: node.UDP}
	defer host.Close()
	opened, err := host.Open(ctx, room.HostOptions{Rooms: []string{"lab"}})
	if err != nil {
		return 0
	}
	defer opened.Close()
	n := &node.Node{Net: Machine{l.A.wire}, Plaintext: true, Transport: node.UDP}
	defer n.Close()
	l.A.wire.Pause(137 * time.Millisecond)
	m, err := n.Join(ctx, "lab", room.JoinOptions{Nick: "ana"})
	if err != nil {
		return 0
	}
	wait, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for {
		e, err := m.Next(wait)
		if err != nil {
			break
		}
		if e.Type == room.Link && l.Now() > l.run.Cut {
			after = l.Now() - l.run.Cut
			l.line(Line{K: "state", T: l.Now(), Host: "A", Text: fmt.Sprint(e.State, ": ", e.Why)})
			break
		}
	}
	leaving, enough := context.WithTimeout(ctx, time.Second)
	defer enough()
	m.Leave(leaving, "")
	return after
}
