//go:build !nolab

package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/lab/wire"
)

// defaultSeed is the seed of the numbers in the lessons' texts.
const defaultSeed = 7

// A Lesson is one claim, a question about it, and what proves it.
type Lesson struct {
	Number   int
	Name     string
	Topic    string // what the course calls it
	Claim    string // a sentence; {loss} stands for the value of a setting
	Setup    string
	Question Question
	So       string            // what it means for this program
	Filters  map[string]string // what Wireshark's filters find, by what they show
	Defaults Settings
	Uses     []string // the settings that mean something, besides the seed
	Free     []string // those that may be changed without touching the proof
	Real     bool     // honest on this machine's own sockets, too
	run      func(r *Run)
}

// A Question is asked before the answer is shown.
type Question struct {
	Text    string
	Answers []string // two to four
	Right   int      // which, from 0
	Why     string
}

// Lessons are all there are, in the order of the plan.
var Lessons = []Lesson{
	boundaries,
	framing,
	handshake,
	refused,
	loss,
	holblocking,
	realtime,
	broadcast,
	junction,
	slowreader,
	oversize,
	fairness,
	checksum,
	goodbye,
	vanish,
	threads,
	natLesson,
	rawsocket,
}

// Find returns the lesson of a name or number. If there is none, it returns the
// name that is nearest.
func Find(name string) (lesson Lesson, near string, ok bool) {
	least := 0
	for _, l := range Lessons {
		if l.Name == strings.ToLower(name) || fmt.Sprint(l.Number) == name {
			return l, "", true
		}
		if d := distance(strings.ToLower(name), l.Name); near == "" || d < least {
			near, least = l.Name, d
		}
	}
	if strings.TrimSpace(name) == "" || least > len(near)/2+1 {
		near = ""
	}
	return Lesson{}, near, false
}

