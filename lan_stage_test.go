//go:build linux

package main_test

// A stage is a room on a LAN under trial: a host and members who talk, each a
// program on a machine of its own, and the checker, which is told of all that
// they say and see. Programs may be killed and started again, stopped and let
// go on; the checker knows the second program of a nick as nick:2.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/node"
	"parley/room"
	"parley/room/roomtest"
	"parley/transport"
)

// stage is one trial.
type stage struct {
	*lan
	t       testing.TB
	rec     roomtest.Recorder
	room    string
	actors  []*actor // the host first
	heir    *actor   // the room was handed over to it; nil: to nobody
	planned int
	end     uint64 // the row at which all had settled
}

// newStage makes a LAN with a machine for each name, the first of them the host's.
func newStage(t testing.TB, names ...string) *stage {
	t.Helper()
	s := &stage{lan: newLAN(t, names...), t: t, room: "physics"}
	for i, b := range s.lan.boxes() {
		s.actors = append(s.actors, &actor{stage: s, nick: names[i], m: s.lan.machines[i], box: b})
	}
	return s
}

// open has the host open the room, and the others join it.
func (s *stage) open(host, member []string) {
	s.t.Helper()
	for i, a := range s.actors {
		if a.flags = member; i == 0 {
			a.flags = host
		}
		a.start()
		a.seated()
	}
}

// host is who hosts the room: the first, or to whom it was handed over.
func (s *stage) host() *actor {
	if s.heir != nil {
		return s.heir
	}
	return s.actors[0]
}

func (s *stage) members() []*actor { return s.actors[1:] }

// actor is somebody who sits in the room, in one program after the other.
type actor struct {
	*stage
	nick   string
	m      *machine
	box    *box
	flags  []string
	target string   // what is joined; empty: the host's address
	wrap   []string // the command that runs the program
	said   int      // sentences, by talk

	mu   sync.Mutex
	runs []*run // the last of them is the program of now
}

// now is the actor's program.
func (a *actor) now() *run {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.runs[len(a.runs)-1]
}

// run is one program.
type run struct {
	*proc
	who    string // nick, nick:2 and so on
	seated chan struct{}
	killed atomic.Bool

	mu      sync.Mutex
	open    map[string]bool // said and not answered, by first word
	stored  int             // said and accepted
	failed  []line
	told    []line         // that something is safe, and not with the host yet
	notices map[string]int // by code
	last    uint64         // the highest row shown
	links   []line
	counts  room.Counters // the last stats
	asked   int           // stats that have come
}

// start starts the actor's program, which is not seated yet.
func (a *actor) start() *run {
	a.stage.t.Helper()
	r := &run{who: a.nick, seated: make(chan struct{}), open: map[string]bool{}, notices: map[string]int{}}
	if n := len(a.runs); n > 0 {
		r.who = fmt.Sprintf("%s:%d", a.nick, n+1)
	}
	args := append([]string{"host", a.stage.room, "--stay"}, a.flags...)
	if a != a.stage.host() {
		target := a.target
		if target == "" {
			target = a.stage.host().m.ip.String()
		}
		args = append([]string{"join", target, "--stay"}, a.flags...)
	}
	args = append(slices.Clone(a.wrap), append([]string{a.box.program}, append(args, "--json", "--nick", a.nick)...)...)
	cmd := a.box.command(args[0], args[1:]...)
	cmd.Env = a.box.environ(a.nick)
	r.proc = start(a.stage.t, r.who, cmd, func(b []byte) { a.stage.sees(r, b) })
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs = append(a.runs, r)
	return r
}

// sees takes in a line that a program has put out.
func (s *stage) sees(r *run, b []byte) {
	if err := s.rec.Line(r.who, b); err != nil {
		s.t.Error(err)
	}
	l := line{text: string(b), at: time.Now()}
	var more struct{ Stats room.Counters }
	json.Unmarshal(b, &l.event)
	r.mu.Lock()
	defer r.mu.Unlock()
	word, _, _ := strings.Cut(l.Text, " ")
	switch l.Type {
	case "ready":
		r.last = l.Seq
		close(r.seated)
	case "accepted":
		r.stored++
		delete(r.open, word)
	case "failed":
		r.failed = append(r.failed, l)
		delete(r.open, word)
	case "pending":
		r.told = append(r.told, l)
	case "notice":
		r.notices[l.Code]++
	case "link":
		r.links = append(r.links, l)
	case "stats":
		json.Unmarshal(b, &more)
		r.asked, r.counts = r.asked+1, more.Stats
	case "delivered":
	default:
		r.last = max(r.last, l.Seq)
	}
}

