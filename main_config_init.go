package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"parley/config"
	"parley/text"
)

// A settingGroup are keys that belong together.
type settingGroup struct {
	title string
	flags []*kong.Flag
}

// settingsOf are the keys of the configuration, each once: of every command
// first, then of each that has some of its own.
func settingsOf(app *kong.Application) (groups []settingGroup) {
	seen := make(map[string]bool)
	add := func(title string, flags []*kong.Flag) {
		g := settingGroup{title: title}
		for _, f := range flags {
			if _, no := notKept[f.Name]; no || f.Hidden || seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			g.flags = append(g.flags, f)
		}
		if len(g.flags) > 0 {
			groups = append(groups, g)
		}
	}
	add("Of every command", app.Flags)
	for _, n := range app.Children {
		if !n.Hidden && n.Name != labName {
			add("Of parley "+n.Name, flagsOf(n))
		}
	}
	return groups
}

const configHead = `# The configuration of parley.
#
# A line is KEY = VALUE, and a key is a flag without its dashes: what is here
# goes for every start, unless the environment (PARLEY_NICK for nick) or the
# command line says otherwise. A # at the beginning of a line, or between
# spaces, begins a comment. Values may stand in quotes.
#
# Below is every key with its default: take away the # and change the value.
# What holds, and from where: parley config
`

// configText is the file as it is made for a beginner, all of it in comments.
func configText(app *kong.Application) string {
	var b strings.Builder
	b.WriteString(configHead)
	for _, g := range settingsOf(app) {
		fmt.Fprintf(&b, "\n# == %s ==\n", g.title)
		for _, f := range g.flags {
			b.WriteString("\n")
			for _, line := range text.Wrap(f.Help, 76, 76) {
				fmt.Fprintf(&b, "# %s\n", line)
			}
			if allowed := allowedValues(f); len(allowed) > 0 {
				fmt.Fprintf(&b, "# One of: %s\n", strings.Join(allowed, ", "))
			}
			fmt.Fprintf(&b, "#%s = %s\n", f.Name, exampleValue(f))
		}
	}
	return b.String()
}

// allowedValues are all the values of a flag, where they can be counted.
func allowedValues(f *kong.Flag) []string {
	switch {
	case f.IsBool():
		return []string{"true", "false"}
	case f.Enum != "":
		return f.EnumSlice()
	}
	return nil
}

// exampleValue is the default of a flag, or what its values look like.
func exampleValue(f *kong.Flag) string {
	switch {
	case f.Default != "":
		return config.Quote(f.Default)
	case f.IsBool():
		return "false"
	}
	return f.PlaceHolder
}

// initConfig writes the file for a beginner where there is none.
func (p *program) initConfig() error {
	path := p.config.path
	if path == "" {
		return usage{"there is no place for the file", "name one: parley config --init --config FILE"}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of the file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return failed{text: path + " is there already, and stays as it is", hint: "what holds now: parley config"}
	}
	if err != nil {
		return fmt.Errorf("cannot write the file: %w", err)
	}
	// Without what this start's own file says: there is none yet.
	if _, err = f.WriteString(configText(p.model)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path) // half a file would be taken for a whole
		return fmt.Errorf("cannot write the file: %w", err)
	}
	p.config.found = true
	if p.flags.JSON {
		return p.printConfigPath()
	}
	fmt.Fprintln(p.out, clean(path))
	p.talk("There it is, all in comments: nothing has changed yet. parley config tells what holds.")
	return nil
}

// typedFlags are the names of the flags on a command line.
func typedFlags(ctx *kong.Context) map[string]bool {
	typed := make(map[string]bool)
	if ctx != nil {
		for _, step := range ctx.Path {
			if step.Flag != nil && !step.Resolved {
				typed[step.Flag.Name] = true
			}
		}
	}
	return typed
}

// mayWorkBroken tells whether a command runs whatever is wrong with the file.
func mayWorkBroken(command *kong.Node) bool {
	return command != nil && slices.Contains(worksBroken, command.Name)
}
