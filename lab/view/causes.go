//go:build !nolab

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/lab"
)

// An event is a row of a sequence: a frame on its way, or what a program did
// or got while nothing was on its way because of it.
type event struct {
	at      time.Duration
	n       int // which line it is of: what is told first comes first
	frame   *frame
	fate    lab.Line // of this copy
	copy    int      // which one, from 0
	cause   string   // the call that made the frame leave
	effects []effect // what it led to where it arrived
	host    string   // of a call, read or state alone
	text    string   // of it
	bad     bool     // it went wrong
	others  int      // how many more hosts it befell alike
}

// endOfStream is no error, but the other side's goodbye.
const endOfStream = "end of stream"

// An effect is what a program got when a frame had come.
type effect struct {
	text string
	bad  bool
}

// told is a call, read or state that has to be told somewhere.
type told struct {
	numbered
	at   time.Duration // when it is told: calls that wait, when they return
	used bool
}

// waiting are calls that return when something has come.
var waiting = []string{"accept", "connect", "recvfrom", "read"}

// events are what there is to show of a lane, in order. They are worked out
// from the lines alone: what a program called at the instant at which a frame
// left is why it left; what it got at the instant at which one arrived came by
// that.
func (n *lane) events(o Options) (all []*event) {
	calls := make([]*told, 0, len(n.calls))
	for _, c := range n.calls {
		t := &told{numbered: c, at: c.T}
		if slices.Contains(waiting, c.Fn) {
			t.at += max(0, c.Took)
		}
		calls = append(calls, t)
	}
	for _, r := range slices.Concat(n.gotten(), n.changes) {
		calls = append(calls, &told{numbered: r, at: r.T})
	}
	slices.SortStableFunc(calls, func(a, b *told) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	by := index(calls)
	for _, f := range n.frames {
		fates := f.fates
		if len(fates) == 0 {
			fates = []lab.Line{{}}
		}
		copies := map[string]int{}
		cause := by.cause(f)
		for _, fate := range fates {
			e := &event{at: f.T, n: f.n, frame: f, fate: fate, copy: copies[fate.To], cause: cause}
			copies[fate.To]++
			cause = ""
			all = append(all, e)
		}
	}
	by.effects(all, n)
	for _, c := range calls {
		if !c.used && c.Err != "closed" { // by itself
			all = append(all, &event{at: c.at, n: c.n, host: c.Host, text: n.told(c.Line), bad: c.Err != "" && c.Err != endOfStream})
		}
	}
	slices.SortStableFunc(all, func(a, b *event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	all = slices.DeleteFunc(all, func(e *event) bool { return !o.within(e.at) })
	return alike(all)
}

// alike makes one of what a program does again and again.
func alike(events []*event) (all []*event) {
	for i := 0; i < len(events); {
		e, n := events[i], 1
		for i+n < len(events) && e.frame == nil && events[i+n].frame == nil && events[i+n].text == e.text && events[i+n].host == e.host && events[i+n].at > e.at {
			n++
		}
		if n > 2 {
			e.text = fmt.Sprintf("%d x %s, until %s", n, e.text, short(events[i+n-1].at))
			all, i = append(all, e), i+n
			continue
		}
		all, i = append(all, e), i+1
	}
	return all
}

// place is where and when.
type place struct {
	host string
	at   time.Duration
}

// An indexed finds calls by where and when they were made, and by where and
// when they returned.
type indexed struct {
	made, returned map[place][]*told
	long           map[string][]*told // by host: those that took time
}

// mostAtOnce is how many calls of one instant are looked through for a cause:
// no lesson has as many, but a file may.
const mostAtOnce = 64

func index(calls []*told) indexed {
	x := indexed{map[place][]*told{}, map[place][]*told{}, map[string][]*told{}}
	for _, c := range calls {
		if at := (place{c.Host, c.at}); len(x.returned[at]) < mostAtOnce {
			x.returned[at] = append(x.returned[at], c)
		}
		if c.K == "call" {
			if at := (place{c.Host, c.T}); len(x.made[at]) < mostAtOnce {
				x.made[at] = append(x.made[at], c)
			}
			if c.Took > 0 && len(x.long[c.Host]) < mostAtOnce {
				x.long[c.Host] = append(x.long[c.Host], c)
			}
		}
	}
	return x
}

// cause finds the call that made a frame leave.
func (x indexed) cause(f *frame) string {
	fits := func(c *told) bool {
		switch {
		case c.K != "call" || f.Resent:
			return false
		case strings.Contains(f.Flags, "F"):
			return c.Fn == "close" || c.Fn == "shutdown"
		case strings.Contains(f.Flags, "R"):
			return c.Fn == "close"
		case f.Flags == "S":
			return c.Fn == "connect"
		case f.Len > 0:
			return c.N > 0 && (share(c.Msgs, f.Msgs) || len(c.Msgs) == 0 || len(f.Msgs) == 0)
		}
		return false
	}
	for _, c := range x.made[place{f.From, f.T}] {
		if !c.used && fits(c) {
			if c.used = c.Fn != "connect" || c.Took == 0; c.used {
				return called(c.Line)
			}
			return c.Fn
		}
	}
	for _, c := range x.long[f.From] {
		if !c.used && c.T < f.T && f.T <= c.T+c.Took && f.Len > 0 && fits(c) {
			c.used = true
			return called(c.Line)
		}
	}
	return ""
}

// effects attaches what programs got to the frames that it came by.
func (x indexed) effects(all []*event, n *lane) {
	arrived := map[place][]*event{}
	for _, e := range all {
		if e.fate.Fate == "deliver" || e.fate.Fate == "corrupt" {
			at := place{e.fate.To, e.fate.At}
			arrived[at] = append(arrived[at], e)
		}
	}
	for at, events := range arrived {
		for _, c := range x.returned[at] {
			if c.used || c.K == "call" && !slices.Contains(waiting, c.Fn) {
				continue
			}
			best, most := (*event)(nil), 0
			for _, e := range events {
				if s := suits(e.frame, c.Line); s > most {
					best, most = e, s
				}
			}
			if best != nil {
				c.used = true
				best.effects = append(best.effects, effect{n.told(c.Line), c.Err != "" && c.Err != endOfStream})
			}
		}
	}
	n.held(all)
}

// suits says how likely a frame is why a program got something.
func suits(f *frame, c lab.Line) int {
	switch {
	case c.K == "show" && share(c.Msgs, f.Msgs):
		return 5
	case c.K == "read" && len(c.Msgs) > 0 && slices.Contains(f.Msgs, c.Msgs[0]):
		return 5
	case c.K == "read" && share(c.Msgs, f.Msgs):
		return 4
	case c.K == "read":
		return min(f.Len, 1)
	case c.K == "state":
		return 1
	case c.Fn == "connect" && (f.Flags == "SA" || strings.Contains(f.Flags, "R")):
		return 3
	case c.Fn == "accept" && f.Proto == "tcp" && f.Len == 0 && f.Flags == "A":
		return 2
	case c.Err == endOfStream && strings.Contains(f.Flags, "F"):
		return 3
	case c.Err != "" && (f.Proto == "icmp" || strings.Contains(f.Flags, "R")):
		return 2
	}
	return 0
}

// held marks frames whose messages came, but were not given to the program
// until later.
func (n *lane) held(all []*event) {
	type part struct {
		host string
		msg  int
	}
	read := map[part]time.Duration{}
	for _, r := range n.gotten() {
		for _, m := range r.Msgs {
			if _, ok := read[part{r.Host, m}]; !ok {
				read[part{r.Host, m}] = r.T
			}
		}
	}
	acts := map[string]bool{} // who has a program that could be given something
	for _, c := range slices.Concat(n.calls, n.gotten()) {
		acts[c.Host] = true
	}
	for _, e := range all {
		if e.frame == nil || e.fate.Fate != "deliver" || len(e.effects) > 0 || e.copy > 0 || !acts[e.fate.To] {
			continue
		}
		for _, m := range e.frame.Msgs {
			if at, ok := read[part{e.fate.To, m}]; !ok || at > e.fate.At {
				e.effects = append(e.effects, effect{text: "holds " + numbers(e.frame.Msgs)})
				break
			}
		}
	}
}

// wants says for each number that an acknowledgement may have which message
// comes next.
func (n *lane) wants() map[uint32]int {
	next := map[uint32]int{}
	for _, f := range n.frames {
		if f.Proto == "tcp" && f.Len > 0 && len(f.Msgs) > 0 {
			next[f.Seq] = f.Msgs[0]
		}
	}
	return next
}

// called is a call as it stands at the edge of a diagram.
func called(c lab.Line) string {
	s := c.Fn
	if len(c.Msgs) > 0 {
		s += " " + numbers(c.Msgs)
	} else if c.N > 0 {
		s += " " + grouped(int64(c.N)) + " B"
	}
	if c.Took > 0 && !slices.Contains(waiting, c.Fn) {
		s += " (blocked " + short(c.Took) + ")"
	}
	return s
}

// told is a call, read or state in words.
func (n *lane) told(c lab.Line) string {
	switch {
	case c.K == "state":
		return "[" + c.Text + "]"
	case c.K == "show":
		return "shows " + numbers(c.Msgs)
	case c.K == "read" && len(c.Msgs) > 0:
		s := "reads " + numbers(c.Msgs)
		if len(c.Msgs) > 1 && n.stream() {
			s += " at once"
		}
		return s
	case c.K == "read":
		return "reads " + grouped(int64(c.N)) + " B"
	case c.Err == endOfStream:
		return "reads the end"
	case c.Err == "deadline":
		return c.Fn + " gives up"
	case c.Err != "":
		return c.Fn + ": " + strings.TrimPrefix(c.Err, c.Fn+": ")
	case c.Fn == "connect" || c.Fn == "accept":
		return c.Fn + " ok"
	}
	return called(c)
}

// lastOfAll is the last instant of events.
func lastOfAll(events []*event) (last time.Duration) {
	for _, e := range events {
		last = max(last, e.at, e.fate.At)
	}
	return last
}
