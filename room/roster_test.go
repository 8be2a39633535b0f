package room

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"parley/transport"
)

// TestRoster has people come, go, change their names, be away and be promoted:
// at every moment the roster is what it would be if it were made of nothing, and
// reads as encode would write it.
func TestRoster(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	p := newPlay(&Host{Burst: 1 << 30, HostKey: transport.Key{9, 9}})
	host := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{9, 9}, Via: "pipe"}}
	p.core.attach(p.now, host)
	p.core.command(p.now, host, command{Type: typeJoin, V: Version, Nick: "host"})
	p.settle()
	var links []*link
	ask := func(l *link, cmd command) {
		p.ids++
		cmd.ID = fmt.Sprintf("%032x", p.ids)
		p.core.command(p.now, l, cmd)
	}
	for n := range 400 {
		if len(links) < 45 && rnd.IntN(3) > 0 {
			links = append(links, p.join(fmt.Sprintf("m%dx", n)))
		} else if i := rnd.IntN(len(links)); len(links) > 0 {
			switch l := links[i]; rnd.IntN(5) {
			case 0:
				ask(l, command{Type: typeLeave})
				links = append(links[:i], links[i+1:]...)
			case 1:
				ask(l, command{Type: string(Renamed), Nick: fmt.Sprintf("n%dx", n)})
			case 2:
				ask(l, command{Type: typeAway, Text: fmt.Sprint("lunch <", n, ">")})
			case 3:
				ask(host, command{Type: string(Op), Nick: l.seat.nick})
			case 4:
				ask(host, command{Type: string(Deop), Nick: l.seat.nick})
			}
		}
		p.settle()
		for l := range p.core.links {
			types(l)
			l.out.credits = make(chan struct{}, maxCommands)
		}
		got := p.core.tellAll()
		p.core.roster.changed()
		if fresh := p.core.tellAll(); fmt.Sprintf("%s", got) != fmt.Sprintf("%s", fresh) {
			t.Fatalf("after %d: kept\n%s\nanew\n%s", n, got, fresh)
		}
		people := 0
		for i, m := range got {
			r, err := parseReport(m)
			if err != nil || r.More != (i < len(got)-1) || r.Seq != p.core.state.seq {
				t.Fatalf("%v: %s", err, m)
			}
			people += len(r.Members)
			if again := encode(r); !bytes.Equal(again, m) {
				t.Fatalf("not as it would be encoded:\n%s\n%s", m, again)
			}
		}
		if people != len(p.core.state.people) {
			t.Fatalf("%d of %d people", people, len(p.core.state.people))
		}
	}
}
