package room

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/transport"
)

// estate is a room that is about to be handed over, and both sides' machines.
type estate struct {
	t        testing.TB
	hall     *hall
	ana, ben *Member
	benID    transport.Identity
	offers   chan Offer
	took     chan error // how the Taker of ben ended
	take     func(context.Context, Offer) error
	mu       sync.Mutex
	marked   bool
	ticket   string
	told     int
	gone     bool
	deaf     bool // the new host hears nothing of Tell
	tryErr   error
	heir     *Host // the new one
	heirRuns sync.WaitGroup
	heirEnds []context.CancelFunc
	serves   bool
	secrets  Secrets
	markErr  error
	markSlow time.Duration
}

func (s *estate) Try(ctx context.Context, to Move) (Move, error) { return to, s.tryErr }

func (s *estate) Mark(ctx context.Context, to Move, ticket string) error {
	time.Sleep(s.markSlow)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.markErr != nil {
		return s.markErr
	}
	if s.serves {
		s.t.Error("the new host serves before the old one has marked")
	}
	s.marked, s.ticket = true, ticket
	return nil
}

func (s *estate) Tell(ctx context.Context, to Move, ticket string) error {
	s.mu.Lock()
	deaf := s.deaf
	s.told++
	s.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Serve(ctx)
}

func (s *estate) Moved(to Move, ticket string, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
}

func (s *estate) Open(ctx context.Context, d Deed) (*Host, error) {
	s.heir = &Host{Name: d.Room, Log: ImportMemory(d.Log), HostKey: s.benID.Key(), Plaintext: d.Plaintext, Delivery: d.Delivery, Taking: true}
	return s.heir, nil
}

func (s *estate) Run() {
	ctx, cancel := context.WithCancel(context.Background())
	s.heirEnds = append(s.heirEnds, cancel)
	heir := s.heir
	s.heirRuns.Go(func() { heir.Run(ctx) })
}

func (s *estate) Keep(ctx context.Context, secrets Secrets) error {
	s.secrets = secrets
	return nil
}

func (s *estate) Serve(ctx context.Context) error {
	s.mu.Lock()
	if !s.marked {
		s.t.Error("the new host is to serve what is not marked")
	}
	again := s.serves
	s.serves = true
	s.mu.Unlock()
	if again {
		return nil
	}
	return s.heir.Begin(ctx, s.secrets, Heir{Nick: "ben", Key: s.benID.Key(), From: "ana"})
}

// inherit opens a room with ana and ben in it, who join with some options.
func inherit(t *testing.T, change func(*Host), with func(*JoinOptions)) *estate {
	s := &estate{t: t, benID: identity(t), offers: make(chan Offer, 1), took: make(chan error, 1)}
	s.hall = open(t, cables(1, func(c *cable) { c.delay = time.Millisecond }), func(h *Host) {
		h.Mover = s
		if change != nil {
			change(h)
		}
	})
	if with == nil {
		with = func(*JoinOptions) {}
	}
	s.ana = s.hall.join("ana", func(o *JoinOptions) { s.hall.own(o); with(o) })
	s.ben = s.hall.join("ben", func(o *JoinOptions) {
		o.Identity = s.benID
		with(o)
		o.Taker = func(ctx context.Context, offer Offer, _ func(string, string)) error {
			if s.take == nil {
				s.offers <- offer
				return nil
			}
			err := s.take(ctx, offer)
			s.took <- err
			return err
		}
	})
	return s
}

func (s *estate) close() {
	for _, m := range []*Member{s.ana, s.ben} { // who may have been told to go elsewhere
		m.Leave(context.Background(), "")
	}
	for _, end := range s.heirEnds {
		end()
	}
	s.hall.close()
	s.heirRuns.Wait()
}

// offer has ana offer the room and ben accept.
func (s *estate) offer() {
	s.t.Helper()
	typed(s.t, s.ana, "/handover ben")
	until(s.t, s.ben, "an offer", func(e Event) bool { return e.Type == Handover && e.State == "offered" })
	typed(s.t, s.ben, "/accept")
}

// connect makes the connection of a handover from somebody.
func (s *estate) connect(who transport.Identity, cut *scissors) transport.Conn {
	a, b := s.hall.carrier(s.t, s.hall.id, who)
	if cut != nil {
		a, b = cut.end(a), cut.end(b)
	}
	s.hall.serving.Go(func() {
		first, err := a.Receive(context.Background())
		if err != nil {
			a.Close()
			return
		}
		if _, ok := ParseTakeover(first); !ok {
			s.t.Errorf("no takeover: %s", first)
		}
		s.hall.host.HandOver(context.Background(), a, append([]byte(nil), first...))
	})
	return b
}

