package udp

import (
	"slices"
	"sort"
)

// A span is the numbers lo <= n < hi.
type span struct{ lo, hi uint64 }

// ranges is a set of numbers: disjoint spans in ascending order that do not
// touch. It holds the packets that came, the bytes of a message that were
// acknowledged, and the messages that arrived ahead of others. The zero value
// is empty.
type ranges []span

// add puts lo <= n < hi into the set and returns how many were not in it.
func (r *ranges) add(lo, hi uint64) uint64 {
	s := *r
	if lo >= hi {
		return 0
	}
	if n := len(s); n == 0 || lo > s[n-1].hi {
		*r = append(s, span{lo, hi})
		return hi - lo
	}
	if last := &s[len(s)-1]; lo >= last.lo { // it begins in the last span or right behind it: the usual case
		if hi <= last.hi {
			return 0
		}
		added := hi - last.hi
		last.hi = hi
		return added
	}
	first := sort.Search(len(s), func(i int) bool { return s[i].hi >= lo })
	end, added, whole := first, hi-lo, span{lo, hi}
	for ; end < len(s) && s[end].lo <= hi; end++ {
		if from, to := max(lo, s[end].lo), min(hi, s[end].hi); from < to {
			added -= to - from
		}
		whole = span{min(whole.lo, s[end].lo), max(whole.hi, s[end].hi)}
	}
	*r = slices.Replace(s, first, end, whole)
	return added
}

// covers tells whether every number of lo <= n < hi is in the set.
func (r ranges) covers(lo, hi uint64) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i].hi > lo })
	return lo >= hi || i < len(r) && r[i].lo <= lo && hi <= r[i].hi
}

// dropBelow takes every number below n out of the set.
func (r *ranges) dropBelow(n uint64) {
	s := *r
	i := sort.Search(len(s), func(i int) bool { return s[i].hi > n })
	s = slices.Delete(s, 0, i)
	if len(s) > 0 && s[0].lo < n {
		s[0].lo = n
	}
	*r = s
}
