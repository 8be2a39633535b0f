package tui

import (
	"slices"
	"time"

	"parley/room"
	"parley/talk"
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
	over    bool   // the seat has ended
	offer   string // what is offered to us, and how it is answered; empty: nothing

	files []moving

	items  []*item
	scroll int    // rows below the last that is shown; 0: the newest are
	mark   uint64 // the first event that was not seen; 0: none
	news   int    // what was said and not seen
	called bool   // some of it to us
	asked  bool   // older ones are being fetched
	all    bool   // there are no older ones
	edit   edit
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
	after   uint64 // of what has no seq: it came behind this one

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
	switch {
	case it.e.Seq > 0: // what is late goes where it was said, and what was said before we came before our greeting
		for at > 0 && w.items[at-1].behind(it.e.Seq) {
			at--
		}
	case at > 0:
		it.after = max(w.items[at-1].e.Seq, w.items[at-1].after)
	default:
		it.after = w.ready.Seq
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

// behind tells whether an item stands behind an event with that seq.
func (it *item) behind(seq uint64) bool {
	return it.e.Seq > seq || it.e.Seq == 0 && it.after >= seq
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
	w.items = slices.Insert(w.items, 0, older...)
	w.stale() // the days may begin elsewhere
}

// stale has everything drawn anew.
func (w *window) stale() {
	for _, it := range w.items {
		it.width = 0
	}
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
