package room

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"parley/transport"
)

// put has a link's join wait for code, as a check would.
func (p *play) put(l *link, code string) {
	p.core.park(p.now, &item{link: l, cmd: command{Type: typeJoin, V: Version, Nick: "ana"}}, code, "not yet")
}

// pass lets time go by, with every tick that is due.
func (p *play) pass(d time.Duration) {
	end := p.now.Add(d)
	for {
		at := p.core.wake()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.After(p.now) {
			p.now = at
		}
		p.core.tick(p.now)
		p.settle()
	}
	p.now = end
}

// A join that is put off hears of it every few seconds, keeps its connection
// for longer than one that chooses no name, and goes on where it was.
func TestAWaitingJoinIsToldAndGoesOn(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	p.settle()
	l, idle := p.link(), p.link()
	p.put(l, codeApproval)
	want(t, l, "wait approval")
	p.pass(9 * time.Second)
	want(t, l, "wait approval, wait approval")
	p.pass(3 * time.Minute)
	types(l)
	want(t, idle, "error idle")
	p.core.waiting = append(p.core.waiting, p.core.unpark(p.now, l))
	p.settle()
	want(t, l, "welcome")
	if len(p.core.parked) != 0 || len(p.core.newLinks) != 0 {
		t.Errorf("%d joins wait, %d links are undecided", len(p.core.parked), len(p.core.newLinks))
	}
}

func TestAWaitHasAnEnd(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	p.settle()
	l, gone, rude := p.link(), p.link(), p.link()
	for _, l := range []*link{l, gone, rude} {
		p.put(l, codeApproval)
		types(l)
	}
	p.core.detach(p.now, gone, "")
	p.core.command(p.now, rude, command{Type: typeJoin, V: Version, Nick: "rude"})
	want(t, rude, "error protocol")
	p.pass(10*time.Minute - time.Second)
	types(l)
	p.pass(time.Second)
	want(t, l, "error approval")
	p.core.detach(p.now, l, "")
	p.core.detach(p.now, rude, "")
	if len(p.core.parked)+len(p.core.newLinks)+len(p.core.links) != 0 {
		t.Errorf("left over: %d waiting, %d undecided, %d links", len(p.core.parked), len(p.core.newLinks), len(p.core.links))
	}
}

func TestWaitsAreBounded(t *testing.T) {
	p := newPlay(&Host{Name: "physics"})
	p.settle()
	for i := range 300 {
		l := p.linkFrom(fmt.Sprintf("10.0.0.%d:9", i/5))
		switch may := p.core.mayPark(l, codeApproval); {
		case may:
			p.put(l, codeApproval)
		case i%5 < 4 && len(p.core.parked) < 64:
			t.Fatalf("the join %d is not put off", i)
		}
	}
	if n := len(p.core.parked); n != 64 {
		t.Errorf("%d joins wait", n)
	}
}

// A member waits for as long as the host says so, and shows why.
func TestAMemberWaitsForADecision(t *testing.T) {
	bubble(t, func(t *testing.T) {
		id := identity(t)
		host, member := transport.Pipe(transport.Peer{Key: identity(t).Key()}, transport.Peer{Key: id.Key()})
		defer host.Close()
		go func() {
			host.Receive(context.Background())
			for range 20 {
				host.Send(context.Background(), encode(report{Type: typeWait, Code: codeApproval, Text: "ana decides"}))
				time.Sleep(waitEvery)
			}
		}()
		var told []Event
		start := time.Now()
		_, err := Join(context.Background(), JoinOptions{Nick: "ben", Identity: id, Waiting: func(e Event) { told = append(told, e) }},
			Dial(func(context.Context) (transport.Conn, error) { return member, nil }))
		if took := time.Since(start); took != 19*waitEvery+answerTime || !errors.Is(err, transport.ErrLost) {
			t.Errorf("gave up after %v: %v", took, err)
		}
		if len(told) != 20 || told[0].Type != Notice || told[0].Code != codeApproval || told[0].Text != "ana decides" {
			t.Errorf("was told %d times: %+v", len(told), told)
		}
	})
}
