//go:build !nolab

package own

import (
	"fmt"
	"strings"

	"parley/lab"
	"parley/text"
)

// columns is how wide a Report is.
const columns = 80

// maxLogShown is how many lines of log a Report has.
const maxLogShown = 20

// Report writes what came of a run for people: lines of at most 80 columns.
func Report(file string, lines []lab.Line) []string {
	var out, log []string
	var score, rivals [][]string
	var grade, lane string
	var end, run lab.Line
	for _, l := range lines {
		switch {
		case l.K == "row" && l.Name == "score" && len(l.Cells) == len(scoreCols):
			score = append(score, l.Cells)
		case l.K == "row" && l.Name == "rivals" && len(l.Cells) == len(scoreCols):
			rivals = append(rivals, l.Cells)
		case l.K == "note" && l.Name == "grade":
			grade = l.Text
		case l.K == "note" && l.Host != "":
			log = append(log, l.Text)
		case l.K == "lane":
			lane = l.Lane
		case l.K == "run":
			run = l
		case l.K == "end":
			end = l
		}
	}
	say := func(format string, args ...any) {
		out = append(out, text.Truncate(text.Clean(fmt.Sprintf(format, args...)), columns))
	}
	if len(log) > 0 {
		say("Log of the run %q:", lane)
		for i, l := range log {
			if i == maxLogShown {
				say("  … and %d lines more: -o sequence --json has them", len(log)-i)
				break
			}
			say("  %s", l)
		}
		say("")
	}
	say("%s: %s", file, run.Settings)
	say("")
	say("%-10s %7s %7s %8s %8s %7s %7s %6s %6s", "wire", "missing", "doubled", "invented", "disorder", "p50 ms", "p99 ms", "datag.", "bytes")
	for _, c := range score {
		say("%-10s %7s %7s %8s %8s %7s %7s %6s %6s", c[0], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])
		if c[12] != good {
			say("%-10s   %s", "", c[12])
		}
	}
	say("")
	say("p50 and p99: how long half of the messages took at most, and 99 of 100.")
	say("datag., bytes: frames on the wire for each message said, and the bytes of their")
	say("IP packets, acknowledgements and all.")
	if len(rivals) > 0 {
		out = append(out, compare(score, rivals)...)
	}
	say("")
	say("%s  %s.   run %s", end.Verdict, grade, end.Fingerprint)
	if next := advice(score); next != "" {
		for row := range strings.SplitSeq(next, "\n") {
			say("%s", row)
		}
	}
	return out
}

// compare puts the rivals beside the score.
func compare(score, rivals [][]string) (out []string) {
	names, starred := []string{"yours"}, false
	by := map[[2]string][]string{}
	for _, c := range append(score[:len(score):len(score)], rivals...) {
		by[[2]string{c[0], c[1]}] = c
		if c[1] != "yours" && c[0] == score[0][0] {
			names = append(names, c[1])
		}
	}
	for _, what := range []struct {
		col  int
		name string
	}{{8, "p99 ms"}, {10, "bytes"}} {
		row := fmt.Sprintf("%-10s", what.name)
		for _, n := range names {
			row += fmt.Sprintf(" %10s", n)
		}
		out = append(out, "", text.Clean(row))
		for _, c := range score {
			row := fmt.Sprintf("%-10s", c[0])
			for _, n := range names {
				cell := "?"
				if c := by[[2]string{c[0], n}]; c != nil {
					if cell = c[what.col]; c[12] != good {
						cell, starred = cell+"*", true
					}
				}
				row += fmt.Sprintf(" %10s", cell)
			}
			out = append(out, text.Clean(row))
		}
	}
	if starred {
		out = append(out, "* there it loses, doubles, disorders or never rests: the times are of what came")
	}
	return out
}

// advice says what to write next.
func advice(score [][]string) string {
	all := ""
	for _, c := range score {
		all += c[12] + " "
	}
	switch {
	case strings.Contains(all, "loses"):
		return "What is lost, nobody sends again: number the messages, answer each, and send\nagain what is not answered. parley lab own --example 2 does so."
	case strings.Contains(all, "doubles"):
		return "What comes twice is delivered twice: remember which numbers were delivered."
	case strings.Contains(all, "disorders"):
		return "What comes early is delivered early: keep it until all before it were delivered."
	case strings.Contains(all, "never rests"):
		return "It goes on sending after everything was delivered: what is answered needs no timer."
	case strings.Contains(all, "invents"):
		return "It delivers what nobody said: is everything that comes a message?"
	}
	return ""
}
