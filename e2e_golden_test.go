//go:build linux

package main_test

// Nothing that others send makes a terminal obey: the built program runs on a
// terminal against hosts, members, guests, beacons, arguments and files that
// mean it ill, and every byte that it writes there is looked at.

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// everything is shown before and after the member has said go, and then the
// host answers what the member asks, ill-mannered.
func everything(c *caller, _ int) {
	names := goldens()
	c.welcome(len(names)*cursed, object{"topic": golden["another's line"], "why": golden["clear"], "role": golden["colour"], "delivery": golden["reset"], "motd": golden["another's line"]})
	for _, name := range names {
		c.curse(golden[name])
	}
	if go_, ok := c.until("message"); !ok || go_["text"] != "go" {
		return
	}
	c.tell(object{"type": "message", "from": "roo\x1b", "text": "]0;zQz\x07"})
	c.tell(object{"type": "message", "from": "x", "text": golden["half a sequence"]})
	c.tell(object{"type": "message", "from": golden["the other half"], "text": "y"})
	c.tell(object{"type": "message", "from": "x", "text": strings.Repeat("zQz\x1b[2J\u009b5C", 300)}) // in several packets
	for i := 1180; i < 1220; i++ {                                                                    // ESC at a packet's end
		c.tell(object{"type": "message", "from": "x", "text": strings.Repeat("a", i) + "\x1b]0;zQz\x07"})
	}
	for _, name := range names {
		c.curse(golden[name])
	}
	for i := 0; ; i++ {
		o, ok := c.hear()
		s := golden[names[i%len(names)]]
		switch {
		case !ok:
			return
		case o["type"] == "names":
			c.say(object{"type": "members", "id": o["id"], "seq": c.seq, "members": []object{
				{"nick": s, "transport": s, "role": s, "away": s, "seat": strings.Repeat("4", 32)},
				{"nick": "root", "transport": s, "role": s, "away": golden["another's line"], "seat": strings.Repeat("5", 32)}}})
		case o["text"] == "end":
			c.say(object{"type": "bye", "code": golden["clear"], "text": golden["another's line"] + strings.Join(slices.Collect(all(names)), "\n")})
			return
		case o["id"] != nil:
			c.say(object{"type": "failed", "id": o["id"], "code": s, "text": s, "suggest": s})
			if o["type"] == "away" && o["text"] == nil {
				c.tell(object{"type": "message", "from": "x", "text": "R"})
			}
		}
	}
}

// all are the texts of the golden set.
func all(names []string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, name := range names {
			if !yield(golden[name]) {
				return
			}
		}
	}
}

func TestHostileHostOnTerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		carrier string
		columns int
		colour  bool
	}{{"udp", 80, false}, {"tcp", 40, true}, {"udp", 20, false}} {
		t.Run(fmt.Sprint(c.carrier, c.columns), func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			b.columns = c.columns
			h := openBadHost(t, c.carrier, everything)
			log := filepath.Join(b.dir, "log")
			env := []string{"TERM=xterm"}
			if !c.colour {
				env = append(env, "NO_COLOR=1")
			}
			term := b.onTerminal("ana", env, "join", h.addr, "--lines", "--nick", "ana", "--transport", c.carrier,
				"--log-level", "debug", "--log-file", log)
			term.shows("Ctrl-D")
			term.types("/bell off\r/delivered\r/stats\r")
			term.shows("bell rings")
			term.types("go\r")
			term.shows("not sent")
			for range 12 {
				term.types("/names\r/whois root\rsecret words\r/topic x\r/away\r/nick zoe\r/topic\r/motd\r/ignore\r@zQ\t\x03/back\r")
				term.shows(": R\r\n")
			}
			term.types("\x0cend\r")
			term.exits(4)
			rows := looksRight(t, "a hostile host's room", string(term.screen), c.columns)
			shown := 0
			for _, row := range rows {
				shown += strings.Count(row.text, mark)
			}
			if shown < 1000 {
				t.Errorf("the texts are on the screen %d times: has the host been heard?", shown)
			}
			if !c.colour && ownColour.MatchString(string(term.screen)) {
				t.Error("there is colour, though none is wanted")
			}
			cleanLog(t, log, "secret words")
		})
	}
}