// scissors cut a connection after some messages.
type scissors struct {
	mu   sync.Mutex
	left int
	both []transport.Conn
}

type cutEnd struct {
	transport.Conn
	cut *scissors
}

func (s *scissors) end(c transport.Conn) transport.Conn {
	s.both = append(s.both, c)
	return cutEnd{c, s}
}

func (c cutEnd) Send(ctx context.Context, msg []byte) error {
	c.cut.mu.Lock()
	over := c.cut.left == 0
	if c.cut.left > 0 {
		c.cut.left--
	}
	c.cut.mu.Unlock()
	if over {
		for _, end := range c.cut.both {
			end.Close()
		}
		return errCut
	}
	return c.Conn.Send(ctx, msg)
}

var there = Move{At: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, UDP: 7667}

func handedState(states ...string) func(Event) bool {
	return func(e Event) bool {
		for _, s := range states {
			if e.Type == Handover && e.State == s {
				return true
			}
		}
		return false
	}
}

// The connection of a handover is cut after each of its messages: the room goes on
// where it was until it is marked, and never after; where nothing more is
// heard, the new host does not serve until it has asked.
func TestHandoverCut(t *testing.T) {
	outcomes := map[string]int{}
	for left := range 16 {
		for _, deaf := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				s := inherit(t, nil, nil)
				defer s.close()
				s.deaf = deaf
				for i := range 60 {
					say(t, s.ana, fmt.Sprint("before ", i))
				}
				heard(t, s.ana, "before 59")
				s.take = func(ctx context.Context, o Offer) error {
					return Take(ctx, s.connect(s.benID, &scissors{left: left}), o, there, s, func(string, string) {})
				}
				s.offer()
				err := <-s.took
				s.mu.Lock()
				marked, serves := s.marked, s.serves
				s.mu.Unlock()
				var doubt *Doubt
				switch {
				case err == nil && (!marked || !serves):
					t.Errorf("%d: taken, marked %v, serves %v", left, marked, serves)
				case err != nil && !errors.As(err, &doubt) && marked:
					t.Errorf("%d: marked, and the new host is sure that it has nothing: %v", left, err)
				case errors.As(err, &doubt) && marked: // it asks
					err := Ask(t.Context(), s.connect(s.benID, nil), "physics", s.ticket)
					if s.mu.Lock(); err != nil && !s.gone { // then the node answers, by Given
						t.Errorf("%d: the answer: %v", left, err)
					}
					s.mu.Unlock()
					s.Serve(t.Context())
				case errors.As(err, &doubt):
					if err := Ask(t.Context(), s.connect(s.benID, nil), "physics", "nothing"); !errors.Is(err, ErrNotOurs) {
						t.Errorf("%d: the answer: %v", left, err)
					}
				}
				outcomes[fmt.Sprintf("marked %v, deaf %v", marked, deaf)]++
				if !marked {
					say(t, s.ana, "it goes on")
					heard(t, s.ana, "it goes on")
					return
				}
				until(t, s.ana, "the end", handedState("done"))
			})
		}
	}
	t.Logf("FIGURE handovers cut after each message: %v", outcomes)
	if len(outcomes) < 4 {
		t.Errorf("not everything was tried")
	}
}

// cutAfter is a connection that ends when one of its messages has arrived.
type cutAfter struct {
	transport.Conn
	kind string
}

func (c cutAfter) Send(ctx context.Context, msg []byte) error {
	err := c.Conn.Send(ctx, msg)
	if x, no := parseHanding(msg); no == nil && x.Type == c.kind {
		time.Sleep(20 * time.Millisecond)
		c.Conn.Close()
	}
	return err
}

// The connection ends while the old host is writing down that the room is the other's: who
// asks meanwhile is told nothing, and not that it is not. Else both would let go of it.
func TestHandoverAskedWhileMarking(t *testing.T) {
	for _, fails := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			s := inherit(t, nil, nil)
			defer s.close()
			s.markSlow, s.deaf = 3*time.Second, true
			if fails {
				s.markErr = errors.New("no space left")
			}
			s.take = func(ctx context.Context, o Offer) error {
				s.ticket = o.Ticket
				return Take(ctx, cutAfter{s.connect(s.benID, nil), typePrepared}, o, there, s, func(string, string) {})
			}
			s.offer()
			var doubt *Doubt
			if err := <-s.took; !errors.As(err, &doubt) {
				t.Fatalf("taken: %v", err)
			}
			var err error
			for range 10 {
				s.mu.Lock()
				ticket, marked := s.ticket, s.marked
				s.mu.Unlock()
				err = Ask(t.Context(), s.connect(s.benID, nil), "physics", ticket)
				if err == nil && !marked || errors.Is(err, ErrNotOurs) && !fails {
					t.Fatalf("marked %v, and the answer is: %v", marked, err)
				}
				if err == nil || errors.Is(err, ErrNotOurs) {
					break
				}
				time.Sleep(time.Second)
			}
			if fails != errors.Is(err, ErrNotOurs) || !fails && err != nil {
				t.Errorf("at last the answer is: %v", err)
			}
			if !fails {
				s.Serve(t.Context())
				until(t, s.ana, "the end", handedState("done"))
				return
			}
			say(t, s.ana, "it goes on")
			heard(t, s.ana, "it goes on")
		})
	}
}

