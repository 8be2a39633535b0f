package roomtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Verdict names a broken promise.
type Verdict string

// The verdicts.
const (
	Vacuous Verdict = "vacuous" // the run proves nothing: too few sends, or a disturbance without effect

	LogGap       Verdict = "log-gap"         // the host's log lacks a number
	LogSeqTwice  Verdict = "log-seq-twice"   // two rows of the log have one number
	LogDuplicate Verdict = "log-duplicate"   // a message is stored twice
	Phantom      Verdict = "phantom"         // the log holds a message that nobody sent
	Corrupt      Verdict = "corrupt"         // a stored message is not what was sent
	SenderOrder  Verdict = "sender-order"    // one sender's messages are stored in another order than sent
	RealTime     Verdict = "real-time order" // a message sent after another's ack is stored before it

	AckedLost       Verdict = "acked-lost"        // acknowledged and not stored
	AckChanged      Verdict = "ack-changed"       // acknowledged under a number that is not, or not always, its own
	AckOfNothing    Verdict = "ack-of-nothing"    // an answer to a message that was not sent
	FailedButStored Verdict = "failed-but-stored" // reported as not stored, and stored
	CIDReuse        Verdict = "cid-reuse"         // two messages were sent under one id

	DuplicateDisplay    Verdict = "duplicate-display"     // a member showed a row twice
	GapDisplay          Verdict = "gap-display"           // a member went past a row without showing it
	Diverged            Verdict = "diverged"              // a member's row is not the log's, or not for its eyes
	DisplayedNotDurable Verdict = "displayed-not-durable" // a member showed a row that is not stored
	ResumeSkips         Verdict = "resume-skips"          // a member came back with a cursor past rows it never showed
	Incomplete          Verdict = "incomplete"            // a live member has not reached the end of the log
)

// Violation is one promise broken once.
type Violation struct {
	Verdict Verdict
	Who     string // the member, if it is about one
	CID     string
	Seq     uint64
	Why     string
}

// String gives the violation on one line.
func (v Violation) String() string {
	var b strings.Builder
	b.WriteString(string(v.Verdict))
	if v.Who != "" {
		fmt.Fprintf(&b, " who=%q", v.Who)
	}
	if v.Seq != 0 {
		fmt.Fprintf(&b, " seq=%d", v.Seq)
	}
	if v.CID != "" {
		fmt.Fprintf(&b, " cid=%q", v.CID)
	}
	b.WriteString(": " + v.Why)
	return b.String()
}

// Check judges a history. None found is nil.
func Check(history []Record) []Violation {
	c := checker{
		sends: map[string]Record{}, acks: map[string]uint64{}, byCID: map[string]uint64{},
		nemesis: map[string]uint64{}, members: map[string][]Record{},
	}
	c.sort(history)
	c.checkVacuous()
	c.checkLog()
	c.checkAnswers(history)
	c.checkSenderOrder()
	c.checkRealTime(history)
	for _, who := range c.order {
		c.checkMember(who)
	}
	return c.found
}

// reportEach is how many violations of a kind a Report spells out; the first
// few tell the story, the rest are its consequences.
const reportEach = 5

// Report prints violations for a person: how many of each kind, and the first few.
func Report(found []Violation) string {
	count := map[Verdict]int{}
	var b strings.Builder
	for _, v := range found {
		if count[v.Verdict]++; count[v.Verdict] <= reportEach {
			fmt.Fprintln(&b, v)
		}
	}
	for _, v := range found {
		if n := count[v.Verdict]; n > reportEach {
			fmt.Fprintf(&b, "… and %d more %s\n", n-reportEach, v.Verdict)
			count[v.Verdict] = 0
		}
	}
	return b.String()
}

type checker struct {
	planned uint64
	base    uint64 // log rows up to this number are older than the run
	log     []Record
	byCID   map[string]uint64 // the first log row of each message
	sends   map[string]Record // the first send of each message
	sent    []Record          // those, in order
	acks    map[string]uint64 // the first ack of each message
	nemesis map[string]uint64
	members map[string][]Record // what each saw, in order
	order   []string            // the members, in order of appearance
	found   []Violation
}

func (c *checker) bad(v Verdict, r Record, why string, args ...any) {
	c.found = append(c.found, Violation{v, r.Who, r.CID, r.Seq, fmt.Sprintf(why, args...)})
}

