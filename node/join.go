package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"

	"parley/room"
	"parley/transport"
)

// Join sits down in the room that target names, as a person types it; see
// [Target]. What goes wrong is an [*Error], a [*room.Refused], or the end of ctx.
func (n *Node) Join(ctx context.Context, target string, o room.JoinOptions) (*room.Member, error) {
	n.start()
	t, err := ParseTarget(target)
	if err != nil {
		return nil, &Error{Code: CodeTarget, Text: err.Error()}
	}
	if t.Key != (transport.Key{}) && n.Plaintext {
		return nil, &Error{Code: CodeMode, Text: "the link asks for a room that proves its key, and plaintext proves nothing", Hint: "leave out --plaintext"}
	}
	if err := n.checkBind(); err != nil {
		return nil, err
	}
	g, err := n.guard(t)
	if err != nil {
		return nil, err
	}
	p, err := n.find(ctx, t, g)
	if err != nil {
		return nil, err
	}
	return n.join(ctx, p, t.Host == "", g, o)
}

// JoinHeard sits down in a room that Rooms has told of. What Rooms tells is the
// network's word and nobody's promise: unlike that of a link, the key must agree
// with what is remembered of the room.
func (n *Node) JoinHeard(ctx context.Context, l room.Listing, o room.JoinOptions) (*room.Member, error) {
	n.start()
	if l.Secure == n.Plaintext {
		return nil, n.wrongMode("the room " + l.Room)
	}
	p := place{Target: Target{Room: l.Room}, via: []target{{l.Addr, l.UDP, l.TCP}}}
	if l.Secure {
		p.Key = l.Key
	}
	g, err := n.guard(p.Target)
	if err != nil {
		return nil, err
	}
	g.word = false
	if err := g.admit(l.Room, p.Key); l.Secure && err != nil {
		return nil, err
	}
	return n.join(ctx, p, true, g, o)
}

// join sits down in the room at a place.
func (n *Node) join(ctx context.Context, p place, byName bool, g *guard, o room.JoinOptions) (*room.Member, error) {
	if err := g.downgrade(p); err != nil {
		return nil, err
	}
	w := &way{node: n, place: p, byName: byName}
	o.Room, o.Identity = p.Room, n.identity()
	o.Moved, o.Taker = w.moved, w.take
	next := o.Trust
	o.Trust = func(name string, key transport.Key) error {
		if p.Key != (transport.Key{}) && key != p.Key {
			return mismatch(p.Key, key)
		}
		if err := g.admit(name, key); err != nil || next == nil {
			return err
		}
		return next(name, key)
	}
	o.Fill = func(e *room.Event) {
		if at, err := netip.ParseAddrPort(e.Addr); err == nil {
			e.Invite = Link(at, e.Room, e.Key)
			if e.Transport == "tcp" {
				e.TCPAddr = e.Addr
			}
		}
	}
	if o.Logger == nil {
		o.Logger = n.log
	}
	o.Drafts = n.Drafts.of(o.Identity)
	m, err := room.Join(ctx, o, w.dial)
	for hops := 0; movedAway(err) && hops < maxHops; hops++ {
		m, err = room.Join(ctx, o, w.dial)
	}
	for byName && wrongKey(err) && w.avoid() { // whoever repeats an announcement adds his address to the room's
		m, err = room.Join(ctx, o, w.dial)
	}
	if err != nil {
		return nil, err
	}
	w.proved()
	w.seated(m.Ready())
	if err := g.seated(ctx, m, p.strangers); err != nil {
		return nil, err
	}
	return m, nil
}

// identity is who we are to a room; in plaintext nobody.
func (n *Node) identity() transport.Identity {
	if n.Plaintext {
		return transport.Identity{}
	}
	return n.Identity
}

// way is how a member gets to its room, each time anew.
type way struct {
	node    *Node
	byName  bool                           // the room was found by its name, and may be found by its key
	hosting *receiver                      // the room was handed over to us
	home    func() (transport.Conn, error) // into this program itself, where the room is here

	mu      sync.Mutex // Dials do overlap when a member tries a second way
	place   place
	failed  bool           // the last time nobody answered
	reached transport.Peer // the last time
	host    transport.Key  // who had the room when we sat down, or has it since
	key     transport.Key  // the room's
}

// wrongKey tells that whoever was reached could not prove to be the room.
func wrongKey(err error) bool {
	var e *Error
	var r *room.Refused
	return errors.As(err, &e) && e.Code == CodeKey || errors.As(err, &r) && r.Code == "key"
}

