package room

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// TestEverythingIsPaced sends more than a member may, of every kind: what is
// not a message is work for the host, too, and events for everybody.
func TestEverythingIsPaced(t *testing.T) {
	for _, c := range []struct {
		what string
		cmd  command
		cost int
	}{
		{"message", command{Type: string(Message), Text: "x"}, 1},
		{"refused message", command{Type: string(Message)}, 1},
		{"nick", command{Type: string(Renamed), Nick: "bob"}, changeCost},
		{"topic", command{Type: string(Topic), Text: "x"}, changeCost},
		{"long message", command{Type: string(Message), Text: strings.Repeat("x", 4096)}, 1 + 4096/textCost},
		{"away", command{Type: typeAway, Text: "x"}, 1},
		{"names", command{Type: typeNames}, 1 + 40/peopleCost},
		{"got", command{Type: typeGot, Got: 1 << 60}, 1},
		{"join", command{Type: typeJoin, V: Version}, 1 + 40/peopleCost},
		{"nonsense", command{Type: "dance"}, 1},
	} {
		p := newPlay(&Host{Burst: 100, Rate: 10})
		for i := range 40 {
			p.join(fmt.Sprint("crowd", i))
		}
		l := p.core.state.names["ana"]
		if l != nil {
			t.Fatal("ana is there already")
		}
		ana := p.join("ana")
		for i := range 200 {
			c.cmd.ID = fmt.Sprintf("%032x", i)
			p.core.command(p.now, ana, c.cmd)
			p.settle()
		}
		if wait, want := ana.out.paused().Sub(p.now), time.Duration(200*c.cost-100)*time.Second/10; wait < want*9/10 || wait > want*11/10 {
			t.Errorf("%s: after 200 at once it waits for %v, want about %v", c.what, wait, want)
		}
	}
}

// TestNothingButJoin has somebody without a seat talk on.
func TestNothingButJoin(t *testing.T) {
	for _, kind := range []string{string(Message), typeGot, typeNames, typeJoin, "dance"} {
		p := newPlay(&Host{})
		p.join("ana")
		l := p.link()
		for range maxTries + 1 {
			p.core.command(p.now, l, command{Type: kind, V: Version, Nick: "ana", ID: strings.Repeat("0", 32)})
			p.settle()
		}
		if !l.ended {
			t.Errorf("%s: it may go on", kind)
		}
	}
}

func (p *play) linkFrom(addr string) *link {
	p.keys++
	l := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{p.keys, 1}, Via: "udp", Addr: netip.MustParseAddrPort(addr)}}
	p.core.attach(p.now, l)
	return l
}

// TestUndecidedCrowd fills the room with connections that do not sit down. Whoever
// comes then sits down all the same, and the oldest of the others have to go.
func TestUndecidedCrowd(t *testing.T) {
	p := newPlay(&Host{})
	person := p.linkFrom("10.0.0.7:1") // thinks about a name
	var crowd []*link
	for i := range 2 * maxUndecidedFrom {
		crowd = append(crowd, p.linkFrom(fmt.Sprintf("10.0.0.9:%d", i+1)))
	}
	if person.ended || !crowd[0].ended || crowd[2*maxUndecidedFrom-1].ended || len(p.core.newLinks) != 1+maxUndecidedFrom {
		t.Errorf("person %v, first %v, last %v, %d undecided", person.ended, crowd[0].ended, crowd[len(crowd)-1].ended, len(p.core.newLinks))
	}
	for i := range 2 * maxUndecided {
		p.linkFrom(fmt.Sprintf("10.1.%d.%d:1", i>>8, i&255))
	}
	if len(p.core.newLinks) != maxUndecided {
		t.Errorf("%d undecided", len(p.core.newLinks))
	}
	ana := p.linkFrom("10.0.0.8:1")
	p.core.command(p.now, ana, command{Type: typeJoin, V: Version, Nick: "ana"})
	p.settle()
	if ana.seat == nil {
		t.Errorf("ana has no seat: %s", types(ana))
	}
}

