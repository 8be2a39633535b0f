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
		return nil, &Error{Code: CodeMoved, Text: fmt.Sprintf("%s was being handed over to you by %s when this computer stopped, and whether it is yours only %s's computer knows, which does not answer",
			name, p.Heir.From, p.Heir.From), Hint: "start parley there, with parley host " + name + ", and try again; or open a new room with what you have: parley host " + name + " --continue", Err: err}
	}
	if _, err := n.Histories.becomesOurs(name, p.Key); err != nil {
		return nil, err
	}
	return p, n.adopt(p)
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
