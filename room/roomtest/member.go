package roomtest

import (
	"cmp"
	"slices"
)

// viewer is one member's walk along the log. Rows of the log up to pos were
// shown, or are not its business, or have been complained about.
type viewer struct {
	*checker
	who    string
	joined bool
	lane   string
	first  uint64          // the cursor it began with; what it showed up to there is replay
	last   uint64          // the highest row it went past
	shown  map[uint64]bool // every row it showed
	missed map[uint64]bool // rows it was told of as gaps
	dead   bool
}

func (c *checker) checkMember(who string) {
	v := viewer{checker: c, who: who, shown: map[uint64]bool{}, missed: map[uint64]bool{}}
	for _, r := range c.members[who] {
		switch r.Op {
		case Join:
			v.join(r)
		case Recv:
			v.recv(r)
		case Gap:
			v.gap(r)
		case End:
			v.dead = r.Dead
		}
	}
	if v.lane != "" && !v.dead { // who died had not been shown what was still under way
		if row, n := v.unseen(v.first, v.last); n > 0 {
			c.bad(GapDisplay, v.about(row), "%d rows never shown though later ones were", n)
		}
	}
	if !v.dead {
		if row, n := v.unseen(v.last, ^uint64(0)); n > 0 {
			c.bad(Incomplete, v.about(row), "it was there to the end and never got this row, in all %d", n)
		}
	}
}

func (v *viewer) join(r Record) {
	v.lane = r.Lane
	v.dead = false
	if !v.joined {
		v.joined = true
		v.first, v.last = r.Seq, r.Seq
		return
	}
	if row, n := v.unseen(v.last, r.Seq); n > 0 {
		v.bad(ResumeSkips, v.about(row), "it came back with cursor %d, %d rows too far", r.Seq, n)
	}
	v.last = max(v.last, r.Seq)
}

func (v *viewer) recv(r Record) {
	if v.shown[r.Seq] {
		v.bad(DuplicateDisplay, r, "shown before")
		return
	}
	v.shown[r.Seq] = true
	switch row, ok := v.row(r.Seq); {
	case r.Seq <= v.base: // older than what we can judge
	case !ok:
		v.bad(DisplayedNotDurable, r, "the log has no such row")
	case row.CID != r.CID || row.From != r.From || row.To != r.To:
		v.bad(Diverged, r, "the log has %q from %q there", row.CID, row.From)
	case row.Body != r.Body:
		v.bad(Diverged, r, "%s", difference(row.Body, r.Body))
	case !visible(row, v.who):
		v.bad(Diverged, r, "a whisper from %q to %q is not for its eyes", row.From, row.To)
	}
	if v.lane == "" && r.Seq > v.last {
		if row, n := v.unseen(v.last, r.Seq-1); n > 0 {
			v.bad(GapDisplay, v.about(row), "row %d was shown with %d rows before it missing", r.Seq, n)
		}
	}
	v.last = max(v.last, r.Seq)
}

func (v *viewer) gap(r Record) {
	for _, row := range v.log[v.at(r.Seq):] {
		if row.Seq-r.Seq >= r.Count {
			break
		}
		v.missed[row.Seq] = true
	}
}

// unseen counts the rows after one number, up to another, that the viewer may
// see and was not shown, and returns the first of them.
func (v *viewer) unseen(after, upTo uint64) (first Record, n int) {
	if after >= upTo {
		return first, 0
	}
	for _, row := range v.log[v.at(after+1):] {
		if row.Seq > upTo {
			break
		}
		told := v.lane == laneBare && v.missed[row.Seq]
		if told || v.shown[row.Seq] || row.Some || !visible(row, v.who) {
			continue
		}
		if n++; n == 1 {
			first = row
		}
	}
	return first, n
}

// about makes a row of the log a finding about the viewer.
func (v *viewer) about(row Record) Record {
	row.Who = v.who
	return row
}

func (c *checker) row(seq uint64) (Record, bool) {
	if i := c.at(seq); i < len(c.log) && c.log[i].Seq == seq {
		return c.log[i], true
	}
	return Record{}, false
}

// at finds the first row whose number is seq or higher.
func (c *checker) at(seq uint64) int {
	i, _ := slices.BinarySearchFunc(c.log, seq, func(r Record, seq uint64) int { return cmp.Compare(r.Seq, seq) })
	return i
}

// visible tells whether a row may be shown to who: a whisper is for two people.
func visible(row Record, who string) bool {
	return row.To == "" || row.From == nick(who) || row.To == nick(who)
}
