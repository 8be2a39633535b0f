package room

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// chronicle makes up a log's entries, in which everything happens that a fold
// takes in, sensible or not.
type chronicle struct {
	*rand.Rand
	seq    uint64
	at     time.Time
	people int // how many keys, seats and nicks there are
}

func newChronicle(seed uint64, people int) *chronicle {
	return &chronicle{Rand: rand.New(rand.NewPCG(seed, 9)), at: time.Unix(1e9, 0).UTC(), people: people}
}

func (c *chronicle) key() (k transport.Key) {
	copy(k[:], fmt.Sprint("key ", c.IntN(c.people)))
	return k
}

func (c *chronicle) nick() string {
	return []string{"ana%d", "Ana%d", "ben%d", "b\u00e9n%d"}[c.IntN(4)][:3] + fmt.Sprint(c.IntN(c.people))
}

func (c *chronicle) one(of ...string) string { return of[c.IntN(len(of))] }

// next makes up one entry.
func (c *chronicle) next() Entry {
	c.seq++
	c.at = c.at.Add(time.Duration(c.IntN(20000)-2000) * time.Millisecond)
	r := report{Nick: c.nick(), By: c.nick(), Key: c.key(), Seat: seatID{byte(c.IntN(c.people)), byte(c.IntN(2))}.String(), Reason: c.one("", "spam")}
	r.Type = c.one("join", "join", "join", "leave", "nick", "message", "action", "whisper", "topic", "kick", "ban", "ban", "unban", "mute", "mute", "unmute",
		"op", "deop", "slow", "lock", "unlock", "motd", "approve", "approve", "deny", "filter", "unfilter", "address", "address", "notice", "later", string(Hosted))
	switch Kind(r.Type) {
	case Hosted: // of a room in plaintext, where its old host is nobody in particular
		r.Host = c.one("", "h1", "h2")
	case Joined:
		r.Host, r.Role, r.Transport = c.one("", "h1", "h2"), c.one(roleMember, roleMember, roleGuest, roleHost), c.one("udp", "tcp")
	case Left:
		r.Reason = c.one("quit", "lost", codeKicked, codeBanned)
	case Renamed:
		r.From = c.nick()
	case Mute, Unmute, Approve:
		if r.State = c.one(stateOn, stateOff); c.IntN(3) == 0 {
			r.Nick = ""
		}
	case Slow:
		r.Seconds = c.IntN(9) - 1
	case Filter, Unfilter:
		r.Text = c.one("heck", "all", "links", "/x+/", "da*n", "(", "")
	case Address:
		r.Code, r.Addr = c.one("ban", "mute"), c.one("10.0.0.9", "fe80::1", "nowhere")
	default:
		r.Text = c.one("light", "sound", "")
	}
	if kind := Kind(r.Type); (kind == Ban || kind == Mute) && c.IntN(2) == 0 {
		r.Until = c.at.Add(time.Duration(c.IntN(100)) * time.Second).Truncate(time.Second)
	}
	e := Entry{Seq: c.seq, Key: c.key(), At: c.at.Truncate(time.Millisecond), Words: r.Text, Body: encode(r)}
	for i := range e.ID {
		e.ID[i] = byte(c.Uint32())
	}
	if c.IntN(50) == 0 {
		e.Body = []byte("no event")
	}
	return e
}

func foldAll(s *state, entries []Entry) *state {
	for _, e := range entries {
		s.fold(e, wireForm(e))
	}
	return s
}

// TestCheckpointAddsUp folds made-up histories in one go, and with a checkpoint
// anywhere in between: both come to the same.
func TestCheckpointAddsUp(t *testing.T) {
	for seed := range uint64(12) {
		c := newChronicle(seed, []int{3, 12, 150}[seed%3])
		entries := make([]Entry, 400+c.IntN(400))
		for i := range entries {
			entries[i] = c.next()
		}
		whole := foldAll(newState(), entries).snapshot().encode()
		for range 8 {
			k := c.IntN(len(entries) + 1)
			before := foldAll(newState(), entries[:k])
			data := before.snapshot().encode()
			s, err := restore(uint64(k), data)
			if err != nil {
				t.Fatal(seed, k, err)
			}
			if again := s.snapshot().encode(); !bytes.Equal(again, data) {
				t.Fatalf("seed %d, %d: restored as\n%s\nnot\n%s", seed, k, again, data)
			}
			if got := foldAll(s, entries[k:]).snapshot().encode(); !bytes.Equal(got, whole) {
				t.Fatalf("seed %d, %d: comes to\n%s\nnot\n%s", seed, k, got, whole)
			}
		}
	}
}

