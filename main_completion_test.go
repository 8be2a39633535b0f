package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// completed is what is offered where the cursor is at the end of a line: all of
// want, and none of not.
var completed = []struct {
	line      string
	want, not []string
}{
	{"parley ", []string{"host", "join", "pins", "config", "completion"}, []string{"--nick", "physics", "pick", "rooms.txt"}},
	{"parley ho", []string{"host"}, []string{"join"}},
	{"parley --t", []string{"--transport"}, []string{"--topic", "--nick"}},
	{"parley host --", []string{"--topic", "--delivery", "--transport", "--json"}, []string{"--watch", "--tui"}},
	{"parley host --delivery ", []string{"ordered", "unordered", "bare"}, []string{"host", "auto"}},
	{"parley host --delivery un", []string{"unordered"}, []string{"ordered"}},
	{"parley -t ", []string{"auto", "udp", "tcp"}, []string{"host"}},
	{"parley --nick host ", []string{"host", "join"}, nil},
	{"parley --quiet join ", []string{"physics", "photo-7"}, []string{"host", "x"}},
	{"parley join ph", []string{"physics", "photo-7"}, []string{"maths"}},
	{"parley join physics ", nil, []string{"physics", "photo-7", "host"}},
	{"parley send physics -- --", nil, []string{"--nick", "--transport"}},
	{"parley history ", []string{"old-room", "export", "import"}, []string{"physics"}},
	{"parley history --", []string{"--search", "--since", "--export"}, []string{"--cluster"}},
	{"parley history export ", []string{"old-room"}, []string{"import"}},
	{"parley history export --", []string{"--cluster", "--creds", "--yes"}, []string{"--search"}},
	{"parley pins ", []string{"list", "accept", "forget"}, []string{"host"}},
	{"parley pins forget ", []string{"known-room"}, []string{"list"}},
	{"parley lab ", []string{"run", "list", "verify"}, []string{"menu", "host"}},
	{"parley lab run ", []string{"holblocking"}, []string{"physics", "run"}},
	{"parley lab run --o", []string{"--output", "--out"}, []string{"--topic"}},
	{"parley lab run -o ", []string{"table", "timeline", "pcapng"}, []string{"run"}},
	{"parley completion ", []string{"bash", "zsh", "fish", "powershell"}, []string{"known"}},
	{"parley host --qr=", []string{"auto", "on", "off"}, []string{"host"}},
}