// distance is how many letters to add, remove or change (Levenshtein); a name
// that begins like the other is near.
func distance(a, b string) int {
	if a != "" && strings.HasPrefix(b, a) {
		return 0
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}

// ClaimWith is the claim with the values of the settings, which are its own
// without others.
func (l Lesson) ClaimWith(given Settings) (string, error) {
	v, err := l.read(given)
	if err != nil {
		return "", err
	}
	claim := l.Claim
	for _, s := range AllSettings {
		claim = strings.ReplaceAll(claim, "{"+s.Name+"}", s.format(v))
	}
	return claim, nil
}

// A Run is a lesson being run, and what came of it.
type Run struct {
	Lesson Lesson
	*Values
	Lanes  []*Lane
	Lines  []Line
	Checks []Check

	given   Settings
	real    bool
	bubble  wire.Bubble
	bytes   bool
	quiet   bool
	sparse  bool // of the frames after the first ones, few are told
	verdict string
	notes   []string         // what else decides the fingerprint
	sink    func(Line) error // where lines go at once; nil: to Lines
}

// A Check is a number that proves a part of a claim, and what it has to be.
type Check struct {
	Name        string
	Got         int64
	Least, Most int64
	Rough       bool // it is this machine's, and no part of the fingerprint
}

// OK tells whether the check holds.
func (c Check) OK() bool { return c.Got >= c.Least && c.Got <= c.Most }

// Want says what the number has to be.
func (c Check) Want() string {
	switch {
	case c.Least == c.Most:
		return fmt.Sprint(c.Least)
	case c.Most == unlimited:
		return fmt.Sprint(">=", c.Least)
	case c.Least == -unlimited:
		return fmt.Sprint("<=", c.Most)
	}
	return fmt.Sprint(c.Least, "..", c.Most)
}

const unlimited = 1 << 62

// Do runs a lesson. In the program the bubble is that of wire.Enter. The error
// is a *SettingError.
func Do(bubble wire.Bubble, lesson Lesson, q Request) (*Run, error) {
	v, err := lesson.read(q.Settings)
	if err != nil {
		return nil, err
	}
	if q.Real && !lesson.Real {
		return nil, &SettingError{"real", "", "this machine's own wires cannot be made to lose a TCP segment, or not for everybody in the same way; lesson " + lesson.Name + " runs on the virtual LAN"}
	}
	r := &Run{Lesson: lesson, Values: v, given: q.Settings, bubble: bubble, bytes: q.Bytes, quiet: q.Quiet, real: q.Real}
	r.line(Line{K: "run", V: Schema, Lesson: lesson.Name, Seed: v.Seed, Engine: wire.Engine, Settings: lesson.canonical(v)})
	if !r.real {
		defer wire.Steady(v.Seed)()
	}
	lesson.run(r)
	return r, r.finish(q)
}

// finish says what came of it.
func (r *Run) finish(q Request) error {
	if err := r.unmatched(); err != nil {
		return err
	}
	r.verdict = "PASS"
	for _, c := range r.Checks {
		if !c.OK() {
			r.verdict = "FAIL"
		}
		r.line(Line{K: "check", Name: c.Name, Got: c.Got, Want: c.Want(), OK: c.OK()})
	}
	if !r.Lesson.asDefined(r.Values) || len(r.Checks) == 0 {
		r.verdict = "INFO"
	}
	for _, name := range q.Captures {
		if err := r.captures(name); err != nil {
			return err
		}
	}
	frames := 0
	for _, l := range r.Lanes {
		frames += l.frames()
	}
	end := Line{K: "end", OK: r.OK(), Verdict: r.verdict, Fingerprint: r.Fingerprint(), Frames: frames}
	r.line(end)
	return nil
}

// unmatched finds rules that dropped nothing on any lane.
func (r *Run) unmatched() error {
	if len(r.Drops) == 0 || len(r.Lanes) == 0 {
		return nil
	}
	for _, rule := range r.Drops {
		idle := true
		for _, l := range r.Lanes {
			idle = idle && slices.Contains(l.unmatched, rule.String())
		}
		if idle {
			return &SettingError{"drop", rule.String(), "nothing matched: no such frame was sent in any lane; lab run " + r.Lesson.Name + " -o sequence shows the frames"}
		}
	}
	return nil
}

// OK tells whether nothing speaks against the proof: what was asked differently
// cannot fail.
func (r *Run) OK() bool { return r.verdict != "FAIL" }

// line notes what happened.
func (r *Run) line(l Line) {
	if r.quiet {
		switch l.K {
		case "run", "table", "row", "note", "check", "file", "end":
		default:
			return
		}
	}
	if r.sink != nil {
		r.sink(l)
		return
	}
	r.Lines = append(r.Lines, l)
}

// check notes what a number was and what it has to be.
func (r *Run) check(name string, got, want int64) { r.between(name, got, want, want) }

// between notes a number that has to be in a range.
func (r *Run) between(name string, got, least, most int64) {
	r.Checks = append(r.Checks, Check{Name: name, Got: got, Least: least, Most: most})
}

// rough notes a number of this machine that has to be in a range.
func (r *Run) rough(name string, got, least, most int64) {
	r.Checks = append(r.Checks, Check{name, got, least, most, true})
}

// atLeast notes a number that has to be that large.
func (r *Run) atLeast(name string, got, least int64) { r.between(name, got, least, unlimited) }

// atMost notes a number that has to be that small.
func (r *Run) atMost(name string, got, most int64) { r.between(name, got, -unlimited, most) }

// seeded notes a number that luck decides: that of the seed of the lesson's text
// is known, those of others are in a range.
func (r *Run) seeded(name string, got, known, least, most int64) {
	if r.untouched(false) {
		least, most = known, known
	}
	r.between(name, got, least, most)
}

// untouched tells whether no setting has been changed, not even one that is
// free, but for the seed if any will do and the transport, which leaves lanes out.
func (r *Run) untouched(anySeed bool) bool {
	d, err := r.Lesson.read(nil)
	if err != nil || r.real || r.Seed != defaultSeed && !anySeed {
		return false
	}
	d.Transport = r.Transport
	return r.Lesson.canonical(r.Values) == r.Lesson.canonical(d)
}

// table begins a table of the lesson's own.
func (r *Run) table(name string, cols ...string) { r.line(Line{K: "table", Name: name, Cols: cols}) }

// row adds a row to it.
func (r *Run) row(name string, cells ...any) {
	l := Line{K: "row", Name: name}
	for _, c := range cells {
		if d, ok := c.(time.Duration); ok { // programs act at instants that are odd by some microseconds
			c = d.Round(100 * time.Microsecond)
		}
		l.Cells = append(l.Cells, fmt.Sprint(c))
	}
	r.line(l)
}

// note adds an aside.
func (r *Run) note(format string, args ...any) {
	r.line(Line{K: "note", Text: fmt.Sprintf(format, args...)})
}

// Fingerprint is the same whenever the lesson is run with the same settings.
func (r *Run) Fingerprint() string {
	if r.real {
		return ""
	}
	all := wire.NewRecorder(fmt.Sprint(r.Lesson.Name, " ", r.Lesson.canonical(r.Values), " ", r.Seed))
	for _, l := range r.Lanes {
		all.Note(l.fingerprint())
	}
	for _, n := range r.notes {
		all.Note(n)
	}
	for _, c := range r.Checks {
		if !c.Rough {
			all.Note(fmt.Sprint(c))
		}
	}
	f := all.Fingerprint()
	return f[:4] + "-" + f[4:8] + "-" + f[8:]
}

// Proof says in one line what came of it.
func (r *Run) Proof() string {
	var b strings.Builder
	b.WriteString(r.verdict)
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "  %s %d (want %s)", c.Name, c.Got, c.Want())
	}
	return b.String() + "   run " + cmp.Or(r.Fingerprint(), "on this machine")
}
