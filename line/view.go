package line

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"parley/room"
	"parley/text"
)

const (
	// Joins and leaves are held for crowdPause after the last, and for
	// crowdMost after the first: thirty who come within five seconds are one line.
	crowdPause = time.Second
	crowdMost  = 5 * time.Second
	// crowd is how many of them are told one by one.
	crowd = 3
	// narrowest is the width below which lines are left to the terminal.
	narrowest = 20
	// ringPause is the least between two rings of the bell: whoever wants to
	// be a nuisance has to do without it.
	ringPause = time.Second
	// progressPause is the least between two lines about how far files are.
	progressPause = 5 * time.Second
	// earlier is how long a replay may pause before it counts as over.
	earlier = 300 * time.Millisecond
)

// view turns events into lines for people. It is handed the time and starts
// nothing; when wake says so, it wants to be called.
type view struct {
	print func(talk bool, line string) // talk: about the connection, not from the room
	ring  func()                       // the bell; nil: none

	self     string         // our name
	zone     *time.Location // whose time is shown
	width    func() int     // to break lines at; nil: do not
	color    bool
	stamps   bool
	quiet    bool // no joins and leaves
	echoed   bool // what we said is on the screen before it comes back
	receipts bool // tell who received what we said
	recall   bool // what was typed can be called back
	bell     string

	day     string       // the last that was shown
	replay  bool         // what was said earlier is being shown
	last    time.Time    // when the last event came
	comings []room.Event // joins and leaves that are held
	since   time.Time    // when the first of them came
	rung    time.Time    // when the bell was rung last
	moved   time.Time    // when it was told last how far a file is
	out     string       // who was put out last: that he leaves needs no line
	upto    uint64       // what was said earlier goes up to this event; 0: it is shown
	notices []room.Event // held until then, so that they stand below it
}

// What rings the bell, as /bell takes it.
const (
	bellOff     = "off"
	bellDM      = "dm"
	bellMention = "mention"
	bellAll     = "all"
)

// wake returns when tick wants to be called; zero: not.
func (v *view) wake() time.Time {
	switch {
	case len(v.notices) > 0:
		return v.last.Add(earlier)
	case len(v.comings) > 0:
		at := v.last.Add(crowdPause)
		if most := v.since.Add(crowdMost); most.Before(at) {
			at = most
		}
		return at
	case v.replay:
		return v.last.Add(earlier)
	}
	return time.Time{}
}

// tick shows what has been held for long enough.
func (v *view) tick(now time.Time) {
	if at := v.wake(); !at.IsZero() && !now.Before(at) {
		v.caughtUp(now)
		v.settle()
		v.live()
	}
}

// show shows e, which came at now. A notice that comes before what was said
// earlier is shown below that, where it is seen.
func (v *view) show(e room.Event, now time.Time) {
	if v.upto > 0 && e.Type == room.Notice && e.Seq == 0 && len(v.notices) < held {
		v.notices = append(v.notices, e)
		v.last = now
		return
	}
	v.tell(e, now)
	if v.upto > 0 && e.Seq >= v.upto {
		v.caughtUp(now)
	}
}

// caughtUp shows the notices that were held, as what was said earlier has been
// shown.
func (v *view) caughtUp(now time.Time) {
	notices := v.notices
	v.upto, v.notices = 0, nil
	for _, e := range notices {
		v.tell(e, now)
	}
}

// tell shows e now.
func (v *view) tell(e room.Event, now time.Time) {
	if e.Type == room.Renamed && e.From == v.self && e.Own {
		v.self = e.Nick
	}
	if e.Moved() {
		return
	}
	if e.Type == room.Joined || e.Type == room.Left {
		v.coming(e, now)
		return
	}
	switch {
	case e.Type == room.Delivered && !v.receipts && e.State != "asked":
		return
	case e.Type == room.Transfer && e.State == room.FileProgress:
		if now.Sub(v.moved) >= progressPause {
			v.moved = now
			v.settle()
			v.lines(e, true, "* ", v.talk().Progress(e))
		}
		return
	case e.Type == room.Transfer && e.State == room.FileTaken:
		v.moved = now // what takes no longer than the pause needs no line
	case e.Type == room.Found:
		v.settle()
		v.found(e)
		return
	}
	if e.Type == room.Kick || e.Type == room.Ban {
		v.out = e.Nick
	}
	head, body, talk := v.words(e)
	if head == "" || e.Replay && asStarted(e) {
		return
	}
	v.settle()
	v.last = now
	v.date(e)
	if e.Replay && !v.replay {
		v.replay = true
		v.rule("said earlier")
	} else if !e.Replay {
		v.live()
	}
	v.lines(e, talk, head, body...)
	if v.ring != nil && !e.Replay && !e.Own && v.rings(e) && now.Sub(v.rung) >= ringPause {
		v.rung = now
		v.ring()
	}
}

// asStarted tells whether e is how the host was started: nobody did that, and
// what of it matters to who sits down is told to him.
func asStarted(e room.Event) bool {
	switch e.Type {
	case room.Topic, room.Slow, room.Filter, room.Approve:
		return e.By == "" && e.From == "" && e.Nick == ""
	}
	return false
}

