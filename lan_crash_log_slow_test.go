//go:build linux && slow

package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/room/roomtest"
)

// The host is killed in the middle of a burst and started again, again and
// again. Nobody does anything about it, and everybody is there again within five
// seconds; all that was accepted is there, once, and in one order.
func TestLANCrashHost(t *testing.T) {
	t.Parallel()
	s := newStage(t, "ana", "m1", "m2", "m3", "m4")
	s.open(nil, nil)
	stop := s.chat(600, 50*time.Millisecond, s.members()...)
	var worst, sum time.Duration
	count := times(20, 3)
	for range count {
		<-time.After(time.Duration(300+rand.N(700)) * time.Millisecond)
		killed := time.Now()
		s.host().die()
		<-time.After(rand.N(500 * time.Millisecond))
		s.host().start()
		s.host().seated()
		open := s.host().now().sees("ready", kind("ready")).at
		var back time.Duration
		for _, a := range s.members() {
			if _, ok := until(patience, func() bool { return len(a.now().changes(killed, "resumed", "switched")) > 0 }); !ok {
				t.Fatalf("%s is not back %v after the host", a.nick, patience)
			}
			took := a.now().changes(killed, "resumed", "switched")[0].at.Sub(open)
			if back = max(back, took); took > 4*time.Second {
				for _, l := range a.now().changes(killed) {
					t.Logf("%s %+.2fs: %s", a.nick, l.at.Sub(open).Seconds(), l.text)
				}
			}
		}
		worst, sum = max(worst, back), sum+back
	}
	stop()
	drained := s.settle(time.Minute)
	t.Logf("FIGURE R1 host killed and started again %d times while 4 members said %d things: all back %v after it is there, %v at most (target 5s); drained in %v",
		count, s.sent(), round(sum/time.Duration(count)), round(worst), round(drained))
	if full && worst > 5*time.Second { // otherwise much else is going on here
		t.Errorf("back after %v", worst)
	}
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "killed", Count: uint64(count)})
	s.judge()
}

// A member is killed while it sends, with a network and without, and started
// again: each message is stored once or not at all, and what was called safe is stored.
func TestLANCrashMember(t *testing.T) {
	t.Parallel()
	s := newStage(t, "ana", "m1", "m2", "m3", "m4")
	s.open(nil, nil)
	count := times(20, 4)
	for i := range count {
		a := s.members()[i%4]
		if i%2 == 1 {
			s.part(s.host().m, a.m)
		}
		for range 30 {
			s.planned++
			a.say("", numbered(a.nick, a.said, rand.N(600)))
			a.said++
		}
		<-time.After(rand.N(15*time.Millisecond) * time.Duration(1+i%2*20))
		a.die()
		s.heal()
		a.start()
		a.seated()
	}
	promised := s.promised()
	drained := s.settle(time.Minute)
	stored := 0
	for _, r := range s.rec.History() {
		if r.Op == roomtest.Recv && r.Who == s.host().now().who && r.CID != "" {
			stored++
		}
	}
	t.Logf("FIGURE R2 member killed %d times in the middle of 30 messages: %d of %d stored, %d had been called safe; drained in %v", count, stored-1, s.planned-1, promised, round(drained))
	if full && promised == 0 {
		t.Error("nothing was ever called safe: it proves less than it should")
	}
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "killed", Count: uint64(count)})
	s.judge()
}

