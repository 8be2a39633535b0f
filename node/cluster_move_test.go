package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"parley/history"
	"parley/room"
	"parley/transport"
)

// fakeFar is a cluster with one room.
type fakeFar struct {
	*fakeLog
	seed   []byte
	who    []string
	moving bool
	seq    uint64
	state  []byte
	fails  func(imported uint64) error // before each run of an import
	there  bool
}

func (f *fakeFar) open(ctx context.Context, name string) (farLog, error) {
	if !f.there {
		return nil, &Error{Code: "cluster_missing", Text: "the cluster keeps no room " + name}
	}
	return f, nil
}

func (f *fakeFar) begin(ctx context.Context, name string, id [16]byte, gone uint64) (farLog, error) {
	if f.there {
		return f, nil
	}
	f.there, f.moving = true, true
	f.fakeLog = &fakeLog{Memory: room.ImportMemory(id)}
	for seq := range gone {
		if err := f.Memory.Import(ctx, []room.Entry{{Seq: seq + 1}}); err != nil {
			return nil, err
		}
	}
	return f, f.Gone(ctx, gone)
}

func (f *fakeFar) Close()                                                {}
func (f *fakeFar) Moving() bool                                          { return f.moving }
func (f *fakeFar) Hosting(ctx context.Context) (nicks []string, _ error) { return f.who, nil }

func (f *fakeFar) Mark(ctx context.Context, on bool) error {
	f.moving = on
	return nil
}

func (f *fakeFar) SaveState(ctx context.Context, seq uint64, state []byte) error {
	f.seq, f.state = seq, state
	return nil
}

func (f *fakeFar) State(ctx context.Context) (uint64, []byte, error) { return f.seq, f.state, nil }

func (f *fakeFar) Secret(ctx context.Context, propose []byte) ([]byte, error) {
	if f.seed == nil {
		f.seed = propose
	}
	return f.seed, nil
}

func (f *fakeFar) Import(ctx context.Context, run []room.Entry) error {
	if f.fails != nil {
		if err := f.fails(run[0].Seq - 1); err != nil {
			f.Memory.Import(ctx, run[:len(run)/2]) // the rest is lost
			return err
		}
	}
	return f.Memory.Import(ctx, run)
}

// home is one computer.
type home struct {
	*Relocation
	t    *testing.T
	told []string
}

func newHome(t *testing.T, f farPlace) *home {
	dir := t.TempDir()
	h := &home{t: t}
	warn := func(text string) { h.told = append(h.told, text) }
	h.Relocation = &Relocation{Histories: &Histories{Dir: filepath.Join(dir, "history"), Warn: warn}, Keys: Keys{Dir: dir, Warn: warn}, Moves: &Moves{Dir: dir}, place: f}
	return h
}

// hosts opens the log of the room as a host of it alone does.
func (h *home) hosts() (l room.Log, key transport.Identity, release func()) {
	h.t.Helper()
	key, unlock, err := h.Keys.Room("physics")
	if err != nil {
		h.t.Fatal(err)
	}
	l, end, err := h.Histories.Open("physics", key.Key())
	if err != nil {
		unlock()
		h.t.Fatal(err)
	}
	return l, key, func() {
		if err := end(); err != nil {
			h.t.Error(err)
		}
		unlock()
	}
}

// said hosts the room while n messages are said, of which some are whispers.
func (h *home) said(n int) transport.Identity {
	h.t.Helper()
	l, key, release := h.hosts()
	defer release()
	_, end, err := l.Bounds(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for at := 0; at < n; {
		var batch []room.Entry
		for ; len(batch) < 200 && at < n; at++ {
			e := spoken(end+uint64(at)+1, fmt.Sprint("message ", end+uint64(at)+1))
			if at%10 == 3 {
				e.Audience = []transport.Key{{5}, {6}}
			}
			batch = append(batch, e)
		}
		if _, err := l.Append(h.t.Context(), batch); err != nil {
			h.t.Fatal(err)
		}
	}
	return key
}

// all is all of the log of the room that this computer hosts alone.
func (h *home) all(n uint64) []room.Entry {
	h.t.Helper()
	l, _, release := h.hosts()
	defer release()
	if _, end, err := l.Bounds(h.t.Context()); end != n || err != nil {
		h.t.Fatalf("it ends at %d, not %d: %v", end, n, err)
	}
	return read(h.t, l, n)
}

func sameEntries(t *testing.T, got, want []room.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, not %d", len(got), len(want))
	}
	for i := range got {
		a, b := record(got[i]), record(want[i])
		if new(chaining).with(a) != new(chaining).with(b) {
			t.Fatalf("%+v where %+v should be", got[i], want[i])
		}
	}
}

