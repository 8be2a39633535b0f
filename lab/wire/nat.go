//go:build !nolab

package wire

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A NAT stands between some hosts and all others, as a home's router does: what
// the ones inside send has the router's address and a port of its choice outside;
// what comes to such a port is passed on to whom it stands for; what comes to
// another is dropped. A mapping that nothing has used for as long as Idle is
// forgotten. It maps UDP and TCP, and takes the hosts inside to know nothing of it.
type NAT struct {
	Router *Host         // whose address is shown outside
	Inside []*Host       // who is behind it
	Idle   time.Duration // of UDP; TCP's are kept
}

// firstMapped is the first port that a NAT gives: where systems begin, too.
const firstMapped = 49152

// maxMapped is how many mappings a NAT can have: each has a port.
const maxMapped = 1<<16 - firstMapped

// nat is a NAT and its mappings.
type nat struct {
	NAT
	out  map[inside]*mapping
	in   map[uint16]*mapping
	next uint16
}

// inside is a port of a host behind the NAT.
type inside struct {
	proto byte
	addr  netip.AddrPort
}

type mapping struct {
	inside
	host *Host
	port uint16 // outside
	used time.Duration
}

// SetNAT puts a NAT between hosts. There can be one.
func (l *LAN) SetNAT(n NAT) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nat = &nat{NAT: n, out: map[inside]*mapping{}, in: map[uint16]*mapping{}, next: firstMapped}
	for _, h := range n.Inside {
		h.behind = true
	}
}

// between tells whether the NAT stands between two hosts, which a broadcast does
// not pass.
func (n *nat) between(from, to *Host, mac [6]byte) bool {
	return mac[0]&1 == 0 && (from.behind != to.behind && to != n.Router || to == n.Router && !from.behind)
}

// The protocols that it maps, by their numbers.
const protoTCP, protoUDP = 6, 17

// leave gives a frame from inside to outside the router's address. l.mu is held.
func (n *nat) leave(h *Host, data []byte, now time.Duration) (out []byte, ok bool) {
	out, p, ok := natParts(data)
	if !ok {
		return nil, false
	}
	key := inside{p.proto, p.src}
	m := n.out[key]
	if m == nil || n.old(m, now) {
		if len(n.out) >= maxMapped {
			return nil, false
		}
		if m != nil {
			delete(n.in, m.port)
		}
		m = &mapping{inside: key, host: h, port: n.next}
		n.next = max(n.next+1, firstMapped)
		n.out[key], n.in[m.port] = m, m
	}
	m.used = now
	copy(out[6:12], n.Router.mac[:])
	p.setSource(netip.AddrPortFrom(n.Router.addr, m.port))
	return out, true
}

// enter gives a frame for the router to the one inside whom it is for, if
// there is one. l.mu is held.
func (n *nat) enter(data []byte, now time.Duration) (out []byte, to *Host) {
	out, p, ok := natParts(data)
	if !ok {
		return nil, nil
	}
	m := n.in[p.dst.Port()]
	if m == nil || m.proto != p.proto || n.old(m, now) {
		return nil, nil
	}
	m.used = now
	copy(out[0:6], m.host.mac[:])
	p.setDestination(m.addr)
	return out, m.host
}

// old tells whether a mapping has been forgotten.
func (n *nat) old(m *mapping, now time.Duration) bool {
	return m.proto == protoUDP && n.Idle > 0 && now-m.used > n.Idle
}

// parts are the headers of a packet that can be mapped: a copy, to be written to.
type parts struct {
	ip, body []byte
	proto    byte
	src, dst netip.AddrPort
}

func natParts(data []byte) (out []byte, p parts, ok bool) {
	out = append([]byte(nil), data...)
	if len(out) < etherSize+20 || binary.BigEndian.Uint16(out[12:]) != 0x0800 {
		return nil, p, false
	}
	p.ip = out[etherSize:]
	size := int(p.ip[0]&15) * 4
	p.proto = p.ip[9]
	least := map[byte]int{protoTCP: 20, protoUDP: 8}[p.proto]
	if least == 0 || size < 20 || len(p.ip) < size+least || binary.BigEndian.Uint16(p.ip[6:])&0x3fff != 0 {
		return nil, p, false // another protocol, or a fragment
	}
	p.body = p.ip[size:]
	p.src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.ip[12:16])), binary.BigEndian.Uint16(p.body))
	p.dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.ip[16:20])), binary.BigEndian.Uint16(p.body[2:]))
	return out, p, true
}

func (p parts) setSource(a netip.AddrPort)      { p.set(12, 0, a) }
func (p parts) setDestination(a netip.AddrPort) { p.set(16, 2, a) }

// set writes an address and a port, and keeps the checksums right.
func (p parts) set(addrAt, portAt int, a netip.AddrPort) {
	ip, port := a.Addr().As4(), binary.BigEndian.AppendUint16(nil, a.Port())
	var sum []byte // where the checksum is that covers the address and the port
	switch {
	case p.proto == protoTCP:
		sum = p.body[16:18]
	case p.body[6]|p.body[7] != 0: // else the sender uses none
		sum = p.body[6:8]
	}
	for i := 0; i < 4; i += 2 {
		was := p.ip[addrAt+i : addrAt+i+2]
		update(p.ip[10:12], was, ip[i:i+2])
		update(sum, was, ip[i:i+2])
		copy(was, ip[i:i+2])
	}
	update(sum, p.body[portAt:portAt+2], port)
	copy(p.body[portAt:], port)
	if p.proto == protoUDP && sum != nil && sum[0]|sum[1] == 0 {
		sum[0], sum[1] = 0xff, 0xff // zero means none
	}
}

// update makes a checksum that of the data with two bytes changed (RFC 1624).
func update(sum, was, is []byte) {
	if sum == nil {
		return
	}
	n := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^binary.BigEndian.Uint16(was)) + uint32(binary.BigEndian.Uint16(is))
	n = n&0xffff + n>>16
	n = n&0xffff + n>>16
	binary.BigEndian.PutUint16(sum, ^uint16(n))
}
