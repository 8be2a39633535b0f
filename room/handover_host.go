package room

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/text"
	"parley/transport"
)

const (
	// offerTime is how long an offer stands: somebody has to see it, and to decide.
	offerTime = 2 * time.Minute
	// copyTime bounds the copying, and copyStall how long nothing of it may arrive.
	copyTime  = 15 * time.Minute
	copyStall = 20 * time.Second
	// nearly is how many entries may be missing when the room stops for the rest:
	// what is copied in some milliseconds.
	nearly = 256
	// maxPause is how long the room may stand still. Then it goes on, here.
	maxPause = 5 * time.Second
	// whispered is how long a handover waits until the people that are here have
	// the whispers that the new host cannot give them; and once more, when the
	// room stands still, for those of the last moment.
	whispered     = 2 * time.Second
	whisperedLast = 300 * time.Millisecond
	// convincing is how long we try to tell the new host that the room is its,
	// before people are sent there all the same.
	convincing = 10 * time.Second
	// settling is how often we look whether a whisper has arrived.
	settling = 20 * time.Millisecond
)

// A Mover is the machine's part in handing a room over.
type Mover interface {
	// Try connects to the new host at each of the places and returns those where
	// it answers, and proves its key. None is an error.
	Try(ctx context.Context, to Move) (Move, error)

	// Mark notes, so that it outlives this program and the computer's current,
	// that the room is handed over. After an error it surely is not noted.
	Mark(ctx context.Context, to Move, ticket string) error

	// Tell has the new host know, over a connection of its own, that the room is
	// its, until it says that it serves, or ctx ends.
	Tell(ctx context.Context, to Move, ticket string) error

	// Moved is called when people are about to be sent there. Told: the new host
	// has said that it serves. Soon after the old one's Run ends, and Forward and
	// Given are what is left of the room here.
	Moved(to Move, ticket string, told bool)
}

// giving is a handover under way, as the core of the old host knows it.
type handover struct {
	to      *seat
	nick    string
	ticket  string
	at      time.Time // since when it is offered
	taken   bool      // the ticket was shown
	move    Move
	still   chan uint64 // gets the last seq when the room stands still
	cancel  context.CancelFunc
	marking bool   // it is being written down, and cannot be called off
	stopped string // why it was called off
}

// frozen tells whether nothing may be stored now; it is told to who waits for it.
func (c *core) frozen() bool {
	if c.moved != nil {
		return true
	}
	g := c.handing
	if g == nil || g.still == nil {
		return false
	}
	if c.batch == nil && c.state.seq >= max(c.need, c.opening) {
		select {
		case g.still <- c.state.seq:
		default:
		}
	}
	return c.batch == nil
}

// checkHandover decides what the host, or whom the room was offered to, says about
// a handover.
func (c *core) checkHandover(now time.Time, it *item) {
	g := c.handing
	switch {
	case it.cmd.State == "declined":
		if g == nil || g.to != it.seat || g.taken || !same(it.cmd.Ticket, g.ticket) {
			c.fail(it, codeUnchanged, "nothing is offered to you")
			return
		}
		c.accept(it, 0)
		why := it.seat.nick + " declined"
		if said := text.Truncate(text.Clean(it.cmd.Text), maxLine); said != "" {
			why += ": " + said
		}
		c.callOff(why)
		return
	case it.seat.role != roleHost && c.rank(it.seat.role, it.seat.key) != rankHost:
		c.fail(it, codeNotAllowed, "only the host may hand the room over")
		return
	case it.cmd.State == "off" && g == nil:
		c.fail(it, codeUnchanged, "no handover is under way")
		return
	case it.cmd.State == "off" && g.marking:
		c.fail(it, codeUnchanged, "it is too late: the room is handed over")
		return
	case it.cmd.State == "off":
		c.accept(it, 0)
		c.callOff("called off")
		return
	}
	if c.several() {
		c.fail(it, codeNotAllowed, "this room has several hosts: end this one and its people go to another")
		return
	}
	heirs := c.heirs()
	if it.cmd.Nick == "" {
		c.accept(it, 0)
		c.tellHeirs(it, heirs)
		return
	}
	i := slices.IndexFunc(heirs, func(s *seat) bool { return text.Key(s.nick) == text.Key(it.cmd.Nick) })
	switch {
	case g != nil:
		c.fail(it, codeUnchanged, "the room is offered to "+g.nick+" already: /handover - calls it off")
	case text.Key(it.cmd.Nick) == text.Key(it.seat.nick):
		c.fail(it, codeUnchanged, "you host the room already: /handover lists who else could")
	case i < 0:
		c.fail(it, codeNoNick, fmt.Sprintf("%.64q cannot take the room: /handover lists who can", text.Clean(it.cmd.Nick)))
	default:
		s := heirs[i]
		c.handing = &handover{to: s, nick: s.nick, ticket: hexID(c.newID()), at: now}
		s.link.out.control(encode(report{Type: typeHandover, State: "offered", Nick: it.seat.nick, Ticket: c.handing.ticket,
			Text: it.seat.nick + " offers you the room: /accept hosts it on this computer, /decline does not"}), false)
		c.accept(it, 0)
		c.tellHost("offered", s.nick, s.nick+" is asked to host the room")
	}
}