// seated waits until the actor's program is in the room.
func (a *actor) seated() {
	a.stage.t.Helper()
	select {
	case <-a.now().seated:
	case <-a.now().done:
		a.stage.t.Fatalf("%s: it ended with code %d instead of sitting down", a.now().who, a.now().code)
	case <-time.After(patience):
		a.stage.t.Fatalf("%s: not in the room after %v", a.now().who, patience)
	}
}

// running tells whether the program is there and in the room.
func (r *run) running() bool {
	select {
	case <-r.done:
		return false
	default:
	}
	select {
	case <-r.seated:
		return !r.killed.Load()
	default:
		return false
	}
}

// say says a sentence, or whispers it. Who does not run says nothing.
func (a *actor) say(to, text string) error {
	r := a.now()
	a.stage.rec.Sending(r.who, to, text)
	word, _, _ := strings.Cut(text, " ")
	r.mu.Lock()
	r.open[word] = true
	r.mu.Unlock()
	if to != "" {
		text = "/msg " + to + " " + text
	}
	_, err := io.WriteString(r.stdin, text+"\n")
	return err
}

// signal signals the program: it may be stopped, and let go on.
func (a *actor) signal(sig syscall.Signal) { a.now().cmd.Process.Signal(sig) }

// die kills the program with a signal that it cannot catch.
func (a *actor) die() {
	a.stage.t.Helper()
	r := a.now()
	r.killed.Store(true)
	r.kill()
	a.stage.rec.Add(roomtest.Record{Op: roomtest.End, Who: r.who, Dead: true})
}

// until waits for something to be so, and tells how long that took.
func until(limit time.Duration, is func() bool) (took time.Duration, ok bool) {
	begin := time.Now()
	for !is() {
		if time.Since(begin) > limit {
			return time.Since(begin), false
		}
		<-time.After(5 * time.Millisecond)
	}
	return time.Since(begin), true
}

// count tells how many sentences the program has no answer to.
func (r *run) unanswered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

func (r *run) shown() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// changes are what the program has said of its link since a moment.
func (r *run) changes(since time.Time, states ...string) (list []line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		if l.at.After(since) && (len(states) == 0 || slices.Contains(states, l.State)) {
			list = append(list, l)
		}
	}
	return list
}

