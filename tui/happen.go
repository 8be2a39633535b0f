package tui

import (
	"fmt"
	"strings"

	"parley/room"
	"parley/talk"
	"parley/text"
)

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
	case room.Handover:
		w.handover(e)
	case room.Transfer:
		if w.transfer(e); e.State == room.FileProgress {
			return
		}
	}
	if e.Moved() {
		return
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

// handover keeps what is offered to us in sight until it is answered. What a host
// is told about its own offer is a line like others.
func (w *window) handover(e room.Event) {
	switch {
	case e.State == "offered" && !w.host:
		w.offer = text.Clean(e.Nick) + " offers you the room: /accept hosts it on this computer, /decline does not"
	case e.State == "accepted" && !w.host:
		w.offer = "taking the room over " + "(stay here until it is done)"
	case e.State == "copying" && !w.host:
		w.offer = text.Clean(strings.Join(text.Lines(e.Text), " "))
	default:
		w.offer = ""
	}
}

// said tells whether e is what somebody said.
func said(e room.Event) bool {
	return e.Type == room.Message || e.Type == room.Act || e.Type == room.Whisper
}

// unseen counts what came where nobody looks, and rings.
func (m *model) unseen(w *window, it *item) {
	offer := it.e.Type == room.Transfer && it.e.State == room.FileOffered
	if it.e.Replay || it.e.Own || !said(it.e) && !offer {
		return
	}
	private := it.e.Type == room.Whisper || offer
	to := it.mention || private
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
	rings := m.bell == "all" || m.bell != "off" && private || m.bell == "mention" && it.mention
	if rings && m.now.Sub(m.rung) >= ringPause {
		m.rung = m.now
		words := ""
		switch {
		case !m.o.Notify:
		case offer:
			words = "parley: somebody offers you a file"
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
		if w.edit.line == "" && !strings.HasPrefix(msg.line, "/") { // it is not lost; a command comes back with the arrow up
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
		m.panel = m.linkPanel(w)
	case "lanes":
		m.toggleLanes(w, arg)
	case "impair":
		m.impair(w, arg)
	case "export":
		if arg == "" {
			w.add(m, trouble("into which file? /export FILE.txt, .md, .jsonl or .csv", m.now))
			return
		}
		m.do(doExport{w.id, arg})
	default:
		w.add(m, trouble("the full screen cannot do /"+text.Clean(msg.action.Do)+": parley --lines does", m.now))
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
			if w.moves() && !w.over {
				m.warned = "quit"
				m.note("a file is still under way (/files): the same again leaves, and it goes on from there when it is sent again")
				return
			}
			if w.host && w.others && !w.over {
				m.warned = "quit"
				m.note("others are still here, and the room closes with you: /handover NICK first gives it to one of them, or the same again to close it")
				return
			}
		}
	}
	m.do(doQuit{reason: reason})
}

// ask asks what a sitting down needs to know.
func (m *model) ask(msg askMsg) {
	if msg.kind == "waiting" {
		m.waiting = msg.lines[0]
		return
	}
	p := &prompt{kind: msg.kind, id: msg.id, lines: msg.lines, label: "Your name", most: msg.most, word: msg.word}
	switch msg.kind {
	case "password":
		p.label, p.veil = "Password", true
	case "number":
		p.label = "Number"
	case "trust":
		p.label = fmt.Sprintf("Type %s to trust it, or Esc", msg.word)
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
		p.older = w.id
		p.lines = append([]string{"there is more: o shows what is older"}, p.lines...)
	}
	m.panel = p
}
