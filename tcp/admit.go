package tcp

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

const (
	maxVisits    = 128 // connections that have not yet proved anything
	maxVisitsPer = 16  // of them from one address; loopback is exempt
	maxGuests    = 256 // connections handed to Guests
	maxGuestsPer = 16  // of them from one address; loopback is exempt
)

// A door counts the strangers. When too many are inside, the one that has been
// there longest has to leave: a newcomer with good intentions needs only
// milliseconds, so it gets through even while others come and say nothing.
type door struct {
	mu     sync.Mutex
	shut   bool
	inside []visit // the oldest first
	guests []visit
}

// visit is one connection and where it comes from.
type visit struct {
	nc   net.Conn
	from netip.Addr
}

// origin returns the address that limits are counted by: of IPv6 the subnet,
// because a machine has all of it, except on the link itself.
func origin(addr net.Addr) netip.Addr {
	ip := addrPort(addr).Addr()
	if ip.Is6() && !ip.IsLinkLocalUnicast() && !ip.IsLoopback() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// addrPort returns a connection's address as the transport gives it.
func addrPort(addr net.Addr) netip.AddrPort {
	if a, ok := addr.(interface{ AddrPort() netip.AddrPort }); ok {
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	a, _ := netip.ParseAddrPort(addr.String())
	return a
}

func count(visits []visit, from netip.Addr) (n int) {
	for _, v := range visits {
		if v.from == from {
			n++
		}
	}
	return n
}

// enter lets a connection in, or returns false.
func (d *door) enter(nc net.Conn) bool {
	v := visit{nc, origin(nc.RemoteAddr())}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut || !v.from.IsLoopback() && count(d.inside, v.from) >= maxVisitsPer {
		return false
	}
	if len(d.inside) == maxVisits {
		d.inside[0].nc.Close()
		d.inside = slices.Delete(d.inside, 0, 1)
	}
	d.inside = append(d.inside, v)
	return true
}

// leave forgets a connection that has become something else, or nothing.
func (d *door) leave(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside = slices.DeleteFunc(d.inside, func(v visit) bool { return v.nc == nc })
	d.guests = slices.DeleteFunc(d.guests, func(v visit) bool { return v.nc == nc })
}

// seat makes a guest of a connection, or returns false.
func (d *door) seat(nc net.Conn) bool {
	v := visit{nc, origin(nc.RemoteAddr())}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut || len(d.guests) == maxGuests || !v.from.IsLoopback() && count(d.guests, v.from) >= maxGuestsPer {
		return false
	}
	d.inside = slices.DeleteFunc(d.inside, func(v visit) bool { return v.nc == nc })
	d.guests = append(d.guests, v)
	return true
}

// close lets nobody in any more and sends away who has not proved anything.
// Guests stay.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	for _, v := range d.inside {
		v.nc.Close()
	}
}