// A terminal whose cursor cannot be moved gets rows alone.
func TestHostileHostOnDumbTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{20, 40, 80} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			b.columns = columns
			h := openBadHost(t, "tcp", func(c *caller, _ int) {
				c.welcome(0, nil)
				c.until("message") // it types while nothing comes: a terminal shows that anywhere
				for _, name := range goldens() {
					c.curse(golden[name])
				}
				c.say(object{"type": "bye", "code": golden["clear"], "text": golden["another's line"]})
			})
			term := b.onTerminal("ana", []string{"TERM=dumb"}, "join", h.addr, "--nick", "ana", "--transport", "tcp")
			term.shows("Ctrl-D")
			term.types("/bell off\n")
			term.shows("bell rings")
			term.types("go\n")
			term.exits(4)
			screen := string(term.screen)
			looksRight(t, "a dumb terminal", screen, columns)
			if strings.Contains(screen, "\x1b") {
				t.Error("there are sequences")
			}
		})
	}
}

var ownColour = regexp.MustCompile(`\x1b\[\d*m`)

// cleanLog fails the test unless a log has a record a line, nothing that a
// terminal obeys, and nothing of what was said.
func cleanLog(t testing.TB, path string, secrets ...string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	count := 0
	for lines.Scan() {
		count++
		line := lines.Text()
		if !logRecord.MatchString(line) {
			t.Fatalf("no record of a log: %.300q", line)
		}
		if bad := control(line); bad >= 0 {
			t.Fatalf("a log has %.20q in %.300q", line[bad:], line)
		}
		for _, secret := range append(secrets, mark) {
			if strings.Contains(line, secret) {
				t.Fatalf("a log tells what was said: %.300q", line)
			}
		}
	}
	if count == 0 || lines.Err() != nil {
		t.Errorf("the log has %d lines: %v", count, lines.Err())
	}
}

var logRecord = regexp.MustCompile(`^time=\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) level=(?:DEBUG|INFO|WARN|ERROR) msg=`)

// control returns where s has the first byte or character that a terminal may
// obey, or that deceives about direction, and -1 where there is none.
func control(s string) int {
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		if r < 0x20 || 0x7f <= r && r < 0xa0 || r == utf8.RuneError && size == 1 || 0x202a <= r && r <= 0x202e || r == 0x2066 || r == 0x2067 {
			return i
		}
	}
	return -1
}

// cleanLines fails the test at a line of output that a terminal would obey.
func cleanLines(t testing.TB, what string, lines []line, asJSON bool) {
	t.Helper()
	for _, l := range lines {
		if bad := control(l.text); bad >= 0 {
			t.Errorf("%s has %.20q in %.200q", what, l.text[bad:], l.text)
		}
		if asJSON {
			cleanJSON(t, l.text)
		} else if forged.MatchString(l.text) {
			t.Errorf("%s: a line that passes for another's: %.200q", what, l.text)
		}
	}
}

// cleanJSON fails the test unless a line is one object whose strings, once
// decoded, have no control characters but the line breaks and tabs of texts.
func cleanJSON(t testing.TB, line string) {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Errorf("no object: %v: %.200q", err, line)
		return
	}
	var look func(key string, v any)
	look = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if key == "text" {
				v = strings.NewReplacer("\n", "", "\t", "").Replace(v)
			}
			if i := strings.IndexFunc(v, func(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }); i >= 0 {
				t.Errorf("%q of %.200q, decoded, has a control character", key, line)
			}
		case []any:
			for _, e := range v {
				look(key, e)
			}
		case map[string]any:
			for k, e := range v {
				look(k, e)
			}
		}
	}
	look("", o)
}

