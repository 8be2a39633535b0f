package udp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"parley/transport"
)

// How long HELLO waits for an answer before it is sent again; it doubles up to
// helloMost.
const (
	helloFirst = 50 * time.Millisecond
	helloMost  = 800 * time.Millisecond
	maxRetries = 3 // RETRYs taken seriously in one attempt; a forger could send more
	maxEarly   = 8 // packets kept that came before their keys
	// refuseWait is how long after a REFUSE a RETRY may still overrule it:
	// whoever sees the wire can forge either.
	refuseWait = 150 * time.Millisecond
	// fullWait is as long for a REFUSE after the RETRY, which a full host
	// sends in place of its part of the handshake.
	fullWait  = 500 * time.Millisecond
	lastEvery = flightInterval / 2 // the server's last flight is repeated no faster
	proofTime = 5 * time.Second    // from the keys to the proof of identity
	// mostCredit is what a host sends to one who has fallen silent in the
	// middle of the handshake: its first flight four times.
	mostCredit = 2 * shakeSize
)

// shake is what a Conn has until its link is confirmed. Conn.mu guards it.
type shake struct {
	cancel context.CancelFunc
	early  [][]byte // packets that came before the keys
	flow   *flow    // secure: where DTLS datagrams go
	heard  bool     // it has taken one
	token  token    // secure: what the client's datagrams carry

	// The client's, secure: all the tokens it has had, and when it began to
	// use the first.
	tokens []token
	began  instant
	fading *time.Timer // ends the handshake when nothing comes for shakeSilence

	// The client's: what came, one of each at most.
	retry  chan token
	refuse chan transport.Reason
	accept chan struct{}

	// The server's: how many bytes it may send, which is as many as have come,
	// up to mostCredit.
	credit int

	// The server's, once the handshake is done: its last flight, and when it
	// was sent last.
	last   []byte
	lastAt instant
}

// renew takes the token of a RETRY that comes in the middle of a handshake: the
// host did not believe the one before. That may have been forged or grown old,
// if the host has not taken part yet; once it has, it can only want an earlier one back.
func (s *shake) renew(t token, now instant) {
	switch {
	case slices.Contains(s.tokens, t):
	case s.heard || len(s.tokens) > maxRetries || now-s.began < instant(flightInterval):
		return
	default:
		s.tokens = append(s.tokens, t)
	}
	s.token = t
}

func (s *shake) keep(b []byte) {
	if s != nil && len(s.early) < maxEarly {
		s.early = append(s.early, append([]byte(nil), b...))
	}
}

// cancelShake ends a handshake. c.mu is held.
func (c *Conn) cancelShake() {
	if c.shake != nil && c.shake.cancel != nil {
		c.shake.cancel()
	}
}

// Dial begins a Conn with the Endpoint at addr. It tries until ctx ends,
// unless it is refused.
func (e *Endpoint) Dial(ctx context.Context, addr netip.AddrPort) (transport.Conn, error) {
	e.start()
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	for {
		c, err := e.attempt(ctx, addr)
		if err == nil {
			return c, nil
		}
		select {
		case <-e.stopped:
			return nil, e.fail
		case <-e.refusing:
			return nil, net.ErrClosed
		default:
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dial %v over udp: %w", addr, ctx.Err())
		}
		if errors.Is(err, transport.ErrRefused) {
			return nil, fmt.Errorf("dial %v over udp: %w", addr, err)
		}
		e.pause(helloFirst) // somebody spoiled the handshake: begin anew with another id
	}
}

func (e *Endpoint) attempt(ctx context.Context, addr netip.AddrPort) (*Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newConn(e, randUint64(e.Rand), false, addr)
	c.shake = &shake{cancel: cancel, retry: make(chan token, 1), refuse: make(chan transport.Reason, 1), accept: make(chan struct{}, 1)}
	if !e.add(c) {
		return nil, net.ErrClosed
	}
	err := e.begin(ctx, c, addr)
	if err != nil {
		c.mu.Lock()
		c.closed.Store(true)
		if c.link != nil {
			c.link.abort(e.now(), closeGaveUp, err)
		}
		linked := c.link != nil
		c.mu.Unlock()
		if linked {
			e.kick(c) // it says goodbye and goes
		} else {
			e.remove(c)
		}
		return nil, err
	}
	return c, nil
}

