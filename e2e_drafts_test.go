//go:build linux

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
)

// killedSender is a member that is killed again and again while it says
// something.
type killedSender struct {
	b     *box
	host  *proc
	how   []string
	told  []string // what was told to be safe: pending, or accepted
	maybe []string // all that was typed
	n     int
}

// life is one run of the member; frozen, the host does not answer in it. It
// ends with a kill, and returns whether anything was on its way then.
func (k *killedSender) life(frozen bool) {
	t, b := k.b.t, k.b
	t.Helper()
	ben := b.join("ben", b.room(), k.how...)
	if frozen {
		k.host.freeze()
		defer k.host.thaw()
	}
	lines := 1 + rand.IntN(30)
	for range lines {
		k.n++
		text := fmt.Sprintf("ben-%d", k.n)
		k.maybe = append(k.maybe, text)
		ben.say(text)
	}
	safe := kind("accepted", "pending")
	for range rand.IntN(lines + 1) {
		ben.await("word of what was said", safe)
	}
	ben.kill()
	for _, l := range ben.out.all() {
		if safe(l) && !slices.Contains(k.told, l.Text) {
			k.told = append(k.told, l.Text)
		}
	}
}

// freeze stops the process, and waits until all of it stands still.
func (p *proc) freeze() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGSTOP)
	deadline := time.Now().Add(patience)
	for stopped := false; !stopped; {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		stopped = len(tasks) > 0
		for _, name := range tasks {
			stat, err := os.ReadFile(name)
			_, state, _ := strings.Cut(string(stat), ") ")
			stopped = stopped && (err != nil || strings.HasPrefix(state, "T"))
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not stop", p.name)
		}
	}
}

func (p *proc) thaw() { p.cmd.Process.Signal(syscall.SIGCONT) }

// A member that is killed while it says something loses nothing that it was told is
// pending, and nothing is said twice, in whatever room.
func TestKilledMemberLosesNothing(t *testing.T) {
	for _, way := range ways {
		if way.name == "tcp secure" {
			continue
		}
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			k := &killedSender{b: b, host: b.host("ana", "physics", way.flags...), how: append([]string{"--transport", way.transport}, way.flags...)}
			for i := range killings {
				k.life(i%2 == 1)
			}
			ben := b.join("ben", b.room(), k.how...)
			k.n++
			ben.say("the end")
			ben.await("the end", said("the end"))
			k.host.await("the end", said("the end"))
			times := map[string]int{}
			for _, l := range k.host.out.all() {
				if l.Type == "message" {
					times[l.Text]++
				}
			}
			resent := 0
			for _, l := range ben.out.all() {
				if l.Type == "accepted" && l.Text != "the end" {
					resent++
				}
			}
			stored := 0
			for _, text := range k.maybe {
				stored += times[text]
				if times[text] > 1 || times[text] == 0 && slices.Contains(k.told, text) {
					t.Errorf("%s is there %d times; it was told to be safe: %v", text, times[text], slices.Contains(k.told, text))
				}
			}
			t.Logf("FIGURE %s: %d kills, %d typed, %d told safe, %d stored, none twice; %d sent by the last life", way.name, killings, len(k.maybe), len(k.told), stored, resent)
			if len(k.told) == 0 {
				t.Error("nothing was ever told to be safe")
			}
			if left, _ := os.ReadDir(filepath.Join(b.dir, "ben", "parley", "drafts")); len(left) > 1 {
				t.Errorf("%d files of drafts are left", len(left))
			}
			ben.say("/quit")
			ben.exits(0)
			if left, _ := os.ReadDir(filepath.Join(b.dir, "ben", "parley", "drafts")); len(left) > 0 {
				t.Errorf("%d files of drafts are left after leaving", len(left))
			}
		})
	}
}

// What a killed send had to say is said by the next who is in the room, who
// is told; and two programs of one user leave each other's alone.
func TestDraftsOfAKilledSend(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	other := b.join("ben", b.room())
	defer ana.thaw()
	drafts := filepath.Join(b.dir, "ben", "parley", "drafts")

	ana.freeze()
	other.say("mine")
	other.await("pending", kind("pending"))
	ana.thaw()
	other.await("accepted", kind("accepted"))

	send := b.parley("ben", "join", b.room(), "--json", "--nick", "ben2")
	send.await("ready", kind("ready"))
	ana.freeze()
	send.say("left behind")
	p := send.await("pending", kind("pending"))
	if p.ID == "" || p.Text != "left behind" {
		t.Errorf("pending: %s", p.text)
	}
	send.kill()
	if n := containing(t, drafts, "left behind"); n != 1 {
		t.Errorf("%d files have it", n)
	}
	ana.thaw()
	_, talk, code := b.once("ben", "", "send", b.room(), "and then")
	if code != 0 || !strings.Contains(talk, "1 message from before is being sent") {
		t.Errorf("send: %d, %s", code, talk)
	}
	ana.await("what was left", said("left behind"))
	ana.await("what was sent", said("and then"))
	if n := containing(t, drafts, "left behind"); n != 0 {
		t.Errorf("%d files have it still", n)
	}
	other.lives()
}

// containing counts the files with a word.
func containing(t *testing.T, dir, word string) (n int) {
	t.Helper()
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		if content, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil && strings.Contains(string(content), word) {
			n++
		}
	}
	return n
}

// A paste of 500 lines while the host does not answer: what does not fit waits in
// the pipe, and all is said, in order, when it does again.
func TestPasteWithoutAHost(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.room())
	ana.freeze()
	defer ana.thaw()
	for i := range 500 {
		ben.say(fmt.Sprintf("line %d", i))
	}
	for range 256 {
		ben.await("pending", kind("pending"))
	}
	ana.thaw()
	for i := range 500 {
		ana.await("the next line", said(fmt.Sprintf("line %d", i)))
	}
	ben.stdin.Close()
	ben.exits(0)
	accepted := 0
	for _, l := range ben.out.all() {
		if l.Type == "accepted" {
			accepted++
		}
	}
	if accepted != 500 {
		t.Errorf("%d were accepted", accepted)
	}
}
