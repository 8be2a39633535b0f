package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/room"
	"parley/text"
	"parley/transport"
)

const (
	maxHeard = 500 // rooms in the lobby: more nobody reads
	lonely   = 3 * time.Second
	stale    = 10 * time.Second // after which a room that is there has been heard again: they are asked every three seconds
	roomy    = 14               // rows from which there are words enough
)

// A lobby is the rooms of this network, in the order they were heard, so that
// none moves under the cursor.
type lobby struct {
	since time.Time
	rooms []heard
	at    int
}

type heard struct {
	room.Listing
	last time.Time
}

// hear takes what was heard of a room.
func (l *lobby) hear(r room.Listing, now time.Time) {
	i := slices.IndexFunc(l.rooms, func(h heard) bool {
		return h.Key == r.Key && (r.Key != (transport.Key{}) || h.Addr == r.Addr && h.Room == r.Room)
	})
	switch {
	case r.Gone && i >= 0:
		l.rooms = slices.Delete(l.rooms, i, i+1)
		if l.at > i || l.at >= len(l.rooms) {
			l.at = max(0, l.at-1)
		}
	case r.Gone:
	case i >= 0:
		l.rooms[i] = heard{r, now}
	case len(l.rooms) < maxHeard:
		l.rooms = append(l.rooms, heard{r, now})
	}
}

// forget drops the rooms that were heard when the lobby was shown before, and not
// since: nobody was listening when they went.
func (l *lobby) forget(now time.Time) {
	if now.Sub(l.since) < stale {
		return
	}
	for i := len(l.rooms) - 1; i >= 0; i-- {
		if l.rooms[i].last.Before(l.since) {
			gone := l.rooms[i].Listing
			gone.Gone = true
			l.hear(gone, now)
		}
	}
}

// twin tells whether another room looks like that one.
func (l *lobby) twin(i int) bool {
	key := text.RoomKey(l.rooms[i].Room)
	return slices.IndexFunc(l.rooms, func(h heard) bool { return h.Key != l.rooms[i].Key && text.RoomKey(h.Room) == key }) >= 0
}

// view are the rows of the lobby.
func (m *model) lobbyRows(width, height int) (rows []string) {
	l := &m.lobby
	var foot []string
	switch {
	case len(m.failure) > 0:
		for i, line := range m.failure {
			how := m.theme.trouble
			if i > 0 {
				how = ""
			}
			foot = append(foot, fill("", "", "", []string{text.Clean(line)}, how, width)...)
		}
	case m.sitting != "":
		foot = append(foot, paint(m.cut(text.Clean(m.sitting)+" "+m.marks.pending+" (Esc gives up)", width), m.theme.notice))
		if m.waiting != "" {
			foot = append(foot, fill("", "", "", []string{text.Clean(m.waiting)}, "", width)...)
		}
	}
	for _, n := range m.notes {
		foot = append(foot, fill("", "", "", []string{text.Clean(n)}, m.theme.notice, width)...)
	}
	if most := height / 2; len(foot) > most && len(m.failure) == 0 {
		foot = foot[len(foot)-most:]
	}
	var keys []string
	if m.sitting == "" {
		keys = m.legend(width, height)
	}
	if height >= roomy {
		rows = append(rows, "")
	}
	rows = append(rows, paint("Rooms on this network", "1"))
	if height >= roomy {
		rows = append(rows, "")
	}
	if len(l.rooms) == 0 {
		for _, s := range m.alone(height) {
			rows = append(rows, fill("", "", "  ", []string{s}, "", width)...)
		}
	}
	room := max(1, height-len(rows)-min(len(foot)+1, height/2)-len(keys)-2)
	from := max(0, min(l.at-room/2, len(l.rooms)-room))
	for i := from; i < min(len(l.rooms), from+room); i++ {
		rows = append(rows, m.roomRow(i, width))
	}
	if more := len(l.rooms) - from - room; more > 0 {
		rows = append(rows, paint(fmt.Sprintf("  and %d more below", more), m.theme.dim))
	}
	rows = append(rows, "")
	rows = append(rows, keys...)
	if len(foot) > 0 {
		rows = append(append(rows, ""), foot...)
	}
	if over := len(rows) - height; over > 0 { // what is asked or has failed matters more than the keys
		rows = rows[over:]
	}
	return rows
}

