//go:build !nolab

package own

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"parley/lab"
	"parley/lab/wire"
)

// How a conversation goes.
const (
	firstWord = 100 * time.Millisecond // the first is said: what on_start does has its time
	patience  = time.Minute            // after the last was said, the run ends whatever happens
	still     = 10 * time.Second       // without a datagram, or with everything delivered: it ends
	quiet     = 3 * time.Second        // without a datagram before the end: it has come to rest
	look      = 50 * time.Millisecond  // how often that is looked at
)

// What ends a run in which one end sends without end.
var (
	errStorm = fmt.Errorf("more than %d datagrams from one end in one run", maxSends)
	errFlood = fmt.Errorf("more than %d MB from one end in one run", maxSent>>20)
)

// A lane is one conversation over one wire.
type lane struct {
	name  string
	wire  Wire
	seed  uint64
	talk  talk
	guard *guard
	ctx   context.Context
	each  func(lab.Line) // told what happened, by tell; nil: nobody
	raw   bool           // frames with their bytes
	rec   *wire.Recorder
	lan   *wire.LAN
	zero  time.Time

	mu     sync.Mutex
	told   []lab.Line
	fault  error
	count  map[string]*counts
	busy   map[string]bool // has timers, or more to say
	moved  time.Duration   // when a datagram was sent or came last
	spoke  time.Duration   // when one was sent last
	judge  *judge
	full   time.Duration // when everything was delivered; 0: not yet
	rival  bool          // TCP and the like rest while they wait, so what they have delivered says when they are done
	bad    bool          // something went wrong
	bytes  int64         // of IP packets
	frames int64
}

// hold runs a conversation in a bubble. What talks is started by begin, which
// returns how to stop it.
func (l *lane) hold(bubble wire.Bubble, begin func(a, b *wire.Host) (stop func(), err error)) (Score, error) {
	defer wire.Steady(l.seed)()
	l.rec = wire.NewRecorder(fmt.Sprint("own ", l.name, " ", l.seed))
	l.count = map[string]*counts{"A": {}, "B": {}}
	l.busy = map[string]bool{"A": true, "B": true}
	l.judge = newJudge(l.talk)
	l.ctx = context.Background()
	noisy := true
	bubble(func() {
		c := wire.Config{Seed: l.seed, Way: l.wire.Way, Met: true, Tap: l.tap, Label: l.label}
		if l.wire.Loss > classicAbove || l.wire.Burst > 0 {
			c.TCP = wire.Classic
		}
		l.lan, l.zero = wire.New(c), time.Now()
		defer l.lan.Close()
		a, b := l.lan.Host("A"), l.lan.Host("B")
		over := make(chan struct{})
		var weather sync.WaitGroup
		weather.Go(func() { l.blow(over) })
		stop, err := begin(a, b)
		if err != nil {
			l.fail(err)
		} else {
			noisy = l.wait()
			stop()
		}
		close(over)
		weather.Wait()
	})
	s := l.judge.score()
	s.Datagrams, s.Bytes, s.Noisy = l.frames, l.bytes, noisy
	for _, c := range l.count {
		s.Timers += int64(c.timers)
	}
	return s, l.fault
}

// classicAbove is the share of loss above which the stacks' usual TCP may stand
// still: see package wire.
const classicAbove = 0.05

// blow has a gust come over the wire now and then, in which nothing arrives.
func (l *lane) blow(over <-chan struct{}) {
	if l.wire.Burst <= 0 {
		return
	}
	luck := rand.New(rand.NewPCG(l.seed, 0x6775737473)) // "gusts"
	gust := func(mean time.Duration) time.Duration {
		return mean/2 + time.Duration(luck.Int64N(int64(mean)))
	}
	calm := l.wire.Way
	storm := calm
	storm.Loss = 1
	for {
		lost, fine := gust(meanGust), gust(time.Duration(float64(meanGust)*(1-l.wire.Burst)/l.wire.Burst))
		for _, w := range []struct {
			way wire.Way
			d   time.Duration
		}{{calm, fine}, {storm, lost}} {
			l.lan.SetAll(w.way)
			select {
			case <-over:
				return
			case <-time.After(w.d):
			}
		}
	}
}

