package tui

import (
	"fmt"
	"strings"

	"parley/text"
)

// A prompt is a question, which has the keys until it is answered. What was being
// typed stays as it is.
type prompt struct {
	kind  string // nick, password, room, address, host, paste, search
	id    int    // of nick and password: who waits for the answer
	lines []string
	label string
	veil  bool
	edit  edit
	text  string // of paste
	was   doSit  // of room
}

// answer ends the prompt with what was typed.
func (m *model) answer() {
	p := m.prompt
	typed := strings.TrimSpace(p.edit.line)
	switch p.kind {
	case "nick", "password":
		if p.kind == "password" {
			typed = p.edit.line
		}
		if typed == "" {
			return
		}
		m.prompt = nil
		m.do(doAnswer{p.id, typed, true})
	case "room":
		m.prompt = nil
		if d := p.was; typed != "" {
			host, _, _ := strings.Cut(d.target, "/")
			d.target = host + "/" + typed
			m.sit(d, "joining "+text.Clean(typed))
		}
	case "address":
		if m.prompt = nil; typed != "" {
			m.show(-1)
			m.sit(doSit{target: typed}, "joining "+text.Clean(text.Truncate(text.Clean(typed), 60)))
		}
	case "host":
		name, err := text.RoomName(typed)
		if err != nil {
			p.lines = []string{err.Error()}
			return
		}
		m.prompt = nil
		m.sit(doSit{host: name}, "opening "+text.Clean(name))
	case "search":
		m.prompt = nil
		if w := m.current(); w != nil && typed != "" {
			m.do(doInput{w.id, "/search " + typed})
		}
	}
}

// refuse ends the prompt without an answer.
func (m *model) refuse() {
	p := m.prompt
	if m.prompt = nil; p.kind == "nick" || p.kind == "password" {
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
		fmt.Sprintf("Paste %d lines (%d bytes)? The first: %s", lines, len(body), text.Truncate(text.Clean(strings.SplitN(body, "\n", 2)[0]), 40)),
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
