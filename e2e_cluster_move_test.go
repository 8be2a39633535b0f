package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/cluster"
	"parley/cluster/clustertest"
	"parley/history"
	"parley/node"
	"parley/room"
	"parley/transport"
)

// movedRoom is the line of history export and import.
type movedRoom struct {
	Type, Room, To, Log, Key, Chain, Path string
	Last, Entries, Deleted                uint64
}

// moves runs a move and reads what it says.
func (b *box) moves(name string, args ...string) (m movedRoom) {
	b.t.Helper()
	out, talk, code := b.once(name, "", append([]string{"history"}, append(args, "--json")...)...)
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != 0 || m.Type != "moved" {
		b.t.Fatalf("%v: %d %v\n%s%s", args, code, err, out, talk)
	}
	return m
}

// chainOf is what history --check says of a file.
func (b *box) chainOf(name, path string) string {
	b.t.Helper()
	out, talk, code := b.once(name, "", "history", "physics", "--check", "--json")
	for line := range strings.Lines(out) {
		var c struct {
			Path, Chain string
			Faults      []string
		}
		if json.Unmarshal([]byte(line), &c) == nil && c.Path == path && len(c.Faults) == 0 {
			return c.Chain
		}
	}
	b.t.Fatalf("%s is not whole: %d\n%s%s", path, code, out, talk)
	return ""
}

// TestRoomMovesIntoAClusterAndBack moves a room that one host had, has it hosted there, and
// brings it to another computer, where members know it by its key.
func TestRoomMovesIntoAClusterAndBack(t *testing.T) {
	t.Parallel()
	s := clustertest.Start(t, 1, nil)
	b := loopback(t)
	urls := strings.Join(s.URLs(), ",")
	ana := b.host("ana", "physics")
	ben := b.join("ben", b.room())
	ben.say("the lens focuses light")
	ana.await("his message", said("the lens focuses light"))
	ben.say("/msg ana a secret")
	ana.await("the whisper", kind("whisper"))
	key := ana.sees("ready", kind("ready")).text
	if _, talk, code := b.once("ana", "", "history", "export", "physics", "--cluster", urls); code != 1 || !strings.Contains(talk, "end it there first") {
		t.Errorf("a room moves while it is hosted: %d %s", code, talk)
	}
	ben.say("/quit")
	ben.exits(0)
	ana.say("/quit")
	ana.exits(0)
	out := b.moves("ana", "export", "physics", "--cluster", urls)
	if out.To != "cluster" || out.Entries != out.Last || out.Last < 5 || !strings.Contains(key, out.Key) {
		t.Errorf("%+v\n%s", out, key)
	}
	if chain := b.chainOf("ana", out.Path); chain != out.Chain {
		t.Errorf("the chain is %s, not %s", chain, out.Chain)
	}
	if _, talk, code := b.once("ana", "", "host", "physics", "--headless"); code != 1 || !strings.Contains(talk, "kept by a cluster") {
		t.Errorf("it is hosted without its cluster: %d %s", code, talk)
	}
	b.onceSays("cyn", 3, "keeps no room", "history", "import", "maths", "--cluster", urls)
	b.onceSays("cyn", 5, "answers", "history", "import", "physics", "--cluster", "nats://127.0.0.1:1")
	b.onceSays("cyn", 2, "which cluster", "history", "import", "physics")
	b.onceSays("cyn", 2, "parley history show import", "history", "import")
	b.onceSays("cyn", 3, "no room physics", "history", "export", "physics", "--cluster", urls)

	in := b.moves("cyn", "import", "physics", "--cluster", urls)
	if in.To != "file" || in.Last != out.Last || in.Chain != out.Chain || in.Log != out.Log || in.Key != out.Key {
		t.Errorf("%+v, not %+v", in, out)
	}
	if chain := b.chainOf("cyn", in.Path); chain != out.Chain {
		t.Errorf("the chain is %s, not %s", chain, out.Chain)
	}
	cyn := b.host("cyn", "physics")
	ben = b.join("ben", b.room()) // who knows the room by its key
	if got := ben.await("what was said", said("the lens focuses light")); got.Replay == nil || !*got.Replay {
		t.Errorf("%+v", got)
	}
	ben.say("/quit")
	ben.exits(0)
	cyn.say("/quit")
	cyn.exits(0)
	if again := b.moves("cyn", "export", "physics", "--cluster", urls); again.Entries == 0 || again.Entries != again.Last-out.Last {
		t.Errorf("%+v", again)
	}
}