// begin takes c from HELLO to the proof of identity.
func (e *Endpoint) begin(ctx context.Context, c *Conn, addr netip.AddrPort) error {
	h := hello{version: protocolVersion, mode: e.mode(), id: c.id}
	t, rtt, err := e.knock(ctx, c, h, addr)
	if err != nil {
		return err
	}
	if e.Answered != nil {
		e.Answered(addr)
	}
	if e.Plaintext {
		h.token = t
		if err := e.enter(ctx, c, h, addr); err != nil {
			return err
		}
		c.install(checksum{}, rtt, keying{}, addr)
		e.kick(c)
		return nil
	}
	s := c.shake
	current := func() token {
		c.mu.Lock()
		defer c.mu.Unlock()
		return s.token
	}
	f := newFlow(func(b []byte) error {
		return e.send(appendShake(nil, c.id, current(), b), addr)
	}, e.Socket.LocalAddr(), net.UDPAddrFromAddrPort(addr))
	c.mu.Lock()
	s.flow, s.token, s.tokens, s.began = f, t, []token{t}, e.now()
	c.mu.Unlock()
	shaking, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	fading := time.AfterFunc(shakeSilence, cancel)
	defer fading.Stop()
	c.mu.Lock()
	s.fading = fading
	c.mu.Unlock()
	refused := make(chan error, 1)
	go func() { refused <- c.refused(shaking, cancel) }()
	k, err := handshake(shaking, f, true)
	cancel()
	if r := <-refused; r != nil && err != nil {
		return r
	}
	if err != nil {
		return err
	}
	guard, err := newSealer(k, admissionHash(h.version, h.mode, c.id, current()), true)
	if err != nil {
		return err
	}
	c.install(guard, rtt, k, addr)
	proving, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	return c.prove(proving, transport.Client, transport.Server)
}

// knock sends HELLO until a RETRY comes. It returns the token in it and how
// long it took.
func (e *Endpoint) knock(ctx context.Context, c *Conn, h hello, addr netip.AddrPort) (t token, rtt instant, err error) {
	b := appendHello(nil, h)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var refused transport.Reason
	var sent instant
	for wait := helloFirst; ; {
		select {
		case <-timer.C:
			if refused != 0 {
				return t, 0, &transport.RefusedError{Reason: refused}
			}
			sent = e.now()
			e.send(b, addr)
			timer.Reset(wait)
			wait = min(2*wait, helloMost)
		case t := <-c.shake.retry:
			select { // overruled
			case <-c.shake.refuse:
			default:
			}
			return t, e.now() - sent, nil
		case refused = <-c.shake.refuse:
			timer.Reset(refuseWait)
		case <-ctx.Done():
			return t, 0, ctx.Err()
		}
	}
}

