package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"parley/config"
	"parley/text"
)

// A configCmd is about the configuration.
type configCmd struct {
	Init bool `xor:"act" env:"-" help:"Write the file, with every key, what it means and its default. A file that is there stays."`
	Path bool `xor:"act" env:"-" help:"Print where the file is, or would be."`
}

// maxFaults is how many faults of a file are told at once.
const maxFaults = 8

// noConfig as the name of the file means that none is read.
const noConfig = "none"

// notKept are the flags that are no keys of the configuration, and why.
var notKept = map[string]string{
	"config":   "it says where the file is",
	"help":     "it is for once",
	"password": "it asks, each time, and nobody is there to answer a file; password-file names a file that holds the password",
	"continue": "it is for once: the next start would open a new room again",
	"init":     "it is for once",
	"path":     "it is for once",
	"search":   "it is for once",
	"since":    "it is for once",
	"export":   "it is for once",
	"check":    "it is for once",
	"repair":   "it is for once",
	"yes":      "it is for once",
}

// preset is the configuration of this run.
type preset struct {
	path   string                    // of the file; "": there is none
	from   map[string]config.Setting // by key: what the file sets
	faults []config.Fault            // what is wrong with it
	found  bool
}

// configPath is where the file is: where args or the environment say, or where
// the system keeps such things. In the last case it need not be there.
func configPath(parser *kong.Kong, args []string) (path string, named bool) {
	path = os.Getenv("PARLEY_CONFIG")
	if trace, err := kong.Trace(parser, args); err == nil {
		for _, step := range trace.Path {
			if step.Flag != nil && step.Flag.Name == "config" {
				path = fmt.Sprint(trace.FlagValue(step.Flag))
			}
		}
	}
	if path != "" {
		return path, true
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", false
	}
	return filepath.Join(dir, "parley", "parley.conf"), false
}

// configure reads the configuration and makes what it says the defaults of the
// flags, which the environment and the command line go before. Of a file with
// faults, the other lines are taken.
func configure(parser *kong.Kong, args []string) *preset {
	path, named := configPath(parser, args)
	c := &preset{path: path}
	if path == "" || path == noConfig {
		c.path = ""
		return c
	}
	data, err := config.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return c
	case err != nil:
		var of *fs.PathError
		if errors.As(err, &of) {
			err = of.Err
		}
		c.faults = []config.Fault{{Text: fmt.Sprintf("it cannot be read: %v", err)}}
		return c
	}
	c.found = true
	settings, faults := config.Parse(data)
	c.faults = faults
	c.apply(settings, flagsOf(parser.Model.Node))
	return c
}

// apply makes settings the defaults of flags.
func (c *preset) apply(settings []config.Setting, flags []*kong.Flag) {
	c.from = make(map[string]config.Setting)
	var keys []string
	for _, f := range flags {
		if _, no := notKept[f.Name]; !no && !f.Hidden {
			keys = append(keys, f.Name)
		}
	}
	for _, s := range settings {
		err := c.set(s, flags)
		if errors.Is(err, errNoKey) {
			said := fmt.Sprintf("there is no key %s", config.Cut(s.Key))
			if near := nearest(s.Key, keys); near != "" {
				said += "; did you mean " + near + "?"
			} else {
				said += "; parley config lists them"
			}
			err = errors.New(said)
		}
		if err != nil {
			c.faults = append(c.faults, config.Fault{Line: s.Line, Text: err.Error()})
		}
	}
}

var errNoKey = errors.New("no key")

// set makes s the default of the flags of that name.
func (c *preset) set(s config.Setting, flags []*kong.Flag) error {
	if why, no := notKept[s.Key]; no {
		return fmt.Errorf("%s has no place in a file: %s", s.Key, why)
	}
	err := errNoKey
	for _, f := range flags {
		if f.Name != s.Key {
			continue
		}
		if err = checkValue(f, s.Value); err != nil {
			return err
		}
		f.Default, f.HasDefault = s.Value, true
		c.from[s.Key] = s
	}
	return err
}

// checkValue says of a value what the command line would.
func checkValue(f *kong.Flag, value string) error {
	target := reflect.New(f.Target.Type()).Elem()
	scan := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: value})
	if err := f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: scan}, target); err != nil {
		return fmt.Errorf("--%s: %s", f.Name, plainly(err.Error()))
	}
	if allowed := f.EnumSlice(); f.Enum != "" && !slices.Contains(allowed, value) {
		return fmt.Errorf(`--%s must be one of "%s" but got %q`, f.Name, strings.Join(allowed, `","`), value)
	}
	return nil
}

// flagsOf are the flags of a command and of those below it, the lab apart: what is
// asked of a lesson is asked each time, and is nobody's habit.
func flagsOf(n *kong.Node) []*kong.Flag {
	all := slices.Clone(n.Flags)
	for _, child := range n.Children {
		if child.Name == labName {
			continue
		}
		all = append(all, flagsOf(child)...)
	}
	return all
}

