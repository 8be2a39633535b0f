package main_test

// Rooms with a password: who gets in and who does not, and that the password
// itself is nowhere to be found.

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const secret = "correct horse battery"

// quick is how soon somebody with a wrong password has to know it.
const quick = 2 * time.Second

// written writes a file for the programs of the box.
func (b *box) written(name, text string, mode os.FileMode) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// with is the box with more in its environment.
func (b *box) with(env ...string) *box {
	own := *b
	own.env = append(append([]string(nil), b.env...), env...)
	return &own
}

func TestPassword(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	good, bad := b.written("good", secret+"\n", 0o600), b.written("bad", "correct horse\n", 0o600)
	ana := b.host("ana", "physics", "--password-file", good)
	for _, how := range []string{"udp", "tcp"} {
		ben := b.join("ben-"+how, b.addr(), "--transport", how, "--password-file", good)
		ben.say("let in by " + how)
		ana.await("who is in", said("let in by "+how))
	}
	cyn := b.with("PARLEY_PASSWORD="+secret).join("cyn", "physics")
	cyn.say("by the environment")
	ana.await("who is in", said("by the environment"))
	tom := b.parley("tom", "tail", "physics", "--json", "--nick", "tom", "--password-file", good)
	tom.await("ready", kind("ready"))
	if _, stderr, code := b.once("dee", "", "send", "physics", "sent", "--nick", "dee", "--password-file", good); code != 0 {
		t.Errorf("send: exit code %d\n%s", code, stderr)
	}
	ana.await("what was sent", said("sent"))
	tom.await("what was sent", said("sent"))

	for _, c := range []struct {
		name, words string
		code        int
		box         *box
		args        []string
	}{
		{"nothing", "the room physics wants a password|--password-file", 4, b, nil},
		{"a wrong file", "the password is wrong", 4, b, []string{"--password-file", bad}},
		{"a wrong file over TCP", "the password is wrong", 4, b, []string{"--password-file", bad, "--transport", "tcp"}},
		{"a wrong environment", "the password is wrong", 4, b.with("PARLEY_PASSWORD=battery"), nil},
	} {
		start := time.Now()
		stdout, stderr, code := c.box.once("eve", "", append([]string{"join", b.addr(), "--no-input"}, c.args...)...)
		took := time.Since(start)
		t.Logf("FIGURE with %s: exit code %d after %v (target %v)", c.name, code, round(took), quick)
		if code != c.code || stdout != "" || !saysAll(stderr, c.words) || strings.Count(stderr, "\n") > 2 {
			t.Errorf("%s: exit code %d after %v\n%s%s", c.name, code, took, stdout, stderr)
		}
	}
	refused := b.parley("eve", "join", "physics", "--json", "--no-input")
	refused.exits(4)
	if lines := refused.out.all(); len(lines) != 1 || lines[0].Type != "error" || lines[0].Code != "password" {
		t.Errorf("in JSON: %v", lines)
	}
}

// saysAll tells whether s has all the words, which are separated by |.
func saysAll(s, words string) bool {
	for word := range strings.SplitSeq(words, "|") {
		if !strings.Contains(s, word) {
			return false
		}
	}
	return true
}