// The host's disk is full for three seconds. Who says something hears that it is
// not stored, reading goes on, and it all goes on by itself.
func TestLANCrashDiskFull(t *testing.T) {
	t.Parallel()
	const lasts = 3 * time.Second
	s := newStage(t, "ana", "m1", "m2")
	home := s.host().box.home("ana")
	disk(t, home, 8<<20)
	s.open(nil, nil)
	stop := s.chat(2000, 30*time.Millisecond, s.members()...)
	count := times(3, 1)
	var again time.Duration
	refused := 0
	for i := range count {
		<-time.After(time.Second + rand.N(time.Second))
		before := s.refused()
		free := fill(t, home)
		<-time.After(lasts)
		refused += s.refused() - before
		if s.refused() == before {
			t.Errorf("nobody was told that nothing is stored, on a full disk")
		}
		free()
		took, ok := until(patience, func() bool {
			for _, a := range s.members() {
				a.now().mu.Lock()
				writable := a.now().notices["writable"]
				a.now().mu.Unlock()
				if writable <= i {
					return false
				}
			}
			return true
		})
		if !ok {
			t.Errorf("the room does not say that it is writable again %v after the disk was", patience)
		}
		again = max(again, took)
	}
	stop()
	drained := s.settle(time.Minute)
	codes := map[string]int{}
	for _, a := range s.members() {
		a.now().mu.Lock()
		for code, n := range a.now().notices {
			codes[code] += n
		}
		a.now().mu.Unlock()
	}
	t.Logf("FIGURE R6 disk full %d times for %v: %d times not stored, and said so; writable %v after there is space; drained in %v; notices %v",
		count, lasts, refused, round(again), round(drained), codes)
	if codes["readonly"] == 0 {
		t.Error("nobody was told that the room is read-only")
	}
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "not stored", Count: uint64(refused)})
	s.judge()
}

// refused counts what was not stored.
func (s *stage) refused() (n int) {
	for _, a := range s.actors {
		for _, r := range a.runs {
			r.mu.Lock()
			for _, l := range r.failed {
				if l.Code == "not_stored" {
					n++
				}
			}
			r.mu.Unlock()
		}
	}
	return n
}

// logs are the files of the host's log.
func (s *stage) logs() (list []string) {
	list, _ = filepath.Glob(filepath.Join(s.host().box.home("ana"), "parley", "history", "*.log*"))
	return list
}

