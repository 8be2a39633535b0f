//go:build !nolab

package view

import (
	"fmt"
	"parley/lab"
	"strings"
	"time"
)

// maxLong is how many messages have their waiting time drawn.
const maxLong = 12

// longWaits draws how long the messages around those that were late or lost
// took, lane beside lane.
func (p *page) longWaits(s *story) {
	all := s.hearings()
	fits := max(1, (p.width()-8)/26)
	all = all[:min(len(all), fits)]
	if len(all) == 0 {
		return
	}
	of := make([]map[int]lab.Line, len(all))
	wanted := map[int]bool{}
	var longest time.Duration
	for i, h := range all {
		of[i] = map[int]lab.Line{}
		for _, m := range h.msgs {
			if of[i][m.Msgs[0]] = m; m.Late || m.Lost {
				for d := -1; d <= 1; d++ {
					wanted[m.Msgs[0]+d] = true
				}
			}
			if !m.Lost {
				longest = max(longest, wait(m))
			}
		}
	}
	w := min((p.width()-8)/len(all), 48)
	bar := w - 20
	row := []span{{" msg    ", faint}}
	for _, h := range all {
		row = append(row, span{p.pad(h.name, w), h.lane.style()})
	}
	drawn := 0
	for _, n := range sorted(wanted) {
		cells := []span{{p.padLeft(fmt.Sprint(n), 5) + "   ", faint}}
		any := false
		for i := range all {
			m, ok := of[i][n]
			any = any || ok
			cells = append(cells, p.waitBar(m, ok, longest, bar, w)...)
		}
		if !any {
			continue
		}
		if drawn++; drawn == 1 {
			if row = append(row, span{" waiting time", faint}); widthOf(row) > p.width() {
				row = row[:len(row)-1]
			}
			p.add(row...)
		}
		if drawn > maxLong {
			p.add(span{"        ... and others; the table has all of them", faint})
			return
		}
		p.add(cells...)
	}
}

// waitBar is how long a message took, as a bar and in words.
func (p *page) waitBar(m lab.Line, ok bool, longest time.Duration, bar, w int) []span {
	switch {
	case !ok:
		return []span{say(strings.Repeat(" ", w))}
	case m.Lost:
		return []span{{p.pad("x never came", w), lostStyle}}
	}
	n := max(1, int(float64(wait(m))/float64(max(1, longest))*float64(bar)))
	words := " " + short(wait(m))
	if m.Innocent {
		words += " innocent"
	} else if m.Late {
		words += " late"
	}
	s := strings.Repeat(p.glyph("█", "#"), n)
	return []span{{s, waitStyle(m)}, say(p.pad(words, w-n))}
}
