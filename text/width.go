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
