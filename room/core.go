package room

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// Limits of a room.
const (
	// defaultSeats is how many seats a room has: what a hall of people with
	// laptops fills, at about 1 MiB each when all are slow.
	defaultSeats = 1000
	defaultBurst = 500 // a paste of a long file
	defaultRate  = 100 // and then as fast as anyone can read at all

	// lingering is how long a lost seat is kept before its leave is said:
	// long enough for a walk between two access points or a closed lid,
	// short enough that nobody talks to a ghost.
	lingering = 30 * time.Second

	// undecided is how long a connection may stay without a seat, which is
	// the time to think about another name.
	undecided = 2 * time.Minute
	// maxUndecided bounds such connections in a room: as many as can be
	// waiting when everybody comes back at once.
	maxUndecided = 1024
	// maxUndecidedFrom bounds those from one address other than our own.
	maxUndecidedFrom = 64
	// seatsShare is the part of the seats, one in so many, that one address
	// other than our own may have: a class behind one, but not the whole room.
	seatsShare = 4
	// maxTries bounds the names that one connection asks for.
	maxTries = 50

	// doubted is how long a join waits to learn whether its key's other seat,
	// which has the name, is still there; its connection is not if it has owed
	// an answer for noReply. A LAN answers in milliseconds, and
	// a person waits a second without a thought.
	doubted = 800 * time.Millisecond
	noReply = 500 * time.Millisecond

	// gather is how long a line of who comes or goes may wait for others, where at
	// least many sit: a thousand people who come in are a million lines, and those
	// that travel together cost little more than one. What is said waits for nothing.
	gather = 100 * time.Millisecond
	many   = 50

	// maxBatch bounds the entries appended at once, so that a commit is short.
	maxBatch = 256
	// maxReplay bounds what a join replays: it is read into memory at once.
	maxReplay = 1000
	// vouched is how long the room key's word for a host holds. It is long
	// because machines without internet have no right clock.
	vouched = 400 * 24 * time.Hour
)

// core is the host as a machine. Its inputs are methods that take the time and
// never wait; what it has to say goes to the outboxes of links, what it wants
// stored comes out of next, and wake tells when it wants to be woken. One
// goroutine owns it.
//
// A command's way: arrived on a link, waiting (commands), checked against the
// committed state and part of a batch (next), stored (committed), folded like
// every writer's entries (tailed), and only from there shown. While a batch is
// under way nothing is checked, so nothing that was checked ever has to be
// taken back.
type core struct {
	host  *Host // its fields, which do not change
	logID [16]byte
	rand  io.Reader
	meter *meter // nil: nothing is counted

	state     *state
	opening   uint64 // commands wait until the fold has reached this
	restored  uint64 // entries up to here are in the state already
	trouble   *trouble
	dropped   int    // commands of connections that have no seat any more
	saves     bool   // the log keeps checkpoints,
	saved     uint64 // the last as of this entry,
	savedAt   time.Time
	expelled  int // seats that are put out and whose leave is not folded
	seats     map[seatID]*seat
	quiet     map[string][]*seat      // quiet seats by name
	visitors  table[string, departed] // quiet seats that were here lately, which the log does not tell; by name
	links     map[*link]struct{}
	sentHome  table[seatID, *expulsion] // quiet seats that were put out
	lost      []loss                    // in the order they were lost
	newLinks  []*link                   // without a seat, oldest first
	parked    []*link                   // whose joins were put off, oldest first (wait.go)
	doubts    []doubt                   // in the order they began
	held      []held                    // by when it is their turn
	paces     map[source]*pace
	verifier  *Verifier // of the password newcomers have to prove; nil: there is none
	guesses   guesses
	relayed   time.Time // when a relay was last logged
	knocks    bucket    // of what keepers are told about newcomers
	manyKnock bool      // they were told that there are more
	waiting   []*item
	looked    int               // so many of waiting have to wait as long as a batch is stuck
	batch     []*item           // under way
	flying    map[entryID]*item // of batch, what is to be stored
	asking    bool              // the batch is with the committer
	need      uint64            // the fold must reach this before the next batch
	receipts  receipts
	handing   *handover     // under way from here
	moved     *Move         // where the room is now: nothing is served here any more
	given     string        // the ticket by which it went there
	told      bool          // and may be followed there
	upto      uint64        // the log's end when it was opened
	offers    []*offering   // of files, the oldest first
	begun     chan struct{} // closed when a room that was taken over is ours by the log
	closing   bool
	vouch     *vouch
	roster    roster
	fleet     fleet
	cut       bool      // its log cannot be reached, as the node says
	gatherAt  time.Time // when those are told who were not of who came and went; zero: all were
}

