package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"parley/room"
	"parley/transport"
)

// A program that ended in the middle of a handover finds out what became of it
// when it is to host the room again.

// heirs returns, for the rooms that are to be hosted, what is left to do for those
// that were handed over to us and not served yet; and refuses those that are not
// ours any more, or not for sure.
func (n *Node) heirs(ctx context.Context, names []string) (map[string]*pending, error) {
	left := make(map[string]*pending)
	if n.Moves == nil {
		return left, nil
	}
	for _, name := range names {
		p, err := n.resolve(ctx, name)
		if err != nil {
			return nil, err
		}
		if p != nil {
			left[name] = p
			continue
		}
		if err := n.Moves.here(ctx, n, name); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// resolve finds out whether a room that came whole is ours. Nil: there is none.
func (n *Node) resolve(ctx context.Context, name string) (*pending, error) {
	p, err := n.Moves.pending(n.Plaintext, name)
	if err != nil || p == nil {
		return nil, err
	}
	if !n.Histories.isOurs(name, p.Key) {
		err = n.askFor(ctx, p)
	}
	switch {
	case errors.Is(err, room.ErrNotOurs):
		n.Moves.given(n.Plaintext, name)
		_, err := n.Histories.settle(name, p.Key)
		return nil, err
	case err != nil:
		e := n.unresolved(name, p.Heir.From)
		e.Err = err
		return nil, e
	}
	if _, err := n.Histories.becomesOurs(name, p.Key); err != nil {
		return nil, err
	}
	return p, n.adopt(p)
}

// unresolved is the error of a room of which nobody here knows whether it is ours.
func (n *Node) unresolved(name, from string) *Error {
	return &Error{Code: CodeMoved, Text: fmt.Sprintf("%s was being handed over to you by %s, and whether it is yours only %s's computer knows, which does not answer", name, from, from),
		Hint: fmt.Sprintf("start parley there, with parley host %s, and while that waits do the same here; if that computer is gone for good, open a new room with what you have: parley host %s --continue", Quoted(name), Quoted(name))}
}

// whole is the error with what is to be done.
func (e *Error) whole() string { return e.Text + ": " + e.Hint }

// persuade waits, as one that handed a room over and ended before the new host
// said that it serves, until it says so. It listens meanwhile, for the new host
// may ask.
func (n *Node) persuade(ctx context.Context, name string, a away) bool {
	n.warn(fmt.Sprintf("%s was handed over to %s, whose computer has not said yet that it hosts the room, and does not answer: waiting for it. Have this typed there: parley host %s",
		name, a.To.Nick, Quoted(name)))
	ctx, cancel := context.WithTimeout(ctx, persuading)
	defer cancel()
	r := &hosted{Host: &room.Host{Name: name}, release: func() {}}
	r.away.Store(true)
	r.gone.Store(&gone{to: a.To, ticket: a.Ticket})
	if h, release, err := n.station(ctx, room.HostOptions{Rooms: []string{name}}, nil); err == nil { // else it is told alone
		h.mu.Lock()
		h.rooms = append(h.rooms, r)
		h.mu.Unlock()
		defer context.AfterFunc(h.ctx, cancel)()
		defer func() {
			h.cancel()
			release()
			h.Close()
		}()
	}
	return n.tell(ctx, name, a.To, a.Ticket) == nil
}

// adopt keeps the key of a room that is ours.
func (n *Node) adopt(p *pending) error {
	if n.Plaintext || n.AdoptKey == nil {
		return nil
	}
	key, err := p.secrets()
	if err != nil {
		return err
	}
	keep, release, err := n.AdoptKey(p.Room)
	if err != nil {
		return err
	}
	defer release()
	return keep(key.Key)
}

// secrets are what the old host gave us.
func (p *pending) secrets() (s room.Secrets, err error) {
	s.Verifier = p.Verifier
	if len(p.Seed) > 0 {
		s.Key, err = transport.IdentityFromSeed(p.Seed)
	}
	return s, err
}

// askFor asks the old host what became of a handover.
func (n *Node) askFor(ctx context.Context, p *pending) error {
	var via []target
	for _, v := range p.At {
		via = append(via, target{v.Addr, v.UDP, v.TCP})
	}
	if len(via) == 0 {
		return errors.New("its address is not known")
	}
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	c, err := n.reach(ctx, via, false)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Peer().Key != p.From {
		return errors.New("somebody else answers there")
	}
	return room.Ask(ctx, c, p.Room, p.Ticket)
}

// spot is where a host is, as it is written down.
type spot struct {
	Addr netip.Addr `json:"addr"`
	UDP  uint16     `json:"udp,omitempty"`
	TCP  uint16     `json:"tcp,omitempty"`
}

// inherit has a room that was handed over to us served, after all.
func (h *Hosting) inherit(ctx context.Context, r *hosted, p *pending) error {
	s, err := p.secrets()
	if err != nil {
		return err
	}
	if s.Key.IsZero() {
		s.Key = r.Key
	}
	if r.Password != nil {
		s.Verifier = r.Password
	}
	if err := r.Begin(ctx, s, p.Heir); err != nil {
		return err
	}
	h.node.Moves.arrived(h.node.Plaintext, r.Name)
	return nil
}
