package text

import (
	"strings"

	"rsc.io/qr"
)

// QR draws s as a QR code: rows of half blocks, each two modules high, with a
// margin of so many light modules around. The dark modules are drawn in the
// foreground, as on paper; inverse draws the light ones, for terminals whose
// writing is lighter than what it stands on. All rows are equally wide, one
// cell a module. What no QR code can hold gives nothing.
func QR(s string, margin int, inverse bool) []string {
	code, err := qr.Encode(s, qr.L) // a screen loses nothing that redundancy would bring back
	if err != nil {
		return nil
	}
	drawn := func(x, y int) int {
		if (x >= 0 && y >= 0 && code.Black(x, y)) != inverse { // beyond its size all is light
			return 1
		}
		return 0
	}
	var rows []string
	for y := -margin; y < code.Size+margin; y += 2 {
		var row strings.Builder
		for x := -margin; x < code.Size+margin; x++ {
			row.WriteString(blocks[drawn(x, y)][drawn(x, y+1)])
		}
		rows = append(rows, row.String())
	}
	return rows
}

// blocks are the cells by whether their upper and lower half are drawn.
var blocks = [2][2]string{{" ", "▄"}, {"▀", "█"}}
