package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/room/roomtest"
)

// act waits for an act of a kind on somebody.
func act(kind, nick string) func(line) bool {
	return func(l line) bool { return l.Type == kind && l.Nick == nick }
}

func code(typ, code string) func(line) bool {
	return func(l line) bool { return l.Type == typ && l.Code == code }
}

// M1: whoever is kicked or banned is out at once, on every carrier, and is told
// by whom and why; the program ends with code 4.
func TestPutOut(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			ana := b.host("ana", "physics", way.flags...)
			joining := append([]string{"--transport", way.transport, "--no-input"}, way.flags...)
			cyn := b.join("cyn", b.addr(), joining...)
			ben := b.join("ben", b.addr(), joining...)
			ana.await("ben", comes("ben"))
			ana.say("/kick cyn be nice")
			began := time.Now()
			told := cyn.await("the kick", act("kick", "cyn"))
			if told.By != "ana" || told.Reason != "be nice" || told.Seq == 0 {
				t.Errorf("she is told %s", told.text)
			}
			if e := cyn.await("why she is out", code("error", "kicked")); !strings.Contains(e.Text, "by ana: be nice") {
				t.Errorf("she is told %s", e.text)
			}
			cyn.exits(4)
			t.Logf("FIGURE %s: out and ended %v after the kick was typed", way.name, time.Since(began).Round(time.Millisecond))
			if n := strings.Count(story(cyn), `"code":"kicked"`); n != 1 {
				t.Errorf("it is said %d times", n)
			}
			ben.await("the kick", act("kick", "cyn"))
			if left := ben.await("her leaving", act("leave", "cyn")); left.Reason != "kicked" || left.By != "ana" {
				t.Errorf("she left by %s", left.text)
			}
			again := b.join("cyn", b.addr(), joining...)
			ana.await("cyn again", comes("cyn"))
			ana.say("/ban cyn 10m enough")
			again.await("why she is out", code("error", map[bool]string{true: "banned", false: "kicked"}[way.secure]))
			again.exits(4)
			if !way.secure { // known by its address, which is the host's
				ana.await("why it is no ban", has("only put out"))
				return
			}
			for _, nick := range []string{"cyn", "innocent"} {
				for _, carrier := range []string{"udp", "tcp"} {
					args := append([]string{"join", b.addr(), "--json", "--nick", nick, "--transport", carrier, "--no-input"}, way.flags...)
					out, _, code := b.once("cyn", "", args...)
					if code != 4 || !strings.Contains(out, `"code":"banned"`) || !strings.Contains(out, "by ana: enough") || strings.Contains(out, "ready") {
						t.Errorf("%s over %s: code %d\n%s", nick, carrier, code, out)
					}
				}
			}
			if _, talk, code := b.once("cyn", "", "send", b.addr(), "hello"); code != 4 || !strings.Contains(talk, "banned") {
				t.Errorf("send: code %d, %s", code, talk)
			}
			ana.say("/unban cyn")
			b.join("cyn", b.addr(), joining...)
		})
	}
}

