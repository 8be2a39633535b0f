//go:build !nolab

package view

import (
	"fmt"
	"slices"
	"strings"

	"parley/lab"
	"parley/text"
)

// List is the lessons with their claims.
func List(lessons []lab.Lesson, o Options) []Row {
	p := &page{Options: o}
	p.lessons(lessons)
	return p.rows
}

// lessons lists lessons.
func (p *page) lessons(lessons []lab.Lesson) {
	wide := 0
	for _, l := range lessons {
		wide = max(wide, text.Width(l.Name))
	}
	for _, l := range lessons {
		claim, err := l.ClaimWith(nil)
		if err != nil {
			claim = l.Claim
		}
		head := []span{{fmt.Sprintf(" %2d ", l.Number), faint}, {p.pad(l.Name, wide) + "  ", strong}}
		indent := widthOf(head)
		if p.width() < narrow {
			p.add(head...)
			p.paragraph("", claim, plain)
			continue
		}
		for _, row := range text.Wrap(claim, p.width()-indent-1, p.width()-indent-1) {
			p.add(append(head, say(row))...)
			head = []span{say(strings.Repeat(" ", indent))}
		}
	}
}

// Menu is what there is, and what to type first.
func Menu(lessons []lab.Lesson, o Options) []Row {
	p := &page{Options: o}
	p.add(span{" The lab", strong}, say(": see, predict and measure how TCP and UDP behave."))
	p.paragraph("", "Machines with real network stacks, on a cable that loses what you tell it to. All of it is inside this program: no network, no privileges, and the same result for everybody.", plain)
	p.space()
	p.topics(lessons)
	p.space()
	p.commands([][2]string{
		{"parley lab list", "the lessons with their claims"},
		{"parley lab run holblocking", "see it: claim, numbers, proof"},
		{"parley lab run handshake -o sequence", "each frame, and the call that caused it"},
		{"parley lab quiz", "predict first, with a score at the end"},
		{"parley lab serve", "all of it on a page, for the projector"},
		{"parley lab show plan", "50 minutes with a class"},
		{"parley lab verify", "before class: prove all of it again"},
		{"parley lab --help", "everything else"},
	})
	return p.rows
}

// topics lists lessons with what they are about, in two columns where there is
// room.
func (p *page) topics(lessons []lab.Lesson) {
	wide := 0
	for _, l := range lessons {
		wide = max(wide, text.Width(l.Name))
	}
	columns := 2
	if p.width() < narrow {
		columns = 1
	}
	rows := (len(lessons) + columns - 1) / columns
	each := (p.width() - 1) / columns
	for i := range rows {
		var row []span
		for c := range columns {
			if k := i + c*rows; k < len(lessons) {
				l := lessons[k]
				row = append(row, span{fmt.Sprintf(" %2d ", l.Number), faint}, span{p.pad(l.Name, wide), strong}, say("  "+p.pad(l.Topic, each-wide-7)+" "))
			}
		}
		p.add(row...)
	}
}

// commands lists what can be typed.
func (p *page) commands(list [][2]string) {
	wide := 0
	for _, c := range list {
		wide = max(wide, text.Width(c[0]))
	}
	for _, c := range list {
		if p.width() < narrow {
			p.add(say(" "), span{c[0], strong})
			p.paragraph("", "  "+c[1], plain)
			continue
		}
		p.add(say(" "), span{p.pad(c[0], wide), strong}, say("   "+c[1]))
	}
}

// Card is one lesson, not run.
func Card(l lab.Lesson, o Options) []Row {
	s, p := &story{lesson: l}, &page{Options: o}
	p.add(span{" LESSON ", faint}, span{fmt.Sprintf("%d  %s", l.Number, l.Name), strong})
	p.paragraph("Topic", l.Topic, plain)
	p.paragraph("Claim", s.fill(l.Claim), strong)
	p.paragraph("Set-up", s.fill(l.Setup), plain)
	p.space()
	p.question(l)
	p.space()
	if l.So != "" {
		p.paragraph("So", l.So, plain)
	}
	p.filters(l)
	var set, free []string
	for _, name := range l.Uses {
		word := "--" + name
		if v, ok := l.Defaults[name]; ok {
			word += "=" + v
		}
		if set = append(set, word); slices.Contains(l.Free, name) {
			free = append(free, "--"+name)
		}
	}
	p.paragraph("Settings", strings.Join(append(set, "--seed=7"), "  "), plain)
	if len(free) > 0 {
		p.paragraph("", "Of these, "+strings.Join(free, ", ")+" may be changed without touching the proof; others make of it an exploration.", faint)
	}
	where := "on the virtual LAN only: a real wire cannot be told what to lose"
	if l.Real {
		where = "also on this computer's own sockets (--real)"
	}
	p.paragraph("Runs", where, plain)
	p.paragraph("Run it", "parley lab run "+l.Name, strong)
	return p.rows
}

