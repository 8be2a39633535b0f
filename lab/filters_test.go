//go:build !nolab

package lab

import (
	"maps"
	"slices"
	"testing"

	"parley/lab/wire"
)

// TestFilters has tshark understand the filters of all lessons. The thorough one runs
// the lessons, and each filter has to find something in one of their captures.
func TestFilters(t *testing.T) {
	s := newShark(t)
	frames := beacons(t)
	some := s.capture(t, frames[0].From, frames)
	for _, l := range Lessons {
		if len(l.Filters) == 0 { // it is not about what is on a wire
			continue
		}
		filters := slices.Sorted(maps.Values(l.Filters))
		if !thorough {
			s.count(t, some, filters...)
			continue
		}
		found := make([]int, len(filters))
		captures := capturesOf(t, l)
		for _, c := range captures {
			for i, n := range s.count(t, s.file(t, c), filters...) {
				found[i] += n
			}
		}
		for i, n := range found {
			if n == 0 && len(captures) > 0 {
				t.Errorf("lesson %s: nothing is found by %s", l.Name, filters[i])
			}
		}
		t.Logf("FIGURE lesson %s: %d captures; %q find %v", l.Name, len(captures), filters, found)
	}
}

// capturesOf runs a lesson and returns what all hosts saw in all lanes; nothing
// where it is not on a LAN of the lab.
func capturesOf(t *testing.T, l Lesson) (captures [][]byte) {
	t.Helper()
	r, err := Do(wire.Test(t), l, Request{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, lane := range r.Lanes {
		if lane.LAN == nil {
			continue
		}
		before := len(r.Lines)
		if err := r.captures(lane.Name); err != nil {
			t.Fatal(err)
		}
		for _, line := range r.Lines[before:] {
			captures = append(captures, line.Data)
		}
	}
	return captures
}
