package transporttest

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// backlog is how many connections wait for an Accept.
	backlog = 128
	// connectTimeout is how long a connect tries where nobody answers.
	connectTimeout = 60 * time.Second
)

// listener waits for connections.
type listener struct {
	machine *Machine
	at      binding
	arrived chan *stream
	closed  chan struct{}
}

// Listen waits for streams: network "tcp", "tcp4" or "tcp6".
func (m *Machine) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.lan.mu.Lock()
	defer m.lan.mu.Unlock()
	at, err := m.resolve(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	taken := func(port uint16) bool {
		want := binding{netip.AddrPortFrom(at.Addr(), port), at.dual}
		return slices.ContainsFunc(m.listeners, func(ln *listener) bool { return ln.at.clash(want) })
	}
	if at.Port() == 0 {
		at.AddrPort = netip.AddrPortFrom(at.Addr(), m.freePort(taken))
	} else if taken(at.Port()) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(at.AddrPort), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	ln := &listener{machine: m, at: at, arrived: make(chan *stream, backlog), closed: make(chan struct{})}
	m.listeners = append(m.listeners, ln)
	return ln, nil
}

func (ln *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(ln.at.AddrPort) }

func (ln *listener) Accept() (net.Conn, error) {
	closed := &net.OpError{Op: "accept", Net: "tcp", Addr: ln.Addr(), Err: net.ErrClosed}
	select {
	case <-ln.closed:
		return nil, closed
	default:
	}
	select {
	case s := <-ln.arrived:
		return s, nil
	case <-ln.closed:
		return nil, closed
	}
}

func (ln *listener) Close() error {
	ln.machine.lan.mu.Lock()
	defer ln.machine.lan.mu.Unlock()
	if !slices.Contains(ln.machine.listeners, ln) {
		return &net.OpError{Op: "close", Net: "tcp", Addr: ln.Addr(), Err: net.ErrClosed}
	}
	ln.close()
	return nil
}

func (ln *listener) close() {
	ln.machine.listeners = slices.DeleteFunc(ln.machine.listeners, func(o *listener) bool { return o == ln })
	close(ln.closed)
	for len(ln.arrived) > 0 {
		(<-ln.arrived).abort()
	}
}

// DialContext opens a stream: network "tcp", "tcp4" or "tcp6".
func (m *Machine) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err == nil {
		_, _, err = family(network)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, os.NewSyscallError("connect", syscall.ETIMEDOUT))
	defer cancel()
	for again := time.Duration(0); ; again = resend {
		s, trip, err := m.tryDial(to)
		if s == nil && err == nil {
			trip = again // nobody has answered: try later
		}
		if waitErr := sleep(ctx, trip); waitErr != nil {
			if s != nil {
				s.Close()
			}
			err = waitErr
		}
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: err}
		}
		if s != nil {
			return s, nil
		}
	}
}

// tryDial makes one attempt. It returns the time that the answer takes, and
// neither stream nor error if there is none.
func (m *Machine) tryDial(to netip.AddrPort) (*stream, time.Duration, error) {
	l := m.lan
	l.mu.Lock()
	defer l.mu.Unlock()
	from, ok := m.source(to.Addr())
	if !ok {
		return nil, 0, os.NewSyscallError("connect", syscall.ENETUNREACH)
	}
	other := m
	if !to.Addr().IsLoopback() && !m.has(to.Addr()) {
		other = l.owner(to.Addr())
	}
	if other == nil || l.linkOf(m, other).Cut || l.linkOf(other, m).Cut {
		return nil, 0, nil
	}
	trip := l.linkOf(m, other).Delay + l.linkOf(other, m).Delay
	ln := other.listening(to)
	if ln == nil {
		return nil, trip, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if len(ln.arrived) == cap(ln.arrived) {
		return nil, 0, nil
	}
	port := m.freePort(func(p uint16) bool {
		for s := range l.streams {
			if s.machine == m && s.local.Port() == p {
				return true
			}
		}
		return false
	})
	here, there := l.connect(m, other, netip.AddrPortFrom(from, port), to)
	ln.arrived <- there
	return here, trip, nil
}

// listening returns the listener that takes connections to the address.
func (m *Machine) listening(to netip.AddrPort) *listener {
	for _, ln := range m.listeners {
		if ln.at.Port() == to.Port() && ln.at.hears(to.Addr()) {
			return ln
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