func (c *chaining) with(r history.Record) history.Chain {
	c.add(r)
	return c.chain
}

// TestRoomMovesThereAndBack moves a room into a cluster, from there to another computer, and on
// from there once more.
func TestRoomMovesThereAndBack(t *testing.T) {
	f := new(fakeFar)
	ana := newHome(t, f)
	key := ana.said(1500)
	want := ana.all(1500)
	out, err := ana.ToCluster(t.Context(), "physics")
	if err != nil || out.Moved != 1500 || out.Last != 1500 || out.Deleted != 0 || f.moving {
		t.Fatalf("%+v %v", out, err)
	}
	sameEntries(t, read(t, f, 1500), want)
	if _, _, err := ana.Histories.Open("physics", key.Key()); !isCode(err, CodeHistory) {
		t.Errorf("the room opens without its cluster: %v", err)
	}
	if _, err := ana.ToCluster(t.Context(), "physics"); !isCode(err, CodeHistory) || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
	l, release, err := ana.Histories.Beside(t.Context(), "physics", key.Key(), f) // the log has become the copy
	if err != nil || l.(*besideLog).copy.Last() != 1500 || len(ana.told) > 0 {
		t.Error(err, ana.told)
	}
	f.say(t, "in the cluster")
	read(t, l, 1501)
	release()
	want = append(want, read(t, f, 1501)[1500])

	ben := newHome(t, f)
	in, err := ben.FromCluster(t.Context(), "physics")
	if err != nil || in.Moved != 1501 || in.Last != 1501 || in.Key != key.Key() || in.Log != out.Log {
		t.Fatalf("%+v %v", in, err)
	}
	sameEntries(t, ben.all(1501), want)
	if got := ben.said(0); got.Key() != key.Key() {
		t.Error("it has another key")
	}
	ben.said(300)
	want = ben.all(1801)
	out, err = ben.ToCluster(t.Context(), "physics")
	if err != nil || out.Moved != 300 || out.Last != 1801 {
		t.Fatalf("%+v %v", out, err)
	}
	sameEntries(t, read(t, f, 1801), want)
	if again, err := ana.FromCluster(t.Context(), "physics"); err != nil || again.Moved != 1801 || again.Chain != out.Chain || again.Path != ana.Histories.path("physics", key.Key())+".log" {
		t.Errorf("%+v %v", again, err)
	}
	sameEntries(t, ana.all(1801), want)
	if r, err := check(ana, key.Key()); err != nil || len(r.Faults) > 0 || r.Chain != out.Chain {
		t.Errorf("%+v %v", r, err)
	}
}

func check(h *home, key transport.Key) (history.Report, error) {
	l, err := history.Open(h.Histories.path("physics", key)+logSuffix, history.Options{Room: "physics", Of: key, Reading: true})
	if err != nil {
		return history.Report{}, err
	}
	defer l.Close()
	return l.Check(h.t.Context())
}