func (b *box) onceSays(name string, want int, says string, args ...string) {
	b.t.Helper()
	if out, talk, code := b.once(name, "", args...); code != want || !strings.Contains(talk, says) {
		b.t.Errorf("%v: %d, not %d: %s%s", args, code, want, out, talk)
	}
}

// TestKilledMovesGoOn kills moves in the middle, with kill -9, and gives the command again.
func TestKilledMovesGoOn(t *testing.T) {
	t.Parallel()
	const n = 15_000
	s := clustertest.Start(t, 1, nil)
	b := loopback(t)
	urls := strings.Join(s.URLs(), ",")
	key := b.longRoom("ana", n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := cluster.Connect(ctx, cluster.Options{URLs: s.URLs(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	kills := 0
	for again := true; again && kills < 3; {
		p := b.parley("ana", "history", "export", "physics", "--cluster", urls, "--json")
		before := uint64(0)
		if r, err := c.Moved(ctx, "physics"); err == nil {
			_, before, _ = r.Bounds(ctx)
		}
		again = p.killedWhen(ctx, func() bool {
			r, err := c.Moved(ctx, "physics")
			if err != nil {
				return false
			}
			_, end, err := r.Bounds(ctx)
			return err == nil && end > before+1500 && end < n
		})
		if again {
			kills++
		}
		if r, err := c.Open(ctx, "physics"); again && err == nil {
			t.Errorf("half a room is open: %v", r)
		}
	}
	if kills == 0 {
		t.Error("the move was too fast to be killed")
	}
	out := b.moves("ana", "export", "physics", "--cluster", urls)
	if out.Last != n || out.Entries >= n || out.Key != key.Key().String() {
		t.Errorf("%+v", out)
	}
	if chain := b.chainOf("ana", out.Path); chain != out.Chain {
		t.Errorf("the chain is %s, not %s", chain, out.Chain)
	}
	p := b.parley("cyn", "history", "import", "physics", "--cluster", urls, "--json")
	if p.killedWhen(ctx, func() bool {
		half, _ := filepath.Glob(filepath.Join(b.home("cyn"), "parley", "history", "*.import"))
		if len(half) == 0 {
			return false
		}
		l, err := history.Open(half[0], history.Options{Room: "physics", Reading: true})
		if err != nil {
			return false
		}
		defer l.Close()
		return l.Last() > 1500
	}) {
		kills++
	}
	in := b.moves("cyn", "import", "physics", "--cluster", urls)
	if in.Chain != out.Chain || in.Last != n {
		t.Errorf("%+v, not %+v", in, out)
	}
	if chain := b.chainOf("cyn", in.Path); chain != out.Chain {
		t.Errorf("the chain is %s, not %s", chain, out.Chain)
	}
	t.Logf("killed %d times; %d entries were there before, of %d", kills, n-in.Entries, n)
}

// killedWhen kills the program when something is so, and tells whether it did before its end.
func (p *proc) killedWhen(ctx context.Context, so func() bool) bool {
	for ctx.Err() == nil {
		select {
		case <-p.done:
			return false
		default:
		}
		if so() {
			p.kill()
			return p.code != 0
		}
	}
	return false
}

// longRoom makes a room's key and log, as a host of many years has them.
func (b *box) longRoom(name string, n int) transport.Identity {
	b.t.Helper()
	dir := filepath.Join(b.home(name), "parley")
	keys := node.Keys{Dir: dir}
	key, release, err := keys.Room("physics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer release()
	h := &node.Histories{Dir: filepath.Join(dir, "history")}
	l, end, err := h.Open("physics", key.Key())
	if err != nil {
		b.t.Fatal(err)
	}
	for at := 0; at < n; {
		var batch []room.Entry
		for ; len(batch) < 1000; at++ {
			words := fmt.Sprintf("message %d of many, and not a short one", at)
			e := room.Entry{Key: transport.Key{byte(at % 7)}, At: time.UnixMilli(int64(at)), Words: words, Body: fmt.Appendf(nil, `{"type":"message","from":"ana","text":%q}`, words)}
			copy(e.ID[:], fmt.Sprintf("%016d", at))
			batch = append(batch, e)
		}
		if _, err := l.Append(b.t.Context(), batch); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := end(); err != nil {
		b.t.Fatal(err)
	}
	return key
}
