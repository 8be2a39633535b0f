//go:build !nolab

package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/lab"
	"parley/text"
)

// Table is the view of what was claimed, what was measured, and what proves it.
func Table(lesson lab.Lesson, lines []lab.Line, o Options) []Row {
	s, p := tell(lesson, lines, o), &page{Options: o}
	p.head(s, true)
	p.ownTables(s)
	p.waits(s)
	p.wire(s)
	for i, n := range s.notes {
		if i == 0 {
			p.space()
		}
		p.paragraph("Note", n, plain)
	}
	p.proof(s, true)
	return p.rows
}

// ownTables draws the lesson's own.
func (p *page) ownTables(s *story) {
	for _, t := range s.tables {
		p.space()
		g := &grid{heads: t.cols, indent: 1}
		for _, cells := range t.cells {
			g.add(cells...)
		}
		p.draw(g)
	}
}

// head says what the run is, and what it claims if all is wanted.
func (p *page) head(s *story, all bool) {
	name := cmp.Or(s.lesson.Name, s.run.Lesson, "a run")
	left := []span{{" LESSON ", faint}, {fmt.Sprintf("%d ", s.lesson.Number), strong}, {" " + name, strong}}
	if s.lesson.Number == 0 {
		left = []span{{" RUN  ", faint}, {name, strong}}
	}
	seed := []span{{fmt.Sprintf("seed %d", s.run.Seed), faint}}
	if p.width() < narrow {
		p.add(left...)
	} else {
		p.ends(left, seed)
	}
	if claim, err := s.lesson.ClaimWith(s.known()); err == nil && claim != "" {
		p.paragraph("Claim", claim, strong)
	}
	if !all {
		if asked := s.asked(); asked != "" {
			p.paragraph("With", asked, plain)
		}
		return
	}
	if setup := s.fill(s.lesson.Setup); setup != "" {
		p.paragraph("Set-up", setup, plain)
	}
	if asked := s.asked(); asked != "" {
		p.paragraph("With", asked, faint)
	}
}

// known are the settings that the lesson has.
func (s *story) known() lab.Settings {
	given := s.settings()
	for name := range given {
		if !slices.Contains(s.lesson.Uses, name) {
			delete(given, name)
		}
	}
	return given
}

// fill puts the values of settings into a text.
func (s *story) fill(t string) string {
	l := s.lesson
	l.Claim = t
	filled, err := l.ClaimWith(s.known())
	if err != nil {
		return t
	}
	return filled
}

// proof ends a view: the checks, the verdict, and what follows from it.
func (p *page) proof(s *story, all bool) {
	p.space()
	if all {
		p.checks(s)
	}
	st := map[string]style{"PASS": goodStyle, "FAIL": badStyle}[s.end.Verdict]
	held := 0
	for _, c := range s.checks {
		if c.OK {
			held++
		}
	}
	what := fmt.Sprintf("  %d of %s", held, count(len(s.checks), "check")) + map[bool]string{true: " holds", false: " hold"}[len(s.checks) == 1]
	switch {
	case !s.ended:
		p.add(span{" CUT OFF", badStyle}, say("  these lines have no end: the run was not over, or its file is not whole"))
	case s.end.Verdict == "INFO":
		p.ends([]span{{" INFO", strong}, say("  other settings than those of the proof: it cannot fail")}, p.run(s))
	default:
		p.ends([]span{{" " + cmp.Or(s.end.Verdict, "?"), st}, say(what)}, p.run(s))
	}
	if !all {
		return
	}
	if s.lesson.So != "" {
		p.paragraph("So", s.lesson.So, plain)
	}
	p.filters(s.lesson)
	if next := next[s.lesson.Name]; next != "" {
		p.paragraph("Next", "parley lab "+next, plain)
	}
}

// next is what to try after a lesson.
var next = map[string]string{
	"boundaries":  "run boundaries --reader eager",
	"framing":     "run framing -o sequence",
	"handshake":   "run handshake -o sequence",
	"refused":     "run refused -o timeline",
	"loss":        "run loss -o members --width 120",
	"holblocking": "run holblocking -o timeline --every 5ms",
	"realtime":    "sweep realtime --loss 0%..5%/1%",
	"broadcast":   "run broadcast --hosts 4 -o sequence",
	"junction":    "run junction -o sequence",
	"slowreader":  "run slowreader -o sequence",
	"oversize":    "sweep oversize --size 1000..9000/1000",
	"fairness":    "run fairness --rate 10mbit",
	"checksum":    "run checksum --corrupt 5% -o sequence",
	"goodbye":     "run goodbye -o sequence",
	"vanish":      "run vanish -o timeline",
	"nat":         "run nat -o sequence",
	"raw":         "run raw -o sequence",
}