// TestMovingGoesOn is broken off in the middle, and done again.
func TestMovingGoesOn(t *testing.T) {
	f := new(fakeFar)
	ana := newHome(t, f)
	ana.said(3000)
	want := ana.all(3000)
	ctx, cancel := context.WithCancel(t.Context())
	f.fails = func(n uint64) error {
		if n >= 1000 {
			cancel()
			return errors.New("no answer")
		}
		return nil
	}
	out, err := ana.ToCluster(ctx, "physics")
	if !errors.Is(err, context.Canceled) || !f.moving {
		t.Fatalf("%+v %v", out, err)
	}
	if _, err := newHome(t, f).FromCluster(t.Context(), "physics"); !isCode(err, CodeHistory) || !strings.Contains(err.Error(), "on its way") {
		t.Error(err)
	}
	_, end, _ := f.Bounds(t.Context())
	if end < 1000 || end >= 3000 {
		t.Fatal(end)
	}
	once := true
	f.fails = func(n uint64) error {
		if n >= 2000 && once {
			once = false
			return errors.New("no answer")
		}
		return nil
	}
	if out, err = ana.ToCluster(t.Context(), "physics"); err != nil || out.Moved != 3000-end || f.moving {
		t.Fatalf("%+v %v", out, err)
	}
	sameEntries(t, read(t, f, 3000), want)

	ben := newHome(t, f)
	ctx, cancel = context.WithCancel(t.Context())
	ben.Far = func(doing string, done, of uint64) {
		if done > 500 {
			cancel()
		}
	}
	if in, err := ben.FromCluster(ctx, "physics"); !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v %v", in, err)
	}
	if _, err := ben.Keys.kept("physics"); err == nil {
		t.Error("the key is there before the room")
	}
	if _, _, err := ben.Histories.Open("physics", out.Key); !isCode(err, CodeHistory) || !strings.Contains(err.Error(), "on its way here") {
		t.Errorf("half a room is opened: %v", err)
	}
	ben.Far = nil
	in, err := ben.FromCluster(t.Context(), "physics")
	if err != nil || in.Moved >= 3000 || in.Moved == 0 || in.Chain != out.Chain {
		t.Fatalf("%+v %v", in, err)
	}
	sameEntries(t, ben.all(3000), want)
}

// TestMovingRefusesToMix has what does not belong together stay apart.
func TestMovingRefusesToMix(t *testing.T) {
	moved := func(t *testing.T) (*fakeFar, *home) {
		f := new(fakeFar)
		ana := newHome(t, f)
		ana.said(20)
		if _, err := ana.ToCluster(t.Context(), "physics"); err != nil {
			t.Fatal(err)
		}
		return f, ana
	}
	expect := func(t *testing.T, err error, code, says string) {
		t.Helper()
		var e *Error
		if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Text, says) || e.Hint == "" {
			t.Errorf("%#v, want %s", err, says)
		}
	}
	t.Run("another log", func(t *testing.T) {
		f, _ := moved(t)
		ben := newHome(t, f)
		ben.said(30)
		_, err := ben.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "another room physics")
		_, err = ben.FromCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "you host another room physics")
		ben.all(30)
		ben.Lossy = true
		if _, err = ben.FromCluster(t.Context(), "physics"); err != nil {
			t.Error(err)
		}
		ben.all(20)
	})
	t.Run("another key", func(t *testing.T) {
		f, ana := moved(t)
		ana.FromCluster(t.Context(), "physics")
		f.seed[0]++
		_, err := ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "another key")
	})
	t.Run("apart", func(t *testing.T) {
		f, ana := moved(t)
		if _, err := ana.FromCluster(t.Context(), "physics"); err != nil {
			t.Fatal(err)
		}
		ana.said(5)
		e := spoken(21, "elsewhere")
		e.ID[3]++
		f.Append(t.Context(), []room.Entry{e})
		_, err := ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "another entry 21")
		_, err = ana.FromCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "has 25 entries")
	})
	t.Run("more there", func(t *testing.T) {
		f, ana := moved(t)
		if _, err := ana.FromCluster(t.Context(), "physics"); err != nil {
			t.Fatal(err)
		}
		f.say(t, "later")
		_, err := ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "has more")
		if in, err := ana.FromCluster(t.Context(), "physics"); err != nil || in.Moved != 1 {
			t.Errorf("%+v %v", in, err)
		}
		ana.all(21)
	})
	t.Run("hosted", func(t *testing.T) {
		f, ana := moved(t)
		if _, err := ana.FromCluster(t.Context(), "physics"); err != nil {
			t.Fatal(err)
		}
		_, _, release := ana.hosts()
		_, err := ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHosted, "already host")
		_, err = ana.FromCluster(t.Context(), "physics")
		expect(t, err, CodeHosted, "already host")
		release()
		ana.said(1)
		f.who = []string{"cyn"}
		_, err = ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHosted, "cyn")
		_, err = ana.FromCluster(t.Context(), "physics")
		expect(t, err, CodeHosted, "cyn")
		if f.moving {
			t.Error("it is marked")
		}
	})
	t.Run("changed on the way", func(t *testing.T) {
		f := new(fakeFar)
		ana := newHome(t, f)
		ana.said(1200)
		f.fails = func(n uint64) error {
			if n > 0 {
				f.fails = nil
				e := spoken(n+1, "somebody else's")
				e.Words = "not what was said"
				return f.Memory.Import(t.Context(), []room.Entry{e})
			}
			return nil
		}
		_, err := ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "is not what there was")
		ana.all(1200)
	})
	t.Run("nothing", func(t *testing.T) {
		f := new(fakeFar)
		ana := newHome(t, f)
		_, err := ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeNotFound, "no room physics")
		ana.said(0)
		_, err = ana.ToCluster(t.Context(), "physics")
		expect(t, err, CodeHistory, "nothing was said")
		if _, err = ana.FromCluster(t.Context(), "physics"); !isCode(err, "cluster_missing") {
			t.Error(err)
		}
	})
}

