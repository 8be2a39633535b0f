package node

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"sync"
	"time"

	"parley/discovery"
)

const (
	callEvery = 300 * time.Millisecond // a call may be lost
	callTries = 4
	// callWait is how long a connection that was asked for is waited for.
	callWait = time.Second
	// maxCallBacks bounds what others have us begin at once.
	maxCallBacks = 8
)

// callBack is what came of asking a host to begin something with us.
type callBack struct {
	answered bool // it got the call
	udp, tcp bool // what it began came here
}

// callMe asks a host that announces rooms to call us at our port, which nobody
// else must have. Without discovery, or over IPv6, nobody is asked.
func (n *Node) callMe(ctx context.Context, host netip.Addr, port uint16) (back callBack) {
	if n.NoDiscovery || !host.Is4() || host.IsLoopback() {
		return back
	}
	s, err := n.listenOn(ctx, port)
	if err != nil {
		return back
	}
	ctx, cancel := context.WithTimeout(ctx, callWait+callEvery)
	defer cancel()
	var nonce [8]byte
	rand.Read(nonce[:])
	var all sync.WaitGroup
	udp, tcp := s.packets == nil, s.streams == nil
	var mu sync.Mutex
	done := func(what *bool) {
		mu.Lock()
		defer mu.Unlock()
		if *what = true; udp && tcp && back.answered {
			cancel()
		}
	}
	if s.packets != nil {
		all.Go(func() { awaitCall(s.packets, nonce, func() { done(&udp) }) })
	}
	if s.streams != nil {
		all.Go(func() { awaitStream(s.streams, host, func() { done(&tcp) }) })
	}
	all.Go(func() { n.call(ctx, host, discovery.Call(s.port, nonce), nonce, func() { done(&back.answered) }) })
	<-ctx.Done()
	s.close()
	all.Wait()
	back.udp, back.tcp = udp, tcp
	return back
}

// call sends the call until it is answered.
func (n *Node) call(ctx context.Context, host netip.Addr, call []byte, nonce [8]byte, answered func()) {
	c, err := n.net.DialContext(ctx, "udp", netip.AddrPortFrom(host, n.discoveryPort()).String())
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) })()
	in := make([]byte, 64)
	for range callTries {
		c.Write(call) // an error is that of one who is not there
		for again := time.Now().Add(callEvery); ctx.Err() == nil && time.Now().Before(again); {
			c.SetReadDeadline(again)
			size, err := c.Read(in)
			if err == nil && discovery.Called(in[:size], nonce) {
				answered()
				return
			}
			if e, ok := err.(net.Error); err != nil && (!ok || !e.Timeout()) {
				return
			}
		}
	}
}

// awaitCall reads until the call comes or the socket is closed.
func awaitCall(c net.PacketConn, nonce [8]byte, came func()) {
	in := make([]byte, 2048)
	for fails := 0; fails < callTries; {
		size, _, err := c.ReadFrom(in)
		switch {
		case err != nil:
			fails++
		case discovery.Called(in[:size], nonce):
			came()
			return
		}
	}
}

// awaitStream accepts until the host comes or the listener is closed.
func awaitStream(l net.Listener, host netip.Addr, came func()) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		from, _ := c.RemoteAddr().(*net.TCPAddr)
		c.Close()
		if from != nil && from.AddrPort().Addr().Unmap() == host {
			came()
			return
		}
	}
}

// callOthers begins the connections that callers ask for, and ends them.
func (n *Node) callOthers() func(to netip.AddrPort) {
	places := make(chan struct{}, maxCallBacks)
	return func(to netip.AddrPort) {
		select {
		case places <- struct{}{}:
		default:
			return
		}
		begun := n.unlessClosed(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(n.ctx, callWait)
			defer cancel()
			if c, err := n.net.DialContext(ctx, "tcp", to.String()); err == nil {
				c.Close()
			}
		})
		if !begun {
			<-places
		}
	}
}
