package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"parley/tcp"
	"parley/transport"
	"parley/udp"
)

// dialer is the socket from which this node begins datagram Conns, and whom to
// tell when an address that is being dialed has answered.
type dialer struct {
	endpoint *udp.Endpoint
	mu       sync.Mutex
	waiting  map[netip.AddrPort]map[*func()]bool
}

func (d *dialer) close() error { return d.endpoint.Close() }

// dial begins a Conn; answered is called when addr first answers.
func (d *dialer) dial(ctx context.Context, addr netip.AddrPort, answered func()) (transport.Conn, error) {
	d.mu.Lock()
	if d.waiting[addr] == nil {
		d.waiting[addr] = make(map[*func()]bool)
	}
	d.waiting[addr][&answered] = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if delete(d.waiting[addr], &answered); len(d.waiting[addr]) == 0 {
			delete(d.waiting, addr)
		}
	}()
	return d.endpoint.Dial(ctx, addr)
}

func (d *dialer) answered(from netip.AddrPort) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	d.mu.Lock()
	defer d.mu.Unlock()
	for f := range d.waiting[from] {
		(*f)()
	}
}

// datagrams returns the node's dialer, opening its socket at first need, and
// again should that have failed.
func (n *Node) datagrams(ctx context.Context) (*dialer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	if n.dialing != nil {
		return n.dialing, nil
	}
	pc, err := n.net.ListenPacket(ctx, "udp", n.bindAddr(0))
	if err != nil {
		return nil, err
	}
	d := &dialer{waiting: make(map[netip.AddrPort]map[*func()]bool)}
	d.endpoint = &udp.Endpoint{Socket: n.impairedLocked(pc), Identity: n.Identity, Plaintext: n.Plaintext, Answered: d.answered}
	n.dialing = d
	return d, nil
}

// broken forgets a dialer whose socket has failed.
func (n *Node) broken(d *dialer) {
	n.mended(d.endpoint.Socket)
	n.mu.Lock()
	if n.dialing == d && !n.closed {
		n.dialing = nil
		n.work.Go(func() { d.close() }) // not later: mu is held
	}
	n.mu.Unlock()
}

// reach connects to a host by the rules of policy.go; again tells that it was
// reached before and is to be reached again.
func (n *Node) reach(ctx context.Context, to []target, again bool) (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	via := n.Transport
	if via == "" {
		via = Auto
	}
	attempts := plan(via, to, n.memory.last(to, time.Now()))
	if again {
		attempts = replan(via, to)
	}
	if len(attempts) == 0 {
		return nil, &Error{Code: CodeUnreachable, Text: "the room is not served over " + string(via),
			Hint: "leave out --transport to use what it is served over"}
	}
	c, won, err := n.reachBy(ctx, attempts)
	if err != nil {
		return nil, err
	}
	n.memory.note(won.addr.Addr(), won.via, time.Now())
	n.log.Info("connected", "via", string(won.via), "addr", won.addr.String())
	return c, nil
}

// reachBy makes the attempts and returns the Conn of the first to succeed, and
// which that was.
func (n *Node) reachBy(ctx context.Context, attempts []attempt) (transport.Conn, attempt, error) {
	for i := range attempts {
		a := &attempts[i]
		switch a.via {
		case UDP:
			a.dial = func(ctx context.Context, answered func()) (transport.Conn, error) {
				return n.dialDatagrams(ctx, a.addr, answered)
			}
		case TCP:
			a.dial = func(ctx context.Context, _ func()) (transport.Conn, error) { return n.dialStream(ctx, a) }
		}
	}
	c, winner, err := race(ctx, attempts, n.later)
	if err != nil {
		return nil, attempt{}, err
	}
	return c, attempts[winner], nil
}

// cutTries is how often a stream is begun that is cut off before the host has proved
// anything: a host in a crowd of strangers ends those that have waited longest.
const (
	cutTries = 3
	cutPause = 150 * time.Millisecond
)

func (n *Node) dialStream(ctx context.Context, a *attempt) (c transport.Conn, err error) {
	connect := n.net.DialContext
	if a.stubborn {
		connect = n.stubborn
	}
	for try := range cutTries {
		if try > 0 {
			sleep(ctx, time.Duration(try)*cutPause)
		}
		connected := false
		e := &tcp.Endpoint{Identity: n.Identity, Plaintext: n.Plaintext, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := connect(ctx, network, address)
			connected = err == nil
			return c, err
		}}
		var refused *transport.RefusedError
		if c, err = e.Dial(ctx, a.addr); err == nil || !connected || errors.As(err, &refused) || ctx.Err() != nil {
			break
		}
	}
	return c, err
}

// stubborn connects a stream to a host that was there and will be again: at the
// pace at which the system would ask a second time, and when it is refused, too,
// until ctx ends.
func (n *Node) stubborn(ctx context.Context, network, address string) (net.Conn, error) {
	for {
		once, cancel := context.WithTimeout(ctx, connectEvery)
		c, err := n.net.DialContext(once, network, address)
		if err == nil || ctx.Err() != nil {
			cancel()
			return c, err
		}
		<-once.Done()
		cancel()
	}
}

func (n *Node) dialDatagrams(ctx context.Context, addr netip.AddrPort, answered func()) (transport.Conn, error) {
	d, err := n.datagrams(ctx)
	if err != nil {
		return nil, err
	}
	c, err := d.dial(ctx, addr, answered)
	if errors.Is(err, net.ErrClosed) {
		n.broken(d)
	}
	return c, err
}
