//go:build linux && slow

package main_test

// What crashes, pauses and full disks do to a room. With PARLEY_TRIALS=full each
// of them as often and as long as the matrix says:
//
//	PARLEY_TRIALS=full go test -tags slow -timeout 60m -v -run '^TestLAN(Crash|Stopped|Partition|Descriptors|Crowd)' . | grep FIGURE

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/room/roomtest"
)

// full has the trials take the time that they need.
var full = os.Getenv("PARLEY_TRIALS") == "full"

// times is how often, or for how long, something is done: in full, or to know
// that it still works.
func times[T any](most, few T) T {
	if full {
		return most
	}
	return few
}

// A network falls into two parts. Those without the host know it soon, what they
// say waits, and when the parts are one again everybody has everything.
func TestLANPartition(t *testing.T) {
	t.Parallel()
	partition(t, times(20*time.Second, 5*time.Second))
}

func partition(t *testing.T, lasts time.Duration) {
	t.Helper()
	const every = 100 * time.Millisecond
	s := newStage(t, "ana", "m1", "m2", "m3")
	s.open(nil, nil)
	far := s.members()[1:]
	talking := s.talk(int((lasts+3*time.Second)/every), 400, every, s.actors...)
	<-time.After(time.Second)
	begin := time.Now()
	for _, a := range far {
		s.part(s.host().m, a.m)
		s.part(s.members()[0].m, a.m)
	}
	<-time.After(lasts)
	dropped := s.lost()
	s.heal()
	healed := time.Now()
	talking.Wait()
	drained := s.settle(time.Minute)
	var noticed, back time.Duration
	for _, a := range far {
		lost := a.now().changes(begin, "lost")
		if len(lost) == 0 {
			t.Errorf("%s never knew that it was alone", a.nick)
			continue
		}
		noticed = max(noticed, lost[0].at.Sub(begin))
		for _, l := range a.now().changes(healed, "resumed") {
			back = max(back, l.at.Sub(healed))
		}
	}
	t.Logf("FIGURE R12 {host, m1} and {m2, m3} apart for %v: noticed after %v (target 3s), back %v after it was healed (target 5s), drained in %v, %d packets dropped",
		lasts, round(noticed), round(back), round(drained), dropped)
	for _, a := range s.members()[:1] {
		if list := a.now().changes(begin); len(list) > 0 {
			t.Errorf("%s, on the host's side, noticed: %s", a.nick, list[0].text)
		}
	}
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "cut", Count: dropped})
	s.judge()
}

// A program that was stopped for a while does not take everybody else for dead,
// nor do they throw it out: after 5 s at most the one connection is made anew.
func TestLANStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		who   string
		lasts time.Duration
		flags []string
	}{
		{"host", 2 * time.Second, nil}, {"host", 5 * time.Second, nil}, {"host", 10 * time.Second, nil}, {"host", 10 * time.Second, overUDP.member},
		{"host", 40 * time.Second, nil}, {"host", 40 * time.Second, overUDP.member}, {"member", 5 * time.Second, nil}, {"member", 40 * time.Second, nil},
	} {
		if !full && c.lasts > 5*time.Second {
			continue
		}
		t.Run(fmt.Sprintf("%s/%v/%d", c.who, c.lasts, len(c.flags)), func(t *testing.T) {
			t.Parallel()
			stopped(t, c.who == "host", c.lasts, c.flags)
		})
	}
}

