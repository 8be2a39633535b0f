package room

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/text"
	"parley/transport"
)

const (
	// maxPending bounds what was said and is not stored yet: what a paste or
	// a while without the host may hold. Say waits when it is full.
	maxPending = 256
	// maxEvents bounds the events that wait for Next. When it is full the
	// host is read no further, and so is not lost either.
	maxEvents = 256
	// farewell is how long a Leave waits for the host's goodbye.
	farewell = 2 * time.Second
)

// JoinOptions say how to sit down in a room.
type JoinOptions struct {
	Room     string             // empty: the only public room there
	Nick     string             // the name to ask for
	Quiet    bool               // no join and leave lines; may share a nick of the same key
	Deaf     bool               // wants to hear nothing, as one that only sends; counts for no delivery
	Share    bool               // may share a nick that another seat of the same key holds
	History  int                // how many events from before to replay; none if 0 or less
	Identity transport.Identity // our own; zero in plaintext
	Via      string             // the carrier to show; empty: what the Conn says
	Guest    bool               // a bare text client's seat: no replay, no rights, counts for no delivery
	Logger   *slog.Logger       // nil: none
	Ignored  *Ignored           // whom not to hear, here as elsewhere; nil: nobody yet
	Drafts   Drafts             // of this Member alone: keeps what is not stored yet; nil: it ends with the program

	// Copy opens our own copy of a log, which what Next gives is written into, or
	// returns nil where none is to be kept. It is asked where the room says that it
	// keeps what is said. Nil: none is kept.
	Copy func(room string, key transport.Key, log [16]byte) (Copy, error)

	// Ask is called by Join when the nick is refused, and the Conn kept. It
	// returns the next to try. Nil: Join returns the Refused.
	Ask func(ctx context.Context, r Refused) (nick string, ok bool)

	// Password is called by Join when the room wants one, with the room's name
	// and how many were wrong so far. It returns the one to try. The Member
	// keeps it to come back with. Nil: Join returns a Refused.
	Password func(ctx context.Context, room string, wrong int) (password string, ok bool)

	// Guarded refuses a host that does not ask for the password: it may be
	// somebody who does not know it.
	Guarded bool

	// Waiting is called by Join with a notice of what the host puts its answer
	// off for: Code (approval, password) and Text in words. The host repeats it,
	// and so do the calls, every few seconds. Nil: nobody is told. Who has to
	// wait while coming back hears of it by Next.
	Waiting func(Event)

	// Taker hosts the room on this computer when it is offered and our user takes
	// it. It returns when the room is served here. Nil: this program cannot host.
	Taker func(ctx context.Context, o Offer, tell func(state, words string)) error

	// Moved is called with where the room has gone, when its host says so. The next
	// connection should go there; who is there has to prove the room's key.
	// Nil: the room is not followed.
	Moved func(Move)

	// Hosts is called with the hosts of a room that several serve, ours first, whenever
	// the host says which they are: when the seat has to be looked for elsewhere, it is
	// there. Who is there has to prove the room's key. It must neither wait nor call
	// the Member. Nil: nobody is told.
	Hosts func([]Move)

	// Files reads, writes and carries files. Nil: this program neither gives nor
	// takes any.
	Files Files

	// Fill completes the ready event with what only the node knows: its
	// addresses and the link to the room. Nil: nothing is added.
	Fill func(ready *Event)

	// Trust is called with what the host calls the room and with the key that
	// it has proved, where it has one, before anything else the host says
	// is believed. An error ends the join with that error.
	// It may be called more than once. Nil: any key will do.
	Trust func(name string, key transport.Key) error
}

// Refused is the error of a Join that the host refused, and of Next when the
// member was put out. Code is for programs: nick_taken, nick_invalid, no_room,
// which_room, full, version, session, key, protocol, kicked, banned, too_long, …
type Refused struct {
	Code, Text, Suggest string
	Rooms               []string // of which_room and no_room: what there is
}

