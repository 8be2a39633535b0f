package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley/config"
)

// configured writes a configuration and makes it that of this test.
func configured(t *testing.T, data string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "parley.conf")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PARLEY_CONFIG", path)
	return path
}

// settled is what parley config says of the keys.
func settled(t *testing.T, args ...string) map[string][2]string {
	t.Helper()
	out, talk, code := typed(t, append([]string{"config", "--json"}, args...)...)
	if code != exitOK || talk != "" {
		t.Fatalf("exit code %d, %q", code, talk)
	}
	all := make(map[string][2]string)
	for line := range strings.Lines(out) {
		var s struct{ Type, Key, Value, From string }
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.Type != "setting" {
			t.Fatalf("%v: %s", err, line)
		}
		all[s.Key] = [2]string{s.Value, s.From}
	}
	return all
}

// A flag goes before the environment, that before the file, and that before the default.
func TestConfigOrder(t *testing.T) {
	configured(t, "nick = ana\ntransport = tcp\nhistory = 7\nslow = 3\nquiet = yes\n")
	t.Setenv("PARLEY_NICK", "ben")
	t.Setenv("PARLEY_TRANSPORT", "udp")
	got := settled(t, "--nick", "cara")
	for key, want := range map[string][2]string{"nick": {"cara", "--nick"}, "transport": {"udp", "PARLEY_TRANSPORT"}, "history": {"7", "file"},
		"slow": {"3", "file"}, "quiet": {"yes", "file"}, "keep": {"90d", "default"}, "port": {"", "default"}} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	p := &program{flags: new(cli), out: os.Stdout, err: os.Stderr}
	parser := p.parser(nil)
	c := configure(parser, nil)
	if _, err := parser.Parse([]string{"--history=9"}); err != nil || len(c.faults) > 0 {
		t.Fatal(err, c.faults)
	}
	if f := p.flags; f.Nick != "ben" || f.Transport != "udp" || f.History != 9 || f.Host.Slow != 3 || !f.Quiet || f.Keep != "90d" {
		t.Errorf("%+v", f)
	}
}

// Of a file with faults each is told with its line and what was expected; no command
// that would do something runs, and those that help still do.
func TestConfigFaults(t *testing.T) {
	for line, says := range map[string]string{
		"nikc = ana":                "there is no key nikc; did you mean nick?",
		"PARLEY_LOG_LEVEL = debug":  "did you mean log-level?",
		"zzzzzz = 1":                "there is no key zzzzzz; parley config lists them",
		"nick":                      "expected key = value",
		"= ana":                     "expected key = value",
		"nick ana = b":              "expected key = value",
		"nick =":                    "nothing is behind the =",
		"nick = # ana":              "nothing is behind the =",
		`topic = "tea`:              `the closing " is missing`,
		`topic = "tea" time`:        `something follows the closing "`,
		"transport = pigeon":        `--transport must be one of "auto","udp","tcp" but got "pigeon"`,
		"port = 99999":              `--port: want a number up to 65535, not "99999"`,
		"quiet = maybe":             `bool value must be true`,
		"wait = soon":               "--wait: expected duration",
		"keep = banana":             "--keep: want 90d",
		"slow = 9999":               "--slow: want 1 to 3600",
		"bind = eth0":               `--bind: "eth0" is not an IP address`,
		"peers = there":             "--peers: ",
		"password = secret1":        "password has no place in a file: it asks",
		"config = other":            "config has no place in a file",
		"help = true":               "help has no place in a file",
		"nick = a\x1b]0;x\x07":      "a control character",
		"history = 3\nhistory = 4 ": "history is set in line 2 already",
	} {
		path := configured(t, "# a comment\n"+line+"\n")
		at := fmt.Sprintf("%s:%d: ", path, 2+strings.Count(line, "\n"))
		_, talk, code := typed(t, "send", "x", "hello", "--no-discovery", "--data-dir", t.TempDir())
		if code != exitUsage || !strings.HasPrefix(talk, "parley: "+at) || !strings.Contains(talk, says) || strings.Contains(talk, "secret1") {
			t.Errorf("%q: exit code %d, want %q\n%s", line, code, says, talk)
		}
		out, _, code := typed(t, "id", "--json", "--data-dir", t.TempDir())
		var e struct{ Type, Code, Text string }
		if err := json.Unmarshal([]byte(out), &e); err != nil || code != exitUsage || e.Type != "error" || e.Code != "config" || !strings.HasPrefix(e.Text, at) {
			t.Errorf("%q: exit code %d, %v, %s", line, code, err, out)
		}
		for _, c := range []struct {
			args []string
			code int
			out  string
		}{{[]string{"config"}, exitUsage, "transport = "}, {[]string{"config", "--path"}, exitOK, path}, {[]string{"version"}, exitOK, "parley " + version}, {[]string{"--help"}, exitOK, "Examples:"}} {
			if c.args[0] == "--help" && strings.HasPrefix(says, "--") && !strings.Contains(says, "must be") && !strings.Contains(says, "up to") {
				continue // what flags say together is not looked at
			}
			out, talk, code := typed(t, c.args...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(talk, at) || !strings.Contains(talk, says) {
				t.Errorf("%q, %v: exit code %d\n%s%s", line, c.args, code, out, talk)
			}
		}
	}
}

// Files that cannot be read at all.
func TestConfigUnreadable(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "missing"): "it cannot be read: ",
		dir:                           "it is a directory",
		write("large", strings.Repeat("# x\n", config.MaxFile)): "it is larger than 64 KiB",
		write("utf16", "\xff\xfen\x00i\x00c\x00k\x00"):          "not text in UTF-8",
		write("zeros", "nick = ana\nport\x00 = 7\n"):            "not text in UTF-8",
		write("many", strings.Repeat("x\n", 2*maxFaults-3)):     fmt.Sprintf("and %d more", maxFaults-3),
	} {
		_, talk, code := typed(t, "rooms", "--config", path)
		if code != exitUsage || !strings.HasPrefix(talk, "parley: "+path) || !strings.Contains(talk, says) || strings.Count(talk, "\n") > maxFaults+2 {
			t.Errorf("%s: exit code %d, want %q in\n%s", path, code, says, talk)
		}
	}
	t.Setenv("PARLEY_CONFIG", "")
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("HOME", dir)
	t.Setenv("AppData", dir)
	if _, talk, code := typed(t, "config"); code != exitOK || talk != "" {
		t.Errorf("without a file where the system has it: exit code %d, %q", code, talk)
	}
}

