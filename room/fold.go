package room

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// recentIDs is how many ids of a sender's entries the fold remembers: twice
// what a member may have pending. A message that comes again after it was
// stored is recognised by them before anything could refuse it; for older ones
// the Log does it.
const recentIDs = 2 * maxPending

// maxSenders bounds the senders whose ids are remembered, but for those who are
// here: who comes back for an answer does it soon.
const maxSenders = 4096

// state is what the entries of the log add up to. It holds for every host of a
// room: it knows nothing of connections.
type state struct {
	seq     uint64 // of the last entry folded
	people  map[seatID]*person
	names   map[string][]*person // by text.Key of the nick
	topic   string
	recent  map[transport.Key]*recent
	senders []transport.Key // of recent, in the order in which they first said something
	rules   rules
}

// person is a seat that has joined, by the log.
type person struct {
	seat  seatID
	nick  string
	name  string // text.Key of nick
	key   transport.Key
	via   string
	role  string
	host  string // which host seated it
	since time.Time
	born  uint64 // the seq of the join,
	epoch uint64 // and which of the seat's joins it was, where several hosts serve the room
}

// recent is a ring of the last ids of one sender.
type recent struct {
	known map[[16]byte]said
	ring  [][16]byte
	next  int
}

// said is what is remembered of an entry: its seq and a hash of its words.
type said struct{ seq, sum uint64 }

var seed = maphash.MakeSeed()

func newState() *state {
	return &state{people: map[seatID]*person{}, names: map[string][]*person{}, recent: map[transport.Key]*recent{}, rules: newRules()}
}

// fold takes in the next entry, which reads data on the wire, and returns what
// it tells; ok is false for an entry that is no event of ours.
func (s *state) fold(e Entry, data []byte) (r report, ok bool) {
	s.seq = e.Seq
	r, err := parseReport(data)
	if err != nil {
		return report{}, false
	}
	s.remember(e)
	seat, _ := parseID(r.Seat)
	p := s.people[seat]
	switch Kind(r.Type) {
	case Joined:
		if p != nil {
			s.drop(p)
		}
		q := &person{seat: seat, nick: r.Nick, key: r.Key, via: r.Transport, role: r.Role, host: r.Host, since: e.At, born: e.Seq, epoch: r.Epoch}
		if p != nil && r.Reason == movedSeat {
			q.since = p.since
		}
		s.add(q)
	case Left:
		if p != nil {
			s.drop(p)
			s.rules.gone.put(p.name, departed{p.nick, p.role, p.key, e.Seq})
		}
	case Renamed:
		if p != nil {
			s.drop(p)
			p.nick = r.Nick
			s.add(p)
		}
	case Topic:
		s.topic = r.Text
	case Hosted:
		s.inherit(r)
	case Kick: // also those at hosts that are gone, or do not know of it yet
		s.sendHome(r)
	case Op, Deop:
		for _, p := range s.people {
			if p.key == r.Key {
				p.role = promoted(p.role, Kind(r.Type))
			}
		}
	}
	s.rules.fold(e, r)
	return r, true
}

// sendHome notes that no seat of a key may come back: not at another host either.
func (s *state) sendHome(r report) {
	var out []*person
	for _, p := range s.people {
		if p.key == r.Key {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *person) int { return cmp.Compare(a.born, b.born) }) // every host forgets alike
	for _, p := range out {
		s.rules.kicked.put(p.seat, &sentence{nick: r.Nick, by: r.By, reason: r.Reason})
	}
}

// promoted is the role that somebody has who had another until an op or deop.
func promoted(role string, by Kind) string {
	switch {
	case by == Op && role == roleMember:
		return roleOp
	case by == Deop && role == roleOp:
		return roleMember
	}
	return role
}

func (s *state) add(p *person) {
	s.people[p.seat] = p
	p.name = text.Key(p.nick)
	s.names[p.name] = append(s.names[p.name], p)
}

func (s *state) drop(p *person) {
	delete(s.people, p.seat)
	left := slices.DeleteFunc(s.names[p.name], func(q *person) bool { return q == p })
	if len(left) == 0 {
		delete(s.names, p.name)
	} else {
		s.names[p.name] = left
	}
}

// forget forgets the oldest of the senders who are not here, an eighth of all, so
// that it is seldom to be done.
func (s *state) forget() {
	here := make(map[transport.Key]bool, len(s.people))
	for _, p := range s.people {
		here[p.key] = true
	}
	s.senders = slices.DeleteFunc(s.senders, func(key transport.Key) bool {
		old := len(s.recent) > maxSenders-maxSenders/8 && !here[key]
		if old {
			delete(s.recent, key)
		}
		return old
	})
}

// remember keeps the id of what somebody said, unless it was deleted.
func (s *state) remember(e Entry) {
	if len(e.Body) == 0 {
		return
	}
	r := s.recent[e.Key]
	if r == nil {
		r = &recent{known: map[[16]byte]said{}}
		s.recent[e.Key] = r
		if s.senders = append(s.senders, e.Key); len(s.senders) > maxSenders {
			s.forget()
		}
	}
	if len(r.ring) < recentIDs {
		r.ring = append(r.ring, e.ID)
	} else {
		delete(r.known, r.ring[r.next])
		r.ring[r.next] = e.ID
		r.next = (r.next + 1) % recentIDs
	}
	r.known[e.ID] = said{e.Seq, maphash.String(seed, e.Words)}
}

// stored returns the seq under which an entry is stored, if it is one of the
// sender's last, and whether it has these words.
func (s *state) stored(key transport.Key, id [16]byte, words string) (seq uint64, same, ok bool) {
	if r := s.recent[key]; r != nil {
		was, ok := r.known[id]
		return was.seq, was.sum == maphash.String(seed, words), ok
	}
	return 0, false, false
}
