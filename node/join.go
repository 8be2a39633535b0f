package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

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
	o.Moved, o.Hosts, o.Taker, o.Files = w.moved, w.told, w.take, n.porter(w)
	next := o.Trust
	o.Trust = func(name string, key transport.Key) error {
		if p.Key != (transport.Key{}) && key != p.Key {
			return mismatch(p.Key, key)
		}
		if err := g.admit(name, key); err != nil {
			return err
		}
		if next != nil {
			if err := next(name, key); err != nil {
				return err
			}
		}
		w.trusted(key)
		return nil
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
	o.Drafts, o.Copy = n.Drafts.of(o.Identity), n.copies()
	m, err := room.Join(ctx, o, w)
	for hops := 0; movedAway(err) && hops < maxHops; hops++ {
		m, err = room.Join(ctx, o, w)
	}
	for byName && wrongKey(err) && w.avoid() { // whoever repeats an announcement adds his address to the room's
		m, err = room.Join(ctx, o, w)
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
