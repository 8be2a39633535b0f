//go:build !nolab

package lab

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/lab/wire"
)

// A Lane is one of the experiments of a lesson, on a LAN of its own, so that
// two transports can meet the same fate on one axis of time.
type Lane struct {
	Name string
	What string    // tcp, udp, parley, ...
	A, B *Host     // the first two of its hosts
	LAN  *wire.LAN // nil on this machine's own sockets

	run       *Run
	hosts     []*Host
	rec       *wire.Recorder
	ids       ids
	began     time.Time
	unmatched []string            // rules that dropped nothing
	screen    *screen             // what B's person sees of numbered messages
	text      func([]byte) string // what is told of the bytes of a read; nil: nothing

	lock  *sync.Mutex // guards the run's lines, and all below
	sent  map[int]time.Duration
	got   map[receipt]*arrival
	heard []string     // who ought to hear what is said
	hurt  map[int]bool // messages of which a frame was lost or damaged
	late  time.Duration
	rooms map[string]int // of whom it was told last
}

// receipt is a message as one host gets it.
type receipt struct {
	host string
	msg  int
}

// arrival is when it came first, and how often.
type arrival struct {
	at     time.Duration
	copies int
}

// ids says which messages some bytes carry a part of: bytes of a datagram, or
// those at an offset of a stream.
type ids func(data []byte, stream bool, offset uint64) []int

// lane runs an experiment with the hosts A and B.
func (r *Run) lane(name, what string, c wire.Config, label ids, f func(l *Lane)) *Lane {
	return r.laneOf([]string{"A", "B"}, name, what, c, label, f)
}

// laneOf is a lane with hosts of other names; the first two are A and B.
func (r *Run) laneOf(hosts []string, name, what string, c wire.Config, label ids, f func(l *Lane)) *Lane {
	l := &Lane{
		Name: name, What: what, run: r, ids: label, lock: &sync.Mutex{}, screen: &screen{seen: map[int]bool{}},
		sent: map[int]time.Duration{}, got: map[receipt]*arrival{}, hurt: map[int]bool{}, rooms: map[string]int{},
		heard: []string{"B"}, late: c.Way.Delay + c.Way.Jitter + lateBy,
		rec: wire.NewRecorder(fmt.Sprint(r.Lesson.Name, " ", name, " ", r.Seed)),
	}
	r.line(Line{K: "lane", Lane: name, What: what, Hosts: hosts})
	begin := func() {
		l.began = time.Now()
		for _, h := range hosts {
			l.hosts = append(l.hosts, l.Host(h))
		}
		l.A, l.B = l.hosts[0], l.hosts[1]
	}
	if r.real {
		begin()
		f(l)
		r.judge(l)
		return l
	}
	c.Tap = l.tap
	c.Label = func(f *wire.Frame) []int {
		if l.ids == nil || len(f.Payload) == 0 {
			return nil
		}
		return l.ids(f.Payload, f.Proto == "tcp", f.Offset)
	}
	r.bubble(func() {
		l.LAN = wire.New(c)
		defer l.LAN.Close()
		begin()
		if v := r.Values; v.From != "" && v.Way.Loss > 0 {
			l.oneWay(v)
		}
		if r.Cut > 0 {
			stop := time.AfterFunc(r.Cut, func() { l.LAN.Unplug(l.A.wire, true) })
			defer stop.Stop()
		}
		f(l)
		for _, rule := range l.LAN.Unmatched() {
			l.unmatched = append(l.unmatched, rule.String())
		}
	})
	r.judge(l)
	return l
}

// lateBy is how much longer than the cable a message may take.
const lateBy = 5 * time.Millisecond

// classicAbove is the share of loss above which the usual TCP of the stacks may
// stand still: see package wire.
const classicAbove = 0.05

// oneWay has one way alone lose frames.
func (l *Lane) oneWay(v *Values) {
	var from, to *wire.Host
	for _, h := range l.LAN.Hosts() {
		switch h.Name() {
		case v.From:
			from = h
		case v.To:
			to = h
		}
	}
	if from != nil && to != nil {
		l.LAN.Set(from, to, v.Way)
	}
}

// Now is how long the lane has run.
func (l *Lane) Now() time.Duration { return time.Since(l.began) }

