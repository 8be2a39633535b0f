package room

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

// Bounds of a handover.
const (
	// maxHand bounds one of its messages: what a Conn takes.
	maxHand = 64 << 10
	// maxHandful bounds the entries in one, in bytes as they are counted by
	// sizeOf: encoded, and with the words beside the body, they stay under maxHand.
	maxHandful = 24 << 10
	// maxSketch bounds the part of a checkpoint in one message.
	maxSketch = 32 << 10
	// maxPlaces bounds the addresses of one host.
	maxPlaces = 8
)

// Types of messages of a handover, beside those that are of a member's connection, too.
const (
	typeHandover = "handover" // on a member's connection: about an offer
	typeTakeover = "takeover" // the first of a handover's own connection, or who has prepared asks what became of it
	typeHand     = "hand"     // the room, how it is
	typeSketch   = "checkpoint"
	typeEntries  = "entries"
	typeCopied   = "copied"
	typeKey      = "key"
	typePrepared = "prepared"
	typeGo       = "go"
	typeServing  = "serving"
	typeOff      = "off"
)

// A Move tells where a room has gone.
type Move struct {
	Nick string        `json:"nick,omitempty"` // of the new host
	Host transport.Key `json:"host,omitzero"`  // which it proves; zero in plaintext
	At   []netip.Addr  `json:"at"`             // the likeliest first
	UDP  uint16        `json:"udp,omitempty"`
	TCP  uint16        `json:"tcp,omitempty"`
}

// valid tells whether a member can make use of it.
func (m *Move) valid() bool {
	return m != nil && len(m.At) > 0 && len(m.At) <= maxPlaces && (m.UDP != 0 || m.TCP != 0) && len(m.Nick) <= maxName &&
		!slices.ContainsFunc(m.At, func(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() || a.IsMulticast() })
}

// String names the first of the places.
func (m Move) String() string {
	if len(m.At) == 0 {
		return "nowhere"
	}
	port := m.UDP
	if port == 0 {
		port = m.TCP
	}
	return netip.AddrPortFrom(m.At[0], port).String()
}

// handing is a message of a handover's connection.
type handing struct {
	Type   string `json:"type"`
	V      int    `json:"v,omitempty"`
	Room   string `json:"room,omitempty"`
	Ticket string `json:"ticket,omitempty"`
	Text   string `json:"text,omitempty"`
	Move   *Move  `json:"move,omitempty"`     // of a takeover: where the new host is
	Ready  bool   `json:"prepared,omitempty"` // of a takeover: all is there, what became of it?

	Seq     uint64  `json:"seq,omitempty"`
	Chain   []byte  `json:"chain,omitempty"` // what the entries up to Seq come to
	Entries []crate `json:"entries,omitempty"`
	Data    []byte  `json:"data,omitempty"` // of a checkpoint
	More    bool    `json:"more,omitempty"`

	Deed     *Deed     `json:"deed,omitempty"`
	Seed     []byte    `json:"seed,omitempty"` // of the room's key
	Verifier *Verifier `json:"verifier,omitempty"`
}

// A Deed is what a new host has to know of a room besides its log.
type Deed struct {
	Room      string             `json:"room"`
	Key       transport.Key      `json:"key,omitzero"`  // the room's; zero in plaintext
	Former    transport.Key      `json:"host,omitzero"` // who hosted it
	Log       [16]byte           `json:"-"`
	LogID     string             `json:"log"`
	Seq       uint64             `json:"seq"`            // the last entry, when it was written
	Gone      uint64             `json:"gone,omitempty"` // up to here what was said is deleted
	Kept      string             `json:"kept,omitempty"`
	Delivery  transport.Delivery `json:"delivery"`
	Guests    bool               `json:"guests,omitempty"`
	Hidden    bool               `json:"hidden,omitempty"`
	MaxSeats  int                `json:"seats,omitempty"`
	Burst     int                `json:"burst,omitempty"`
	Rate      int                `json:"rate,omitempty"`
	Plaintext bool               `json:"plaintext,omitempty"`
}

// crate is an entry on its way.
type crate struct {
	Seq      uint64           `json:"s"`
	Key      transport.Key    `json:"k,omitzero"`
	ID       []byte           `json:"i,omitempty"`
	At       int64            `json:"t,omitempty"` // ms since 1970
	Audience *[]transport.Key `json:"a,omitempty"` // absent: everybody
	Body     []byte           `json:"b,omitempty"`
	Words    string           `json:"w,omitempty"`
}

func pack(e Entry) crate {
	p := crate{Seq: e.Seq, Key: e.Key, ID: e.ID[:], Body: e.Body, Words: e.Words}
	if !e.At.IsZero() {
		p.At = e.At.UnixMilli()
	}
	if e.Audience != nil {
		p.Audience = &e.Audience
	}
	return p
}

