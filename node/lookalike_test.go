package node

import (
	"strings"
	"testing"

	"parley/room"
	"parley/transport"
)

// A room whose name looks like that of one that is known does not pass for it,
// in either mode.
func TestLookalikeRooms(t *testing.T) {
	key, other := transport.Key{1}, transport.Key{2}
	for _, name := range []string{"physics\ufe0f", "physics\u200d", "рhysics", "PHYSlCS", "phуsics"} {
		p := pinsAt(t)
		if _, err := p.Accept("physics", key); err != nil {
			t.Fatal(err)
		}
		g := &guard{node: &Node{Pins: &p}, pins: p.must(t)}
		err := g.admit(name, other)
		if err == nil {
			t.Errorf("%q is let pass for physics", name)
		} else if proper := !strings.ContainsAny(name, "\ufe0f\u200d"); proper && !strings.Contains(err.Error(), "physics") {
			t.Error(err)
		}
		if err := (&guard{node: g.node, pins: g.pins, word: true}).admit("рhysics", other); err != nil {
			t.Errorf("the word of a link: %v", err)
		}
		if mark := g.node.mark(g.pins, room.Listing{Room: name, Key: other, Secure: true}); mark != PinChanged {
			t.Errorf("%q is listed as %q", name, mark)
		}
		g.node.Plaintext = true
		if g.downgrade(place{Target: Target{Room: name}}) == nil {
			t.Errorf("%q is joined in plaintext", name)
		}
		g.node.Plaintext = false
		if err := g.admit("chemistry", other); err != nil {
			t.Error(err)
		}
		if _, err := p.Accept("рhysics", other); err != nil {
			t.Fatal(err)
		}
		g.pins = p.must(t)
		if g.admit("рhysics", other) != nil || g.admit("physics", key) != nil || g.admit("physics", other) == nil {
			t.Error("accepted, it is one of its own")
		}
	}
}
