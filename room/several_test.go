package room

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/transport"
)

// register is a Names that several hosts share.
type register struct {
	mu  sync.Mutex
	all map[string]string
}

func (r *register) Claim(_ context.Context, name, owner string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]string{}
	}
	if h := r.all[name]; h != "" && h != owner {
		return h, nil
	}
	r.all[name] = owner
	return "", nil
}

func (r *register) Release(_ context.Context, name, owner string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[name] == owner {
		delete(r.all, name)
	}
	return nil
}

func (r *register) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

// ring is several hosts of one room.
type ring struct {
	t     testing.TB
	log   Log
	names *register
	halls []*hall
	mu    sync.Mutex
}

// openRing runs n hosts on one log.
func openRing(t testing.TB, n int, by carrier, change func(i int, h *Host)) *ring {
	t.Helper()
	r := &ring{t: t, log: NewMemory(), names: &register{}}
	key := identity(t)
	for i := range n {
		r.halls = append(r.halls, open(t, by, func(h *Host) {
			h.Key, h.Log, h.Names = key, r.log, r.names
			h.Received = func(to string, report []byte) { r.pass(to, report) }
			if change != nil {
				change(i, h)
			}
		}))
	}
	r.tell()
	return r
}

// pass carries what was received from one host to another.
func (r *ring) pass(to string, report []byte) {
	go func() {
		r.mu.Lock()
		halls := r.halls
		r.mu.Unlock()
		for _, h := range halls {
			h.mu.Lock()
			host, down := h.host, h.down
			h.mu.Unlock()
			if host.id() == to && !down {
				host.Heard(report)
			}
		}
	}()
}

// moves are the hosts i of the room.
func (r *ring) moves(at ...int) (all []Move) {
	for _, i := range at {
		all = append(all, Move{Nick: fmt.Sprintf("host%d", i), Host: r.halls[i].id.Key(), At: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i), 1})}, UDP: 7667})
	}
	return all
}

// tell tells all hosts of those at; without any of all.
func (r *ring) tell(at ...int) {
	if len(at) == 0 {
		for i := range r.halls {
			at = append(at, i)
		}
	}
	for _, i := range at {
		r.halls[i].host.Tell(r.moves(at...))
	}
}

func (r *ring) close() {
	for _, h := range r.halls {
		h.mu.Lock()
		down := h.down
		h.mu.Unlock()
		if !down {
			h.close()
		}
	}
}

// roam is a Way that goes round the hosts, beginning with one.
type roam struct {
	ring *ring
	who  transport.Identity

	mu     sync.Mutex
	at     int
	better chan int // go there, though all is well
}

func (r *ring) roam(who transport.Identity, at int) *roam {
	return &roam{ring: r, who: who, at: at, better: make(chan int, 1)}
}

func (w *roam) Dial(ctx context.Context, before transport.Conn) (transport.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before != nil {
		w.at = (w.at + 1) % len(w.ring.halls)
	}
	return w.ring.halls[w.at].dial(w.who)(ctx)
}

