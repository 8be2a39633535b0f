//go:build !nolab

package view

import (
	"maps"
	"slices"
	"strings"
	"time"

	"parley/lab"
	"parley/text"
)

// A story is a run, its lines put in order. All its text is clean.
type story struct {
	lesson   lab.Lesson
	run, end lab.Line
	ended    bool
	lanes    []*lane
	tables   []*table
	notes    []string
	checks   []lab.Line
}

// A lane is one experiment.
type lane struct {
	name, what                   string
	hosts                        []string
	calls, reads, shows, changes []numbered
	msgs, samples                []lab.Line
	frames                       []*frame
	byID                         map[uint64]*frame
}

// A numbered is a line and which one of all it is.
type numbered struct {
	lab.Line
	n int
}

// A frame is a frame with what became of it, a line for each copy.
type frame struct {
	numbered
	fates []lab.Line
}

// A table is one of the lesson's own.
type table struct {
	name  string
	cols  []string
	cells [][]string
}

// The bounds of what of a story is shown: a file may have more.
const (
	maxLanes = 64
	maxHosts = 256 // of a lane
)

// tell puts lines in order.
func tell(lesson lab.Lesson, lines []lab.Line, o Options) *story {
	s := &story{lesson: lesson}
	c := cleaner{ascii: o.ASCII, seen: map[string]string{}}
	lanes := map[string]*lane{}
	tables := map[string]*table{}
	for i, l := range lines {
		l = c.line(l)
		if l.Lane != "" && o.Lane != "" && l.Lane != c.clean(o.Lane) {
			continue
		}
		switch l.K {
		case "run":
			s.run = l
		case "end":
			s.end, s.ended = l, true
		case "table":
			if tables[l.Name] == nil {
				tables[l.Name] = &table{name: l.Name, cols: l.Cols}
				s.tables = append(s.tables, tables[l.Name])
			}
		case "row":
			if t := tables[l.Name]; t != nil {
				t.cells = append(t.cells, l.Cells)
			}
		case "note":
			s.notes = append(s.notes, l.Text)
		case "check":
			s.checks = append(s.checks, l)
		default:
			n := lanes[l.Lane]
			if n == nil {
				if l.Lane == "" || len(lanes) == maxLanes {
					continue
				}
				n = &lane{name: l.Lane, byID: map[uint64]*frame{}}
				lanes[l.Lane], s.lanes = n, append(s.lanes, n)
			}
			n.take(numbered{l, i})
		}
	}
	for _, n := range s.lanes {
		n.again()
	}
	return s
}

// wholeBelow is below how many bytes a datagram has a whole message: of a longer
// one, several have parts.
const wholeBelow = 1000

// again marks datagrams with what was sent before. TCP's are marked by the
// stack; what a program sends again is for a stack a datagram like others.
func (n *lane) again() {
	type way struct {
		from, to string
		msg      int
	}
	first := map[way]*frame{}
	for _, f := range n.frames {
		repeats := f.Proto == "udp" && len(f.Msgs) > 0
		for _, m := range f.Msgs {
			w := way{f.From, f.To, m}
			if first[w] == nil {
				first[w] = f
			}
			repeats = repeats && first[w].T < f.T && first[w].Len < wholeBelow
		}
		f.Resent = f.Resent || repeats
	}
}

// take takes in a line of the lane.
func (n *lane) take(l numbered) {
	switch l.K {
	case "lane":
		n.what = l.What
		for _, h := range l.Hosts {
			n.host(h)
		}
	case "call":
		n.host(l.Host)
		n.calls = append(n.calls, l)
	case "read":
		n.host(l.Host)
		n.reads = append(n.reads, l)
	case "show", "msg":
		if len(l.Msgs) == 0 { // of what?
			return
		}
		if l.K == "msg" {
			n.msgs = append(n.msgs, l.Line)
			return
		}
		n.shows = append(n.shows, l)
	case "sample":
		n.samples = append(n.samples, l.Line)
	case "state":
		n.host(l.Host)
		n.changes = append(n.changes, l)
	case "frame":
		n.host(l.From)
		n.host(l.To)
		f := &frame{numbered: l}
		n.frames, n.byID[l.ID] = append(n.frames, f), f
	case "fate":
		n.host(l.To)
		if f := n.byID[l.ID]; f != nil {
			f.fates = append(f.fates, l.Line)
		}
	}
}

