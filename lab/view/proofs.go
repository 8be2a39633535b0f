//go:build !nolab

package view

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"parley/lab"
	"parley/text"
)

// A Proof is what came of running a lesson again.
type Proof struct {
	Lesson lab.Lesson
	Golden string // the fingerprint that it has to have; empty: none is known

	runs   int
	took   time.Duration
	checks int
	print  string
	faults []string
}

// maxFaults is how many faults of a lesson are told.
const maxFaults = 8

// Add adds a run.
func (f *Proof) Add(lines []lab.Line, took time.Duration, err error) {
	f.runs++
	f.took += took
	c := cleaner{seen: map[string]string{}}
	if err != nil {
		f.fault("it could not be run: " + c.clean(err.Error()))
		return
	}
	f.checks = 0
	ended := false
	for _, l := range lines {
		l = c.line(l)
		switch {
		case l.K == "check":
			if f.checks++; !l.OK {
				f.fault(fmt.Sprintf("%s is %d, want %s", l.Name, l.Got, l.Want))
			}
		case l.K == "end":
			ended = true
			switch {
			case l.Verdict != "PASS" && l.Verdict != "FAIL":
				f.fault("it proves nothing: " + l.Verdict)
			case f.print != "" && f.print != l.Fingerprint:
				f.fault(fmt.Sprintf("run %d has another fingerprint, %s", f.runs, l.Fingerprint))
			case f.Golden != "" && f.Golden != l.Fingerprint:
				f.fault("its fingerprint should be " + f.Golden)
			}
			f.print = l.Fingerprint
		}
	}
	if !ended {
		f.fault("the run has no end")
	}
}

func (f *Proof) fault(s string) {
	if len(f.faults) < maxFaults {
		f.faults = append(f.faults, s)
	}
}

// OK tells whether the lesson holds.
func (f Proof) OK() bool { return len(f.faults) == 0 }

func (f Proof) verdict() string {
	if f.OK() {
		return "PASS"
	}
	return "FAIL"
}

// ProofRows tell of one lesson.
func ProofRows(f Proof, o Options) []Row {
	p := &page{Options: o}
	st := goodStyle
	if !f.OK() {
		st = badStyle
	}
	times := ""
	if f.runs > 1 {
		times = fmt.Sprintf("%d x ", f.runs)
	}
	p.add(span{" " + f.verdict(), st}, span{fmt.Sprintf("  %2d ", f.Lesson.Number), faint}, say(p.pad(f.Lesson.Name, 12)), say("  "+p.pad(f.print, 14)),
		say(p.padLeft(count(f.checks, "check"), 11)), span{p.padLeft(fmt.Sprintf("%s%.2f s", times, f.took.Seconds()/float64(max(1, f.runs))), 16), faint})
	for _, s := range f.faults {
		for _, row := range text.Wrap(s, p.width()-12, p.width()-12) {
			p.add(say("           "), span{row, badStyle})
		}
	}
	return p.rows
}

// ProofSum sums up.
func ProofSum(all []Proof, took time.Duration, o Options) []Row {
	p := &page{Options: o}
	ok, runs := 0, 0
	for _, f := range all {
		if runs += f.runs; f.OK() {
			ok++
		}
	}
	st := goodStyle
	if ok < len(all) {
		st = badStyle
	}
	more := ""
	if runs > len(all) {
		more = fmt.Sprintf(", %d runs", runs)
	}
	p.add(span{fmt.Sprintf(" %d of %d", ok, len(all)), st}, say(fmt.Sprintf(" in %.1f s%s", took.Seconds(), more)))
	return p.rows
}

// proofLine is a proof as it is written for programs.
type proofLine struct {
	K           string   `json:"k"`
	Lesson      string   `json:"lesson"`
	Number      int      `json:"number"`
	Verdict     string   `json:"verdict"`
	Fingerprint string   `json:"fingerprint"`
	Golden      string   `json:"golden,omitempty"`
	Checks      int      `json:"checks"`
	Runs        int      `json:"runs"`
	Seconds     float64  `json:"seconds"`
	Faults      []string `json:"faults,omitempty"`
}

// WriteProofs writes what came of all lessons.
func WriteProofs(w io.Writer, format string, all []Proof, took time.Duration, o Options) error {
	b := bufio.NewWriter(w)
	heads := []string{"lesson", "name", "verdict", "fingerprint", "checks", "runs", "seconds"}
	var rows [][]string
	for _, f := range all {
		rows = append(rows, []string{
			strconv.Itoa(f.Lesson.Number), f.Lesson.Name, f.verdict(), f.print, strconv.Itoa(f.checks), strconv.Itoa(f.runs), fmt.Sprintf("%.2f", f.took.Seconds()),
		})
	}
	sum := ProofSum(all, took, Options{ASCII: true, Width: usual})[0].Text[1:]
	switch format {
	case JSONFormat:
		enc := json.NewEncoder(b)
		for _, f := range all {
			enc.Encode(proofLine{"proof", f.Lesson.Name, f.Lesson.Number, f.verdict(), f.print, f.Golden, f.checks, f.runs, f.took.Seconds(), f.faults})
		}
	case CSVFormat:
		out := csv.NewWriter(b)
		out.Write(heads)
		out.WriteAll(rows)
	case MarkdownFormat:
		m := markdown{b}
		m.line("# The lab's lessons, proved again")
		m.table(heads, rows)
		m.line(plainWords(sum) + ".")
		for _, f := range all {
			for _, s := range f.faults {
				m.line("- " + plainWords(f.Lesson.Name+": "+s))
			}
		}
	default:
		for _, f := range all {
			for _, r := range ProofRows(f, o) {
				b.WriteString(r.Text + "\n")
			}
		}
		b.WriteString(" " + sum + "\n")
	}
	return b.Flush()
}
