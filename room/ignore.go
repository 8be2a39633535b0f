package room

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"parley/text"
	"parley/transport"
)

// maxIgnored bounds whom one person ignores: a quarter of a full room. Whoever
// needs more needs a moderator.
const maxIgnored = 250

// Ignored is whom a person does not want to hear. The zero Ignored is nobody.
// Members that share one, by their JoinOptions, ignore the same people: so it
// lasts from room to room, as long as the program runs.
//
// Where keys are proved, it is a key that is ignored, whatever its holder is
// called. Somebody who is not here, or proves nothing, is ignored by name. Who
// says something without sitting down, as parley send does, shows no key: there
// the names count that an ignored key was seen under.
type Ignored struct {
	mu  sync.Mutex
	all []shunned
}

// shunned is somebody who is ignored.
type shunned struct {
	key  transport.Key // zero: it is the name
	nick string        // as it was when it was said
	now  string        // what the key's holder is called by now
}

// is tells whether s is called nick, or was.
func (s *shunned) is(name string) bool { return text.Key(s.nick) == name || text.Key(s.now) == name }

func (s *shunned) String() string {
	switch {
	case s.key == (transport.Key{}):
		return s.nick + " (by name)"
	case s.now != s.nick:
		return s.nick + " (now " + s.now + ")"
	}
	return s.nick
}

// add ignores somebody; false if there are too many.
func (g *Ignored) add(key transport.Key, nick string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.all {
		if s := &g.all[i]; s.key == key && (key != (transport.Key{}) || s.is(text.Key(nick))) {
			s.nick, s.now = nick, nick
			return true
		}
	}
	if len(g.all) == maxIgnored {
		return false
	}
	g.all = append(g.all, shunned{key, nick, nick})
	return true
}

// remove hears those again who are called nick, or have the key of who is.
func (g *Ignored) remove(key transport.Key, nick string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, name := len(g.all), text.Key(nick)
	g.all = slices.DeleteFunc(g.all, func(s shunned) bool {
		return s.is(name) || key != (transport.Key{}) && s.key == key
	})
	return len(g.all) < before
}

// none tells that nobody is ignored.
func (g *Ignored) none() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.all) == 0
}

// has tells whether somebody is ignored, whose key is zero if it is not known.
// Where it is, only those names count that are ignored as names.
func (g *Ignored) has(key transport.Key, nick string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := text.Key(nick)
	return slices.ContainsFunc(g.all, func(s shunned) bool {
		if known := s.key != (transport.Key{}) && key != (transport.Key{}); known {
			return s.key == key
		}
		return s.is(name)
	})
}

// renamed notes what the holder of a key is called now.
func (g *Ignored) renamed(key transport.Key, nick string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.all {
		if s := &g.all[i]; s.key == key && key != (transport.Key{}) {
			s.now = nick
		}
	}
}

// list returns who is ignored, by name.
func (g *Ignored) list() (names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.all {
		names = append(names, g.all[i].String())
	}
	slices.Sort(names)
	return names
}

// hides tells whether an event is of somebody ignored: what they say, and that
// they come, go or change their name. What they do to the room or to others
// is shown. It is asked before the event changes who is here.
func (m *Member) hides(r *report) bool {
	if m.ignored.none() {
		return false
	}
	nick, key := r.From, transport.Key{}
	switch Kind(r.Type) {
	case Message, Act, Whisper:
		if r.From == m.nick {
			return false
		}
		_, key, _ = m.holder(r.From)
	case Joined, Left:
		if nick = r.Nick; !m.plain {
			key = r.Key
		}
		if p, ok := m.people[r.Seat]; ok {
			key = p.Key
		}
	case Renamed:
		key = m.people[r.Seat].Key
		defer m.ignored.renamed(key, r.Nick)
	default:
		return false
	}
	return r.Seat != m.seat && m.ignored.has(key, nick)
}

// holder returns who is called nick here, and under which key. The caller
// holds mu.
func (m *Member) holder(nick string) (name string, key transport.Key, here bool) {
	for seat, p := range m.people {
		if seat != m.seat && p.Nick == nick {
			return p.Nick, p.Key, true
		}
	}
	folded := text.Key(nick)
	for seat, p := range m.people {
		if seat != m.seat && text.Key(p.Nick) == folded {
			return p.Nick, p.Key, true
		}
	}
	return nick, transport.Key{}, false
}

// ignore does what /ignore and /unignore ask, and says what that is.
func (m *Member) ignore(nick string, yes bool) Event {
	name, key, here := m.holder(nick)
	hears := name
	switch {
	case nick == "":
		return Event{Type: Notice, Text: m.ignoring()}
	case !yes && m.ignored.remove(key, nick):
		return Event{Type: Notice, Text: hears + " is heard again"}
	case !yes:
		return Event{Type: Failure, Code: codeNoNick, Text: fmt.Sprintf("you do not ignore %.64q", text.Clean(nick))}
	case !here && text.Key(nick) == text.Key(m.nick), here && key == m.people[m.seat].Key && key != (transport.Key{}):
		return Event{Type: Failure, Code: codeSelf, Text: "that is you"}
	case !m.ignored.add(key, name):
		return Event{Type: Failure, Code: codeFull, Text: fmt.Sprintf("you ignore %d people: /unignore some, or ask who keeps the room to put somebody out", maxIgnored)}
	}
	const until = "until you /unignore %s or end this program. Nobody is told"
	switch {
	case key != (transport.Key{}):
		return Event{Type: Notice, Text: fmt.Sprintf("%s is ignored: you see no more of what this person says, whispers or does, under any name and in any room, "+until, name, name)}
	case here:
		return Event{Type: Notice, Text: fmt.Sprintf("%s is ignored, by name, for nobody proves a key here: you see no more of what anybody called %s says, whispers or does, "+until, name, name, name)}
	}
	return Event{Type: Notice, Text: fmt.Sprintf("%s is not here, and is ignored by name: you see no more of what anybody called %s says, whispers or does, "+until, name, name, name)}
}

func (m *Member) ignoring() string {
	if names := m.ignored.list(); len(names) > 0 {
		return "you ignore " + strings.Join(names, ", ")
	}
	return "you ignore nobody"
}
