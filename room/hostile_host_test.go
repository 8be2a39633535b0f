package room

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/transport"
)

// maxHostility is what a host can make a member keep, at most, that nobody
// reads: events that wait, people, gaps.
const maxHostility = 64 << 20

// TestHostJumps has a host count as it likes: whatever the lane, a member takes
// no number that makes no sense, and keeps little of those that do.
func TestHostJumps(t *testing.T) {
	for _, c := range []struct {
		what string
		lane transport.Delivery
		seqs []uint64
		ok   bool
	}{
		{"in order", transport.Ordered, []uint64{1, 2, 3}, true},
		{"a jump", transport.Ordered, []uint64{1, 3}, false},
		{"backwards", transport.Ordered, []uint64{1, 2, 1, 2}, true}, // and not shown
		{"the end of numbers", transport.Ordered, []uint64{1<<64 - 1}, false},
		{"ahead", transport.Unordered, []uint64{3, 1, 2}, true},
		{"far ahead", transport.Unordered, []uint64{maxAhead + 1}, false},
		{"the end of numbers, any order", transport.Unordered, []uint64{1<<64 - 1}, false},
		{"far ahead, bare", transport.Bare, []uint64{maxAhead + 1}, false},
	} {
		var b inbox
		b.begin(0, c.lane, true)
		var err error
		var taken []uint64
		for _, seq := range c.seqs {
			var fresh bool
			if fresh, err = b.take(seq); err != nil {
				break
			}
			if fresh {
				taken = append(taken, seq)
			}
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
		slices.Sort(taken)
		if n := len(taken); n != len(slices.Compact(taken)) {
			t.Errorf("%s: twice taken: %v", c.what, taken)
		}
	}
}

// TestHostSkipsEverything has a host skip what it likes.
func TestHostSkipsEverything(t *testing.T) {
	for _, lane := range []transport.Delivery{transport.Ordered, transport.Unordered, transport.Bare} {
		for _, c := range []struct{ from, count uint64 }{{1, 0}, {0, 1}, {2, 1<<64 - 1}, {1<<64 - 1, 1}, {maxAhead, 2}, {1 << 40, 1 << 40}} {
			var b inbox
			b.begin(0, lane, true)
			if err := b.skip(c.from, c.count); err == nil {
				t.Errorf("%v: a skip of %d from %d is taken", lane, c.count, c.from)
			}
			if len(b.ahead) > maxAhead {
				t.Errorf("%v: %d kept", lane, len(b.ahead))
			}
		}
	}
}

// TestHostMakesMemberKeep has a host say whatever makes a member keep most,
// while nobody reads what comes: it is bounded, and the member can leave.
func TestHostMakesMemberKeep(t *testing.T) {
	big := strings.Repeat("x", 15000)
	wide := strings.Repeat("w", maxName)
	for what, lane := range map[string]string{"events": "ordered", "people": "ordered", "ahead": "bare", "gaps": "bare",
		"receipts": "ordered", "notices": "ordered", "errors": "ordered", "topics": "ordered", "jumps": "ordered", "answers": "ordered"} {
		bubble(t, func(t *testing.T) {
			m, err := pose(t, func(say func(any) bool) {
				g := greeting
				g.Lane = lane
				say(g)
				say(report{Type: string(Members)})
				for i := uint64(1); i < 3000; i++ {
					var r report
					switch what {
					case "events":
						r = report{Type: string(Message), Seq: i, From: "ben", Text: big}
					case "people":
						r = report{Type: typeJoin, Seq: i, Nick: wide, Role: wide, Transport: wide, Seat: fmt.Sprintf("%0256x", i)}
					case "ahead":
						r = report{Type: string(Message), Seq: 2 * i, From: "ben"}
					case "gaps":
						if r = (report{Type: string(Message), Seq: 2 * i}); i%100 == 0 {
							r = report{Type: typeUpto, Seq: 2 * i}
						}
					case "receipts":
						r = report{Type: string(Delivered), Delivered: slices.Repeat([][3]uint64{{i, 1, 2}}, maxTriples)}
					case "notices":
						r = report{Type: string(Notice), Text: big}
					case "errors":
						r = report{Type: string(Failure), Text: big}
					case "topics":
						r = report{Type: string(Topic), Seq: i, Text: big}
					case "jumps":
						r = report{Type: string(Message), Seq: i * i, Text: big}
					case "answers":
						r = report{Type: string(Accepted), ID: fmt.Sprintf("%032x", i), Seq: i}
					}
					if !say(r) {
						return
					}
				}
				say(nil)
			})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			time.Sleep(20 * time.Second) // of the bubble: all is said that is taken
			m.mu.Lock()
			events, people, ahead := len(m.events), len(m.people), len(m.inbox.ahead)
			m.mu.Unlock()
			if kept := keptBytes(m); kept > maxHostility {
				t.Errorf("%s: %d bytes are kept: %d events, %d people, %d ahead", what, kept, events, people, ahead)
			}
			if events > maxEvents+maxAhead || people > maxCrowd || ahead > maxAhead {
				t.Errorf("%s: %d events, %d people, %d ahead", what, events, people, ahead)
			}
			leave(t, m)
		})
	}
}

// keptBytes returns about how much memory a member holds.
func keptBytes(m *Member) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const event, person = 600, 200
	for _, e := range m.events {
		n += event + len(e.Text) + len(e.Reason) + len(e.From) + len(e.Nick)
	}
	for seat, p := range m.people {
		n += person + len(seat) + len(p.Nick) + len(p.Transport) + len(p.Role) + len(p.Away)
	}
	n += 48*len(m.inbox.ahead) + 16*len(m.inbox.missed)
	return n
}