// The host's log is deleted, or an older one put in its place. Members hear that
// the room is not what it was; nothing is merged, and nothing shown twice.
func TestLANCrashLogReplaced(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"deleted", "older"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "ana", "m1", "m2")
			s.open(nil, nil)
			said := func(word string, count int) {
				for n := range count {
					for _, a := range s.members() {
						if err := a.say("", fmt.Sprintf("%s-%s-%d", word, a.nick, n)); err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, a := range s.members() {
					for _, by := range s.members() {
						last := fmt.Sprintf("%s-%s-%d", word, by.nick, count-1)
						a.now().sees(last, func(l line) bool { return l.Type == "message" && l.Text == last })
					}
					if _, ok := until(patience, func() bool { return a.now().unanswered() == 0 }); !ok {
						t.Errorf("%s has no answer to %d", a.nick, a.now().unanswered())
					}
				}
			}
			restart := func(change func()) {
				began := time.Now()
				s.host().die()
				change()
				s.host().start()
				s.host().seated()
				for _, a := range s.members() {
					if _, ok := until(patience, func() bool { return len(a.now().changes(began, "resumed", "switched")) > 0 }); !ok {
						t.Fatalf("%s is not back", a.nick)
					}
				}
			}
			old := map[string][]byte{}
			said("one", 20)
			restart(func() {
				for _, name := range s.logs() {
					old[name], _ = os.ReadFile(name)
				}
			})
			said("two", 20)
			restart(func() {
				for _, name := range s.logs() {
					os.Remove(name)
				}
				if what == "older" {
					for name, b := range old {
						if err := os.WriteFile(name, b, 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
			said("three", 20)
			for _, a := range s.members() {
				seen := map[string]int{}
				for _, l := range a.now().out.all() {
					if l.Type == "message" && (l.Replay == nil || !*l.Replay) {
						seen[l.Text]++
					}
				}
				for _, word := range []string{"one", "two", "three"} {
					for n := range 20 {
						for _, by := range []string{"m1", "m2"} {
							if text := fmt.Sprintf("%s-%s-%d", word, by, n); seen[text] != 1 {
								t.Errorf("%s saw %s %d times", a.nick, text, seen[text])
							}
						}
					}
				}
				a.now().mu.Lock()
				if a.now().notices["new_log"] != 1 {
					t.Errorf("%s was told %d times that the room is another", a.nick, a.now().notices["new_log"])
				}
				a.now().mu.Unlock()
			}
			t.Logf("FIGURE R7 the host's log %s: members told so, nothing merged, nothing twice", what)
		})
	}
}

// Bytes of the log are changed, or the end of what was written last is missing.
// The host refuses, and names the file, or what it shows is what was said.
func TestLANCrashDamage(t *testing.T) {
	t.Parallel()
	s := newStage(t, "ana", "m1")
	s.open(nil, nil)
	s.talk(300, 600, 2*time.Millisecond, s.members()...).Wait()
	s.settle(patience)
	s.host().die()
	s.members()[0].die()
	read := func() map[string][]byte {
		whole := map[string][]byte{}
		for _, name := range s.logs() {
			whole[name], _ = os.ReadFile(name)
		}
		return whole
	}
	states := []map[string][]byte{read()} // with what was written last in a file of its own
	said := map[uint64]string{}
	for _, r := range s.stored() {
		said[r.Seq] = r.Body
	}
	states = append(states, read()) // and in one file
	count := times(100, 12)
	found := map[string]int{}
	for i := range count {
		for _, name := range s.logs() {
			os.Remove(name)
		}
		what := ""
		for name, b := range states[i%2] {
			b, done := damaged(i, filepath.Ext(name), slices.Clone(b))
			if done != "" {
				what += done
			}
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verdict := s.opened(said)
		found[verdict]++
		if verdict == "wrong" {
			t.Errorf("with%s", what)
		}
		t.Logf("%s: %s", what, verdict)
	}
	t.Logf("FIGURE R8 %d times a log of 300 messages damaged, and a host started with it: %v", count, found)
}

// damaged changes the n-th copy of a file of the log, and says how.
func damaged(n int, ext string, b []byte) ([]byte, string) {
	wal := n%2 == 0 // the copy has what was written last in a file of its own
	switch {
	case wal && ext != ".log-wal", !wal && ext != ".log", len(b) == 0:
		return b, ""
	case n/2%3 == 0:
		at := rand.N(len(b)) >> rand.N(20) // often near the beginning
		return b[:at], fmt.Sprintf(" %s of %d bytes cut at %d", ext, len(b), at)
	}
	at := rand.N(len(b))
	for i := range 16 {
		b[(at+i)%len(b)] ^= byte(1 + rand.N(255))
	}
	return b, fmt.Sprintf(" 16 bytes of the %d of %s changed at %d", len(b), ext, at)
}

// opened starts the host with a log that may be damaged, and tells what came of
// it: "refused", naming the file; "all" of it is shown; "less, and said so";
// "less"; or it is all "wrong".
func (s *stage) opened(said map[uint64]string) (verdict string) {
	t := s.t
	t.Helper()
	p := s.host().box.parley("ana", "host", s.room, "--json", "--nick", "ana", "--stay", "--headless")
	defer p.kill()
	first, _, err := p.out.find(0, patience, kind("ready", "error"))
	if err != nil || first.Type == "error" {
		stdout, stderr, code := p.result()
		if code != 1 || !strings.Contains(stdout+stderr, ".log") {
			t.Errorf("exit code %d, want 1 and the name of the file: %s%s", code, stdout, stderr)
			return "wrong"
		}
		return "refused"
	}
	m := s.host().box.joining("ben", "127.0.0.1", "--stay", "--history", "1000")
	defer m.kill()
	if in, _, err := m.out.find(0, patience, kind("ready", "error")); err != nil || in.Type == "error" {
		t.Errorf("the room is open, and nobody comes in: %s %v; its host says %q", in.text, err, texts(p.talk))
		return "wrong"
	}
	m.say("the last one")
	m.await("it", func(l line) bool { return l.Type == "failed" || l.Type == "message" && l.Text == "the last one" })
	n := 0
	for _, l := range m.out.all() {
		if l.Type != "message" || l.Text == "the last one" {
			continue
		}
		if n++; said[l.Seq] != l.Text {
			t.Errorf("row %d: %.60q was said, %.60q is shown", l.Seq, said[l.Seq], l.Text)
			return "wrong"
		}
	}
	switch {
	case n >= 300:
		return "all"
	case len(texts(p.talk)) > 0:
		return "less, and said so"
	}
	return "less"
}

func texts(o *output) (list []string) {
	for _, l := range o.all() {
		list = append(list, l.text)
	}
	return list
}

// One data directory is for one host of a room: the second one says who has it.
func TestLANCrashTwoHosts(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--plaintext"}} { // with a key, that is locked, too, and before
		b := loopback(t)
		b.port = 0
		ana := b.host("ana", "physics", flags...)
		_, stderr, code := b.once("ana", "", append([]string{"host", "physics", "--nick", "ana", "--no-discovery", "--headless"}, flags...)...)
		if code != 1 || !strings.Contains(stderr, fmt.Sprint(ana.cmd.Process.Pid)) {
			t.Errorf("exit code %d, want 1 and the process %d: %s", code, ana.cmd.Process.Pid, stderr)
		}
		ana.say("goes on")
		ana.await("it", said("goes on"))
		t.Logf("FIGURE R13 a second host of one log %v: exit code %d: %s", flags, code, strings.TrimSpace(stderr))
	}
}

// A member is stopped under load. It costs the host next to nothing, the others
// no time, and it has everything when it goes on.
func TestLANStoppedUnderLoad(t *testing.T) {
	t.Parallel()
	lasts := times(40*time.Second, 5*time.Second)
	s := newStage(t, "ana", "m1", "m2", "m3")
	if !raceEnabled {
		for _, a := range s.actors {
			a.box.program = release(t)
		}
	}
	s.open(nil, nil)
	one, others := s.members()[0], s.members()[1:]
	pid := s.host().now().cmd.Process.Pid
	load := func() (list []time.Duration, grown int64) {
		before := rss(t, pid)
		begin := time.Now()
		s.talk(int(lasts/(20*time.Millisecond)), 600, 20*time.Millisecond, others...).Wait()
		until(patience, func() bool { return others[0].now().unanswered()+others[1].now().unanswered() == 0 })
		return s.tookSince(begin, one), rss(t, pid) - before
	}
	s.talk(100, 600, 5*time.Millisecond, others...).Wait() // what it needs anyway
	calm, without := load()
	one.signal(syscall.SIGSTOP)
	busy, with := load()
	one.signal(syscall.SIGCONT)
	goes := time.Now()
	drained := s.settle(time.Minute)
	t.Logf("FIGURE R4 member stopped for %v under 100 messages a second: host's memory %+.1f MiB, %+.1f MiB without that (target 1 MiB more); p99 of the others %v, %v without (target twice); it has everything %v after it goes on, %d times by a new connection; drained in %v",
		lasts, mib(with), mib(without), round(quantile(busy, .99)), round(quantile(calm, .99)), round(time.Since(goes)), len(one.now().changes(goes, "resumed", "switched")), round(drained))
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "stopped", Count: 1})
	s.judge()
}

// A host with 64 MiB for its memory, 64 members, and 20 of them stopped: twice
// that is enough for all.
func TestLANCrowd(t *testing.T) {
	t.Parallel()
	const people, slow, limit = 64, 20, 128 << 20
	s := newStage(t, "ana", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")
	if !raceEnabled {
		for _, a := range s.actors {
			a.box.program = release(t)
		}
	}
	for _, a := range s.members() {
		for n := 1; n < people/8; n++ {
			s.actors = append(s.actors, &actor{stage: s, nick: fmt.Sprintf("%sx%d", a.nick, n), m: a.m, box: a.box})
		}
	}
	s.host().box.env = append(s.host().box.env, "GOMEMLIMIT=64MiB")
	s.open(nil, nil)
	pid := s.host().now().cmd.Process.Pid
	stopped, others := s.members()[:slow], s.members()[slow:]
	for _, a := range stopped {
		a.signal(syscall.SIGSTOP)
	}
	most := rss(t, pid)
	talking := s.talk(times(100, 20), 2000, 200*time.Millisecond, others...)
	done := make(chan struct{})
	go func() { talking.Wait(); close(done) }()
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		case <-time.After(100 * time.Millisecond):
		}
		most = max(most, rss(t, pid))
	}
	took := s.took(stopped...)
	for _, a := range stopped {
		a.signal(syscall.SIGCONT)
	}
	drained := s.settle(time.Minute)
	most = max(most, rss(t, pid))
	t.Logf("FIGURE R10 host with GOMEMLIMIT=64MiB, %d members, %d of them stopped: %.1f MiB resident at most (target 128 MiB); p99 of the others %v; drained in %v",
		people, slow, mib(most), round(quantile(took, .99)), round(drained))
	if most > limit && !raceEnabled {
		t.Errorf("%d bytes resident", most)
	}
	s.judge()
}