// TestSeatsOfOneAddress has one computer try to take all seats.
func TestSeatsOfOneAddress(t *testing.T) {
	p := newPlay(&Host{MaxSeats: 40})
	sit := func(addr string, n int) *link {
		l := p.linkFrom(fmt.Sprintf("%s:%d", addr, n+1))
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: fmt.Sprint("n", p.keys)})
		p.settle()
		return l
	}
	for i := range 40 {
		if l := sit("10.0.0.9", i); (l.seat != nil) != (i < 10) {
			t.Errorf("%d: seated %v", i, l.seat != nil)
		}
	}
	for i := range 20 {
		if l := sit("127.0.0.1", i); l.seat == nil {
			t.Errorf("%d: this computer's own: %s", i, types(l))
		}
	}
	if l := sit("10.0.0.8", 0); l.seat == nil {
		t.Errorf("another: %s", types(l))
	}
}

// TestLongIDOfNames asks for the list under an id that would come back with
// every part of it.
func TestLongIDOfNames(t *testing.T) {
	p := newPlay(&Host{})
	ana := p.join("ana")
	types(ana)
	p.core.command(p.now, ana, command{Type: typeNames, ID: strings.Repeat("z", 15000)})
	p.settle()
	if got := types(ana); got != "failed protocol" {
		t.Error(got)
	}
}

// TestForgetful fills a Memory: the room goes on, who comes back for what is
// forgotten gets a skip, and what is kept is bounded.
func TestForgetful(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := NewMemory()
		log.limit = 100 << 10
		h := open(t, pipes, func(h *Host) { h.Log, h.Burst = log, 1<<20 })
		defer h.close()
		ana, ben := h.join("ana", nil), h.join("ben", nil)
		defer leave(t, ana, ben)
		for i := range 1000 {
			said := fmt.Sprint("n", i)
			say(t, ana, said)
			if e := heard(t, ben, said); e.Seq != uint64(i)+3 {
				t.Fatalf("%+v", e)
			}
			heard(t, ana, said)
		}
		log.mu.Lock()
		kept, bytes, known := len(log.entries), log.bytes, len(log.known)
		log.mu.Unlock()
		if bytes > log.limit || kept == 0 || kept > 300 || known != kept {
			t.Errorf("%d entries, %d ids and %d bytes are kept", kept, known, bytes)
		}
		seen := uint64(0)
		err := log.Tail(t.Context(), 0, func(es []Entry) error {
			for _, e := range es {
				if seen++; e.Seq != seen || (e.Body == nil) != (e.Seq <= log.base) {
					t.Fatalf("%d is %d, with %d bytes", seen, e.Seq, len(e.Body))
				}
			}
			if seen == 1002 {
				return errCaught
			}
			return nil
		})
		if err != errCaught {
			t.Error(err)
		}
		cyn := h.join("cyn", func(o *JoinOptions) { o.History = 1000 })
		defer leave(t, cyn)
		if e := heard(t, cyn, "n999"); !e.Replay {
			t.Errorf("%+v", e)
		}
	})
}

// TestManySenders has many come and go, or only say something: of those who
// were here long ago nothing is remembered, of those who are here, all.
func TestManySenders(t *testing.T) {
	s, seq := newState(), uint64(0)
	add := func(key int, r report) {
		seq++
		e := Entry{Seq: seq, Key: transport.Key{byte(key), byte(key >> 8), 7}, ID: [16]byte{byte(seq), byte(seq >> 8), byte(seq >> 16)}}
		r.Key, r.Seat = e.Key, seatOf([16]byte{byte(key), byte(key >> 8)}).String()
		e.Body = encode(r)
		s.fold(e, wireForm(e))
	}
	for key := range 3 * maxSenders {
		if key%3 == 0 {
			add(key, report{Type: string(Message), From: "quiet", Text: "x"})
			continue
		}
		add(key, report{Type: typeJoin, Nick: fmt.Sprint("n", key)})
		if key > 300 {
			add(key, report{Type: typeLeave, Nick: fmt.Sprint("n", key)})
		}
	}
	if len(s.recent) > maxSenders || len(s.senders) != len(s.recent) {
		t.Errorf("%d senders are remembered, and %d in order", len(s.recent), len(s.senders))
	}
	for key := range 300 {
		if r := s.recent[transport.Key{byte(key), byte(key >> 8), 7}]; (r != nil) != (key%3 != 0) {
			t.Errorf("%d: remembered %v", key, r != nil)
		}
	}
}