// avoid leaves out the address that was reached last, if there are others.
func (w *way) avoid() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := without(w.place.via, w.reached.Addr.Addr())
	if len(left) == 0 || len(left) == len(w.place.via) {
		return false
	}
	w.place.via = left
	return true
}

func without(via []target, addr netip.Addr) (left []target) {
	for _, t := range via {
		if t.addr.Unmap().WithZone("") != addr.Unmap().WithZone("") {
			left = append(left, t)
		}
	}
	return left
}

// proved notes that who was reached is the room's host.
func (w *way) proved() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = w.reached.Key
}

// reach connects to the host that had the room before. If all who can be
// reached are others, it is the first of them, which may be a new one.
func (w *way) reach(ctx context.Context, via []target, host transport.Key) (transport.Conn, error) {
	var first transport.Conn
	for len(via) > 0 {
		c, err := w.node.reach(ctx, via)
		switch {
		case err != nil && first == nil:
			return nil, err
		case err != nil:
			return first, nil
		case host == (transport.Key{}) || c.Peer().Key == host:
			if first != nil {
				w.node.later(func() { first.Close() })
			}
			return c, nil
		case first == nil:
			first = c
		default:
			w.node.later(func() { c.Close() })
		}
		left := without(via, c.Peer().Addr.Addr())
		if len(left) == len(via) {
			break
		}
		via = left
	}
	return first, nil
}

// dial connects to the room, for a Member.
func (w *way) dial(ctx context.Context) (transport.Conn, error) {
	w.mu.Lock()
	p, failed, host, home := w.place, w.failed, w.host, w.home
	w.mu.Unlock()
	if home != nil {
		return home()
	}
	if failed {
		p = w.search(ctx, p)
	}
	c, err := w.reach(ctx, p.via, host)
	w.mu.Lock()
	if w.place, w.failed, w.reached = p, err != nil, (transport.Peer{}); err == nil {
		w.reached = c.Peer()
	}
	w.mu.Unlock()
	return c, w.node.explainDial(err, p)
}

// search finds out where the room is now. If that fails, it is where it was.
func (w *way) search(ctx context.Context, p place) place {
	if w.byName && p.Key != (transport.Key{}) {
		if now, ok := w.node.findKey(ctx, p.Key); ok {
			return now
		}
	}
	if !w.byName {
		if now, err := w.node.findHost(ctx, p.Target); err == nil {
			return now
		}
	}
	return p
}

// explainDial says for people why a host could not be reached. What the
// network did to us stays recognisable underneath.
func (n *Node) explainDial(err error, p place) error {
	var refused *transport.RefusedError
	var known *Error
	where := whereabouts(p)
	switch {
	case err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &refused):
		return &Error{Code: CodeUnreachable, Text: fmt.Sprintf("nobody answers at %s", where), Err: err,
			Hint: "is the room open there? A firewall, or a Wi-Fi that keeps its guests apart, may be in the way"}
	case refused.Reason == transport.ReasonMode:
		return n.wrongMode("the host at " + where)
	case refused.Reason == transport.ReasonVersion:
		return &Error{Code: CodeVersion, Text: fmt.Sprintf("the host at %s speaks another version of parley", where), Err: err,
			Hint: "use the same version on both computers: parley version tells"}
	case refused.Reason == transport.ReasonFull:
		return &Error{Code: CodeFull, Text: fmt.Sprintf("the host at %s has no place left", where), Err: err, Hint: "try again later"}
	}
	return &Error{Code: CodeKey, Text: fmt.Sprintf("the host at %s could not prove who it is", where), Err: err,
		Hint: "somebody may be in between; try again, and do not type anything private"}
}

// whereabouts names the addresses that were tried.
func whereabouts(p place) string {
	var list []string
	for _, t := range p.via {
		port := t.udp
		if port == 0 {
			port = t.tcp
		}
		list = append(list, netip.AddrPortFrom(t.addr, port).String())
	}
	if len(list) == 0 {
		return "any address"
	}
	if len(list) > 3 {
		list = append(list[:3], "…")
	}
	return strings.Join(list, ", ")
}

// Undelivered tells whether err means that the network, or the host, is gone,
// as opposed to a host that answers and refuses.
func Undelivered(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Code == CodeUnreachable
	}
	return errors.Is(err, transport.ErrLost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