// line notes something of this lane.
func (l *Lane) line(n Line) {
	n.Lane = l.Name
	l.lock.Lock()
	defer l.lock.Unlock()
	l.run.line(n)
}

// tap notes a frame, and what becomes of it.
func (l *Lane) tap(f *wire.Frame) {
	l.rec.Tap(f)
	to := "*"
	if mac := f.Data[:6]; mac[0]&1 == 0 && len(f.Copies) > 0 {
		to = f.Copies[0].To.Name()
	}
	n := Line{
		K: "frame", T: f.At, ID: f.ID, From: f.From.Name(), To: to, Proto: f.Proto, Flags: f.Flags, Seq: f.Seq, Ack: f.Ack, Win: f.Window,
		Len: len(f.Payload), N: len(f.Data), Msgs: f.Messages, Resent: f.Resent,
	}
	if l.run.bytes {
		n.Data = f.Data
	}
	if l.run.sparse && f.ID > alwaysTold && !standsOut(f) {
		if f.Proto == "tcp" && f.Flags == "A" && f.Room > 0 {
			l.window(f)
		}
		return
	}
	l.line(n)
	for _, c := range f.Copies {
		fate := map[wire.Fate]string{wire.Delivered: "deliver", wire.Dropped: "drop", wire.Damaged: "corrupt"}[c.Fate]
		l.line(Line{K: "fate", T: f.At, ID: f.ID, To: c.To.Name(), Fate: fate, Why: c.Why, At: c.At})
		if c.Fate != wire.Delivered {
			l.lock.Lock()
			for _, m := range f.Messages {
				l.hurt[m] = true
			}
			l.lock.Unlock()
		}
	}
}

// alwaysTold is how many frames of a lane are told whatever they are: enough to
// see in a picture how it begins.
const alwaysTold = 60

// standsOut says whether a frame is told that is one of thousands: a connection
// that is made, a window that is full, a loss.
func standsOut(f *wire.Frame) bool {
	full := f.Proto == "tcp" && f.Window == 0 && !strings.Contains(f.Flags, "R")
	return full || strings.Contains(f.Flags, "S") || slices.ContainsFunc(f.Copies, func(c wire.Copy) bool { return c.Fate == wire.Dropped })
}

// window tells how much room a host has, if that has changed much.
func (l *Lane) window(f *wire.Frame) {
	l.lock.Lock()
	last, ok := l.rooms[f.From.Name()]
	much := !ok || f.Room > last+last/4 || f.Room < last-last/4
	if much {
		l.rooms[f.From.Name()] = f.Room
	}
	l.lock.Unlock()
	if much {
		l.line(Line{K: "sample", T: f.At, Host: f.From.Name(), Name: "window", Got: int64(f.Room)})
	}
}

// said notes that a message is on its way from now on.
func (l *Lane) said(msg int) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if _, ok := l.sent[msg]; !ok {
		l.sent[msg] = l.Now()
	}
}

// heardBy notes that a host's program has a message, perhaps once more. It
// tells how often.
func (l *Lane) heardBy(h *Host, msg int) (copies int) {
	l.lock.Lock()
	defer l.lock.Unlock()
	a := l.got[receipt{h.name, msg}]
	if a == nil {
		a = &arrival{at: l.Now()}
		l.got[receipt{h.name, msg}] = a
	}
	a.copies++
	return a.copies
}

// A Tally is what became of the messages of a lane.
type Tally struct {
	Sent, Got, Missing, Late, Innocent, Doubled int64
	Waits                                       []time.Duration // of those that came, in the order of their numbers
}

// Percentile returns a waiting time; 0 if nothing came.
func (t Tally) Percentile(p float64) time.Duration {
	if len(t.Waits) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(t.Waits))
	return s[min(int(p*float64(len(s))), len(s)-1)]
}

// wait is how long a message took to a host; 0: it never came.
func (l *Lane) wait(host string, msg int) time.Duration {
	a := l.got[receipt{host, msg}]
	if a == nil {
		return 0
	}
	return a.at - l.sent[msg]
}

// tally counts.
func (l *Lane) tally() (t Tally) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for msg := range l.order() {
		for _, host := range l.heard {
			n := l.fate(host, msg)
			t.Sent++
			switch {
			case n.Lost:
				t.Missing++
				continue
			case n.Innocent:
				t.Innocent++
			}
			if n.Late {
				t.Late++
			}
			t.Got++
			t.Doubled += int64(n.Copies - 1)
			t.Waits = append(t.Waits, n.At-n.Sent)
		}
	}
	return t
}

