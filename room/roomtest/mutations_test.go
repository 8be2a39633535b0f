package roomtest

import (
	"slices"
	"testing"
)

// mutations each break one promise, and Check must name that promise. Those
// marked only must bring nothing else to light.
var mutations = []struct {
	name string
	want Verdict
	only bool
	do   func(t *testing.T, h []Record) []Record
}{
	{"a row is missing in the log and on all screens", LogGap, true, func(t *testing.T, h []Record) []Record {
		return slices.DeleteFunc(h, func(r Record) bool {
			return (r.Op == Log || r.Op == Recv) && r.Seq == 3
		})
	}},
	{"the first row is missing", LogGap, true, func(t *testing.T, h []Record) []Record {
		return slices.DeleteFunc(h, func(r Record) bool {
			return (r.Op == Log || r.Op == Recv) && r.Seq == 1
		})
	}},
	{"two rows with one number", LogSeqTwice, false, func(t *testing.T, h []Record) []Record {
		return append(h, Record{Op: Log, Seq: 9, Body: "join z"})
	}},
	{"a message is stored twice", LogDuplicate, false, func(t *testing.T, h []Record) []Record {
		last := h[find(t, h, 7, Log, said)]
		last.Seq = h[len(h)-1].Seq + 1
		return showAll(append(h, last), last)
	}},
	{"a message that nobody sent", Phantom, true, func(t *testing.T, h []Record) []Record {
		ghost := Record{Op: Log, Seq: h[len(h)-1].Seq + 1, From: "c", CID: "boo", Body: "boo"}
		return showAll(append(h, ghost), ghost)
	}},
	{"stored text is not the text sent", Corrupt, true, func(t *testing.T, h []Record) []Record {
		seq := h[find(t, h, 5, Log, said)].Seq
		return edit(h, func(r Record) bool { return (r.Op == Log || r.Op == Recv) && r.Seq == seq },
			func(r *Record) { r.Body += "!" })
	}},
	{"stored under another's name", Corrupt, true, func(t *testing.T, h []Record) []Record {
		row := h[find(t, h, 5, Log, said)]
		return edit(h, func(r Record) bool { return (r.Op == Log || r.Op == Recv) && r.Seq == row.Seq },
			func(r *Record) { r.From = "mallory" })
	}},
	{"the last message is acknowledged and gone", AckedLost, false, func(t *testing.T, h []Record) []Record {
		lost := h[find(t, h, len(acked(h))-1, Ack, nil)]
		return slices.DeleteFunc(h, func(r Record) bool {
			return (r.Op == Log || r.Op == Recv) && r.Seq == lost.Seq
		})
	}},
	{"acknowledged under a wrong number", AckChanged, false, func(t *testing.T, h []Record) []Record {
		h[find(t, h, 9, Ack, nil)].Seq += 4
		return h
	}},
	{"acknowledged again under another number", AckChanged, true, func(t *testing.T, h []Record) []Record {
		again := h[find(t, h, 9, Ack, nil)]
		again.Seq--
		return append(h, again)
	}},
	{"an ack of nothing", AckOfNothing, true, func(t *testing.T, h []Record) []Record {
		return append(h, Record{Op: Ack, T: 1 << 40, CID: "never", Seq: 12})
	}},
	{"a failure of nothing", AckOfNothing, true, func(t *testing.T, h []Record) []Record {
		return append(h, Record{Op: Fail, T: 1 << 40, CID: "never"})
	}},
	{"said to have failed, and stored", FailedButStored, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 0, Ack, nil)
		h[i] = Record{Op: Fail, T: h[i].T, CID: h[i].CID}
		return h
	}},
	{"one id for two messages", CIDReuse, true, func(t *testing.T, h []Record) []Record {
		again := h[find(t, h, 3, Send, nil)]
		again.Body, again.T = "something else", 1<<40
		return append(h, again)
	}},
	{"two of one sender change places", SenderOrder, false, func(t *testing.T, h []Record) []Record {
		i, j := find(t, h, 2, Log, by("b")), find(t, h, 3, Log, by("b"))
		return swapRows(h, h[i].Seq, h[j].Seq)
	}},
	{"a later message before an acknowledged one", RealTime, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 6, Log, said)
		if h[i].From == h[i+1].From {
			t.Fatal("want two senders")
		}
		return swapRows(h, h[i].Seq, h[i+1].Seq)
	}},
	{"a row shown twice", DuplicateDisplay, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 10, Recv, seenBy("c"))
		return slices.Insert(h, i+1, h[i])
	}},
	{"a row shown again after coming back", DuplicateDisplay, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 1, Join, is("a"))
		return slices.Insert(h, i+1, h[find(t, h, 4, Recv, seenBy("a"))])
	}},
	{"a row not shown", GapDisplay, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 10, Recv, seenBy("c"))
		return slices.Delete(h, i, i+1)
	}},
	{"two rows shown in the wrong order", GapDisplay, true, func(t *testing.T, h []Record) []Record {
		i, j := find(t, h, 10, Recv, seenBy("c")), find(t, h, 11, Recv, seenBy("c"))
		h[i], h[j] = h[j], h[i]
		return h
	}},
	{"a whisper not shown to whom it was for", GapDisplay, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 0, Recv, func(r Record) bool { return r.To == r.Who })
		return slices.Delete(h, i, i+1)
	}},
	{"a member shows another text", Diverged, true, func(t *testing.T, h []Record) []Record {
		h[find(t, h, 12, Recv, seenBy("d"))].Body += "?"
		return h
	}},
	{"a member shows another author", Diverged, true, func(t *testing.T, h []Record) []Record {
		h[find(t, h, 12, Recv, seenBy("d"))].From = "mallory"
		return h
	}},
	{"a member shows another message", Diverged, true, func(t *testing.T, h []Record) []Record {
		h[find(t, h, 12, Recv, seenBy("d"))].CID = "other"
		return h
	}},
	{"a whisper shown to a third", Diverged, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 0, Recv, func(r Record) bool { return r.From == "a" && r.To == "b" })
		leak := h[i]
		leak.Who = "d"
		return slices.Insert(h, i, leak)
	}},
	{"shown and not stored", DisplayedNotDurable, true, func(t *testing.T, h []Record) []Record {
		i := find(t, h, 0, End, is("b"))
		return slices.Insert(h, i, Record{Op: Recv, Who: "b", Seq: 1 << 20, From: "b", CID: "b-no", Body: "b-no"})
	}},
	{"came back too far on", ResumeSkips, true, func(t *testing.T, h []Record) []Record {
		back := find(t, h, 1, Join, is("a"))
		seq := h[back].Seq
		return slices.DeleteFunc(h, func(r Record) bool {
			return r.Op == Recv && r.Who == "a" && r.Seq == seq
		})
	}},
	{"a member stays behind", Incomplete, true, func(t *testing.T, h []Record) []Record {
		last := lastShown(h, "c")
		return slices.DeleteFunc(h, func(r Record) bool { return r.Op == Recv && r.Who == "c" && r.Seq == last })
	}},
	{"a member saw nothing at all", Incomplete, true, func(t *testing.T, h []Record) []Record {
		return slices.DeleteFunc(h, func(r Record) bool { return r.Op == Recv && r.Who == "c" })
	}},
	{"too few were sent", Vacuous, true, func(t *testing.T, h []Record) []Record {
		h[find(t, h, 0, Plan, nil)].Count *= 2
		return h
	}},
	{"nothing was ever lost", Vacuous, true, func(t *testing.T, h []Record) []Record {
		h[find(t, h, 0, Nemesis, nil)].Count = 0
		return h
	}},
	{"nobody listened", Vacuous, true, func(t *testing.T, h []Record) []Record {
		return slices.DeleteFunc(h, func(r Record) bool { return r.Op == Recv || r.Op == End || r.Op == Join })
	}},
}