// Error is the refusal in words.
func (r *Refused) Error() string { return r.Text }

// A Member is a seat in a room. It keeps its seat through any number of
// connections, until Leave. Its methods may be called by any goroutine, and one
// must be calling Next all the time: what is not read stops the rest, answers to
// what was said among it.
type Member struct {
	o       JoinOptions
	way     Way
	ready   Event
	life    context.Context // ends when we leave
	cancel  context.CancelFunc
	done    chan struct{}  // run has returned
	closing sync.WaitGroup // of connections that are done with

	mu      sync.Mutex
	changed chan struct{} // closed at every change that somebody may wait for
	news    chan struct{} // closed when there is something for Next; nil: it does not wait
	events  []Event
	few     [8]Event // where events begins: mostly it holds no more
	err     error    // why there will be no more
	leaving bool
	goodbye string // of leaving

	session  string
	borrowed string // the session to ask for at first, of a program that is no more
	log      string
	room     string
	roomKey  transport.Key
	seat     string
	plain    bool
	inbox    inbox
	lastSeq  uint64 // the newest event we have,
	lastID   string // and its id
	replay   uint64 // events up to here were before our time
	conn     transport.Conn
	lost     bool   // link lost was said
	epoch    uint64 // of the last join
	resumes  int

	pending  []*saying
	putting  int // being written as drafts, and not in pending yet
	next     int // of pending: the first not sent on this connection
	left     bool
	failures []Unsent
	reported uint64    // the last seq we told the host we have
	gotAt    time.Time // when to tell again

	nick      string
	topic     string
	motd      string
	role      string
	people    map[string]Person // by seat
	peopleSeq uint64            // events up to here are in people
	chunk     []occupant        // of a roster that is arriving

	before    map[string]bool // ids of what is sent for a program that is no more
	drafts    Drafts          // nil: there are none
	draftErr  error           // why not
	drops     []string        // answered, to be dropped
	dropAt    time.Time
	warned    bool     // that drafts are not kept
	withdrawn []string // not to be left for later

	keep      string // for how long the room keeps what is said
	copying   copying
	readers   sync.WaitGroup // of the copy
	hurry     int            // who waits for the copy to be up to date
	stored    uint64         // the last thing we said
	receipts  map[uint64]Receipt
	receipted []uint64 // the keys of receipts, oldest first
	sought    string   // by the last /search
	soughtTo  uint64   // and what it showed begins here

	prover prover // of attempts alone, of which there is one at a time

	offer      *Offer         // the room was offered to us
	taking     bool           // and we are about to take it
	hosts      []Move         // of a room that several serve
	moving     string         // who hosts the room now, where we are going
	followedAt time.Time      // of run alone: when we were last sent on, and went at once
	takes      sync.WaitGroup // the taking

	files transfers // that are offered, under way or just over

	knockers map[string]knocker // by text.Key of the nick: who was told to ask to come in

	ignored *Ignored
	whisper string // who whispered to us last
	query   string // whom lines go to
}

// saying is a command that the host has not answered.
type saying struct {
	cmd    command
	whois  string    // of a names command: who was asked about
	lookup *lookup   // of a question: its answer
	about  *transfer // of what is said about a file

	silent bool      // nobody asked for it, nor wants to know what became of it
	at     time.Time // when it was said
	since  time.Time // when this Member took it on
	log    string    // of the room that it was said in
	stored bool      // written as a draft
	safe   bool      // so that it outlives the computer
	told   bool      // it was told that it is pending, or could not be
	before bool      // said by a program that is no more
	sent   bool      // on some connection
}

