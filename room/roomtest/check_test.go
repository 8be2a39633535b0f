package roomtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// run makes a history in which everything went well: each of the senders says
// n messages, everybody sees them, some are whispers, one member came back
// after a break and one was gone before the end. The numbers start at 1, with
// a join for each member.
func run(members, n int, seed uint64) []Record {
	rng := rand.New(rand.NewPCG(seed, 2))
	h := []Record{
		{Op: Plan, Count: uint64(members * n)},
		{Op: Nemesis, Who: "loss", Count: 7},
	}
	var clock int64
	tick := func() int64 { clock++; return clock }
	name := func(i int) string { return string(rune('a' + i)) }
	var log []Record
	seqs := func() uint64 { return uint64(len(log)) + 1 }
	show := func(row Record) {
		log = append(log, row)
		for i := range members {
			if who := name(i); visible(row, who) {
				shown := row
				shown.Op, shown.Who, shown.T = Recv, who, tick()
				h = append(h, shown)
			}
		}
	}
	for i := range members {
		h = append(h, Record{Op: Join, Who: name(i), T: tick()})
	}
	for i := range members {
		show(Record{Op: Log, Seq: seqs(), Body: "join " + name(i)})
	}
	for k := range n {
		for _, i := range rng.Perm(members) {
			who, to := name(i), ""
			if k%5 == 4 {
				to = name((i + 1) % members)
			}
			cid := fmt.Sprintf("%s%d", who, k)
			body := cid + strings.Repeat(" x", rng.IntN(20))
			h = append(h, Record{Op: Send, T: tick(), Who: who, CID: cid, Body: body, To: to})
			seq := seqs()
			show(Record{Op: Log, Seq: seq, From: who, To: to, CID: cid, Body: body})
			h = append(h, Record{Op: Ack, T: tick(), CID: cid, Seq: seq})
		}
		if k == n/2 { // it may come back with an older cursor, and is shown nothing twice
			h = append(h, Record{Op: Join, T: tick(), Who: name(0), Seq: lastShown(h, name(0))})
		}
	}
	// Two sends without an answer: one was stored, one was not.
	h = append(h, Record{Op: Send, T: tick(), Who: "a", CID: "a-in", Body: "a-in"})
	show(Record{Op: Log, Seq: seqs(), From: "a", CID: "a-in", Body: "a-in"})
	h = append(h, Record{Op: Send, T: tick(), Who: "a", CID: "a-out", Body: "a-out"})
	h = append(h, Record{Op: Send, T: tick(), Who: "b", CID: "b-no", Body: "b-no"}, Record{Op: Fail, T: tick(), CID: "b-no"})
	for i := range members {
		h = append(h, Record{Op: End, T: tick(), Who: name(i)})
	}
	return append(h, log...)
}

func lastShown(h []Record, who string) (seq uint64) {
	for _, r := range h {
		if r.Op == Recv && r.Who == who {
			seq = r.Seq
		}
	}
	return seq
}

// find returns the position of the nth record with that op and the property.
func find(t *testing.T, h []Record, n int, op Op, is func(Record) bool) int {
	t.Helper()
	for i, r := range h {
		if r.Op == op && (is == nil || is(r)) {
			if n == 0 {
				return i
			}
			n--
		}
	}
	t.Fatalf("the history has no such %s", op)
	return 0
}

// edit changes every record of the history that has the property.
func edit(h []Record, is func(Record) bool, change func(*Record)) []Record {
	for i := range h {
		if is(h[i]) {
			change(&h[i])
		}
	}
	return h
}

func TestGoodHistory(t *testing.T) {
	for seed := range uint64(20) {
		if found := Check(run(4, 20, seed)); found != nil {
			t.Fatalf("seed %d:\n%s", seed, Report(found))
		}
	}
}

