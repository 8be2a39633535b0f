//go:build !nolab

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/lab"
	"parley/text"
)

// Members is the view of what each person saw, side by side.
func Members(lesson lab.Lesson, lines []lab.Line, o Options) []Row {
	s, p := tell(lesson, lines, o), &page{Options: o}
	p.head(s, false)
	screens := s.screens(o)
	p.space()
	if len(screens) == 0 {
		p.add(say(" In this lesson nobody looks at messages; the table and the sequence say more."))
	} else {
		p.add(span{" (d) shown before   (!) out of order   (!80) late: it took 80 ms   (never came)", faint})
	}
	fits := max(1, (p.width()-1)/leastScreen)
	for len(screens) > 0 {
		part := screens[:min(fits, len(screens))]
		screens = screens[len(part):]
		p.side(part)
	}
	p.proof(s, false)
	return p.rows
}

const (
	leastScreen = 26 // columns of a screen
	mostScreen  = 44
	maxShown    = 40  // lines of a screen, unless all is wanted
	maxScreens  = 200 // that are shown at all
)

// A screen is what one person saw.
type screen struct {
	name  string
	lane  *lane
	rows  []shown
	sum   [2]string // below it
	spare int       // rows that are not shown
}

// shown is a row of a screen.
type shown struct {
	text, mark string
	style      style
}

// screens are those of all people who saw something.
func (s *story) screens(o Options) (all []*screen) {
	for _, n := range s.lanes {
		by := map[string][]numbered{}
		var hosts []string
		for _, l := range n.shows {
			if o.within(l.T) {
				if by[l.Host] == nil {
					hosts = append(hosts, l.Host)
				}
				by[l.Host] = append(by[l.Host], l)
			}
		}
		for _, m := range n.msgs { // those who saw nothing
			if len(hosts) < maxScreens && by[m.Host] == nil && len(n.shows) > 0 && !slices.Contains(hosts, m.Host) {
				hosts = append(hosts, m.Host)
			}
		}
		for _, h := range hosts {
			if len(all) == maxScreens {
				return all
			}
			all = append(all, n.screen(h, by[h], o))
		}
	}
	return all
}

// screen is what one person saw.
func (n *lane) screen(host string, shows []numbered, o Options) *screen {
	sc := &screen{name: n.name + "  " + host, lane: n}
	fates := map[int]lab.Line{}
	var lost []int
	for _, m := range n.msgs {
		if m.Host == host {
			if fates[m.Msgs[0]] = m; m.Lost {
				lost = append(lost, m.Msgs[0])
			}
		}
	}
	slices.Sort(lost)
	missing := len(lost)
	seen := map[int]bool{}
	unique, twice, order, most := 0, 0, 0, 0
	for i, l := range shows {
		msg := l.Msgs[0]
		for len(lost) > 0 && lost[0] < msg && !seen[lost[0]] {
			sc.rows = append(sc.rows, shown{fmt.Sprintf("     (%d never came)", lost[0]), "", lostStyle})
			lost = lost[1:]
		}
		row := shown{text: fmt.Sprintf("%4d %s", msg, saying(l.Line))}
		switch m := fates[msg]; {
		case seen[msg]:
			row.mark, row.style = "(d)", againStyle
			twice++
		case m.Late:
			row.mark, row.style = fmt.Sprintf("(!%s)", unit{"", time.Millisecond}.say(wait(m).Round(100*time.Microsecond))), lateStyle
		case msg < most:
			row.mark, row.style = "(!)", lateStyle
		}
		if !seen[msg] {
			if unique++; i > 0 && msg < most {
				order++
			}
		}
		seen[msg], most = true, max(most, msg)
		sc.rows = append(sc.rows, row)
	}
	for _, m := range lost {
		sc.rows = append(sc.rows, shown{fmt.Sprintf("     (%d never came)", m), "", lostStyle})
	}
	sc.sum[0] = fmt.Sprintf("shown %d, unique %d", len(shows), unique)
	sc.sum[1] = fmt.Sprintf("missing %d  twice %d  order %d", missing, twice, order)
	if !o.Whole && len(sc.rows) > maxShown {
		sc.spare = len(sc.rows) - maxShown
		sc.rows = sc.rows[:maxShown]
	}
	return sc
}

// saying is what a message says, as far as that is told.
func saying(l lab.Line) string {
	if l.Text != "" {
		return l.Text
	}
	return "message " + fmt.Sprint(l.Msgs[0])
}

// side draws screens side by side.
func (p *page) side(all []*screen) {
	p.rule()
	w := min((p.width()-1)/len(all), mostScreen) - 3
	tall := 0
	for _, s := range all {
		tall = max(tall, len(s.rows))
	}
	row := func(cell func(s *screen) []span) {
		spans := []span{}
		for i, s := range all {
			if i > 0 {
				spans = append(spans, span{p.stroke(), faint})
			}
			c := cell(s)
			spans = append(append(append(spans, say(" ")), c...), say(strings.Repeat(" ", max(0, w-widthOf(c))+1)))
		}
		p.add(spans...)
	}
	row(func(s *screen) []span { return []span{{p.cut(s.name, w), s.lane.style()}} })
	for i := range tall {
		row(func(s *screen) []span {
			if i >= len(s.rows) {
				return nil
			}
			r := s.rows[i]
			return []span{{p.pad(r.text, w-text.Width(r.mark)), r.style}, {r.mark, r.style}}
		})
	}
	if slices.ContainsFunc(all, func(s *screen) bool { return s.spare > 0 }) {
		row(func(s *screen) []span {
			if s.spare == 0 {
				return nil
			}
			return []span{{fmt.Sprintf("     ... %d more (--whole)", s.spare), faint}}
		})
	}
	p.rule()
	for i := range 2 {
		row(func(s *screen) []span { return []span{say(p.cut(s.sum[i], w))} })
	}
}
