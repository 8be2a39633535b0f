//go:build !linux

package node

import (
	"context"
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
		const rule = "netsh advfirewall firewall add rule name=parley dir=in action=allow protocol="
		return fmt.Sprintf("have Windows treat this network as private, and as administrator: "+rule+"UDP localport=%[1]d,%[2]d & "+rule+"TCP localport=%[1]d", talk, find)
	case "darwin":
		return "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblockapp \"$(which parley)\"; and System Settings > Privacy & Security > Local Network: switch parley, or your terminal, on"
	}
	return fmt.Sprintf("let UDP and TCP port %d and UDP port %d in", talk, find)
}

// readWall knows nothing here: what the firewall does is said by tools in the language
// of the user.
func readWall(context.Context, []door) wall { return wall{} }

// hasRadio cannot tell.
func hasRadio(string) bool { return false }
