package line

import (
	"strings"

	"parley/room"
	"parley/text"
)

// Margins of a QR code in modules: what the standard wants, and what cameras
// do with where the screen is small.
const (
	wideMargin   = 4
	narrowMargin = 2
)

// QR draws a link for cameras, as rows that fit into width by height cells of a
// terminal; nothing if that is too small. With colour
// the code is black on white, whatever the terminal's own colours are; without, it
// takes the terminal to write light on dark.
func QR(link string, width, height int, color bool) []string {
	for _, margin := range []int{wideMargin, narrowMargin} {
		rows := text.QR(link, margin, !color)
		if len(rows) == 0 || len(rows) > height || len([]rune(rows[0])) >= width {
			continue
		}
		if color {
			for i := range rows {
				rows[i] = blackOnWhite + rows[i] + "\x1b[0m"
			}
		}
		return rows
	}
	return nil
}

// blackOnWhite are the two colours that no theme of a terminal changes.
const blackOnWhite = "\x1b[38;5;16;48;5;231m"

// WantUTF8 tells whether the environment says that the terminal shows more than
// ASCII. On Windows, which says nothing, it does.
func WantUTF8(getenv func(string) string, windows bool) bool {
	if windows {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" { // the first that is set decides
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// link shows how others come here: as a link, as a code for cameras, and the
// key in words.
func (s *session) link() {
	if s.seat == nil {
		s.refuse(answer{err: errNoRoom})
		return
	}
	ready := s.seat.Ready()
	if ready.Invite == "" {
		s.tell("no_link", "nobody knows a link to this room")
		return
	}
	if s.o.QR != nil && !s.o.JSON {
		for _, row := range s.o.QR(ready.Invite) {
			s.screen.print(false, row)
		}
	}
	link := text.Clean(ready.Invite)
	if s.o.JSON {
		said := link
		if ready.Words != "" {
			said += "\nits key: " + ready.Words
		}
		s.object(room.Event{Type: room.Notice, Code: "link", Text: said, Invite: ready.Invite, Words: ready.Words})
		return
	}
	s.screen.print(false, "* "+link) // in one piece, however long, so that it can be copied
	if ready.Words != "" {
		s.view.say("", false, "  | ", "its key: "+ready.Words)
	}
}
