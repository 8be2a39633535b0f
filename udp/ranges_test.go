package udp

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzRanges compares with a map what a script of two bytes a step does: the
// first says where, and what; the second how far.
func FuzzRanges(f *testing.F) {
	f.Add([]byte{1, 2, 5, 2, 3, 2})
	f.Add([]byte{0, 0, 10, 200, 20, 1, 255, 3, 9, 9})
	f.Add([]byte{40, 1, 30, 1, 20, 1, 10, 1, 35, 1, 15, 1, 5, 60})
	f.Add(bytes.Repeat([]byte{7, 1, 9, 1, 8, 1, 200, 4}, 20))
	f.Fuzz(func(t *testing.T, script []byte) {
		var r ranges
		model := map[uint64]bool{}
		for ; len(script) >= 2; script = script[2:] {
			lo, length := uint64(script[0]), uint64(script[1]%64)
			switch script[1] / 64 {
			case 0:
				fresh := uint64(0)
				for n := lo; n < lo+length; n++ {
					if !model[n] {
						fresh++
					}
					model[n] = true
				}
				if got := r.add(lo, lo+length); got != fresh {
					t.Fatalf("add %d..%d gave %d new, not %d", lo, lo+length, got, fresh)
				}
			case 1:
				all := true
				for n := lo; n < lo+length; n++ {
					all = all && model[n]
				}
				if got := r.covers(lo, lo+length); got != all {
					t.Fatalf("%v covers %d..%d: %v", r, lo, lo+length, got)
				}
			case 2:
				for n := range model {
					if n < lo {
						delete(model, n)
					}
				}
				r.dropBelow(lo)
			}
			checkRanges(t, r, model)
		}
	})
}

func checkRanges(t *testing.T, r ranges, model map[uint64]bool) {
	t.Helper()
	n := 0
	for i, s := range r {
		if s.lo >= s.hi || i > 0 && s.lo <= r[i-1].hi {
			t.Fatalf("%v is not in order", r)
		}
		for k := s.lo; k < s.hi; k++ {
			if n++; !model[k] {
				t.Fatalf("%v holds %d", r, k)
			}
		}
	}
	if n != len(model) {
		t.Fatalf("%v holds %d numbers, not %d", r, n, len(model))
	}
}

func TestRangesExtremes(t *testing.T) {
	var r ranges
	top := ^uint64(0)
	if r.add(top-1, top) != 1 || r.add(0, 1) != 1 || r.add(5, 5) != 0 || r.add(9, 3) != 0 {
		t.Errorf("%v", r)
	}
	if !r.covers(top-1, top) || r.covers(0, top) || !r.covers(3, 3) {
		t.Errorf("%v", r)
	}
	if r.add(0, top) != top-2 || len(r) != 1 {
		t.Errorf("%v", r)
	}
}

// TestDeque compares with a slice.
func TestDeque(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var d deque[int]
	var model []int
	next := 0
	for step := range 50_000 {
		grow := 2 + 5*(step/5000%2) // now it grows, now it shrinks
		if random.IntN(10) < grow {
			d.push(next)
			model = append(model, next)
			next++
		} else if len(model) > 0 {
			if got := d.pop(); got != model[0] {
				t.Fatalf("step %d: popped %d, not %d", step, got, model[0])
			}
			model = model[1:]
		}
		if d.len() != len(model) {
			t.Fatalf("step %d: %d elements, not %d", step, d.len(), len(model))
		}
		if len(model) > 0 {
			if i := random.IntN(len(model)); *d.at(i) != model[i] {
				t.Fatalf("step %d: at %d is %d, not %d", step, i, *d.at(i), model[i])
			}
		}
	}
	for d.len() > 0 {
		d.pop()
	}
	if len(d.ring) > dequeKeeps {
		t.Errorf("empty, it keeps %d places", len(d.ring))
	}
}

// TestStore compares with a slice of bytes.
func TestStore(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 1))
	var s store
	var model []byte
	begin := uint64(0) // address of model[0]
	for step := range 20_000 {
		if grow := 40 + 30*(step/2000%2); random.IntN(100) < grow {
			b := make([]byte, 1+random.IntN(1<<random.IntN(13)))
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			if at := s.push(b); at != begin+uint64(len(model)) {
				t.Fatalf("step %d: pushed at %d", step, at)
			}
			model = append(model, b...)
		} else {
			n := random.IntN(1 + len(model))
			model, begin = slices.Clone(model[n:]), begin+uint64(n)
			s.drop(begin)
		}
		from := random.IntN(1 + len(model))
		got := make([]byte, random.IntN(1+len(model)-from))
		s.read(begin+uint64(from), got)
		if !bytes.Equal(got, model[from:from+len(got)]) || s.len() != len(model) {
			t.Fatalf("step %d: %d bytes at %d differ", step, len(got), from)
		}
	}
	s.drop(begin + uint64(len(model)))
	if s.blocks.len() > 0 {
		t.Errorf("empty, it keeps %d blocks", s.blocks.len())
	}
}