// Nobody gets the room but who it was offered to.
func TestHandoverTickets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := inherit(t, nil, nil)
		defer s.close()
		s.offer()
		offer := <-s.offers
		wrong := offer
		wrong.Ticket = strings.Repeat("0", 32)
		for name, c := range map[string]struct {
			who   transport.Identity
			offer Offer
		}{"another's key": {identity(t), offer}, "a wrong ticket": {s.benID, wrong}} {
			err := Take(t.Context(), s.connect(c.who, nil), c.offer, there, s, func(string, string) {})
			if !errors.Is(err, errOff) || s.heir != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := Take(t.Context(), s.connect(s.benID, nil), offer, there, s, func(string, string) {}); err != nil {
			t.Fatalf("the right one: %v", err)
		}
		until(t, s.ana, "the end", handedState("done"))
	})
}

// A new host that says it has what it has not gets no key.
func TestHandoverLies(t *testing.T) {
	for name, lie := range map[string]func(*handing){
		"seq":   func(x *handing) { x.Seq += 1000 },
		"chain": func(x *handing) { x.Chain = make([]byte, 32) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := inherit(t, nil, nil)
				defer s.close()
				say(t, s.ana, "one")
				heard(t, s.ana, "one")
				s.offer()
				offer, c := <-s.offers, s.connect(s.benID, nil)
				defer c.Close()
				send := func(x handing) { c.Send(t.Context(), encode(x)) }
				send(handing{Type: typeTakeover, V: Version, Room: offer.Room, Ticket: offer.Ticket, Move: &there})
				for {
					x, err := receive(t.Context(), c)
					if err != nil {
						break
					}
					if x.Type == typeKey || len(x.Seed) > 0 {
						t.Fatal("it gets the key")
					}
					if x.Type == typeEntries {
						ack := handing{Type: typeCopied, Seq: x.Entries[len(x.Entries)-1].Seq, Chain: make([]byte, 32)}
						lie(&ack)
						send(ack)
					}
				}
				until(t, s.ana, "the failure", handedState("failed"))
				say(t, s.ana, "two")
				heard(t, s.ana, "two")
			})
		})
	}
}

// What people whisper to each other is not handed over; what only hosts may see is.
func TestHandoverWhispers(t *testing.T) {
	a, b, c, host := identity(t).Key(), identity(t).Key(), identity(t).Key(), identity(t).Key()
	whisper := Entry{Seq: 5, Key: a, ID: [16]byte{1}, Audience: []transport.Key{a, c}, Body: []byte(`{"type":"whisper","from":"a","to":"c","text":"psst"}`), Words: "psst"}
	if e := given(whisper, b); len(e.Body) > 0 || e.Words != "" || e.Audience == nil || len(e.Audience) > 0 || e.ID != whisper.ID || e.Key != a {
		t.Errorf("a whisper of others: %+v", e)
	}
	if e := given(whisper, c); string(e.Body) != string(whisper.Body) {
		t.Errorf("a whisper to the new host: %+v", e)
	}
	address := Entry{Seq: 6, Key: host, Audience: []transport.Key{host}, Body: []byte(`{"type":"address","by":"ana","nick":"cyn","code":"ban","addr":"10.0.0.9"}`)}
	if e := given(address, b); !e.Visible(b) || !e.Visible(host) || len(e.Body) == 0 {
		t.Errorf("an address: %+v", e)
	}
}

