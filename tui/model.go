package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/room"
	"parley/talk"
	"parley/text"
)

// Effects are what the shell is asked to do.
type (
	effect any
	doSit  struct { // sit down: in Start's room, a room that was heard, one that is named, or one of our own
		start  bool
		heard  *room.Listing
		target string
		host   string
		nick   string
	}
	doGiveUp struct{} // what doSit began
	doInput  struct {
		win  int
		line string
	}
	doPage struct {
		win    int
		before uint64
	}
	doAnswer struct {
		id   int
		text string
		ok   bool
	}
	doLeave struct {
		win    int
		reason string
	}
	doRing  struct{ words string } // the bell; words: a notification, too
	doClear struct{}               // draw everything anew
	doQuit  struct{ reason string }
)

// Messages are what the shell tells. Keys and the like are Bubble Tea's.
type (
	heardMsg struct{ room.Listing }
	satMsg   struct {
		win   int
		ready room.Event
	}
	unsatMsg struct { // sitting down has failed
		lines []string
		code  string
		rooms []string
		was   doSit
	}
	eventsMsg struct {
		win    int
		events []room.Event
	}
	countMsg struct { // what a seat counts, now and then
		win          int
		nick         string
		people       []room.Person
		unsent       []room.Unsent
		stats        room.Counters
		host, others bool
	}
	endedMsg struct {
		win   int
		lines []string // why; none: as we wished
	}
	actionMsg struct {
		win    int
		line   string
		action room.Action
		err    string
	}
	pageMsg struct {
		win  int
		look room.Look
		err  string
	}
	askMsg struct { // of a sitting down that is under way
		id     int
		kind   string // nick, password
		lines  []string
		preset string
	}
	noteMsg struct{ words string }
	tickMsg struct{}
)

// A model is the machine.
type model struct {
	o      Options
	now    time.Time
	w, h   int
	theme  theme
	marks  marks
	zone   *time.Location
	blur   bool // the terminal is not looked at
	stamps bool
	bell   string
	quiet  bool

	lobby   lobby
	windows []*window // in the order they were opened
	at      int       // of the one shown; -1: the lobby
	last    int       // shown before
	prompt  *prompt
	panel   *panel
	stats   bool   // the counters are shown
	sitting string // what is being sat down in; empty: nothing
	waiting string // what that waits for
	warned  string // what a key has to be pressed again for
	failure []string
	notes   []string // before there is a window for them
	seek    *seek
	rung    time.Time
	past    []string // what was typed, for windows to come

	out []effect
}

// ringPause is the least between two rings of the bell.
const ringPause = time.Second

func newModel(o Options) *model {
	m := &model{o: o, w: 80, h: 24, theme: plain, marks: unicodeMarks, zone: o.Zone, at: -1, last: -1, stamps: true, bell: o.Bell, quiet: o.Quiet}
	if o.Color {
		m.theme = themes["dark"]
		if t, ok := themes[o.Theme]; ok {
			m.theme = t
		}
	}
	if o.ASCII {
		m.marks = asciiMarks
	}
	if m.zone == nil {
		m.zone = time.Local
	}
	if m.bell == "" {
		m.bell = "mention"
	}
	return m
}

// do asks the shell for something.
func (m *model) do(e effect) { m.out = append(m.out, e) }

// begin is the first thing a model is told.
func (m *model) begin(now time.Time) []effect {
	m.now, m.lobby.since = now, now
	if m.o.Start != nil {
		m.sit(doSit{start: true}, m.o.Start.Title)
	}
	return m.effects()
}

func (m *model) effects() []effect {
	out := m.out
	m.out = nil
	return out
}

// current is the window that is shown, or nil in the lobby.
func (m *model) current() *window {
	if m.at < 0 || m.at >= len(m.windows) {
		return nil
	}
	return m.windows[m.at]
}

// find returns a window by its number.
func (m *model) find(id int) *window {
	for _, w := range m.windows {
		if w.id == id {
			return w
		}
	}
	return nil
}

// told takes a message of the shell.
func (m *model) told(msg any) {
	switch msg := msg.(type) {
	case heardMsg:
		m.lobby.hear(msg.Listing, m.now)
	case satMsg:
		m.sat(msg)
	case unsatMsg:
		m.unsat(msg)
	case eventsMsg:
		if w := m.find(msg.win); w != nil {
			for _, e := range msg.events {
				m.happened(w, e)
			}
		}
	case countMsg:
		if w := m.find(msg.win); w != nil {
			w.count(msg)
		}
	case endedMsg:
		m.ended(msg)
	case actionMsg:
		m.acted(msg)
	case pageMsg:
		if w := m.find(msg.win); w != nil {
			w.paged(m, msg)
		}
	case askMsg:
		m.ask(msg)
	case noteMsg:
		m.note(msg.words)
	}
}

