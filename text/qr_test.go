package text

import (
	"strings"
	"testing"

	"rsc.io/qr"
)

// The rows are the modules of the code, with the margin around, whichever of
// dark and light is drawn.
func TestQR(t *testing.T) {
	link := "parley://192.168.100.200:7667/physics#" + strings.Repeat("Aa0_", 10) + "xyz"
	code, err := qr.Encode(link, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	for _, margin := range []int{0, 2, 4, 5} {
		for _, inverse := range []bool{false, true} {
			rows := QR(link, margin, inverse)
			side := code.Size + 2*margin
			if len(rows) != (side+1)/2 {
				t.Fatalf("margin %d: %d rows for %d modules", margin, len(rows), side)
			}
			for y := range side {
				row := []rune(rows[y/2])
				if len(row) != side || Width(rows[y/2]) != side {
					t.Fatalf("margin %d: row %d is %d wide, want %d", margin, y/2, len(row), side)
				}
				for x := range side {
					half := map[rune][2]bool{' ': {}, '▀': {true, false}, '▄': {false, true}, '█': {true, true}}[row[x]]
					inside := x >= margin && y >= margin && x < side-margin && y < side-margin
					dark := inside && code.Black(x-margin, y-margin)
					if half[y%2] != (dark != inverse) {
						t.Fatalf("margin %d, inverse %v: module %d,%d is drawn wrong", margin, inverse, x, y)
					}
				}
			}
		}
	}
	if rows := QR(strings.Repeat("x", 5000), 4, false); rows != nil {
		t.Errorf("what no code can hold is drawn in %d rows", len(rows))
	}
}