// meanGust is how long nothing arrives at a time, on average.
const meanGust = 60 * time.Millisecond

// wait returns when the conversation is over, and whether it never comes to
// rest.
func (l *lane) wait() (noisy bool) {
	limit := l.talk.at(len(l.talk.texts)) + patience
	cable := l.wire.Delay + l.wire.Jitter + l.wire.HoldBack + 2*look
	for {
		time.Sleep(look + 13*time.Microsecond) // seldom the instant at which something happens
		l.mu.Lock()
		now, fault := l.now(), l.fault
		idle := !l.busy["A"] && !l.busy["B"] && now > l.moved+cable
		last := max(l.spoke, l.talk.at(len(l.talk.texts)))
		done := l.judge.complete()
		if done && l.full == 0 {
			l.full = now
		}
		l.mu.Unlock()
		switch {
		case fault != nil:
			return false
		case l.rival:
			if done && now > l.full+time.Second || now > limit {
				return false
			}
		case idle:
			return false
		case now > last+still:
			return false
		case l.full > 0 && now > l.full+still || now > limit:
			return now < l.spoke+quiet
		}
	}
}

// now is how long the lane has run.
func (l *lane) now() time.Duration { return time.Since(l.zero) }

// at is an instant of the lane.
func (l *lane) at(d time.Duration) time.Time { return l.zero.Add(d) }

// fail notes what ends the run.
func (l *lane) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault == nil {
		l.fault = err
	}
}

// line tells of something.
func (l *lane) line(n lab.Line) {
	if l.each == nil {
		return
	}
	n.Lane = l.name
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, n)
}

// tell gives the lines to each. What happens at one instant on two hosts is for
// Go's scheduler to order; it must not matter, so A goes before B, and both
// before what is on the wire.
func (l *lane) tell() {
	rank := func(n lab.Line) int {
		switch n.Host {
		case "A":
			return 1
		case "B":
			return 2
		}
		return 3
	}
	slices.SortStableFunc(l.told, func(a, b lab.Line) int { return cmp.Or(cmp.Compare(a.T, b.T), cmp.Compare(rank(a), rank(b))) })
	for _, n := range l.told {
		l.each(n)
	}
}

// said is when a message is said.
func (l *lane) said(msg int) time.Duration { return l.talk.at(msg) }

// says notes that a message is said, and returns it.
func (l *lane) says(host string, msg int) string {
	words := l.talk.texts[msg-1]
	l.mu.Lock()
	l.judge.say(host, msg, l.now())
	l.mu.Unlock()
	l.line(lab.Line{K: "call", T: l.now(), Host: host, Fn: "say", Msgs: []int{msg}, Text: words})
	return words
}

// ticked notes a timer.
func (l *lane) ticked(host string, name starlark.Value) {
	l.mu.Lock()
	l.count[host].timers++
	l.mu.Unlock()
	if l.each != nil {
		l.line(lab.Line{K: "call", T: l.now(), Host: host, Fn: "timer", Text: name.String()})
	}
}

// timersOf notes how many timers an end has, and how much to say.
func (l *lane) timersOf(host string, timers, says int) {
	l.mu.Lock()
	l.busy[host] = timers > 0 || says > 0
	l.mu.Unlock()
}

// sent notes a datagram. It returns false when the run is over.
func (l *lane) sent(host string, n int, msgs []int) (bool, error) {
	l.mu.Lock()
	c := l.count[host]
	c.sent++
	c.bytes += n
	l.moved, l.spoke = l.now(), l.now()
	storm, flood, over := c.sent > maxSends, c.bytes > maxSent, l.fault != nil
	l.mu.Unlock()
	switch {
	case storm:
		return false, errStorm
	case flood:
		return false, errFlood
	}
	l.line(lab.Line{K: "call", T: l.now(), Host: host, Fn: "send", N: n, Msgs: msgs})
	return !over, nil
}

