package main_test

// Whom to believe: rooms that are known by their keys, and the files in which
// they, and who we are, are kept.

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// file is a file of somebody's in the data directory.
func (b *box) file(name, what string) string { return filepath.Join(b.dir, name, "parley", what) }

// trustError is the error object of a refusal.
type trustError struct {
	Type, Code, Text, Hint, Command string
	More                            []string
}

// refusal runs the program with --json, which must be refused with an exit code, and
// returns the one object that it printed.
func (b *box) refusal(name string, exit int, args ...string) (e trustError) {
	b.t.Helper()
	stdout, stderr, code := b.once(name, "", append(args, "--json", "--no-input")...)
	if err := json.Unmarshal([]byte(stdout), &e); err != nil || code != exit || e.Type != "error" || strings.Count(stdout, "\n") != 1 {
		b.t.Fatalf("%v: exit code %d, want %d and one error: %v\n%s%s", args, code, exit, err, stdout, stderr)
	}
	return e
}

// paste runs a command as it was printed, as in a shell.
func (b *box) paste(name, line string) (stdout, stderr string, code int) {
	b.t.Helper()
	words := strings.Fields(line) // of what these tests call their rooms no shell makes more
	if len(words) == 0 || words[0] != "parley" {
		b.t.Fatalf("%q is no command", line)
	}
	return b.once(name, "", words[1:]...)
}

func words(t testing.TB, b *box, name string) (key, words string) {
	t.Helper()
	stdout, stderr, code := b.once(name, "", "id")
	lines := strings.Split(stdout, "\n")
	if code != 0 || len(lines) != 3 || len(lines[0]) != 43 || len(strings.Fields(lines[1])) != 8 {
		t.Fatalf("id: exit code %d, %q, %q", code, stdout, stderr)
	}
	return lines[0], lines[1]
}

// The first contact with a room is told with the words that its host shows;
// from then on it is known, by name, by address, and after its host has
// started again.
func TestFirstContact(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.parley("ana", "host", "physics", "--headless", "--port", port(b))
	shown := regexp.MustCompile(`Its key, to compare: (\w+( \w+){7})$`).FindStringSubmatch(ana.hears("Its key, to compare").text)
	if shown == nil {
		t.Fatal("the host shows no words")
	}
	ana.hears("parley://" + b.addr() + "/physics#")
	_, stderr, code := b.once("ben", "", "send", "physics", "hi", "--nick", "ben")
	if code != 0 || !strings.Contains(stderr, "first time in physics") || !strings.Contains(stderr, shown[1]) {
		t.Errorf("the first time: exit code %d, %q; the host shows %q", code, stderr, shown[1])
	}
	for _, target := range []string{"physics", b.addr(), b.addr() + "/Physics"} {
		if _, stderr, code := b.once("ben", "", "send", target, "hi", "--nick", "ben"); code != 0 || stderr != "" {
			t.Errorf("%s, known: exit code %d, %q", target, code, stderr)
		}
	}
	ana.kill()
	b.host("ana", "physics", "--headless")
	if _, stderr, code := b.once("ben", "", "send", "physics", "hi", "--nick", "ben"); code != 0 || stderr != "" {
		t.Errorf("after its host has started again: exit code %d, %q", code, stderr)
	}
	cyn := b.join("cyn", "physics")
	if e := cyn.await("first contact", kind("notice")); e.Code != "new_key" || !strings.Contains(e.Text, shown[1]) {
		t.Errorf("first contact in JSON: %s", e.text)
	}
	stdout, _, _ := b.once("ben", "", "rooms", "--json")
	if !strings.Contains(stdout, `"pin":"known"`) {
		t.Errorf("rooms of one who knows it: %s", stdout)
	}
	stdout, _, _ = b.once("dan", "", "rooms", "--json")
	if !strings.Contains(stdout, `"pin":"new"`) {
		t.Errorf("rooms of one who does not: %s", stdout)
	}
	stdout, _, code = b.once("ben", "", "pins")
	if code != 0 || !strings.Contains(stdout, shown[1]) || strings.Count(stdout, "\n") != 1 {
		t.Errorf("pins: exit code %d, %q", code, stdout)
	}
}

