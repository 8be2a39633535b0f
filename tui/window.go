package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"parley/room"
	"parley/talk"
	"parley/text"
)

const (
	maxItems  = 20000 // lines of a room on the screen's side; older ones are fetched again
	trimmed   = 15000 // and what is left when they are too many
	pageSize  = 100   // lines that are fetched at once
	samples   = 240   // of the counters, half a second each: two minutes
	crowd     = 3     // joins and leaves that are told by name
	crowdMost = 5 * time.Second
	longDay   = "Monday, 2 January 2006"
)

// A window is a room that one sits in, or sat in.
type window struct {
	id      int
	ready   room.Event
	nick    string
	topic   string
	carrier string
	people  []room.Person
	unsent  []room.Unsent
	stats   []room.Counters // the last samples, oldest first
	host    bool
	others  bool
	lost    bool
	over    bool // the seat has ended

	items  []*item
	scroll int    // rows below the last that is shown; 0: the newest are
	mark   uint64 // the first event that was not seen; 0: none
	news   int    // what was said and not seen
	called bool   // some of it to us
	asked  bool   // older ones are being fetched
	all    bool   // there are no older ones
	edit   edit

	queued int
}

// An item is an event, or some joins and leaves together.
type item struct {
	e       room.Event
	mention bool
	trouble bool
	crowd   []room.Event // joins and leaves; the first is e
	count   int          // of a message of ours: who has it
	of      int
	counted bool

	rows  []string // as it was drawn last
	width int
	day   string
}

func newWindow(id int, ready room.Event) *window {
	return &window{id: id, ready: ready, nick: ready.Nick, topic: ready.Text, carrier: ready.Transport}
}

// note is a line of the program itself.
func note(words string, now time.Time) *item {
	return &item{e: room.Event{Type: room.Notice, Text: words, At: now}}
}

// trouble is one about what went wrong.
func trouble(words string, now time.Time) *item {
	return &item{e: room.Event{Type: room.Failure, Text: words, At: now}, trouble: true}
}

// add puts an item where it belongs; false if it shows nothing.
func (w *window) add(m *model, it *item) bool {
	if it.e.Type == room.Joined || it.e.Type == room.Left {
		if w.fold(it.e) {
			return true
		}
		it.crowd = []room.Event{it.e}
	} else if head, _, _ := m.words(w).Event(it.e); head == "" {
		return false
	}
	at := len(w.items)
	if it.e.Seq > 0 { // in an unordered room what is late goes where it was said
		for at > 0 && w.items[at-1].e.Seq > it.e.Seq {
			at--
		}
	}
	w.items = slices.Insert(w.items, at, it)
	if at+1 < len(w.items) {
		w.items[at+1].width = 0
	}
	if w.scroll > 0 {
		w.scroll += len(w.drawn(m, at, m.talkWidth()))
	} else if len(w.items) > maxItems {
		w.items = slices.Delete(w.items, 0, len(w.items)-trimmed)
		w.items[0].width, w.all = 0, false
	}
	return true
}

// fold adds a join or leave to the line that tells of those just before.
func (w *window) fold(e room.Event) bool {
	if len(w.items) == 0 {
		return false
	}
	last := w.items[len(w.items)-1]
	if len(last.crowd) == 0 || e.At.Sub(last.crowd[len(last.crowd)-1].At) > crowdMost {
		return false
	}
	last.crowd, last.width = append(last.crowd, e), 0
	return true
}

// delivered notes who has a message of ours.
func (w *window) delivered(e room.Event) bool {
	if e.State == "asked" {
		return false
	}
	for i := len(w.items) - 1; i >= 0; i-- {
		if it := w.items[i]; it.e.Seq == e.Seq && it.e.Type != room.Delivered {
			it.count, it.of, it.counted, it.width = e.Count, e.Of, true, 0
			break
		}
	}
	return true
}

// sent takes a message off those that are on their way.
func (w *window) sent(id string) {
	w.unsent = slices.DeleteFunc(w.unsent, func(u room.Unsent) bool { return u.ID == id })
}

func (w *window) count(msg countMsg) {
	if msg.people != nil {
		w.people = msg.people
	}
	w.nick, w.unsent, w.host, w.others = msg.nick, msg.unsent, msg.host, msg.others
	if w.stats = append(w.stats, msg.stats); len(w.stats) > samples {
		w.stats = slices.Delete(w.stats, 0, 1)
	}
}

// pending counts what was said and is not stored yet.
func (w *window) pending() (n int) {
	for _, u := range w.unsent {
		if u.Code == "" {
			n++
		}
	}
	return n
}

// first is the oldest event that is here.
func (w *window) first() uint64 {
	for _, it := range w.items {
		if it.e.Seq > 0 {
			return it.e.Seq
		}
	}
	return w.ready.Seq + 1
}

// paged puts older events in front.
func (w *window) paged(m *model, msg pageMsg) {
	w.asked = false
	if msg.err != "" {
		w.all = true
		w.add(m, trouble("older messages: "+msg.err, m.now))
		return
	}
	w.all = !msg.look.More
	first := w.first()
	var older []*item
	for _, e := range msg.look.Events {
		e.Replay = true
		if head, _, _ := m.words(w).Event(e); head == "" || e.Seq >= first || e.Type == room.Joined || e.Type == room.Left {
			continue
		}
		older = append(older, &item{e: e, mention: said(e) && talk.Mentions(e.Text, w.nick)})
	}
	at := slices.IndexFunc(w.items, func(it *item) bool { return it.e.Seq > 0 })
	if at < 0 { // below the words we were greeted with
		at = len(w.items)
	}
	w.items = slices.Insert(w.items, at, older...)
	w.stale() // the days may begin elsewhere
}

// stale has everything drawn anew.
func (w *window) stale() {
	for _, it := range w.items {
		it.width = 0
	}
}

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
	words = text.Truncate(" "+words+" ", width)
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
			rows = append(rows, strings.Repeat(" ", len(stamp)+2)+paint(text.Truncate(state, max(1, width-len(stamp)-2)), m.theme.dim))
		}
	}
	return rows
}

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

// fill breaks a head and lines of body into rows, further ones indented.
func fill(stamp string, dim style, head string, body []string, how style, width int) (rows []string) {
	indent := strings.Repeat(" ", len(stamp)+2)
	if width < 12 {
		indent = " "
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
	first, rest := width-len(stamp)-text.Width(head), max(1, width-len(indent))
	for i, part := range body {
		if i > 0 {
			first = rest
		}
		for j, row := range text.Wrap(part, max(1, first), rest) {
			if i == 0 && j == 0 {
				rows = append(rows, paint(stamp, dim)+paintHead(head, how)+paint(row, how))
			} else {
				rows = append(rows, indent+paint(row, how))
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

// move scrolls by rows, up where they are positive, and fetches what is older.
func (w *window) move(m *model, by int) {
	w.scroll = max(0, w.scroll+by)
	if w.scroll == 0 {
		w.news, w.called = 0, false
	}
	if by <= 0 {
		return
	}
	if _, above := w.body(m, m.talkWidth(), m.talkHeight()); !above && !w.asked && !w.all && !w.over {
		w.asked = true
		m.do(doPage{w.id, w.first()})
	}
}
