package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// From the start of the process to ready, the handshake with keys included.
// The figures are printed; how fast is no matter of pass or fail here.
func TestStartToReady(t *testing.T) {
	runs := 20
	b := loopback(t)
	if raceEnabled { // which says nothing of speed
		runs = 2
	} else {
		b.program = release(t)
	}
	b.host("ana", "physics")
	for _, transport := range []string{"udp", "tcp"} {
		var took []time.Duration
		for i := range runs { // each time somebody else: one person who comes that often has to wait
			p := b.joining(fmt.Sprint(transport, i), b.addr(), "--transport", transport)
			ready := p.await("ready", kind("ready"))
			took = append(took, ready.at.Sub(p.start))
			p.stdin.Close()
			p.exits(0)
		}
		slices.Sort(took)
		t.Logf("FIGURE start to ready over %s, secure: p50 %v, p90 %v, max %v of %d (target: p50 150ms)",
			transport, round(took[runs/2]), round(took[runs*9/10]), round(took[runs-1]), runs)
	}
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// The limits of the program as it is handed out. Two thirds of a host's memory are
// pages of the binary, of which a third is the database, and a quarter the lab with
// its stacks. Those are shared by all that run it, and the system takes them back
// when it is short; what is the host's own is limited apart.
const (
	maxBinary  = 29 << 20
	maxIdleRSS = 31 << 20
	maxIdleOwn = 9 << 20
)

func TestSize(t *testing.T) {
	info, err := os.Stat(release(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("FIGURE stripped binary: %.2f MiB", float64(info.Size())/(1<<20))
	if info.Size() > maxBinary {
		t.Errorf("the stripped binary has %d bytes, more than %d", info.Size(), maxBinary)
	}
}

func TestIdleMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: memory is read from /proc, which only Linux has")
	}
	b := loopback(t)
	b.program = release(t)
	host := b.host("ana", "physics", "--headless")
	ben := b.join("ben", b.addr())
	ben.say("one message")
	ben.await("that it is stored", kind("accepted"))
	ben.say("/quit")
	ben.exits(0)
	resident := rss(t, host.cmd.Process.Pid)
	t.Logf("FIGURE resident memory of an idle host: %.1f MiB", float64(resident)/(1<<20))
	own := memory(t, host.cmd.Process.Pid, "RssAnon:")
	t.Logf("FIGURE of it what is the host's own: %.1f MiB", float64(own)/(1<<20))
	if resident > maxIdleRSS || own > maxIdleOwn {
		t.Errorf("an idle host holds %d bytes, %d its own; more than %d, %d", resident, own, maxIdleRSS, maxIdleOwn)
	}
}

// rss is the resident memory of a process in bytes.
func rss(t testing.TB, pid int) int64 {
	t.Helper()
	return memory(t, pid, "VmRSS:")
}

// memory is a line of what Linux tells of a process, in bytes.
func memory(t testing.TB, pid int, which string) int64 {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(status)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] == which {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS in /proc/PID/status")
	return 0
}

// The calls of the socket interface are seen in the debug log under the names
// that every book has for them.
func TestDebugNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		transport string
		host      []string
		member    []string
	}{
		{"udp", []string{"bind", "recv", "send"}, []string{"bind", "send", "recv"}},
		{"tcp", []string{"bind", "listen", "accept", "recv", "send"}, []string{"connect", "send", "recv"}},
	} {
		b := loopback(t)
		ana := b.host("ana", "physics", "--log-level", "debug", "--transport", c.transport)
		ben := b.join("ben", b.addr(), "--log-level", "debug", "--transport", c.transport)
		ben.say("hello")
		ana.await("the message", said("hello"))
		for _, call := range c.host {
			ana.hears(call)
		}
		for _, call := range c.member {
			ben.hears(call)
		}
	}
}

// A flag goes before the environment, and the environment before the default.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	b.env = append(b.env, "PARLEY_NICK=from-env", "PARLEY_TRANSPORT=tcp", "PARLEY_JSON=true")
	p := b.parley("x", "join", b.addr())
	if ready := p.await("ready", kind("ready")); ready.Nick != "from-env" || ready.Transport != "tcp" {
		t.Errorf("by the environment: %s", ready.text)
	}
	p = b.parley("y", "join", b.addr(), "--nick", "from-flag", "--transport", "udp")
	if ready := p.await("ready", kind("ready")); ready.Nick != "from-flag" || ready.Transport != "udp" {
		t.Errorf("by the flags: %s", ready.text)
	}
	ana.await("one", comes("from-env"))
	ana.await("the other", comes("from-flag"))
}

// Discovery on one computer: what is hosted here is found here.
func TestRoomsOnOneComputer(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	if _, stderr, code := b.once("x", "", "rooms"); code != 3 {
		t.Errorf("no room anywhere: exit code %d, %s", code, stderr)
	}
	ana := b.host("ana", "physics")
	stdout, stderr, code := b.once("x", "", "rooms", "--json")
	if code != 0 || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("exit code %d, rooms:\n%s\nstderr: %s", code, stdout, stderr)
	}
	room := parse(stdout)
	if room.Type != "room" || room.Room != "physics" || room.Addr == "" || int(room.UDP) != b.port || int(room.TCP) != b.port ||
		room.Key == "" || room.Members != float64(1) || room.Secure == nil || !*room.Secure ||
		room.Password == nil || *room.Password || room.Guests == nil || *room.Guests {
		t.Errorf("the room: %s", stdout)
	}
	ben := b.join("ben", "physics")
	ben.say("found you")
	ana.await("the message", said("found you"))

	second := *b
	second.port = freePort(t)
	second.host("bob", "physics")
	stdout, stderr, code = b.joinAmbiguous("x", "physics")
	if code != 2 || !strings.Contains(stderr, strconv.Itoa(b.port)) || !strings.Contains(stderr, strconv.Itoa(second.port)) ||
		strings.Count(stderr, "parley join ") != 2 || stdout != "" {
		t.Errorf("two rooms of one name: exit code %d, want 2 and both lines to type\n%s%s", code, stdout, stderr)
	}
	_, stderr, code = b.once("x", "", "join", "chemistry", "--nick", "x")
	if code != 3 || !strings.Contains(stderr, "physics") || !strings.Contains(stderr, "chemistry") {
		t.Errorf("an unknown room: exit code %d, want 3 and what was found instead\n%s", code, stderr)
	}
}
