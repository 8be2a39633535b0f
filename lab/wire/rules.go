//go:build !nolab

package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Rule names frames that are dropped: "A>B:data#5" is the fifth frame with
// data from A to B, "*:syn#1" the first SYN of anyone, "B>A:ack" every bare
// acknowledgement from B to A. What is sent again counts again. "A>B:msg#5" is
// the first frame that carries a part of message 5.
type Rule struct {
	From, To string // names of hosts; empty: any
	Kind     string // what it is: see kinds
	Number   int    // which one, from 1; 0: every one
}

// kinds are what a rule can name.
var kinds = []string{"any", "arp", "icmp", "udp", "tcp", "data", "ack", "syn", "synack", "fin", "rst", "resent", byMessage}

// byMessage is the kind whose number is that of a message.
const byMessage = "msg"

// ParseRule reads the form that String writes.
func ParseRule(s string) (r Rule, err error) {
	bad := func(why string) (Rule, error) { return Rule{}, fmt.Errorf("drop rule %q: %s", s, why) }
	where, what, ok := strings.Cut(s, ":")
	if !ok {
		return bad("no colon; want FROM>TO:KIND#NUMBER, as in A>B:data#5")
	}
	if where != "*" {
		if r.From, r.To, ok = strings.Cut(where, ">"); !ok || r.From == "" || r.To == "" {
			return bad("want FROM>TO, or *, before the colon")
		}
		for _, name := range []*string{&r.From, &r.To} {
			if *name == "*" {
				*name = ""
			} else if strings.Contains(*name, "*") {
				return bad("* stands for any host, alone")
			}
		}
	}
	kind, number, numbered := strings.Cut(what, "#")
	if r.Kind = kind; !slices.Contains(kinds, kind) {
		return bad("unknown kind; want one of " + strings.Join(kinds, ", "))
	}
	if numbered {
		if r.Number, err = strconv.Atoi(number); err != nil || r.Number < 1 {
			return bad("the number counts from 1")
		}
	} else if kind == byMessage {
		return bad("which message? want " + byMessage + "#5")
	}
	return r, nil
}

// String writes a rule as ParseRule reads it.
func (r Rule) String() string {
	or := func(name string) string {
		if name == "" {
			return "*"
		}
		return name
	}
	s := or(r.From) + ">" + or(r.To)
	if r.From == "" && r.To == "" {
		s = "*"
	}
	s += ":" + r.Kind
	if r.Number > 0 {
		s += "#" + strconv.Itoa(r.Number)
	}
	return s
}

// ruleState is a rule and how many frames it has named.
type ruleState struct {
	Rule
	seen int
	last uint64 // the frame that was counted last: a broadcast is one frame
	hit  bool
}

// ruled returns the rule that drops a frame. Every rule counts every frame.
// l.mu is held.
func (l *LAN) ruled(f *Frame, from, to *Host) (by string) {
	for i := range l.rules {
		r := &l.rules[i]
		if r.From != "" && r.From != from.name || r.To != "" && r.To != to.name || !f.is(r.Kind) {
			continue
		}
		if r.Kind == byMessage && (r.hit && r.last != f.ID || !slices.Contains(f.Messages, r.Number)) {
			continue
		}
		if r.last != f.ID {
			r.seen, r.last = r.seen+1, f.ID
		}
		if r.Number == 0 || r.Number == r.seen || r.Kind == byMessage {
			r.hit = true
			by = r.String()
		}
	}
	return by
}

// is tells whether a frame is of a kind.
func (f *Frame) is(kind string) bool {
	has := func(flag string) bool { return strings.Contains(f.Flags, flag) }
	switch kind {
	case "any", byMessage:
		return true
	case "arp", "icmp", "udp", "tcp":
		return f.Proto == kind
	case "data":
		return len(f.Payload) > 0
	case "ack":
		return f.Flags == "A" && len(f.Payload) == 0
	case "syn":
		return has("S") && !has("A")
	case "synack":
		return has("S") && has("A")
	case "fin":
		return has("F")
	case "rst":
		return has("R")
	case "resent":
		return f.Resent
	}
	return false
}
