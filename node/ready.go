package node

import (
	"net"
	"net/netip"
	"slices"

	"parley/room"
	"parley/text"
)

// Ready returns the "ready" of the first room as its host sees it: where it
// is, its key and the link to it.
func (h *Hosting) Ready() room.Event { return h.ReadyOf(h.list()[0].Name) }

// ReadyOf returns the "ready" of the room called name.
func (h *Hosting) ReadyOf(name string) room.Event {
	e := room.Event{Type: room.Ready, V: room.Version, Room: name, Role: "host", Transport: "pipe", Secure: !h.node.Plaintext,
		Guests: h.guests(), Delivery: h.options.Delivery.String()}
	at := h.Addrs()[0]
	e.Addr = at.String()
	if h.tcpPort != 0 {
		e.TCPAddr = at.String()
	}
	for _, r := range h.list() {
		if r.Name == name {
			e.Key = r.Key.Key()
		}
	}
	e.Invite = Link(at, name, e.Key)
	if e.Secure {
		e.Words = text.KeyWords(e.Key)
	}
	return e
}

// Rooms returns the names of the rooms.
func (h *Hosting) Rooms() []string { return slices.Clone(h.options.Rooms) }

// JoinLines returns the commands by which others join the room called name, one
// for each address of this machine, the likeliest first.
func (h *Hosting) JoinLines(name string) []string {
	only := name
	if len(h.list()) == 1 {
		only = ""
	}
	var lines []string
	for _, a := range h.Addrs() {
		lines = append(lines, JoinLine(a, only))
	}
	return lines
}

// Addrs returns where the rooms are: the one address that is bound, or every
// one of this machine, those of a LAN before those that only this machine can
// use. Link-local IPv6 addresses are left out unless there is no other: typing
// them needs the name of the reader's own interface.
func (h *Hosting) Addrs() []netip.AddrPort {
	port := max(h.udpPort, h.tcpPort) // they are the same, or one is zero
	if b := h.node.Bind; b.IsValid() && !b.IsUnspecified() {
		return []netip.AddrPort{netip.AddrPortFrom(b, port)}
	}
	var four, six, linked, loop []netip.AddrPort
	interfaces, _ := h.node.net.Discovery().Interfaces()
	for _, i := range interfaces {
		for _, p := range i.Prefixes {
			a := p.Addr().Unmap()
			at := netip.AddrPortFrom(a, port)
			switch {
			case i.Flags&net.FlagUp == 0:
			case a.IsLoopback() && a.Is4():
				loop = append(loop, at)
			case a.IsLoopback() || h.node.Iface != "" && i.Name != h.node.Iface:
			case a.Is4():
				four = append(four, at)
			case a.IsLinkLocalUnicast():
				linked = append(linked, netip.AddrPortFrom(a.WithZone(i.Name), port))
			default:
				six = append(six, at)
			}
		}
	}
	all := slices.Concat(four, six)
	if len(all) == 0 {
		all = linked
	}
	if all = slices.Concat(all, loop); len(all) == 0 {
		all = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	}
	return all
}
