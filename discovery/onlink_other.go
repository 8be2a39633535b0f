//go:build !linux

package discovery

import "golang.org/x/net/ipv4"

// keepOnLink does nothing here, where a program cannot have its sockets filtered:
// whoever reaches our address across a router, and asks there, learns of the rooms.
func keepOnLink(*ipv4.PacketConn, []Interface) error { return nil }