// heirs are the seats to which the room could be handed over, the last to have
// sat down first.
func (c *core) heirs() (all []*seat) {
	for _, s := range c.seats {
		if s.hosts && s.link != nil && !s.quiet && !s.guest && c.rank(s.role, s.key) < rankHost {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *seat) int {
		return cmp.Or(b.since.Compare(a.since), slices.Compare(a.id[:], b.id[:]))
	})
	return all
}

func (c *core) tellHeirs(it *item, heirs []*seat) {
	var names []string
	for _, s := range heirs {
		if !slices.Contains(names, s.nick) {
			names = append(names, s.nick)
		}
	}
	slices.Sort(names)
	said := "nobody here could host this room: that takes a program that sits in it, as parley join does"
	if len(names) > 0 {
		shown := names[:min(len(names), maxListed)]
		said = "the room can be handed over to: "
		for i, n := range shown {
			if i > 0 {
				said += ", "
			}
			said += n
		}
		if len(names) > len(shown) {
			said += fmt.Sprintf(", and %d more", len(names)-len(shown))
		}
	}
	it.link.out.control(encode(report{Type: string(Notice), Code: typeHandover, Text: said}), false)
}

// tellHost tells the host's own seats how a handover goes.
func (c *core) tellHost(state, nick, words string) {
	data := encode(report{Type: typeHandover, State: state, Nick: nick, Text: words})
	for l := range c.links {
		if s := l.seat; s != nil && c.rank(s.role, s.key) == rankHost && !l.ended {
			l.out.control(data, false)
		}
	}
}

// callOff ends a handover before the room has moved: everything goes on here.
func (c *core) callOff(why string) {
	g := c.handing
	if g == nil || c.moved != nil || g.marking {
		return
	}
	c.handing, g.stopped = nil, why
	if g.cancel != nil {
		g.cancel()
	}
	c.tellHost("failed", g.nick, "the room stays here: "+why)
	if l := g.to.link; l != nil {
		l.out.control(encode(report{Type: typeHandover, State: "failed", Text: "the room stays where it is: " + why}), false)
	}
}

// tickHandover does what is due by the clock.
func (c *core) tickHandover(now time.Time) {
	if g := c.handing; g != nil && !g.taken && now.Sub(g.at) >= offerTime {
		c.callOff(g.nick + " has not answered")
	}
}

// wakeHandover returns when tickHandover is due next.
func (c *core) wakeHandover() time.Time {
	if g := c.handing; g != nil && !g.taken && !c.closing {
		return g.at.Add(offerTime)
	}
	return time.Time{}
}

// Forward is what connections to a room that was handed over are told: where it is.
func Forward(to Move) []byte {
	words := "this room has a new host"
	if to.Nick != "" {
		words = to.Nick + " hosts the room now"
	}
	return encode(report{Type: typeBye, Code: codeMoved, Text: words, Move: &to})
}

// forward tells a connection where the room is.
func (c *core) forward(l *link) {
	l.ended = true
	if !c.told { // nobody may say yet that the new host serves
		l.out.finish(refusal(codeClosing, "the room is just being handed over"))
		return
	}
	l.out.finish(Forward(*c.moved))
}

// dismiss sends everybody to the new host, which ends the room here.
func (c *core) dismiss(now time.Time) {
	if c.moved == nil || c.told {
		return
	}
	c.told, c.closing = true, true
	for l := range c.links {
		c.forward(l)
	}
	c.newLinks = nil
}

// whispering tells whether somebody here lacks a whisper.
func (c *core) whispering() bool {
	for _, s := range c.seats {
		if s.link != nil && !s.deaf && s.got < s.whisper {
			return true
		}
	}
	return false
}

