//go:build !nolab

package view

import (
	"strings"

	"parley/text"
)

// many prepares a diagram of several hosts.
func (d *diagram) many() {
	n := len(d.lane.hosts)
	step := min((d.width()-timeColumn-2)/n, 22)
	row := []span{{d.padLeft(d.unit.name, timeColumn) + " ", faint}}
	for i := range n {
		d.at = append(d.at, timeColumn+1+i*step+step/2)
		name := d.cut(d.host(i), step-1)
		gap := (step - text.Width(name)) / 2
		row = append(row, span{strings.Repeat(" ", gap) + d.pad(name, step-gap), strong})
	}
	d.add(span{" " + d.lane.name, d.lane.style()})
	d.add(row...)
	d.draw = d.across
}

// across draws an event between some of many lifelines.
func (d *diagram) across(e *event) {
	c := newCanvas(d.width())
	c.put(0, d.padLeft(d.unit.say(e.at), timeColumn), faint)
	column := map[string]int{}
	for i, x := range d.at {
		column[d.lane.hosts[i]] = x
		c.put(x, d.stroke(), faint)
	}
	if e.frame == nil {
		if x, ok := column[e.host]; ok {
			c.put(max(timeColumn+1, min(x-text.Width(e.text)/2, d.width()-text.Width(e.text))), e.text, badIf(e.bad))
		}
		d.add(c.spans()...)
		return
	}
	from, ok := column[e.frame.From]
	to, ok2 := column[e.fate.To]
	st := e.frame.style()
	if !ok || !ok2 || from == to {
		d.add(append(c.spans(), say(""))...)
		return
	}
	line, tip, step := d.glyph("─", "-"), d.glyph("►", ">"), 1
	if to < from {
		tip, step = d.glyph("◄", "<"), -1
	}
	stop := to - step
	if e.fate.Fate == "drop" {
		stop, tip, st = (from+to)/2, d.glyph("✗", "x"), lostStyle
	}
	for x := from + step; x != stop; x += step {
		c.put(x, line, st)
	}
	c.put(stop, tip, st)
	word := d.cut(d.word(e), max(1, abs(to-from)-4))
	c.put(min(from, from+step*2)+min(0, step)*(text.Width(word)-1)+max(0, step*2-2)*0, word, st)
	d.add(c.spans()...)
}

func badIf(bad bool) style {
	if bad {
		return lostStyle
	}
	return plain
}

func abs(n int) int { return max(n, -n) }
