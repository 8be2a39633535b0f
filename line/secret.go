package line

import (
	"strings"
	"unicode/utf8"
)

// veil stands for a letter that is not to be read over somebody's shoulder.
const veil = "*"

// secretFrom is where the part of a line begins that nobody should see: behind
// /password. A line without one has none, which is its length.
func secretFrom(line string) int {
	i := strings.IndexAny(line, " \t\n")
	if i < 0 || !strings.EqualFold(line[:i], "/password") {
		return len(line)
	}
	return i + 1
}

// veiled is a line as it is shown, and the place in it of the cursor at pos.
func veiled(line string, pos int) (string, int) {
	from := secretFrom(line)
	hide := func(s string) string { return strings.Repeat(veil, utf8.RuneCountInString(s)) }
	if pos <= from {
		return line[:from] + hide(line[from:]), pos
	}
	before := line[:from] + hide(line[from:pos])
	return before + hide(line[pos:]), len(before)
}