// TestFullListsAddUp does it with lists that are full, so that what is forgotten
// first is the same, too.
func TestFullListsAddUp(t *testing.T) {
	c := newChronicle(1, 6000)
	entries := make([]Entry, 8000)
	for i := range entries {
		entries[i] = c.next()
	}
	s := newState()
	for i := range maxLetIn + 100 {
		s.rules.known.put(transport.Key{1, byte(i), byte(i >> 8)}, true)
		s.rules.kicked.put(seatID{1, byte(i), byte(i >> 8)}, &sentence{nick: "x"})
		s.rules.gone.put(fmt.Sprint("left", i), departed{nick: fmt.Sprint("left", i), seq: 1})
	}
	foldAll(s, entries[:4000])
	data := s.snapshot().encode()
	restored, err := restore(4000, data)
	if err != nil {
		t.Fatal(err)
	}
	if k, o, g := len(s.rules.kicked.order), len(s.rules.known.order), len(s.rules.gone.order); k != maxKicked || o < maxLetIn-500 || g != maxGone {
		t.Errorf("%d were kicked, %d are known, %d are gone", k, o, g)
	}
	if !bytes.Equal(foldAll(s, entries[4000:]).snapshot().encode(), foldAll(restored, entries[4000:]).snapshot().encode()) {
		t.Error("they come to different things")
	}
	t.Logf("FIGURE a checkpoint of %d people and lists of up to %d: %d KiB", len(s.people), maxLetIn, len(data)>>10)
}

// FuzzCheckpoint restores bytes. What can be restored is saved as the same.
func FuzzCheckpoint(f *testing.F) {
	for seed := range uint64(3) {
		c := newChronicle(seed, 5)
		s := newState()
		for range 40 {
			e := c.next()
			s.fold(e, wireForm(e))
		}
		f.Add(s.snapshot().encode())
	}
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"slow":-1,"silence":{},"people":[{"seat":"x"}],"bans":[{"from":["1.2.3.4","1.2.3.4","1.2.3.4","1.2.3.4","1.2.3.4","1.2.3.4","1.2.3.4","1.2.3.4","1.2.3.4"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := restore(7, data)
		if err != nil {
			return
		}
		once := s.snapshot().encode()
		again, err := restore(7, once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice := again.snapshot().encode(); !bytes.Equal(once, twice) {
			t.Fatalf("%s\n%s", once, twice)
		}
		e := newChronicle(1, 3).next()
		s.fold(e, wireForm(e))
		s.rules.banned(transport.Key{}, netip.Addr{}, time.Now())
	})
}

// counted is a Log that counts what is read of it.
type counted struct {
	*Memory
	read  atomic.Int64
	saves atomic.Int64
	err   error // of Checkpoint
	torn  bool  // the checkpoint does not parse
	gone  uint64
}

func (c *counted) Tail(ctx context.Context, after uint64, each func([]Entry) error) error {
	return c.Memory.Tail(ctx, after, func(es []Entry) error {
		c.read.Add(int64(len(es)))
		return each(es)
	})
}

func (c *counted) Bounds(ctx context.Context) (uint64, uint64, error) {
	_, end, err := c.Memory.Bounds(ctx)
	return c.gone, end, err
}

func (c *counted) Checkpoint(ctx context.Context) (uint64, []byte, error) {
	seq, data, err := c.Memory.Checkpoint(ctx)
	if c.torn {
		data = data[:len(data)/2]
	}
	if c.err != nil {
		return 0, nil, c.err
	}
	return seq, data, err
}

func (c *counted) SaveCheckpoint(ctx context.Context, seq uint64, data []byte) error {
	c.saves.Add(1)
	return c.Memory.SaveCheckpoint(ctx, seq, data)
}

// TestCheckpointOpens has a host go on from a checkpoint: it reads no more than
// the last entries, decides as before, and says that who is lost is lost.
func TestCheckpointOpens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := &counted{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Log, h.Burst = log, 1<<20 })
		cynID := identity(t)
		ana, cyn := h.join("ana", h.own), h.join("cyn", func(o *JoinOptions) { o.Identity = cynID })
		dan := h.join("dan", nil)
		go keep(ana)
		go keep(dan)
		for _, line := range []string{"/topic light", "/ban cyn spam", "/mute dan"} {
			typed(t, ana, line)
		}
		if code := judged(t, cyn); code != codeBanned {
			t.Error(code)
		}
		for i := range 2*checkpointEvery + 10 {
			say(t, ana, fmt.Sprint("n", i))
		}
		if err := ana.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		saves := log.saves.Load() // two, or one where saving takes long
		if saves < 1 || saves > 2 {
			t.Errorf("%d checkpoints were saved", saves)
		}
		leave(t, ana)
		h.close()
		if n := log.saves.Load(); n != saves+1 {
			t.Errorf("%d checkpoints were saved when it closed", n)
		}
		log.read.Store(0)
		h.reopen(log)
		synctest.Wait()
		if n := log.read.Load(); n > refill+checkpointEvery {
			t.Errorf("%d entries were read", n)
		}
		if n := h.host.Members(); n != 1 {
			t.Errorf("%d are here", n)
		}
		if r := refused(t, h, JoinOptions{Nick: "cyn2", Identity: cynID}); r.Code != codeBanned {
			t.Errorf("%+v", r)
		}
		eve := h.join("eve", nil)
		if eve.Ready().Text != "light" {
			t.Errorf("%+v", eve.Ready())
		}
		if r := refused(t, h, JoinOptions{Nick: "dan", Identity: identity(t)}); r.Code != codeTaken {
			t.Errorf("%+v", r)
		}
		dan.cancel() // its seat lingers at most 30 s
		h.conns[2].Close()
		if e := kind(t, eve, Left); e.Nick != "dan" || e.Reason != "lost" {
			t.Errorf("%+v", e)
		}
		leave(t, eve)
		h.close()
	})
}