// sit begins to sit down somewhere.
func (m *model) sit(d doSit, title string) {
	if m.sitting != "" {
		return
	}
	if d.nick == "" {
		d.nick = m.o.Nick
		if w := m.current(); w != nil {
			d.nick = w.nick
		}
	}
	m.sitting, m.waiting, m.failure = title, "", nil
	m.do(d)
}

func (m *model) sat(msg satMsg) {
	w := newWindow(msg.win, msg.ready)
	w.edit.past = slices.Clone(m.past)
	w.edit.at = len(m.past)
	m.windows = append(m.windows, w)
	m.sitting, m.waiting, m.prompt, m.failure = "", "", nil, nil
	for _, line := range talk.Greeting(msg.ready) {
		w.add(m, note(line, m.now))
	}
	for _, line := range m.notes {
		w.add(m, note(line, m.now))
	}
	m.notes = nil
	if msg.ready.Role == "host" && m.o.Start == nil {
		w.add(m, note("others see it when they start parley; /link shows how to come from elsewhere", m.now))
	}
	if len(m.windows) == 1 {
		w.add(m, note("type and press Enter; /help lists commands, F1 keys, /quit leaves", m.now))
	}
	m.show(len(m.windows) - 1)
}

func (m *model) unsat(msg unsatMsg) {
	m.sitting, m.waiting, m.prompt = "", "", nil
	if msg.code == "which_room" && len(msg.rooms) > 0 {
		m.prompt = &prompt{kind: "room", lines: append([]string{"There are several rooms:"}, msg.rooms...), label: "Which", was: msg.was}
		m.prompt.edit.set(msg.rooms[0])
		return
	}
	if w := m.current(); w != nil {
		for _, line := range msg.lines {
			w.add(m, trouble(line, m.now))
		}
		return
	}
	m.failure = msg.lines
}

// ended is the end of a seat.
func (m *model) ended(msg endedMsg) {
	w := m.find(msg.win)
	if w == nil {
		return
	}
	w.over = true
	if len(msg.lines) == 0 { // as we wished
		m.close(w)
		return
	}
	for _, line := range msg.lines {
		w.add(m, trouble(line, m.now))
	}
	w.add(m, note("this is over: Ctrl-D closes the window, Alt-0 shows the rooms", m.now))
}

// close takes a window away.
func (m *model) close(w *window) {
	i := slices.Index(m.windows, w)
	m.past = w.edit.past
	m.windows = slices.Delete(m.windows, i, i+1)
	m.at = min(m.at, len(m.windows)-1)
	m.show(m.at)
}

// show shows a window, or the lobby.
func (m *model) show(i int) {
	if i < -1 || i >= len(m.windows) {
		return
	}
	if i != m.at {
		if w := m.current(); w != nil {
			w.mark = 0
		}
		m.last = m.at
	}
	m.at, m.panel, m.seek, m.warned = i, nil, nil, ""
	if w := m.current(); w != nil {
		w.news, w.called = 0, false
	}
}

// note shows a line of the program itself.
func (m *model) note(words string) {
	if w := m.current(); w != nil {
		w.add(m, note(words, m.now))
		return
	}
	if m.notes = append(m.notes, words); len(m.notes) > 50 {
		m.notes = m.notes[1:]
	}
}

// happened takes an event of a room.
func (m *model) happened(w *window, e room.Event) {
	if e.Type == room.Renamed && e.Own {
		w.nick = e.Nick
	}
	switch e.Type {
	case room.Ready, room.Pending:
		return
	case room.Accepted:
		w.sent(e.ID)
		return
	case room.Members:
		w.people = e.Members
	case room.Found:
		m.found(w, e)
		return
	case room.Delivered:
		if w.delivered(e) {
			return
		}
	case room.Failed:
		w.sent(e.ID)
	case room.Link:
		w.lost = e.State == "lost"
		if e.Transport != "" {
			w.carrier = e.Transport
		}
	case room.Topic:
		w.topic = e.Text
	}
	if (e.Type == room.Joined || e.Type == room.Left) && (m.quiet || e.Own || e.Replay) {
		return
	}
	it := &item{e: e, mention: said(e) && !e.Own && talk.Mentions(e.Text, w.nick)}
	if e.At.IsZero() {
		it.e.At = m.now
	}
	if !w.add(m, it) {
		return
	}
	m.unseen(w, it)
}

// said tells whether e is what somebody said.
func said(e room.Event) bool {
	return e.Type == room.Message || e.Type == room.Act || e.Type == room.Whisper
}

