//go:build !nolab

package view

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/lab"
)

// The names of what a run can be turned into.
const (
	TableFormat    = "table"
	SequenceFormat = "sequence"
	TimelineFormat = "timeline"
	MembersFormat  = "members"
	JSONFormat     = "jsonl"
	CSVFormat      = "csv"
	MarkdownFormat = "md"
	CastFormat     = "cast"
	CaptureFormat  = "pcapng"
)

// Formats are all of them.
var Formats = []string{TableFormat, SequenceFormat, TimelineFormat, MembersFormat, JSONFormat, CSVFormat, MarkdownFormat, CastFormat, CaptureFormat}

// endings are what names of files end in, by format; several views end in .txt.
var endings = map[string]string{
	".jsonl": JSONFormat, ".json": JSONFormat, ".csv": CSVFormat, ".md": MarkdownFormat, ".cast": CastFormat, ".pcapng": CaptureFormat,
}

// FormatOf is the format that the ending of a file's name stands for; empty, if
// it may hold any view. It returns false for an ending that stands for nothing.
func FormatOf(name string) (format string, ok bool) {
	ending := strings.ToLower(filepath.Ext(name))
	if ending == ".txt" {
		return "", true
	}
	format, ok = endings[ending]
	return format, ok
}

// IsText tells whether a format is a view for people, made of rows.
func IsText(format string) bool {
	return slices.Index(Formats, format) < slices.Index(Formats, JSONFormat)
}

// Rows is a view for people.
func Rows(format string, lesson lab.Lesson, lines []lab.Line, o Options) []Row {
	switch format {
	case SequenceFormat:
		return Sequence(lesson, lines, o)
	case TimelineFormat:
		return Timeline(lesson, lines, o)
	case MembersFormat:
		return Members(lesson, lines, o)
	}
	return Table(lesson, lines, o)
}

// Write writes a run in any format.
func Write(w io.Writer, format string, lesson lab.Lesson, lines []lab.Line, o Options) error {
	switch format {
	case JSONFormat:
		return writeLines(w, lines)
	case CSVFormat:
		return writeCSV(w, lines)
	case MarkdownFormat:
		return writeMarkdown(w, lesson, lines, o)
	case CastFormat:
		return writeCast(w, lesson, lines, o)
	case CaptureFormat:
		for _, l := range lines {
			if l.K == "file" {
				_, err := w.Write(l.Data)
				return err
			}
		}
		return fmt.Errorf("no capture is among the lines")
	}
	b := bufio.NewWriter(w)
	for _, r := range Rows(format, lesson, lines, o) {
		b.WriteString(r.Text + "\n")
	}
	return b.Flush()
}

func writeLines(w io.Writer, lines []lab.Line) error {
	b := bufio.NewWriter(w)
	out := lab.NewLineWriter(b)
	for _, l := range lines {
		if err := out.Write(l); err != nil {
			return err
		}
	}
	return b.Flush()
}

// columns are those of a CSV.
var columns = []string{"lesson", "seed", "transport", "host", "msg", "sent_ns", "read_ns", "wait_ns", "copies", "lost", "late", "innocent"}

// writeCSV writes a row for each message and receiver. What never came was
// never read, so that there is no time.
func writeCSV(w io.Writer, lines []lab.Line) error {
	out := csv.NewWriter(w)
	out.Write(columns)
	lesson, seed := "", uint64(0)
	for _, l := range lines {
		switch {
		case l.K == "run":
			lesson, seed = l.Lesson, l.Seed
		case l.K == "msg" && len(l.Msgs) > 0:
			read, waited := "", ""
			if !l.Lost {
				read, waited = strconv.FormatInt(int64(l.At), 10), strconv.FormatInt(int64(wait(l)), 10)
			}
			out.Write([]string{
				formulaFree(lesson), strconv.FormatUint(seed, 10), formulaFree(l.Lane), formulaFree(l.Host), strconv.Itoa(l.Msgs[0]), strconv.FormatInt(int64(l.Sent), 10), read, waited,
				strconv.Itoa(l.Copies), strconv.FormatBool(l.Lost), strconv.FormatBool(l.Late), strconv.FormatBool(l.Innocent),
			})
		}
	}
	out.Flush()
	return out.Error()
}

// formulaFree keeps a spreadsheet from taking a name for a formula.
func formulaFree(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// How a recording is paced: virtual time is slow where something happens, and
// short where nothing does.
const (
	castGap  = 1200 * time.Millisecond // the longest pause
	castStep = 150 * time.Millisecond  // the shortest, between two rows
	castSlow = 20                      // times slower than the cable
)

// writeCast writes the sequence as a recording of a terminal.
func writeCast(w io.Writer, lesson lab.Lesson, lines []lab.Line, o Options) error {
	o.Color = true
	rows := Sequence(lesson, lines, o)
	head, err := json.Marshal(struct {
		Version int    `json:"version"`
		Width   int    `json:"width"`
		Height  int    `json:"height"`
		Title   string `json:"title,omitempty"`
	}{2, o.width(), 24, lesson.Name})
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", head)
	at := time.Duration(0)
	for i, r := range rows {
		if i > 0 {
			at += Pause(rows[i-1], r)
		}
		text, err := json.Marshal(r.Text + "\r\n")
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "[%.3f, \"o\", %s]\n", at.Seconds(), bytes.TrimSpace(text))
	}
	return b.Flush()
}

// Pause is how long a recording waits between two rows.
func Pause(before, after Row) time.Duration {
	if !before.Timed || !after.Timed {
		return castStep / 3
	}
	gap := minus(after.At, before.At)
	if gap > castGap/castSlow {
		return castGap
	}
	return max(castStep, gap*castSlow)
}