// What programs and pipes read of a hostile host is as harmless: it may be
// shown on a terminal by whatever is behind them.
func TestHostileHostInPipes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		json bool
		args []string
	}{
		{"json", true, []string{"join", "--json", "--nick", "ana"}},
		{"plain", false, []string{"join", "--nick", "ana"}},
		{"tail", false, []string{"tail", "--nick", "ana"}},
		{"tail-json", true, []string{"tail", "--json", "--nick", "ana"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			h := openBadHost(t, "tcp", func(c *caller, n int) {
				if n > 0 { // it came back after bytes that are no UTF-8
					c.say(object{"type": "error", "code": golden["clear"], "text": strings.Join(slices.Collect(all(goldens())), " "), "suggest": golden["colour"]})
					return
				}
				names := goldens()
				c.welcome(len(names)*cursed, object{"topic": golden["another's line"], "role": golden["colour"], "delivery": golden["reset"]})
				for _, name := range names {
					c.curse(golden[name])
				}
				c.raw([]byte(`{"type":"message","seq":` + strconv.FormatUint(c.seq+1, 10) + `,"from":"x","text":"` + rawGolden[0] + `"}`))
				c.until("nothing of the sort")
			})
			args := append(c.args, h.addr, "--transport", "tcp", "--log-level", "debug", "--log-file", filepath.Join(b.dir, "log"))
			p := b.parley("ana", args...)
			p.exits(4)
			cleanLines(t, "stdout", p.out.all(), c.json)
			cleanLines(t, "stderr", p.talk.all(), false)
			if n := len(p.out.all()); n < 500 {
				t.Errorf("%d lines: has the host been heard?", n)
			}
			cleanLog(t, filepath.Join(b.dir, "log"))
		})
	}
}

// Refusals come before there is a room, and are asked about.
func TestHostileRefusals(t *testing.T) {
	t.Parallel()
	evil := strings.Join(slices.Collect(all(goldens())), "")
	var rooms []string
	for _, name := range goldens() {
		rooms = append(rooms, golden[name])
	}
	for i, answer := range []object{
		{"type": "error", "code": "nick_taken", "text": evil, "suggest": golden["title, OSC 0"]},
		{"type": "error", "code": "nick_invalid", "text": evil, "suggest": golden["another's line"]},
		{"type": "error", "code": "which_room", "text": evil, "rooms": rooms},
		{"type": "error", "code": "no_room", "text": evil, "rooms": rooms},
		{"type": "error", "code": golden["8-bit CSI"], "text": evil},
		{"type": "bye", "code": "banned", "text": evil},
		{"type": "wait", "code": "approval", "text": evil},
		{"type": "welcome", "v": 7, "session": evil[:200], "room": golden["clear"]},
		{"type": "welcome", "v": 1, "session": strings.Repeat("2", 32), "nick": golden["clear"], "room": golden["another's line"]},
	} {
		for _, columns := range []int{80, 20} {
			t.Run(fmt.Sprint(i, "-", columns), func(t *testing.T) {
				t.Parallel()
				b := loopback(t)
				b.columns = columns
				h := openBadHost(t, "tcp", func(c *caller, n int) {
					c.say(answer)
					if answer["v"] == 1 {
						c.say(object{"type": "members", "members": []object{{"nick": golden["clear"], "role": evil[:80]}}})
					} else {
						c.say(object{"type": "error", "code": "banned", "text": evil})
					}
					for o, ok := c.hear(); ok; o, ok = c.hear() {
						c.say(object{"type": "failed", "id": o["id"], "code": "x", "text": evil})
					}
				})
				term := b.onTerminal("ana", []string{"TERM=xterm"}, "join", h.addr, "--lines", "--nick", "ana", "--transport", "tcp")
				if i == 8 { // a room that has a name no room can have
					term.shows("that no room")
				}
				term.types("\x04\x04")
				<-term.done
				looksRight(t, "a refusal", string(term.screen), columns)
				p := b.parley("ben", "send", h.addr, "hello", "--json", "--nick", "ben", "--transport", "tcp")
				p.ends()
				cleanLines(t, "stdout", p.out.all(), true)
			})
		}
	}
}

// What a room is called is for its host to choose, and to announce.
func TestHostileBeacons(t *testing.T) {
	t.Parallel()
	names := []string{"physics" + strings.Repeat("\u2800", 18), rawGolden[0]}
	for _, name := range goldens() {
		s := golden[name]
		for len(s) > 63 || !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
		// As it is, and without what no room name has.
		names = append(names, s, strings.Map(func(r rune) rune {
			if strings.ContainsRune(" /#:", r) {
				return '_'
			}
			return r
		}, s))
	}
	b := loopback(t)
	badBeacons(t, b.discoveryPort(), append(names, "good-room")...)
	for _, columns := range []int{20, 80} {
		b.columns = columns
		term := b.onTerminal(fmt.Sprint("rooms", columns), []string{"TERM=xterm"}, "rooms")
		term.exits(0)
		rows := looksRight(t, "rooms", string(term.screen), columns)
		shows(t, rows, "good-room")
		shows(t, rows, mark)
		term = b.onTerminal(fmt.Sprint("lobby", columns), []string{"TERM=xterm"}, "--lines")
		term.shows("Number")
		term.types("\x04")
		term.exits(0)
		shows(t, looksRight(t, "the lobby", string(term.screen), columns), mark)
	}
	stdout, stderr, _ := b.once("json", "", "rooms", "--json")
	for line := range strings.Lines(stdout) {
		line = strings.TrimSuffix(line, "\n")
		if control(line) >= 0 {
			t.Errorf("rooms --json: %q", line)
		}
		cleanJSON(t, line)
	}
	if !strings.Contains(stdout, `"good-room"`) || stderr != "" {
		t.Errorf("rooms --json: %q %q", stdout, stderr)
	}
	for _, columns := range []int{20, 80} {
		b.columns = columns
		term := b.onTerminal("none", []string{"TERM=xterm"}, "join", "nowhere", "--lines", "--nick", "x")
		term.exits(3)
		shows(t, looksRight(t, "the rooms there are", string(term.screen), columns), mark)
	}
}

