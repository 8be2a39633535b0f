package node

import (
	"fmt"
	"testing"
	"time"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// A log of which the beginning is deleted goes to another computer: there, too, it
// is known up to where, with what that added up to; and the room opens again.
func TestHandoverOfPrunedHistory(t *testing.T) {
	ctx, key := t.Context(), transport.Key{1}
	const gone, traces, end = 6, 3, 9 // of the first three nothing is left, of the next their ids
	var run []room.Entry
	for seq := uint64(1); seq <= end; seq++ {
		e := room.Entry{Seq: seq, Audience: []transport.Key{}}
		if seq > traces {
			e.ID, e.Key, e.At = [16]byte{byte(seq)}, transport.Key{7}, time.UnixMilli(5)
		}
		if seq > gone {
			e.Audience, e.Words, e.Body = nil, fmt.Sprint(seq), []byte("{}")
		}
		run = append(run, e)
	}
	h := histories(t)
	l, err := h.take(room.Deed{Room: "physics", Key: key, Log: [16]byte{9}, Kept: "90d"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Import(ctx, run[:gone+1]); err != nil {
		t.Fatal(err)
	}
	if err := l.Gone(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if err := l.Importer.(room.Checkpointer).SaveCheckpoint(ctx, gone+1, []byte("state")); err != nil {
		t.Fatal(err)
	}
	if err := l.Import(ctx, run[gone+1:]); err != nil {
		t.Fatal(err)
	}
	if err := l.ours(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	again, release, err := h.Open("physics", key)
	if err != nil {
		t.Fatal(err)
	}
	if from, last, err := again.Bounds(ctx); from != gone || last != end || err != nil {
		t.Errorf("from %d to %d, %v", from, last, err)
	}
	if seq, state, err := again.(room.Checkpointer).Checkpoint(ctx); seq != gone+1 || string(state) != "state" || err != nil {
		t.Errorf("the checkpoint: %d %q %v", seq, state, err)
	}
	if page, err := again.Page(ctx, transport.Key{}, 1<<62, 10); wordsOf(page) != "7|8|9" || err != nil {
		t.Errorf("%s %v", wordsOf(page), err)
	}
	twice, err := again.Append(ctx, []room.Entry{{ID: [16]byte{5}, Key: transport.Key{7}, Body: []byte("{}")}})
	if err != nil || !twice[0].Duplicate || twice[0].Seq != 5 {
		t.Errorf("an id that was deleted: %+v %v", twice, err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	r, err := history.Open(h.path("physics", key)+logSuffix, history.Options{Reading: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if report, err := r.Check(ctx); err != nil || len(report.Faults) > 0 {
		t.Errorf("%+v %v", report, err)
	}
}