func (w *roam) Better(ctx context.Context, now transport.Conn) (transport.Conn, string, error) {
	select {
	case to := <-w.better:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.at = to
		c, err := w.ring.halls[to].dial(w.who)(ctx)
		return c, "moved over", err
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
}

// join seats somebody at host i, who goes round.
func (r *ring) join(nick string, i int, change func(*JoinOptions)) (*Member, *roam) {
	r.t.Helper()
	o := JoinOptions{Nick: nick, Identity: identity(r.t)}
	if change != nil {
		change(&o)
	}
	w := r.roam(o.Identity, i)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := Join(ctx, o, w)
	if err != nil {
		r.t.Fatalf("%s joins at %d: %v", nick, i, err)
	}
	return m, w
}

func moved(e Event) bool { return e.Type == Link && e.State == "moved" }

func TestTwoHostsOneRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		var told []Move
		ana, _ := r.join("ana", 0, func(o *JoinOptions) { o.Hosts = func(all []Move) { told = all } })
		ben, _ := r.join("ben", 1, nil)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
		if len(told) != 2 || told[0].Host != r.halls[0].id.Key() || told[1].Nick != "host1" {
			t.Errorf("told %+v", told)
		}
		say(t, ana, "hi")
		e, f := heard(t, ana, "hi"), heard(t, ben, "hi")
		if e.Seq != f.Seq || f.From != "ana" {
			t.Errorf("%+v and %+v", e, f)
		}
		d := until(t, ana, "all have it", func(e Event) bool { return e.Type == Delivered && e.Count == e.Of })
		if d.Of != 1 {
			t.Errorf("delivered %+v", d)
		}
		for _, m := range []*Member{ana, ben} {
			if n := len(m.names()); n != 2 {
				t.Errorf("%d are here", n)
			}
		}
		// a name is one person's in all of the room
		_, err := Join(t.Context(), JoinOptions{Nick: "Ana", Identity: identity(t)}, r.roam(identity(t), 1))
		var no *Refused
		if !errors.As(err, &no) || no.Code != codeTaken {
			t.Errorf("a second ana: %v", err)
		}
		if !r.halls[1].host.Named("ana") || r.halls[0].host.Named("eve") {
			t.Error("who is named what")
		}
		leave(t, ben)
		until(t, ana, "ben's leave", func(e Event) bool { return e.Type == Left && e.Nick == "ben" && e.Reason == "quit" })
		leave(t, ana)
		if r.names.size() != 0 {
			t.Errorf("names left: %v", r.names.all)
		}
	})
}

// Make before break: the seat goes from a host that lives to another, and what is said
// around it is there once, in order, at both.
func TestSeatMovesOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		ana, way := r.join("ana", 0, nil)
		ben, _ := r.join("ben", 0, nil)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
		for i := range 40 {
			say(t, ana, fmt.Sprint("a", i))
			if i == 20 {
				way.better <- 1
			}
			heard(t, ana, fmt.Sprint("a", i))
		}
		time.Sleep(time.Second)
		say(t, ana, "over")
		n, joins, last := 0, 0, uint64(0)
		until(t, ben, "over", func(e Event) bool {
			if e.Seq > 0 && e.Type != Delivered && e.Type != Accepted && e.Seq <= last {
				t.Errorf("%+v after %d", e, last)
			}
			if e.Type.said() && e.From == "ana" && e.Text == fmt.Sprint("a", n) {
				n++
			}
			if e.Type == Joined && e.Nick == "ana" || e.Type == Left {
				if joins++; !e.Moved() {
					t.Errorf("people see %+v", e)
				}
			}
			return e.Text == "over"
		})
		if n != 40 || joins != 1 {
			t.Errorf("%d of 40, %d moves", n, joins)
		}
		leave(t, ana, ben)
	})
}

// A host dies: its people are at the other, with what was said meanwhile, and nobody is
// told that they came or went.
func TestHostDies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 3, pipes, nil)
		defer r.close()
		ana, _ := r.join("ana", 0, nil)
		ben, _ := r.join("ben", 1, nil)
		until(t, ana, "ben", func(e Event) bool { return e.Type == Joined && e.Nick == "ben" })
		r.halls[0].kill()
		say(t, ben, "while ana is away")
		say(t, ana, "from afar")
		l := until(t, ana, "the link", moved)
		if l.Why != "host1 hosts the room for you now" {
			t.Errorf("%+v", l)
		}
		heard(t, ana, "while ana is away")
		until(t, ben, "ana", func(e Event) bool {
			if (e.Type == Joined || e.Type == Left) && e.Nick == "ana" && !e.Moved() {
				t.Errorf("people see %+v", e)
			}
			return e.Text == "from afar" && e.Type == Message
		})
		r.tell(1, 2)
		time.Sleep(2 * lingering)
		say(t, ben, "end")
		until(t, ana, "the end", func(e Event) bool {
			if e.Type == Left {
				t.Errorf("%+v", e)
			}
			return e.Type == Message && e.Text == "end"
		})
		leave(t, ana, ben)
	})
}