func TestMutations(t *testing.T) {
	caught := map[Verdict]bool{}
	for _, m := range mutations {
		t.Run(string(m.want)+"/"+m.name, func(t *testing.T) {
			found := Check(m.do(t, run(4, 20, 1)))
			named := slices.ContainsFunc(found, func(v Violation) bool { return v.Verdict == m.want })
			other := slices.ContainsFunc(found, func(v Violation) bool { return v.Verdict != m.want })
			if !named || m.only && other {
				t.Errorf("want %s, found:\n%s", m.want, Report(found))
			}
			caught[m.want] = named
		})
	}
	for _, v := range []Verdict{Vacuous, LogGap, LogSeqTwice, LogDuplicate, Phantom, Corrupt, SenderOrder, RealTime,
		AckedLost, AckChanged, AckOfNothing, FailedButStored, CIDReuse, DuplicateDisplay, GapDisplay, Diverged,
		DisplayedNotDurable, ResumeSkips, Incomplete} {
		if !caught[v] {
			t.Errorf("no mutation is caught as %s", v)
		}
	}
}

// What looks odd and is allowed.
func TestForgiven(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, h []Record) []Record{
		"a dead member stays behind": func(t *testing.T, h []Record) []Record {
			h[find(t, h, 0, End, is("c"))].Dead = true
			last := lastShown(h, "c")
			return slices.DeleteFunc(h, func(r Record) bool { return r.Op == Recv && r.Who == "c" && r.Seq > last/2 })
		},
		"the same message sent again": func(t *testing.T, h []Record) []Record {
			return append(h, h[find(t, h, 3, Send, nil)])
		},
		"the same ack again": func(t *testing.T, h []Record) []Record {
			return append(h, h[find(t, h, 3, Ack, nil)])
		},
		"an old cursor": func(t *testing.T, h []Record) []Record {
			h[find(t, h, 1, Join, is("a"))].Seq -= 3
			return h
		},
		"rows older than the run": func(t *testing.T, h []Record) []Record {
			h[find(t, h, 0, Plan, nil)].Seq = 4
			for i := range h {
				if h[i].Op == Join {
					h[i].Seq = max(h[i].Seq, 4)
				}
			}
			return slices.DeleteFunc(h, func(r Record) bool { return (r.Op == Log || r.Op == Recv) && r.Seq <= 4 })
		},
		"a second program of one nick": func(t *testing.T, h []Record) []Record {
			for _, r := range slices.Clone(h) {
				if r.Who == "b" && (r.Op == Recv || r.Op == Join || r.Op == End) {
					r.Who = "b:2"
					h = append(h, r)
				}
			}
			return h
		},
		"another order, in an unordered lane": func(t *testing.T, h []Record) []Record {
			h[find(t, h, 0, Join, is("c"))].Lane = laneUnordered
			i, j := find(t, h, 10, Recv, seenBy("c")), find(t, h, 14, Recv, seenBy("c"))
			h[i], h[j] = h[j], h[i]
			return h
		},
		"dead with something under way, in an unordered lane": func(t *testing.T, h []Record) []Record {
			h[find(t, h, 0, Join, is("c"))].Lane = laneUnordered
			h[find(t, h, 0, End, is("c"))].Dead = true
			i := find(t, h, 10, Recv, seenBy("c"))
			return slices.Delete(h, i, i+1)
		},
		"gaps that were told of, in a bare lane": func(t *testing.T, h []Record) []Record {
			h[find(t, h, 0, Join, is("c"))].Lane = laneBare
			i := find(t, h, 10, Recv, seenBy("c"))
			h[i] = Record{Op: Gap, Who: "c", Seq: h[i].Seq, Count: 1}
			return h
		},
	} {
		if found := Check(do(t, run(4, 20, 3))); found != nil {
			t.Errorf("%s:\n%s", name, Report(found))
		}
	}
}

// Lanes forgive only what they are for.
func TestLanesStillJudge(t *testing.T) {
	for name, lane := range map[string]string{"lost": laneUnordered, "lost without a word": laneBare} {
		h := run(4, 20, 4)
		h[find(t, h, 0, Join, is("c"))].Lane = lane
		i := find(t, h, 10, Recv, seenBy("c"))
		found := Check(slices.Delete(h, i, i+1))
		if len(found) != 1 || found[0].Verdict != GapDisplay {
			t.Errorf("%s in lane %s:\n%s", name, lane, Report(found))
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	h := run(8, 1250, 1)
	b.ReportMetric(float64(len(h)), "records")
	for b.Loop() {
		if found := Check(h); found != nil {
			b.Fatal(Report(found))
		}
	}
}
