package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The page names every command, flag and exit code, and readers of manual pages
// have nothing to say against it.
func TestManPage(t *testing.T) {
	built = "2026-01-02"
	defer func() { built = "" }()
	page, talk, code := typed(t, "man")
	if code != exitOK || talk != "" {
		t.Fatalf("exit code %d, %q", code, talk)
	}
	for _, c := range (&program{flags: new(cli)}).parser(nil).Model.Children {
		if !c.Hidden && !strings.Contains(page, `.SS "\fBparley `+c.Name+`\fR`) {
			t.Errorf("parley %s is missing", c.Name)
		}
		for _, f := range c.Flags {
			if !f.Hidden && !strings.Contains(page, roff("--"+f.Name)) {
				t.Errorf("--%s is missing", f.Name)
			}
		}
	}
	for line := range strings.Lines(page) {
		for _, r := range line {
			if r > '~' || r < ' ' && r != '\n' {
				t.Errorf("%q is in %q", r, line)
			}
		}
	}
	checked := false
	for _, c := range [][]string{{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-man", "-Tutf8", "-ww", "-z"}} {
		if _, err := exec.LookPath(c[0]); err != nil {
			continue
		}
		checked = true
		cmd := exec.CommandContext(t.Context(), c[0], c[1:]...)
		cmd.Stdin = strings.NewReader(page)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %v\n%s", c, err, out)
		}
	}
	if !checked {
		t.Skip("SKIPPED: mandoc is missing")
	}
}
