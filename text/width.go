package text

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Width tells how many cells of a terminal clean text takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Truncate cuts clean text to at most w cells, the last of them "…" if
// anything was cut. Isolates that were open at the cut are closed.
func Truncate(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if Width(s) <= w {
		return s
	}
	end, used := 0, 0
	for end < len(s) {
		cluster, cells := ansi.FirstGraphemeCluster(s[end:], ansi.GraphemeWidth)
		if len(cluster) == 0 || used+cells > w-1 {
			break
		}
		end += len(cluster)
		used += cells
	}
	cut := s[:end] + "…"
	if open := strings.Count(cut, string(fsi)) - strings.Count(cut, string(pdi)); open > 0 {
		cut += strings.Repeat(string(pdi), open)
	}
	return cut
}

// Wrap breaks one clean line into rows: the first of at most first cells, the
// others of at most rest, broken at spaces where it can be. Widths below one
// do not bound. There is at least one row; an isolate that is broken is closed
// in one and opened in the next.
func Wrap(s string, first, rest int) []string {
	if first < 1 && rest < 1 || first > 0 && Width(s) <= first {
		return []string{s}
	}
	var rows []string
	open := ""
	for w := first; ; w = rest {
		end, next := breakAt(s, w, len(rows) > 0)
		row := open + s[:end]
		if open = ""; strings.LastIndex(row, string(fsi)) > strings.LastIndex(row, string(pdi)) {
			row, open = row+string(pdi), string(fsi)
		}
		rows = append(rows, row)
		if s = s[next:]; s == "" {
			return rows
		}
	}
}

// breakAt returns where a row of w cells of s ends, and where the next begins.
// A row that must have something gets it even if it is too wide. It looks at no
// more of s than the row takes, so that a long line costs no more than its length.
func breakAt(s string, w int, must bool) (end, next int) {
	if w < 1 {
		return len(s), len(s)
	}
	used, space := 0, -1
	for at := 0; at < len(s); {
		cluster, cells := ansi.FirstGraphemeCluster(s[at:], ansi.GraphemeWidth)
		if len(cluster) == 0 {
			break
		}
		if used+cells > w && (at > 0 || !must) {
			switch {
			case cluster == " ":
				return at, at + 1
			case space > 0:
				return space, space + 1
			}
			return at, at
		}
		if cluster == " " {
			space = at
		}
		used += cells
		at += len(cluster)
	}
	return len(s), len(s)
}
