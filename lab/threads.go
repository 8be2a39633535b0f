//go:build !nolab

package lab

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

const threadsName = "threads"

var threads = Lesson{
	Number: 16, Name: threadsName,
	Topic: "threads, select(), goroutines",
	Claim: "A server of {hosts} idle members needs {hosts} threads, or one loop that asks which socket is ready, or {hosts} goroutines on a handful of threads; everybody is answered with each.",
	Setup: "{hosts} members connect to a server on this machine, by real sockets, and each says one thing, which the server says back. Three servers: a thread for each member; one loop around poll(), which is select() for more sockets; a goroutine for each.",
	Question: Question{
		Text:    "A Go server has a goroutine for each of 300 members. How many threads does the system see?",
		Answers: []string{"fewer than 20", "about 300", "1", "one for each processor, exactly"},
		Right:   0,
		Why:     "a goroutine that waits for a socket holds no thread: Go's runtime has the loop around poll() inside",
	},
	So:       "a parley host has two goroutines for each carrier and some for each member, and a dozen threads, whoever many come",
	Defaults: Settings{"hosts": "300"},
	Uses:     []string{"hosts"},
	Free:     []string{"hosts"},
	Real:     true,
	run:      runThreads,
}

func runThreads(r *Run) {
	r.table("threads", "server", "members", "new threads", "all answered within")
	for _, s := range []struct {
		name  string
		serve func(*yard)
	}{{"goroutine each", goroutineEach}, {"select loop", selectLoop}, {"thread each", threadEach}} {
		y, err := openYard(r.Hosts)
		if err != nil {
			r.note("%s: only %d of %d members found room on this machine: %s", s.name, len(y.members), r.Hosts, plain(err))
		}
		if len(y.members) == 0 {
			y.close()
			r.rough("members."+s.name, 0, 1, unlimited)
			continue
		}
		before := pprof.Lookup("threadcreate").Count()
		s.serve(y)
		took, answered := y.ask()
		created := pprof.Lookup("threadcreate").Count() - before
		n := len(y.members)
		y.close()
		r.row("threads", s.name, n, created, took.Round(100*time.Microsecond))
		r.rough("answered."+s.name, int64(answered), int64(n), int64(n))
		switch s.name {
		case "thread each":
			r.rough("threads."+s.name, int64(created), int64(n)*9/10, unlimited)
		default:
			r.rough("threads."+s.name, int64(created), 0, 20)
		}
	}
	r.note("measured on this machine, just now: it will differ a little each time%s", pollNote)
}

// A yard is a server's connections to members of this machine.
type yard struct {
	members, servers []net.Conn
	work             sync.WaitGroup
	stop             []func()
}

// openYard connects members; if there is no room for all, those that found
// some, and why.
func openYard(n int) (y *yard, err error) {
	y = &yard{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return y, err
	}
	defer ln.Close()
	for range n {
		m, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second)
		if err != nil {
			return y, err
		}
		s, err := ln.Accept()
		if err != nil {
			m.Close()
			return y, err
		}
		y.members, y.servers = append(y.members, m), append(y.servers, s)
	}
	return y, nil
}

// ask has each member say one thing, and waits for all answers.
func (y *yard) ask() (took time.Duration, answered int) {
	begin := time.Now()
	for i, m := range y.members {
		fmt.Fprintf(m, "%08d", i)
	}
	buf := make([]byte, 8)
	for i, m := range y.members {
		m.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(m, buf); err == nil && string(buf) == fmt.Sprintf("%08d", i) {
			answered++
		}
	}
	return time.Since(begin), answered
}

// close ends all.
func (y *yard) close() {
	for _, f := range y.stop {
		f()
	}
	for _, c := range append(y.members, y.servers...) {
		c.Close()
	}
	y.work.Wait()
}

// echo says back what a member says.
func echo(c net.Conn) {
	buf := make([]byte, 256)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func goroutineEach(y *yard) {
	for _, c := range y.servers {
		y.work.Go(func() { echo(c) })
	}
}

// threadEach gives each goroutine a thread that no other may use, which is the
// server of the textbooks.
func threadEach(y *yard) {
	var ready sync.WaitGroup
	for _, c := range y.servers {
		ready.Add(1)
		y.work.Go(func() {
			runtime.LockOSThread() // it ends with the goroutine
			ready.Done()
			echo(c)
		})
	}
	ready.Wait()
}
