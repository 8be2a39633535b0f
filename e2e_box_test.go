package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley/room/roomtest"
)

// box is a computer to run the program on: this one, or one of a LAN.
type box struct {
	t       testing.TB
	command func(name string, args ...string) *exec.Cmd
	program string
	ip      string // where programs on it are reached
	port    int    // what hosts on it are told to use; 0: nothing, so the default
	env     []string
	columns int    // of its terminals; 0: 80
	dir     string // where the programs' files are
	rec     *roomtest.Recorder
}

// loopback is this computer, on its loopback interface and a discovery port of
// its own: nothing else that runs here is heard or disturbed, and nothing
// leaves it.
func loopback(t testing.TB) *box {
	t.Helper()
	port := freePort(t)
	return &box{
		t: t, program: program(t), command: exec.Command, ip: "127.0.0.1", port: port, dir: t.TempDir(),
		env: []string{"PARLEY_DISCOVERY_PORT=" + strconv.Itoa(freePort(t)), "PARLEY_IFACE=" + loopbackInterface(t), "PARLEY_BIND=127.0.0.1"},
	}
}

func loopbackInterface(t testing.TB) string {
	t.Helper()
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	t.Fatal("there is no loopback interface")
	return ""
}

// addr is the address of the room that host opens on the box.
func (b *box) addr() string { return net.JoinHostPort(b.ip, strconv.Itoa(b.port)) }

// home is where the files of a name are.
func (b *box) home(name string) string { return filepath.Join(b.dir, name) }

// environ is all that programs get to know of the tester's environment. Each
// name has a home of its own.
func (b *box) environ(name string) []string {
	home := b.home(name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		b.t.Fatal(err)
	}
	keep := []string{"PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "GORACE", "GOCOVERDIR"}
	env := []string{"HOME=" + home, "TERM=dumb", "LANG=C.UTF-8", "PARLEY_DATA_DIR=" + filepath.Join(home, "parley")}
	for _, v := range os.Environ() {
		if key, _, _ := strings.Cut(v, "="); slices.Contains(keep, key) {
			env = append(env, v)
		}
	}
	return append(env, b.env...)
}

// parley runs the program. Its output as JSON lines goes to the recorder, if
// the box has one.
func (b *box) parley(name string, args ...string) *proc {
	b.t.Helper()
	cmd := b.command(b.program, args...)
	cmd.Env = b.environ(name)
	var each func([]byte)
	if b.rec != nil && slices.Contains(args, "--json") {
		rec := b.rec
		each = func(line []byte) {
			if err := rec.Line(name, line); err != nil {
				b.t.Error(err)
			}
		}
	}
	return start(b.t, name, cmd, each)
}

// host opens a room and sits down in it.
func (b *box) host(name, room string, more ...string) *proc {
	b.t.Helper()
	args := []string{"host", room, "--json", "--nick", name}
	if b.port != 0 {
		args = append(args, "--port", strconv.Itoa(b.port))
	}
	p := b.parley(name, append(args, more...)...)
	p.await("ready", kind("ready"))
	return p
}

// join sits down in the room with the address or name.
func (b *box) join(name, target string, more ...string) *proc {
	b.t.Helper()
	p := b.joining(name, target, more...)
	p.await("ready", kind("ready"))
	return p
}

// joining is join without waiting for it to have succeeded.
func (b *box) joining(name, target string, more ...string) *proc {
	b.t.Helper()
	return b.parley(name, append([]string{"join", target, "--json", "--nick", name}, more...)...)
}

// once runs the program to its end and returns what it printed. Its stdin is
// text, then closed.
func (b *box) once(name, text string, args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	p := b.parley(name, args...)
	if text != "" {
		p.say(text)
	}
	p.stdin.Close()
	return p.result()
}

// result waits for the end.
func (p *proc) result() (stdout, stderr string, code int) {
	p.t.Helper()
	p.ends()
	join := func(lines []line) string {
		var b strings.Builder
		for _, l := range lines {
			b.WriteString(l.text + "\n")
		}
		return b.String()
	}
	return join(p.out.all()), join(p.talk.all()), p.code
}

// tell says a line and tells the recorder before.
func (b *box) tell(p *proc, to, text string) {
	b.t.Helper()
	b.rec.Sending(p.name, to, text)
	if to != "" {
		text = "/msg " + to + " " + text
	}
	p.say(text)
}

// judge ends the recording: every member has until patience is over to show
// the last row that the host has, then the checker decides.
func (b *box) judge(last uint64, host *proc, members ...*proc) {
	b.t.Helper()
	names := []string{host.name}
	for _, p := range members {
		names = append(names, p.name)
	}
	for _, p := range append([]*proc{host}, members...) {
		_, _, err := p.out.find(0, patience, func(l line) bool { return l.Seq >= last && l.Type != "delivered" && l.Type != "accepted" })
		if err != nil {
			b.t.Errorf("%s has not seen row %d: %v", p.name, last, err)
		}
		b.rec.Add(roomtest.Record{Op: roomtest.End, Who: p.name})
	}
	opened := host.sees("ready", kind("ready"))
	b.rec.Add(roomtest.Record{Op: roomtest.Plan, Seq: opened.Seq}) // what was before has no place in it
	history := b.rec.History(names...)
	if found := roomtest.Check(history); found != nil {
		b.t.Errorf("the checker found:\n%s", roomtest.Report(found))
		b.keep(history)
	}
}

// keep writes the history of a failed run where it can be looked at.
func (b *box) keep(history []roomtest.Record) {
	f, err := os.CreateTemp("", "parley-history-*.jsonl")
	if err != nil {
		b.t.Log(err)
		return
	}
	defer f.Close()
	if err := roomtest.Write(f, history); err != nil {
		b.t.Log(err)
	}
	b.t.Logf("its history is in %s", f.Name())
}

// numbered makes the n-th text of a speaker, of about size bytes: its first
// word is unlike any other.
func numbered(who string, n, size int) string {
	text := fmt.Sprintf("%s-%d", who, n)
	if fill := size - len(text) - 1; fill > 0 {
		text += " " + strings.Repeat("abcdefghijklmno ", fill/16+1)[:fill-1] + "."
	}
	return text
}

// record has the checker told of all that happens from here on.
func (b *box) record(planned int) *roomtest.Recorder {
	b.rec = new(roomtest.Recorder)
	b.rec.Add(roomtest.Record{Op: roomtest.Plan, Count: uint64(planned)})
	return b.rec
}

// chatter has everybody say count things of up to size bytes at once, and
// returns the number of the last one stored.
func (b *box) chatter(count, size int, people ...*proc) (last uint64) {
	b.t.Helper()
	for n := range count {
		for i, p := range people {
			b.tell(p, "", numbered(p.name, n, (n*7919+i*104729)%size))
		}
	}
	for _, p := range people {
		stored := 0
		p.await(fmt.Sprintf("%d times accepted", count), func(l line) bool {
			if l.Type == "accepted" {
				last = max(last, l.Seq)
				stored++
			}
			return stored == count
		})
	}
	return last
}

// joinAmbiguous joins a room whose name two hosts have. They are told apart if
// both answer within 150 ms of each other, which a machine busy with other
// tests does not always manage: then it tries again.
func (b *box) joinAmbiguous(name, target string) (stdout, stderr string, code int) {
	b.t.Helper()
	for range 5 {
		if stdout, stderr, code = b.once(name, "", "join", target, "--nick", name, "--no-input"); code != 0 {
			break
		}
	}
	return stdout, stderr, code
}