// seat is a seat whose holder is, or was until lately, connected here.
type seat struct {
	id       seatID
	session  [16]byte
	key      transport.Key
	nick     string
	via      string
	role     string
	away     string
	why      string // why its connection was ended last, to be told
	quiet    bool
	deaf     bool
	guest    bool
	hosts    bool // its program could host the room
	files    bool // its program takes files
	since    time.Time
	born     uint64     // the log's end when it sat down
	whisper  uint64     // the last it has to receive
	got      uint64     // what it has reported
	link     *link      // nil: lost
	from     netip.Addr // of its last connection
	rival    netip.Addr // where else its key is used, as its holder was told
	lostAt   time.Time
	epoch    uint64 // of the join that its link came with
	gone     bool
	out      *expulsion // it was put out, and its leave is to be said
	parted   *command   // its goodbye, which could not be stored yet
	pace     *pace
	fromPace *pace // of the address of its last connection; nil for our own
	toldAt   time.Time
	news     []*receipt // counts of its messages that it was not told yet
	denied   []denial   // what was refused lately
}

// link is one connection, seated or not.
type link struct {
	out   *outbox
	peer  transport.Peer
	since time.Time
	seat  *seat
	tries int
	slow  bool // it has been told that it is read slowly
	held  bool // its join waits for its turn
	ended bool

	grants   *question // what its reader may ask the log next
	compared int       // joins that its reader compared with the log
	parked   *parking  // its join was put off; nil: it was not
	proving  *proving  // it has been asked for the password
	proved   *Verifier // what it has proved
	answer   string    // our own proof, for the welcome

	counts *counts // what it counts; nil: nothing

	// silent is how long the peer has owed an answer; nil: nobody knows.
	silent func() time.Duration
}

// item is a command on its way, or something the host itself says.
type item struct {
	link    *link
	seat    *seat
	cmd     command
	own     *report // what the host itself has to say, instead
	entry   *Entry  // what to store, if anything
	claim   string  // the name to claim before, and for whom
	release string  // and the name to give back after
	owner   string
	doubted bool    // its key's other seat has been asked
	orphan  *person // whose leave it is, the host being gone
	moved   bool    // as a join, it takes a seat along from another host
	heard   bool    // as a join, it has paid for the list of who is here,
	counted bool    // and for its line
}

// doubt is a join that waits to learn whether seats are still held.
type doubt struct {
	join  *item
	seats []*seat
	until time.Time
}

// outcome is what became of an item.
type outcome struct {
	result Result
	holder string // who else has the claimed name
	err    error  // surely not stored
	reused bool   // the id was used before, for another text
}

func newCore(h *Host, logID [16]byte) *core {
	m := meterOf(h)
	return &core{host: h, logID: logID, meter: m, receipts: receipts{meter: m}, rand: rand.Reader, state: newState(), seats: map[seatID]*seat{},
		quiet: map[string][]*seat{}, links: map[*link]struct{}{}, flying: map[entryID]*item{}, paces: map[source]*pace{},
		verifier: h.Password, guesses: newGuesses(), visitors: table[string, departed]{limit: maxGone},
		sentHome: table[seatID, *expulsion]{limit: maxKicked}}
}

// open tells up to which entry the log must be folded before the first command.
func (c *core) open(upto uint64) {
	if c.opening, c.upto = upto, upto; c.host.Taking {
		c.opening = never
	}
	c.waiting = append(c.waiting, &item{cmd: command{Type: string(Topic), Text: c.host.Topic}})
	c.settings()
}

