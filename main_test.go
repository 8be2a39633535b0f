package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"parley/room"
	"parley/text"
)

// typed runs the program with args in this process, without a terminal and
// without input.
func typed(t *testing.T, args ...string) (out, talk string, code int) {
	t.Helper()
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var stdout, stderr bytes.Buffer
	p := &program{in: in, out: &stdout, err: &stderr}
	code = p.run(t.Context(), args)
	return stdout.String(), stderr.String(), code
}

func TestHelpBeginsWithExamples(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"host", "--help"}, {"join", "-h"}, {"rooms", "--help"}, {"send", "--help"}, {"tail", "--help"}, {"version", "--help"},
		{"pins", "--help"}, {"pins", "list", "--help"}, {"pins", "accept", "--help"}, {"pins", "forget", "--help"}, {"id", "--help"},
		{"config", "--help"}, {"completion", "--help"}, {"man", "--help"}, {"history", "--help"}, {"history", "show", "--help"}, {"history", "export", "--help"}, {"history", "import", "--help"}, {"doctor", "--help"},
		{"lab", "--help"}, {"lab", "list", "--help"}, {"lab", "show", "--help"}, {"lab", "run", "--help"}, {"lab", "quiz", "--help"}, {"lab", "sweep", "--help"}, {"lab", "serve", "--help"},
		{"lab", "replay", "--help"}, {"lab", "verify", "--help"}, {"lab", "doctor", "--help"}, {"lab", "own", "--help"}} {
		out, talk, code := typed(t, args...)
		if code != exitOK || talk != "" || !strings.HasPrefix(out, "Examples:\n  parley ") || !strings.Contains(out, "Usage: parley ") {
			t.Errorf("%v: exit code %d, %q\n%s", args, code, talk, out)
		}
		for l := range strings.Lines(out) {
			if len(l) > 81 {
				t.Errorf("%v: a line of %d: %s", args, len(l), l)
			}
		}
	}
}

// Every flag has help, and every flag a name in the environment: but for those of
// the lab, where what is asked is asked each time.
func TestFlagsAreExplained(t *testing.T) {
	parser := kong.Must(new(cli), kong.DefaultEnvars("PARLEY"), helpVars)
	var visit func(n *kong.Node)
	names := make(map[string]bool)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			if f.Name == "help" {
				continue
			}
			names[f.Name] = true
			switch f.Name {
			case "password", "continue", "init", "path", "yes": // the one's name is that of the password itself, and the others are for once
				continue
			}
			if f.Help == "" || !strings.HasPrefix(n.Path(), "lab ") && !slices.Equal(f.Envs, []string{"PARLEY_" + strings.ReplaceAll(strings.ToUpper(f.Name), "-", "_")}) {
				t.Errorf("--%s: help %q, in the environment %v", f.Name, f.Help, f.Envs)
			}
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(parser.Model.Node)
	for _, name := range strings.Fields(`transport nick port discovery-port bind iface plaintext guests no-discovery delivery impair history
		data-dir json plain quiet log-level log-file no-input stay headless topic hidden watch wait`) {
		if !names[name] {
			t.Errorf("there is no --%s", name)
		}
	}
}

func TestMisuse(t *testing.T) {
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"rooms", "--wacht"}, []string{"--watch", "parley rooms --help"}},
		{[]string{"physics"}, []string{"parley join physics"}},
		{[]string{"host", "physics", "--nick", "ben", "maths"}, []string{"together, before the flags"}},
		{[]string{"join", "x", "--transport", "pigeon"}, []string{"auto"}},
		{[]string{"join", "x", "--transport=tcp", "--impair=loss=5%"}, []string{"datagrams", "--transport udp"}},
		{[]string{"join", "x", "--impair", "loss=much"}, []string{"--impair", "loss"}},
		{[]string{"join", "x", "--bind", "eth0"}, []string{"--bind", "eth0"}},
		{[]string{"join", "x", "--history", "-1"}, []string{"--history"}},
		{[]string{"host", "x", "--guests", "--transport", "udp"}, []string{"--guests", "TCP"}},
		{[]string{"history", "export"}, []string{"which room", "parley history show export"}},
		{[]string{"history", "import", "--yes"}, []string{"which room", "parley history show import"}},
		{[]string{"history", "export", "physics"}, []string{"which cluster", "--cluster nats://"}},
		{[]string{"history", "import", "physics", "--search", "x"}, []string{"--search"}},
		{[]string{"host"}, []string{"which room", "parley host physics"}},
		{[]string{"join"}, []string{"which room", "parley join"}},
		{[]string{"send"}, []string{"room"}},
		{[]string{"send", "x"}, []string{"nothing to say"}},
		{[]string{"join", "x", "--port", "99999"}, []string{"--port", "65535"}},
		{[]string{"rooms", "--no-discovery"}, []string{"--no-discovery"}},
		{[]string{"host", "a/b", "--data-dir", t.TempDir()}, []string{"a/b"}},
		{[]string{"join", "a/b/c", "--data-dir", t.TempDir()}, []string{"HOST[:PORT]/ROOM"}},
	} {
		out, talk, code := typed(t, c.args...)
		if code != exitUsage || out != "" || !strings.HasPrefix(talk, "parley: ") {
			t.Errorf("%v: exit code %d, %q, %q", c.args, code, out, talk)
		}
		for _, s := range c.says {
			if !strings.Contains(talk, s) {
				t.Errorf("%v: %q is missing in\n%s", c.args, s, talk)
			}
		}
		out, talk, code = typed(t, append(c.args, "--json")...)
		var e struct{ Type, Code, Text string }
		if err := json.Unmarshal([]byte(out), &e); err != nil || code != exitUsage || talk != "" || e.Type != "error" || e.Code == "" || e.Text == "" {
			t.Errorf("%v --json: exit code %d, %v, %q, %q", c.args, code, err, out, talk)
		}
	}
}

