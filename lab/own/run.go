//go:build !nolab

package own

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/lab"
	"parley/lab/wire"
)

// The defaults of a request, and their bounds.
const (
	defaultFile     = "own.star"
	defaultSeed     = 7
	defaultSeeds    = 5
	maxSeeds        = 20
	defaultMessages = 100
	maxMessages     = 1000
	defaultEvery    = 20 * time.Millisecond // of each person: fast, so that a transport that waits falls behind
	maxEvery        = 10 * time.Second
)

// job is a Request that was understood.
type job struct {
	file        string
	wires       []Wire
	seed        uint64
	seeds       int
	talk        talk
	rivals      bool
	description string
}

// understand reads a Request's settings: see Do.
func understand(given lab.Settings) (j job, err error) {
	j = job{file: defaultFile, wires: wires, seed: defaultSeed, seeds: defaultSeeds, rivals: true}
	messages, every := defaultMessages, defaultEvery
	for name, text := range given {
		text = strings.TrimSpace(text)
		bad := func(why string) error { return &lab.SettingError{Field: name, Value: text, Why: why} }
		number := func(least, most int) int {
			n, e := strconv.Atoi(text)
			if e != nil || n < least || n > most {
				err = cmp.Or(err, bad(fmt.Sprintf("want a whole number from %d to %d", least, most)))
			}
			return n
		}
		switch name {
		case "file":
			j.file = cmp.Or(path.Base(strings.ReplaceAll(text, `\`, "/")), j.file)
		case "wire":
			w, e := parseWire(text)
			if e != nil {
				return j, e
			}
			j.wires = []Wire{w}
		case "seed":
			n, e := strconv.ParseUint(text, 10, 64)
			if e != nil {
				return j, bad("want a whole number, as in 7")
			}
			j.seed = n
		case "seeds":
			j.seeds = number(1, maxSeeds)
		case "messages":
			messages = number(1, maxMessages)
		case "every":
			d, e := time.ParseDuration(text)
			if e != nil || d < time.Millisecond || d > maxEvery {
				return j, bad(fmt.Sprintf("want a time from 1ms to %v", maxEvery))
			}
			every = d
		case "ours":
			if text != "yes" && text != "no" {
				return j, bad("want yes or no")
			}
			j.rivals = text == "yes"
		default:
			return j, &lab.SettingError{Field: name, Value: text, Why: "means nothing to a transport of one's own; there are --wire, --seed, --seeds, --messages, --every"}
		}
		if err != nil {
			return j, err
		}
	}
	j.talk = newTalk(messages, every)
	j.description = fmt.Sprintf("messages=%d every=%v seeds=%d..%d", messages, every, j.seed, j.seed+uint64(j.seeds)-1)
	return j, nil
}

// Do runs the transport whose source the Request has, and gives lines to each.
// The settings are
//
//	file      its name in messages: own.star
//	wire      one wire, as in loss=20%,dup=5%,burst=30%, or the name of one of the score's; else all of those
//	seed      the first: 7
//	seeds     how many: 5
//	messages  how many are said: 100
//	every     how often each of the two says one: 20ms
//	ours      no: without the rivals
//
// The lines are those of a lesson: a table named score with a row for each
// wire, a table rivals, a check for each wire, and unless the request is quiet
// the frames and calls of one run: the first that went wrong, or else the last.
//
// The error is a *Fault if the script is broken, or a *lab.SettingError.
func Do(bubble wire.Bubble, q lab.Request, each func(lab.Line)) error {
	return do(bubble, q, each, nil)
}

// Serve is Do for an engine's process, which a script that cannot be stopped
// ends: it is a lab.Runner.
func Serve(bubble wire.Bubble, q lab.Request, each func(lab.Line), abort func(error)) error {
	return do(bubble, q, each, func(why string) {
		j, _ := understand(q.Settings)
		abort(&Fault{File: j.file, Text: why, Hint: grows})
	})
}

const grows = "does a text, a list or a number grow and grow?"

var _ lab.Runner = Serve

func do(bubble wire.Bubble, q lab.Request, each func(lab.Line), abort func(string)) error {
	j, err := understand(q.Settings)
	if err != nil {
		return err
	}
	s, err := load(j.file, q.Own)
	if err != nil {
		return err
	}
	g := newGuard(abort)
	defer g.stop()
	r := &run{job: j, bubble: bubble, script: s, guard: g, each: each}
	r.sum = wire.NewRecorder("own " + j.description + "\x00" + q.Own)
	each(lab.Line{K: "run", V: lab.Schema, Lesson: "own", Seed: j.seed, Engine: wire.Engine, Settings: j.description})
	return r.all(q)
}

// run is a request being answered.
type run struct {
	job
	bubble  wire.Bubble
	script  *script
	guard   *guard
	each    func(lab.Line)
	sum     *wire.Recorder
	frames  int64
	showing *lane // the run to show
}

// scoreCols are the columns of the tables.
var scoreCols = []string{"wire", "by", "said", "missing", "doubled", "invented", "disordered", "p50 ms", "p99 ms", "datagrams", "bytes", "quiet", "verdict"}

func (r *run) all(q lab.Request) error {
	var scores []Score
	for _, w := range r.wires {
		total, err := r.on(w)
		if err != nil {
			return err
		}
		scores = append(scores, total)
	}
	if !q.Quiet && r.showing != nil {
		if err := r.show(q); err != nil {
			return err
		}
	}
	r.each(lab.Line{K: "table", Name: "score", Cols: scoreCols})
	for i, s := range scores {
		r.each(lab.Line{K: "row", Name: "score", Cells: cells(r.wires[i].Name, "yours", s)})
	}
	if r.rivals {
		if err := r.beside(); err != nil {
			return err
		}
	}
	fine := 0
	for i, s := range scores {
		if s.Good() {
			fine++
		}
		faults := s.Missing + s.Doubled + s.Invented + s.Disordered + s.NoisyRuns
		r.each(lab.Line{K: "check", Name: "faults." + r.wires[i].Name, Got: faults, Want: "0", OK: s.Good()})
	}
	r.each(lab.Line{K: "note", Name: "grade", Text: grade(r.wires, scores)})
	end := lab.Line{K: "end", OK: fine == len(scores), Verdict: "FAIL", Frames: int(r.frames)}
	if end.OK {
		end.Verdict = "PASS"
	}
	f := r.sum.Fingerprint()
	end.Fingerprint = f[:4] + "-" + f[4:8] + "-" + f[8:]
	r.each(end)
	return nil
}

// on runs the script on a wire with each seed.
func (r *run) on(w Wire) (total Score, err error) {
	for i := range r.seeds {
		l := r.lane(w, i)
		s, err := l.play(r.bubble, r.script)
		if err != nil {
			return total, err
		}
		r.sum.Note(fmt.Sprint(l.rec.Fingerprint(), s.Missing, s.Doubled, s.Invented, s.Disordered, s.Waits))
		r.frames += s.Datagrams
		total.add(s)
		if r.showing == nil || !r.showing.bad && (!s.Good() || i == 0) {
			l.bad = !s.Good()
			r.showing = l
		}
	}
	return total, nil
}

// lane is a conversation on a wire with the i-th seed.
func (r *run) lane(w Wire, i int) *lane {
	seed := r.seed + uint64(i)
	return &lane{name: fmt.Sprintf("%s seed %d", w.Name, seed), wire: w, seed: seed, talk: r.talk, guard: r.guard}
}

// show runs one conversation again, which goes as before, and tells all of it.
func (r *run) show(q lab.Request) error {
	l := r.showing
	l = &lane{name: l.name, wire: l.wire, seed: l.seed, talk: l.talk, guard: r.guard, each: r.each, raw: q.Bytes}
	r.each(lab.Line{K: "lane", Lane: l.name, What: "own", Hosts: []string{"A", "B"}})
	if _, err := l.play(r.bubble, r.script); err != nil {
		return err
	}
	l.tell()
	for msg := 1; msg <= len(l.talk.texts); msg++ {
		n := lab.Line{K: "msg", Lane: l.name, Host: speaker(msg + 1), Msgs: []int{msg}, Sent: l.judge.said[msg]}
		at, came := l.judge.came[msg]
		if n.At, n.Lost = at, !came; came {
			n.Copies = 1 + l.judge.again[msg]
		}
		r.each(n)
	}
	frames, _ := l.rec.Frames()
	for _, h := range l.lan.Hosts() {
		if !slices.Contains(q.Captures, h.Name()) {
			continue
		}
		var b bytes.Buffer
		if err := wire.WritePcapng(&b, h, frames, "parley lab own, "+l.name); err != nil {
			return err
		}
		r.each(lab.Line{K: "file", Name: "own-" + h.Name() + ".pcapng", Data: b.Bytes()})
	}
	return nil
}

// beside runs the rivals on the same wires with the same seeds.
func (r *run) beside() error {
	r.each(lab.Line{K: "table", Name: "rivals", Cols: scoreCols})
	for _, w := range r.wires {
		for _, v := range rivals {
			var total Score
			for i := range r.seeds {
				var s Score
				var err error
				lab.Agree(func() string { // they have several goroutines: see package wire
					l := r.lane(w, i)
					s, err = v.play(l, r.bubble)
					return fmt.Sprint(l.rec.Fingerprint(), s.Waits, err)
				})
				if err != nil {
					return err
				}
				total.add(s)
			}
			r.each(lab.Line{K: "row", Name: "rivals", Cells: cells(w.Name, v.name, total)})
		}
	}
	return nil
}

// cells are a row of a table.
func cells(wire, by string, s Score) []string {
	verdict := s.Verdict()
	per := func(n int64) string { return strconv.FormatFloat(float64(n)/float64(max(s.Said, 1)), 'f', 1, 64) }
	calm := "yes"
	switch {
	case by != "yours": // they end when all is delivered: whether they rest is not looked at
		calm = "-"
	case s.NoisyRuns > 0:
		calm = "no"
	}
	wait := func(p float64) string {
		if len(s.Waits) == 0 {
			return "-"
		}
		return fmt.Sprint(s.Percentile(p).Milliseconds())
	}
	return []string{wire, by, fmt.Sprint(s.Said), fmt.Sprint(s.Missing), fmt.Sprint(s.Doubled), fmt.Sprint(s.Invented), fmt.Sprint(s.Disordered),
		wait(.5), wait(.99), per(s.Datagrams), per(s.Bytes), calm, verdict}
}

// good is the verdict on a transport that is.
const good = "exactly once, in order"

// Verdict says in a few words what is wrong, or that nothing is.
func (s Score) Verdict() string {
	var wrong []string
	for _, w := range []struct {
		n    int64
		what string
	}{{s.Missing, "loses"}, {s.Doubled, "doubles"}, {s.Invented, "invents"}, {s.Disordered, "disorders"}, {s.NoisyRuns, "never rests"}} {
		if w.n > 0 {
			wrong = append(wrong, w.what)
		}
	}
	if len(wrong) == 0 {
		return good
	}
	return strings.Join(wrong, ", ")
}

// grade says what the whole comes to.
func grade(wires []Wire, scores []Score) string {
	once, right, calm := 0, 0, 0
	for _, s := range scores {
		if s.Once() {
			once++
			if s.Disordered == 0 {
				right++
			}
		}
		if s.NoisyRuns == 0 {
			calm++
		}
	}
	n := len(scores)
	text := fmt.Sprintf("exactly once and in order on %d of %d wires", right, n)
	if once > right {
		text += fmt.Sprintf(", exactly once on %d", once)
	}
	if calm < n {
		text += fmt.Sprintf("; it never comes to rest on %d", n-calm)
	}
	return text
}