// refused waits, while a handshake goes on, for a REFUSE in place of it, and
// ends it then. A host that has taken part in it does not refuse: then somebody
// else wrote that.
func (c *Conn) refused(ctx context.Context, end context.CancelFunc) error {
	c.mu.Lock()
	s := c.shake
	c.mu.Unlock()
	var reason transport.Reason
	select {
	case reason = <-s.refuse:
	case <-ctx.Done():
		return nil
	}
	timer := time.NewTimer(fullWait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.heard {
		return nil
	}
	end()
	return &transport.RefusedError{Reason: reason}
}

// enter sends the HELLO with the token until ACCEPT comes: in plaintext that is
// all.
func (e *Endpoint) enter(ctx context.Context, c *Conn, h hello, addr netip.AddrPort) error {
	b := appendHello(nil, h)
	timer := time.NewTimer(0)
	defer timer.Stop()
	limit := time.NewTimer(handshakeTime)
	defer limit.Stop()
	for wait, retries := helloFirst, 0; ; {
		select {
		case <-timer.C:
			e.send(b, addr)
			timer.Reset(wait)
			wait = min(2*wait, helloMost)
		case <-c.shake.accept:
			return nil
		case h.token = <-c.shake.retry: // the token had grown old on the way
			if retries++; retries <= maxRetries {
				b = appendHello(b[:0], h)
				timer.Reset(0)
			}
		case r := <-c.shake.refuse:
			return &transport.RefusedError{Reason: r}
		case <-limit.C:
			return errors.New("no answer")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *Endpoint) mode() byte {
	if e.Plaintext {
		return modePlaintext
	}
	return modeSecure
}

// install gives c its link, and the packets that came before it.
func (c *Conn) install(guard protector, rtt instant, k keying, addr netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.e.now()
	c.link = newLink(c.id, c.host, addr, guard, rtt, now)
	c.link.rand, c.link.trace = c.e.Rand, c.e.Trace
	c.link.mute = c.host
	c.link.ping = !c.host && c.e.Plaintext // so that the server hears from us
	c.peer.Binding = k.binding
	early := c.shake.early
	c.shake.early = nil
	for _, b := range early {
		c.link.handle(b, addr, now)
	}
	if c.host {
		c.shake.last, c.shake.flow = k.last, nil
	} else {
		c.shake = nil
	}
	switch { // both looked at c before there was a link
	case c.e.isStopped():
		c.link.fail(c.e.fail)
	case c.closed.Load():
		c.link.close(now)
	}
}

// prove shows our key to the peer and learns the peer's: the first message of
// either side in the ordered lane. The server waits for the client's first.
func (c *Conn) prove(ctx context.Context, ours, theirs transport.Role) error {
	proof := c.e.Identity.Proof(ours, c.peer.Binding)
	if ours == transport.Client {
		if err := c.Send(ctx, proof); err != nil {
			return err
		}
	}
	msg, err := c.Receive(ctx)
	if err != nil {
		return err
	}
	key, err := transport.CheckProof(msg, theirs, c.peer.Binding)
	if err != nil {
		c.mu.Lock()
		c.link.abort(c.e.now(), closeRefused+byte(transport.ReasonKey), err)
		c.mu.Unlock()
		c.e.kick(c)
		return &transport.RefusedError{Reason: transport.ReasonKey}
	}
	c.mu.Lock()
	c.peer.Key = key
	c.mu.Unlock()
	if ours == transport.Server {
		return c.Send(ctx, proof)
	}
	return nil
}

func (e *Endpoint) send(b []byte, to netip.AddrPort) error {
	return e.fast.write(e.Socket, b, to)
}

// onAnswer takes what a server says before there are keys.
func (e *Endpoint) onAnswer(b []byte, from netip.AddrPort) {
	id, t, isRetry := parseRetry(b)
	var reason transport.Reason
	isRefuse, isAccept := false, false
	if !isRetry {
		id, reason, isRefuse = parseRefuse(b)
	}
	if !isRetry && !isRefuse {
		id, isAccept = parseAccept(b)
	}
	if !isRetry && !isRefuse && !isAccept {
		return
	}
	c := e.find(id, false)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shake == nil || c.peer.Addr != from {
		return
	}
	switch {
	case isRetry && t == token{}:
	case isRetry && c.shake.flow != nil:
		c.shake.renew(t, e.now())
	case isRetry:
		put(c.shake.retry, t)
	case isRefuse:
		put(c.shake.refuse, reason)
	case isAccept:
		put(c.shake.accept, struct{}{})
	}
}

// put leaves v in a channel that holds one, unless it is full.
func put[T any](ch chan T, v T) {
	select {
	case ch <- v:
	default:
	}
}

// randRead fills b. Without randomness there is nothing safe to do.
func randRead(r io.Reader, b []byte) {
	if _, err := io.ReadFull(r, b); err != nil {
		panic("udp: no randomness: " + err.Error())
	}
}

func randUint64(r io.Reader) uint64 {
	var b [8]byte
	randRead(r, b[:])
	return binary.BigEndian.Uint64(b[:])
}
