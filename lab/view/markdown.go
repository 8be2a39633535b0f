//go:build !nolab

package view

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"parley/lab"
)

// writeMarkdown writes a report, to be handed in or put on a page.
func writeMarkdown(w io.Writer, lesson lab.Lesson, lines []lab.Line, o Options) error {
	s := tell(lesson, lines, o)
	b := bufio.NewWriter(w)
	m := markdown{b}
	name := cmp.Or(lesson.Name, s.run.Lesson, "a run")
	if lesson.Number > 0 {
		name = fmt.Sprintf("Lesson %d: %s", lesson.Number, name)
	}
	m.line("# " + plainWords(name))
	if claim := s.fill(lesson.Claim); claim != "" {
		m.line("**" + plainWords(claim) + "**")
	}
	if setup := s.fill(lesson.Setup); setup != "" {
		m.line(plainWords(setup))
	}
	m.line("Seed " + fmt.Sprint(s.run.Seed) + "; " + plainWords(s.run.Settings) + ".")
	for _, t := range s.tables {
		m.table(t.cols, t.cells)
	}
	if all := s.hearings(); len(all) > 0 && len(all[0].msgs) <= few {
		m.waits(all)
	}
	for _, n := range s.notes {
		m.line(plainWords(n))
	}
	var checks [][]string
	for _, c := range s.checks {
		checks = append(checks, []string{c.Name, fmt.Sprint(c.Got), c.Want, map[bool]string{true: "holds", false: "does not hold"}[c.OK]})
	}
	if len(checks) > 0 {
		m.table([]string{"check", "got", "want", ""}, checks)
	}
	switch {
	case !s.ended:
		m.line("**CUT OFF**: these lines have no end.")
	case s.end.Fingerprint == "":
		m.line("**" + plainWords(s.end.Verdict) + "**, measured on one machine; another will differ.")
	default:
		m.line("**" + plainWords(s.end.Verdict) + "**, run `" + code(s.end.Fingerprint) + "`, engine `" + code(s.run.Engine) + "`.")
	}
	if lesson.So != "" {
		m.line("So: " + plainWords(lesson.So) + ".")
	}
	for _, what := range slices.Sorted(maps.Keys(lesson.Filters)) {
		m.line("Wireshark, " + plainWords(what) + ": `" + code(lesson.Filters[what]) + "`")
	}
	return b.Flush()
}

type markdown struct{ *bufio.Writer }

// line writes a paragraph.
func (m markdown) line(s string) { m.WriteString(s + "\n\n") }

// table writes a table.
func (m markdown) table(heads []string, rows [][]string) {
	n := len(heads)
	for _, r := range rows {
		n = max(n, len(r))
	}
	if n = min(n, maxColumns); n == 0 {
		return
	}
	row := func(cells []string) {
		m.WriteString("|")
		for i := range n {
			cell := ""
			if i < len(cells) {
				cell = plainWords(cells[i])
			}
			m.WriteString(" " + cell + " |")
		}
		m.WriteString("\n")
	}
	row(heads)
	m.WriteString("|" + strings.Repeat("---|", n) + "\n")
	for _, r := range rows {
		row(r)
	}
	m.WriteString("\n")
}

// waits writes how long each message took.
func (m markdown) waits(all []*hearing) {
	seen := map[int]bool{}
	heads := []string{"message: ms"}
	for _, h := range all {
		heads = append(heads, h.name)
		for _, msg := range h.msgs {
			seen[msg.Msgs[0]] = true
		}
	}
	var rows [][]string
	for _, n := range sorted(seen) {
		row := []string{fmt.Sprint(n)}
		for _, h := range all {
			i := slices.IndexFunc(h.msgs, func(msg lab.Line) bool { return msg.Msgs[0] == n })
			switch {
			case i < 0:
				row = append(row, "")
			case h.msgs[i].Lost:
				row = append(row, "never came")
			default:
				row = append(row, strings.TrimPrefix(waitCell(h.msgs[i]), "!")+map[bool]string{true: " late"}[h.msgs[i].Late])
			}
		}
		rows = append(rows, row)
	}
	m.table(heads, rows)
}

// marks are what Markdown and HTML would take for something of their own.
var marks = strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "#", "\\#", "&", "&amp;")

// plainWords are words that mean only themselves.
func plainWords(s string) string { return marks.Replace(s) }

// code is text between backticks.
func code(s string) string { return strings.ReplaceAll(s, "`", "'") }
