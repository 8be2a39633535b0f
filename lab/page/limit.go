//go:build !nolab

package page

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// The bounds of connections. A browser opens six.
const (
	maxConns     = 1024
	maxConnsEach = 64 // of one address, which may be several browsers'
)

// Limit is a listener that takes so many connections at once and no more, and few
// of one address: nobody can have all. This computer's own are not counted for an
// address.
func Limit(ln net.Listener) net.Listener {
	return &limit{Listener: ln, by: map[netip.Addr]int{}}
}

type limit struct {
	net.Listener
	mu  sync.Mutex
	all int
	by  map[netip.Addr]int
}

// Accept closes at once what is too much.
func (l *limit) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := address(c.RemoteAddr().String())
		if l.add(who) {
			return &counted{Conn: c, free: sync.OnceFunc(func() { l.free(who) })}, nil
		}
		c.Close()
	}
}

func (l *limit) add(who netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConns || !who.IsLoopback() && l.by[who] >= maxConnsEach {
		return false
	}
	l.all++
	l.by[who]++
	return true
}

func (l *limit) free(who netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.by[who]--; l.by[who] == 0 {
		delete(l.by, who)
	}
}

type counted struct {
	net.Conn
	free func()
}

func (c *counted) Close() error {
	c.free()
	return c.Conn.Close()
}

// tries limits how many wrong codes are tried.
type tries struct {
	now  func() time.Time
	mu   sync.Mutex
	from time.Time
	all  int
	by   map[netip.Addr]int
}

// What came of a try.
const (
	rightCode = iota
	wrongCode
	tooMany
)

// try counts a try of an address. Who has tried too often is not told whether
// this one was right.
func (t *tries) try(who netip.Addr, right bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); t.by == nil || now.Sub(t.from) > time.Minute {
		t.from, t.all, t.by = now, 0, map[netip.Addr]int{}
	}
	switch {
	case t.by[who] >= guesses || t.all >= allGuesses:
		return tooMany
	case right:
		return rightCode
	}
	t.all++
	t.by[who]++
	return wrongCode
}

// from is who asks.
func from(r *http.Request) netip.Addr {
	return address(r.RemoteAddr)
}

func address(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