// order yields the messages in the order of their numbers. l.lock is held.
func (l *Lane) order() func(func(int) bool) {
	all := make([]int, 0, len(l.sent))
	for m := range l.sent {
		all = append(all, m)
	}
	slices.Sort(all)
	return slices.Values(all)
}

// fate says what became of a message. l.lock is held.
func (l *Lane) fate(host string, msg int) Line {
	n := Line{K: "msg", Lane: l.Name, Host: host, Msgs: []int{msg}, Sent: l.sent[msg]}
	a := l.got[receipt{host, msg}]
	if a == nil {
		n.Lost = true
		return n
	}
	n.At, n.Copies = a.at, a.copies
	n.Late = n.At-n.Sent > l.late
	n.Innocent = n.Late && !l.hurt[msg]
	return n
}

// judge takes a lane that is over into the run.
func (r *Run) judge(l *Lane) {
	r.Lanes = append(r.Lanes, l)
	l.lock.Lock()
	defer l.lock.Unlock()
	for msg := range l.order() {
		for _, host := range l.heard {
			n := l.fate(host, msg)
			r.line(n)
			r.notes = append(r.notes, fmt.Sprint(l.Name, host, msg, int64(n.At-n.Sent), n.Copies))
		}
	}
}

// fingerprint is that of what was on the wire.
func (l *Lane) fingerprint() string { return l.rec.Fingerprint() }

// frames is how many were sent.
func (l *Lane) frames() int {
	kept, more := l.rec.Frames()
	return len(kept) + more
}

// count counts frames.
func (l *Lane) count(which func(*wire.Frame) bool) (n int64) {
	frames, _ := l.rec.Frames()
	for _, f := range frames {
		if which(f) {
			n++
		}
	}
	return n
}

// copies counts copies of frames, as they come to one host each.
func (l *Lane) copies(which func(*wire.Frame, wire.Copy) bool) (n int64) {
	frames, _ := l.rec.Frames()
	for _, f := range frames {
		for _, c := range f.Copies {
			if which(f, c) {
				n++
			}
		}
	}
	return n
}

// bytes counts the bytes of all frames, without what Ethernet adds.
func (l *Lane) bytes() (n int64) {
	frames, _ := l.rec.Frames()
	for _, f := range frames {
		n += int64(len(f.Data)) - 14
	}
	return n
}

type (
	frame    = wire.Frame
	wireHost = wire.Host
)

func anything(*wire.Frame) bool { return true }

func proto(name string) func(*wire.Frame) bool {
	return func(f *wire.Frame) bool { return f.Proto == name }
}

// Capture writes what was to be seen on a host.
func (l *Lane) Capture(w io.Writer, at *Host) error {
	frames, _ := l.rec.Frames()
	command := fmt.Sprintf("parley lab run %s --seed %d", l.run.Lesson.Name, l.run.Seed)
	for _, s := range l.run.Lesson.settings() {
		if text, ok := l.run.given[s]; ok && s != "seed" {
			command += fmt.Sprintf(" --%s %s", s, text)
		}
	}
	return wire.WritePcapng(w, at.wire, frames, command+", lane "+l.Name)
}

// captures adds the captures that a name asks for: LANE:HOST, or LANE.
func (r *Run) captures(name string) error {
	lane, host, one := strings.Cut(name, ":")
	var known []string
	for _, l := range r.Lanes {
		if l.LAN == nil {
			continue
		}
		for _, h := range l.LAN.Hosts() {
			known = append(known, l.Name+":"+h.Name())
			if l.Name != lane || one && h.Name() != host {
				continue
			}
			var b bytes.Buffer
			if err := l.Capture(&b, &Host{wire: h}); err != nil {
				return err
			}
			r.line(Line{K: "file", Name: l.Name + "-" + h.Name() + ".pcapng", Data: b.Bytes()})
			if one {
				return nil
			}
		}
	}
	if !slices.ContainsFunc(known, func(s string) bool { return strings.HasPrefix(s, lane+":") }) || one {
		return &SettingError{"capture", name, "no such place; there are " + strings.Join(known, ", ")}
	}
	return nil
}