// stats asks a program for its counters.
func (r *run) stats() (room.Counters, bool) {
	r.mu.Lock()
	before := r.asked
	r.mu.Unlock()
	if _, err := io.WriteString(r.stdin, "/stats\n"); err != nil {
		return room.Counters{}, false
	}
	_, ok := until(2*time.Second, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.asked > before
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts, ok
}

// idle tells whether a program says that nothing of it is pending, not even
// what it took over from one that died.
func (r *run) idle() bool {
	counts, ok := r.stats()
	return ok && counts.Pending == 0
}

// settle waits until every sentence has its answer and everybody has seen
// everything, and tells how long that took.
func (s *stage) settle(limit time.Duration) time.Duration {
	s.t.Helper()
	begin := time.Now()
	fail := func(a *actor, what string) {
		s.t.Errorf("%v after all was healed, %s %s", limit, a.now().who, what)
	}
	left := func() time.Duration { return limit - time.Since(begin) }
	for _, a := range s.actors {
		if !a.now().running() {
			continue
		}
		if _, ok := until(left(), func() bool { return a.now().unanswered() == 0 }); !ok {
			a.now().mu.Lock()
			words := slices.Sorted(maps.Keys(a.now().open))
			a.now().mu.Unlock()
			fail(a, fmt.Sprintf("has no answer to %d sentences: %.200s", len(words), strings.Join(words, " ")))
		}
		if _, ok := until(left(), a.now().idle); !ok {
			fail(a, fmt.Sprintf("says that %d are pending", a.now().counts.Pending))
		}
	}
	s.planned++
	if err := s.host().say("", fmt.Sprintf("fin-%d", s.planned)); err != nil {
		s.t.Fatal(err)
	}
	until(left(), func() bool { return s.host().now().unanswered() == 0 })
	s.host().now().sees("its own last word", said(fmt.Sprintf("fin-%d", s.planned))) // which may come after the answer
	s.end = s.host().now().shown()
	for _, a := range s.actors {
		if _, ok := until(left(), func() bool { return !a.now().running() || a.now().shown() >= s.end }); !ok {
			fail(a, fmt.Sprintf("has seen rows up to %d of %d", a.now().shown(), s.end))
		}
	}
	return time.Since(begin)
}

// judge kills the host, reads its log, and has the checker decide over it and
// what everybody saw, up to the row at which all had settled.
func (s *stage) judge() {
	s.t.Helper()
	s.rec.Add(roomtest.Record{Op: roomtest.Plan, Count: uint64(s.planned), Seq: s.first()})
	for _, a := range s.actors {
		if a.now().running() {
			s.rec.Add(roomtest.Record{Op: roomtest.End, Who: a.now().who})
		}
	}
	history := s.rec.History()
	s.host().die()
	rows := s.stored()
	s.checkPromised(history, rows)
	history = append(history, rows...)
	history = slices.DeleteFunc(history, func(r roomtest.Record) bool {
		return r.Seq > s.end && (r.Op == roomtest.Log || r.Op == roomtest.Recv || r.Op == roomtest.Gap)
	})
	if found := roomtest.Check(history); found != nil {
		s.t.Errorf("the checker found:\n%s", roomtest.Report(found))
		s.host().box.keep(history)
	}
}

// checkPromised demands that what programs, dead ones too, called safe is stored, or was said
// to have failed.
func (s *stage) checkPromised(history, rows []roomtest.Record) {
	s.t.Helper()
	known := map[string]bool{}
	for _, r := range slices.Concat(history, rows) {
		if r.Op == roomtest.Fail || r.Op == roomtest.Log {
			known[r.CID] = true
		}
	}
	for _, a := range s.actors {
		for _, r := range a.runs {
			for _, l := range r.told {
				if word, _, _ := strings.Cut(l.Text, " "); !known[word] {
					s.t.Errorf("%s said that %s is safe, and nobody knows of it", r.who, word)
				}
			}
		}
	}
}

// promised counts what the programs called safe.
func (s *stage) promised() (n int) {
	for _, a := range s.actors {
		for _, r := range a.runs {
			r.mu.Lock()
			n += len(r.told)
			r.mu.Unlock()
		}
	}
	return n
}

// stored reads the log of the host, which does not run, up to the row at which
// all had settled: everything, with the whispers of others.
func (s *stage) stored() (rows []roomtest.Record) {
	s.t.Helper()
	name := s.host().now().sees("ready", kind("ready")).Key
	var key transport.Key
	if name != "" {
		var err error
		if key, err = transport.ParseKey(name); err != nil {
			s.t.Fatal(err)
		}
	}
	h := &node.Histories{Dir: filepath.Join(s.host().box.home(s.host().nick), "parley", "history")}
	log, release, err := h.Open(s.room, key)
	if err != nil {
		s.t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	enough := errors.New("enough")
	err = log.Tail(ctx, 0, func(run []room.Entry) error {
		for _, e := range run {
			rows = append(rows, s.row(e))
		}
		if run[len(run)-1].Seq >= s.end {
			return enough
		}
		return nil
	})
	if err != enough {
		s.t.Errorf("the host's log ends with row %d, want %d: %v", len(rows), s.end, err)
	}
	return rows
}

// row is an entry of the log as the checker has it.
func (s *stage) row(e room.Entry) roomtest.Record {
	ev, err := e.Event()
	if err != nil {
		s.t.Errorf("the log's row %d: %v", e.Seq, err)
	}
	row := roomtest.Record{Op: roomtest.Log, Seq: e.Seq, From: ev.From, To: ev.To}
	switch ev.Type {
	case room.Message, room.Act, room.Whisper:
		row.CID, _, _ = strings.Cut(ev.Text, " ")
		row.Body = ev.Text
	default:
		row.Some = e.Audience != nil
		row.Body = strings.TrimSpace(string(ev.Type) + " " + ev.Nick + " " + ev.Text)
	}
	return row
}

// first is the row after which the first program of the host has seen all.
func (s *stage) first() uint64 {
	return s.actors[0].runs[0].sees("ready", kind("ready")).Seq
}

// sent counts what was said so far.
func (s *stage) sent() (n int) {
	for _, r := range s.rec.History() {
		if r.Op == roomtest.Send {
			n++
		}
	}
	return n
}

// took tells, of each message that somebody saw, how long it took from being
// said until the last of those who sat there to the end had it, in order.
func (s *stage) took(except ...*actor) (list []time.Duration) {
	return s.tookSince(time.Time{}, except...)
}

// tookSince is took for what was said after a moment.
func (s *stage) tookSince(moment time.Time, except ...*actor) (list []time.Duration) {
	ago := int64(time.Since(moment))
	still := map[string]bool{}
	for _, a := range s.actors {
		still[a.now().who] = len(a.runs) == 1 && a.now().running() && !slices.Contains(except, a)
	}
	sent, seen := map[string]int64{}, map[string]int64{}
	s.rec.Add(roomtest.Record{Op: roomtest.Plan}) // its time is now
	history := s.rec.History()
	first := history[len(history)-1].T - ago
	for _, r := range history {
		switch {
		case r.Op == roomtest.Send && r.T >= first:
			sent[r.CID] = r.T
		case r.Op == roomtest.Recv && r.CID != "" && still[r.Who]:
			seen[r.CID] = max(seen[r.CID], r.T)
		}
	}
	for cid, at := range sent {
		if seen[cid] > 0 {
			list = append(list, time.Duration(seen[cid]-at))
		}
	}
	slices.Sort(list)
	return list
}

// part is the value that so much of a sorted list is at most.
func quantile(list []time.Duration, part float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[min(len(list)-1, int(part*float64(len(list))))]
}

// talk has each of the actors say count things of up to size bytes, one every
// so often, and waits until all is said. Everybody else goes on in the meantime.
func (s *stage) talk(count, size int, every time.Duration, actors ...*actor) *sync.WaitGroup {
	s.planned += count * len(actors)
	all := new(sync.WaitGroup)
	for i, a := range actors {
		all.Go(func() {
			begin := time.Now().Add(every * time.Duration(i) / time.Duration(len(actors)))
			for n := range count {
				if wait := time.Until(begin.Add(time.Duration(n) * every)); wait > 0 {
					<-time.After(wait)
				}
				if err := a.say("", numbered(a.nick, a.said, (n*7919+i*104729)%size)); err != nil {
					s.t.Errorf("%s cannot say any more: %v", a.now().who, err)
					return
				}
				a.said++
			}
		})
	}
	return all
}

// chat has each of the actors say something every so often, until it is told to
// stop. Who does not run, or is only coming, says nothing meanwhile.
func (s *stage) chat(size int, every time.Duration, actors ...*actor) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	for i, a := range actors {
		all.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				if a.now().running() {
					a.say("", numbered(a.nick, a.said, (a.said*7919+i*104729)%size)) // that it dies meanwhile is allowed
					a.said++
				}
			}
		})
	}
	return func() {
		close(done)
		all.Wait()
		for _, a := range actors {
			s.planned += a.said
		}
	}
}

// only adds a fault and returns what ends this one alone.
func (l *lan) only(match string) (undo func()) {
	l.t.Helper()
	out := l.hub("-a", "-e", "add rule bridge parley forward "+match+" counter name lost drop")
	_, handle, found := strings.Cut(string(out), "# handle ")
	if !found {
		l.t.Fatalf("nft does not tell the rule's handle: %s", out)
	}
	handle = strings.Fields(handle)[0]
	return func() { l.hub("delete rule bridge parley forward handle " + handle) }
}

// disk gives a directory a disk of its own, of so many bytes.
func disk(t testing.TB, dir string, size int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill leaves no byte free on the disk of a directory, until free is called.
func fill(t testing.TB, dir string) (free func()) {
	t.Helper()
	f, err := os.CreateTemp(dir, "ballast-*")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Error(err)
		}
	}
}

// move gives the machine another IPv4 address; the old one is gone.
func (m *machine) move(to string) {
	m.lan.t.Helper()
	m.lan.run("sh", "-e", "-c", fmt.Sprintf("ip -n %[1]s addr del %[2]s/24 dev eth0\nip -n %[1]s addr add %[3]s/24 brd + dev eth0", m.ns, m.ip, to))
	m.ip = netip.MustParseAddr(to)
}