// sort files the records, so that the checks need not search.
func (c *checker) sort(history []Record) {
	for _, r := range history {
		switch r.Op {
		case Plan:
			c.planned += r.Count
			c.base = max(c.base, r.Seq)
		case Nemesis:
			c.nemesis[r.Who] += r.Count
		case Send:
			first, again := c.sends[r.CID]
			switch {
			case !again:
				c.sends[r.CID] = r
				c.sent = append(c.sent, r)
			case first.Who != r.Who || first.Body != r.Body || first.To != r.To:
				c.bad(CIDReuse, r, "%s had sent another message under it", first.Who)
			}
		case Log:
			c.log = append(c.log, r)
		case Join, Recv, Gap, End:
			if c.members[r.Who] == nil {
				c.order = append(c.order, r.Who)
			}
			c.members[r.Who] = append(c.members[r.Who], r)
		}
	}
	slices.SortStableFunc(c.log, func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
}

func (c *checker) checkVacuous() {
	if planned := max(c.planned, 1); uint64(len(c.sent))*10 < planned*9 {
		c.bad(Vacuous, Record{}, "%d sent of %d planned", len(c.sent), planned)
	}
	for _, name := range sorted(c.nemesis) {
		if c.nemesis[name] == 0 {
			c.bad(Vacuous, Record{Who: name}, "the disturbance never took effect")
		}
	}
	shown := func(rs []Record) bool {
		return slices.ContainsFunc(rs, func(r Record) bool { return r.Op == Recv })
	}
	for _, rs := range c.members {
		if shown(rs) {
			return
		}
	}
	c.bad(Vacuous, Record{}, "no member showed anything")
}

func (c *checker) checkLog() {
	last := c.base
	for _, row := range c.log {
		switch {
		case row.Seq == last && last != c.base:
			c.bad(LogSeqTwice, row, "two rows have this number")
		case row.Seq > last+1:
			c.bad(LogGap, row, "the row before it is %d", last)
		}
		last = max(last, row.Seq)
		if row.CID == "" || row.Seq <= c.base {
			continue
		}
		if first, twice := c.byCID[row.CID]; twice {
			c.bad(LogDuplicate, row, "it is stored under %d already", first)
			continue
		}
		c.byCID[row.CID] = row.Seq
		send, ok := c.sends[row.CID]
		switch {
		case !ok:
			c.bad(Phantom, row, "nobody sent it")
		case send.Body != row.Body:
			c.bad(Corrupt, row, "%s", difference(send.Body, row.Body))
		case nick(send.Who) != row.From || send.To != row.To:
			c.bad(Corrupt, row, "sent by %q to %q, stored as from %q to %q", send.Who, send.To, row.From, row.To)
		}
	}
}

func (c *checker) checkAnswers(history []Record) {
	for _, r := range history {
		if r.Op != Ack && r.Op != Fail {
			continue
		}
		send, ok := c.sends[r.CID]
		if !ok {
			c.bad(AckOfNothing, r, "%s of a message that was not sent", r.Op)
			continue
		}
		r.Who = send.Who
		stored, ok := c.byCID[r.CID]
		if r.Op == Fail {
			if ok {
				c.bad(FailedButStored, r, "it is stored under %d", stored)
			}
			continue
		}
		before, again := c.acks[r.CID]
		if !again {
			c.acks[r.CID] = r.Seq
		}
		switch {
		case again && before != r.Seq:
			c.bad(AckChanged, r, "it was acknowledged under %d before", before)
		case again:
		case !ok:
			c.bad(AckedLost, r, "it is not in the log")
		case stored != r.Seq:
			c.bad(AckChanged, r, "it is stored under %d", stored)
		}
	}
}

func (c *checker) checkSenderOrder() {
	last := map[string]Record{}
	for _, send := range c.sent {
		seq, ok := c.byCID[send.CID]
		if !ok {
			continue
		}
		send.Seq = seq
		if before := last[send.Who]; before.Seq > seq {
			c.bad(SenderOrder, send, "%s, sent before it, is stored under %d", before.CID, before.Seq)
			continue
		}
		last[send.Who] = send
	}
}

// checkRealTime holds for messages of different senders: an ack is a promise
// about the order to anybody who has seen it.
func (c *checker) checkRealTime(history []Record) {
	var acks []Record
	for _, r := range history {
		if r.Op == Ack {
			acks = append(acks, r)
		}
	}
	byTime := func(a, b Record) int { return cmp.Compare(a.T, b.T) }
	slices.SortStableFunc(acks, byTime)
	sent := slices.Clone(c.sent)
	slices.SortStableFunc(sent, byTime)
	var latest Record // of the acks before the send at hand, the one with the highest number
	for _, send := range sent {
		for len(acks) > 0 && acks[0].T < send.T {
			if acks[0].Seq > latest.Seq && c.byCID[acks[0].CID] == acks[0].Seq {
				latest = acks[0]
			}
			acks = acks[1:]
		}
		seq, stored := c.byCID[send.CID]
		if stored && seq < latest.Seq && c.sends[latest.CID].Who != send.Who {
			send.Seq = seq
			c.bad(RealTime, send, "%s was acknowledged under %d before it was sent", latest.CID, latest.Seq)
		}
	}
}

// nick strips what tells the programs of one nick apart.
func nick(who string) string {
	name, _, _ := strings.Cut(who, ":")
	return name
}

func difference(want, got string) string {
	n := 0
	for n < len(want) && n < len(got) && want[n] == got[n] {
		n++
	}
	return fmt.Sprintf("%d bytes for %d, different from byte %d on", len(got), len(want), n)
}

func sorted(m map[string]uint64) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
