//go:build !nolab

package lab

import (
	"context"
	"io"
	"time"

	"parley/lab/wire"
)

var goodbye = Lesson{
	Number: 14, Name: "goodbye",
	Topic: "close, half close, TIME_WAIT",
	Claim: "Who closes the sending half still hears the other; who closes first keeps the port for a minute; UDP says no goodbye at all.",
	Setup: "A closes its sending half; B still says three things, and closes. Then a server that closes first is started again at once, and tries to have its port each second. Then the same goodbye over UDP.",
	Question: Question{
		Text:    "A server closes its last connection and is started again at once, without SO_REUSEADDR. When does it get its port?",
		Answers: []string{"at once", "after 1 s", "after 61 s", "never: it needs another port"},
		Right:   2,
		Why:     "who closes first waits a minute (TIME_WAIT) for what may still be on its way, and the port with it",
	},
	So:       "parley asks for the port with SO_REUSEADDR, as Go does; and over UDP its own goodbye is a packet that is acknowledged",
	Filters:  map[string]string{"goodbyes": "tcp.flags.fin==1"},
	Defaults: Settings{"delay": "5ms"},
	Uses:     []string{"delay", "loss"},
	run:      runGoodbye,
}

func runGoodbye(r *Run) {
	r.table("states", "when", "A", "B")
	heard := int64(0)
	r.lane("half close", "tcp", r.config(), nil, func(l *Lane) { heard = l.halfClose() })
	r.check("heard_after_fin", heard, 3)
	var bound time.Duration
	r.lane("restart", "tcp", r.config(), nil, func(l *Lane) { bound = l.restart() })
	r.between("port_again_s", int64(bound.Seconds()), 60, 62)
	l := r.lane("udp", "udp", r.config(), whole, func(l *Lane) {
		c, _, end := l.connect("udp")
		if c == nil {
			return
		}
		c.Write([]byte("hello"))
		time.Sleep(time.Second)
		c.Close()
		time.Sleep(time.Second)
		end()
	})
	r.check("frames_of_goodbye.udp", l.count(anything)-1, 0)
	r.note("the port was refused until %v after the close, 60 s of TIME_WAIT", bound)
}

// state tells the states of both ends.
func (l *Lane) state(when string, a, b *Conn) {
	of := func(c *Conn) string {
		if s, ok := c.Conn.(*wire.Conn); ok {
			return s.State()
		}
		return ""
	}
	l.line(Line{K: "state", T: l.Now(), Host: "A", Text: of(a)})
	l.line(Line{K: "state", T: l.Now(), Host: "B", Text: of(b)})
	l.run.row("states", when, of(a), of(b))
}

// halfClose has A close its sending half and B say three things more.
func (l *Lane) halfClose() (heard int64) {
	a, b, end := l.connect("tcp")
	if a == nil {
		return 0
	}
	l.state("connected", a, b)
	a.CloseWrite()
	time.Sleep(100 * time.Millisecond)
	l.state("A has closed its sending half", a, b)
	for _, text := range []string{"one", "two", "bye"} {
		b.Write([]byte(text))
		buf := make([]byte, 3)
		a.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := io.ReadFull(a, buf); err == nil && string(buf) == text {
			heard++
		}
	}
	b.Close()
	time.Sleep(100 * time.Millisecond)
	l.state("B has closed", a, b)
	a.Close()
	end()
	time.Sleep(time.Second)
	return heard
}

// restart has a server close first and try to have its port again. It returns
// how long that took.
func (l *Lane) restart() time.Duration {
	ctx := context.Background()
	ln, err := l.B.wire.ListenAlone(ctx, "tcp", ":7")
	if err != nil {
		return 0
	}
	accepted := make(chan io.Closer, 1)
	go func() {
		c, _ := ln.Accept()
		accepted <- c
	}()
	a, err := l.A.Dial("tcp", "B:7")
	if err != nil {
		ln.Close()
		return 0
	}
	b := <-accepted
	b.Close() // the server first
	ln.Close()
	io.Copy(io.Discard, a)
	a.Close()
	closed := l.Now()
	for range 130 {
		again, err := l.B.wire.ListenAlone(ctx, "tcp", ":7")
		l.B.call("bind", 0, nil, l.Now(), err)
		if err == nil {
			again.Close()
			break
		}
		time.Sleep(time.Second)
	}
	return l.Now() - closed
}