func story(p *proc) string {
	var b strings.Builder
	for _, l := range p.out.all() {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

// M2: who is muted reads on; what was refused is given back with the reason.
func TestMuteAndSlow(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	cyn := b.join("cyn", b.addr(), "--transport", "udp")
	ben := b.join("ben", b.addr(), "--transport", "tcp")
	ana.await("ben", comes("ben"))
	ana.say("/mute cyn 5m caps")
	m := cyn.await("the mute", act("mute", "cyn"))
	if until, err := time.Parse(time.RFC3339, event2(m).Until); err != nil || time.Until(until) > 5*time.Minute || time.Until(until) < 4*time.Minute {
		t.Errorf("until when? %s", m.text)
	}
	cyn.say("HELLO ALL")
	if f := cyn.await("that it is refused", code("failed", "muted")); f.Text != "HELLO ALL" || !strings.Contains(f.Reason, "by ana: caps") {
		t.Errorf("refused with %s", f.text)
	}
	cyn.say("/nick cindy")
	cyn.await("that it is refused", code("error", "muted"))
	cyn.say("HELLO AGAIN")
	cyn.await("that it is refused", code("failed", "muted"))
	ben.say("can you read this?")
	cyn.await("what is said", said("can you read this?"))
	cyn.say("/msg ana sorry")
	ana.await("her asking", func(l line) bool { return l.Type == "whisper" && l.Text == "sorry" })
	ana.say("/unmute cyn")
	cyn.await("the unmute", act("unmute", "cyn"))
	cyn.say("thanks")
	ben.await("her thanks", said("thanks"))
	if strings.Contains(story(ben), "HELLO") {
		t.Error("ben heard what was refused")
	}

	ana.say("/slow 30")
	ben.await("slow mode", kind("slow"))
	ben.say("first")
	ben.await("the first", said("first"))
	ben.say("second")
	if f := ben.await("that it is refused", code("failed", "slow_mode")); f.Text != "second" || !strings.Contains(f.Reason, " s until your next message") {
		t.Errorf("refused with %s", f.text)
	}
	ana.say("one")
	ana.say("two")
	ben.await("the host's second", said("two"))
	ana.say("/slow off")
	ben.await("its end", kind("slow"))
	ben.say("second")
	ana.await("the second", said("second"))
	ana.say("/mute all listen now")
	ben.await("the mute", func(l line) bool { return l.Type == "mute" && l.Nick == "" && l.Reason == "listen now" })
	ben.say("but")
	ben.await("that it is refused", code("failed", "muted"))
}

// event2 reads more of an object.
func event2(l line) (e struct {
	Until   string `json:"until"`
	Seconds int    `json:"seconds"`
	Motd    string `json:"motd"`
}) {
	json.Unmarshal([]byte(l.text), &e)
	return e
}

// An op may do what the host may, to members; whoever is none is told so.
func TestOpsAndLock(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr(), "--transport", "tcp")
	cyn := b.join("cyn", b.addr())
	ana.await("cyn", comes("cyn"))
	ben.say("/topic mine")
	if e := ben.await("that he may not", code("error", "not_allowed")); !strings.Contains(e.Text, "/names") {
		t.Errorf("he is told %s", e.text)
	}
	ana.say("/op ben")
	cyn.await("the op", act("op", "ben"))
	ben.await("the op", act("op", "ben"))
	cyn.say("/names")
	if l := cyn.await("who is here", kind("members")); !strings.Contains(l.text, `"nick":"ben","transport":"tcp","role":"op"`) {
		t.Errorf("%s", l.text)
	}
	ben.say("/motd bring books")
	ben.say("/topic ours")
	cyn.await("the topic", func(l line) bool { return l.Type == "topic" && l.Text == "ours" })
	ben.say("/kick ana")
	ben.await("that he may not", code("error", "not_allowed"))
	ben.say("/lock exam")
	cyn.await("the lock", func(l line) bool { return l.Type == "lock" && l.By == "ben" && l.Reason == "exam" })
	out, _, exit := b.once("dan", "", "join", b.addr(), "--json", "--nick", "dan", "--no-input")
	if exit != 4 || !strings.Contains(out, `"code":"locked"`) || !strings.Contains(out, "by ben: exam") {
		t.Errorf("a newcomer: code %d, %s", exit, out)
	}
	cyn.kill()
	again := b.join("cyn", b.addr(), "--no-input")
	if r := again.sees("ready", kind("ready")); event2(r).Motd != "bring books" || r.Text != "ours" {
		t.Errorf("she is told %s", r.text)
	}
	ana.say("/deop ben")
	ben.await("the deop", act("deop", "ben"))
	ben.say("/unlock")
	ben.await("that he may not", code("error", "not_allowed"))
	ana.say("/unlock")
	b.join("dan", b.addr(), "--no-input")
}

func TestApproval(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--approve", "--slow", "2")
	ana.sees("what she asked for", func(l line) bool {
		return l.Type == "approve" && event2(l).Until == "" && strings.Contains(l.text, `"state":"on"`)
	})
	for _, carrier := range []string{"udp", "tcp"} {
		name := "cyn-" + carrier
		cyn := b.joining(name, b.addr(), "--transport", carrier, "--no-input")
		knock := ana.await("the knock", code("notice", "knock"))
		if knock.Nick != name || !strings.Contains(knock.Text, "/approve "+name) {
			t.Errorf("she knocks by %s", knock.text)
		}
		cyn.hears("lets nobody new in unasked")
		ana.say("/approve " + name)
		cyn.await("ready", kind("ready"))
		ana.await("her coming", comes(name))
		cyn.say("/quit")
		cyn.exits(0)
		again := b.join(name, b.addr(), "--no-input") // known from now on
		again.say("/quit")
		again.exits(0)
	}
	eve := b.joining("eve", b.addr(), "--no-input")
	ana.await("the knock", code("notice", "knock"))
	ana.say("/deny eve not in this class")
	if e := eve.await("that she is not let in", code("error", "denied")); !strings.Contains(e.Text, "not in this class") {
		t.Errorf("she is told %s", e.text)
	}
	eve.exits(4)
}

// A guest knocks, too, and is muted, and put out.
func TestGuestsAreModerated(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--guests", "--approve")
	g := dialGuest(t, b.addr())
	g.gets("name?")
	g.types("gus\n")
	ana.await("the knock", code("notice", "knock"))
	g.gets("lets nobody new in unasked")
	ana.say("/approve gus")
	g.gets("you are gus in physics")
	ana.say("/op gus")
	ana.await("that guests are no ops", has("cannot be an op"))
	ana.say("/mute gus")
	g.gets("you are muted by ana")
	g.types("hello\n")
	g.gets("not sent: hello (you were muted by ana)")
	ana.say("/kick gus bye")
	g.gets("you were put out of physics by ana: bye")
	select {
	case <-g.done:
	case <-time.After(patience):
		t.Error("the connection is not closed")
	}
}

func TestFilterFile(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	write := func(name, words string) string {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, []byte(words), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ana := b.host("ana", "physics", "--filter-file", write("filters", "# not these\nheck*\n\n/b[ae]d/\nlinks\n"), "--max-members", "2")
	cyn := b.join("cyn", b.addr())
	for text, why := range map[string]string{"what the HECK": ": a word", "too bed": ": a pattern", "see https://example.org": ": links"} {
		cyn.say(text)
		if f := cyn.await("that it is refused", code("failed", "filtered")); f.Text != text || !strings.Contains(f.Reason, why) || strings.Contains(f.Reason, "heck") {
			t.Errorf("refused with %s", f.text)
		}
	}
	cyn.say("well then")
	ana.await("what is said", said("well then"))
	if strings.Contains(story(cyn), `"filter"`) {
		t.Error("cyn sees the filters")
	}
	ana.say("/filter")
	ana.await("the filters", func(l line) bool { return l.Code == "filters" && l.Text == "heck*\n/b[ae]d/\nlinks" })
	if out, _, exit := b.once("dan", "", "join", b.addr(), "--json", "--nick", "dan", "--no-input"); exit != 4 || !strings.Contains(out, `"code":"full"`) {
		t.Errorf("a third of two: code %d, %s", exit, out)
	}
	for name, c := range map[string]struct{ path, want string }{
		"missing": {filepath.Join(b.dir, "nothing"), "nothing"},
		"bad":     {write("bad", "fine\n/(/\n"), "line 2 of "},
		"many":    {write("many", strings.Join(strings.Split(strings.Repeat("abcdefghij", 7), ""), "\n")+"\n"+numberedLines(65)), "more than 64"},
	} {
		if _, talk, exit := b.once("x", "", "host", "y", "--filter-file", c.path, "--no-input"); exit != 2 || !strings.Contains(talk, "--filter-file: ") || !strings.Contains(talk, c.want) {
			t.Errorf("%s: code %d, %s", name, exit, talk)
		}
	}
}

func numberedLines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(numbered("word", i, 0) + "\n")
	}
	return b.String()
}