// Question is a lesson's question, with its answers.
func Question(l lab.Lesson, o Options) []Row {
	p := &page{Options: o}
	p.add(span{" LESSON ", faint}, span{fmt.Sprintf("%d  %s", l.Number, l.Name), strong})
	p.paragraph("Set-up", (&story{lesson: l}).fill(l.Setup), plain)
	p.space()
	p.question(l)
	return p.rows
}

// shapes go with the answers, as on the page.
var shapes = [][2]string{{"■", "[square]"}, {"●", "[circle]"}, {"▲", "[triangle]"}, {"◆", "[diamond]"}}

// question adds the question.
func (p *page) question(l lab.Lesson) {
	s := &story{lesson: l}
	p.paragraph("Question", s.fill(l.Question.Text), strong)
	for i, a := range l.Question.Answers {
		head := []span{say("    "), {string(rune('a' + i)), strong}, say(" ")}
		if i < len(shapes) {
			head = append(head, span{p.glyph(shapes[i][0], p.pad(shapes[i][1], 10)) + "  ", []style{tcpStyle, udpStyle, againStyle, goodStyle}[i]})
		}
		indent := widthOf(head)
		for _, row := range text.Wrap(s.fill(a), p.width()-indent-1, p.width()-indent-1) {
			p.add(append(head, say(row))...)
			head = []span{say(strings.Repeat(" ", indent))}
		}
	}
}

// PlanSteps are 50 minutes with a class: which minutes, what, and how.
var PlanSteps = [][3]string{
	{"0-4", "start", "The page is up (parley lab serve --lan), the code on the wall. Everybody says hello, and sees their own frames cross the screen."},
	{"4-11", "boundaries", "A sends A, B, C. How many reads does B need? Vote, then reveal. Twist: the eager reader."},
	{"11-18", "handshake", "How many frames for one hello? The surprise: nobody accepts, and connect succeeds all the same."},
	{"18-23", "refused", "An error, or silence? Which of the four cases tells A something, and when?"},
	{"23-30", "loss", "Four receivers, four added lines of code: which line cures which disease?"},
	{"30-38", "holblocking", "One message is lost. The students choose the victim: --drop A>B:data#N."},
	{"38-43", "realtime", "A live chat at 2% loss, many seeds: what is late, what is missing?"},
	{"43-47", "broadcast", "One message to thirty people. Then the access point keeps its clients apart."},
	{"47-50", "exit ticket", "UDP or TCP for typing indicators, for messages, for files? Why? Quote two numbers of today."},
}

// Plan is 50 minutes with a class.
func Plan(o Options) []Row {
	p := &page{Options: o}
	p.add(span{" PLAN", faint}, span{"  50 minutes with a class", strong})
	p.paragraph("", "Before: parley lab verify proves everything once more; parley lab doctor --lan says whether the students reach you.", plain)
	p.space()
	for _, step := range PlanSteps {
		head := []span{{" " + p.padLeft(step[0], 5) + "  ", faint}, {p.pad(step[1], 12), strong}}
		indent := widthOf(head)
		if p.width() < narrow {
			p.add(head...)
			p.paragraph("", step[2], plain)
			continue
		}
		for _, row := range text.Wrap(step[2], p.width()-indent-1, p.width()-indent-1) {
			p.add(append(head, say(row))...)
			head = []span{say(strings.Repeat(" ", indent))}
		}
	}
	p.space()
	p.paragraph("", "Without a projector, or where nobody may listen on a port: parley lab quiz asks the same questions in a terminal.", plain)
	return p.rows
}

// Reveal is what a run says to a question that was answered; -1: nobody did.
func Reveal(lesson lab.Lesson, lines []lab.Line, chosen int, o Options) []Row {
	s, p := tell(lesson, lines, o), &page{Options: o}
	p.add()
	p.ownTables(s)
	p.space()
	q := lesson.Question
	letter := func(i int) string { return string(rune('a' + i)) }
	why := strings.TrimSuffix(s.fill(q.Why), ".") + "."
	switch {
	case chosen < 0:
		p.paragraph("Answer", letter(q.Right)+": "+why, strong)
	case chosen == q.Right:
		p.paragraph(p.glyph("✓", "ok")+" Right", letter(chosen)+" it is: "+why, goodStyle)
	default:
		p.paragraph(p.glyph("✗", "no")+" "+letter(chosen), "is not what happens. It is "+letter(q.Right)+": "+why, lateStyle)
	}
	p.proof(s, false)
	if lesson.So != "" {
		p.paragraph("So", lesson.So, plain)
	}
	return p.rows
}
