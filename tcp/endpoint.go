package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"parley/transport"
)

const (
	// dialLimit is how long Dial tries to connect, and shakeLimit how long
	// each of the two parts of a handshake may take: TLS, and proof.
	dialLimit  = 10 * time.Second
	shakeLimit = 5 * time.Second
	// guestSilence is after how much silence a caller is taken for a guest.
	guestSilence = time.Second
	// minBackoff and maxBackoff bound the pause after an Accept that failed
	// for want of file descriptors, which would else fail 10,000 times a
	// second.
	minBackoff, maxBackoff = 5 * time.Millisecond, time.Second
	// maxReady is how many Conns wait for an Accept.
	maxReady = 128
)

// An Endpoint carries messages over streams: it dials, and accepts from a
// listener. Its fields are set before the first use and not changed later.
type Endpoint struct {
	// Listener is where others connect to. It is the Endpoint's from first
	// use. Nil: it only dials.
	Listener net.Listener

	// DialContext connects. Nil: as net.Dialer does.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Identity is what we prove to be, if not Plaintext. Zero: a new one.
	Identity transport.Identity

	// Plaintext sends everything in clear and proves nothing. Both ends
	// must want it.
	Plaintext bool

	// Guests is given the connections of those who do not speak parley, each
	// on a goroutine of its own, and returns when the guest has left. It
	// closes them. Nil: they are turned away.
	Guests func(net.Conn)

	Trace *Trace // nil: none

	start, listen sync.Once
	ctx           context.Context // ends with Close
	cancel        context.CancelFunc
	begun         error // why start failed
	tls           tlsConfigs
	door          door
	ready         chan *conn
	running       sync.WaitGroup // accept loop, handshakes
	mu            sync.Mutex
	closed        bool
	broken        chan struct{} // closed when the listener has failed
	failure       error         // how
}

var errNoListener = errors.New("tcp: the endpoint has no listener")

// begin makes what the zero Endpoint lacks.
func (e *Endpoint) begin() error {
	e.start.Do(func() {
		e.ctx, e.cancel = context.WithCancel(context.Background())
		e.ready, e.broken = make(chan *conn, maxReady), make(chan struct{})
		if e.Plaintext {
			return
		}
		if e.Identity.IsZero() {
			e.Identity, e.begun = transport.NewIdentity()
		}
		if e.begun == nil {
			e.tls, e.begun = newTLSConfigs()
		}
	})
	return e.begun
}

// enter counts a goroutine that Close waits for; not after Close.
func (e *Endpoint) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.running.Add(1)
	}
	return !e.closed
}

// Dial implements transport.Dialer.
func (e *Endpoint) Dial(ctx context.Context, addr netip.AddrPort) (transport.Conn, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	if !e.enter() {
		return nil, net.ErrClosed
	}
	defer e.running.Done()
	dialing, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	c, err := e.dial(dialing, addr)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case e.ctx.Err() != nil:
		return nil, net.ErrClosed
	case dialing.Err() != nil:
		err = dialing.Err()
	}
	return nil, fmt.Errorf("tcp: connect to %v: %w", addr, err)
}

func (e *Endpoint) dial(ctx context.Context, addr netip.AddrPort) (*conn, error) {
	connect := e.DialContext
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	raw, err := connect(ctx, "tcp", addr.String())
	if err != nil {
		return nil, err
	}
	tune(raw)
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, err := e.callOut(raw)
	if !stop() && err == nil {
		c.Close()
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// Accept implements transport.Listener.
func (e *Endpoint) Accept(ctx context.Context) (transport.Conn, error) {
	if e.Listener == nil {
		return nil, errNoListener
	}
	if err := e.begin(); err != nil {
		return nil, err
	}
	e.listen.Do(func() {
		if e.enter() {
			go e.acceptLoop()
		}
	})
	if e.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	select {
	case c := <-e.ready:
		return c, nil
	default:
	}
	select {
	case c := <-e.ready:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.ctx.Done():
		return nil, net.ErrClosed
	case <-e.broken:
		return nil, e.failure
	}
}

// Close implements transport.Listener. It ends handshakes under way; Conns and
// guests live on.
func (e *Endpoint) Close() error {
	e.begin()
	e.mu.Lock()
	again := e.closed
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	var err error
	if e.Listener != nil && !again {
		err = e.Listener.Close()
	}
	e.door.close()
	e.running.Wait()
	var closing sync.WaitGroup
	for len(e.ready) > 0 {
		c := <-e.ready
		closing.Go(func() { c.Close() })
	}
	closing.Wait()
	return err
}

func (e *Endpoint) acceptLoop() {
	defer e.running.Done()
	pause := minBackoff
	for {
		nc, err := e.Listener.Accept()
		if err == nil {
			pause = minBackoff
			e.admit(nc)
			continue
		}
		// The method is deprecated for being vague, but net offers no other
		// way to tell a want of descriptors from a listener that is gone.
		var t interface{ Temporary() bool }
		if e.ctx.Err() != nil || !errors.As(err, &t) || !t.Temporary() {
			e.failure = err
			close(e.broken)
			return
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxBackoff)
		case <-e.ctx.Done():
		}
	}
}

// admit begins with a connection, if there is room for it.
func (e *Endpoint) admit(nc net.Conn) {
	v := e.door.enter(time.Now(), nc)
	if v == nil || !e.enter() {
		nc.Close()
		return
	}
	go func() {
		defer e.running.Done()
		if !e.door.wait(v, e.ctx.Done()) {
			nc.Close()
			e.door.leave(nc)
			return
		}
		c := e.answer(nc) // a guest leaves the door by itself
		if c != nil {
			select {
			case e.ready <- c:
			case <-e.ctx.Done():
				c.Close()
			}
			e.door.leave(nc)
		}
	}()
}

// answer finds out who calls and does what is to be done. It returns a Conn
// if one has come about.
func (e *Endpoint) answer(nc net.Conn) *conn {
	tune(nc)
	who, head, err := meet(nc, e.Guests != nil)
	if err == nil {
		switch {
		case who == guest && e.Guests != nil:
			e.receiveGuest(nc, head)
			return nil
		case who != guest && len(e.ready) == maxReady:
			refuse(nc, nc, transport.ReasonFull)
		case who == secure && !e.Plaintext, who == plain && e.Plaintext:
			var c *conn
			if c, err = e.callIn(nc, head); err == nil {
				return c
			}
		case who == secure || who == plain:
			refuse(nc, nc, transport.ReasonMode)
		}
	}
	nc.Close()
	e.door.leave(nc)
	return nil
}

// receiveGuest hands a connection to Guests, which Close does not wait for.
func (e *Endpoint) receiveGuest(nc net.Conn, head []byte) {
	if !e.door.seat(nc) {
		nc.Close()
		e.door.leave(nc)
		return
	}
	nc.SetDeadline(time.Time{})
	go func() {
		defer e.door.leave(nc)
		e.Guests(&replay{Conn: nc, head: head})
	}()
}