// legend tells which keys do what, in columns of the same width where they fit.
func (m *model) legend(width, height int) (rows []string) {
	items := [][2]string{{"Enter", "join"}, {"n", "open a room of your own"}, {"a", "go to an address or link"},
		{"c", "your name: " + text.Clean(m.o.Nick)}, {"d", "see nobody? find out why"}, {"?", "help"}, {"q", "leave"}}
	if height < roomy {
		for i, short := range []string{"join", "open", "address", "name", "see nobody?", "help", "leave"} {
			items[i][1] = short
		}
	}
	if len(m.lobby.rooms) == 0 {
		items = items[1:]
	}
	if m.o.Doctor == nil {
		items = slices.DeleteFunc(items, func(it [2]string) bool { return it[0] == "d" })
	}
	if len(m.windows) > 0 {
		items = append(items, [2]string{"Esc", "back"})
	}
	row, used := "", 0
	for _, it := range items {
		cells := text.Width(it[0]) + 1 + text.Width(it[1])
		if used > 0 && used+3+cells > width {
			rows = append(rows, row)
			row, used = "", 0
		}
		if used > 0 {
			row, used = row+"   ", used+3
		}
		row += paint(it[0], m.theme.key) + " " + m.cut(it[1], max(1, width-used-text.Width(it[0])-1))
		used += cells
	}
	return append(rows, row)
}

// alone says why there may be nothing.
func (m *model) alone(height int) []string {
	switch {
	case m.o.Deaf:
		return []string{"Rooms are not looked for, as you wished. a goes to one by its address."}
	case m.now.Sub(m.lobby.since) < lonely:
		return []string{"listening " + m.marks.pending}
	case height < roomy:
		return []string{"None heard yet, and still listening. Does nobody host one? n does. Or can we not hear each other? d finds out; a goes to an address."}
	}
	return []string{
		"None heard so far. It may be that nobody hosts one yet: press n, and others see yours.",
		"Or that this network does not let us hear each other: a firewall, a guest Wi-Fi, another subnet. d finds out which; with the host's address, a works nevertheless.",
		"Still listening " + m.marks.pending,
	}
}

// roomRow is a room in the lobby.
func (m *model) roomRow(i, width int) string {
	r := m.lobby.rooms[i]
	lead := "  "
	if i == m.lobby.at {
		lead = m.marks.arrow + " "
	}
	people := fmt.Sprintf("%d people", r.Members)
	if r.Members == 1 {
		people = "1 person"
	}
	notes := []string{"encrypted"}
	switch {
	case !r.Secure:
		notes[0] = "PLAINTEXT"
	case r.Guests:
		notes[0] = "open to guests"
	}
	if r.Password {
		notes = append(notes, "password")
	}
	switch r.Pin {
	case "known":
		notes = append(notes, "known")
	case "changed":
		notes = append(notes, "OTHER KEY")
	}
	carrier, port := "udp+tcp", cmp.Or(r.UDP, r.TCP)
	switch {
	case r.UDP == 0:
		carrier = "tcp"
	case r.TCP == 0:
		carrier = "udp"
	}
	at := fmt.Sprintf("%s:%d", r.Addr, port)
	if r.Addr.Is6() {
		at = fmt.Sprintf("[%s]:%d", r.Addr, port)
	}
	var columns []string
	column := func(s string, w int) { columns = append(columns, pad(m.cut(s, w), w)) }
	column(text.Clean(r.Room), 18)
	column(people, 9)
	if width >= 60 {
		column(strings.Join(notes, ", "), 26)
	} else if last := notes[len(notes)-1]; last != "encrypted" && last != "known" {
		column(last, 9)
	}
	twin := m.lobby.twin(i)
	if width >= 80 && (!twin || width >= 110) {
		column(carrier, 7)
		column(ago(m.now.Sub(r.last)), 10)
	}
	if width >= 110 || twin && width >= 50 {
		column(at, 21)
	}
	row := pad(m.cut(lead+strings.Join(columns, "  "), width), width)
	if i == m.lobby.at {
		return paint(row, m.theme.choice)
	}
	return row
}

// ago is how long something is past.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d/time.Second))
	}
	return fmt.Sprintf("%d min ago", int(d/time.Minute))
}

// pad fills s up to w cells.
func pad(s string, w int) string { return s + strings.Repeat(" ", max(0, w-text.Width(s))) }