// What cannot be a password, or would not protect anything, is refused before
// anything is sent.
func TestPasswordsThatCannotBe(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	open := b.host("ana", "physics")
	good := b.written("good", secret+"\r\n", 0o600)
	b.written("folder-is-here", "", 0o600)
	long := strings.Repeat("x", 1025)
	for _, c := range []struct {
		name, words string
		code        int
		env         string
		args        []string
	}{
		{"no such file", "no such file|missing|--password-file", 2, "", []string{"join", b.addr(), "--password-file", filepath.Join(b.dir, "missing")}},
		{"a folder", "--password-file|directory", 2, "", []string{"join", b.addr(), "--password-file", b.dir}},
		{"an empty file", "is empty", 2, "", []string{"join", b.addr(), "--password-file", b.written("empty", "", 0o600)}},
		{"an empty file to host with", "is empty", 2, "", []string{"host", "maths", "--password-file", b.written("empty", "", 0o600)}},
		{"an empty line", "holds an empty line and no password", 2, "", []string{"join", b.addr(), "--password-file", b.written("newline", "\n", 0o600)}},
		{"two lines", "more than one line", 2, "", []string{"join", b.addr(), "--password-file", b.written("two", "a\nb\n", 0o600)}},
		{"too long", "at most 1024 bytes", 2, "", []string{"join", b.addr(), "--password-file", b.written("long", long+"\n", 0o600)}},
		{"too long in the environment", "PARLEY_PASSWORD: |at most 1024 bytes", 2, long, []string{"join", b.addr()}},
		{"a tab", "letters, digits, signs and spaces", 2, "", []string{"join", b.addr(), "--password-file", b.written("tab", "a\tb", 0o600)}},
		{"a file for all to read", "everybody on this computer can read|does not ask for the password", 4, "", []string{"join", b.addr(), "--password-file", b.written("public", secret, 0o644)}},
		{"a room without one", "does not ask for the password that you have for it", 4, "", []string{"join", b.addr(), "--password-file", good}},
		{"a room without one, by the environment", "does not ask for the password", 4, secret, []string{"join", b.addr()}},
		{"plaintext host", "--plaintext|read past a password", 2, "", []string{"host", "maths", "--plaintext", "--password-file", good}},
		{"plaintext host by the environment", "PARLEY_PASSWORD|--plaintext", 2, secret, []string{"host", "maths", "--plaintext"}},
		{"plaintext member", "--plaintext|read past a password", 2, "", []string{"join", b.addr(), "--plaintext", "--password-file", good}},
		{"guests", "--guests|everybody on the network", 2, "", []string{"host", "maths", "--guests", "--password-file", good}},
		{"guests by the environment", "--guests", 2, secret, []string{"host", "maths", "--guests"}},
		{"nobody to ask", "--password asks for one on a terminal|--password-file", 2, "", []string{"host", "maths", "--password"}},
		{"both ways", "Leave out one of them", 2, "", []string{"host", "maths", "--password", "--password-file", good}},
		{"a value", "--password takes no value|PARLEY_PASSWORD", 2, "", []string{"host", "maths", "--password=hunter2"}},
		{"a value for join", "--password takes no value", 2, "", []string{"join", b.addr(), "--password=hunter2"}},
		{"a value behind it", "another room: the flag takes no value", 2, "", []string{"host", "maths", "--password", "hunter2"}},
		{"a flag of host", "a flag of host alone", 2, "", []string{"join", b.addr(), "--password"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := b
			if c.env != "" {
				own = b.with("PARLEY_PASSWORD=" + c.env)
			}
			alone := *own
			alone.t = t
			stdout, stderr, code := alone.once("eve", "", c.args...)
			if code != c.code || stdout != "" || !saysAll(stderr, c.words) {
				t.Errorf("exit code %d, want %d and %q\n%s%s", code, c.code, c.words, stdout, stderr)
			}
			if strings.Contains(stderr, "hunter2") || strings.Contains(stderr, secret) || strings.Contains(stderr, "xxxx") {
				t.Errorf("it shows the password: %s", stderr)
			}
		})
	}
	open.say("still here")
	open.await("that the room is none the worse", said("still here"))
	if os.Getuid() == 0 {
		t.Log("not tried: a file that may not be read, because we are root, who may read all")
		return
	}
	if _, stderr, code := b.once("eve", "", "join", b.addr(), "--password-file", b.written("closed", secret, 0)); code != 2 || !strings.Contains(stderr, "permission") {
		t.Errorf("a file that may not be read: %d %s", code, stderr)
	}
}

