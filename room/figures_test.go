package room

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

func figures(t testing.TB, h *Host) Figures {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	f, err := h.Figures(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func metered(h *Host) { h.Metered = true }

// TestFiguresCount has people do a number of things, which then are what is counted.
func TestFiguresCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, cables(1, func(c *cable) { c.delay = 3 * time.Millisecond }), metered)
		defer h.close()
		ana, ben, eve := h.join("ana", nil), h.join("ben", nil), h.join("eve", nil)
		tail := h.join("tail", func(o *JoinOptions) { o.Quiet = true })
		for i := range 10 {
			say(t, ana, fmt.Sprint(i))
		}
		typed(t, ben, "/me waves")
		typed(t, ben, "/msg eve psst")
		typed(t, ben, "/nick benny")
		typed(t, eve, "/nick ana") // is taken
		if err := ana.Flush(context.Background()); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second) // confirmations come a while later
		if _, err := Join(context.Background(), JoinOptions{Nick: "ana", Identity: identity(t)}, h.dial(identity(t))); err == nil {
			t.Error("two are called ana")
		}
		f := figures(t, h.host)
		if want := map[Presence]int{{"udp", roleMember}: 3}; !maps.Equal(f.Members, want) || f.Quiet["udp"] != 1 || f.Lingering != 0 {
			t.Errorf("here are %v, in silence %v, lingering %d", f.Members, f.Quiet, f.Lingering)
		}
		if f.Joins != 4 || f.RefusedJoins[codeTaken] != 1 || f.Accepted["message"] != 10 || f.Accepted["action"] != 1 || f.Accepted["whisper"] != 1 || f.Accepted[labelOther] != 1 || f.Refused[codeTaken] != 1 {
			t.Errorf("joins %d, refused %v; accepted %v, refused %v", f.Joins, f.RefusedJoins, f.Accepted, f.Refused)
		}
		if want := uint64(11*3 + 1); f.Delivered != want { // of what all see, the quiet one has it, too
			t.Errorf("delivered %d times, want %d", f.Delivered, want)
		}
		if f.Heard.Count() != 12 || f.Stored.Count() < 12 || f.Commit.Count() == 0 {
			t.Errorf("of 12 messages %d were heard and %d stored, in %d batches", f.Heard.Count(), f.Stored.Count(), f.Commit.Count())
		}
		if log := h.host.Log.(*Memory); f.Seq != log.end() || f.Entries != int64(log.end()) || f.Bytes <= 0 {
			t.Errorf("the log ends at %d; of %d entries with %d bytes the last is %d", log.end(), f.Entries, f.Bytes, f.Seq)
		}
		if f.Waiting+f.InBatch+f.Parked+f.ReadingLog != 0 || f.Behind != 0 || f.ReadOnly || f.Struggling {
			t.Errorf("something waits: %+v", f)
		}
		if n := f.Carriers["udp"].Connections; n != 4 && n != 5 { // the refused one may be leaving
			t.Errorf("%d connections", n)
		}
		leave(t, ana, ben, eve, tail)
	})
}

// TestFiguresOff tells how the room is where nothing is counted.
func TestFiguresOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, pipes, nil)
		defer h.close()
		ana := h.join("ana", nil)
		say(t, ana, "hello")
		heard(t, ana, "hello")
		f := figures(t, h.host)
		if f.Members[Presence{"pipe", roleMember}] != 1 || f.Seq != 3 && f.Seq != 2 || f.Joins != 0 || f.Commit.Count() != 0 || len(f.Accepted)+len(f.Carriers) != 0 {
			t.Errorf("figures: %+v", f)
		}
		leave(t, ana)
	})
}

// TestFiguresOfALostSeat has a member come back by the same carrier and by another.
func TestFiguresOfALostSeat(t *testing.T) {
	p := newPlay(&Host{Metered: true})
	ana := p.join("ana")
	session := hexID(ana.seat.session)
	p.core.detach(p.now, ana, "")
	if f, _ := p.core.figures(); f.Lingering != 1 || len(f.Members) != 0 {
		t.Errorf("lost: %d linger, %v are here", f.Lingering, f.Members)
	}
	for i, via := range []string{"udp", "tcp", "tcp", "strange"} {
		l := &link{out: newOutbox(false), peer: transport.Peer{Key: ana.peer.Key, Via: via}}
		p.core.attach(p.now, l)
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: "ana", Session: session, Epoch: uint64(i + 1)})
		p.settle()
	}
	f, _ := p.core.figures()
	if want := map[Switch]uint64{{"udp", "tcp"}: 1, {"tcp", labelOther}: 1}; !maps.Equal(f.Switched, want) {
		t.Errorf("switches: %v", f.Switched)
	}
	if want := map[string]uint64{"udp": 1, "tcp": 2, labelOther: 1}; !maps.Equal(f.Resumed, want) || f.Joins != 1 {
		t.Errorf("%d joins, resumed %v", f.Joins, f.Resumed)
	}
	if f.Members[Presence{labelOther, roleMember}] != 1 || f.Lingering != 0 {
		t.Errorf("here are %v", f.Members)
	}
}

