package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"parley/room"
	"parley/talk"
	"parley/text"
)

// words puts events of w in words.
func (m *model) words(w *window) *talk.Words {
	return &talk.Words{Self: w.nick, Zone: m.zone, Name: m.theme.name, Recall: true}
}

// drawn are the rows of an item, with the day before it where that is another one.
func (w *window) drawn(m *model, i, width int) []string {
	it := w.items[i]
	day := it.e.At.In(m.zone).Format(longDay)
	if i > 0 && w.items[i-1].e.At.In(m.zone).Format(longDay) == day {
		day = ""
	}
	if i == 0 && day == m.now.In(m.zone).Format(longDay) {
		day = ""
	}
	if it.width != width || it.day != day {
		it.width, it.day, it.rows = width, day, it.rows[:0]
		if day != "" {
			it.rows = append(it.rows, m.rule(day, width, m.theme.dim))
		}
		it.rows = append(it.rows, m.lines(w, it, width)...)
	}
	return it.rows
}

// rule is words in a line across.
func (m *model) rule(words string, width int, how style) string {
	words = m.cut(" "+words+" ", width)
	left := max(0, (width-text.Width(words))/2)
	right := max(0, width-left-text.Width(words))
	return paint(strings.Repeat(m.marks.rule, left)+words+strings.Repeat(m.marks.rule, right), how)
}

// lines are the rows of what an item tells.
func (m *model) lines(w *window, it *item, width int) []string {
	stamp := ""
	if m.stamps && width >= 30 {
		stamp = it.e.At.In(m.zone).Format("15:04 ")
	}
	head, body, about := "", []string(nil), false
	if len(it.crowd) > 0 {
		head = m.crowded(w, it.crowd)
	} else {
		head, body, about = m.words(w).Event(it.e)
		if m.marks.words {
			head = inASCII(head)
			if !said(it.e) { // what people say is theirs
				for i := range body {
					body[i] = inASCII(body[i])
				}
			}
		}
	}
	how := style("")
	switch {
	case it.trouble || it.e.Type == room.Failed || it.e.Type == room.Failure || it.e.Type == room.Gap || it.e.Type == room.Link && it.e.State == "lost":
		how = m.theme.trouble
	case it.e.Type == room.Whisper:
		how = m.theme.whisper
	case it.mention:
		how = m.theme.mention
	case len(it.crowd) > 0:
		how = m.theme.dim
	case about || it.e.Type == room.Notice:
		how = m.theme.notice
	}
	rows := fill(stamp, m.theme.dim, head, body, how, width)
	if state := m.state(it); state != "" {
		last := len(rows) - 1
		if text.Width(rows[last])+1+text.Width(state) <= width {
			rows[last] += " " + paint(state, m.theme.dim)
		} else {
			rows = append(rows, strings.Repeat(" ", len(stamp)+2)+paint(m.cut(state, max(1, width-len(stamp)-2)), m.theme.dim))
		}
	}
	return rows
}

// inASCII writes marks of this program in ASCII.
func inASCII(s string) string { return asciiWords.Replace(s) }

var asciiWords = strings.NewReplacer("…", "...", "→", ">", "←", "<")

// state is how far a message of ours has come.
func (m *model) state(it *item) string {
	switch {
	case !it.e.Own || !said(it.e) || it.e.Replay:
		return ""
	case !it.counted || it.of == 0:
		return m.marks.stored
	case it.count >= it.of:
		return m.marks.all
	case m.marks.words:
		return fmt.Sprintf("(%d of %d)", it.count, it.of)
	}
	return fmt.Sprintf("%s %d/%d", m.marks.all, it.count, it.of)
}

