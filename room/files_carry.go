package room

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

const (
	// carrySlack is how many bytes are passed on beside twice the file's own: what
	// connections that broke had under way, and their words about it.
	carrySlack = 16 << 20
	// messageCost is what passing on a message counts beside its bytes.
	messageCost = 64
	// pairing is how long one side of a transfer waits for the other.
	pairing = 20 * time.Second
	// carryIdle is how long nothing may pass between them.
	carryIdle = 30 * time.Second
	// farewellTime is how long a connection may stay when the taker has said that it is
	// done: it counts for nobody any more.
	farewellTime = 5 * time.Second
)

// carry is the first message of a connection for the bytes of a file, and the
// host's answer.
type carry struct {
	Type    string `json:"type"`
	V       int    `json:"v,omitempty"`
	Room    string `json:"room,omitempty"`
	Session string `json:"session,omitempty"`
	ID      string `json:"id,omitempty"`
	Side    string `json:"side,omitempty"`
	State   string `json:"state,omitempty"`
	Code    string `json:"code,omitempty"`
	Text    string `json:"text,omitempty"`
}

var sides = [2]string{sideGive: "give", sideTake: "take"}

func parseCarry(msg []byte) (x carry, err error) {
	if err := decode(msg, &x); err != nil {
		return carry{}, err
	}
	if x.Type != typeCarry && x.Type != string(Failure) && x.Type != typeBye {
		return carry{}, errWire
	}
	x.Code, x.Text = oneLine(x.Code), oneLine(x.Text)
	return x, nil
}

// ParseCarry tells in which room the first message of a connection passes a file
// on, if that is what it does.
func ParseCarry(first []byte) (name string, ok bool) {
	x, err := parseCarry(first)
	if err != nil || x.Type != typeCarry {
		return "", false
	}
	name, err = text.RoomName(x.Room)
	return name, err == nil
}

// wagon is one side's connection of a transfer.
type wagon struct {
	conn   transport.Conn
	cancel context.CancelFunc
	other  chan *wagon   // the other side's, when it is there
	ready  chan struct{} // closed when this side has been told so
	passed int64         // what came from here, until it has ended
	paired bool          // other was given; of the core
}

// Carry serves a connection whose first message, which ParseCarry has known, is
// for the bytes of a file: it passes on what one side sends to the other, as it is,
// and no faster than that takes it. It closes the connection.
func (h *Host) Carry(ctx context.Context, c transport.Conn, first []byte) error {
	h.setup()
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x, err := parseCarry(first)
	if err != nil {
		return err
	}
	e := &wagon{conn: c, cancel: cancel, other: make(chan *wagon, 1), ready: make(chan struct{})}
	var left int64
	var no *Refused
	if err := h.onCore(ctx, func(_ time.Time, core *core) { left, no = core.carries(c.Peer(), x, e) }); err != nil {
		return err
	}
	if no != nil {
		return c.Send(ctx, refusal(no.Code, no.Text))
	}
	defer h.do(func(_ time.Time, core *core) { core.carried(x, e) })
	var to *wagon
	timer := time.NewTimer(pairing)
	defer timer.Stop()
	select {
	case to = <-e.other:
	case <-timer.C:
		return c.Send(ctx, refusal(codeAlone, "the other side has not come"))
	case <-ctx.Done():
		return ctx.Err()
	}
	return e.pass(ctx, to, left)
}

// pass passes on what comes.
func (e *wagon) pass(ctx context.Context, to *wagon, left int64) error {
	defer to.cancel()
	idle := time.AfterFunc(carryIdle, e.cancel) // also of waiting for the other: it may have ended as it was found
	defer idle.Stop()
	if err := e.conn.Send(ctx, encode(carry{Type: typeCarry, State: "ready"})); err != nil {
		return err
	}
	close(e.ready)
	select {
	case <-to.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		msg, err := e.conn.Receive(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if e.passed += int64(len(msg)) + messageCost; e.passed > left {
			return fmt.Errorf("more than %d bytes for a file", left)
		}
		if err := to.conn.Send(ctx, msg); err != nil {
			return err
		}
		idle.Reset(carryIdle)
	}
}

// carries finds the transfer that a connection is for. When both sides are there,
// they are told of each other. One that comes again takes the place of its former
// connection, which ends both: the other side comes again, too.
func (c *core) carries(peer transport.Peer, x carry, e *wagon) (left int64, no *Refused) {
	session, ok := parseID(x.Session)
	id, known := parseID(x.ID)
	side := slices.Index(sides[:], x.Side)
	if !ok || !known || side < 0 || x.V != Version {
		return 0, &Refused{Code: codeProtocol, Text: "that carries no file"}
	}
	i := slices.IndexFunc(c.offers, func(o *offering) bool { return o.id == id })
	if i < 0 || c.closing || c.moved != nil {
		return 0, &Refused{Code: codeNoOffer, Text: "this file is not offered here"}
	}
	o := c.offers[i]
	s := [2]*seat{o.from, o.taker}[side]
	if s == nil || s.id != seatOf(session) || s.key != c.keyFor(&link{peer: peer}, session) {
		return 0, &Refused{Code: codeNoOffer, Text: "this file is not offered to you"}
	}
	if o.left <= 0 {
		return 0, &Refused{Code: codeNoFiles, Text: "this file was tried often enough"}
	}
	if old := o.ends[side]; old != nil {
		old.cancel()
	}
	o.ends[side] = e
	switch other := o.ends[1-side]; {
	case other == nil:
	case other.paired: // with one that is no more
		other.cancel()
		o.ends[1-side] = nil
	default:
		e.paired, other.paired = true, true
		e.other <- other
		other.other <- e
	}
	return o.left, nil
}

// carried takes in that a connection has ended, and what passed.
func (c *core) carried(x carry, e *wagon) {
	for _, o := range c.offers {
		for side := range o.ends {
			if o.ends[side] == e {
				o.ends[side] = nil
			}
		}
		if hexID(o.id) == x.ID {
			o.left -= e.passed
		}
	}
}

// attach makes a connection one for our side of a file.
func (m *Member) attach(ctx context.Context, c transport.Conn, id string, side int) error {
	m.mu.Lock()
	x := carry{Type: typeCarry, V: Version, Room: m.room, Session: m.session, ID: id, Side: sides[side]}
	m.mu.Unlock()
	if err := c.Send(ctx, encode(x)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pairing+answerTime)
	defer cancel()
	msg, err := c.Receive(ctx)
	if err != nil {
		return err
	}
	if x, err = parseCarry(msg); err != nil {
		return err
	}
	if x.Type != typeCarry || x.State != "ready" {
		return &Refused{Code: x.Code, Text: x.Text}
	}
	return nil
}