// filters are what finds it in Wireshark.
func (p *page) filters(l lab.Lesson) {
	word := "Wireshark"
	for _, what := range slices.Sorted(maps.Keys(l.Filters)) {
		p.paragraph(word, l.Filters[what]+"   "+what, plain)
		word = " "
	}
}

// run is the fingerprint.
func (p *page) run(s *story) []span {
	if s.end.Fingerprint == "" {
		return []span{{"measured here, will differ", faint}}
	}
	return []span{{"run ", faint}, {s.end.Fingerprint, strong}}
}

// checks lists the numbers of the proof, in two columns where there is room.
func (p *page) checks(s *story) {
	if len(s.checks) == 0 {
		return
	}
	name, got, want := 0, 0, 0
	for _, c := range s.checks {
		name, got, want = max(name, text.Width(c.Name)), max(got, len(grouped(c.Got))), max(want, text.Width(c.Want))
	}
	free, word := s.end.Verdict == "INFO", "  want "
	if free {
		word = "  in the proof "
	}
	one := func(c lab.Line) []span {
		mark, st, why := p.glyph("✓", "ok"), goodStyle, ""
		switch {
		case !c.OK && free:
			mark, st = p.glyph("≠", "/="), lateStyle
		case free:
			mark, st = p.glyph("=", "= "), plain
		case !c.OK:
			mark, st, why = p.glyph("✗", "NO"), badStyle, "  does not hold"
		}
		return []span{say(" "), {mark, st}, say(" " + p.pad(c.Name, name) + "  " + p.padLeft(grouped(c.Got), got)), {word + p.pad(c.Want, want), faint}, {why, badStyle}}
	}
	wide := widthOf(one(lab.Line{OK: true}))
	if 2*wide+3 > p.width() || slices.ContainsFunc(s.checks, func(c lab.Line) bool { return !c.OK }) {
		for _, c := range s.checks {
			p.add(one(c)...)
		}
		return
	}
	half := (len(s.checks) + 1) / 2
	for i := range half {
		row := one(s.checks[i])
		if j := i + half; j < len(s.checks) {
			row = append(append(row, say("  ")), one(s.checks[j])...)
		}
		p.add(row...)
	}
}

// wire sums up what was on the cables.
func (p *page) wire(s *story) {
	all := &grid{heads: []string{"wire", "frames", "bytes", "lost", "damaged", "doubled", "sent again", "last at"}}
	told := 0
	for _, n := range s.lanes {
		if len(n.frames) == 0 && len(s.lanes) > 1 && len(n.msgs) > 0 {
			continue
		}
		t := n.totals()
		told += t.frames
		all.add(n.name, grouped(int64(t.frames)), grouped(t.bytes), zero(t.lost), zero(t.damaged), zero(t.doubled), zero(t.again), t.last)
	}
	if len(all.rows) > 0 {
		p.space()
		p.draw(all.without("."))
	}
	if told < s.end.Frames && s.lanes != nil && p.Lane == "" {
		p.paragraph("", fmt.Sprintf("Of the %s frames of this run %s are counted here: of long lanes the first ones, and later what was lost or stood out.", grouped(int64(s.end.Frames)), grouped(int64(told))), faint)
	}
}

// zero is a number, or a dot for none, so that the others stand out.
func zero(n int) string {
	if n == 0 {
		return "."
	}
	return grouped(int64(n))
}

// totals are sums of a lane.
type totals struct {
	frames, lost, damaged, doubled, again int
	bytes                                 int64
	last                                  string
}

func (n *lane) totals() (t totals) {
	var last time.Duration
	for _, f := range n.frames {
		t.frames++
		t.bytes += int64(max(0, min(f.N, 1<<30)))
		if f.Resent {
			t.again++
		}
		to := map[string]int{}
		for _, l := range f.fates {
			switch l.Fate {
			case "drop":
				t.lost++
			case "corrupt":
				t.damaged++
			}
			if to[l.To]++; to[l.To] > 1 {
				t.doubled++
			}
			last = max(last, l.At)
		}
		last = max(last, f.T)
	}
	t.last = "-"
	if t.frames > 0 {
		t.last = strings.TrimSpace(short(last))
	}
	return t
}