// fill breaks a head and lines of body into rows, further ones indented: behind a bar where there is a head,
// so that no line that somebody says can pass for one of another's, or of the program.
func fill(stamp string, dim style, head string, body []string, how style, width int) (rows []string) {
	indent, bar := strings.Repeat(" ", len(stamp)), "| "
	if strings.TrimSpace(stamp+head) == "" {
		bar = "  "
	}
	if width < 12 {
		indent, bar = "", bar[:1]
	}
	if text.Width(stamp)+text.Width(head) >= width {
		head = ansi.Strip(head)
		if len(body) == 0 {
			body = []string{""}
		}
		body = slices.Concat([]string{head + body[0]}, body[1:])
		head = ""
	}
	if len(body) == 0 {
		return []string{paint(stamp, dim) + paintHead(head, how)}
	}
	first, rest := width-len(stamp)-text.Width(head), max(1, width-len(indent)-len(bar))
	for i, part := range body {
		if i > 0 {
			first = rest
		}
		for j, row := range text.Wrap(part, max(1, first), rest) {
			if i == 0 && j == 0 {
				rows = append(rows, paint(stamp, dim)+paintHead(head, how)+paint(row, how))
			} else {
				rows = append(rows, indent+paint(bar, dim)+paint(row, how))
			}
		}
	}
	return rows
}

// paintHead paints a head that may hold names with colours of their own.
func paintHead(head string, how style) string {
	if strings.Contains(head, "\x1b") {
		return head
	}
	return paint(head, how)
}

// crowded tells of joins and leaves together.
func (m *model) crowded(w *window, all []room.Event) string {
	did := func(e room.Event) string {
		switch {
		case e.Type == room.Joined:
			return "joined"
		case e.Reason == "lost":
			return "lost connection"
		}
		return "left"
	}
	var joined int
	var parts []string
	counts := make(map[string]int)
	for _, e := range all {
		if counts[did(e)]++; e.Type == room.Joined {
			joined++
		}
	}
	if len(all) > crowd {
		for _, how := range []string{"joined", "left", "lost connection"} {
			if n := counts[how]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, how))
			}
		}
	} else { // one after the other, those who did the same together
		for i, e := range all {
			if i > 0 && did(all[i-1]) == did(e) {
				last := len(parts) - 1
				parts[last] = strings.TrimSuffix(parts[last], " "+did(e)) + ", " + m.theme.name(e.Nick) + " " + did(e)
				continue
			}
			parts = append(parts, m.theme.name(e.Nick)+" "+did(e))
		}
	}
	mark := m.marks.joined
	if joined == 0 {
		mark = m.marks.left
	}
	if len(all) == 1 && all[0].Type == room.Left {
		return mark + strings.TrimPrefix(m.words(w).Passage(all[0]), "<--")
	}
	return mark + " " + strings.Join(parts, ", ")
}

// body are the rows of w that are seen in height rows, and how many there are above.
func (w *window) body(m *model, width, height int) (rows []string, above bool) {
	need := w.scroll + height
	var blocks [][]string
	n := 0
	if w.scroll == 0 {
		for _, u := range w.unsent {
			if u.Code == "" {
				block := fill("", "", m.marks.pending+" ", text.Lines(u.Text), m.theme.dim, width)
				blocks = append(blocks, block)
			}
		}
		slices.Reverse(blocks)
		for _, b := range blocks {
			n += len(b)
		}
	}
	i := len(w.items) - 1
	for ; i >= 0 && n < need; i-- {
		b := w.drawn(m, i, width)
		if w.mark > 0 && w.items[i].e.Seq == w.mark {
			b = append([]string{m.rule("new", width, m.theme.mark)}, b...)
		}
		blocks = append(blocks, b)
		n += len(b)
	}
	slices.Reverse(blocks)
	rows = slices.Concat(blocks...)
	if end := len(rows) - w.scroll; end < len(rows) {
		if end < height { // above all there is
			end = min(height, len(rows))
			w.scroll = len(rows) - end
		}
		rows = rows[:end]
	}
	if len(rows) > height {
		rows, above = rows[len(rows)-height:], true
	}
	return rows, above || i >= 0
}