// The host changes the password while people are in: nobody is put out, the
// old one does not open any more, and listings say what holds.
func TestPasswordChange(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	old, new := b.written("old", secret, 0o600), b.written("new", "a new one", 0o600)
	ana := b.host("ana", "physics")
	listed := func(want bool) {
		t.Helper()
		stdout, _, _ := b.once("eve", "", "rooms", "--json", "--wait", "600ms")
		if room := parse(stdout); room.Password == nil || *room.Password != want {
			t.Errorf("listed as %s", stdout)
		}
	}
	changed := func(words string) func(line) bool {
		return func(l line) bool {
			return l.Type == "notice" && l.Code == "password" && l.Seq > 0 && l.By == "ana" && strings.Contains(l.Text, words)
		}
	}
	listed(false)
	ana.say("/password " + secret)
	ana.await("the change", changed("set a password"))
	listed(true)
	if stdout, _, _ := b.once("eve", "", "rooms"); !strings.Contains(stdout, "password") {
		t.Errorf("for people: %s", stdout)
	}
	ben := b.join("ben", b.addr(), "--password-file", old)
	ben.say("/password mine")
	ben.await("that it is not his to change", func(l line) bool { return l.Type == "error" && l.Code == "not_allowed" })
	ana.say("/password a new one")
	ben.await("the change", changed("changed the password"))
	if _, stderr, code := b.once("cyn", "", "join", b.addr(), "--password-file", old, "--no-input"); code != 4 || !strings.Contains(stderr, "wrong") {
		t.Errorf("the old one: exit code %d\n%s", code, stderr)
	}
	b.join("dee", b.addr(), "--password-file", new)
	ben.lives()
	ben.say("still in")
	ana.await("him", said("still in"))
	ana.say("/password off")
	ben.await("the end of it", changed("taken the password off"))
	listed(false)
	b.join("eve", b.addr())
	for _, p := range []*proc{ana, ben} {
		for _, l := range p.out.all() {
			if strings.Contains(l.text, "a new one") || strings.Contains(l.text, secret) {
				t.Errorf("%s is shown the password: %s", p.name, l.text)
			}
		}
	}
}

// A member who lost its seat, here because the host was started anew, comes
// back with the password it was given, and does not ask again.
func TestPasswordOnComingBack(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	good := b.written("good", secret+"\n", 0o600)
	ana := b.host("ana", "physics", "--password-file", good)
	ben := b.join("ben", b.addr(), "--password-file", good)
	ben.say("before")
	ana.await("it", said("before"))
	ana.kill()
	ben.await("that the link is lost", func(l line) bool { return l.Type == "link" && l.State == "lost" })
	os.Remove(good)
	ana = b.host("ana", "physics", "--password-file", b.written("again", secret, 0o600))
	ana.await("who comes back", comes("ben"))
	ben.say("and on")
	ana.await("what comes after", said("and on"))
}

// Nothing of the password is to be found but where it was given: not in what is
// shown, logged or kept, and not in what the system tells of a process.
func TestPasswordIsNowhere(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	const hidden, wrong, later = "Zq7-swordfish", "Zq7-wrong", "Zq7-later"
	logs := filepath.Join(b.dir, "logs")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	logged := func(name string) []string {
		return []string{"--log-level", "debug", "--log-file", filepath.Join(logs, name)}
	}
	good, bad := b.written("good", hidden, 0o600), b.written("bad", wrong, 0o600)
	ana := b.host("ana", "physics", append(logged("ana"), "--password-file", good)...)
	ben := b.with("PARLEY_PASSWORD="+hidden).join("ben", b.addr(), logged("ben")...)
	ben.say("/names")
	ben.await("who is here", kind("members"))
	_, wrongOut, _ := b.once("eve", "", append([]string{"join", b.addr(), "--no-input", "--password-file", bad}, logged("eve")...)...)
	ana.say("/password " + later)
	ben.await("the change", func(l line) bool { return l.Code == "password" })
	ana.say("/motd")
	ben.say("bye")
	ana.await("the end", said("bye"))

	seen := map[string]string{"a refusal": wrongOut}
	for _, p := range []*proc{ana, ben} {
		for _, o := range []*output{p.out, p.talk} {
			for _, l := range o.all() {
				seen[p.name+"'s output"] += l.text + "\n"
			}
		}
	}
	files := 0
	err := filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path == good || path == bad {
			return err
		}
		text, err := os.ReadFile(path)
		seen[path] = string(text)
		files++
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files: %v", files, err)
	}
	if runtime.GOOS == "linux" {
		for _, p := range []*proc{ana, ben} {
			for _, what := range []string{"cmdline", "comm"} {
				text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/" + what)
				if err != nil {
					t.Error(err)
				}
				seen[p.name+"'s "+what] = string(text)
			}
		}
	}
	for where, text := range seen {
		if strings.Contains(text, "Zq7") || strings.Contains(text, "swordfish") {
			t.Errorf("the password is in %s", where)
		}
	}
}
