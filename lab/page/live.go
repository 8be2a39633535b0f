//go:build !nolab

package page

import (
	"context"
	"maps"
	"sync"
	"time"

	"parley/lab"
)

// The bounds of a live class.
const (
	maxCommands = 1024            // that wait for the engine: a class that says all it may, for ten seconds
	maxBehind   = time.Second     // of virtual time that the engine may be behind: a slow one is waited for
	goodbye     = 2 * time.Second // that an engine has to end
)

// A live is a class on the virtual wire: an engine, and who writes to it. An
// engine that stops to read stops nobody else: commands wait in a queue, and when
// that is full the class ends.
type live struct {
	commands chan lab.Command // of class.do alone; closed by endLive
	until    time.Duration    // virtual, that it has been told to reach
	reached  time.Duration    // that it says it has
	stop     chan struct{}    // ends its clock
	flying   uint64           // the frame of the bare lane that was told last
	carries  int              // its text
}

// startLive begins a live class, with a host for each student. c.mu is held.
func (c *class) startLive(settings map[string]string) error {
	c.endLive()
	ctx, kill := context.WithCancel(context.Background())
	l := &live{commands: make(chan lab.Command, maxCommands), stop: make(chan struct{})}
	session, err := c.s.Engine.Start(ctx, lab.Request{Live: true, Settings: settings, Bytes: true}, func(line lab.Line) error { return c.line(l, line) })
	if err != nil {
		kill()
		return err
	}
	c.live, c.lines, c.first = l, nil, c.first+len(c.lines)
	c.state.Live, c.state.Paused = true, false
	for _, s := range c.students {
		c.do(lab.Command{Do: "join", Host: s.Nick})
	}
	l.until = time.Second // so that all are connected
	c.do(lab.Command{Do: "go", Until: l.until})
	var wrote sync.WaitGroup
	wrote.Go(func() {
		for q := range l.commands {
			if session.Do(q) != nil { // it has ended
				c.mu.Lock()
				if c.live == l {
					c.endLive()
					c.tell()
				}
				c.mu.Unlock()
				for range l.commands { // closed by endLive
				}
			}
		}
	})
	c.clock.Go(func() { c.run(l) })
	c.clock.Go(func() {
		<-l.stop
		late := time.AfterFunc(goodbye, kill)
		wrote.Wait()
		session.Close()
		late.Stop()
		kill()
	})
	return nil
}

// endLive ends the live class, if there is one. c.mu is held.
func (c *class) endLive() {
	if c.live == nil {
		return
	}
	close(c.live.stop)
	close(c.live.commands)
	c.live, c.state.Live = nil, false
}

// run has virtual time pass, as fast as the teacher wants it and the engine can.
func (c *class) run(l *live) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
		}
		c.mu.Lock()
		if c.live == l && !c.state.Paused && l.until-l.reached < maxBehind {
			l.until += time.Duration(float64(tick) * c.state.Speed)
			c.do(lab.Command{Do: "go", Until: l.until})
		}
		c.mu.Unlock()
	}
}

// do gives the live class a command, if there is one. c.mu is held.
func (c *class) do(q lab.Command) {
	if c.live == nil {
		return
	}
	select {
	case c.live.commands <- q:
	default: // the engine does not read
		c.endLive()
	}
}

// line takes in what a live class tells; what an earlier one still has to say is
// of no interest.
func (c *class) line(from *live, l lab.Line) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live != from {
		return nil
	}
	if l.K == "clock" {
		from.reached = l.T
	}
	c.lines = append(c.lines, l)
	if n := len(c.lines) - keptLines; n > keptLines/4 { // so that few are moved often
		c.lines = append([]lab.Line(nil), c.lines[n:]...)
		c.first += n
	}
	if c.fared(from, l) {
		c.tell()
	} else {
		c.wake("")
	}
	return nil
}

// bareLane is the lane in which what is lost is lost.
const bareLane = "udp"

// lost is how long a lost text takes.
const lost = time.Duration(-1)

// fared notes how a text fared, and tells whether that is new. c.mu is held.
func (c *class) fared(from *live, l lab.Line) bool {
	switch {
	case l.K == "frame" && l.Lane == bareLane && len(l.Msgs) == 1:
		from.flying, from.carries = l.ID, l.Msgs[0]
	case l.K == "fate" && l.Lane == bareLane && l.ID == from.flying && l.Fate == "drop":
		return c.note(from.carries, bareLane, lost) // nobody sends it again
	case l.K == "msg" && len(l.Msgs) == 1:
		return c.note(l.Msgs[0], l.Lane, l.At-l.Sent)
	}
	return false
}

// note notes how long a text took by a lane. What came first counts. c.mu is held.
func (c *class) note(msg int, lane string, took time.Duration) bool {
	for i := range c.texts {
		t := &c.texts[i]
		if t.Msg != msg {
			continue
		}
		if had, known := t.Fared[lane]; known && (had != lost || took == lost) {
			return false
		}
		fared := map[string]time.Duration{}
		maps.Copy(fared, t.Fared) // views have the old one
		fared[lane] = took
		t.Fared = fared
		return true
	}
	return false
}
