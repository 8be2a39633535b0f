package node

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"parley/discovery"
)

// linkKind is what an interface is, for people.
type linkKind string

const (
	cable   linkKind = "cable"
	radio   linkKind = "Wi-Fi"
	tunnel  linkKind = "VPN"
	inner   linkKind = "inside this computer" // of virtual machines and containers
	network linkKind = "network"              // of a kind that cannot be told
)

// How systems call interfaces. What the system itself says goes before.
var (
	tunnels = []string{"tun", "tap", "wg", "utun", "ppp", "ipsec", "zt", "tailscale", "nordlynx", "proton", "openvpn", "wireguard"}
	inners  = []string{"docker", "br-", "virbr", "veth", "vmnet", "vboxnet", "vethernet", "lxcbr", "lxdbr", "incusbr", "cni", "flannel", "podman", "awdl", "llw"}
	radios  = []string{"wl", "wi-fi", "wifi", "wlan", "ath"}
	cables  = []string{"eth", "en", "lan"}
)

// kindOf tells what an interface is, by what the system says and what it is called.
func kindOf(i discovery.Interface) linkKind {
	name := strings.ToLower(i.Name)
	called := func(list []string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	switch {
	case hasRadio(i.Name):
		return radio
	case called(inners):
		return inner
	case called(tunnels), i.Flags&net.FlagPointToPoint != 0:
		return tunnel
	case called(radios):
		return radio
	case called(cables) && runtime.GOOS != "darwin": // where en0 may be either
		return cable
	}
	return network
}

// several tells of more than one network, in which people may look for each
// other in vain.
func (x *examination) several() {
	var list []string
	var seen []netip.Prefix
	for _, i := range x.links {
		if k := kindOf(i); k == tunnel || k == inner {
			continue
		}
		for _, p := range i.Prefixes {
			if p.Addr().Is4() && !p.Addr().IsLinkLocalUnicast() && !slices.Contains(seen, p.Masked()) {
				seen = append(seen, p.Masked())
				list = append(list, fmt.Sprintf("%s by %s", p.Addr(), i.Name))
			}
		}
	}
	if len(list) > 1 {
		x.report(Finding{Check: "interface", Code: "several_networks", Note: true,
			Text: fmt.Sprintf("this computer is in %d networks (%s), and others perhaps in one of them only", len(list), strings.Join(list, ", ")),
			Next: "tell others the address that belongs to the network they are in"})
	}
}

// peers tells which of the computers of --peers have answered.
func (x *examination) peers(r discovery.Report) {
	for _, p := range x.node.Peers {
		if slices.Contains(r.Peers, p.Addr()) {
			x.report(Finding{Check: "peer", Code: "peer", Text: fmt.Sprintf("%v answers", p.Addr())})
			continue
		}
		x.report(Finding{Check: "peer", Code: "peer_silent", Class: NobodyThere, Text: fmt.Sprintf("%v, which --peers names, does not answer", p.Addr()),
			Next: fmt.Sprintf("see that it hosts a room; then parley doctor %v", p.Addr())})
	}
}

// maxApart is how far clocks may be apart and nobody minds.
const maxApart = time.Minute

// clocks compares ours with those of the hosts that were heard.
func (x *examination) clocks(r discovery.Report) {
	agree := false
	for _, a := range sortedAddrs(r.Clocks) {
		ahead := r.Clocks[a]
		if ahead.Abs() <= maxApart {
			agree = true
			continue
		}
		how := "ahead of"
		if ahead < 0 {
			how = "behind"
		}
		x.report(Finding{Check: "clock", Code: "clock_differs", Note: true,
			Text: fmt.Sprintf("the clock of %v is %s %s this one's", a, ahead.Abs().Round(time.Second), how),
			Next: "set the one that is wrong, or what is said there is shown with the wrong time"})
	}
	if agree {
		x.report(Finding{Check: "clock", Code: "clock_agrees", Text: "this clock agrees with those of the hosts that are heard"})
	}
}

func sortedAddrs[V any](m map[netip.Addr]V) []netip.Addr {
	list := make([]netip.Addr, 0, len(m))
	for a := range m {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