// live ends what was said earlier.
func (v *view) live() {
	if v.replay {
		v.replay = false
		v.rule("now")
	}
}

// coming holds a join or leave.
func (v *view) coming(e room.Event, now time.Time) {
	told := e.Nick == v.out && (e.Reason == "kicked" || e.Reason == "banned")
	if v.quiet || e.Own || e.Replay || told {
		return
	}
	if len(v.comings) == 0 {
		v.since = now
	}
	v.comings = append(v.comings, e)
	v.last = now
	if len(v.comings) == held {
		v.settle()
	}
}

// settle shows the joins and leaves that were held: a few as they are, many
// as numbers.
func (v *view) settle() {
	held := v.comings
	v.comings = nil
	if len(held) == 0 {
		return
	}
	v.date(held[0])
	if len(held) <= crowd {
		for _, e := range held {
			v.lines(e, false, v.passage(e))
		}
		return
	}
	joined, left, lost := 0, 0, 0
	for _, e := range held {
		switch {
		case e.Type == room.Joined:
			joined++
		case e.Reason == "lost":
			lost++
		default:
			left++
		}
	}
	if joined > 0 {
		v.lines(held[0], false, fmt.Sprintf("--> %d joined", joined))
	}
	if left+lost > 0 {
		var parts []string
		if left > 0 {
			parts = append(parts, fmt.Sprintf("%d left", left))
		}
		if lost > 0 {
			parts = append(parts, fmt.Sprintf("%d lost connection", lost))
		}
		v.lines(held[0], false, "<-- "+strings.Join(parts, ", "))
	}
}

// date shows the day of e when it is another than the last one shown.
func (v *view) date(e room.Event) {
	if e.At.IsZero() {
		return
	}
	day := e.At.In(v.zone).Format(longDay)
	if v.day != day && (v.day != "" || e.Replay && day != v.last.In(v.zone).Format(longDay)) {
		v.rule(day)
	}
	v.day = day
}

// longDay is how days are written.
const longDay = "Monday, 2 January 2006"

// found shows what was looked up, with its days, so that it cannot be taken for
// what is said now.
func (v *view) found(e room.Event) {
	what := "said last"
	if e.Code == "search" {
		what = "said with " + strconv.Quote(text.Clean(e.Text))
	}
	if e.State == "copy" {
		v.say("", false, "* ", "the host is not connected: this is from your own copy")
	}
	if len(e.Events) == 0 {
		if e.Code == "search" {
			v.say("", false, "* ", "nothing was "+what)
		} else {
			v.say("", false, "* ", "nothing was said here yet")
		}
		return
	}
	day, stamps := v.day, v.stamps
	v.day, v.stamps = "", true
	v.rule(what)
	for _, one := range e.Events {
		if at := one.At.In(v.zone).Format(longDay); at != v.day {
			v.rule(at)
			v.day = at
		}
		if head, body := v.exported(one); head != "" {
			v.lines(one, false, head, body...)
		}
	}
	v.day, v.stamps = day, stamps
	switch {
	case e.Why == "more" && e.Code == "search":
		v.rule("there is more: /search alone shows what is older")
	case e.Why == "more":
		v.rule(fmt.Sprintf("there is more: /lastlog %d", 5*len(e.Events)))
	default:
		v.rule("that is all")
	}
}

// rule draws a line between what was and what comes.
func (v *view) rule(words string) {
	words = "--- " + words + " ---"
	if v.width != nil && text.Width(words) >= max(v.width(), narrowest) {
		v.say("", false, "", words)
		return
	}
	v.print(false, v.dim(words))
}

// lines prints head and, behind it, the lines of body, after e's time. All is clean.
func (v *view) lines(e room.Event, talk bool, head string, body ...string) {
	stamp := ""
	if v.stamps {
		at := e.At
		if at.IsZero() {
			at = v.last
		}
		stamp = at.In(v.zone).Format("15:04 ")
	}
	v.say(stamp, talk, head, body...)
}

// say prints like lines, with stamp for the time. Where rows are broken, each is
// narrower than the screen: in the last column some terminals break by themselves.
func (v *view) say(stamp string, talk bool, head string, body ...string) {
	indent := strings.Repeat(" ", len(stamp)) + "  | "
	first, rest := 0, 0 // cells; 0: as many as it takes
	if v.width != nil {
		width := max(v.width(), narrowest) - 1
		if first, rest = width-len(stamp)-text.Width(head), width-len(indent); first < 1 {
			// A head as long as that is rare, and does without its colours.
			head, first = ansi.Strip(head), width-len(stamp)
			if len(body) == 0 {
				body = []string{""}
			}
			body, head = slices.Concat([]string{head + body[0]}, body[1:]), ""
		}
	}
	lead := v.dim(stamp) + head
	if len(body) == 0 {
		v.print(talk, lead)
	}
	for i, part := range body {
		if i > 0 {
			first = rest
		}
		for _, row := range text.Wrap(part, first, rest) {
			v.print(talk, lead+row)
			lead = indent
		}
	}
}