// Another key under a known name is refused, before a nick is sent, with both
// fingerprints and a command; the command works.
func TestChangedKey(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--headless")
	before := ana.sees("ready", kind("ready"))
	b.once("ben", "", "send", "physics", "hi", "--nick", "ben")
	ana.kill()
	eve := b.host("eve", "physics")
	now := eve.sees("ready", kind("ready"))
	key, ofRoom := regexp.MustCompile(`"key":"([^"]+)"`), regexp.MustCompile(`"words":"([^"]+)"`)
	var e trustError
	for _, target := range []string{"physics", b.addr(), b.addr() + "/physics"} {
		e = b.refusal("ben", 4, "send", target, "hi", "--nick", "ben")
		all := e.Text + strings.Join(e.More, " ")
		if e.Code != "key_mismatch" || !strings.Contains(e.Text, "physics has another key") {
			t.Errorf("%s: %+v", target, e)
		}
		for _, l := range []line{before, now} {
			if words := ofRoom.FindStringSubmatch(l.text); words == nil || !strings.Contains(all, words[1]) || !strings.Contains(all, l.Key[:8]) {
				t.Errorf("%s: the fingerprint of %s is missing in %s", target, l.Key, all)
			}
		}
	}
	_, stderr, code := b.once("ben", "", "join", "physics", "--nick", "ben", "--no-input")
	if code != 4 || !strings.Contains(stderr, "before: ") || !strings.Contains(stderr, "now: ") || !strings.Contains(stderr, "\n  "+e.Command+"\n") {
		t.Errorf("in words: exit code %d, %s", code, stderr)
	}
	stdout, _, _ := b.once("ben", "", "rooms", "--json")
	if !strings.Contains(stdout, `"pin":"changed"`) {
		t.Errorf("rooms: %s", stdout)
	}
	if stdout, _, _ := b.once("ben", "", "rooms"); !strings.Contains(stdout, "OTHER KEY") {
		t.Errorf("rooms: %s", stdout)
	}
	if _, stderr, code := b.paste("ben", e.Command); code != 0 {
		t.Fatalf("%s: exit code %d, %s", e.Command, code, stderr)
	}
	if stdout, stderr, code := b.once("ben", "", "send", "physics", "hi again", "--nick", "ben"); code != 0 || stderr != "" {
		t.Errorf("accepted, and then: exit code %d, %s%s", code, stdout, stderr)
	}
	eve.await("the message", said("hi again"))
	for _, l := range eve.out.all() {
		if l.Type == "join" && l.Nick == "ben" {
			t.Errorf("somebody who was refused had been seated: %s", l.text)
		}
	}
	stdout, _, _ = b.once("ben", "", "pins", "--json")
	if keys := key.FindAllString(stdout, -1); len(keys) != 2 {
		t.Errorf("pins: %s", stdout)
	}
	if _, _, code := b.once("ben", "", "pins", "forget", "physics"); code != 0 {
		t.Errorf("forget: exit code %d", code)
	}
	if _, _, code := b.once("ben", "", "pins", "forget", "physics"); code != 3 {
		t.Errorf("forget what is not known: exit code %d", code)
	}
	if _, stderr, code := b.once("ben", "", "send", "physics", "hi", "--nick", "ben"); code != 0 || !strings.Contains(stderr, "first time in physics") {
		t.Errorf("forgotten, and then: exit code %d, %s", code, stderr)
	}
}

