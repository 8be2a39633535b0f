package line

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/room"
	"parley/text"
)

// exportFormats are how a file's name ends, and what is written into it then.
var exportFormats = map[string]func(io.Writer, string, *time.Location) exporter{
	".txt":   newTextExport,
	".md":    newMarkdownExport,
	".jsonl": func(w io.Writer, _ string, _ *time.Location) exporter { return objectExport{w} },
	".csv":   newTableExport,
}

// exporter writes what was said in one form.
type exporter interface {
	event(room.Event) error
	divide(words string) error // another log of the room begins
	end() error
}

// ErrExport is wrapped by errors of Export that whoever typed the file's name can
// put right.
var ErrExport = errors.New("not written")

// Export writes what was said in a room into a new file, in the form that its
// name ends in: .txt and .md for people, .jsonl as Object has it, .csv for tables.
// It writes all or nothing, and never over a file that is there. Each calls put for each event, and
// divide where another log begins. The file can be read by its owner alone.
func Export(file, roomName string, zone *time.Location, each func(put func(room.Event) error, divide func(string) error) error) (n int, err error) {
	form := exportFormats[strings.ToLower(filepath.Ext(file))]
	if form == nil {
		return 0, fmt.Errorf("%w: the name must end in .txt, .md, .jsonl or .csv", ErrExport)
	}
	if _, err := os.Lstat(file); err == nil {
		return 0, fmt.Errorf("%w: %s is there already: choose another name", ErrExport, text.Clean(file))
	}
	var random [4]byte
	rand.Read(random[:])
	temporary := file + "." + hex.EncodeToString(random[:])
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, unwritten(file, err)
	}
	defer os.Remove(temporary)
	w := bufio.NewWriter(f)
	to := form(w, roomName, zone)
	err = each(func(e room.Event) error {
		n++
		return to.event(e)
	}, to.divide)
	err = errors.Join(err, to.end(), w.Flush(), f.Sync(), f.Close())
	if err == nil && n > 0 {
		err = rename(temporary, file)
	}
	if err != nil {
		return 0, unwritten(file, err)
	}
	return n, nil
}

// unwritten says why a file was not written. It is called what people call it, not as
// it is while it is being written.
func unwritten(file string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	default:
		return fmt.Errorf("%w: %w", ErrExport, err)
	}
	why := err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		why = "there is no such directory"
	}
	return fmt.Errorf("%w: %s: %s", ErrExport, text.Clean(file), why)
}

