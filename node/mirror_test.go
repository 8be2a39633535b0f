package node

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"parley/room"
	"parley/transport"
)

// Somebody who repeats a room's announcements from his own address is tried, as
// any address is, and keeps nobody from the room.
func TestRepeatedAnnouncements(t *testing.T) {
	for _, old := range []bool{false, true} { // he refuses as one of another version, or hosts a room of that name
		inBubble(t, func(w *world) {
			mine := keyOf(t)
			hosting := w.open(w.node("10.0.0.1", keeping(mine)), "physics")
			port := hosting.Addrs()[0].Port()
			other := w.node("10.0.0.66", keeping(keyOf(t)))
			if old {
				other.Plaintext = true
			}
			w.open(other, "physics")
			n := w.node("10.0.0.9")
			n.start()
			p := place{Target: Target{Room: "physics", Key: mine.Key()}}
			for _, addr := range []string{"10.0.0.66", "10.0.0.1"} {
				p.via = append(p.via, target{netip.MustParseAddr(addr), port, port})
			}
			g, err := n.guard(p.Target)
			if err != nil {
				t.Fatal(err)
			}
			m, err := n.join(w.Context(), p, true, g, room.JoinOptions{Nick: "ben"})
			if err != nil {
				t.Errorf("old %v: %v", old, err)
				return
			}
			if m.Ready().Key != mine.Key() {
				t.Error("another room was joined")
			}
			m.Leave(w.Context(), "")
		})
	}
}

// Who comes back does so to the host that he knows.
func TestComingBackAmongStrangers(t *testing.T) {
	inBubble(t, func(w *world) {
		mine := keyOf(t)
		h := w.node("10.0.0.1", keeping(mine))
		port := w.open(h, "physics").Addrs()[0].Port()
		w.open(w.node("10.0.0.66", keeping(keyOf(t))), "physics")
		n := w.node("10.0.0.9")
		n.start()
		here, there := target{netip.MustParseAddr("10.0.0.1"), port, port}, target{netip.MustParseAddr("10.0.0.66"), port, port}
		y := &way{node: n, byName: true, place: place{Target: Target{Room: "physics", Key: mine.Key()}, via: []target{here}}}
		dial := func(ctx context.Context) transport.Key {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			c, err := y.Dial(ctx, nil)
			if err != nil {
				t.Error(err)
				return transport.Key{}
			}
			defer c.Close()
			return c.Peer().Key
		}
		first := dial(w.Context())
		y.proved()
		y.place.via = []target{there, here}
		if again := dial(w.Context()); again != first {
			t.Error("a stranger was quicker")
		}
		y.place.via = []target{there}
		if other := dial(w.Context()); other == first || other == (transport.Key{}) {
			t.Error("nobody new is ever reached")
		}
	})
}