// A handover that is not answered, declined or called off leaves everything as it was.
func TestHandoverUndone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := inherit(t, nil, nil)
		defer s.close()
		typed(t, s.ana, "/handover")
		if e := until(t, s.ana, "who could", func(e Event) bool { return e.Code == typeHandover }); !strings.Contains(e.Text, "ben") {
			t.Errorf("heirs: %q", e.Text)
		}
		typed(t, s.ben, "/handover ana")
		if e := kind(t, s.ben, Failure); e.Code != "not_allowed" {
			t.Errorf("a member hands over: %+v", e)
		}
		typed(t, s.ana, "/handover ben")
		until(t, s.ben, "an offer", handedState("offered"))
		typed(t, s.ben, "/decline no time")
		if e := until(t, s.ana, "no", handedState("failed")); !strings.Contains(e.Text, "no time") {
			t.Errorf("declined: %+v", e)
		}
		typed(t, s.ana, "/handover ben")
		until(t, s.ben, "an offer", handedState("offered"))
		typed(t, s.ana, "/handover -")
		until(t, s.ben, "its end", handedState("failed"))
		until(t, s.ana, "its end", handedState("failed"))
		typed(t, s.ana, "/handover ben")
		until(t, s.ben, "an offer", handedState("offered"))
		time.Sleep(offerTime)
		until(t, s.ben, "its end", handedState("failed"))
		until(t, s.ana, "its end", handedState("failed"))
		if _, err := s.ben.Input(t.Context(), "/accept"); err == nil {
			t.Error("an offer that is over is accepted")
		}
		s.tryErr = errors.New("no route")
		s.take = func(ctx context.Context, o Offer) error {
			return Take(ctx, s.connect(s.benID, nil), o, there, s, func(string, string) {})
		}
		s.offer()
		if e := until(t, s.ana, "that nobody reaches ben", handedState("failed")); !strings.Contains(e.Text, "no route") || s.marked {
			t.Errorf("%+v", e)
		}
		s.tryErr, s.markErr = nil, errors.New("disk full")
		<-s.took
		until(t, s.ben, "its end", handedState("failed"))
		s.offer()
		if e := until(t, s.ana, "that it cannot be marked", handedState("failed")); !strings.Contains(e.Text, "disk full") || s.serves {
			t.Errorf("%+v", e)
		}
		say(t, s.ana, "still here")
		heard(t, s.ana, "still here")
		<-s.took
	})
}

// TestFirstMessageBombs has strangers begin a handover with messages that want to become large.
func TestFirstMessageBombs(t *testing.T) {
	for _, size := range []int{maxWire, maxHand} {
		for _, field := range []string{`"entries":[{}`, `"move":{"at":[""`, `"deed":{"x":[1`, `"data":[0`} {
			_, part, _ := strings.Cut(field, "[")
			msg := []byte(`{"type":"takeover","room":"physics",` + field)
			for len(msg)+len(part) < size-3 {
				msg = append(append(msg, ','), part...)
			}
			if msg = append(msg, ']', '}'); strings.Contains(field, ":{") {
				msg = append(msg, '}')
			}
			cost := allocated(func() { ParseTakeover(msg) })
			if cost > maxDecode {
				t.Errorf("%d bytes of %.40s cost %d bytes", len(msg), msg, cost)
			}
		}
	}
}

func FuzzParseHanding(f *testing.F) {
	id := [16]byte{1}
	e := Entry{Seq: 3, ID: id, At: time.UnixMilli(5), Audience: []transport.Key{}, Body: []byte("{}")}
	for _, x := range []handing{
		{Type: typeTakeover, V: Version, Room: "physics", Ticket: hexID(id), Move: &there},
		{Type: typeHand, Deed: &Deed{Room: "physics", LogID: hexID(id), Seq: 7, Delivery: transport.Bare}},
		{Type: typeEntries, Entries: []crate{pack(e)}}, {Type: typeSketch, Seq: 9, Data: []byte("x"), More: true},
		{Type: typeKey, Seq: 9, Chain: make([]byte, 32), Seed: make([]byte, 32)}, {Type: typeOff, Text: "\x1b[2J"},
	} {
		f.Add(encode(x))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		x, err := parseHanding(msg)
		if err != nil {
			return
		}
		if strings.ContainsAny(x.Text, "\x1b\n\x00") {
			t.Errorf("not clean: %q", x.Text)
		}
		var c chain
		for i := range x.Entries {
			e, err := x.Entries[i].unpack()
			if err != nil {
				continue
			}
			c.add(e)
			again := pack(e)
			if back, err := again.unpack(); err != nil || back.Seq != e.Seq || string(back.Body) != string(e.Body) || (back.Audience == nil) != (e.Audience == nil) {
				t.Errorf("%+v and back %+v, %v", e, back, err)
			}
		}
		ParseTakeover(msg)
		ToldTicket(msg)
		Given(msg, transport.Peer{}, there, hexID(id))
	})
}

// TestOutward keeps the names of files at home.
func TestOutward(t *testing.T) {
	for said, want := range map[string]string{
		"ben did not answer for 10s":                                "ben did not answer for 10s",
		"cannot write: open /home/ana/.local/x.moved: read-only":    "something is wrong with the files on that computer, which tells its owner what",
		`cannot write: open C:\Users\ana\x.moved: access is denied`: "something is wrong with the files on that computer, which tells its owner what",
	} {
		if got := outward(errors.New(said)); got != want {
			t.Errorf("%q is told as %q", said, got)
		}
	}
}
