package lanes

import (
	"slices"
	"time"

	"parley/transport"
)

const (
	// tick is how long a slot is, and slots how many a lane has: 20 s.
	tick  = 20 * time.Millisecond
	slots = 1024
	// maxDrawn is how many lanes have slots, at 50 KB each: more than any screen
	// has rows for.
	maxDrawn = 64
	// maxLanes is how many lanes are told apart: as many as a host has seats. The
	// packets of others only count.
	maxLanes = 5000
	// flights is of how many packets it is known when they left.
	flights = 1024
	// ringSize is how many packets followers can be behind: half a second of a room
	// that is flooded.
	ringSize = 16 << 10
	// lingering is how long a lane is shown that has ended.
	lingering = 5 * time.Second
)

// Kind is what happened to a packet.
type Kind uint8

const (
	Sent     Kind = iota + 1 // it left
	Received                 // it came
	Acked                    // it has come to the other end
	Lost                     // it is declared lost
	Repeated                 // it came once more, and was dropped
	Kernel                   // of TCP: the kernel was seen to have sent segments again, Number of them
)

var kindNames = [...]string{"", "sent", "received", "acked", "lost", "repeated", "kernel"}

func (k Kind) String() string { return kindNames[k] }

// Via is a carrier.
type Via uint8

const (
	UDP Via = iota // numbered packets
	TCP            // writes and reads
)

var viaNames = [...]string{"udp", "tcp"}

func (v Via) String() string { return viaNames[v] }

// A Packet is one thing that happened to a packet, or of TCP to what was
// written or read in one piece.
type Packet struct {
	At       time.Duration // since the Recorder was made
	Kind     Kind
	Via      Via
	Again    bool   // of Sent: it carries something that an earlier one carried
	Messages int    // that begin in it
	Talk     bool   // it carries messages, or parts; else it acknowledges, or asks for that
	Lane     int    // see Recorder.Lane
	Number   uint64 // of a packet of UDP; of TCP a count in each direction
	Size     int    // bytes
	Seq      uint64 // of the first event of the room in it; 0: none, or not in sight

	fresh int       // messages in it for the first time; of UDP without those of the lanes,
	upto  [2]uint64 // which are counted by their numbers
}

// Counts are what a lane, or a carrier, comes to.
type Counts struct {
	Sent, Received    uint64 // packets; of TCP writes and reads
	Lost, Again       uint64 // of TCP: what the kernel sent again, or 0
	Repeated          uint64
	BytesOut, BytesIn uint64
	Messages          uint64 // sent, each once
}

// flags are what happened in a slot.
type flags uint8

const (
	talk     flags = 1 << iota // sent for the first time, or received
	ack                        // no message in it
	lost                       // sent here, and lost
	again                      // sent again
	repeated                   // came twice
)

// A slot is what happened in a tick.
type slot struct {
	tick  uint32 // which one: rings go round
	flags flags
	seq   uint32 // of the first event
}

// drawing is what of a lane can be drawn.
type drawing struct {
	out, in [slots]slot
	left    [flights]flight // by number
}

// flight is when a packet left, and what was in it.
type flight struct {
	number uint64
	tick   uint32
	known  bool
}

// A lane is one connection.
type lane struct {
	via   Via
	id    uint64
	index int
	peer  transport.Peer
	nick  string
	conn  transport.Statser // nil: it has ended, or cannot count
	ended time.Duration     // 0: not yet

	drawing *drawing
	counts  Counts
	upto    [2]uint64 // messages sent in the two lanes of UDP
	stats   transport.Stats
	counted bool // stats were taken
}

type key struct {
	via Via
	id  uint64
}

// board is all lanes. Its time only grows.
type board struct {
	lanes  []*lane
	byKey  map[key]*lane
	drawn  int
	opened int       // lanes so far: their indexes
	totals [2]Counts // by carrier, of lanes that are gone too
	ring   []Packet
	next   uint64 // how many packets there were
}

func newBoard() *board {
	return &board{byKey: make(map[key]*lane), ring: make([]Packet, ringSize)}
}

