package transport

import "net/netip"

// Source returns the address by which limits on strangers are counted: of IPv4
// the address itself, of IPv6 its /64, since that is what one machine is given
// to draw addresses from. Link-local addresses stand for themselves, with their
// interface: all of a LAN has one prefix. A machine may take several of either,
// so a limit for one source is always beside one for all together.
func Source(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
