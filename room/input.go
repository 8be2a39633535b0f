package room

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"parley/text"
)

// maxUnread bounds the answers that wait because nobody calls Next.
const maxUnread = 4 * maxEvents

// Input does what a typed line says: it says it, or, if it begins with a
// slash, does what the command says. Answers come by Next. What only a front
// end can do is returned. An error means that nothing was done: the line is
// to be kept, and the error shown.
//
//	text             said to everybody, or to whom /query named
//	@nick text       whispered, if nick is somebody here
//	//text           said with one slash
//	/command …       see Commands; \quit, \clients and \clear work too
func (m *Member) Input(ctx context.Context, line string) (Action, error) {
	line = text.Mark(strings.TrimRight(line, "\r\n"))
	word, rest := cut(line)
	switch {
	case strings.TrimSpace(line) == "":
		return Action{}, nil
	case strings.HasPrefix(line, "//"):
		return Action{}, m.plainly(ctx, line[1:])
	case strings.HasPrefix(line, "/"):
		return m.command(ctx, word[1:], rest)
	case slices.Contains([]string{`\quit`, `\clients`, `\clear`}, strings.ToLower(word)):
		return m.command(ctx, word[1:], rest)
	case strings.HasPrefix(line, "@") && rest != "":
		if nick, here := m.present(strings.TrimRight(word[1:], ",:")); here {
			return Action{}, m.whisperTo(ctx, nick, rest)
		}
	}
	return Action{}, m.plainly(ctx, line)
}

// cut cuts the first word off.
func cut(line string) (word, rest string) {
	if i := strings.IndexAny(line, " \t\n"); i >= 0 {
		return line[:i], strings.TrimLeft(line[i:], " \t")
	}
	return line, ""
}

// plainly says a line, to the room or in the query that is open.
func (m *Member) plainly(ctx context.Context, line string) error {
	m.mu.Lock()
	to := m.query
	m.mu.Unlock()
	if to != "" {
		return m.whisperTo(ctx, to, line)
	}
	_, err := m.Say(ctx, line)
	return err
}

func (m *Member) whisperTo(ctx context.Context, nick, words string) error {
	_, err := m.say(ctx, command{Type: string(Whisper), To: nick, Text: words})
	return err
}

// present finds somebody here.
func (m *Member) present(nick string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := text.Key(nick)
	for _, p := range m.people {
		if text.Key(p.Nick) == key {
			return p.Nick, true
		}
	}
	return "", false
}

// usage is the error of a command that lacks something.
func usage(c Command) error {
	return &Refused{Code: codeUsage, Text: strings.TrimSpace("it goes: /" + c.Name + " " + c.Args)}
}

// command does what a slash command says.
func (m *Member) command(ctx context.Context, name, arg string) (Action, error) {
	c, ok := Find(name)
	if !ok {
		r := &Refused{Code: codeUnknown, Text: fmt.Sprintf("there is no command /%.32s", text.Clean(name)), Suggest: Suggest(name)}
		if r.Suggest == "" {
			r.Text += fmt.Sprintf(": /help lists the commands, //%.32s says it", text.Clean(name))
		}
		return Action{}, r
	}
	if c.Front != "" {
		return Action{Do: c.Front, Arg: arg}, nil
	}
	if on := strings.ToLower(strings.TrimSpace(arg)); c.Name == "delivered" && (on == stateOn || on == stateOff) {
		return Action{Do: c.Name, Arg: on}, nil // how the front end shows it
	}
	if c.needs && strings.TrimSpace(arg) == "" {
		return Action{}, usage(c)
	}
	if m.o.Guest && c.seated {
		return Action{}, &Refused{Code: codeUsage, Text: "guests cannot do that: /help lists what you can do"}
	}
	if m.unread() {
		return Action{}, errors.New("too many answers wait to be read")
	}
	return Action{}, m.perform(ctx, c, arg)
}

func (m *Member) unread() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events) >= maxUnread
}