// What comes from outside is told without the control characters it may hold.
func TestErrorsAreClean(t *testing.T) {
	for _, arg := range []string{"a\x1b]0;x\x07b", "x\u202ey", "x\u009b31m"} {
		for _, args := range [][]string{{arg}, {"join", arg + "/" + arg + "/"}, {"join", "x", "--transport", arg}, {"join", "x", "--nick", arg}} {
			_, talk, code := typed(t, append(args, "--no-discovery", "--data-dir", t.TempDir())...)
			if code == exitOK || strings.ContainsAny(strings.ReplaceAll(talk, "\n", ""), "\x1b\x07\u009b\u202e\r") {
				t.Errorf("%q: exit code %d, %q", args, code, talk)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	out, _, code := typed(t, "version")
	if code != exitOK || !strings.HasPrefix(out, "parley "+version+" (commit ") {
		t.Errorf("exit code %d, %q", code, out)
	}
	out, _, code = typed(t, "version", "--json")
	var v struct{ Type, Version, Commit string }
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitOK || v.Type != "version" || v.Version != version || v.Commit == "" {
		t.Errorf("exit code %d, %v, %q", code, err, out)
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil || !strings.Contains(string(changes), "\n## "+version) {
		t.Errorf("CHANGELOG.md has nothing about %s (%v)", version, err)
	}
}

// readLine takes its line and leaves the rest to whoever reads next.
func TestReadLine(t *testing.T) {
	in := strings.NewReader("one\ntwo\r\n" + strings.Repeat("x", 2*maxAnswer) + "\nlast")
	for _, want := range []string{"one", "two\r", strings.Repeat("x", maxAnswer), "last"} {
		if got, err := readLine(in); got != want || err != nil {
			t.Errorf("%.20q, %v; want %.20q", got, err, want)
		}
	}
	if got, err := readLine(in); err == nil {
		t.Errorf("after the end: %q", got)
	}
}

func TestUserNameIsANick(t *testing.T) {
	p := &program{flags: new(cli)}
	name := userName()
	if got, err := p.checkNick(name); err != nil || got != name {
		t.Errorf("%q: %q, %v", name, got, err)
	}
}

// The README names every command, every flag but the lab's, which help and the
// manual page have, and every exit code.
func TestREADMEIsComplete(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	parser := kong.Must(new(cli), helpVars)
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		if n.Type == kong.CommandNode && !n.Hidden && !strings.Contains(string(b), "parley "+commandName(n)) {
			t.Errorf("README.md does not have parley %s", commandName(n))
		}
		for _, f := range n.Flags {
			if !f.Hidden && !strings.Contains(string(b), "--"+f.Name) && f.Name != "help" && !strings.HasPrefix(commandName(n), labName+" ") {
				t.Errorf("README.md does not have --%s", f.Name)
			}
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(parser.Model.Node)
}

// The README's table of objects has every field that is written.
func TestREADMEHasEveryField(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "\n## JSON\n")
	table, _, _ = strings.Cut(table, "\n## ")
	words := strings.FieldsFunc(table, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r == '_') })
	for _, kind := range []room.Kind{room.Message, room.Act, room.Whisper, room.Joined, room.Left, room.Renamed, room.Topic, room.Kick, room.Ban,
		room.Mute, room.Op, room.Unban, room.Unmute, room.Deop, room.Slow, room.Lock, room.Unlock, room.Motd, room.Approve, room.Deny, room.Filter, room.Unfilter, room.Address, room.Notice, room.Ready, room.Pending, room.Accepted, room.Delivered, room.Transfer, room.Transfers, room.Found, room.Failed, room.Link, room.Gap, room.Members, room.Failure, room.Stats} {
		if !slices.Contains(words, string(kind)) {
			t.Errorf("README.md does not have the type %s", kind)
		}
	}
	listing, err := json.Marshal(room.Listing{Gone: true})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(listing, &fields); err != nil {
		t.Fatal(err)
	}
	names := slices.Collect(maps.Keys(fields))
	for _, of := range []reflect.Type{reflect.TypeFor[room.Event](), reflect.TypeFor[room.Person](), reflect.TypeFor[room.Counters](), reflect.TypeFor[room.File]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
	}
	for _, name := range names {
		if name != "-" && !slices.Contains(words, name) {
			t.Errorf("README.md does not have the field %s", name)
		}
	}
}

// Whoever typed what is not there is told what is.
func TestUnknownRoomOfAHost(t *testing.T) {
	f := explain(&room.Refused{Code: "no_room", Text: "there is no room \"x\" here", Rooms: []string{"maths", "physics"}})
	if f.exit != exitNotFound || strings.Join(f.more, "|") != "these are:|maths|physics" {
		t.Errorf("%+v", f)
	}
}

// Columns stay columns whatever a room is called.
func TestDescribe(t *testing.T) {
	l := room.Listing{Room: "physics", Addr: netip.MustParseAddr("10.0.0.5"), UDP: 7667, TCP: 7667, Secure: true, Members: 1}
	wide := l
	wide.Room = "漢字"
	a, b := describe(l), describe(wide)
	if text.Width(a) != text.Width(b) || text.Width(a) > 60 || !strings.Contains(a, "10.0.0.5:7667") || !strings.Contains(a, "1 person ") {
		t.Errorf("%q\n%q", a, b)
	}
}
