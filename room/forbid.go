package room

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"parley/text"
	"parley/transport"
)

// speechless returns the mute that keeps a seat from speaking.
func (c *core) speechless(now time.Time, s *seat) *sentence {
	from := netip.Addr{}
	if c.fleeting(s.role) {
		from = s.from.WithZone("")
	}
	switch rank := c.rank(s.role, s.key); {
	case rank == rankHost:
		return nil
	case rank < rankOp && !c.state.rules.silence.over(now):
		return c.state.rules.silence
	}
	return c.state.rules.muted(s.key, from, now)
}

// silenced tells why a seat may not speak now, if it may not.
func (c *core) silenced(now time.Time, s *seat) *Refused {
	switch m := c.speechless(now, s); {
	case m == nil:
		return nil
	case m.nick == "":
		return &Refused{Code: codeMuted, Text: "only the host and ops speak now: the room was muted" + m.words(now)}
	default:
		return &Refused{Code: codeMuted, Text: "you were muted" + m.words(now)}
	}
}

// forbidden tells why something may not be said now. The host and ops can
// always be asked.
func (c *core) forbidden(now time.Time, it *item) *Refused {
	s, kind, r := it.seat, Kind(it.cmd.Type), &c.state.rules
	if kind == Whisper && c.toKeeper(it.cmd.To) {
		return nil
	}
	if no := c.silenced(now, s); no != nil || c.keeper(s) {
		return no
	}
	if f := r.stop(kind, it.cmd.Text); f != nil {
		return &Refused{Code: codeFiltered, Text: "a filter of this room is against it: " + f.kind()}
	}
	if wait := r.wait(s.key, now); wait > 0 && kind != Whisper {
		return &Refused{Code: codeSlowMode, Text: fmt.Sprintf("slow mode: %s until your next message", lasting(wait))}
	}
	return nil
}

// toKeeper tells whether a whisper is to the host or an op.
func (c *core) toKeeper(nick string) bool {
	for _, p := range c.state.names[text.Key(nick)] {
		return c.rank(p.role, p.key) >= rankOp
	}
	return false
}

// keptFrom tells whether a filter is against words that are no message, such as
// names, from somebody.
func (c *core) keptFrom(role string, key transport.Key, words string) bool {
	return words != "" && c.rank(role, key) < rankOp && c.state.rules.stop("", words) != nil
}

const filteredName = "a filter of this room is against this name: choose another"

// tellLimits tells somebody who sat down what holds for him.
func (c *core) tellLimits(now time.Time, s *seat) {
	r := &c.state.rules
	c.tellKnocks(s)
	if !s.deaf {
		c.tellTrouble(s)
	}
	if s.deaf || c.rank(s.role, s.key) == rankHost {
		return
	}
	tell := func(code, words string) {
		s.link.out.control(encode(report{Type: string(Notice), Code: code, Text: words}), false)
	}
	if m := c.speechless(now, s); m != nil && m.nick == "" {
		tell(codeMuted, "only the host and ops speak now: the room was muted"+m.words(now))
	} else if m != nil {
		tell(codeMuted, "you were muted"+m.words(now)+"; the host and ops hear what you whisper to them")
	}
	if r.slow > 0 && !c.keeper(s) {
		tell(codeSlowMode, fmt.Sprintf("slow mode: one message every %s", lasting(r.slow)))
	}
}

// maxListed bounds the lines of an answer, so that it is one message.
const maxListed = 40

// tellRules answers what the host and ops may ask.
func (c *core) tellRules(now time.Time, it *item) {
	if _, ok := parseID(it.cmd.ID); !ok || !c.keeper(it.seat) {
		c.fail(it, codeNotAllowed, "only the host and ops may ask that")
		return
	}
	var lines []string
	none := "nobody is banned"
	switch it.cmd.Type {
	case typeBans:
		lines = c.listBans(now, c.rank(it.seat.role, it.seat.key) == rankHost)
	case typeFilters:
		none = "there are no filters: /filter WORD makes one"
		for _, f := range c.state.rules.filters {
			lines = append(lines, f.pattern)
		}
	case typeKnocks:
		none, lines = c.listKnocks()
	}
	if n := len(lines); n > maxListed {
		lines = append(lines[n-maxListed:], fmt.Sprintf("and %d before", n-maxListed))
	}
	it.link.out.control(encode(report{Type: string(Notice), Code: it.cmd.Type, Text: cmp.Or(strings.Join(lines, "\n"), none)}), false)
	c.accept(it, 0)
}

// listBans lists who is banned and muted. Addresses are for the host alone.
func (c *core) listBans(now time.Time, all bool) (lines []string) {
	for _, list := range []struct {
		word string
		*table[transport.Key, *sentence]
	}{{" is muted", &c.state.rules.mutes}, {" is banned", &c.state.rules.bans}} {
		for _, key := range list.order {
			b := list.all[key]
			if b.over(now) {
				continue
			}
			words := b.nick + list.word + b.words(now)
			for _, a := range b.from {
				if all {
					words += " (" + a.String() + ")"
				}
			}
			lines = append(lines, words)
		}
	}
	return lines
}