// attach takes in a new connection. When too many have no seat, the one that
// has been without the longest makes room: who means well is soon seated.
func (c *core) attach(now time.Time, l *link) {
	l.since = now
	switch {
	case c.moved != nil:
		c.forward(l)
		return
	case c.closing:
		l.ended = true
		c.meter.refuses(codeClosing)
		l.out.finish(refusal(codeClosing, roomClosed))
		return
	case c.opening == never:
		l.ended = true
		c.meter.refuses(codeClosing)
		l.out.finish(refusal(codeClosing, "the room is just being handed over"))
		return
	}
	from := func(o *link) bool { return o.from() == l.from() }
	if i := slices.IndexFunc(c.newLinks, from); i >= 0 && remote(l.from()) && count(c.newLinks, from) >= maxUndecidedFrom {
		c.hurry(i)
	} else if len(c.newLinks) >= maxUndecided {
		c.hurry(0)
	}
	c.links[l] = struct{}{}
	c.newLinks = append(c.newLinks, l)
}

// hurry ends one of the connections without a seat.
func (c *core) hurry(i int) {
	if l := c.newLinks[i]; !l.ended {
		l.ended = true
		c.meter.refuses(codeIdle)
		l.out.finish(refusal(codeIdle, "neither a name nor a password came in time"))
	}
	c.newLinks = slices.Delete(c.newLinks, i, i+1)
}

// from is where a connection comes from, as limits count it.
func (l *link) from() netip.Addr { return transport.Source(l.peer.Addr.Addr()) }

// address is where a connection comes from, as bans hold it: an IPv6 network is
// everybody's.
func (l *link) address() netip.Addr { return l.peer.Addr.Addr().Unmap().WithZone("") }

// remote tells whether an address is another computer's.
func remote(a netip.Addr) bool { return a.IsValid() && !a.IsLoopback() }

func count[T any](all []T, is func(T) bool) (n int) {
	for _, v := range all {
		if is(v) {
			n++
		}
	}
	return n
}

// detach takes in that a connection has ended, and why where the host ended it.
func (c *core) detach(now time.Time, l *link, why string) {
	l.ended = true
	if _, open := c.links[l]; open {
		c.meter.ends(l)
	}
	delete(c.links, l)
	c.newLinks = slices.DeleteFunc(c.newLinks, func(o *link) bool { return o == l })
	c.unpark(now, l)
	c.guesses.drop(l)
	l.proving = nil
	if s := l.seat; s != nil && s.link == l {
		s.link, s.why = nil, why
		c.lose(now, s)
	}
}

// loss is a seat that lost its connection at a time. It may have come back since.
type loss struct {
	seat *seat
	at   time.Time
}

// holds tells whether the seat has been lost ever since.
func (o loss) holds() bool { return o.seat.link == nil && !o.seat.gone && o.seat.lostAt.Equal(o.at) }

// lose starts the lingering of a seat.
func (c *core) lose(now time.Time, s *seat) {
	s.lostAt = now
	c.lost = append(c.lost, loss{s, now})
}

// command takes in a message of a member.
func (c *core) command(now time.Time, l *link, cmd command) {
	if l.ended { // another connection may have the seat, and have sent it again
		c.dropped++
		return
	}
	if l.seat != nil && cmd.Got > 0 {
		c.receipts.report(now, l.seat, min(cmd.Got, c.state.seq), cmd.Missed)
		c.speak(now)
	}
	if l.seat != nil {
		c.pace(now, l, &cmd)
	} else if l.tries++; l.tries > maxTries { // nothing else is of use yet
		l.ended = true
		c.meter.refuses(codeProtocol)
		l.out.finish(refusal(codeProtocol, "too many tries"))
		return
	}
	if l.parked != nil && cmd.Type != typeGot {
		c.unpark(now, l)
		c.guesses.drop(l)
		c.turnAway(l, codeProtocol, "the last question is not answered yet")
		return
	}
	if cmd.Type == typeProve && l.seat == nil {
		c.prove(now, l, cmd.Scram)
		return
	}
	cmd.Guest = cmd.Guest && l.peer.Via == "pipe" // who has a key is known by it
	switch cmd.Type {
	case typeGot:
		return
	case string(Message), string(Act), string(Whisper), string(Renamed), string(Topic), typeJoin, typeLeave, typeNames, typeAway,
		typeBans, typeFilters, typeKnocks, typePassword, typeReceipt, typeHandover, typeFile:
	case typePage, typeSearch:
		if l.seat != nil {
			c.grant(l, cmd)
			return
		}
	default:
		if Kind(cmd.Type).acts() {
			break
		}
		c.meter.fails(codeUnknown)
		l.out.control(encode(report{Type: string(Failed), ID: cmd.ID, Code: codeUnknown, Text: fmt.Sprintf("this host does not know %.32q", cmd.Type)}), true)
		return
	}
	c.waiting = append(c.waiting, &item{link: l, cmd: cmd})
}

