package discovery

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Room is a room as its host announces it.
type Room struct {
	Name     string // see wire.go for what a name may hold
	UDP, TCP uint16 // ports; 0 where a carrier is not served
	Members  int
	Secure   bool // conversations are encrypted
	Password bool // a password is wanted
	Guests   bool // bare text clients are admitted

	// Signer holds the room's Ed25519 key, by which listeners tell rooms
	// apart. A room without an identity needs a key made for the occasion.
	Signer crypto.Signer
}

// When things are said. See the package comment.
const (
	beaconEvery  = 30 * time.Second
	beaconJitter = beaconEvery / 10
	beaconGap    = time.Second // between beacons that something called for
	beaconTTL    = 3 * beaconEvery
	answerDelay  = 50 * time.Millisecond // spreads the answers of a full room
	goodbyeAgain = 200 * time.Millisecond
)

// beaconSeries is how long after one another the first beacons go out.
var beaconSeries = []time.Duration{time.Second, 2 * time.Second}

// How much may be said.
const (
	maxRooms     = 32             // rooms of one host; four times what a listener keeps for one address
	perAsker     = 3              // answers at once to one address and port, then one a second
	answersASec  = 50             // to all together, and at once
	perAddress   = 1000           // bytes of answers a second to one address, whatever its ports: of fifty hosts less than fifty queries have
	burstAddress = 3 * perAddress // such bytes at once
	headers      = 28             // bytes that IP and UDP add to each datagram
	maxAskers    = 256
	recentAsked  = 64 // queries remembered, since each arrives by two or three ways
	maxFarewells = 2 * maxRooms
)

// announcer is the machine of a host.
type announcer struct {
	dice  *dice
	ask   func() []Room
	warn  func(string)
	count *Counters

	friends  []netip.Addr // who may ask from elsewhere
	instance [8]byte
	issue    uint64
	rooms    []Room
	links    []Interface
	leaving  bool

	next      time.Time // the next beacon
	last      time.Time // the last one
	series    int       // gaps of beaconSeries behind us
	called    bool      // a beacon is wanted out of turn
	cost      int       // bytes of the last beacon
	unpaid    int       // bytes of the queries that a beacon is to answer
	farewells []farewell
	answers   []reply
	calls     []packet // to go out at once
	total     bucket
	askers    map[netip.AddrPort]*bucket
	addresses map[netip.Addr]*bucket // in bytes; full again when the askers there are
	recent    [recentAsked]asked
	recentAt  int
}

type (
	farewell struct {
		due  time.Time
		data []byte
	}
	reply struct {
		due  time.Time
		to   netip.AddrPort
		at   netip.Addr // asked directly, at this address of ours
		size int
		head header
	}
	asked struct {
		from  netip.AddrPort
		nonce [8]byte
	}
)

func newAnnouncer(now time.Time, d *dice, ask func() []Room, warn func(string), count *Counters) *announcer {
	a := &announcer{dice: d, ask: ask, warn: warn, count: count, next: now,
		total: newBucket(now, answersASec, answersASec), askers: map[netip.AddrPort]*bucket{}, addresses: map[netip.Addr]*bucket{}}
	d.fill(a.instance[:])
	a.poll(now)
	return a
}

// poll asks for the rooms. Changes are announced, and rooms that are gone bid
// farewell.
func (a *announcer) poll(now time.Time) {
	if a.leaving {
		return
	}
	rooms := make([]Room, 0, len(a.rooms))
	for _, r := range a.ask() {
		key, ok := publicKey(r.Signer)
		switch {
		case len(rooms) == maxRooms:
			a.warn(fmt.Sprintf("more than %d rooms: the rest is not announced", maxRooms))
		case !ok || !validName([]byte(r.Name)) || !validPorts(r.UDP, r.TCP):
			a.warn(fmt.Sprintf("the room %q cannot be announced: it wants a valid name, a port from 1024 on and an Ed25519 key", r.Name))
		case index(rooms, key) < 0:
			rooms = append(rooms, r)
		}
	}
	var gone []Room
	for _, old := range a.rooms {
		key, _ := publicKey(old.Signer)
		if i := index(rooms, key); i < 0 {
			gone = append(gone, old)
		} else if !same(old, rooms[i]) {
			a.called = true
		}
	}
	if len(rooms)+len(gone) > len(a.rooms) {
		a.begin(now)
	}
	a.rooms = rooms
	a.bid(now, gone)
}

// linksAre tells on which networks we are. New ones begin the series of
// beacons again.
func (a *announcer) linksAre(now time.Time, links []Interface, fresh bool) {
	a.links = links
	if fresh {
		a.begin(now)
	}
}

// begin starts the series of beacons, for there is a new room or a new network.
func (a *announcer) begin(now time.Time) {
	a.series, a.next = 0, later(now, a.last.Add(beaconGap))
}