// stopped stops the host or a member while everybody talks.
func stopped(t *testing.T, host bool, lasts time.Duration, flags []string) {
	t.Helper()
	const every = 100 * time.Millisecond
	s := newStage(t, "ana", "m1", "m2")
	s.open(nil, flags)
	one := s.members()[0]
	if host {
		one = s.host()
	}
	talking := s.talk(int((lasts+3*time.Second)/every), 400, every, s.actors...)
	<-time.After(time.Second)
	begin := time.Now()
	one.signal(syscall.SIGSTOP)
	<-time.After(lasts)
	one.signal(syscall.SIGCONT)
	goes := time.Now()
	before := map[*actor]uint64{}
	for _, a := range s.members() {
		before[a] = a.now().shown()
	}
	var again time.Duration
	for _, a := range s.members() {
		took, _ := until(time.Minute, func() bool { return a.now().shown() > before[a] })
		again = max(again, took)
	}
	talking.Wait()
	drained := s.settle(time.Minute)
	var changes []string
	most := 0
	for _, a := range s.members() {
		n := 0
		for _, l := range a.now().changes(begin) {
			changes = append(changes, fmt.Sprintf("%s %s %s at %+.1fs", a.nick, l.State, l.Transport, l.at.Sub(goes).Seconds()))
			if l.State != "lost" {
				n++
			}
		}
		most = max(most, n)
		if !host && a != one && n > 0 {
			t.Errorf("%s noticed that another was stopped", a.nick)
		}
	}
	t.Logf("FIGURE stopped %s for %v, %v: news again after %v, drained in %v, links: %s", one.nick, lasts, flags, round(again), round(drained), strings.Join(changes, ", "))
	// On a busy machine one is silent for longer than one is stopped, and after 2.5 s
	// another link is right.
	const soon = 2400 * time.Millisecond
	switch {
	case goes.Sub(begin)+again < soon && most > 0:
		t.Errorf("a link was made anew for %v", lasts)
	case lasts <= 5*time.Second && most > 1:
		t.Errorf("a link was made anew %d times", most)
	}
	for _, l := range s.host().now().out.all() {
		if l.Type == "leave" && lasts < 25*time.Second {
			t.Errorf("somebody was thrown out: %s", l.text)
		}
	}
	s.rec.Add(roomtest.Record{Op: roomtest.Nemesis, Who: "stopped", Count: 1})
	s.judge()
}

// A host that has no descriptors left goes on serving whom it has, does not spin,
// and takes newcomers when there are some again.
func TestLANDescriptors(t *testing.T) {
	t.Parallel()
	const limit, lasts = 24, 3 * time.Second
	s := newStage(t, "ana", "m1", "mallory")
	host, m, mallory := s.actors[0], s.actors[1], s.actors[2]
	s.actors = s.actors[:2]
	host.start()
	host.seated()
	m.start()
	m.seated()
	pid := host.now().cmd.Process.Pid
	free := max(limit, descriptors(t, pid)+4) // what it needs to begin with, and a few
	s.run("prlimit", "--pid", strconv.Itoa(pid), fmt.Sprintf("--nofile=%d", free))
	py := needPython(t)
	idle := mallory.m.start(py, "-c", `
import socket, sys, time
held = []
for n in range(60):
    try: held.append(socket.create_connection((sys.argv[1], 7667), 1))
    except OSError: pass
print('held', len(held), flush=True)
sys.stdin.readline()
`, host.m.ip.String())
	idle.await("connections", has("held"))
	begin, spent := time.Now(), ticks(t, pid)
	full := descriptors(t, pid)
	s.talk(int(lasts/(50*time.Millisecond)), 300, 50*time.Millisecond, s.actors...).Wait()
	busy := time.Duration(ticks(t, pid)-spent) * 10 * time.Millisecond
	took := time.Since(begin)
	if list := m.now().changes(begin); len(list) > 0 {
		t.Errorf("the member noticed: %s", list[0].text)
	}
	idle.kill()
	late := s.members()[0].box.join("late", host.m.ip.String(), "--transport", "tcp")
	ready := late.sees("ready", kind("ready"))
	s.settle(patience)
	t.Logf("FIGURE R9 host with %d descriptors, %d of them taken by idle connections: p99 of its member %v, processor %v in %v; in by TCP %v after they are gone",
		free, full, round(quantile(s.took(), .99)), busy, round(took), round(ready.at.Sub(late.start)))
	if full < free {
		t.Errorf("%d descriptors of %d are taken: it proves nothing", full, free)
	}
	if busy > took/2 && !raceEnabled {
		t.Errorf("it spins: %v of processor in %v", busy, took)
	}
	s.judge()
}

// descriptors counts those of a process.
func descriptors(t testing.TB, pid int) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// ticks are the hundredths of a second of processor that a process has used.
func ticks(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')'):]))
	user, _ := strconv.Atoi(f[12])
	system, _ := strconv.Atoi(f[13])
	return user + system
}
