package udp

import (
	"net/netip"
	"testing"
	"time"
)

// One source gets a burst of answers and then four a second; another is not
// affected, and neither is this machine.
func TestStrangers(t *testing.T) {
	var s strangers
	now := time.Unix(1000, 0)
	flood, good := netip.MustParseAddr("10.0.0.66"), netip.MustParseAddr("10.0.0.7")
	answered := func(from netip.Addr, n int) (got int) {
		for range n {
			if s.allow(now, from) {
				got++
			}
		}
		return got
	}
	if got := answered(flood, 1000); got != strangerBurst {
		t.Errorf("%d of 1,000 at once were answered, want %d", got, strangerBurst)
	}
	if got := answered(good, 3); got != 3 {
		t.Errorf("%d of another source's 3 were answered", got)
	}
	if got := answered(netip.MustParseAddr("127.0.0.1"), 1000); got != 1000 {
		t.Errorf("%d of 1,000 from this machine were answered", got)
	}
	now = now.Add(time.Second)
	if got := answered(flood, 1000); got != 4 {
		t.Errorf("a second later %d were answered, want 4", got)
	}
	now = now.Add(time.Hour)
	if got := answered(flood, 1000); got != strangerBurst {
		t.Errorf("an hour later %d were answered, want %d", got, strangerBurst)
	}
	s.trust(flood) // a token came back: somebody is there
	if got := answered(flood, 1000); got != strangerBurst {
		t.Errorf("after a token came back %d were answered, want %d", got, strangerBurst)
	}
	if n := testing.AllocsPerRun(100, func() { s.allow(now, good) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOneSlotIsSpent: a source that shares one of its two slots with a flood is
// answered by the other.
func TestOneSlotIsSpent(t *testing.T) {
	var s strangers
	from, now := netip.MustParseAddr("10.0.0.7"), time.Unix(1000, 0)
	s.allow(now, from)
	a, b := s.slots(from)
	*a, *b = strangerBurst, 0
	if !s.allow(now, from) {
		t.Error("the second slot was not asked")
	}
	*a, *b = strangerBurst, strangerBurst
	if s.allow(now, from) {
		t.Error("both are spent")
	}
}