// TestFiguresOfTrouble tells of a log that does not store.
func TestFiguresOfTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &disk{Memory: NewMemory()}
		h := open(t, pipes, func(h *Host) { h.Metered, h.Log = true, d })
		defer h.close()
		ana := h.join("ana", nil)
		d.full.Store(true)
		say(t, ana, "lost")
		notice(t, ana, codeReadonly)
		if _, err := Join(context.Background(), JoinOptions{Nick: "ben", Identity: identity(t)}, h.dial(identity(t))); err == nil {
			t.Error("somebody new sat down")
		}
		if f := figures(t, h.host); !f.ReadOnly || f.Struggling || f.Refused[codeNotStored] != 1 || f.RefusedJoins[codeNotStored] != 1 {
			t.Errorf("full: %+v", f)
		}
		d.full.Store(false)
		notice(t, ana, codeWritable)
		d.silent.Store(true)
		say(t, ana, "kept")
		say(t, ana, "too")
		notice(t, ana, codeReadonly)
		if f := figures(t, h.host); f.ReadOnly || !f.Struggling || f.InBatch == 0 || f.Waiting == 0 {
			t.Errorf("silent: %+v", f)
		}
		d.silent.Store(false)
		notice(t, ana, codeWritable)
		synctest.Wait() // that it was stored is heard by two ways
		if f := figures(t, h.host); f.ReadOnly || f.Struggling || f.Accepted["message"] != 2 || f.Commit.Count() == 0 {
			t.Errorf("well again: %+v", f)
		}
		leave(t, ana)
	})
}

// counter is a carrier that counts what it is told to.
type counter struct {
	transport.Conn
	stats atomic.Pointer[transport.Stats]
}

func (c *counter) Stats() transport.Stats { return *c.stats.Load() }

// TestTrafficOnlyGrows has connections come, forget what they counted, and go.
func TestTrafficOnlyGrows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var all []*counter
		by := func(t testing.TB, host, member transport.Identity) (transport.Conn, transport.Conn) {
			a, b := pipes(t, host, member)
			c := &counter{Conn: a}
			c.stats.Store(&transport.Stats{Sent: 10, Lost: 2, Resent: 3, BytesOut: 1000, InFlight: 7, RTT: time.Duration(len(all)+1) * time.Millisecond})
			all = append(all, c)
			return c, b
		}
		h := open(t, by, metered)
		defer h.close()
		ana, ben, eve := h.join("ana", nil), h.join("ben", nil), h.join("eve", nil)
		check := func(when string, connections int, sent, resent uint64, flying int) {
			t.Helper()
			got := figures(t, h.host).Carriers["pipe"]
			if got.Connections != connections || got.Sum.Sent != sent || got.Sum.Resent != resent || got.Sum.InFlight != flying {
				t.Errorf("%s: %+v", when, got)
			}
		}
		check("all are here", 3, 30, 9, 21)
		if got := figures(t, h.host).Carriers["pipe"]; got.Median != 2*time.Millisecond || got.Longest != 3*time.Millisecond {
			t.Errorf("round trips: %v, %v", got.Median, got.Longest)
		}
		all[0].stats.Store(&transport.Stats{Sent: 20, Resent: 3})
		check("one has sent more", 3, 40, 9, 14)
		all[0].stats.Store(&transport.Stats{})
		check("it has forgotten", 3, 40, 9, 14)
		leave(t, ana)
		synctest.Wait()
		check("it is gone", 2, 40, 9, 14)
		leave(t, ben, eve)
		synctest.Wait()
		check("all are", 0, 40, 9, 0)
	})
}

// TestFiguresEnd has nobody wait for a room that is not there.
func TestFiguresEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		early := &Host{Name: "physics"}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := early.Figures(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: %v", err)
		}
		h := open(t, pipes, metered)
		h.close()
		if _, err := h.host.Figures(context.Background()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Run: %v", err)
		}
	})
}

// TestBehind tells who has to read the log.
func TestBehind(t *testing.T) {
	p := newPlay(&Host{Metered: true, Burst: 1 << 30})
	ana, ben := p.join("ana"), p.join("ben")
	types(ana)
	types(ben)
	for range maxFeed + 100 {
		p.say(ana, "x")
		p.settle()
		for range len(ana.out.credits) {
			ana.out.answered()
		}
		ana.out.take(work{})
		ana.out.sent = ana.out.head
	}
	f, _ := p.core.figures()
	if f.ReadingLog != 1 || f.Behind != maxFeed+100 || f.MostBehind != f.Behind {
		t.Errorf("%d read the log, %d are to be sent, %d to one", f.ReadingLog, f.Behind, f.MostBehind)
	}
}

// A meter costs nothing where it is off, and allocates nothing where it is on.
func TestMeterAllocatesNothing(t *testing.T) {
	now := time.Unix(1000, 0)
	batch := []*item{{link: &link{}, entry: &Entry{}, cmd: command{Type: "message", read: 1}}}
	outcomes := []outcome{{result: Result{Seq: 1}}}
	for _, m := range []*meter{nil, meterOf(&Host{Metered: true})} {
		if n := testing.AllocsPerRun(100, func() {
			m.begin(now)
			m.stores(now.Add(time.Millisecond), batch, outcomes)
			m.confirms(time.Millisecond, true)
			m.fails(codeTaken)
		}); n != 0 {
			t.Errorf("it allocates %g times", n)
		}
	}
}

// BenchmarkFoldMetered is BenchmarkFold with all of it counted.
func BenchmarkFoldMetered(b *testing.B) { benchmarkFold(b, &Host{Burst: 1 << 30, Metered: true}) }

// BenchmarkFigures measures for how long a question about a full room keeps its core.
func BenchmarkFigures(b *testing.B) {
	p := newPlay(&Host{Metered: true, MaxSeats: 1000, Own: func(netip.Addr) bool { return true }})
	for i := range 1000 {
		l := &link{out: newOutbox(false), peer: transport.Peer{Key: transport.Key{byte(i), byte(i >> 8), 1}, Via: "udp"}}
		p.core.attach(p.now, l)
		p.core.command(p.now, l, command{Type: typeJoin, V: Version, Nick: fmt.Sprintf("m%dx", i)})
		p.settle()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if f, _ := p.core.figures(); f.Members[Presence{"udp", roleMember}] != 1000 {
			b.Fatalf("here are %v", f.Members)
		}
	}
}
