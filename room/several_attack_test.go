package room

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// gatedLog stores nothing while its gate is shut.
type gatedLog struct {
	Log
	gate chan struct{} // holds one while it is open
}

func (g *gatedLog) Append(ctx context.Context, batch []Entry) ([]Result, error) {
	select {
	case <-g.gate:
		g.gate <- struct{}{}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g.Log.Append(ctx, batch)
}

// gatedRing is two hosts, the second of which has a gate.
func gatedRing(t *testing.T) (r *ring, gate chan struct{}) {
	gate = make(chan struct{}, 1)
	gate <- struct{}{}
	return openRing(t, 2, pipes, func(i int, h *Host) {
		if i == 1 {
			h.Log = &gatedLog{h.Log, gate}
		}
	}), gate
}

// Who is banned while he is about to sit down at another host does not sit there.
func TestBanOvertakesAJoin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, gate := gatedRing(t)
		defer r.close()
		ana := r.own("ana", 0)
		cynID := identity(t)
		cyn, _ := r.join("cyn", 0, func(o *JoinOptions) { o.Identity = cynID })
		leave(t, cyn)
		until(t, ana, "the leave", func(e Event) bool { return e.Type == Left })
		synctest.Wait() // the other host has heard of it, too
		<-gate
		sat := make(chan *Member, 1)
		go func() {
			defer close(sat)
			m, _ := r.join("cyn", 1, func(o *JoinOptions) { o.Identity = cynID })
			sat <- m
		}()
		synctest.Wait()
		typed(t, ana, "/ban cyn")
		until(t, ana, "the ban", func(e Event) bool { return e.Type == Ban })
		synctest.Wait()
		gate <- struct{}{}
		if m := <-sat; m != nil {
			if code := judged(t, m); code != codeBanned {
				t.Error(code)
			}
		}
		until(t, ana, "the leave", func(e Event) bool { return e.Type == Left && e.Reason == codeBanned })
		leave(t, ana)
	})
}

// Who is kicked while his seat moves to another host is out there, too.
func TestKickOvertakesAMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, gate := gatedRing(t)
		defer r.close()
		ana := r.own("ana", 0)
		cyn, way := r.join("cyn", 0, nil)
		until(t, ana, "the join", func(e Event) bool { return e.Type == Joined && e.Nick == "cyn" })
		<-gate
		way.better <- 1
		synctest.Wait()
		typed(t, ana, "/kick cyn")
		until(t, ana, "the leave", func(e Event) bool { return e.Type == Left && e.Reason == codeKicked })
		gate <- struct{}{}
		if code := judged(t, cyn); code != codeKicked {
			t.Error(code)
		}
		time.Sleep(time.Second)
		if n := len(ana.Names()); n != 1 {
			t.Errorf("%d are here", n)
		}
		leave(t, ana)
	})
}

// Who is kicked while his host is gone does not come in at another.
func TestKickAtADeadHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		bob := r.own("bob", 1)
		cyn, _ := r.join("cyn", 0, nil)
		until(t, bob, "the join", func(e Event) bool { return e.Type == Joined && e.Nick == "cyn" })
		cynSeat := make(chan *person, 1)
		r.halls[1].host.do(func(_ time.Time, c *core) { cynSeat <- c.state.names["cyn"][0] })
		p := <-cynSeat
		r.halls[0].kill()
		typed(t, bob, "/kick cyn")
		until(t, bob, "the kick", func(e Event) bool { return e.Type == Kick })
		if code := judged(t, cyn); code != codeKicked {
			t.Error(code)
		}
		r.tell(1)
		until(t, bob, "the leave", func(e Event) bool { return e.Type == Left && e.Nick == "cyn" })
		shut := make(chan *Refused, 1)
		r.halls[1].host.do(func(now time.Time, c *core) { shut <- c.shutOut(now, p.seat, p.key, roleMember, netip.Addr{}) })
		if no := <-shut; no == nil || no.Code != codeKicked {
			t.Errorf("when its leave was said the seat may come back: %v", no)
		}
		leave(t, bob)
	})
}

// A member cannot keep others from saying that he left, when his host is gone, by using up
// the id which that would have.
func TestOrphansIDIsNotAMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		bob := r.own("bob", 1)
		r.halls[0].kill()
		r.tell(1)
		key, seat := identity(t).Key(), seatID{7}
		store := func(id [16]byte, words string, said report) (seq uint64) {
			results, err := r.log.Append(context.Background(), []Entry{{Key: key, ID: id, At: time.Now(), Body: encode(said), Words: words}})
			if err != nil {
				t.Fatal(err)
			}
			return results[0].Seq
		}
		born := store([16]byte{1}, "", report{Type: typeJoin, Nick: "cyn", Seat: seat.String(), Host: r.halls[0].host.id(), Key: key, Role: roleMember})
		store(orphanID(seat, born), "hm", report{Type: string(Message), From: "cyn", Text: "hm"})
		heard(t, bob, "hm")
		until(t, bob, "the leave", func(e Event) bool { return e.Type == Left && e.Nick == "cyn" })
		leave(t, bob)
	})
}

// Who goes from host to host all the time has to wait: each time is an entry of the log.
func TestHoppingIsPaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		cyn, way := r.join("cyn", 0, nil)
		began := time.Now()
		for n := range 40 {
			way.better <- (n + 1) % 2
			until(t, cyn, "the link", moved)
		}
		if took := time.Since(began); took < 3*time.Second {
			t.Errorf("40 times in %v", took)
		}
		leave(t, cyn)
	})
}
