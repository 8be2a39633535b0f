package tui

import (
	"fmt"
	"strconv"
	"strings"

	"parley/room"
	"parley/text"
)

// A prompt is a question, which has the keys until it is answered. What was being
// typed stays as it is.
type prompt struct {
	kind  string // nick, password, number, trust, room, address, host, secret, again, name, paste, search
	id    int    // of nick and password: who waits for the answer
	lines []string
	label string
	veil  bool
	edit  edit
	text  string // of paste
	was   doSit  // of room, host, secret and again
	most  int    // of number: so many there are
	word  string // of trust: what has to be typed
}

// waits tells whether somebody who sits down waits for the answer.
func (p *prompt) waits() bool {
	return p.kind == "nick" || p.kind == "password" || p.kind == "number" || p.kind == "trust"
}

// answer ends the prompt with what was typed.
func (m *model) answer() {
	p := m.prompt
	typed := strings.TrimSpace(p.edit.line)
	switch p.kind {
	case "nick", "password", "number", "trust":
		m.answerWaiting(p, typed)
	case "room":
		m.prompt = nil
		if d := p.was; typed != "" {
			host, _, _ := strings.Cut(d.target, "/")
			d.target, d.start = host+"/"+typed, false
			m.sit(d, "joining "+text.Clean(typed))
		}
	case "address":
		if m.prompt = nil; typed != "" {
			m.show(-1)
			m.sit(doSit{target: typed}, "joining "+text.Clean(m.cut(text.Clean(typed), 60)))
		}
	case "host", "secret", "again":
		m.answerHost(p, typed)
	case "name":
		nick, err := text.Nick(typed)
		if err != nil {
			p.lines = []string{err.Error()}
			return
		}
		m.prompt, m.o.Nick = nil, nick
	case "search":
		m.prompt = nil
		if w := m.current(); w != nil && typed != "" {
			m.do(doInput{w.id, "/search " + typed})
		}
	}
}

// answerWaiting answers somebody who sits down.
func (m *model) answerWaiting(p *prompt, typed string) {
	switch p.kind {
	case "password":
		typed = p.edit.line
	case "number":
		if n, err := strconv.Atoi(typed); typed != "" && (err != nil || n < 1 || n > p.most) {
			p.edit.set("")
			p.label = fmt.Sprintf("Number, 1 to %d", p.most)
			return
		}
	case "trust":
		if typed != "" && !strings.EqualFold(typed, p.word) {
			p.edit.set("")
			return
		}
	}
	if typed == "" {
		return
	}
	m.prompt = nil
	m.do(doAnswer{p.id, typed, true})
}

// answerHost goes on from the name of a room to its password, which is asked twice.
func (m *model) answerHost(p *prompt, typed string) {
	open := func(d doSit) {
		m.prompt = nil
		m.sit(d, "opening "+text.Clean(d.host))
	}
	switch p.kind {
	case "host":
		name, err := text.RoomName(typed)
		if err != nil {
			p.lines = []string{err.Error()}
			return
		}
		if m.o.Plaintext {
			open(doSit{host: name})
			return
		}
		line := "A password, which others then need to come in; or just Enter: everybody on this network may."
		if m.o.Secret != "" {
			line = "A password, which others then need to come in; or just Enter: the one that you started parley with."
		}
		m.prompt = &prompt{kind: "secret", veil: true, label: "Password", was: doSit{host: name}, lines: []string{line}}
	case "secret":
		d := p.was
		if d.secret = p.edit.line; d.secret == "" {
			d.secret = m.o.Secret
			open(d)
			return
		}
		if err := room.CheckPassword(d.secret); err != nil {
			p.lines = []string{err.Error()}
			p.edit.set("")
			return
		}
		m.prompt = &prompt{kind: "again", veil: true, label: "The same again", was: d}
	case "again":
		if p.edit.line != p.was.secret {
			m.prompt = &prompt{kind: "secret", veil: true, label: "Password", was: doSit{host: p.was.host}, lines: []string{"Those were two different ones. Once more:"}}
			return
		}
		open(p.was)
	}
}

// refuse ends the prompt without an answer.
func (m *model) refuse() {
	p := m.prompt
	if m.prompt = nil; p.waits() {
		m.do(doAnswer{id: p.id})
	}
}

// paste takes what was pasted. Several lines are asked about first.
func (m *model) paste(s string) {
	s = text.Mark(s)
	if m.prompt != nil {
		m.prompt.edit.insert(strings.ReplaceAll(strings.TrimSpace(s), "\n", " "))
		return
	}
	w := m.current()
	if w == nil {
		return
	}
	body := strings.TrimRight(s, "\n")
	lines := strings.Count(body, "\n") + 1
	if lines == 1 {
		w.edit.insert(body)
		w.edit.tries = nil
		return
	}
	if len(body) > maxTyped {
		m.note("what was pasted is too long: 256 KiB at most")
		return
	}
	m.prompt = &prompt{kind: "paste", text: body, lines: []string{
		fmt.Sprintf("Paste %d lines (%d bytes)? The first: %s", lines, len(body), m.cut(text.Clean(strings.SplitN(body, "\n", 2)[0]), 40)),
		"Enter says them as one message (several if they are too long), e puts them into the line to edit, Esc drops them"}}
}

// pasteKey answers the question about what was pasted.
func (m *model) pasteKey(name string) {
	p, w := m.prompt, m.current()
	switch name {
	case "enter", "ctrl+k", "y":
		m.prompt = nil
		if w != nil {
			w.edit.insert(p.text)
			m.say(w)
		}
	case "e", "ctrl+e":
		m.prompt = nil
		if w != nil {
			w.edit.insert(p.text)
		}
	case "esc", "ctrl+c", "n", "q":
		m.prompt = nil
	}
}

// promptRows show a prompt below everything else.
func (m *model) promptRows(width, most int) (rows []string, x, y int) {
	p := m.prompt
	for _, line := range p.lines {
		rows = append(rows, fill("", "", "", []string{text.Clean(line)}, m.theme.notice, width)...)
	}
	if keep := max(0, most-1); len(rows) > keep {
		rows = rows[:keep]
	}
	if p.kind == "paste" {
		return rows, -1, -1
	}
	line, x, y := p.edit.rows(p.label+": ", width, 1, p.veil)
	return append(rows, line...), x, y + len(rows)
}
