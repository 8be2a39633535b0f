package room

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"parley/transport"
)

// TestRoster has people come, go, change their names, be away and be promoted:
// at every moment the roster tells of the same people, in the same order, as one
// that is made of nothing, and reads as encode would write it.
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
	told := func() (all []string) {
		messages := p.core.tellPeople("")
		for i, m := range messages {
			r, err := parseReport(m)
			if err != nil || r.More != (i < len(messages)-1) || (r.Seq == p.core.state.seq) == r.More || len(r.Members) == 0 {
				t.Fatalf("%v: %s", err, m)
			}
			if again := encode(r); !bytes.Equal(again, m) {
				t.Fatalf("not as it would be encoded:\n%s\n%s", m, again)
			}
			for _, o := range r.Members {
				line, _ := json.Marshal(o)
				all = append(all, string(line))
			}
		}
		return all
	}
	for n := range 600 {
		if grow := n < 200 || n > 400; len(links) == 0 || rnd.IntN(3) > 0 == grow && len(links) < 120 {
			links = append(links, p.join(fmt.Sprintf("m%dx", rnd.IntN(1000))))
			if l := links[len(links)-1]; l.seat == nil { // the name is taken
				links = links[:len(links)-1]
			}
		} else {
			i := rnd.IntN(len(links))
			switch l := links[i]; rnd.IntN(5) {
			case 0, 1:
				ask(l, command{Type: typeLeave})
				links = slices.Delete(links, i, i+1)
			case 2:
				ask(l, command{Type: string(Renamed), Nick: fmt.Sprintf("n%dx", n)})
			case 3:
				ask(l, command{Type: typeAway, Text: fmt.Sprint("lunch <", n, ">")})
			default:
				ask(host, command{Type: string([]Kind{Op, Deop}[rnd.IntN(2)]), Nick: l.seat.nick})
			}
		}
		p.settle()
		for l := range p.core.links {
			types(l)
			l.out.credits = make(chan struct{}, maxCommands)
		}
		kept := told()
		old := p.core.roster
		p.core.roster.changed()
		if anew := told(); !slices.Equal(kept, anew) || len(anew) != len(p.core.state.people) {
			t.Fatalf("after %d: kept\n%s\nanew\n%s", n, kept, anew)
		}
		p.core.roster = old
	}
}