// host notes that there is a host.
func (n *lane) host(name string) {
	if name != "" && name != "*" && len(n.hosts) < maxHosts && !slices.Contains(n.hosts, name) {
		n.hosts = append(n.hosts, name)
	}
}

// stream tells whether what is sent has no boundaries.
func (n *lane) stream() bool {
	if len(n.frames) == 0 {
		return strings.HasPrefix(n.what, "tcp")
	}
	tcp := 0
	for _, f := range n.frames {
		if f.Proto == "tcp" {
			tcp++
		}
	}
	return 2*tcp > len(n.frames)
}

// lost tells whether no copy of a frame came to anybody.
func (f *frame) lost() bool {
	return len(f.fates) > 0 && !slices.ContainsFunc(f.fates, func(l lab.Line) bool { return l.Fate != "drop" })
}

// style is that of what carries a frame.
func (f *frame) style() style {
	switch {
	case f.lost():
		return lostStyle
	case f.Resent:
		return againStyle
	case f.Proto == "tcp":
		return tcpStyle
	case f.Proto == "udp":
		return udpStyle
	}
	return plain
}

// styleOf is the style of a lane's name.
func (n *lane) style() style {
	if n.stream() {
		return tcpStyle
	}
	return udpStyle
}

// settings are those of the run.
func (s *story) settings() lab.Settings {
	given := lab.Settings{}
	for word := range strings.FieldsSeq(s.run.Settings) {
		if name, value, ok := strings.Cut(word, "="); ok {
			given[name] = value
		}
	}
	return given
}

// asked are the settings in words, without those that ask for nothing.
func (s *story) asked() string {
	var words []string
	for word := range strings.FieldsSeq(s.run.Settings) {
		name, value, _ := strings.Cut(word, "=")
		if !slices.Contains([]string{"", "0", "0%", "0s", "both"}, value) {
			words = append(words, name+" "+value)
		}
	}
	return strings.Join(words, "   ")
}

// within tells whether an instant is in the part to be shown.
func (o Options) within(t time.Duration) bool {
	return t >= o.From && (o.To == 0 || t <= o.To)
}

// A cleaner cleans the strings of lines, most of which come again and again.
type cleaner struct {
	ascii bool
	seen  map[string]string
}

// maxKept is how many strings a cleaner remembers.
const maxKept = 4096

func (c *cleaner) clean(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := c.seen[s]; ok {
		return known
	}
	out := text.Clean(s)
	if c.ascii {
		out = asciiOnly(out)
	}
	if len(c.seen) < maxKept {
		c.seen[s] = out
	}
	return out
}

// asciiOnly puts ? for what is not ASCII, and nothing for what takes no room.
func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x7f:
			return r
		case text.Width(string(r)) == 0:
			return -1
		case r == '…':
			return '~'
		}
		return '?'
	}, s)
}

func (c *cleaner) line(l lab.Line) lab.Line {
	for _, s := range []*string{
		&l.Lesson, &l.Engine, &l.Settings, &l.Lane, &l.What, &l.Host, &l.From, &l.To, &l.Fn, &l.Proto, &l.Flags, &l.Fate, &l.Why,
		&l.Err, &l.Name, &l.Text, &l.Field, &l.Want, &l.Verdict, &l.Fingerprint,
	} {
		*s = c.clean(*s)
	}
	l.Hosts, l.Cols, l.Cells = c.all(l.Hosts), c.all(l.Cols), c.all(l.Cells)
	return l
}

func (c *cleaner) all(list []string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = c.clean(s)
	}
	return out
}

// sorted are the keys of a map in order.
func sorted[V any](m map[int]V) []int { return slices.Sorted(maps.Keys(m)) }
