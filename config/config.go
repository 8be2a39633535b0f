// Package config reads the configuration: a text file of lines
//
//	key = value
//
// A key is the name of a flag, and its value what the flag would be given. Lines
// that are empty or begin with # do not count, nor does, after a value, a # with
// white space on both sides, and what follows it. A value may stand in single or
// double quotes, which are not part of it; nothing is escaped in them, so that
// C:\parley stays what it is.
//
// It knows no keys: which there are, and what their values may be, is known to
// whoever has the flags.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	// MaxFile is more than every key with the longest value anybody types.
	MaxFile = 64 << 10
	// maxShown is how much of a line that makes no sense is repeated.
	maxShown = 40
)

// A Setting is a line that sets something.
type Setting struct {
	Key, Value string
	Line       int
}

// A Fault is what is wrong with a line. Line 0 is the whole file.
type Fault struct {
	Line int
	Text string
}

// Parse reads the settings of a configuration, and tells what is wrong with
// its other lines.
func Parse(data string) (settings []Setting, faults []Fault) {
	data = strings.TrimPrefix(data, "\ufeff") // an editor's mark
	if !utf8.ValidString(data) || strings.ContainsRune(data, 0) {
		return nil, []Fault{{0, "it is not text in UTF-8; save it as that"}}
	}
	lines := make(map[string]int)
	number := 0
	for line := range strings.Lines(data) {
		number++
		key, value, err := parseSetting(strings.TrimSpace(line))
		switch before, twice := lines[key]; {
		case err != nil:
			faults = append(faults, Fault{number, err.Error()})
		case key == "":
		case twice:
			faults = append(faults, Fault{number, fmt.Sprintf("%s is set in line %d already; leave one of the two out", Cut(key), before)})
		default:
			lines[key] = number
			settings = append(settings, Setting{key, value, number})
		}
	}
	return settings, faults
}

// parseSetting reads a line without white space around it. A line that sets nothing has no key.
func parseSetting(line string) (key, value string, err error) {
	if line == "" || line[0] == '#' {
		return "", "", nil
	}
	if strings.ContainsFunc(line, isControl) {
		return "", "", errors.New("a control character is in it; expected key = value")
	}
	key, value, found := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	key = strings.TrimPrefix(key, "--") // as on the command line
	switch {
	case !found:
		return "", "", fmt.Errorf("%q is no setting; expected key = value, as in nick = ana", Cut(line))
	case key == "" || strings.ContainsFunc(key, notOfKey):
		return "", "", fmt.Errorf("%q is no key; expected key = value, as in nick = ana", Cut(key))
	}
	if value, err = unquote(value); err != nil {
		return "", "", fmt.Errorf("%s: %w", Cut(key), err)
	}
	return key, value, nil
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }

// notOfKey tells whether no key, however mistyped, has r.
func notOfKey(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// Cut is the beginning of what may be long.
func Cut(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

// unquote takes the quotes off a value, and the comment behind it.
func unquote(value string) (string, error) {
	if value == "" || commentBegins(value) {
		return "", errors.New("nothing is behind the =; leave the line out for the default")
	}
	if quote := value[:1]; quote == `"` || quote == `'` {
		body, rest, found := strings.Cut(value[1:], quote)
		switch {
		case !found:
			return "", fmt.Errorf("the closing %s is missing", quote)
		case strings.TrimSpace(rest) != "" && !commentBegins(rest):
			return "", fmt.Errorf("something follows the closing %s; put all of it between %s and %s", quote, quote, quote)
		}
		return body, nil
	}
	for i := range value {
		if value[i] == '#' && i > 0 && (value[i-1] == ' ' || value[i-1] == '\t') && commentBegins(value[i:]) {
			return strings.TrimSpace(value[:i]), nil
		}
	}
	return value, nil
}

// commentBegins tells whether s is a comment, white space before it aside.
func commentBegins(s string) bool {
	s, found := strings.CutPrefix(strings.TrimLeft(s, " \t"), "#")
	return found && (s == "" || s[0] == ' ' || s[0] == '\t')
}

// Quote is value as a line of the configuration may have it. One that needs both
// kinds of quotes cannot be written, and comes back as it is.
func Quote(value string) string {
	if plain, err := unquote(value); err == nil && plain == value && strings.TrimSpace(value) == value {
		return value
	}
	for _, quote := range []string{`"`, `'`} {
		if !strings.Contains(value, quote) {
			return quote + value + quote
		}
	}
	return value
}

// Read reads a whole file, if it is one and not too large.
func Read(name string) (string, error) {
	if name == os.DevNull { // by which people say: nothing
		return "", nil
	}
	info, err := os.Stat(name) // before it is opened: a pipe would be waited for
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return "", errors.New("it is a pipe or a device, and no file")
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(all) > MaxFile {
		err = fmt.Errorf("it is larger than %d KiB", MaxFile>>10)
	}
	return string(all), err
}
