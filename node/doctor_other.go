//go:build !linux

package node

import (
	"fmt"
	"net/netip"
	"runtime"
)

// neighbors is nothing here: who answers on the wire is not known.
func neighbors() map[netip.Addr]linkSays { return nil }

// routers are not known here.
func routers() []netip.Addr { return nil }

// firewallHint is how to let the ports through here.
func firewallHint(talk, find uint16) string {
	switch runtime.GOOS {
	case "windows":
		return fmt.Sprintf("as administrator: netsh advfirewall firewall add rule name=parley dir=in action=allow protocol=UDP localport=%[1]d,%[2]d "+
			"and again with protocol=TCP localport=%[1]d; and let Windows treat this network as private", talk, find)
	case "darwin":
		return "System Settings > Network > Firewall > Options: allow incoming connections for parley; and System Settings > Privacy & Security > Local Network: switch parley on"
	}
	return fmt.Sprintf("let UDP and TCP port %d and UDP port %d in", talk, find)
}
