package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"parley/transport"
)

// The host's part of a beginning, up to where a Conn is handed to Accept. What
// it may cost is bounded in admit.go.

// onHello answers a stranger and keeps nothing of him, unless he brings a
// token and that is all there is to do: in plaintext.
func (e *Endpoint) onHello(b []byte, from netip.AddrPort) {
	h, ok := parseHello(b)
	if !ok || e.closed() {
		return
	}
	proved := e.proved(h.id, h.params(), h.token, from)
	switch {
	case !proved && !e.mayAnswer(from):
	case h.version != protocolVersion:
		e.send(appendRefuse(nil, h.id, transport.ReasonVersion), from)
	case h.mode != e.mode():
		e.send(appendRefuse(nil, h.id, transport.ReasonMode), from)
	case proved && e.Plaintext:
		e.admitPlain(h, from)
	default:
		e.retry(h.id, from)
	}
}

// proved tells whether a token is one of ours for that address.
func (e *Endpoint) proved(id uint64, params [2]byte, t token, from netip.AddrPort) bool {
	if t == (token{}) || !e.gate.check(e.time(), from, id, params, t) {
		return false
	}
	e.strangers.trust(from.Addr())
	return true
}

// mayAnswer tells whether to answer one who has proved nothing.
func (e *Endpoint) mayAnswer(from netip.AddrPort) bool {
	return e.strangers.allow(e.time(), from.Addr()) && !e.fast.crowded()
}

// retry answers with a token.
func (e *Endpoint) retry(id uint64, from netip.AddrPort) {
	e.send(appendRetry(nil, id, e.gate.token(e.time(), from, id, [2]byte{protocolVersion, e.mode()})), from)
}

func (h hello) params() [2]byte { return [2]byte{h.version, h.mode} }

func (e *Endpoint) time() time.Time { return e.zero.Add(duration(e.now())) }

func (e *Endpoint) closed() bool {
	select {
	case <-e.refusing:
		return true
	default:
		return false
	}
}

func (e *Endpoint) admitPlain(h hello, from netip.AddrPort) {
	c := e.find(h.id, true)
	if c == nil {
		c = newConn(e, h.id, true, from)
		place := e.allow(from.Addr(), c.giveUp)
		if place == nil {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		c.shake = &shake{cancel: cancel}
		c.install(checksum{}, 0, keying{}, from)
		if !e.add(c) {
			cancel()
			e.leave(place)
			e.send(appendRefuse(nil, h.id, transport.ReasonFull), from)
			return
		}
		e.work.Go(func() {
			defer cancel()
			e.offer(ctx, c, func(ctx context.Context) error {
				defer e.leave(place)
				return c.confirmed(ctx)
			})
		})
	}
	e.send(appendAccept(nil, h.id), from)
}

// allow asks the limiter for a place among the handshakes under way; nil: there
// is none.
func (e *Endpoint) allow(from netip.Addr, end func()) *place {
	e.mu.Lock()
	var p, gone *place
	if e.limiter.allow(e.time(), from) {
		p, gone = e.limiter.enter(from, end)
	}
	e.mu.Unlock()
	if gone != nil {
		gone.end()
	}
	return p
}

func (e *Endpoint) leave(p *place) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limiter.leave(p)
}

// giveUp ends a handshake under way.
func (c *Conn) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancelShake()
}