// tick does what is due by the clock.
func (c *core) tick(now time.Time) {
	for len(c.newLinks) > 0 && now.Sub(c.newLinks[0].since) >= undecided {
		c.hurry(0)
	}
	for len(c.lost) > 0 && (!c.lost[0].holds() || now.Sub(c.lost[0].at) >= lingering) {
		if c.lost[0].holds() {
			c.waiting = append(c.waiting, &item{seat: c.lost[0].seat, cmd: command{Type: typeLeave}})
		}
		c.lost = c.lost[1:]
	}
	c.judge(now)
	c.tickParked(now)
	for len(c.doubts) > 0 && !now.Before(c.doubts[0].until) {
		c.resolve(now, c.doubts[0])
		c.doubts = c.doubts[1:]
	}
	c.letIn(now)
	if !c.gatherAt.IsZero() && !now.Before(c.gatherAt) {
		c.gatherAt = time.Time{}
		for l := range c.links {
			l.out.hurry()
		}
	}
	c.tickHandover(now)
	c.tickFiles(now)
	c.tickFleet(now)
	c.tickAbsent(now)
	c.probe(now)
	c.speak(now)
}

// speak tells senders what has been received.
func (c *core) speak(now time.Time) {
	for _, t := range c.receipts.due(now) {
		if t.to.link != nil {
			t.to.link.out.receipts(t.triples)
		}
	}
	c.pass(now)
}

// wake returns when tick is due next, zero for never.
func (c *core) wake() (at time.Time) {
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if len(c.newLinks) > 0 {
		sooner(c.newLinks[0].since.Add(undecided))
	}
	if len(c.lost) > 0 {
		sooner(c.lost[0].at.Add(lingering))
	}
	if len(c.doubts) > 0 {
		sooner(c.doubts[0].until)
	}
	if len(c.held) > 0 {
		sooner(c.held[0].at)
	}
	if !c.gatherAt.IsZero() {
		sooner(c.gatherAt)
	}
	if t := c.receipts.wake(); !t.IsZero() {
		sooner(t)
	}
	if t := c.receipts.passWake(); !t.IsZero() {
		sooner(t)
	}
	if t := c.wakeParked(); !t.IsZero() {
		sooner(t)
	}
	if t := c.guesses.wake(); !t.IsZero() {
		sooner(t)
	}
	if t := c.wakeHandover(); !t.IsZero() {
		sooner(t)
	}
	if t := c.wakeFleet(); !t.IsZero() {
		sooner(t)
	}
	if t := c.wakeFiles(); !t.IsZero() {
		sooner(t)
	}
	if t := c.checkpointWake(); !t.IsZero() {
		sooner(t)
	}
	if t := c.probeWake(); !t.IsZero() {
		sooner(t)
	}
	return at
}

// tailed folds entries, of whichever writer, and shows them.
func (c *core) tailed(now time.Time, entries []Entry) error {
	for _, e := range entries {
		if e.Seq != c.state.seq+1 {
			return fmt.Errorf("the log goes from %d to %d", c.state.seq, e.Seq)
		}
		c.looked = 0
		if e.Seq <= c.restored {
			c.state.seq = e.Seq
			c.state.remember(e)
			if e.Seq == c.restored {
				c.ghosts(now)
			}
			continue
		}
		f := &frame{seq: e.Seq, data: wireForm(e), audience: e.Audience}
		r, ok := c.state.fold(e, f.data)
		f.nothing, f.said = !ok, Kind(r.Type).said()
		mine := c.flying[entryID{e.Key, e.ID}]
		if f.said {
			c.follow(now, e, r.From, mine)
		}
		c.host.feed.add(f)
		waits := (Kind(r.Type) == Joined || Kind(r.Type) == Left) && len(c.links) >= many
		if waits && c.gatherAt.IsZero() {
			c.gatherAt = now.Add(gather)
		}
		for l := range c.links {
			if s := l.seat; s != nil && !l.ended {
				if l.out.grown(e.Seq, waits); f.said && f.audience != nil && !s.deaf && f.visible(s.key) {
					s.whisper = e.Seq
				}
			}
		}
		c.folded(now, r, mine)
	}
	if c.fleet.told && !c.fleet.surveyed && c.state.seq >= c.opening {
		c.survey(now)
	}
	c.speak(now)
	return nil
}