// The command that accepts a key names the data directory where that was named,
// and holds keys that begin like a flag.
func TestAcceptAnyKey(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	key := "-" + strings.Repeat("A", 42)
	for _, args := range [][]string{{"pins", "accept", "physics", "--", key}, {"pins", "accept", "--", "-x", key}} {
		if _, stderr, code := b.once("ben", "", args...); code != 0 {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	for _, args := range [][]string{{"pins", "accept", "physics", "nonsense"}, {"pins", "accept", "a b", key}, {"pins", "accept", "physics"}, {"pins", "accept", "physics", strings.Repeat("A", 43)}} {
		if _, stderr, code := b.once("ben", "", args...); code != 2 {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	ana := b.host("ana", "physics", "--headless")
	dir := filepath.Join(b.dir, "elsewhere")
	if _, stderr, code := b.once("ben", "", "pins", "accept", "physics", "--data-dir", dir, "--", key); code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	e := b.refusal("ben", 4, "send", "physics", "hi", "--nick", "ben", "--data-dir", dir)
	if !strings.Contains(e.Command, "--data-dir "+dir) {
		t.Errorf("the command is %q", e.Command)
	}
	if _, stderr, code := b.paste("ben", e.Command); code != 0 {
		t.Fatalf("%s: exit code %d, %s", e.Command, code, stderr)
	}
	if _, stderr, code := b.once("ben", "", "send", "physics", "hi", "--nick", "ben", "--data-dir", dir); code != 0 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	ana.lives()
}

// A link is pinned without a first contact; one that does not match what answers
// is refused with its own words, and nothing is remembered of it.
func TestLinkPins(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	link := b.host("ana", "physics").sees("ready", kind("ready")).Link
	at := strings.Index(link, "#")
	wrong := link[:at+1] + strings.Repeat("A", 42) + "E"
	e := b.refusal("ben", 4, "send", wrong, "hi", "--nick", "ben")
	if e.Code != "key_mismatch" || !strings.Contains(e.Text, "not the one it should be") || len(e.More) != 2 {
		t.Errorf("a wrong link: %+v", e)
	}
	if _, err := os.Stat(b.file("ben", "pins")); err == nil {
		t.Error("a wrong link is remembered")
	}
	if _, stderr, code := b.once("ben", "", "send", link, "hi", "--nick", "ben"); code != 0 || stderr != "" {
		t.Errorf("the link: exit code %d, %s", code, stderr)
	}
	if _, stderr, code := b.once("ben", "", "send", "physics", "hi", "--nick", "ben"); code != 0 || stderr != "" {
		t.Errorf("the name, after the link: exit code %d, %s", code, stderr)
	}
	if stdout, _, _ := b.once("ben", "", "pins"); !strings.Contains(stdout, link[at+1:at+9]) {
		t.Errorf("pins: %s", stdout)
	}
	if _, _, code := b.once("ben", "", "send", link[:at+5], "hi", "--nick", "ben"); code != 2 {
		t.Errorf("a link that is cut short: exit code %d", code)
	}
}

// What was encrypted once is not joined in plaintext, by name or by address; the
// way out is named, and works.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics", "--headless")
	b.once("ben", "", "send", "physics", "hi", "--nick", "ben")
	ana.kill()
	eve := b.host("eve", "physics", "--plaintext")
	var e trustError
	for _, target := range []string{"physics", b.addr(), b.addr() + "/physics"} {
		e = b.refusal("ben", 4, "send", target, "hi", "--nick", "ben", "--plaintext")
		if e.Code != "downgrade" || e.Command != "parley pins forget physics" {
			t.Errorf("%s: %+v", target, e)
		}
	}
	if e := b.refusal("ben", 4, "send", "physics", "hi", "--nick", "ben"); e.Code != "downgrade" {
		t.Errorf("without --plaintext: %+v", e)
	}
	if _, stderr, code := b.paste("ben", e.Command); code != 0 {
		t.Fatalf("%s: exit code %d, %s", e.Command, code, stderr)
	}
	if _, stderr, code := b.once("ben", "", "send", "physics", "in clear", "--nick", "ben", "--plaintext"); code != 0 {
		t.Errorf("forgotten, and then: exit code %d, %s", code, stderr)
	}
	eve.await("the message", said("in clear"))
}

// Files that cannot be used are told each in its own words, and stay as they are.
func TestBadTrustFiles(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics", "--headless")
	for _, c := range []struct {
		name, file, content string
		mode                os.FileMode
		code, says          string
		unless              bool
	}{
		{"corrupt-pins", "pins", "parley pins 1\nphysics nonsense\n", 0o600, "pins_file", "damaged: line 2", false},
		{"empty-pins", "pins", "", 0o600, "pins_file", "empty", false},
		{"open-pins", "pins", "parley pins 1\n", 0o666, "pins_file", "may change which rooms you trust", runtime.GOOS == "windows"},
		{"unreadable-pins", "pins", "parley pins 1\n", 0, "pins_file", "cannot read which rooms you trust", runtime.GOOS == "windows"},
		{"corrupt-key", "identity", "nonsense\n", 0o600, "key_file", "is damaged: its first line is no key", false},
		{"empty-key", "identity", "", 0o600, "key_file", "is damaged", false},
		{"group-key", "identity", strings.Repeat("A", 43) + "=\n", 0o640, "key_file", "0640", runtime.GOOS == "windows"},
		{"unreadable-key", "identity", strings.Repeat("A", 43) + "=\n", 0, "key_file", "cannot read your key", runtime.GOOS == "windows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.unless {
				t.Skip("SKIPPED: on Windows this file is as good as any")
			}
			own := *b
			own.t = t
			if c.mode == 0 && os.Geteuid() == 0 { // who may read everything
				own.command = withoutOverride(t)
			}
			path := own.file(c.name, c.file)
			os.MkdirAll(filepath.Dir(path), 0o700)
			os.WriteFile(path, []byte(c.content), 0o600)
			os.Chmod(path, c.mode)
			e := own.refusal(c.name, 1, "send", "physics", "hi", "--nick", "ben")
			if e.Code != c.code || !strings.Contains(e.Text, c.says) || !strings.Contains(e.Text, path) || e.Hint == "" {
				t.Errorf("%+v", e)
			}
			os.Chmod(path, 0o600)
			if now, err := os.ReadFile(path); string(now) != c.content {
				t.Errorf("it became %q, %v", now, err)
			}
		})
	}
	if os.Geteuid() == 0 && runtime.GOOS == "linux" { // a directory is as unreadable a file as there is
		for _, file := range []string{"pins", "identity"} {
			name := "directory-" + file
			os.MkdirAll(b.file(name, file), 0o700)
			if e := b.refusal(name, 1, "send", "physics", "hi", "--nick", "ben"); !strings.Contains(e.Text, "cannot read") || !strings.Contains(e.Text, "is not a file") {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

// A place in which everybody can write is no place for keys, nor for what was said.
func TestPlaceOfEverybody(t *testing.T) {
	t.Parallel()
	if windows {
		t.Skip("SKIPPED: access lists decide that on Windows")
	}
	b := loopback(t)
	dir := filepath.Dir(b.file("ben", "pins"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"send", "physics", "hi", "--nick", "ben"}, {"history"}, {"pins"}, {"id"}, {"rooms"}} {
		_, stderr, code := b.once("ben", "", args...)
		if code != 1 || !strings.Contains(stderr, "everybody on this computer can write in "+dir) || !strings.Contains(stderr, "chmod 700") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v was left there, %v", left, err)
	}
	os.Chmod(dir, 0o700)
	if _, stderr, code := b.once("ben", "", "id"); code != 0 {
		t.Errorf("closed, and then: exit code %d, %s", code, stderr)
	}
}

// withoutOverride runs programs of root that may read no more than the
// permissions of files allow.
func withoutOverride(t *testing.T) func(string, ...string) *exec.Cmd {
	t.Helper()
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("SKIPPED: to root this file is as good as any, and setpriv is missing")
	}
	return func(name string, args ...string) *exec.Cmd {
		return exec.Command(setpriv, append([]string{"--bounding-set=-dac_override,-dac_read_search", name}, args...)...)
	}
}

// On a computer whose disk is a copy of another's, a new identity is made, once,
// and the old one kept. Where the copy comes from is in the file, so the file is
// made that of another computer.
func TestClonedMachine(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	before, _ := words(t, b, "ben")
	path := b.file("ben", "identity")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^machine [0-9a-f]{64}$`)
	if !line.Match(content) {
		t.Skip("SKIPPED: this computer has no id, so no copy of it can be told")
	}
	content = line.ReplaceAll(content, []byte("machine "+strings.Repeat("0", 64)))
	os.WriteFile(path, content, 0o600)
	stdout, stderr, code := b.once("ben", "", "id")
	now := strings.Split(stdout, "\n")[0]
	if code != 0 || now == before || strings.Count(stderr, "made on another computer") != 1 {
		t.Errorf("on the copy: exit code %d, %s, %s", code, stdout, stderr)
	}
	if again, _ := words(t, b, "ben"); again != now {
		t.Errorf("the new identity does not last: %s, %s", now, again)
	}
	if aside, err := os.ReadFile(path + ".from-another-machine"); err != nil || !bytes.Equal(aside, content) {
		t.Errorf("the old identity: %q, %v", aside, err)
	}
}

// The keys can be asked for in the room, and are those that everybody sees.
func TestKeysInTheRoom(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.addr())
	_, own := words(t, b, "ben")
	ready := ana.sees("ready", kind("ready"))
	ofRoom := regexp.MustCompile(`"words":"([^"]+)"`).FindStringSubmatch(ready.text)
	if ofRoom == nil {
		t.Fatalf("ready has no words: %s", ready.text)
	}
	ben.say("/key")
	if l := ben.await("the keys", has("your own")); !strings.Contains(l.Text, own) || !strings.Contains(l.Text, ofRoom[1]) || !strings.Contains(l.Text, ready.Key) {
		t.Errorf("/key: %s", l.text)
	}
	ana.say("/whois ben")
	if l := ana.await("about ben", has("over")); !strings.Contains(l.Text, own) {
		t.Errorf("/whois: %s", l.text)
	}
	for _, p := range []*proc{ana, ben} {
		p.say("/link")
		if l := p.await("the link", func(l line) bool { return l.Type == "notice" && l.Code == "link" }); l.Link != ready.Link || !strings.Contains(l.Text, ofRoom[1]) {
			t.Errorf("/link: %s, want %s", l.text, ready.Link)
		}
	}
}

func port(b *box) string { return b.addr()[strings.LastIndex(b.addr(), ":")+1:] }

// drawn are the rows of a QR code in what was printed.
func drawn(lines []string) (rows []string) {
	for _, l := range lines {
		l = regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(l, "")
		if strings.ContainsAny(l, "▀▄█") {
			rows = append(rows, strings.TrimRight(l, "\r\n"))
		}
	}
	return rows
}

// The code for cameras is drawn where it is asked for, and nowhere else if
// nothing but a file reads it.
func TestQRFlag(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	for _, c := range []struct {
		name string
		flag string
		rows int
	}{{"on", "--qr=on", 23}, {"auto", "--qr=auto", 0}, {"off", "--qr=off", 0}} {
		_, stderr, _ := b.once(c.name, "", "host", c.name, "--nick", "ana", "--port", port(b), c.flag) // until its input ends
		lines := strings.Split(stderr, "\n")
		rows := drawn(lines)
		if got := len(rows); got < c.rows-2 || got > c.rows {
			t.Errorf("%s: %d rows of a code, want about %d", c.flag, got, c.rows)
		}
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "parley://") }) {
			t.Errorf("%s: no link", c.flag)
		}
	}
}
