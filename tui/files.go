package tui

import (
	"fmt"
	"slices"
	"strings"

	"parley/room"
	"parley/talk"
	"parley/text"
)

const (
	maxMoving = 64 // files of a window that are kept in mind
	barWidth  = 30 // cells of a file's progress at most
)

// A moving is a file that is offered to us, or under way.
type moving struct{ e room.Event }

// transfer keeps what files come to, as long as there is something to be seen, or
// to be answered. What is said about them stands among the talk.
func (w *window) transfer(e room.Event) {
	if e.File == nil {
		return
	}
	i := slices.IndexFunc(w.files, func(f moving) bool { return f.e.ID == e.ID && f.e.Own == e.Own })
	ended := e.State != room.FileTaken && e.State != room.FileProgress && (e.State != room.FileOffered || e.Own)
	switch {
	case ended && i >= 0:
		w.files = slices.Delete(w.files, i, i+1)
	case ended || i < 0 && len(w.files) == maxMoving:
	case i >= 0:
		w.files[i].e = e
	default:
		w.files = append(w.files, moving{e})
	}
}

// moves tells whether a file is under way.
func (w *window) moves() bool {
	return slices.ContainsFunc(w.files, func(f moving) bool { return f.e.State != room.FileOffered })
}

// fileRows show what is offered to us, and a bar for each file that is under way,
// in most rows.
func (m *model) fileRows(w *window, width, most int) (rows []string) {
	words := m.words(w)
	for i, f := range w.files {
		if len(rows) == most-1 && i < len(w.files)-1 {
			return append(rows, paint(m.cut(fmt.Sprintf("and %d more files: /files lists them", len(w.files)-i), width), m.theme.dim))
		}
		if f.e.State == room.FileOffered {
			rows = append(rows, paint(m.cut(offered(f.e), width), m.theme.mark))
			continue
		}
		row := words.Progress(f.e)
		if cells := min(barWidth, width-text.Width(row)-3); cells >= 5 {
			done := cells * talk.Percent(*f.e.File) / 100
			row += " [" + strings.Repeat(m.marks.full, done) + strings.Repeat(m.marks.void, cells-done) + "]"
		}
		if text.Width(row) > width { // names may be painted, and what is cut is not
			plain := talk.Words{Self: w.nick, Zone: m.zone}
			row = m.cut(plain.Progress(f.e), width)
		}
		rows = append(rows, row)
	}
	return rows
}

// offered is the question that a file is.
func offered(e room.Event) string {
	return fmt.Sprintf("%s offers you %s (%s): /take %d or /refuse %d", text.Clean(e.From), text.Clean(e.File.Name), text.Size(e.File.Size), e.File.N, e.File.N)
}