// What goes wrong between the command line and the file names both.
func TestConfigAndFlagsTogether(t *testing.T) {
	path := configured(t, "transport = udp\n")
	_, talk, code := typed(t, "host", "x", "--guests", "--data-dir", t.TempDir())
	if code != exitUsage || !strings.HasPrefix(talk, "parley: --guests come over TCP") || !strings.Contains(talk, "transport is what line 1 of "+path+" says") {
		t.Errorf("exit code %d, %s", code, talk)
	}
}

// The file that is made changes nothing, has every key, and each of its lines is
// one that would be taken.
func TestConfigInit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "parley.conf")
	t.Setenv("PARLEY_CONFIG", "")
	out, _, code := typed(t, "config", "--init", "--config", path)
	if code != exitOK || out != path+"\n" {
		t.Fatalf("exit code %d, %q", code, out)
	}
	if _, talk, code := typed(t, "config", "--init", "--config", path); code != exitFailure || !strings.Contains(talk, path+" is there already") {
		t.Errorf("again: exit code %d, %q", code, talk)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, faults := config.Parse(string(data)); len(s)+len(faults) > 0 {
		t.Fatalf("%v, %v", s, faults)
	}
	defaults := settled(t, "--config", path)
	var keys []string
	var lines strings.Builder
	for line := range strings.Lines(string(data)) {
		if len(line) > 81 {
			t.Errorf("a line of %d: %s", len(line), line)
		}
		key, value, found := strings.Cut(strings.TrimPrefix(line, "#"), " = ")
		if !found || strings.HasPrefix(key, " ") {
			continue
		}
		keys = append(keys, key)
		if defaults[key][0] != "" || value == "false\n" {
			lines.WriteString(strings.TrimPrefix(line, "#"))
		}
	}
	if len(keys) != len(defaults) || len(keys) < 25 {
		t.Errorf("%d keys in the file, %d in all", len(keys), len(defaults))
	}
	full := configured(t, lines.String())
	for key, now := range settled(t, "--config", full) {
		if was := defaults[key]; now[0] != was[0] && now[0] != "false" {
			t.Errorf("%s is %v, was %v", key, now, was)
		}
	}
}

// What parley config prints is a configuration that says the same.
func TestConfigPrintsAConfig(t *testing.T) {
	path := configured(t, "\ufefftopic = \"tea # at five \"  # quoted\r\nnick = 'ana'\n  data-dir=C:\\parley\n--log-file = a#b\nmax-members = 5 # of us\n")
	before, talk, code := typed(t, "config")
	if code != exitOK {
		t.Fatal(talk)
	}
	for _, want := range []string{`topic = "tea # at five "`, "nick = ana ", `data-dir = C:\parley `, "log-file = a#b ", "max-members = 5 ", "# parley.conf:5"} {
		if !strings.Contains(before, want) {
			t.Errorf("%q is not in\n%s", want, before)
		}
	}
	if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	after, talk, code := typed(t, "config")
	if code != exitOK {
		t.Fatal(talk)
	}
	values := func(s string) (all []string) {
		for line := range strings.Lines(s) {
			all = append(all, strings.TrimSpace(line[:strings.LastIndex(line, "# ")]))
		}
		return all
	}
	if !slices.Equal(values(before), values(after)) {
		t.Errorf("%s\nthen\n%s", before, after)
	}
}

// Whoever has no place in a file is a flag that there is.
func TestNotKeptAreFlags(t *testing.T) {
	p := &program{flags: new(cli)}
	var names []string
	for _, f := range flagsOf(p.parser(nil).Model.Node) {
		names = append(names, f.Name)
	}
	for name := range notKept {
		if !slices.Contains(names, name) {
			t.Errorf("there is no --%s", name)
		}
	}
}
