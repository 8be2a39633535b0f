package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"parley/discovery"
	"parley/room"
	"parley/text"
	"parley/transport"
)

// What is remembered of a room that was heard.
const (
	PinKnown   = "known"   // its key is pinned
	PinNew     = "new"     // nobody of that name is
	PinChanged = "changed" // another key of that name is, or of one that looks like it
)

// pins returns what is remembered of rooms.
func (n *Node) pins() ([]Pin, error) {
	if n.Pins == nil {
		return nil, nil
	}
	return n.Pins.List()
}

// mark tells what is remembered of a room that was heard. Of a plaintext room
// nothing can be, but that its name is another's.
func (n *Node) mark(pins []Pin, l room.Listing) string {
	switch {
	case n.Pins == nil:
		return ""
	case l.Secure && has(pins, l.Room, l.Key):
		return PinKnown
	case len(of(pins, l.Room)) > 0 || len(alike(pins, l.Room)) > 0:
		return PinChanged
	case l.Secure:
		return PinNew
	}
	return ""
}

func (n *Node) marked(s discovery.Sighting, pins []Pin) room.Listing {
	l := listing(s)
	l.Pin = n.mark(pins, l)
	return l
}

// guard decides for one join whom to believe: by the key in a link, which is
// somebody's word, and else by what is remembered.
type guard struct {
	node  *Node
	pins  []Pin
	asked string // the room that was asked for, if one was
	word  bool   // its key was in a link
}

// guard reads what is remembered. If it cannot be read, nobody is joined: a
// stranger could pass for a room that is remembered.
func (n *Node) guard(t Target) (*guard, error) {
	pins, err := n.pins()
	return &guard{node: n, pins: pins, asked: t.Room, word: t.Key != (transport.Key{})}, err
}

// knows tells whether a room that was heard is one that is remembered.
func (g *guard) knows(s discovery.Sighting) bool {
	return s.Secure && !g.node.Plaintext && has(g.pins, s.Name, s.Key)
}

// admit refuses a room that is not the one that is remembered. The room is said
// to be called name; under which name it was asked for counts more, or
// a stranger could choose one that nobody remembers.
func (g *guard) admit(name string, key transport.Key) error {
	if proper, err := text.RoomName(name); err != nil || proper != name {
		return &Error{Code: CodeKey, Text: "the host's room has a name that no room can have"}
	}
	if g.asked != "" && text.RoomKey(name) != text.RoomKey(g.asked) {
		return &Error{Code: CodeKey, Text: fmt.Sprintf("the host has sat you down in %s, and you asked for %s", name, g.asked)}
	}
	if g.word {
		return nil
	}
	if known := of(g.pins, name); len(known) > 0 {
		if !has(known, name, key) {
			return g.changed(fmt.Sprintf("%s has another key than before: somebody may be posing as it", name), name, known, key)
		}
	} else if known := alike(g.pins, name); len(known) > 0 {
		return g.changed(fmt.Sprintf("the name %s looks like that of %s, which you know, and is another: somebody may be posing as it", name, known[0].Room), name, known, key)
	}
	return nil
}

// maxShown bounds the keys that are shown when another one turns up.
const maxShown = 3

// changed is the error for a room that has another key than those it is known
// by, or a name that looks like theirs.
func (g *guard) changed(what, name string, known []Pin, key transport.Key) error {
	e := &Error{Code: CodeKey, Text: what, Room: name, Key: key,
		Hint:    "if its host reads out the same words as these now, it is the room, opened anew; accept its key with:",
		Command: g.node.Pins.command("accept", name, key.String())}
	slices.SortStableFunc(known, func(a, b Pin) int { return b.Last.Compare(a.Last) })
	for _, p := range known[:min(len(known), maxShown)] {
		e.More = append(e.More, "before: "+Fingerprint(p.Key))
	}
	e.More = append(e.More, "now:    "+Fingerprint(key))
	return e
}

// Fingerprint is how people tell a key: the beginning of it, and its words.
func Fingerprint(key transport.Key) string {
	return ShortKey(key) + "  " + text.KeyWords(key)
}

// ShortKey is enough of a key to tell two apart by eye, and not enough to
// compare them by.
func ShortKey(key transport.Key) string { return key.String()[:8] }