// rename gives a file its name, unless that is another's by now. Where there are no
// hard links, the moment in between is not guarded.
func rename(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// textExport writes lines for people: a time and who said what; further lines of
// it are indented, so that they cannot pass for others.
type textExport struct {
	w    io.Writer
	view *view
	zone *time.Location
}

func newTextExport(w io.Writer, name string, zone *time.Location) exporter {
	fmt.Fprintf(w, "%s\n\n", text.Clean(name))
	return &textExport{w: w, view: &view{zone: zone}, zone: zone}
}

// exported puts an event in words.
func (v *view) exported(e room.Event) (head string, body []string) {
	if e.Moved() {
		return "", nil
	}
	if e.Type == room.Joined || e.Type == room.Left {
		return v.passage(e), nil
	}
	e.Replay = true
	head, body, _ = v.words(e)
	return head, body
}

func (x *textExport) event(e room.Event) error {
	head, body := x.view.exported(e)
	if head == "" {
		return nil
	}
	stamp := e.At.In(x.zone).Format("2006-01-02 15:04:05  ")
	_, err := io.WriteString(x.w, stamp+head+strings.Join(body, "\n"+strings.Repeat(" ", len(stamp))+"| ")+"\n")
	return err
}

func (x *textExport) divide(words string) error {
	_, err := fmt.Fprintf(x.w, "\n--- %s ---\n\n", text.Clean(words))
	return err
}

func (x *textExport) end() error { return nil }

// Transcript returns what prints events: on a terminal, whose width is told, with
// a line between days, elsewhere each with its whole time; and what prints where another log begins.
func Transcript(w io.Writer, width func() int, zone *time.Location) (put func(room.Event) error, divide func(string) error) {
	if width == nil {
		x := &textExport{w: w, view: &view{zone: zone}, zone: zone}
		return x.event, x.divide
	}
	var failed error
	v := &view{zone: zone, width: width, stamps: true, print: func(_ bool, line string) {
		if _, err := fmt.Fprintln(w, line); failed == nil {
			failed = err
		}
	}}
	put = func(e room.Event) error {
		head, body := v.exported(e)
		if head == "" {
			return failed
		}
		if day := e.At.In(zone).Format(longDay); day != v.day {
			v.rule(day)
			v.day = day
		}
		v.lines(e, false, head, body...)
		return failed
	}
	return put, func(words string) error {
		v.rule(text.Clean(words))
		return failed
	}
}

// markdownExport writes a list with a heading a day. What people said is escaped:
// it makes no headings, links or pictures.
type markdownExport struct {
	textExport
	day string
}

func newMarkdownExport(w io.Writer, name string, zone *time.Location) exporter {
	fmt.Fprintf(w, "# %s\n", escapeMarkdown(text.Clean(name)))
	return &markdownExport{textExport: textExport{w: w, view: &view{zone: zone}, zone: zone}}
}

func (x *markdownExport) event(e room.Event) error {
	head, body := x.view.exported(e)
	if head == "" {
		return nil
	}
	at := e.At.In(x.zone)
	out := ""
	if day := at.Format("Monday, 2 January 2006"); day != x.day {
		x.day, out = day, "\n## "+day+"\n\n"
	}
	for i := range body {
		body[i] = escapeMarkdown(body[i])
	}
	who := escapeMarkdown(head)
	switch e.Type {
	case room.Message:
		who = "**" + escapeMarkdown(text.Clean(e.From)) + "**: "
	case room.Act, room.Whisper:
	default: // what happened: without what marks it among what is said
		for _, mark := range []string{"--> ", "<-- ", "* "} {
			head = strings.TrimPrefix(head, mark)
		}
		who = escapeMarkdown(head)
	}
	_, err := io.WriteString(x.w, out+"- "+at.Format("15:04")+" "+who+strings.Join(body, "  \n  ")+"\n")
	return err
}

func (x *markdownExport) divide(words string) error {
	x.day = ""
	_, err := fmt.Fprintf(x.w, "\n---\n\n*%s*\n", escapeMarkdown(text.Clean(words)))
	return err
}

// escapeMarkdown makes s stand for itself in Markdown.
func escapeMarkdown(s string) string {
	var b strings.Builder
	last := rune(0)
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>#|~&!$^=+-@:", r) || (r == '.' || r == ')') && unicode.IsDigit(last) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// objectExport writes what a JSON front end prints.
type objectExport struct{ w io.Writer }

func (x objectExport) event(e room.Event) error { return Object(x.w, e) }

func (x objectExport) divide(words string) error {
	return Object(x.w, room.Event{Type: room.Notice, Code: "divider", Text: words})
}

func (x objectExport) end() error { return nil }

// tableExport writes a table.
type tableExport struct{ w *csv.Writer }

func newTableExport(w io.Writer, _ string, _ *time.Location) exporter {
	x := tableExport{csv.NewWriter(w)}
	x.w.Write([]string{"seq", "at", "type", "from", "to", "nick", "by", "text", "reason", "id"})
	return x
}

func (x tableExport) event(e room.Event) error {
	at := ""
	if !e.At.IsZero() {
		at = e.At.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	row := []string{strconv.FormatUint(e.Seq, 10), at, string(e.Type), e.From, e.To, e.Nick, e.By, e.Text, e.Reason, e.ID}
	for i := range row {
		row[i] = cell(row[i])
	}
	return x.w.Write(row)
}

func (x tableExport) divide(words string) error {
	return x.w.Write([]string{"", "", "divider", "", "", "", "", cell(words), "", ""})
}

func (x tableExport) end() error {
	x.w.Flush()
	return x.w.Error()
}

// cell makes s stand for itself in a table: a program for those takes what
// begins like a formula for one, and does what it says.
func cell(s string) string {
	s = text.Mark(s)
	var b strings.Builder
	if strings.HasPrefix(strings.TrimLeft(s, blanks), "\t") { // which programs skip, too
		b.WriteByte('\'')
	}
	for begun := false; ; begun = true {
		end := strings.IndexAny(s, breaks)
		part := s[:max(end, 0)]
		if end < 0 {
			part = s
		}
		if formula(part, begun) {
			b.WriteByte('\'')
		}
		b.WriteString(part)
		if end < 0 {
			return b.String()
		}
		b.WriteByte(s[end])
		s = s[end+1:]
	}
}

// breaks are where a program may see a cell end that takes the table for one with
// another separator, as many do where numbers have a comma: it heeds quotes only
// where a cell begins, and ours begin elsewhere then.
const breaks = ";\t\n"

// blanks are skipped before a formula.
const blanks = " \u00a0\u3000"

// formula tells whether a cell begins like a formula. Behind a break, where smileys
// are, too, a sign alone is none: what calls nothing and points nowhere does nothing.
func formula(s string, behind bool) bool {
	skip := blanks
	if behind {
		skip += `"`
	}
	s = strings.TrimLeft(s, skip)
	first, _ := utf8.DecodeRuneInString(s)
	switch first {
	case '=', '＝':
		return true
	case '+', '-', '@', '＋', '－', '＠':
		return !behind || strings.ContainsAny(s, "(!|#")
	}
	return false
}

// exportPage is how much is asked for at once, and maxExport how much of a room
// is exported from within it: what a host can be asked for in a minute or so.
const (
	exportPage = 500
	maxExport  = 100_000
	// maxExported bounds the text of it, which is in memory until it is all there.
	maxExported = 64 << 20
)

// export writes what was said in the room into a file. On a terminal that goes on
// beside what is typed, for a host hands out a large room page by page.
func (t *typist) export(file string) bool {
	switch {
	case t.at == nil:
		return t.tell(answer{do: "refused", err: errNoRoom})
	case file == "":
		return t.tell(answer{do: "refused", err: errors.New("into which file? /export FILE.txt, .md, .jsonl or .csv")})
	case !t.s.o.Terminal:
		return t.tell(t.s.export(t.at, file))
	case !t.s.exporting.CompareAndSwap(false, true):
		return t.tell(answer{do: "refused", err: errors.New("one export after the other")})
	}
	at, s := t.at, t.s
	s.tasks.Go(func() {
		defer s.exporting.Store(false)
		a := s.export(at, file)
		select {
		case s.answers <- a:
		case <-s.ctx.Done():
		}
	})
	return true
}

// export writes what was said where m sits, and returns what there is to be told.
func (s *session) export(m seat, file string) answer {
	said, n, err := ExportRoom(s.ctx, m, file, s.o.Zone)
	if err != nil {
		return answer{do: "refused", err: err}
	}
	return answer{do: "exported", arg: said, n: n}
}

// A Pager looks up what was said where one sits: a *room.Member.
type Pager interface {
	Ready() room.Event
	Page(ctx context.Context, before uint64, n int) (room.Look, error)
}

// ExportRoom is Export of the room that m sits in. It tells, for people, what was
// written, and how many events.
func ExportRoom(ctx context.Context, m Pager, file string, zone *time.Location) (said string, n int, err error) {
	var here, cut bool
	n, err = Export(file, m.Ready().Room, zone, func(put func(room.Event) error, _ func(string) error) (err error) {
		var pages [][]room.Event
		if pages, here, cut, err = gather(ctx, m); err != nil {
			return err
		}
		for _, page := range slices.Backward(pages) {
			for _, e := range page {
				if err := put(e); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	said = fmt.Sprintf("%d events are in %s", n, file)
	if here {
		said += ", from your own copy, because the host is not connected"
	}
	if cut {
		said += fmt.Sprintf(": the last %d. parley history exports all of your copy", n)
	}
	return said, n, nil
}

// gather reads what was said, the last page first; here tells that it is from
// our own copy, cut that there is more than is exported.
func gather(ctx context.Context, m Pager) (pages [][]room.Event, here, cut bool, err error) {
	before, n, bytes := uint64(0), 0, 0
	for {
		l, err := m.Page(ctx, before, exportPage)
		if err != nil {
			return nil, false, false, err
		}
		here = here || l.Copy
		pages = append(pages, l.Events)
		n += len(l.Events)
		for _, e := range l.Events {
			bytes += len(e.Text) + len(e.Reason)
		}
		before = l.Before // all of this page may be of people whom we ignore
		if !l.More {
			return pages, here, false, nil
		}
		if n >= maxExport || bytes >= maxExported || len(pages) >= maxExport {
			return pages, here, true, nil
		}
	}
}