// perform does what is the member's to do.
func (m *Member) perform(ctx context.Context, c Command, arg string) (err error) {
	nick := strings.TrimPrefix(strings.TrimSpace(arg), "@")
	switch c.Name {
	case "help":
		return m.help(strings.TrimPrefix(nick, "/"))
	case "me":
		_, err = m.say(ctx, command{Type: string(Act), Text: arg})
	case "msg":
		to, words := cut(nick)
		if words == "" {
			return usage(c)
		}
		err = m.whisperTo(ctx, to, words)
	case "reply":
		m.mu.Lock()
		to := m.whisper
		m.mu.Unlock()
		if to == "" {
			return &Refused{Code: codeUsage, Text: "nobody has whispered to you yet"}
		}
		err = m.whisperTo(ctx, to, arg)
	case "nick":
		_, err = m.send(ctx, &saying{cmd: command{Type: string(Renamed), Nick: nick}})
	case "names":
		_, err = m.send(ctx, &saying{cmd: command{Type: typeNames}})
	case "whois":
		_, err = m.send(ctx, &saying{cmd: command{Type: typeNames}, whois: nick})
	case "away":
		_, err = m.send(ctx, &saying{cmd: command{Type: typeAway, Text: orWord(strings.TrimSpace(arg), "away")}})
	case "back":
		_, err = m.send(ctx, &saying{cmd: command{Type: typeAway}})
	case "send", "take", "refuse", "files", "cancel":
		err = m.fileCommand(c, strings.TrimSpace(arg))
	case "accept", "decline":
		if m.filesAlone() {
			return m.fileCommand(c, "")
		}
		err = m.handover(ctx, c, nick)
	case "handover":
		err = m.handover(ctx, c, nick)
	case "resend":
		err = m.resend(ctx, nick)
	case "search":
		err = m.search(ctx, strings.TrimSpace(arg))
	case "lastlog":
		err = m.lastLog(ctx, nick)
	case "delivered":
		err = m.delivered(ctx, nick)
	case "password":
		err = m.changePassword(ctx, strings.TrimSpace(arg))
	case "topic":
		if strings.TrimSpace(arg) != "" {
			_, err = m.send(ctx, &saying{cmd: command{Type: string(Topic), Text: strings.TrimSpace(arg)}})
			return err
		}
		m.answer(c, "")
	default:
		if cmd, ok, err := act(c, strings.TrimSpace(arg)); err != nil || ok {
			if err == nil && cmd.Type == string(Approve) && cmd.Nick != "" {
				err = m.approving(&cmd)
			}
			if err == nil {
				_, err = m.send(ctx, &saying{cmd: cmd})
			}
			return err
		}
		m.answer(c, nick)
	}
	return err
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// help lists the commands, or explains one.
func (m *Member) help(name string) error {
	c, ok := Find(name)
	var said string
	switch {
	case name != "" && !ok:
		r := &Refused{Code: codeUnknown, Text: fmt.Sprintf("there is no command /%.32s", text.Clean(name)), Suggest: Suggest(name)}
		if r.Suggest == "" {
			r.Text += ": /help lists them"
		}
		return r
	case ok:
		said = "/" + strings.TrimSpace(c.Name+" "+c.Args) + "  " + c.Help
		if len(c.Aliases) > 0 {
			said += "\nalso: /" + strings.Join(c.Aliases, ", /")
		}
	default:
		said = helpText(m.o.Guest, m.keeps())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.push(Event{Type: Notice, Code: "help", Text: said})
	return nil
}

// helpText lists the commands: what each is for, but of the rarer ones just
// the names. It fits on a terminal of 24 lines.
func helpText(guest, keeper bool) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "what you type is said to all, but for this:\n")
	var rare, keepers []string
	for _, c := range Commands {
		switch {
		case guest && c.seated:
		case c.keeper:
			keepers = append(keepers, "/"+c.Name)
		case c.rare:
			rare = append(rare, "/"+c.Name)
		default:
			fmt.Fprintf(b, "/%-16s %s\n", strings.TrimSpace(c.Name+" "+c.Args), c.Help)
		}
	}
	fmt.Fprintf(b, "%-17s %s\n%-17s %s\n", "@NICK TEXT", "whisper to NICK, if NICK is here", "//TEXT", "say something that begins with a slash")
	if keeper {
		fmt.Fprintf(b, "moderate: %s\n", strings.Join(keepers, " "))
	}
	fmt.Fprintf(b, "more: %s; /help COMMAND explains", strings.Join(rare, " "))
	return b.String()
}

// answer does what needs no host.
func (m *Member) answer(c Command, nick string) {
	counters := m.Stats()
	m.mu.Lock()
	defer m.mu.Unlock()
	e := Event{Type: Notice}
	switch c.Name {
	case "topic":
		if e.Text = "topic: " + m.topic; m.topic == "" {
			e.Text = "there is no topic"
		}
	case "motd":
		e.Text = m.facts()
	case "key":
		e.Text = m.keys()
	case "stats":
		e = Event{Type: Stats, Stats: &counters}
		if m.conn != nil {
			e.Transport = m.conn.Peer().Via
		}
	case "query":
		if m.query = nick; nick == "" {
			e.Text = "what you type goes to everybody"
		} else {
			e.Text = "what you type goes to " + nick + " alone; /query ends that"
		}
	case "ignore", "unignore":
		e = m.ignore(nick, c.Name == "ignore")
	}
	m.push(e)
}

// facts tells what everybody should know about the room.
func (m *Member) facts() string {
	facts := []string{fmt.Sprintf("this is %s, with %d people", m.room, len(m.people))}
	if m.motd != "" {
		facts = append([]string{m.motd}, facts...)
	}
	if m.topic != "" {
		facts = append(facts, "topic: "+m.topic)
	}
	if m.plain {
		facts = append(facts, "nothing here is encrypted: anyone on the network can read and forge")
	}
	if m.ready.Guests {
		facts = append(facts, "guests read what is said here in clear")
	}
	facts = append(facts, m.ready.Keeping())
	if m.ready.Delivery != "" && m.ready.Delivery != "ordered" {
		facts = append(facts, "messages travel "+m.ready.Delivery)
	}
	return strings.Join(facts, "\n")
}