// onShake takes a datagram of a handshake, ours or a client's.
func (e *Endpoint) onShake(b []byte, from netip.AddrPort) {
	id, t, datagram, ok := parseShake(b)
	if !ok || e.Plaintext {
		return
	}
	host := t != token{} // only the client's carry one
	c := e.find(id, host)
	if c == nil {
		if host && !e.closed() {
			e.newcomer(id, t, datagram, from)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.shake; {
	case s == nil || c.peer.Addr != from:
	case s.flow != nil && host && t != s.token: // of two tokens, we go by the one that came first
		if passes(datagram, fromClient) && e.mayAnswer(from) {
			e.send(appendRetry(nil, id, s.token), from)
		}
	case s.flow != nil:
		s.credit = min(s.credit+len(b), mostCredit)
		if s.flow.deliver(datagram) {
			s.heard = true
			if s.fading != nil {
				s.fading.Reset(shakeSilence)
			}
		}
	case s.last != nil && passes(datagram, fromClient) && e.now()-s.lastAt >= instant(lastEvery):
		s.lastAt = e.now()
		e.send(appendShake(nil, id, token{}, s.last), from)
	}
}

// newcomer begins a handshake with whoever has a good token. One whose token is
// not, or not any more, is told so as if he had said HELLO.
func (e *Endpoint) newcomer(id uint64, t token, datagram []byte, from netip.AddrPort) {
	switch {
	case !passes(datagram, fromClient):
	case e.proved(id, [2]byte{protocolVersion, modeSecure}, t, from):
		e.candidate(id, t, datagram, from)
	case e.mayAnswer(from):
		e.retry(id, from)
	}
}

// candidate begins the handshake of a client that has proved its address.
func (e *Endpoint) candidate(id uint64, t token, datagram []byte, from netip.AddrPort) {
	c := newConn(e, id, true, from)
	place := e.allow(from.Addr(), c.giveUp)
	if place == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &shake{cancel: cancel, token: t, credit: shakeSize}
	s.flow = newFlow(func(b []byte) error {
		// A flight that is repeated for five seconds to one who has said a
		// single thing would be a weapon.
		c.mu.Lock()
		enough := s.credit >= shakeHeader+len(b)
		if enough {
			s.credit -= shakeHeader + len(b)
		}
		c.mu.Unlock()
		if !enough {
			return nil
		}
		return e.send(appendShake(nil, id, token{}, b), from)
	}, e.Socket.LocalAddr(), net.UDPAddrFromAddrPort(from))
	c.shake = s
	if !e.add(c) {
		cancel()
		e.leave(place)
		e.send(appendRefuse(nil, id, transport.ReasonFull), from)
		return
	}
	f := s.flow
	f.assume(false)
	f.deliver(datagram)
	e.work.Go(func() {
		defer cancel()
		defer e.leave(place)
		shaking, stop := context.WithTimeout(ctx, handshakeTime)
		k, err := handshake(shaking, f, false)
		stop()
		var guard *sealer
		if err == nil {
			guard, err = newSealer(k, admissionHash(protocolVersion, modeSecure, id, t), false)
		}
		if err != nil {
			e.remove(c)
			return
		}
		c.install(guard, 0, k, from)
		e.kick(c)
		e.offer(ctx, c, func(ctx context.Context) error {
			defer e.leave(place)
			return c.prove(ctx, transport.Server, transport.Client)
		})
	})
}

// offer hands c to Accept once confirm says that it is somebody. Whatever ends
// ctx, which is the handshake's, ends that.
func (e *Endpoint) offer(ctx context.Context, c *Conn, confirm func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	c.mu.Lock()
	if c.closed.Load() {
		cancel()
	}
	c.mu.Unlock()
	code, err := byte(closeGaveUp), confirm(ctx)
	if err == nil {
		code, err = closeRefused+byte(transport.ReasonFull), errFull
		select {
		case e.queue <- c:
			return
		default:
		}
	}
	c.mu.Lock()
	c.closed.Store(true)
	if c.link.mute { // never heard of again
		c.link.fail(err)
	} else {
		c.link.abort(e.now(), code, err)
	}
	c.mu.Unlock()
	e.kick(c)
}

var errFull = errors.New("too many wait to be accepted")

// confirmed waits for the peer's first packet.
func (c *Conn) confirmed(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.link.mute {
		if err := c.wait(ctx, &c.changed); err != nil {
			return err
		}
	}
	return nil
}
