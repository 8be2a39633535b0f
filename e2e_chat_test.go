package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// carriers and modes in which two people talk.
var ways = []struct {
	name      string
	transport string
	flags     []string
	secure    bool
}{
	{"udp secure", "udp", nil, true},
	{"tcp secure", "tcp", nil, true},
	{"udp plaintext", "udp", []string{"--plaintext"}, false},
	{"tcp plaintext", "tcp", []string{"--plaintext"}, false},
}

func TestHostAndJoin(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			ana := b.host("ana", "physics", way.flags...)
			opened := ana.sees("ready", kind("ready"))
			if opened.V != 1 || opened.Room != "physics" || opened.Nick != "ana" || opened.Role != "host" || opened.Transport != "pipe" ||
				opened.Secure == nil || *opened.Secure != way.secure || opened.Addr == "" || opened.TCPAddr == "" || (opened.Key != "") != way.secure {
				t.Errorf("the host's ready: %s", opened.text)
			}
			if first := ana.out.all()[0]; first.Type != "ready" {
				t.Errorf("the first line is %s", first.text)
			}
			ben := b.join("ben", b.addr(), append([]string{"--transport", way.transport}, way.flags...)...)
			sat := ben.sees("ready", kind("ready"))
			if sat.Room != "physics" || sat.Nick != "ben" || sat.Role != "member" || sat.Transport != way.transport ||
				sat.Secure == nil || *sat.Secure != way.secure || sat.Key != opened.Key {
				t.Errorf("the member's ready: %s", sat.text)
			}
			came := ana.await("ben's coming", func(l line) bool { return l.Type == "join" && l.Nick == "ben" })
			if came.Seq == 0 {
				t.Errorf("a join without a number: %s", came.text)
			}

			ben.say("hello Ana, 你好 👩‍🔬")
			said := ana.await("the message", said("hello Ana, 你好 👩‍🔬"))
			if _, err := time.Parse(time.RFC3339, said.At); err != nil || said.From != "ben" || said.Seq <= came.Seq || said.Replay == nil || *said.Replay {
				t.Errorf("as the host got it: %s", said.text)
			}
			stored := ben.sees("accepted", kind("accepted"))
			own := ben.sees("his own message", kind("message"))
			if stored.Seq != said.Seq || stored.ID == "" || own.Seq != said.Seq || own.Text != said.Text || own.From != "ben" {
				t.Errorf("as the sender got it: %s and %s", stored.text, own.text)
			}
			ben.sees("delivered to all", func(l line) bool {
				return l.Type == "delivered" && l.Seq == said.Seq && l.Count == 1 && l.Of == 1
			})
			ana.say("hello Ben")
			ben.await("the answer", func(l line) bool { return l.Type == "message" && l.From == "ana" && l.Text == "hello Ben" })

			ben.say("/quit see you")
			ben.exits(0)
			left := ana.await("his leaving", func(l line) bool { return l.Type == "leave" && l.Nick == "ben" })
			if left.Reason != "quit" {
				t.Errorf("he quit: %s", left.text)
			}
			ana.say("/quit")
			ana.exits(0)
		})
	}
}

func TestWhispers(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr(), "--transport", "udp")
	cyn := b.join("cyn", b.addr(), "--transport", "tcp")
	cyn.sees("her own coming", func(l line) bool { return l.Type == "join" && l.Nick == "cyn" })
	ben.await("cyn's coming", func(l line) bool { return l.Type == "join" && l.Nick == "cyn" })

	for _, typed := range []string{"/msg cyn psst-1", "@cyn psst-2", "/w cyn psst-3"} {
		ben.say(typed)
		text := typed[strings.LastIndex(typed, " ")+1:]
		for _, p := range []*proc{cyn, ben} {
			w := p.await(text, func(l line) bool { return l.Type == "whisper" && l.Text == text })
			if w.From != "ben" || w.To != "cyn" || w.Seq == 0 {
				t.Errorf("%s saw %s", p.name, w.text)
			}
		}
	}
	ben.say("/msg nobody psst-4")
	ben.await("that it is not for anybody", func(l line) bool { return l.Type == "failed" && l.Text == "psst-4" })
	ben.say("@nobody is not here, so this is for all")
	ana.await("what is for all", func(l line) bool { return l.Type == "message" && strings.HasSuffix(l.Text, "for all") })
	for _, l := range ana.out.all() {
		if strings.Contains(l.text, "psst") {
			t.Errorf("ana, the host, saw a whisper: %s", l.text)
		}
	}
	late := b.join("late", b.addr())
	late.await("what was said to all", func(l line) bool { return l.Type == "message" && l.Replay != nil && *l.Replay })
	for _, l := range late.out.all() {
		if strings.Contains(l.text, "psst") {
			t.Errorf("whoever comes later saw a whisper: %s", l.text)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr())
	ana.await("ben", func(l line) bool { return l.Type == "join" && l.Nick == "ben" })

	for _, typed := range []string{"/names", "/clients", `\clients`, "/who"} {
		ben.say(typed)
		list := ben.await("the answer to "+typed, kind("members"))
		members, _ := list.Members.([]any)
		names := map[any]any{}
		for _, m := range members {
			if m, ok := m.(map[string]any); ok {
				names[m["nick"]] = m["role"]
			}
		}
		if len(names) != 2 || names["ana"] != "host" || names["ben"] != "member" {
			t.Errorf("%s: %s", typed, list.text)
		}
	}
	ben.say("/me waves")
	ana.await("the action", func(l line) bool { return l.Type == "action" && l.From == "ben" && l.Text == "waves" })
	ana.say("/topic waves & particles")
	ben.await("the topic", func(l line) bool { return l.Type == "topic" && l.Text == "waves & particles" })
	ben.say("/nick benny")
	renamed := ana.await("the new name", kind("nick"))
	if renamed.From != "ben" || renamed.Nick != "benny" {
		t.Errorf("a new name: %s", renamed.text)
	}
	ben.say("/nick ana")
	ben.await("that it is taken", func(l line) bool { return l.Type == "error" && l.Code == "nick_taken" && l.Suggest != "" })
	ben.say("//starts with a slash")
	if said := ana.await("the line", kind("message")); said.Text != "/starts with a slash" || said.From != "benny" {
		t.Errorf("a line that begins with a slash: %s", said.text)
	}
	ben.say("/tpoic oops")
	if e := ben.await("an error", kind("error")); !strings.Contains(e.Text+e.Suggest, "topic") {
		t.Errorf("no suggestion for /tpoic: %s", e.text)
	}
	ben.say("/stats")
	ben.await("the counters", kind("stats"))
	ben.say(`\clear`)
	ben.say("after all that")
	ana.await("the last line", func(l line) bool {
		if strings.Contains(l.text, "oops") || strings.Contains(l.text, "clear") {
			t.Errorf("a command was said in the room: %s", l.text)
		}
		return l.Text == "after all that"
	})
	ben.say(`\quit`)
	ben.exits(1) // a script ought to know that not all of its lines were what they should be
	ana.await("his leaving", func(l line) bool { return l.Type == "leave" && l.Nick == "benny" && l.Reason == "quit" })
}