// TestCheckpointUnread has a checkpoint that cannot be used: the log is read as
// a whole, unless that would not be the whole.
func TestCheckpointUnread(t *testing.T) {
	for _, how := range []string{"torn", "err", "ahead"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := &counted{Memory: NewMemory()}
				h := open(t, pipes, func(h *Host) { h.Log, h.Topic = log, "light" })
				ana := h.join("ana", nil)
				leave(t, ana)
				h.close()
				switch how {
				case "torn":
					log.torn = true
				case "err":
					log.err = errors.New("a page is damaged")
				case "ahead":
					log.savedAt = 1000
				}
				h.reopen(log)
				if ben := h.join("ben", nil); ben.Ready().Text != "light" {
					t.Errorf("%+v", ben.Ready())
				} else {
					leave(t, ben)
				}
				h.close()
				if log.gone, log.savedAt = 2, log.savedAt+1000; how != "err" {
					log.torn = true
				}
				again := &Host{Name: "physics", Log: log}
				if err := again.Run(t.Context()); err == nil || strings.Contains(err.Error(), "EOF") {
					t.Errorf("it opens: %v", err)
				}
			})
		})
	}
}

// BenchmarkCheckpoint measures what a checkpoint of a large room costs the
// core's owner (copy), and what is done beside it (write, read).
func BenchmarkCheckpoint(b *testing.B) {
	s := newState()
	for i := range 5000 {
		k := transport.Key{byte(i), byte(i >> 8)}
		e := Entry{Seq: uint64(i + 1), Key: k, At: time.Unix(int64(i), 0).UTC(), Body: encode(report{Type: "join", Nick: fmt.Sprint("nick", i),
			Seat: seatID(k[:16]).String(), Role: roleMember, Transport: "udp", Host: "0123456789abcdef", Key: k})}
		s.fold(e, wireForm(e))
		if i < maxSentences {
			s.rules.fold(e, report{Type: "ban", Nick: fmt.Sprint("banned", i), Key: transport.Key{1, byte(i), byte(i >> 8)}, By: "ana", Reason: strings.Repeat("spam ", 20)})
		}
	}
	data := s.snapshot().encode()
	b.Run("copy", func(b *testing.B) {
		for range b.N {
			s.snapshot()
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for range b.N {
			s.snapshot().encode()
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for range b.N {
			if _, err := restore(9, data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestSentAgainAfterRestart sends a message again whose answer was lost with the
// host, and whose sender was muted since: it was stored before that.
func TestSentAgainAfterRestart(t *testing.T) {
	p := newPlay(&Host{HostKey: transport.Key{1}}) // ana is the host
	ana, ben := p.join("ana"), p.join("ben")
	p.say(ben, "hi")
	p.settle()
	sent, session := fmt.Sprintf("%032x", p.ids), ben.seat.session
	p.core.command(p.now, ana, command{Type: "mute", ID: hexID([16]byte{9}), Nick: "ben"})
	p.settle()
	state, err := restore(p.seen, p.core.state.snapshot().encode())
	if err != nil {
		t.Fatal(err)
	}
	q := &play{core: newCore(p.core.host, p.log.ID()), log: p.log, now: p.now}
	q.core.resume(q.now, state, 0)
	q.core.open(p.seen)
	q.fold()
	q.settle()
	back := &link{out: newOutbox(false), peer: ben.peer}
	q.core.attach(q.now, back)
	q.core.command(q.now, back, command{Type: typeJoin, V: Version, Nick: "ben", Session: hexID(session)})
	q.settle()
	types(back)
	q.core.command(q.now, back, command{Type: "message", ID: sent, Text: "hi"})
	q.core.command(q.now, back, command{Type: "message", ID: hexID([16]byte{7}), Text: "hi"})
	q.settle()
	want(t, back, "accepted, failed muted")
	if n := len(q.core.state.people); n != 2 {
		t.Errorf("%d are here", n)
	}
}