func (p *crate) unpack() (Entry, error) {
	e := Entry{Seq: p.Seq, Key: p.Key, Body: p.Body, Words: p.Words}
	if copy(e.ID[:], p.ID) != len(e.ID) || len(p.ID) != len(e.ID) {
		return e, errWire
	}
	if p.At != 0 {
		e.At = time.UnixMilli(p.At).UTC()
	}
	if p.Audience != nil {
		e.Audience = append([]transport.Key{}, *p.Audience...)
	}
	return e, nil
}

// chain sums up the entries of a log: each sum holds all before it. What is not
// there any more, and who may see what, is part of it.
type chain [32]byte

func (c *chain) add(e Entry) {
	h := sha256.New()
	var n [8]byte
	number := func(v uint64) {
		binary.BigEndian.PutUint64(n[:], v)
		h.Write(n[:])
	}
	h.Write(c[:])
	number(e.Seq)
	h.Write(e.Key[:])
	h.Write(e.ID[:])
	at := int64(0)
	if !e.At.IsZero() {
		at = e.At.UnixMilli()
	}
	number(uint64(at))
	if e.Audience == nil {
		number(1 << 63)
	} else {
		number(uint64(len(e.Audience)))
	}
	for _, k := range e.Audience {
		h.Write(k[:])
	}
	number(uint64(len(e.Body)))
	h.Write(e.Body)
	number(uint64(len(e.Words)))
	h.Write([]byte(e.Words))
	h.Sum(c[:0])
}

// given is an entry as the new host gets it. What people whisper to each other
// is not for it, unless it is one of the two: that becomes an entry that nobody
// may see. What the keepers of a room alone may see it needs, and may see.
func given(e Entry, to transport.Key) Entry {
	if e.Audience == nil || len(e.Body) == 0 || slices.Contains(e.Audience, to) {
		return e
	}
	r, err := parseReport(wireForm(e))
	if err != nil || !Kind(r.Type).acts() {
		return Entry{Seq: e.Seq, Key: e.Key, ID: e.ID, At: e.At, Audience: []transport.Key{}}
	}
	e.Audience = append(slices.Clone(e.Audience), to)
	return e
}

// parseHanding reads a message of a handover.
func parseHanding(msg []byte) (x handing, err error) {
	if len(msg) > maxHand {
		return x, errWire
	}
	if err := json.Unmarshal(msg, &x); err != nil {
		return x, fmt.Errorf("%w: %v", errWire, err)
	}
	if d := x.Deed; d != nil {
		var ok bool
		if d.Log, ok = parseID(d.LogID); !ok {
			return x, errWire
		}
		if d.Room, err = text.RoomName(d.Room); err != nil || d.Delivery > transport.Bare || len(d.Kept) > maxName {
			return x, errWire
		}
		d.MaxSeats, d.Burst, d.Rate = max(0, d.MaxSeats), max(0, d.Burst), max(0, d.Rate)
	}
	if x.Type == "" || x.Move != nil && !x.Move.valid() {
		return x, errWire
	}
	x.Text = text.Truncate(text.Clean(x.Text), maxLine)
	return x, nil
}

// parseFirst reads the first message of a connection. Strangers may send one, so
// only what that may have is looked for in it, and it may be no longer than a member's.
func parseFirst(msg []byte) (handing, error) {
	var x struct {
		Type   string `json:"type"`
		V      int    `json:"v"`
		Room   string `json:"room"`
		Ticket string `json:"ticket"`
		Move   *Move  `json:"move"`
		Ready  bool   `json:"prepared"`
	}
	if len(msg) > maxWire || json.Unmarshal(msg, &x) != nil || x.Move != nil && !x.Move.valid() {
		return handing{}, errWire
	}
	return handing{Type: x.Type, V: x.V, Room: x.Room, Ticket: x.Ticket, Move: x.Move, Ready: x.Ready}, nil
}

// errOff is that the other side gave the handover up.
var errOff = errors.New("given up")

// receive reads the next message of a handover. That the other gave up is an error
// with its words.
func receive(ctx context.Context, c transport.Conn) (x handing, err error) {
	msg, err := c.Receive(ctx)
	if err != nil {
		return x, err
	}
	if x, err = parseHanding(msg); err == nil && x.Type == typeOff {
		err = fmt.Errorf("%w: %s", errOff, x.Text)
	}
	return x, err
}

// expect is receive of one type.
func expect(ctx context.Context, c transport.Conn, kind string) (x handing, err error) {
	if x, err = receive(ctx, c); err == nil && x.Type != kind {
		err = fmt.Errorf("%w: %.32q instead of %s", errWire, x.Type, kind)
	}
	return x, err
}

// ParseTakeover tells which room the first message of a connection wants to
// take over, or says that it was handed over to us, if it is about that.
func ParseTakeover(first []byte) (name string, ok bool) {
	x, err := parseFirst(first)
	if err != nil || x.Type != typeTakeover && x.Type != typeGo {
		return "", false
	}
	name, err = text.RoomName(x.Room)
	return name, err == nil
}
