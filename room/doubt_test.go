package room

import (
	"testing"
	"time"

	"parley/transport"
)

// Whoever was killed and comes back with the same key gets the name back
// within a second; the name of somebody who is there stays taken.
func TestOwnGhostIsAsked(t *testing.T) {
	for _, c := range []struct {
		what   string
		silent time.Duration
		want   string
	}{
		{"dead", 800 * time.Millisecond, "welcome"},
		{"alive", 0, "error nick_taken"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPlay(&Host{Name: "physics"})
			old := p.join("ana")
			old.silent = func() time.Duration { return c.silent }
			types(old)
			again := p.link()
			again.peer = old.peer
			p.core.command(p.now, again, command{Type: typeJoin, V: Version, Nick: "ana"})
			p.settle()
			if got := types(old); got != "ping" {
				t.Errorf("the old connection gets %q, want ping", got)
			}
			if got := types(again); got != "" {
				t.Errorf("the new one gets %q before the old one is known to be dead", got)
			}
			if at := p.core.wake(); !at.Equal(p.now.Add(doubted)) {
				t.Errorf("the core wants to wake at %v", at)
			}
			p.now = p.now.Add(doubted)
			p.core.tick(p.now)
			p.settle()
			if got := types(again); got != c.want && got != c.want+" join" {
				t.Errorf("the new connection gets %q, want %q", got, c.want)
			}
			if n := len(p.core.state.people); n != 1 {
				t.Errorf("%d people are here, want 1", n)
			}
			if (c.want == "welcome") != old.ended {
				t.Errorf("the old connection has ended: %v", old.ended)
			}
		})
	}
}

// Nobody else's connection is doubted for a name.
func TestAnothersNameIsNotDoubted(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	old := p.join("ana")
	old.silent = func() time.Duration { return time.Hour }
	types(old)
	l := p.link()
	l.peer.Key = transport.Key{99}
	p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: "ana"})
	p.settle()
	if got := types(l); got != "error nick_taken" {
		t.Errorf("a stranger gets %q, want that the name is taken", got)
	}
	if got := types(old); got != "" {
		t.Errorf("ana gets %q", got)
	}
}