// deed tells how the room is.
func (h *Host) deed(seq, gone uint64) *Deed {
	id := h.Log.ID()
	d := &Deed{Room: h.Name, Former: h.HostKey, LogID: hexID(id), Log: id, Seq: seq, Gone: gone, Delivery: h.Delivery, Guests: h.Guests, Hidden: h.Hidden,
		MaxSeats: h.MaxSeats, Burst: h.Burst, Rate: h.Rate, Plaintext: h.Plaintext, Kept: keptBy(h.Log)}
	if !h.Key.IsZero() {
		d.Key = h.Key.Key()
	}
	return d
}

// onCore has f done by the owner of the core, and waits for it.
func (h *Host) onCore(ctx context.Context, f func(time.Time, *core)) error {
	done := make(chan struct{})
	if err := h.do(func(now time.Time, c *core) { f(now, c); close(done) }); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-h.ended:
		return errors.New("the room was closed")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// HandOver serves a connection whose first message, which ParseTakeover has
// known, shows the ticket of an offer. It hands the room over, or what came of
// that to whom it was handed over, and closes the connection.
func (h *Host) HandOver(ctx context.Context, c transport.Conn, first []byte) error {
	h.setup()
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x, err := parseFirst(first)
	if err != nil {
		return err
	}
	var g *handover
	var answer handing
	if err := h.onCore(ctx, func(now time.Time, core *core) { g, answer = core.ticketed(c.Peer(), x, cancel) }); err != nil {
		return err
	}
	switch {
	case g == nil && answer.Type == "":
		return nil // it is not decided yet: whoever asks, asks again
	case g == nil:
		return c.Send(ctx, encode(answer))
	}
	run := &givingAway{host: h, conn: c, g: g, acks: make(chan handing), sent: make(chan sum, 1)}
	return run.run(ctx)
}

// ticketed checks a ticket. Without a handover to go on with, it returns the answer,
// which is none for who asks what became of one that has not ended: it may be marked
// at this moment. "Off" is for ever, and has the other forget all it has got.
func (c *core) ticketed(peer transport.Peer, x handing, cancel context.CancelFunc) (*handover, handing) {
	no := handing{Type: typeOff, Text: "nothing is offered to you here"}
	if c.moved != nil { // it was offered, taken and given: does the other know?
		return nil, answerTo(x, peer, *c.moved, c.given)
	}
	g := c.handing
	switch {
	case g != nil && x.Ready && x.Type == typeTakeover && same(x.Ticket, g.ticket):
		return nil, handing{}
	case g == nil || x.Type != typeTakeover || x.Ready || x.V != Version || !same(x.Ticket, g.ticket):
		return nil, no
	case g.taken:
		return nil, handing{Type: typeOff, Text: "it is being handed over already"}
	case c.keyOf(g.to, peer) != g.to.key || !c.host.Plaintext && !peer.Secure || x.Move == nil:
		c.host.Logger.Warn("a ticket was shown by somebody else", "room", c.host.Name, "addr", peer.Addr.String())
		return nil, no
	}
	g.taken, g.cancel = true, cancel
	g.move = *x.Move
	g.move.Nick, g.move.Host = g.nick, peer.Key
	if a := peer.Addr.Addr().Unmap(); a.IsValid() && !slices.Contains(g.move.At, a) {
		at := append(g.move.At, a)
		if !a.IsLoopback() { // it reaches us from there, so it is likely to be reached there
			at = slices.Insert(slices.Clone(g.move.At), 0, a)
		}
		g.move.At = at[:min(len(at), maxPlaces)]
	}
	return g, handing{}
}

// same compares secrets.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// answerTo answers who asks for a room that was handed over: the new host may serve.
func answerTo(x handing, peer transport.Peer, to Move, ticket string) handing {
	if x.Type == typeTakeover && same(x.Ticket, ticket) && peer.Key == to.Host {
		return handing{Type: typeGo}
	}
	return handing{Type: typeOff, Text: "nothing is offered to you here"}
}

// Given is the answer to the first message of a connection that asks for a room
// which was handed over, by ticket.
func Given(first []byte, peer transport.Peer, to Move, ticket string) []byte {
	x, err := parseFirst(first)
	if err != nil {
		return encode(handing{Type: typeOff, Text: errWire.Error()})
	}
	return encode(answerTo(x, peer, to, ticket))
}

// keyOf is the key of whoever shows a ticket: the one it proves, or in
// plaintext the seat's, if it comes from where the seat is used.
func (c *core) keyOf(s *seat, peer transport.Peer) transport.Key {
	if c.host.Plaintext && s.link != nil && s.link.address() == peer.Addr.Addr().Unmap().WithZone("") {
		return s.key
	}
	return peer.Key
}

func keptBy(l Log) string {
	if k, ok := l.(Keeper); ok {
		return k.Kept()
	}
	return ""
}
