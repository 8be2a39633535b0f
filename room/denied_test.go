package room

import (
	"fmt"
	"strings"
	"testing"
)

// TestDenied has a refusal be lost with its connection: what was refused stays
// refused when it is sent again, though it could be stored by now.
func TestDenied(t *testing.T) {
	p := newPlay(&Host{})
	ana := p.join("ana")
	s := ana.seat
	psst := command{Type: "whisper", ID: strings.Repeat("1", 32), To: "ben", Text: "psst"}
	p.core.command(p.now, ana, psst)
	p.settle()
	want(t, ana, "welcome, failed no_nick")
	p.say(ana, "meanwhile")
	p.settle()
	want(t, ana, "accepted, message meanwhile")
	p.join("ben")
	again := &link{out: newOutbox(false), peer: ana.peer}
	p.core.attach(p.now, again)
	p.core.command(p.now, again, command{Type: typeJoin, V: Version, Nick: "ana", Session: hexID(s.session), Epoch: 5})
	p.settle()
	want(t, again, "welcome")
	p.core.command(p.now, again, psst)
	p.settle()
	want(t, again, "failed no_nick")
	psst.ID = strings.Repeat("2", 32)
	p.core.command(p.now, again, psst)
	p.settle()
	want(t, again, "accepted, whisper psst")

	for i := range 2 * maxDenied {
		p.core.command(p.now, again, command{Type: "whisper", ID: fmt.Sprintf("%032x", i+16), To: "nobody", Text: "psst"})
		p.settle()
	}
	if len(s.denied) != maxDenied || cap(s.denied) > 2*maxDenied {
		t.Errorf("%d refusals are remembered, in the space of %d", len(s.denied), cap(s.denied))
	}
}
