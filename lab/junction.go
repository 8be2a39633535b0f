//go:build !nolab

package lab

import (
	"fmt"
	"io"
	"sync"
	"time"

	"parley/lab/wire"
)

var junction = Lesson{
	Number: 9, Name: "junction",
	Topic: "the server as a junction; whispers and nicknames",
	Claim: "A server that writes to its members one after the other is stopped by the one that does not read; with a queue for each, only that one suffers.",
	Setup: "A says {messages} messages of 8 KiB to a server, which relays each to five members over TCP. The fifth has closed its laptop: its program reads nothing. First the server has one loop; then a queue for each member, and lets go of whose is full. At last, in a room of four, one thing is said to all and one is whispered to m2.",
	Question: Question{
		Text:    "One of five members reads nothing. What do the other four see, with one loop?",
		Answers: []string{"all messages: TCP has buffers", "all, but late", "some, and then nothing more, for ever"},
		Right:   2,
		Why:     "the fifth one's buffers fill up, on both sides; then the server's write to it blocks, and with it the loop that serves everybody",
	},
	So:       "a parley host has a bounded queue for each member; who falls behind reads from the log later",
	Filters:  map[string]string{"windows that are full": "tcp.analysis.zero_window"},
	Defaults: Settings{"messages": "500", "every": "10ms", "delay": "5ms"},
	Uses:     []string{"messages", "every", "delay"},
	run:      runJunction,
}

const (
	junctionSize  = 8 << 10
	junctionQueue = 64 // messages
)

func runJunction(r *Run) {
	r.table("junction", "server", "relayed", "m1", "m2", "m3", "m4", "m5 (asleep)")
	r.sparse = true
	var got [5]int64
	n := int64(r.Messages)
	c := r.config()
	c.TCP = wire.TCP{}
	r.lane("one loop", "tcp", c, nil, func(l *Lane) { got = l.relay(false) })
	r.row("junction", "one loop", got[0], got[0], got[1], got[2], got[3], got[4])
	r.between("relayed.one_loop", got[0], 1, n-1)
	frozen := got
	r.lane("a queue each", "tcp", c, nil, func(l *Lane) { got = l.relay(true) })
	r.row("junction", "a queue for each", got[0], got[0], got[1], got[2], got[3], got[4])
	for i := range 4 {
		r.check(fmt.Sprintf("got.queues.m%d", i+1), got[i], n)
		r.check(fmt.Sprintf("got.one_loop.m%d", i+1), min(frozen[i], frozen[0]), frozen[i])
	}
	r.note("with one loop everybody is frozen after %d messages, in: write to member 5. With a queue for each, a member whose queue has %d messages is let go", frozen[0], junctionQueue)

	r.sparse = false
	r.table("whisper", "what is said", "lists that show it")
	lists := map[string]int64{}
	r.lane("whisper", "tcp", c, nil, func(l *Lane) { lists = l.whisper() })
	r.row("whisper", "hello, all", lists["hello, all"])
	r.row("whisper", "@m2 psst", lists["@m2 psst"])
	r.check("lists.all", lists["hello, all"], 4)
	r.check("lists.whisper", lists["@m2 psst"], 1)
}

// relay has a server relay what A says, and returns what each member got.
func (l *Lane) relay(queues bool) (got [5]int64) {
	server := l.B
	var outs []*Conn
	ln, err := server.Listen(":7")
	if err != nil {
		return got
	}
	var reading, writing sync.WaitGroup
	var ins []*Conn
	for i := range 5 {
		h := l.Host(fmt.Sprint("m", i+1))
		in, err := h.Dial("tcp", "B:7")
		if err != nil {
			return got
		}
		out, err := ln.AcceptConn()
		if err != nil {
			return got
		}
		outs, ins = append(outs, out), append(ins, in)
		if i == 4 {
			break // it sleeps
		}
		reading.Go(func() {
			buf := make([]byte, junctionSize)
			for {
				if _, err := io.ReadFull(in.Conn, buf); err != nil {
					return
				}
				if got[i]++; got[i]%25 == 0 {
					l.line(Line{K: "sample", T: l.Now(), Host: h.name, Name: "received", Got: got[i]})
				}
			}
		})
	}
	send := make([]func([]byte), 5)
	var queue [5]chan []byte
	for i, out := range outs {
		if !queues {
			send[i] = func(msg []byte) {
				began := l.Now()
				if _, err := out.Conn.Write(msg); l.Now()-began > time.Second {
					l.line(Line{K: "call", T: began, Host: "B", Fn: fmt.Sprint("write to m", i+1), N: len(msg), Took: l.Now() - began, Err: plainOrNone(err)})
				}
			}
			continue
		}
		queue[i] = make(chan []byte, junctionQueue)
		writing.Go(func() {
			for msg := range queue[i] {
				if _, err := out.Conn.Write(msg); err != nil {
					for range queue[i] { // it is gone
					}
					return
				}
			}
		})
		gone := false
		send[i] = func(msg []byte) {
			select {
			case queue[i] <- msg:
			default:
				if !gone {
					gone = true
					l.line(Line{K: "state", T: l.Now(), Host: fmt.Sprint("m", i+1), Text: "let go: its queue is full"})
					out.Close()
				}
			}
		}
	}
	over := time.AfterFunc(time.Duration(l.run.Messages)*l.run.Every+patience, func() {
		for i, out := range outs {
			out.Conn.Close()
			ins[i].Conn.Close()
		}
	})
	// A speaks on the server's own host's loop: what it says is there at once.
	for range l.run.Messages {
		msg := make([]byte, junctionSize)
		for _, s := range send {
			s(msg)
		}
		time.Sleep(l.run.Every)
		if l.Now() > time.Duration(l.run.Messages)*l.run.Every+patience {
			break
		}
	}
	for _, q := range queue {
		if q != nil {
			close(q)
		}
	}
	time.Sleep(time.Second)
	for _, c := range append(outs, ins...) {
		c.Conn.Close()
	}
	over.Stop()
	ln.Close()
	reading.Wait()
	writing.Wait()
	return got
}

// plainOrNone says an error, if there is one.
func plainOrNone(err error) string {
	if err == nil {
		return ""
	}
	return plain(err)
}

// whisper has a server relay one thing to all and one to m2, and returns how
// many lists show each.
func (l *Lane) whisper() map[string]int64 {
	lists := map[string]int64{}
	ln, err := l.B.Listen(":7")
	if err != nil {
		return lists
	}
	var ins, outs []*Conn
	for i := range 4 {
		in, err := l.Host(fmt.Sprint("m", i+1)).Dial("tcp", "B:7")
		if err != nil {
			return lists
		}
		out, err := ln.AcceptConn()
		if err != nil {
			return lists
		}
		ins, outs = append(ins, in), append(outs, out)
	}
	for _, o := range outs {
		o.Write([]byte("hello, all"))
	}
	time.Sleep(time.Second)
	outs[1].Write([]byte("@m2 psst"))
	time.Sleep(time.Second)
	for i, in := range ins {
		for {
			in.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			buf := make([]byte, 10)
			n, err := in.Read(buf)
			if err != nil {
				break
			}
			lists[string(buf[:n])]++
			l.line(Line{K: "show", T: l.Now(), Host: fmt.Sprint("m", i+1), Text: string(buf[:n])})
		}
	}
	for _, c := range append(ins, outs...) {
		c.Close()
	}
	ln.Close()
	time.Sleep(time.Second)
	return lists
}