func said(r Record) bool { return r.CID != "" && r.To == "" }

func by(who string) func(Record) bool {
	return func(r Record) bool { return r.From == who && r.To == "" }
}

func is(who string) func(Record) bool { return func(r Record) bool { return r.Who == who } }

func seenBy(who string) func(Record) bool {
	return func(r Record) bool { return r.Who == who && r.To == "" && r.CID != "" }
}

func acked(h []Record) (acks []Record) {
	for _, r := range h {
		if r.Op == Ack {
			acks = append(acks, r)
		}
	}
	return acks
}

// showAll shows a row to everybody who may see it, last of all.
func showAll(h []Record, row Record) []Record {
	for _, who := range []string{"a", "b", "c", "d"} {
		if visible(row, who) {
			shown := row
			shown.Op, shown.Who = Recv, who
			h = append(h, shown)
		}
	}
	return h
}

// swapRows makes the host have ordered two rows the other way round, and every
// ack and screen agree with it.
func swapRows(h []Record, a, b uint64) []Record {
	for i := range h {
		if r := &h[i]; r.Op == Log || r.Op == Ack {
			switch r.Seq {
			case a:
				r.Seq = b
			case b:
				r.Seq = a
			}
		}
	}
	row := map[uint64]Record{}
	for _, r := range h {
		if r.Op == Log {
			row[r.Seq] = r
		}
	}
	for i := range h {
		if r := &h[i]; r.Op == Recv {
			shown := row[r.Seq]
			shown.Op, shown.Who, shown.T = Recv, r.Who, r.T
			*r = shown
		}
	}
	return h
}
