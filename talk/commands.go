package talk

import (
	"strings"
	"unicode/utf8"

	"parley/room"
	"parley/text"
)

// Front returns what the front end does for the command word, if it is one of its own.
func Front(word string) string {
	if word == "" || word[0] != '/' && word[0] != '\\' {
		return ""
	}
	c, _ := room.Find(word[1:])
	return c.Front
}

// Complete offers what a word may become where these people are: names, and
// commands when it is the first of its line.
func Complete(word string, first bool, people []room.Person) (offers []string) {
	if word == "" {
		return nil
	}
	if first && word[0] == '/' {
		for _, c := range room.Commands {
			if strings.HasPrefix(c.Name, word[1:]) {
				offers = append(offers, "/"+c.Name+" ")
			}
		}
		return offers
	}
	at := strings.HasPrefix(word, "@")
	key := text.Key(strings.TrimPrefix(word, "@"))
	for _, p := range people {
		switch {
		case !strings.HasPrefix(text.Key(p.Nick), key):
		case at:
			offers = append(offers, "@"+p.Nick+" ")
		case first:
			offers = append(offers, p.Nick+": ")
		default:
			offers = append(offers, p.Nick+" ")
		}
	}
	return offers
}

// InParts makes messages of many lines that were pasted, as few as hold them in
// order. Nothing: they cannot be held.
func InParts(line string) (parts []string) {
	if strings.HasPrefix(line, "/") || strings.HasPrefix(line, "@") {
		return nil
	}
	rest := strings.Split(strings.TrimRight(line, "\n"), "\n")
	for len(rest) > 0 {
		n, size := 0, 0
		for n < len(rest) && size+len(rest[n]) <= text.MaxText {
			size += len(rest[n]) + 1
			n++
		}
		if n == 0 {
			return nil
		}
		part := strings.Join(rest[:n], "\n")
		if strings.HasPrefix(part, "/") { // said, as all of it is
			if part = "/" + part; len(part) > text.MaxText {
				return nil
			}
		}
		if strings.TrimSpace(part) != "" {
			parts = append(parts, part)
		}
		rest = rest[n:]
	}
	return parts
}

// veil stands for a letter that is not to be read over somebody's shoulder.
const veil = "*"

// Secret is where the part of a line begins that nobody should see: behind
// /password. A line without one has none, which is its length.
func Secret(line string) int {
	i := strings.IndexAny(line, " \t\n")
	if i < 0 || !strings.EqualFold(line[:i], "/password") {
		return len(line)
	}
	return i + 1
}

// Veiled is a line as it is shown, and the place in it of the cursor at pos.
func Veiled(line string, pos int) (string, int) {
	from := Secret(line)
	hide := func(s string) string { return strings.Repeat(veil, utf8.RuneCountInString(s)) }
	if pos <= from {
		return line[:from] + hide(line[from:]), pos
	}
	before := line[:from] + hide(line[from:pos])
	return before + hide(line[pos:]), len(before)
}