// heard notes that a datagram came.
func (l *lane) heard(host string, n int, msgs []int) {
	l.mu.Lock()
	l.moved = l.now()
	l.mu.Unlock()
	l.line(lab.Line{K: "read", T: l.now(), Host: host, N: n, Msgs: msgs})
}

// shown notes what a person is shown.
func (l *lane) shown(host, words string) error {
	l.mu.Lock()
	c := l.count[host]
	c.shown++
	msg, why := l.judge.show(host, words, l.now())
	flood := c.shown > maxShown
	l.mu.Unlock()
	if flood {
		return fmt.Errorf("more than %d texts delivered at one end in one run", maxShown)
	}
	n := lab.Line{K: "show", T: l.now(), Host: host, Why: why, Text: words}
	if len(n.Text) > maxLogLine {
		n.Text = n.Text[:maxLogLine]
	}
	if msg > 0 {
		n.Msgs = []int{msg}
	}
	l.line(n)
	return nil
}

// carried finds which messages are in a datagram: those whose words are.
func (l *lane) carried(data []byte) (msgs []int) {
	if l.each == nil {
		return nil
	}
	for i, words := range l.talk.texts {
		if len(words) > 2 && bytes.Contains(data, []byte(words)) {
			msgs = append(msgs, i+1)
		}
	}
	return msgs
}

// label does so for frames.
func (l *lane) label(f *wire.Frame) []int { return l.carried(f.Payload) }

// tap notes a frame and what becomes of it.
func (l *lane) tap(f *wire.Frame) {
	l.rec.Tap(f)
	l.mu.Lock()
	l.frames++
	l.bytes += int64(len(f.Data)) - 14 // without what Ethernet adds
	l.mu.Unlock()
	if l.each == nil || len(f.Copies) == 0 {
		return
	}
	n := lab.Line{
		K: "frame", T: f.At, ID: f.ID, From: f.From.Name(), To: f.Copies[0].To.Name(), Proto: f.Proto, Flags: f.Flags, Seq: f.Seq, Ack: f.Ack,
		Win: f.Window, Len: len(f.Payload), N: len(f.Data), Msgs: f.Messages, Resent: f.Resent,
	}
	if l.raw {
		n.Data = f.Data
	}
	l.line(n)
	for _, c := range f.Copies {
		fate := map[wire.Fate]string{wire.Delivered: "deliver", wire.Dropped: "drop", wire.Damaged: "corrupt"}[c.Fate]
		l.line(lab.Line{K: "fate", T: f.At, ID: f.ID, To: c.To.Name(), Fate: fate, Why: c.Why, At: c.At})
	}
}

// play runs a script on both hosts.
func (l *lane) play(bubble wire.Bubble, s *script) (Score, error) {
	var logs [2][]string
	score, err := l.hold(bubble, func(a, b *wire.Host) (func(), error) {
		ends := make([]*end, 2)
		var err error
		for i, h := range []*wire.Host{a, b} {
			if ends[i], err = newEnd(l, h, []*wire.Host{b, a}[i], s, l.talk.of(h.Name())); err != nil {
				return nil, err
			}
		}
		var running sync.WaitGroup
		for _, e := range ends {
			running.Go(func() {
				if err := e.run(); err != nil {
					l.fail(err)
				}
			})
		}
		return func() {
			for i, e := range ends {
				e.socket.Close()
				defer func() { logs[i] = e.log }()
			}
			running.Wait()
			l.guard.forget()
		}, nil
	})
	score.Log = slices.Concat(logs[0], logs[1])
	var f *Fault
	if errors.As(err, &f) && f.Where != "" {
		f.Where += fmt.Sprintf(", wire %s, seed %d", l.wire.Name, l.seed)
	}
	return score, err
}
