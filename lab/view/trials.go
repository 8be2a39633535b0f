//go:build !nolab

package view

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"parley/lab"
	"parley/text"
)

// A Trial is one of several runs of a lesson, with the value of what was
// different in it.
type Trial struct {
	Value string
	Lines []lab.Line
}

// checks are those of a trial.
func (t Trial) checks() (all []lab.Line) {
	for _, l := range t.Lines {
		if l.K == "check" {
			all = append(all, l)
		}
	}
	return all
}

// checkNames are the names of all checks, in the order in which they first
// appear.
func checkNames(trials []Trial) (names []string) {
	for _, t := range trials {
		for _, c := range t.checks() {
			if !slices.Contains(names, c.Name) && len(names) < maxColumns-1 {
				names = append(names, c.Name)
			}
		}
	}
	return names
}

// check finds one.
func (t Trial) check(name string) (lab.Line, bool) {
	for _, c := range t.checks() {
		if c.Name == name {
			return c, true
		}
	}
	return lab.Line{}, false
}

// WriteSweep writes what came of runs that differ in one setting: as a table,
// csv, md, or jsonl.
func WriteSweep(w io.Writer, format string, lesson lab.Lesson, setting string, trials []Trial, o Options) error {
	names := checkNames(trials)
	heads := append([]string{setting}, names...)
	var rows [][]string
	for _, t := range trials {
		row := []string{t.Value}
		for _, n := range names {
			cell := ""
			if c, ok := t.check(n); ok {
				cell = strconv.FormatInt(c.Got, 10)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	switch format {
	case JSONFormat, CSVFormat, MarkdownFormat:
		return writeTrials(w, format, "Lesson "+lesson.Name+", by "+setting, heads, rows, trials)
	}
	p := &page{Options: o}
	p.add(span{" LESSON ", faint}, span{fmt.Sprintf("%d  %s", lesson.Number, lesson.Name), strong}, say("   by "), span{setting, strong})
	p.space()
	heads, rows, same := apart(heads, rows)
	p.draw(sweepGrid(heads, rows, trials, p.width()))
	p.space()
	p.trends(names, trials)
	if same != "" {
		p.space()
		p.paragraph("The same", same, plain)
	}
	return p.write(w)
}

// apart takes out the columns that are the same in all of several rows, and
// says what they are; if all are, none.
func apart(heads []string, rows [][]string) (leftHeads []string, leftRows [][]string, same string) {
	leftHeads, leftRows = heads[:1:1], make([][]string, len(rows))
	for k, r := range rows {
		leftRows[k] = r[:1:1]
	}
	var words []string
	for i := 1; i < len(heads); i++ {
		if !slices.ContainsFunc(rows, func(r []string) bool { return r[i] != rows[0][i] }) {
			words = append(words, heads[i]+" "+rows[0][i])
			continue
		}
		leftHeads = append(leftHeads, heads[i])
		for k, r := range rows {
			leftRows[k] = append(leftRows[k], r[i])
		}
	}
	if len(leftHeads) == 1 || len(rows) == 1 {
		return heads, rows, ""
	}
	return leftHeads, leftRows, strings.Join(words, ", ")
}

// sweepGrid has a row for each value or, where values are few and checks many,
// a row for each check.
func sweepGrid(heads []string, rows [][]string, trials []Trial, width int) *grid {
	g := &grid{indent: 1}
	wide := 0
	for _, h := range heads {
		wide += 2 + max(minColumn, min(12, text.Width(h)))
	}
	if wide < width || len(trials) > 8 {
		for i, h := range heads {
			heads[i] = breakable(h)
		}
		g.heads = heads
		for _, r := range rows {
			g.add(r...)
		}
		return g
	}
	g.heads = []string{heads[0]}
	for _, r := range rows {
		g.heads = append(g.heads, r[0])
	}
	for i := 1; i < len(heads); i++ {
		row := []string{heads[i]}
		for _, r := range rows {
			row = append(row, r[i])
		}
		g.add(row...)
	}
	return g
}

// breakable lets a name be broken into rows.
func breakable(name string) string { return strings.NewReplacer("_", " ", ".", " ").Replace(name) }

// trends draws how each number goes.
func (p *page) trends(names []string, trials []Trial) {
	wide := 0
	for _, n := range names {
		wide = max(wide, min(text.Width(n), p.width()/3))
	}
	for _, n := range names {
		var all []int64
		for _, t := range trials {
			c, _ := t.check(n)
			all = append(all, c.Got)
		}
		least, most := slices.Min(all), slices.Max(all)
		if least == most {
			continue
		}
		var b strings.Builder
		for _, v := range all {
			b.WriteString(p.levels(int((float64(v) - float64(least)) / (float64(most) - float64(least)) * 7)))
		}
		p.add(span{" " + p.pad(n, wide) + "  ", faint}, say(b.String()), span{fmt.Sprintf("  %s..%s", grouped(least), grouped(most)), faint})
	}
}

// WriteSeeds writes what came of runs with many seeds: the least, the median
// and the most of each number.
func WriteSeeds(w io.Writer, format string, lesson lab.Lesson, trials []Trial, o Options) error {
	heads := []string{"check", "want", "least", "median", "most", "holds"}
	var rows [][]string
	var seen [][]int64
	for _, n := range checkNames(trials) {
		var all []int64
		want, holds := "", 0
		for _, t := range trials {
			if c, ok := t.check(n); ok {
				all, want = append(all, c.Got), c.Want
				if c.OK {
					holds++
				}
			}
		}
		seen = append(seen, slices.Clone(all))
		slices.Sort(all)
		rows = append(rows, []string{
			n, want, strconv.FormatInt(all[0], 10), strconv.FormatInt(all[len(all)/2], 10), strconv.FormatInt(all[len(all)-1], 10),
			fmt.Sprintf("%d of %d", holds, len(all)),
		})
	}
	title := fmt.Sprintf("Lesson %s, %d seeds", lesson.Name, len(trials))
	switch format {
	case JSONFormat, CSVFormat, MarkdownFormat:
		return writeTrials(w, format, title, heads, rows, trials)
	}
	p := &page{Options: o}
	p.add(span{" LESSON ", faint}, span{fmt.Sprintf("%d  %s", lesson.Number, lesson.Name), strong}, say("   seeds "+trials[0].Value+" to "+trials[len(trials)-1].Value))
	if claim, err := lesson.ClaimWith(nil); err == nil {
		p.paragraph("Claim", claim, plain)
	}
	p.space()
	g := &grid{heads: heads, indent: 1}
	for _, r := range rows {
		g.add(r...)
	}
	p.draw(g)
	return p.write(w)
}

// write writes a page.
func (p *page) write(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, r := range p.rows {
		b.WriteString(r.Text + "\n")
	}
	return b.Flush()
}

// writeTrials writes trials for programs: a table of their numbers, or all of
// their lines.
func writeTrials(w io.Writer, format, title string, heads []string, rows [][]string, trials []Trial) error {
	switch format {
	case JSONFormat:
		for _, t := range trials {
			if err := writeLines(w, t.Lines); err != nil {
				return err
			}
		}
		return nil
	case MarkdownFormat:
		b := bufio.NewWriter(w)
		m := markdown{b}
		m.line("# " + plainWords(title))
		m.table(heads, rows)
		return b.Flush()
	}
	out := csv.NewWriter(w)
	return cmp.Or(out.Write(heads), out.WriteAll(rows))
}