// One room, members over both carriers, everybody speaks at once: one order.
func TestOneOrder(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	const each = 50
	b.record(5 * each)
	ana := b.host("ana", "physics")
	var members []*proc
	for i, name := range []string{"ben", "cyn", "dan", "eve"} {
		members = append(members, b.join(name, b.addr(), "--transport", []string{"udp", "tcp"}[i%2]))
	}
	last := b.chatter(each, 300, append([]*proc{ana}, members...)...)
	b.judge(last, ana, members...)
}

// Closed input is the end of a script: what was read is sent, stored, and
// then the program leaves.
func TestPipes(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	stdout, _, code := b.once("ben", "one\ntwo\nthree", "join", b.addr(), "--nick", "ben", "--json")
	if code != 0 || strings.Count(stdout, `"accepted"`) != 3 {
		t.Errorf("exit code %d after\n%s", code, stdout)
	}
	for _, text := range []string{"one", "two", "three"} {
		ana.await(text, said(text))
	}
	ana.await("his leaving", kind("leave"))

	stays := b.join("cyn", b.addr(), "--stay")
	stays.stdin.Close()
	ana.say("still there?")
	stays.await("the question", said("still there?"))

	if _, stderr, code := b.once("dan", "", "send", "--nick", "dan", b.addr(), "from", "a", "script"); code != 0 {
		t.Errorf("send: exit code %d: %s", code, stderr)
	}
	ana.await("what was sent", func(l line) bool { return l.Text == "from a script" && l.From == "dan" })
	if _, stderr, code := b.once("dan", "line 1\nline 2", "send", "--nick", "dan", b.addr()); code != 0 {
		t.Errorf("send from stdin: exit code %d: %s", code, stderr)
	}
	ana.await("the piped text", func(l line) bool { return strings.Contains(l.Text, "line 2") })

	reader := b.parley("eve", "tail", b.addr(), "--json", "--nick", "eve")
	reader.await("ready", kind("ready"))
	ana.say("for the reader")
	reader.await("the line", said("for the reader"))
	for _, l := range ana.out.all() {
		if (l.Type == "join" || l.Type == "leave") && (l.Nick == "dan" || l.Nick == "eve") {
			t.Errorf("send and tail come and go unseen: %s", l.text)
		}
	}
}

// Several programs of one person on one computer are several seats.
func TestSeveralOnOneComputer(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	var seats []*proc
	for i := range 4 {
		p := b.parley("shared", "join", b.addr(), "--json", "--nick", fmt.Sprintf("seat%d", i))
		p.await("ready", kind("ready"))
		seats = append(seats, p)
	}
	ana.say("to all of you")
	for _, p := range seats {
		p.await("the message", said("to all of you"))
	}
	seats[2].say("from the third")
	for _, p := range append(seats, ana) {
		p.await("the message", func(l line) bool { return l.Text == "from the third" && l.From == "seat2" })
	}
}

// Whoever was killed comes back under his own name at once.
func TestGhostGivesWay(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{"udp", "tcp"} {
		t.Run(carrier, func(t *testing.T) {
			b := loopback(t)
			ana := b.host("ana", "physics")
			ben := b.join("ben", b.addr(), "--transport", carrier)
			ana.await("ben", comes("ben"))
			ben.kill()
			again := b.join("ben", b.addr(), "--transport", carrier, "--no-input")
			again.say("here again")
			ana.await("what he says", said("here again"))
		})
	}
}
