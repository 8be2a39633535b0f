package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"parley/cluster/clustertest"
	"parley/room"
	"parley/transport"
)

func connected(t *testing.T, urls []string) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := Connect(ctx, Options{URLs: urls, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func imported(seq uint64) room.Entry {
	e := room.Entry{Seq: seq, Key: transport.Key{byte(seq % 3)}, At: time.UnixMilli(int64(seq)).UTC(), Words: fmt.Sprint("words ", seq), Body: fmt.Appendf(nil, `{"n":%d}`, seq)}
	copy(e.ID[:], fmt.Sprintf("%016d", seq))
	return e
}

// TestRoomMovesIn brings a log that begins behind a number in, which nobody can open
// until it is whole.
func TestRoomMovesIn(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) { movesIn(t, connected(t, clustertest.Start(t, n, nil).URLs())) })
	}
}

func movesIn(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	id := [16]byte{1, 2, 3}
	var missing *Error
	if _, err := c.Moved(ctx, "physics"); !errors.As(err, &missing) || missing.Code != CodeMissing {
		t.Errorf("%v", err)
	}
	const gone, end = 1000, 1300
	r, err := c.Begin(ctx, "physics", 0, id, gone)
	if err != nil {
		t.Fatal(err)
	}
	if first, last, err := r.Bounds(ctx); first != gone || last != gone || err != nil || r.ID() != id || !r.Moving() {
		t.Fatal(first, last, err, r.Moving())
	}
	if seed, err := r.Key(ctx); seed != nil || err != nil {
		t.Error(seed, err)
	}
	if seed, err := r.Secret(ctx, bytes.Repeat([]byte{7}, 32)); len(seed) != 32 || err != nil {
		t.Error(seed, err)
	}
	if seed, err := r.Key(ctx); !bytes.Equal(seed, bytes.Repeat([]byte{7}, 32)) || err != nil {
		t.Error(seed, err)
	}
	var run []room.Entry
	for seq := uint64(gone + 1); seq <= end; seq++ {
		run = append(run, imported(seq))
	}
	if err := r.Import(ctx, run[:200]); err != nil {
		t.Fatal(err)
	}
	if err := r.Import(ctx, run[:200]); err == nil {
		t.Error("what is there is imported again")
	}
	if err := r.Import(ctx, run[250:]); err == nil {
		t.Error("a gap is imported")
	}
	for _, open := range []func() (*Room, error){func() (*Room, error) { return c.Open(ctx, "physics") }, func() (*Room, error) { return c.Room(ctx, "physics", 0) }} {
		var e *Error
		if _, err := open(); !errors.As(err, &e) || e.Code != CodeMoving || e.Hint == "" {
			t.Errorf("half a room is opened: %v", err)
		}
	}
	if r, err = c.Begin(ctx, "physics", 0, [16]byte{9}, 0); err != nil || r.ID() != id || !r.Moving() {
		t.Fatal(err)
	}
	if _, last, err := r.Bounds(ctx); last != gone+200 || err != nil {
		t.Error(last, err)
	}
	if err := r.Import(ctx, run[200:]); err != nil {
		t.Fatal(err)
	}
	state := make([]byte, 700<<10)
	rand.Read(state)
	if seq, _, err := r.State(ctx); seq != 0 || err != nil {
		t.Error(seq, err)
	}
	if err := r.SaveState(ctx, end, state); err != nil {
		t.Error(err)
	}
	if seq, got, err := r.State(ctx); seq != end || !bytes.Equal(got, state) || err != nil {
		t.Error(seq, len(got), err)
	}
	if err := r.Mark(ctx, false); err != nil {
		t.Fatal(err)
	}
	if r, err = c.Open(ctx, "physics"); err != nil || r.Moving() {
		t.Fatal(err)
	}
	res, err := r.Append(ctx, []room.Entry{imported(gone + 5), {Key: transport.Key{4}, ID: [16]byte{4}, Body: []byte("{}")}})
	if err != nil || len(res) != 2 || res[0] != (room.Result{Seq: gone + 5, Duplicate: true}) || res[1].Seq != end+1 {
		t.Error(res, err)
	}
	var all []room.Entry
	enough := errors.New("enough")
	err = r.Tail(ctx, 0, func(more []room.Entry) error {
		if all = append(all, more...); len(all) == end+1 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	for i, e := range all[:end] {
		if e.Seq != uint64(i+1) || (e.Seq <= gone) != (len(e.Body) == 0) || e.Seq > gone && e.Words != imported(e.Seq).Words {
			t.Fatalf("%d: %+v", i, e)
		}
	}
	if hosts, err := r.Hosts(ctx); len(hosts) != 0 || err != nil {
		t.Error(hosts, err)
	}
	if err := r.Mark(ctx, true); err != nil {
		t.Error(err)
	}
	if _, err := c.Open(ctx, "physics"); err == nil {
		t.Error("it is opened while it is marked")
	}
}

// TestSkippingWithoutHelp brings a stream to its first number as servers of 2.9 need it, and
// reads a log of which nothing is left.
func TestSkippingWithoutHelp(t *testing.T) {
	c := connected(t, clustertest.Start(t, 1, nil).URLs())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const gone = 1500
	r, err := c.Begin(ctx, "physics", 0, [16]byte{1}, 0)
	if err == nil {
		err = r.skip(ctx, gone)
	}
	if err != nil {
		t.Fatal(err)
	}
	if first, last, err := r.Bounds(ctx); first != gone || last != gone || err != nil {
		t.Error(first, last, err)
	}
	if err := r.skip(ctx, gone); err != nil {
		t.Error(err)
	}
	n := 0
	enough := errors.New("enough")
	err = r.Tail(ctx, 0, func(run []room.Entry) error {
		for _, e := range run {
			if n++; e.Seq != uint64(n) || len(e.Body) > 0 {
				return fmt.Errorf("%+v", e)
			}
		}
		if n == gone+1 {
			return enough
		}
		if n == gone {
			return r.Import(ctx, []room.Entry{{Seq: gone + 1, Key: transport.Key{1}}})
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(n, err)
	}
}

func FuzzState(f *testing.F) {
	f.Add(make([]byte, headSize), []byte{})
	f.Add(append([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 1}, make([]byte, 32)...), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, head, parts []byte) {
		if _, n, sum, ok := parseHead(head); ok && n <= maxParts {
			inflate(parts, sum)
		}
		if state, ok := inflate(parts, sha256.Sum256(parts)); ok && len(state) > maxState {
			t.Error(len(state))
		}
	})
}