// Join sits down. On return the welcome has been read. It dials once; a
// refusal by the host is a *Refused. ctx bounds the joining alone.
func Join(ctx context.Context, o JoinOptions, way Way) (*Member, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Ignored == nil {
		o.Ignored = new(Ignored)
	}
	m := &Member{o: o, way: way, done: make(chan struct{}), changed: make(chan struct{}), room: o.Room, nick: o.Nick,
		people: map[string]Person{}, ignored: o.Ignored}
	if !o.Guest && !o.Quiet {
		m.files.with = o.Files
	}
	m.borrow()
	a, err := m.attempt(ctx, nil, func() {}, func() {})
	if err != nil {
		m.returnDrafts()
		m.closing.Wait()
		return nil, err
	}
	if err := m.adopt(a); err != nil {
		a.conn.Close()
		m.returnDrafts()
		return nil, err
	}
	m.ready = m.readyEvent(a)
	if o.Fill != nil {
		o.Fill(&m.ready)
	}
	m.openDrafts(time.Now())
	m.events = slices.Insert(m.events, 0, m.ready)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel, m.life = cancel, run
	go m.run(run, a.conn)
	return m, nil
}

func (m *Member) readyEvent(a attempt) Event {
	peer, w := a.conn.Peer(), a.welcome
	e := Event{Type: Ready, V: Version, Room: w.Room, Nick: w.Nick, Role: w.Role, Transport: cmp.Or(m.o.Via, peer.Via), Secure: w.Secure && peer.Secure,
		Key: m.roomKey, Seq: w.Seq, Guests: w.Guests, Delivery: w.Delivery, Kept: w.Kept, Keep: w.Keep, Text: w.Topic, Motd: w.Motd}
	if m.roomKey != (transport.Key{}) {
		e.Words = text.KeyWords(m.roomKey)
	}
	if peer.Addr.IsValid() {
		e.Addr = peer.Addr.String()
	}
	return e
}

// Ready returns the "ready" event, the first that Next gives. Its Text is the
// room's topic.
func (m *Member) Ready() Event { return m.ready }

// fire wakes all who wait for a change. The caller holds mu.
func (m *Member) fire() {
	close(m.changed)
	m.changed = make(chan struct{})
	m.arrived()
}

// arrived wakes who waits for an event and for nothing else, of whom there is one
// at every message; fire would wake all the others, too. The caller holds mu.
func (m *Member) arrived() {
	if m.news != nil {
		close(m.news)
		m.news = nil
	}
}

// await waits until ok, called with mu held, is true, and returns with mu held.
func (m *Member) await(ctx context.Context, ok func() bool) error {
	m.mu.Lock()
	for !ok() {
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			m.mu.Lock()
			return ctx.Err()
		}
		m.mu.Lock()
	}
	return nil
}

// Next returns the next event: those of the room once each, across all
// connections. After the last one it returns io.EOF if we left, and a *Refused
// if we were put out.
func (m *Member) Next(ctx context.Context) (Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.events) == 0 && m.err == nil {
		if m.news == nil {
			m.news = make(chan struct{})
		}
		news := m.news
		m.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		}
		m.mu.Lock()
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case len(m.events) > 0:
		e := m.events[0]
		m.events[0] = Event{}
		if m.events = m.events[1:]; len(m.events) == maxEvents-1 {
			m.fire()
		}
		return e, nil
	case m.err != nil:
		return Event{}, m.err
	}
	return Event{}, ctx.Err()
}

// Say sends a message to everybody. It returns as soon as the message is
// pending, and waits while too many are. An Accepted or Failed with its id
// follows by Next. A text the host would refuse is refused here, with a *Refused.
func (m *Member) Say(ctx context.Context, text string) (id string, err error) {
	return m.say(ctx, command{Type: string(Message), Text: text})
}

// say checks and queues something said.
func (m *Member) say(ctx context.Context, cmd command) (id string, err error) {
	if err := text.Valid(cmd.Text); err != nil {
		return "", &Refused{Code: textCode(cmd.Text), Text: err.Error()}
	}
	return m.send(ctx, &saying{cmd: cmd})
}