// folded does what an entry means for the seats here, after it was shown.
func (c *core) folded(now time.Time, r report, mine *item) {
	id, _ := parseID(r.Seat)
	s := c.seats[id]
	switch Kind(r.Type) {
	case Joined:
		c.enrol(c.state.people[id])
		c.missed(now, r.Host)
		switch {
		case mine != nil && mine.link != nil:
			c.sit(now, mine)
			if mine.seat != nil && mine.seat.away != "" { // it was so at another host
				c.absent(now)
			}
		case s != nil && !s.quiet && r.Host != c.host.id(): // it sat down at another host of this room
			c.remove(s, codeReplaced, "the seat is used from elsewhere")
		case s == nil && (r.Host == c.host.id() || c.host.Alone) && c.opening != never: // seated by this host before it was restarted, or before the log came here
			c.ghost(now, c.state.people[id])
		}
	case Left:
		c.roster.remove(id)
		switch {
		case s == nil:
		case s.link != nil && s.out == nil && r.Reason == "lost" && c.several(): // others took us for gone
			c.remove(s, codeReplaced, "this host was cut off from the others of the room, which took you for gone")
		default:
			c.remove(s, codeLeft, "goodbye")
		}
	case Renamed:
		c.roster.changed()
		if s != nil {
			s.nick = r.Nick
		}
	case Op, Deop:
		c.roster.changed()
	case Kick, Ban:
		c.expel(now, r)
	case Address:
		c.expelFrom(now, r)
	case Lock:
		c.turnOut(now)
	case Approve:
		c.admit(now)
	case Deny:
		c.deny(now, r)
	case Hosted:
		c.roster.changed()
		c.inherit(now, r)
	}
}

// ghost makes a lost seat of a person whom a former life of this host seated.
func (c *core) ghost(now time.Time, p *person) {
	s := &seat{id: p.seat, key: p.key, nick: p.nick, via: p.via, role: p.role, guest: p.role == roleGuest,
		files: true, // it may: nobody knows until it is back
		since: p.since, born: c.state.seq, got: c.state.seq}
	c.seats[s.id] = s
	c.lose(now, s)
}

// remove forgets a seat and ends its connection with a last word.
func (c *core) remove(s *seat, code, words string) {
	s.gone = true
	if s.out != nil {
		c.expelled--
	}
	delete(c.seats, s.id)
	if s.away != "" {
		c.roster.changed()
	}
	if g := c.handing; g != nil && g.to == s && !g.taken {
		c.callOff(s.nick + " has left")
	}
	if s.quiet {
		c.unname(s)
		c.visitors.put(text.Key(s.nick), departed{s.nick, s.role, s.key, c.state.seq})
	}
	c.dropFiles(s)
	c.receipts.forget(s)
	if l := s.link; l != nil {
		l.ended, s.link = true, nil
		l.out.finish(encode(report{Type: typeBye, Code: code, Text: words}))
	}
}

func (c *core) unname(s *seat) {
	name := text.Key(s.nick)
	if c.quiet[name] = slices.DeleteFunc(c.quiet[name], func(o *seat) bool { return o == s }); len(c.quiet[name]) == 0 {
		delete(c.quiet, name)
	}
}

// roomClosed is the last word to those who are here when the room closes, and to
// those who come after that.
const roomClosed = "the host has closed the room"

// close ends every connection.
func (c *core) close(now time.Time) {
	c.closing = true
	bye := encode(report{Type: typeBye, Code: codeClosing, Text: roomClosed})
	for l := range c.links {
		l.ended = true
		l.out.finish(bye)
	}
}

// newID draws 128 bits.
func (c *core) newID() (id [16]byte) {
	if _, err := io.ReadFull(c.rand, id[:]); err != nil {
		panic("room: no randomness: " + err.Error())
	}
	return id
}

// refusal is the message that refuses a join.
func refusal(code, words string) []byte {
	return encode(report{Type: string(Failure), Code: code, Text: words})
}

func hexID(id [16]byte) string { return hex.EncodeToString(id[:]) }
