//go:build !nolab

package lab

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"parley/discovery"
	"parley/lab/wire"
	"parley/node"
)

// Machine is a host as the program's own code needs it: a node.Net.
type Machine struct{ *wire.Host }

var (
	_ node.Net      = Machine{}
	_ node.Resolver = Machine{}
)

// Discovery implements node.Net.
func (m Machine) Discovery() discovery.Net { return shared{m.Host} }

// shared is the host with known ports shared.
type shared struct{ *wire.Host }

// Interfaces implements discovery.Net: there is one, and it speaks IPv4.
func (s shared) Interfaces() ([]discovery.Interface, error) {
	return []discovery.Interface{{
		Index: 1, Name: "eth0",
		Flags:    net.FlagUp | net.FlagRunning | net.FlagBroadcast | net.FlagMulticast,
		Prefixes: []netip.Prefix{s.Prefix()},
	}}, nil
}

// ListenPacket implements discovery.Net.
func (s shared) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	if strings.HasSuffix(address, ":0") {
		return s.Host.ListenPacket(ctx, network, address)
	}
	return s.Host.ListenShared(ctx, network, address)
}