// leave takes every room back. After the second goodbye the machine is done.
func (a *announcer) leave(now time.Time) {
	if a.leaving {
		return
	}
	a.leaving, a.answers = true, nil
	a.bid(now, a.rooms)
	a.rooms = nil
}

func (a *announcer) bid(now time.Time, rooms []Room) {
	for _, data := range a.pages(now, rooms, header{kind: goodbye}, maxDatagram) {
		if len(a.farewells) <= maxFarewells-2 {
			a.farewells = append(a.farewells, farewell{now, data}, farewell{now.Add(goodbyeAgain), data})
		}
	}
}

// handle takes a datagram; all but queries are for others.
func (a *announcer) handle(now time.Time, from netip.AddrPort, msg []byte) {
	a.asked(now, from, netip.Addr{}, msg)
}

// handleDirect takes what was sent to at alone. Those from other networks may ask
// so, if their networks are private, too, or they are friends.
func (a *announcer) handleDirect(now time.Time, from netip.AddrPort, at netip.Addr, msg []byte) {
	a.asked(now, from, at, msg)
}

func (a *announcer) published() []Room { return a.rooms }

func (a *announcer) lead(time.Time, netip.AddrPort) {}

func (a *announcer) sockets() (direct, far bool) { return true, false }

// may tells whether somebody on no network of ours is answered.
func (a *announcer) may(from netip.Addr) bool {
	return from.IsPrivate() || slices.Contains(a.friends, from)
}

func (a *announcer) asked(now time.Time, from netip.AddrPort, at netip.Addr, msg []byte) {
	h, err := parseHeader(msg)
	if err != nil {
		a.count.Junk.Add(1)
		return
	}
	if h.kind != query && h.kind != call || a.leaving {
		return
	}
	if from.Port() == 0 || !onLink(a.links, from.Addr()) && !(at.IsValid() && a.may(from.Addr())) {
		a.count.OffLink.Add(1)
		return
	}
	for _, r := range &a.recent {
		if r.from == from && r.nonce == h.nonce {
			return
		}
	}
	if !a.total.has(now) {
		a.count.Limited.Add(1)
		a.crowd(len(msg))
		return
	}
	if !a.asker(now, from).take(now) {
		a.count.Limited.Add(1)
		return
	}
	a.total.take(now)
	a.recent[a.recentAt] = asked{from, h.nonce}
	a.recentAt = (a.recentAt + 1) % recentAsked
	if h.kind == call {
		a.callBack(now, from, at, h)
		return
	}
	h.rest = nil
	a.answers = append(a.answers, reply{now.Add(a.dice.upTo(answerDelay)), from, at, min(len(msg), maxDatagram), h})
}

// callBack answers a call. Both datagrams together are shorter than it was, and
// nobody else than who seems to have sent it is called.
func (a *announcer) callBack(now time.Time, from netip.AddrPort, at netip.Addr, h header) {
	port, ok := parseCall(&h)
	if !ok {
		a.count.Junk.Add(1)
		return
	}
	if !from.Addr().IsLoopback() && !a.address(now, from.Addr()).takes(now, minCall) { // a sender is soon forged, and has many ports
		a.count.Limited.Add(1)
		return
	}
	data, to := appendHeader(nil, called, 0, h.nonce), netip.AddrPortFrom(from.Addr(), port)
	a.calls = append(a.calls, packet{to: from, data: data, from: at}, packet{to: to, data: data, call: true})
}

// crowd takes note of a query that cannot be answered, for there are too many.
// One beacon serves all who asked, as soon as they have paid for it: it goes out
// at most two ways for each address of ours.
func (a *announcer) crowd(size int) {
	ways := 0
	for _, i := range a.links {
		ways += 2 * len(i.Prefixes)
	}
	if a.unpaid += size; a.unpaid >= ways*a.cost {
		a.unpaid, a.called = 0, true
	}
}

// asker returns the budget of one address and port.
func (a *announcer) asker(now time.Time, from netip.AddrPort) *bucket {
	return budget(now, a.askers, from, newBucket(now, perAsker, 1))
}

// address returns the budget of all ports of an address: whoever forges it may
// choose many, and fifty hosts may answer.
func (a *announcer) address(now time.Time, from netip.Addr) *bucket {
	return budget(now, a.addresses, from, newBucket(now, burstAddress, perAddress))
}

// budget finds or makes one of the budgets in a table. As no more than
// answersASec of their owners can be new in a second, and one is as good as new
// after four seconds, maxAskers are enough.
func budget[K comparable](now time.Time, table map[K]*bucket, key K, fresh bucket) *bucket {
	if b := table[key]; b != nil {
		return b
	}
	if len(table) >= maxAskers {
		for k, b := range table {
			if b.full(now) {
				delete(table, k)
			}
		}
	}
	if len(table) < maxAskers {
		table[key] = &fresh
	}
	return &fresh
}