// unseen counts what came where nobody looks, and rings.
func (m *model) unseen(w *window, it *item) {
	if it.e.Replay || it.e.Own || !said(it.e) {
		return
	}
	to := it.mention || it.e.Type == room.Whisper
	if w != m.current() || m.blur || w.scroll > 0 {
		if w.mark == 0 {
			w.mark = it.e.Seq
			if w.scroll > 0 { // the line that says so is a row, too
				w.scroll++
			}
		}
		if w != m.current() || w.scroll > 0 {
			w.news++
			w.called = w.called || to
		}
	}
	rings := m.bell == "all" || m.bell != "off" && it.e.Type == room.Whisper || m.bell == "mention" && it.mention
	if rings && m.now.Sub(m.rung) >= ringPause {
		m.rung = m.now
		words := ""
		switch {
		case !m.o.Notify:
		case it.e.Type == room.Whisper:
			words = "parley: somebody whispered to you"
		case it.mention:
			words = "parley: somebody named you"
		}
		m.do(doRing{words})
	}
}

// acted is what became of a line that was typed.
func (m *model) acted(msg actionMsg) {
	w := m.find(msg.win)
	if w == nil {
		return
	}
	if msg.err != "" {
		w.add(m, trouble(msg.err, m.now))
		if w.edit.line == "" { // it is not lost
			w.edit.set(msg.line)
		}
		return
	}
	arg := strings.TrimSpace(msg.action.Arg)
	state := func(on *bool, name string) {
		*on = !*on
		words := name + " are hidden now"
		if *on {
			words = name + " are shown now"
		}
		m.note(words)
	}
	switch msg.action.Do {
	case "":
	case "quit":
		m.quit(msg.action.Arg)
	case "list":
		m.show(-1)
	case "join":
		words := strings.Fields(arg)
		if len(words) == 0 || len(words) > 2 {
			w.add(m, trouble("which room? /join ROOM or /join HOST[:PORT][/ROOM], then a name if you want another", m.now))
			return
		}
		d := doSit{target: strings.TrimPrefix(words[0], "#")}
		if len(words) == 2 {
			d.nick = words[1]
		}
		m.sit(d, "joining "+text.Clean(d.target))
	case "part":
		m.do(doLeave{w.id, msg.action.Arg})
	case "clear":
		w.items, w.scroll, w.mark = nil, 0, 0
	case "quiet":
		shown := !m.quiet
		state(&shown, "joins and leaves")
		m.quiet = !shown
	case "timestamp":
		state(&m.stamps, "times")
		w.stale()
	case "bell":
		m.setBell(arg)
	case "delivered":
		m.note("who has received what you say stands behind it: " + m.marks.stored + " stored, " + m.marks.all + " with everybody who was here")
	case "link":
		m.panel = linkPanel(w)
	default:
		w.add(m, trouble("the full screen cannot do /"+text.Clean(msg.action.Do)+"; parley history does, outside", m.now))
	}
}

func (m *model) setBell(to string) {
	switch to {
	case "off", "dm", "mention", "all":
		m.bell = to
	case "":
	default:
		m.note("/bell off, dm, mention or all")
		return
	}
	m.note("the bell rings for: " + m.bell)
}

// quit ends the program, having asked where others would lose their room.
func (m *model) quit(reason string) {
	if m.warned != "quit" {
		for _, w := range m.windows {
			if w.host && w.others && !w.over {
				m.warned = "quit"
				m.note("others are still here, and the room closes with you: /handover NICK first gives it to one of them, or the same again to close it")
				return
			}
		}
	}
	m.do(doQuit{reason})
}

// ask asks what a sitting down needs to know.
func (m *model) ask(msg askMsg) {
	p := &prompt{kind: msg.kind, id: msg.id, lines: msg.lines, label: "Your name"}
	if msg.kind == "password" {
		p.label, p.veil = "Password", true
	}
	if msg.kind == "waiting" {
		m.waiting = msg.lines[0]
		return
	}
	p.edit.set(msg.preset)
	m.prompt = p
}

// found shows what was looked up.
func (m *model) found(w *window, e room.Event) {
	title := "said last"
	if e.Code == "search" {
		title = fmt.Sprintf("said with %q", text.Clean(e.Text))
	}
	if e.State == "copy" {
		title += " (from your own copy: the host is not connected)"
	}
	p := &panel{title: title, follow: true}
	if len(e.Events) == 0 {
		p.lines = []string{"nothing was " + title}
	}
	words := &talk.Words{Self: w.nick, Zone: m.zone}
	day := ""
	for _, one := range e.Events {
		if at := one.At.In(m.zone).Format(longDay); at != day {
			day = at
			p.lines = append(p.lines, at)
		}
		one.Replay = true
		if head, body, _ := words.Event(one); head != "" {
			p.lines = append(p.lines, "  "+one.At.In(m.zone).Format("15:04 ")+head+strings.Join(body, " "))
		}
	}
	if e.Why == "more" {
		p.lines = append(p.lines, "there is more: /search alone shows what is older")
	}
	m.panel = p
}