// send queues a command.
func (m *Member) send(ctx context.Context, s *saying) (id string, err error) {
	var b [16]byte
	rand.Read(b[:])
	if s.cmd.ID == "" {
		s.cmd.ID = hexID(b)
	}
	if s.since = time.Now(); s.at.IsZero() {
		s.at = s.since.Round(0)
	}
	err = m.await(ctx, func() bool { return len(m.pending)+m.putting < maxPending || m.err != nil || m.leaving })
	defer m.mu.Unlock()
	s.log = cmp.Or(s.log, m.log)
	if s.cmd.Type == string(Whisper) && s.cmd.Key == (transport.Key{}) {
		s.cmd.Key = m.whois(s.cmd.To) // who it is for now, whoever has the nick when it is sent
	}
	if err == nil && m.err == nil && !m.leaving && m.drafts != nil && s.said() {
		m.putting++
		m.mu.Unlock()
		m.put(s) // a disk may be slow, and the rest goes on meanwhile
		m.mu.Lock()
		if m.putting--; m.err != nil {
			m.fire() // stow waits for us
		}
		if s.stored && (m.err != nil || m.leaving) { // it was not taken on
			m.drops = append(m.drops, s.cmd.ID)
		}
	}
	switch {
	case err != nil:
		return "", err
	case m.err != nil:
		return "", m.err
	case m.leaving:
		return "", io.EOF
	}
	m.pending = append(m.pending, s)
	m.fire()
	return s.cmd.ID, nil
}

// Flush waits until nothing is pending any more. It returns an error if the
// seat has ended with something pending.
func (m *Member) Flush(ctx context.Context) error {
	err := m.await(ctx, func() bool { return len(m.pending) == 0 || m.err != nil })
	defer m.mu.Unlock()
	switch {
	case len(m.pending) == 0:
		return nil
	case err != nil:
		return err
	case errors.Is(m.err, io.EOF):
		return fmt.Errorf("left with %d messages not stored: %w", len(m.pending), io.ErrUnexpectedEOF)
	}
	return m.err
}

// Names returns who is here, as far as events have told, by nick.
func (m *Member) Names() []Person {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names()
}

func (m *Member) names() []Person {
	all := make([]Person, 0, len(m.people))
	for _, p := range m.people {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Person) int {
		return cmp.Or(strings.Compare(text.Key(a.Nick), text.Key(b.Nick)), a.Since.Compare(b.Since))
	})
	return all
}

// Nick returns our name.
func (m *Member) Nick() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nick
}

// Stats returns the counters of the seat, and of its connection where it counts.
func (m *Member) Stats() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Counters{Events: m.inbox.events, Twice: m.inbox.twice, Missed: m.inbox.lost, Pending: len(m.pending), Reconnect: m.resumes}
	if s, ok := m.conn.(transport.Statser); ok {
		t := s.Stats()
		c.RTT = float64(t.RTT.Microseconds()) / 1000
		c.Window, c.InFlight = t.Window, t.InFlight
		c.Sent, c.Received, c.Lost, c.Resent = t.Sent, t.Received, t.Lost, t.Resent
		c.BytesOut, c.BytesIn = t.BytesOut, t.BytesIn
	}
	return c
}

// Leave says goodbye, with reason as a last word, and closes the connection. It
// waits for the host to hear of it, but not long, and for everything this
// Member has started. What is pending and not sent yet is not sent any more:
// Flush first. Leaving again waits for the first to be done.
func (m *Member) Leave(ctx context.Context, reason string) error {
	m.mu.Lock()
	if !m.leaving {
		if !line(reason) {
			reason = ""
		}
		m.leaving, m.goodbye = true, reason
		m.fire()
	}
	heard := m.conn != nil
	m.mu.Unlock()
	if heard {
		t := time.NewTimer(farewell)
		defer t.Stop()
		select {
		case <-m.done:
		case <-t.C:
		case <-ctx.Done():
		}
	}
	m.cancel()
	<-m.done
	return nil
}