// TestMovingAfterRetention moves a log of which a part was deleted.
func TestMovingAfterRetention(t *testing.T) {
	f := new(fakeFar)
	ana := newHome(t, f)
	key := ana.said(0)
	l, err := history.Open(ana.Histories.path("physics", key.Key())+logSuffix, history.Options{Room: "physics", Of: key.Key()})
	if err != nil {
		t.Fatal(err)
	}
	var run []history.Record
	for seq := uint64(1); seq <= 50; seq++ {
		r := record(spoken(seq, fmt.Sprint("message ", seq)))
		switch {
		case seq <= 10: // no trace
			r = history.Record{Seq: seq, Audience: [][32]byte{}}
		case seq <= 20: // the id
			r.Audience, r.Body, r.Words = [][32]byte{}, nil, ""
		}
		run = append(run, r)
	}
	if err := errors.Join(l.Put(t.Context(), run), l.SaveCheckpoint(t.Context(), 40, []byte("bans and such")), l.SetPruned(t.Context(), 20), l.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = ana.ToCluster(t.Context(), "physics")
	if !isCode(err, CodeHistory) || !strings.Contains(err.Error(), "up to entry 20 is deleted") || f.there {
		t.Fatal(err)
	}
	ana.Lossy = true
	out, err := ana.ToCluster(t.Context(), "physics")
	if err != nil || out.Deleted != 20 || out.Moved != 40 || f.seq != 40 || string(f.state) != "bans and such" {
		t.Fatalf("%+v %v %d %s", out, err, f.seq, f.state)
	}
	if gone, end, _ := f.Bounds(t.Context()); gone != 10 || end != 50 {
		t.Error(gone, end)
	}
	if res, err := f.Append(t.Context(), []room.Entry{spoken(15, "again")}); err != nil || !res[0].Duplicate || res[0].Seq != 15 {
		t.Error("an id is not known any more", res, err)
	}
	fresh, _ := beside(t, histories(t), f) // another host's
	if seq, state, err := fresh.(room.Checkpointer).Checkpoint(t.Context()); seq != 40 || string(state) != "bans and such" || err != nil {
		t.Error(seq, state, err)
	}
	ben := newHome(t, f)
	in, err := ben.FromCluster(t.Context(), "physics")
	if err != nil || in.Chain != out.Chain || in.Deleted != 10 {
		t.Fatalf("%+v %v", in, err)
	}
	hosted, _, release := ben.hosts()
	if gone, end, err := hosted.Bounds(t.Context()); gone != 10 || end != 50 || err != nil {
		t.Error(gone, end, err)
	}
	if seq, state, err := hosted.(room.Checkpointer).Checkpoint(t.Context()); seq != 40 || string(state) != "bans and such" || err != nil {
		t.Error(seq, state, err)
	}
	release()
	f.seq, f.state = 0, nil
	cyn := newHome(t, f)
	if _, err = cyn.FromCluster(t.Context(), "physics"); !isCode(err, CodeHistory) || !strings.Contains(err.Error(), "bans") {
		t.Error(err)
	}
	cyn.Lossy = true
	if in, err := cyn.FromCluster(t.Context(), "physics"); err != nil || in.Chain != out.Chain {
		t.Errorf("%+v %v", in, err)
	}
	if all := cyn.all(50); wordsOf(all[48:]) != "message 49|message 50" {
		t.Error(wordsOf(all[48:]))
	}
}
