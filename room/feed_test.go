package room

import (
	"fmt"
	"testing"
	"time"
)

// TestComingsAreGathered has people come into a large room: those who sit there
// are woken once for all of them, and at once for what is said.
func TestComingsAreGathered(t *testing.T) {
	p := newPlay(&Host{Burst: 1 << 30})
	var links []*link
	come := func() {
		l := p.link()
		l.peer.Key = [32]byte{byte(len(links)), 5}
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: fmt.Sprintf("m%dx", len(links))})
		p.settle()
		links = append(links, l)
	}
	woken := func(l *link) bool {
		select {
		case <-l.out.ready:
			return true
		default:
			return false
		}
	}
	for len(links) < many-1 {
		come()
		if !woken(links[0]) {
			t.Fatalf("in a room of %d nobody is told who comes", len(links))
		}
		types(links[0])
	}
	began := p.now
	come()
	come()
	if woken(links[0]) {
		t.Error("a line of who comes did not wait")
	}
	if at := p.core.wake(); !at.Equal(began.Add(gather)) {
		t.Errorf("the core wakes after %v", at.Sub(began))
	}
	if p.now = p.core.wake(); !woken(links[1]) { // its own welcome, long ago
		t.Fatal("it was never welcomed")
	}
	p.core.tick(p.now)
	if !woken(links[0]) || types(links[0]) != "join, join" {
		t.Error("the lines are not there in the end")
	}
	if p.core.tick(p.now.Add(gather)); woken(links[0]) {
		t.Error("woken for nothing")
	}
	come()
	p.say(links[1], "hello")
	p.settle()
	if !woken(links[0]) {
		t.Error("what is said waits, too")
	}
	if got := types(links[0]); got != "join, message hello" {
		t.Error(got)
	}
}

// TestHotPathsDoNotAllocate sends an event on its way to a member, and takes in that
// it has come.
func TestHotPathsDoNotAllocate(t *testing.T) {
	f := &feed{}
	for seq := range uint64(100) {
		f.add(&frame{seq: seq + 1, data: []byte("{}")})
	}
	o := newOutbox(false)
	o.start(&start{feed: f, head: 99, after: 99})
	now := o.take(work{})
	if n := testing.AllocsPerRun(100, func() {
		o.sent, o.head = 99, 99
		o.grown(100, false)
		if now = o.take(now); len(now.live) != 1 {
			t.Fatal("nothing is there")
		}
	}); n != 0 {
		t.Errorf("an event offered and taken: %v allocations", n)
	}
	var c receipts
	moment, seats := time.Unix(1000, 0), map[seatID]*seat{}
	for i := range 20 {
		seats[seatID{byte(i)}] = &seat{id: seatID{byte(i)}}
	}
	one, sender := seats[seatID{1}], seats[seatID{2}]
	c.track(moment, Entry{Seq: 1}, sender, seats, nil)
	sender.news, c.tell = make([]*receipt, 0, 8), make([]*seat, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		one.got, c.list[0].changed, sender.news, c.tell = 0, false, sender.news[:0], c.tell[:0]
		c.list[0].count = 0
		c.report(moment, one, 1, nil)
	}); n != 0 {
		t.Errorf("a receipt: %v allocations", n)
	}
}

// BenchmarkOffer measures what an event costs for each member until its writer
// has it.
func BenchmarkOffer(b *testing.B) {
	var f feed
	all := make([]*outbox, 500)
	works := make([]work, len(all))
	for i := range all {
		all[i] = newOutbox(false)
		all[i].start(&start{feed: &f})
		all[i].take(work{})
	}
	b.ReportAllocs()
	data := make([]byte, 250)
	for i := range b.N {
		f.add(&frame{seq: uint64(i) + 1, data: data})
		for j, o := range all {
			o.grown(uint64(i)+1, false)
			works[j] = o.take(works[j])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/member")
}