// shellTest runs a script in a shell, with a parley that names rooms, in a
// directory of its own, and judges what it offers: the lines that follow
// "== LINE" for each of completed.
func shellTest(t *testing.T, shell, script string, args ...string) {
	t.Helper()
	program, err := exec.LookPath(shell)
	if err != nil || runtime.GOOS == "windows" {
		t.Skipf("SKIPPED: %s is missing", shell)
	}
	dir := t.TempDir()
	fake := "#!/bin/sh\ncase $2 in\nrooms) echo physics; echo photo-7 ;;\nknown) echo known-room ;;\nkept) echo old-room ;;\nlessons) echo holblocking ;;\nesac\n"
	for name, text := range map[string]string{"parley": fake, "test": script, "rooms.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, append(args, "./test")...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8", "TERM=dumb"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range completed {
		_, said, found := strings.Cut(string(out), "== "+c.line+"|\n")
		said, _, _ = strings.Cut(said, "== ")
		offered := strings.Fields(said)
		for i, word := range offered { // of what is typed, where all of it is offered
			offered[i] = word[strings.LastIndexByte(word, '=')+1:]
		}
		if !found {
			t.Errorf("%q: nothing is said in\n%s", c.line, out)
		}
		for _, w := range c.want {
			if !slices.Contains(offered, w) {
				t.Errorf("%q: %q is missing in %q", c.line, w, offered)
			}
		}
		for _, w := range c.not {
			if slices.Contains(offered, w) {
				t.Errorf("%q: %q is in %q", c.line, w, offered)
			}
		}
	}
}

// The words of a line as bash and zsh have them; bash takes = for one of its own.
func shellWords(line string, apart bool) string {
	if apart {
		line = strings.ReplaceAll(line, "=", " = ")
		line = strings.ReplaceAll(line, "=  ", "= ")
	}
	var quoted []string
	for _, w := range strings.Split(line, " ") {
		quoted = append(quoted, "'"+w+"'")
	}
	return strings.Join(quoted, " ")
}

func script(t *testing.T, shell string) string {
	t.Helper()
	out, talk, code := typed(t, "completion", shell)
	if code != exitOK || talk != "" {
		t.Fatalf("exit code %d, %q", code, talk)
	}
	return out
}

func TestCompletionBash(t *testing.T) {
	var b strings.Builder
	b.WriteString("set -u\n" + script(t, "bash") + "set +u\n")
	for _, c := range completed {
		fmt.Fprintf(&b, "echo '== %s|'; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _parley; printf '%%s\\n' \"${COMPREPLY[@]}\"\n",
			c.line, shellWords(c.line, true))
	}
	// As one word, where = is no end of one; files are those there are.
	b.WriteString("echo '== one'; COMP_WORDS=(parley host --qr=o); COMP_CWORD=2; _parley; [ \"${COMPREPLY[*]}\" = '--qr=on --qr=off' ] || exit 1\n")
	b.WriteString("COMP_WORDS=(parley --log-file roo); COMP_CWORD=2; _parley; [ \"${COMPREPLY[*]}\" = rooms.txt ] || exit 2\n")
	b.WriteString("complete -p parley | grep -q -- '-F _parley' || exit 3\n")
	shellTest(t, "bash", b.String(), "--norc")
}

func TestCompletionZsh(t *testing.T) {
	var b strings.Builder
	// What of zsh there is only while a key is pressed.
	b.WriteString(`compdef() { : }
compset() { : }
_files() { print FILES $@ }
_call_program() { eval "$argv[2,-1]" }
_describe() { local all=(${(P)argv[-1]}); print -l -- ${all%%:*} | grep "^$now" }
compadd() { [[ $1 == -a ]] && set -- ${(P)2}; print -l -- $@ | grep "^${now##*=}" }
`)
	b.WriteString(script(t, "zsh"))
	for _, c := range completed {
		fmt.Fprintf(&b, "print '== %s|'; words=(%s); CURRENT=$#words; now=$words[-1]; _parley\n", c.line, shellWords(c.line, false))
	}
	b.WriteString("true\n")
	shellTest(t, "zsh", b.String(), "-f")
}

func TestCompletionFish(t *testing.T) {
	var b strings.Builder
	b.WriteString(script(t, "fish"))
	for _, c := range completed {
		fmt.Fprintf(&b, "echo '== %s|'; complete -C '%s' | string split -f 1 \\t\n", c.line, c.line)
	}
	shellTest(t, "fish", b.String(), "--no-config")
}

// There may be no PowerShell: what can be seen without it.
func TestCompletionPowerShell(t *testing.T) {
	s := script(t, "powershell")
	for _, pair := range []string{"{}", "()", "[]"} {
		if strings.Count(s, pair[:1]) != strings.Count(s, pair[1:]) {
			t.Errorf("%q is not in pairs", pair)
		}
	}
	if strings.Count(s, "'")%2 != 0 || !strings.Contains(s, "'--delivery' = @('ordered', 'unordered', 'bare')") || !strings.Contains(s, "'pins forget' = 'known'") {
		t.Error(s)
	}
	for line := range strings.Lines(s) {
		if strings.Count(line, "'")%2 != 0 {
			t.Errorf("a quote is not closed: %s", line)
		}
	}
}

// What is put into scripts as it is cannot be taken for something else.
func TestCompletionIsPlain(t *testing.T) {
	p := &program{flags: new(cli)}
	g := grammarOf(p.parser(nil).Model)
	word := regexp.MustCompile(`^[a-z0-9-]+$`)
	help := regexp.MustCompile(`^[A-Za-z0-9 ,.()/%-]+$`)
	kinds := make(map[string]string)
	for _, n := range g.nodes {
		for _, c := range n.commands {
			if !word.MatchString(c.name) || !help.MatchString(c.help) {
				t.Errorf("%+v", c)
			}
		}
		for _, f := range n.flags {
			if !word.MatchString(f.name) || !help.MatchString(f.help) || slices.ContainsFunc(f.words, func(w string) bool { return !word.MatchString(w) }) {
				t.Errorf("%+v", f)
			}
			if kind := f.kind + strings.Join(f.words, " "); kinds[f.name] != "" && kinds[f.name] != kind {
				t.Errorf("--%s is two things: %s, %s", f.name, kind, kinds[f.name])
			} else {
				kinds[f.name] = kind
			}
		}
	}
	for name, ok := range map[string]bool{"physics": true, "фото-7": true, "a.b_c": true, "": false, "-x": false, "--json": false, ".x": false, "~x": false,
		"$(id)": false, "a;b": false, "a`b": false, "a b": false, "a'b": false, `a"b`: false, "a\\b": false, "a*": false, "a!b": false, "a=b": false, "a@b": false, "a|b": false, "a>b": false, "{a,b}": false, "a\nb": false, "a\x1bb": false} {
		if typeable(name) != ok {
			t.Errorf("%q: %v", name, !ok)
		}
	}
}

func TestCompletionOfWhat(t *testing.T) {
	if out, talk, code := typed(t, "completion", "tcsh"); code != exitUsage || out != "" || !strings.Contains(talk, "want bash, zsh, fish or powershell") {
		t.Errorf("exit code %d, %q, %q", code, out, talk)
	}
	dir := t.TempDir()
	for _, of := range []string{askRooms, askKnown, askKept} {
		if out, talk, code := typed(t, "completion", of, "--no-discovery", "--data-dir", dir); code != exitOK || out+talk != "" {
			t.Errorf("%s: exit code %d, %q, %q", of, code, out, talk)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a key was pressed, and %v was made (%v)", left, err)
	}
}
