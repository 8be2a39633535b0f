package tui

import (
	"hash/fnv"

	"parley/text"
)

// A style is the parameters of an SGR sequence: of the 16 colours that every
// terminal has, so that its own theme says what they look like.
type style string

// A theme is how things look. Without colours there are bold, underline and
// reverse, and nothing is told by colour alone in any.
type theme struct {
	bar, dim, mention, whisper, trouble, notice, mark, choice, key style
	names                                                          []style
}

var themes = map[string]theme{
	"dark": {bar: "7", dim: "2", mention: "1;93", whisper: "95", trouble: "1;91", notice: "36", mark: "1;93", choice: "7", key: "1",
		names: []style{"31", "32", "33", "34", "35", "36", "91", "92", "94", "95", "96"}},
	"light": {bar: "7", dim: "2", mention: "1;31", whisper: "35", trouble: "1;31", notice: "34", mark: "1;31", choice: "7", key: "1",
		names: []style{"31", "32", "34", "35", "36", "1;31", "1;32", "1;34", "1;35"}},
	"contrast": {bar: "1;7", dim: "", mention: "1;7", whisper: "1;4", trouble: "1;7", notice: "1", mark: "1;7", choice: "1;7", key: "1",
		names: []style{"1;97", "1;93", "1;96", "1;92"}},
}

// plain is for terminals without colours.
var plain = theme{bar: "7", dim: "", mention: "1", whisper: "4", trouble: "1", notice: "", mark: "1", choice: "7", key: "1", names: []style{"1"}}

// marks are what stands for states, in one cell each or as words.
type marks struct {
	pending, stored, all, failed, joined, left, rule, arrow, sep, full, void string
	spark                                                                    []rune
	words                                                                    bool
}

var (
	unicodeMarks = marks{pending: "…", stored: "✓", all: "✓✓", failed: "!", joined: "→", left: "←", rule: "─", arrow: "›", sep: " · ", full: "█", void: "░",
		spark: []rune("▁▂▃▄▅▆▇█")}
	asciiMarks = marks{pending: "...", stored: "(stored)", all: "(all)", failed: "!", joined: "-->", left: "<--", rule: "-", arrow: ">", sep: " | ", full: "#", void: ".",
		spark: []rune("_.-~=+*#"), words: true}
)

// paint shows s in a style.
func paint(s string, how style) string {
	if how == "" || s == "" {
		return s
	}
	return "\x1b[" + string(how) + "m" + s + "\x1b[0m"
}

// name shows a nick, in a colour that it has on every screen of this theme.
func (t *theme) name(nick string) string {
	h := fnv.New32a()
	h.Write([]byte(text.Key(nick)))
	return paint(text.Clean(nick), t.names[h.Sum32()%uint32(len(t.names))])
}