// mismatch is the error for a room that does not have the key it must prove.
func mismatch(want, got transport.Key) error {
	return &Error{Code: CodeKey, Text: fmt.Sprintf("the room is not the one it should be: its key is %s, not %s", got, want),
		Hint: "somebody else may have taken the address; ask whoever hosts the room for a new link",
		More: []string{"wanted: " + Fingerprint(want), "is:     " + Fingerprint(got)}}
}

// downgrade refuses to join in plaintext what was encrypted once.
func (g *guard) downgrade(p place) error {
	if !g.node.Plaintext {
		return nil
	}
	for _, o := range of(g.pins, p.Room) {
		return g.insecure(o.Room, "the room "+o.Room)
	}
	for _, o := range alike(g.pins, p.Room) {
		return g.insecure(o.Room, fmt.Sprintf("the room %s, which %s looks like,", o.Room, p.Room))
	}
	for _, at := range p.via {
		for _, o := range g.pins {
			if a := netip.AddrPortFrom(o.Addr.Addr().WithZone(""), o.Addr.Port()); o.Addr.IsValid() && (a == bare(at.addr, at.udp) || a == bare(at.addr, at.tcp)) {
				return g.insecure(o.Room, fmt.Sprintf("the room %s, at %s,", o.Room, o.Addr))
			}
		}
	}
	return nil
}

func bare(a netip.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap().WithZone(""), port)
}

func (g *guard) insecure(name, what string) error {
	return &Error{Code: CodePlaintext, Text: what + " was encrypted when you were there: in plaintext anybody could pass for it",
		Hint:    "leave out --plaintext; or, if its host has really opened it in plaintext, forget its key with:",
		Command: g.node.Pins.command("forget", name)}
}

// otherMode is the error for a room that is announced as plaintext, or as
// encrypted, where we want the other.
func (g *guard) otherMode(s discovery.Sighting) error {
	if !g.node.Plaintext && len(of(g.pins, s.Name)) > 0 {
		return &Error{Code: CodePlaintext, Text: fmt.Sprintf("%s is in plaintext, and was encrypted when you were there: somebody may be posing as it", s.Name),
			Hint:    "ask its host; if it has really been opened in plaintext, forget its key with:",
			Command: g.node.Pins.command("forget", s.Name)}
	}
	return g.node.wrongMode("the room " + s.Name)
}

// seated remembers the room in which m has sat down, and tells what its user
// should know about that. It ends what should not have begun.
func (g *guard) seated(ctx context.Context, m *room.Member, strangers bool) error {
	if g.node.Pins == nil {
		return nil
	}
	ready := m.Ready()
	if g.node.Plaintext {
		err := g.downgrade(place{Target: Target{Room: ready.Room}})
		if err != nil {
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			m.Leave(bye, "")
		}
		return err
	}
	at, _ := netip.ParseAddrPort(ready.Addr)
	mark := g.node.mark(g.pins, room.Listing{Room: ready.Room, Key: ready.Key, Secure: true})
	g.node.remember(ready.Room, ready.Key, at)
	switch {
	case mark == PinNew && !g.word:
		m.Tell(room.NoticeNewKey, fmt.Sprintf("first time in %s: its key is %s… (%s); compare the words with the host's", ready.Room, ShortKey(ready.Key), text.KeyWords(ready.Key)))
	case mark == PinChanged: // by the word of a link
		m.Tell(room.NoticeOtherKey, fmt.Sprintf("the link has another key for %s than you knew: both are trusted from now on (%s lists them)", ready.Room, g.node.Pins.command()))
	}
	if strangers {
		m.Tell(room.NoticeOtherKey, fmt.Sprintf("another room here calls itself %s, too: this is the one you know", ready.Room))
	}
	return nil
}

// remember notes that a room was met. Where that cannot be written down, the
// room will be a stranger next time.
func (n *Node) remember(name string, key transport.Key, at netip.AddrPort) {
	err := n.Pins.Met(name, key, at)
	var unsaved *UnsavedError
	switch {
	case errors.As(err, &unsaved):
		n.warn(fmt.Sprintf("cannot remember the key of %s: %v", name, unsaved))
	case err != nil:
		n.warn(err.Error())
	}
}