// Moderation in the middle of talk loses and doubles nothing of what the others
// say, and what is refused is in nobody's log.
func TestModeratedTalkIsWhole(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.record(3*40 + 1)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr(), "--transport", "udp")
	dan := b.join("dan", b.addr(), "--transport", "tcp")
	cyn := b.join("cyn", b.addr(), "--transport", "udp")
	ana.await("cyn", comes("cyn"))
	cyn.await("herself", comes("cyn"))
	ana.say("/op ben")
	ben.await("the op", act("op", "ben"))
	ben.say("/filter heck")
	ben.say("/mute cyn")
	cyn.await("the mute", act("mute", "cyn"))
	b.tell(cyn, "", "refused-1 says cyn")
	cyn.await("that it is", code("failed", "muted"))
	ben.say("/kick cyn") // and all of it at once
	last := b.chatter(40, 200, ana, ben, dan)
	cyn.exits(4)
	b.rec.Add(roomtest.Record{Op: roomtest.End, Who: "cyn", Dead: true})
	b.judge(last, ana, ben, dan)
}

// Nobody sits in a headless host; whoever comes with its key is the host.
func TestTheHostsKeyIsTheHost(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics", "--headless", "--approve")
	cyn := b.joining("cyn", b.addr(), "--no-input")
	cyn.hears("nobody who decides is here")
	ana := b.join("ana", b.addr(), "--transport", "tcp")
	if r := ana.sees("ready", kind("ready")); r.Role != "host" {
		t.Errorf("she is %s", r.text)
	}
	ana.await("the knock", code("notice", "knock"))
	ana.say("/approve cyn")
	cyn.await("ready", kind("ready"))
	cyn.await("herself", comes("cyn"))
	ana.say("/kick cyn")
	cyn.exits(4)
}
