package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// System is the machine's own network.
func System() Net { return system{} }

type system struct{}

func (system) Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	list := make([]Interface, 0, len(all))
	for _, i := range all {
		one := Interface{Index: i.Index, Name: i.Name, Flags: i.Flags}
		addrs, err := i.Addrs()
		if err != nil { // it has just gone
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				addr, _ := netip.AddrFromSlice(n.IP)
				bits, _ := n.Mask.Size()
				if p := netip.PrefixFrom(addr.Unmap(), bits); p.IsValid() {
					one.Prefixes = append(one.Prefixes, p)
				}
			}
		}
		list = append(list, one)
	}
	return list, nil
}

func (system) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	var on *net.Interface
	if zone := at.Addr().Zone(); zone != "" {
		if on, err = net.InterfaceByName(zone); err != nil {
			return nil, err
		}
		// Package net remembers for a minute which interface has which name,
		// and would bind to, and send by, one that is no more. A number that
		// is not a name makes it look again.
		at = netip.AddrPortFrom(at.Addr().WithZone(strconv.Itoa(on.Index)), at.Port())
	}
	var config net.ListenConfig
	if at.Port() != 0 {
		config.Control = func(_, _ string, c syscall.RawConn) error { return sharePort(c) }
	}
	conn, err := config.ListenPacket(ctx, network, at.String())
	if err != nil {
		return nil, err
	}
	if err := scope(conn, at, on); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// scope joins the group that the address names, or keeps what is sent on the
// link, whatever routes there are. (On IPv6 its addresses do that.)
func scope(conn net.PacketConn, at netip.AddrPort, on *net.Interface) error {
	switch addr := at.Addr(); {
	case addr.IsMulticast():
		if err := ipv6.NewPacketConn(conn).JoinGroup(on, &net.UDPAddr{IP: addr.AsSlice()}); err != nil {
			return fmt.Errorf("join %v: %w", addr, err)
		}
	case at.Port() == 0 && addr.Is4() && !addr.IsUnspecified():
		return ipv4.NewPacketConn(conn).SetTTL(1)
	}
	return nil
}