func shows(t testing.TB, rows []screenRow, text string) {
	t.Helper()
	if !slices.ContainsFunc(rows, func(r screenRow) bool { return strings.Contains(r.text, text) }) {
		t.Errorf("%q is not on the screen: %+v", text, rows)
	}
}

// A host of ours takes nothing of it in, whoever sends it.
func TestHostileMember(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{"udp", "tcp"} {
		t.Run(carrier, func(t *testing.T) {
			t.Parallel()
			b := loopback(t)
			logs := filepath.Join(b.dir, "host-log")
			host := b.onTerminal("ana", []string{"TERM=xterm", "NO_COLOR=1"}, "host", "physics", "--lines", "--nick", "ana", "--port", fmt.Sprint(b.port), "--guests",
				"--log-level", "debug", "--log-file", logs)
			host.shows("Ctrl-D")
			ben := b.join("ben", b.addr())
			host.shows("ben joined")
			host.types("/bell off\r")
			host.shows("bell rings")
			refused := 0
			for _, name := range goldens() {
				s := golden[name]
				c := badMember(t, carrier, b.addr(), object{"type": "join", "v": 1, "nick": s, "transport": s, "room": "physics"})
				if name == "format" { // which is a nick like others
					c.until("welcome")
					c.conn.Close()
					c = badMember(t, carrier, b.addr(), object{"type": "join", "v": 1, "nick": "\x1b", "room": "physics"})
				}
				if o, ok := c.until("error"); !ok || o["code"] != "nick_invalid" {
					t.Errorf("%s as a nick: %v", name, o)
				}
				c.say(object{"type": "join", "v": 1, "nick": "mal", "transport": s, "history": 0})
				if _, ok := c.until("welcome"); !ok {
					t.Fatalf("%s: not let in", name)
				}
				refused += c.misbehave(s)
				c.say(object{"type": "leave", "text": s})
				c.until("bye")
				c.conn.Close()
				wrong := badMember(t, carrier, b.addr(), object{"type": "join", "v": 1, "nick": "x", "room": s})
				wrong.hear()
				wrong.conn.Close()
			}
			for i, raw := range rawGolden {
				c := badMember(t, carrier, b.addr(), object{"type": "join", "v": 1, "nick": fmt.Sprint("mal", i+2)})
				c.until("welcome")
				c.raw([]byte(`{"type":"message","id":"` + strings.Repeat("7", 32) + `","text":"` + raw + `"}`))
				c.until("bye")
				c.conn.Close()
			}
			badGuest(t, b.addr())
			ben.say("that is all")
			host.shows("that is all")
			host.types("/quit\r")
			host.shows("again to close it")
			host.types("/quit\r")
			host.exits(0)
			ben.say("/quit")
			ben.ends()
			looksRight(t, "the host", string(host.screen), 80)
			cleanLines(t, "a member", ben.out.all(), true)
			if refused == 0 {
				t.Error("nothing was refused")
			}
			cleanLog(t, logs, "that is all")
		})
	}
}

