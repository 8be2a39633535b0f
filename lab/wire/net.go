//go:build !nolab

package wire

import (
	"context"
	"net"
	"net/netip"
)

// Prefix returns the host's address and the length of its subnet.
func (h *Host) Prefix() netip.Prefix { return netip.PrefixFrom(h.addr, subnetBits) }

// LookupNetIP finds hosts by their names, like a node.Resolver.
func (h *Host) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if a := h.lookup(host); a.IsValid() {
		return []netip.Addr{a}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}