// open begins a lane, at the first packet or when it is told whose it is.
func (b *board) open(now time.Duration, via Via, id uint64) *lane {
	k := key{via, id}
	if l := b.byKey[k]; l != nil {
		return l
	}
	b.sweep(now)
	if len(b.lanes) >= maxLanes {
		return nil
	}
	b.opened++
	l := &lane{via: via, id: id, index: b.opened}
	if b.drawn < maxDrawn {
		b.drawn++
		l.drawing = new(drawing)
	}
	b.lanes, b.byKey[k] = append(b.lanes, l), l
	return l
}

// sweep takes lanes away that ended long ago. Those that come get their slots.
func (b *board) sweep(now time.Duration) {
	b.lanes = slices.DeleteFunc(b.lanes, func(l *lane) bool {
		old := l.ended > 0 && now-l.ended > lingering
		if old {
			delete(b.byKey, key{l.via, l.id})
			if l.drawing != nil {
				b.drawn--
			}
		}
		return old
	})
}

// add puts a packet on the board.
func (b *board) add(id uint64, p Packet) {
	l := b.open(p.At, p.Via, id)
	total := &b.totals[p.Via]
	if l == nil {
		count(total, p)
		return
	}
	if p.Via == TCP {
		switch p.Kind {
		case Sent:
			p.Number = l.counts.Sent
		case Received:
			p.Number = l.counts.Received
		}
	}
	p.Lane = l.index
	if p.Kind == Sent {
		for i, upto := range p.upto {
			if upto > l.upto[i] {
				p.fresh += int(upto - l.upto[i])
				l.upto[i] = upto
			}
		}
	}
	count(total, p)
	count(&l.counts, p)
	if l.drawing != nil {
		l.drawing.mark(p)
	}
	b.ring[b.next%ringSize] = p
	b.next++
}

func count(c *Counts, p Packet) {
	switch p.Kind {
	case Sent:
		c.Sent++
		c.BytesOut += uint64(p.Size)
		c.Messages += uint64(p.fresh)
		if p.Again {
			c.Again++
		}
	case Received:
		c.Received++
		c.BytesIn += uint64(p.Size)
	case Lost:
		c.Lost++
	case Repeated:
		c.Repeated++
	case Kernel:
		c.Again += p.Number
	}
}

// mark puts a packet into its slot.
func (d *drawing) mark(p Packet) {
	now := uint32(p.At / tick)
	switch p.Kind {
	case Sent:
		s := at(&d.out, now)
		f := &d.left[p.Number%flights]
		*f = flight{number: p.Number, tick: now, known: true}
		switch {
		case !p.Talk:
			s.flags |= ack
			return
		case p.Again:
			s.flags |= again
		default:
			s.flags |= talk
		}
		if s.seq == 0 {
			s.seq = uint32(p.Seq)
		}
	case Received:
		if s := at(&d.in, now); p.Talk {
			s.flags |= talk
		} else {
			s.flags |= ack
		}
	case Repeated:
		at(&d.in, now).flags |= repeated
	case Kernel:
		at(&d.out, now).flags |= again
	case Lost:
		f := d.left[p.Number%flights]
		if s := &d.out[f.tick%slots]; f.known && f.number == p.Number && s.tick == f.tick {
			s.flags |= lost
		}
	}
}

// at is the slot of a tick, emptied if it held an earlier one.
func at(row *[slots]slot, tick uint32) *slot {
	s := &row[tick%slots]
	if s.tick != tick || s.flags == 0 {
		*s = slot{tick: tick}
	}
	return s
}

// since gives what happened after the first `from` packets, oldest first, up to
// len(into), how far that is, and how many are missing before it.
func (b *board) since(from uint64, into []Packet) (n int, next, missed uint64) {
	if b.next-from > ringSize {
		missed = b.next - from - ringSize
		from += missed
	}
	for ; from < b.next && n < len(into); from++ {
		into[n] = b.ring[from%ringSize]
		n++
	}
	return n, from, missed
}

// sample takes what a connection counts now.
func (b *board) sample(now time.Duration, l *lane, s transport.Stats) {
	if l.via == TCP && l.counted && s.Resent > l.stats.Resent {
		b.add(l.id, Packet{At: now, Kind: Kernel, Via: TCP, Number: s.Resent - l.stats.Resent})
	}
	l.stats, l.counted = s, true
}