// misbehave says s wherever a member can say something, and returns how much
// of it the host has refused.
func (c *caller) misbehave(s string) (refused int) {
	n := 0
	id := func() string { n++; return fmt.Sprintf("%032x", n) }
	for _, o := range []object{
		{"type": "message", "text": s}, {"type": "action", "text": s}, {"type": "whisper", "to": "ben", "text": s},
		{"type": "whisper", "to": s, "text": "x"}, {"type": "nick", "nick": s}, {"type": "topic", "text": s}, {"type": "away", "text": s},
		{"type": s, "text": "x", "nick": s}, {"type": "notice", "text": s, "code": s}, {"type": "kick", "nick": s, "text": s},
		{"type": "motd", "text": s}, {"type": "lock", "text": s}, {"type": "filter", "text": s}, {"type": "deny", "nick": s, "text": s},
	} {
		o["id"] = id()
		c.say(o)
		for {
			answer, ok := c.hear()
			if !ok {
				c.t.Errorf("%v: the host hung up", o)
				return refused
			}
			if answer["id"] == o["id"] && (answer["type"] == "failed" || answer["type"] == "accepted") {
				if answer["type"] == "failed" {
					refused++
				} else if words, _ := o["text"].(string); strings.ContainsFunc(words, func(r rune) bool {
					return r < 0x20 && r != '\n' && r != '\t' || 0x7f <= r && r < 0xa0
				}) {
					c.t.Errorf("the host takes %q", o)
				}
				break
			}
		}
	}
	c.say(object{"type": "names", "id": s})
	c.say(object{"type": "message", "id": s, "text": "x"})
	return refused
}

// badGuest is a bare text client that says the golden set, raw bytes and all, and
// reads what comes back.
func badGuest(t testing.TB, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var b strings.Builder
	b.WriteString("\x1b]0;a\x07\ngus\n")
	for _, s := range append(slices.Collect(all(goldens())), rawGolden...) {
		b.WriteString(s + "\n/me " + s + "\n/nick " + s + "\n/" + s + "\n/msg ben " + s + "\n/whois " + s + "\n")
	}
	b.WriteString("/nick gus\n/quit\n")
	if _, err := conn.Write([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	for n := 0; lines.Scan(); n++ {
		if bad := control(lines.Text()); bad >= 0 {
			t.Errorf("a guest is told %q", lines.Text())
		}
	}
}

// What is typed in a shell, what is in the environment and what a key file
// says besides the key may come from others, too.
func TestHostileArguments(t *testing.T) {
	t.Parallel()
	b := loopback(t)
	b.host("ana", "physics")
	dir := filepath.Join(b.dir, "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range goldens() {
		s := strings.ReplaceAll(golden[name], "\x00", "")
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		os.MkdirAll(path, 0o700)
		seed := base64.StdEncoding.EncodeToString(make([]byte, 32))
		os.WriteFile(filepath.Join(path, "identity"), []byte(seed+"\n"+s+"\n"), 0o600)
		broken := path + "-broken-\x1b]0;x\x07"
		os.MkdirAll(broken, 0o700)
		os.WriteFile(filepath.Join(broken, "identity"), []byte(s+"\n"+s), 0o644)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := *b
			own.t, own.columns = t, 40
			for i, args := range [][]string{
				{s}, {"join", s}, {"join", b.addr() + "/" + s, "--nick", "x"}, {"join", b.addr(), "--nick", s}, {"host", s, "--nick", "x"},
				{"host", "x" + strconv.Itoa(len(name)), "--port", "0", "--topic", s, "--nick", "x"}, {"rooms", "--wait", s}, {"rooms", "--iface", s}, {"send", b.addr(), "hi", "--nick=" + s},
				{"join", "parley://" + s}, {"join", "x", "--bind", s}, {"join", "x", "--impair", s}, {"join", "x", "--transport", s}, {"rooms", "--log-file", dir + "/" + s + "/x"},
				{"--" + s}, {"rooms", "--data-dir", dir + "/none/\x1b[2J" + strings.ReplaceAll(s, "/", "")}, {"join", b.addr(), "--data-dir", broken, "--nick", "x"},
				{"join", b.addr() + "/nowhere", "--data-dir", path, "--nick", "x"},
			} {
				if (i+len(name))%9 != 0 { // of 800 combinations as many as a few seconds hold
					continue
				}
				stdout, stderr, _ := own.once("args-"+strconv.Itoa(i)+"-"+name[:1], "", append(args, "--no-input")...)
				for line := range strings.Lines(stdout + stderr) {
					if bad := control(strings.TrimSuffix(line, "\n")); bad >= 0 {
						t.Errorf("%q: %q", args, line)
					}
				}
			}
		})
	}
}