// Who does not come back from a dead host has left, once, whoever says so.
func TestOrphans(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 3, pipes, nil)
		defer r.close()
		ben, _ := r.join("ben", 1, nil)
		var dead []*Member
		for _, nick := range []string{"cyn", "dan"} {
			m := r.halls[0].join(nick, nil)
			dead = append(dead, m)
			go drain(m)
			until(t, ben, nick, func(e Event) bool { return e.Type == Joined && e.Nick == nick })
		}
		r.halls[0].kill()
		for _, m := range dead {
			m.cancel()
		}
		r.tell(1, 2)
		time.Sleep(lingering - time.Second)
		say(t, ben, "not yet")
		until(t, ben, "not yet", func(e Event) bool {
			if e.Type == Left {
				t.Errorf("too early: %+v", e)
			}
			return e.Type == Message
		})
		time.Sleep(10 * time.Second)
		say(t, ben, "end")
		var left []string
		until(t, ben, "the end", func(e Event) bool {
			if e.Type == Left {
				left = append(left, e.Nick+" "+e.Reason)
			}
			return e.Type == Message && e.Text == "end"
		})
		if fmt.Sprint(left) != "[cyn lost dan lost]" || r.names.size() != 1 {
			t.Errorf("left %q, names %v", left, r.names.all)
		}
		leave(t, ben)
	})
}

// A host that was taken for gone comes back: its people sit there again.
func TestTakenForGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := openRing(t, 2, pipes, nil)
		defer r.close()
		ana, _ := r.join("ana", 0, nil)
		ben, _ := r.join("ben", 1, nil)
		r.halls[1].host.Tell(r.moves(1)) // of 0 nothing is heard
		time.Sleep(lingering / 2)
		r.tell() // it was a moment only
		time.Sleep(lingering)
		say(t, ben, "a")
		until(t, ana, "a", func(e Event) bool {
			if e.Type == Left {
				t.Errorf("%+v", e)
			}
			return e.Type == Message
		})
		r.halls[1].host.Tell(r.moves(1))
		time.Sleep(lingering + time.Second)
		until(t, ben, "ana's leave", func(e Event) bool { return e.Type == Left && e.Nick == "ana" })
		until(t, ben, "ana's return", func(e Event) bool { return e.Type == Joined && e.Nick == "ana" && !e.Moved() })
		say(t, ana, "b")
		heard(t, ben, "b")
		leave(t, ana, ben)
	})
}

func drain(m *Member) {
	for {
		if _, err := m.Next(context.Background()); err != nil {
			return
		}
	}
}

// TestAloneAfterOthers opens the log of a room of several hosts where nobody else
// serves it any more: who sat elsewhere is said to have left, and who comes back is not.
func TestAloneAfterOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := NewMemory()
		far := open(t, pipes, func(h *Host) { h.Log = log })
		leave(t, far.join("dan", nil)) // who has left stays so
		far.join("ben", nil).cancel()
		far.join("cyn", nil).cancel()
		synctest.Wait()
		far.kill()
		h := open(t, pipes, func(h *Host) { h.Log, h.Alone = log, true })
		defer h.close()
		ana := h.join("ana", nil)
		if n := len(ana.Names()); n != 3 {
			t.Errorf("%d are here", n)
		}
		for range 2 {
			if e := kind(t, ana, Left); e.Reason != "lost" || e.Nick != "ben" && e.Nick != "cyn" {
				t.Errorf("%+v", e)
			}
		}
		if n := len(ana.Names()); n != 1 {
			t.Errorf("%d are here", n)
		}
		leave(t, ana)
	})
}
