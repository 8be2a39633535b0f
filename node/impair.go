package node

import (
	"errors"
	"net"

	"parley/udp"
)

// Why SetImpair can do nothing.
var (
	ErrNoDatagrams = errors.New("it damages datagrams, and with --transport tcp there are none: what TCP sends is the system's business, out of reach of this program")
	ErrUnprepared  = errors.New("nothing was made ready for damage: start with --lanes, or with --impair")
)

// impaired puts a socket behind the damage that was asked for, or may be.
func (n *Node) impaired(pc net.PacketConn) net.PacketConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.impairedLocked(pc)
}

func (n *Node) impairedLocked(pc net.PacketConn) net.PacketConn {
	if n.damage == (udp.Spec{}) && !n.harmable() {
		return pc
	}
	c := udp.Impair(pc, n.damage)
	n.damaged[c] = true
	return c
}

// harmable tells whether damage may change while the node is there.
func (n *Node) harmable() bool { return n.Lanes != nil || n.Impair != (udp.Spec{}) }

// mended forgets a socket that is closed.
func (n *Node) mended(pc net.PacketConn) {
	if c, ok := pc.(*udp.Impaired); ok {
		n.mu.Lock()
		delete(n.damaged, c)
		n.mu.Unlock()
	}
}

// SetImpair changes what is to befall the datagrams of rooms that we send, from now
// on: those of the node's own seats elsewhere, too.
func (n *Node) SetImpair(s udp.Spec) error {
	n.start()
	switch {
	case !n.carries(UDP):
		return ErrNoDatagrams
	case !n.harmable():
		return ErrUnprepared
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.damage = s
	for c := range n.damaged {
		c.Set(s)
	}
	return nil
}

// Impaired is what befalls them now.
func (n *Node) Impaired() udp.Spec {
	n.start()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.damage
}