// tick returns what is to be sent by now, and when to be called again: never,
// if the time is zero.
func (a *announcer) tick(now time.Time) (out []packet, wake time.Time) {
	a.farewells = keep(a.farewells, func(f farewell) bool {
		if f.due.After(now) {
			wake = sooner(wake, f.due)
			return true
		}
		out = append(out, packet{data: f.data})
		return false
	})
	out, a.calls = append(out, a.calls...), nil
	if a.leaving {
		return out, wake
	}
	inTurn, mayCall := !a.next.After(now), a.last.Add(beaconGap)
	if inTurn || a.called && !mayCall.After(now) {
		a.last, a.called, a.cost = now, false, 0
		for _, data := range a.pages(now, a.rooms, header{kind: beacon}, maxDatagram) {
			out = append(out, packet{data: data})
			a.cost += len(data)
		}
	}
	if inTurn {
		a.plan(now)
	}
	if a.called {
		wake = sooner(wake, mayCall)
	}
	a.answers = keep(a.answers, func(r reply) bool {
		if r.due.After(now) {
			wake = sooner(wake, r.due)
			return true
		}
		pages := a.pages(now, a.rooms, header{kind: answer, nonce: r.head.nonce, turn: r.head.turn}, r.size)
		switch {
		case len(pages) == 0:
		case r.to.Addr().IsLoopback() || a.address(now, r.to.Addr()).takes(now, float64(headers+len(pages[0]))):
			out = append(out, packet{to: r.to, data: pages[0], from: r.at})
		default:
			a.count.Limited.Add(1)
			a.crowd(r.size)
		}
		return false
	})
	return out, sooner(wake, a.next)
}

// plan sets the time of the next regular beacon, one having been sent.
func (a *announcer) plan(now time.Time) {
	if a.series < len(beaconSeries) {
		a.next = now.Add(beaconSeries[a.series])
		a.series++
		return
	}
	a.next = now.Add(beaconEvery - beaconJitter + a.dice.upTo(2*beaconJitter))
}

// pages makes datagrams of at most size bytes that tell of rooms: all of them,
// or for an answer only the page whose turn it is.
func (a *announcer) pages(now time.Time, rooms []Room, h header, size int) (pages [][]byte) {
	var split [][]Room
	left := 0
	for i, r := range rooms {
		need := noticeFixed + len(r.Name) + ed25519.SignatureSize
		if need > left {
			if left = size - headerSize; need > left {
				return nil
			}
			split = append(split, rooms[i:i])
		}
		left -= need
		page := &split[len(split)-1]
		*page = (*page)[:len(*page)+1]
	}
	if h.kind == answer && len(split) > 0 {
		split = split[int(h.turn)%len(split):][:1]
	}
	a.issue = max(a.issue+1, uint64(now.UnixMicro()))
	for _, page := range split {
		data := appendHeader(make([]byte, 0, size), h.kind, 0, h.nonce)
		for _, r := range page {
			data = a.append(data, r, h)
		}
		if len(data) > headerSize {
			pages = append(pages, data)
		}
	}
	return pages
}

func (a *announcer) append(data []byte, r Room, h header) []byte {
	n := notice{instance: a.instance, issue: a.issue, udp: r.UDP, tcp: r.TCP, name: []byte(r.Name),
		members: uint16(min(max(r.Members, 0), 1<<16-1))}
	n.key, _ = publicKey(r.Signer)
	if h.kind != goodbye {
		n.ttl = uint16(beaconTTL / time.Second)
	}
	if r.Secure {
		n.flags |= flagSecure
	}
	if r.Password {
		n.flags |= flagPassword
	}
	if r.Guests {
		n.flags |= flagGuests
	}
	signed, err := signNotice(data, &n, h.kind, h.nonce, r.Signer)
	if err != nil {
		a.warn(fmt.Sprintf("the room %q cannot be announced: %v", r.Name, err))
	}
	return signed
}

func publicKey(s crypto.Signer) (key [ed25519.PublicKeySize]byte, ok bool) {
	if s == nil {
		return key, false
	}
	public, ok := s.Public().(ed25519.PublicKey)
	return key, ok && copy(key[:], public) == len(key)
}

func index(rooms []Room, key [ed25519.PublicKeySize]byte) int {
	for i, r := range rooms {
		if k, _ := publicKey(r.Signer); bytes.Equal(k[:], key[:]) {
			return i
		}
	}
	return -1
}

// same tells whether listeners would see no difference; both have one key.
func same(a, b Room) bool {
	a.Signer, b.Signer = nil, nil
	return a == b
}