// flagNames finds flags in what is said about them.
var flagNames = regexp.MustCompile(`--([a-z][a-z-]+)`)

// blame finds out whether err, which the flags together cause, is that of the
// file: then it is among its faults, and true is returned. Otherwise the lines
// that go with it name what does not come from the command line.
func (c *preset) blame(err error, typed map[string]bool) (ours bool, more []string) {
	said := err.Error()
	for i, name := range flagNames.FindAllStringSubmatch(said, -1) {
		s, set := c.from[name[1]]
		if _, env := os.LookupEnv(envName(name[1])); env || typed[name[1]] || !set {
			continue
		}
		if i == 0 {
			c.faults = append(c.faults, config.Fault{Line: s.Line, Text: said})
			return true, nil
		}
		if line := fmt.Sprintf("%s is what line %d of %s says", name[1], s.Line, c.path); !slices.Contains(more, line) {
			more = append(more, line)
		}
	}
	return false, more
}

// envName is the name of a flag in the environment.
func envName(flag string) string {
	return "PARLEY_" + strings.ReplaceAll(strings.ToUpper(flag), "-", "_")
}

// broken is the failure that a file with faults is.
func (c *preset) broken() failure {
	slices.SortStableFunc(c.faults, func(a, b config.Fault) int { return a.Line - b.Line })
	lines := make([]string, 0, maxFaults)
	for _, f := range c.faults[:min(len(c.faults), maxFaults)] {
		where := c.path
		if f.Line > 0 {
			where = fmt.Sprintf("%s:%d", c.path, f.Line)
		}
		lines = append(lines, where+": "+f.Text)
	}
	if more := len(c.faults) - maxFaults; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return failure{code: "config", text: lines[0], more: lines[1:], exit: exitUsage,
		hint: "mend the file, or leave it out with --config none; see parley config --help"}
}

// worksBroken are the commands that a file with faults does not stop: what one
// needs to mend it, and what a shell asks when it starts.
var worksBroken = []string{"config", "version", "completion", "man"}

// Run prints what holds and why, or writes the file, or tells where it is.
func (c *configCmd) Run(p *program) error {
	switch {
	case c.Path:
		return p.printConfigPath()
	case c.Init:
		return p.initConfig()
	}
	for _, g := range settingsOf(p.model) {
		if g.title != "" && !p.flags.JSON {
			p.print(p.out, "# "+g.title)
		}
		for _, f := range g.flags {
			p.printSetting(f)
		}
	}
	if len(p.config.faults) > 0 {
		return errQuiet(exitUsage) // they have been told
	}
	return nil
}

// printSetting prints one key as a line of the file could have it.
func (p *program) printSetting(f *kong.Flag) {
	value, from, line := f.Default, "default", 0
	if env, set := os.LookupEnv(envName(f.Name)); set {
		value, from = env, envName(f.Name)
	} else if s, set := p.config.from[f.Name]; set {
		value, from, line = s.Value, "file", s.Line
	}
	if p.typed[f.Name] {
		value, from, line = fmt.Sprint(f.Target.Interface()), "--"+f.Name, 0
	}
	if p.flags.JSON {
		p.printJSON(struct {
			Type  string `json:"type"`
			Key   string `json:"key"`
			Value string `json:"value"`
			From  string `json:"from"`
			Line  int    `json:"line,omitempty"`
		}{"setting", f.Name, text.Mark(value), from, line})
		return
	}
	if from == "file" {
		from = fmt.Sprintf("%s:%d", filepath.Base(p.config.path), line)
	}
	said := f.Name + " = " + config.Quote(value)
	if value == "" && from == "default" { // nothing that a file could say
		said = "#" + f.Name + " ="
		if f.IsBool() {
			said = f.Name + " = false"
		}
	}
	fmt.Fprintln(p.out, pad(clean(said), 32)+" # "+clean(from)) // in one line, whatever the terminal
}

func (p *program) printConfigPath() error {
	if p.config.path == "" {
		return usage{"no file is read", "without --config none: the system's place for it, if it has one"}
	}
	path, err := filepath.Abs(p.config.path)
	if err != nil {
		path = p.config.path
	}
	if p.flags.JSON {
		p.printJSON(struct {
			Type  string `json:"type"`
			Path  string `json:"path"`
			Found bool   `json:"found"`
		}{"config", text.Mark(path), p.config.found})
		return nil
	}
	fmt.Fprintln(p.out, clean(path))
	return nil
}

// nearest is the name among those there are that somebody may have meant, or "".
func nearest(word string, names []string) string {
	word = strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(strings.TrimPrefix(word, "PARLEY_")))
	best, least := "", max(len(word)/2, 1)
	for _, name := range names {
		if d := text.Distance(word, name); d < least || d == 0 {
			best, least = name, d
		}
	}
	return best
}
