//go:build !nolab

package wire

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const etherSize = 14 // two addresses and a type

// A Frame is what a host has put on its cable.
type Frame struct {
	ID     uint64        // counted from 1 over the whole LAN
	At     time.Duration // when it was sent
	From   *Host
	Data   []byte // with the Ethernet header
	Copies []Copy // one for each receiver, or more

	Proto    string // arp, udp, tcp, icmp, or the number of another
	Src, Dst netip.AddrPort
	Flags    string // of TCP: S, A, F, R, P
	Seq, Ack uint32 // of TCP
	Window   int    // of TCP, as on the wire
	Room     int    // of TCP: the window in bytes, if the connection's beginning was seen
	Payload  []byte // of TCP and UDP; nil in later fragments
	Fragment bool   // but not the first
	Offset   uint64 // of TCP: of the payload's first byte in all that was sent this way
	Resent   bool   // of TCP: it has been sent before, all or in part
	Messages []int  // of which it carries a part, as Config.Label says

	flow flow
}

// flow is one direction of a conversation.
type flow struct {
	proto    string
	src, dst netip.AddrPort
}

func (f flow) compare(o flow) int {
	return cmp.Or(strings.Compare(f.proto, o.proto), f.dst.Compare(o.dst), f.src.Compare(o.src))
}

// stream is what the tap knows of a direction of a TCP connection.
type stream struct {
	first uint32 // sequence number of the first byte
	next  uint64 // how many bytes have been sent
	scale uint8  // by which windows are to be shifted
}

// parse fills in what the headers say. What it cannot read it leaves empty.
func (f *Frame) parse() {
	d := f.Data
	if len(d) < etherSize {
		return
	}
	kind, d := binary.BigEndian.Uint16(d[12:]), d[etherSize:]
	switch kind {
	case 0x0806:
		f.Proto = "arp"
	case 0x0800:
		f.parseIPv4(d)
	default:
		f.Proto = fmt.Sprintf("%#04x", kind)
	}
	f.flow = flow{f.Proto, f.Src, f.Dst}
}

func (f *Frame) parseIPv4(d []byte) {
	if len(d) < 20 || d[0]>>4 != 4 || int(d[0]&15)*4 > len(d) {
		return
	}
	size := int(binary.BigEndian.Uint16(d[2:]))
	src, dst := netip.AddrFrom4([4]byte(d[12:16])), netip.AddrFrom4([4]byte(d[16:20]))
	f.Src, f.Dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	f.Fragment = binary.BigEndian.Uint16(d[6:])&0x1fff != 0
	proto, body := d[9], d[int(d[0]&15)*4:min(max(size, int(d[0]&15)*4), len(d))]
	switch proto {
	case 1:
		f.Proto = "icmp"
		return
	case 6:
		f.Proto = "tcp"
	case 17:
		f.Proto = "udp"
	default:
		f.Proto = fmt.Sprint("ip ", proto)
		return
	}
	if f.Fragment || len(body) < 8 {
		return
	}
	f.Src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(body))
	f.Dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(body[2:]))
	if proto == 17 {
		f.Payload = body[8:]
		return
	}
	f.parseTCP(body)
}

func (f *Frame) parseTCP(d []byte) {
	if len(d) < 20 || int(d[12]>>4)*4 > len(d) {
		return
	}
	f.Seq, f.Ack = binary.BigEndian.Uint32(d[4:]), binary.BigEndian.Uint32(d[8:])
	f.Window = int(binary.BigEndian.Uint16(d[14:]))
	for i, name := range "FSRPA" {
		if d[13]>>i&1 != 0 {
			f.Flags += string(name)
		}
	}
	f.Payload = d[int(d[12]>>4)*4:]
}

// follow finds where in its stream a segment is. l.mu is held.
func (l *LAN) follow(f *Frame) {
	if f.Proto != "tcp" {
		return
	}
	s := l.flows[f.flow]
	if strings.Contains(f.Flags, "S") {
		f.Resent = s != nil && s.first == f.Seq+1
		if !f.Resent {
			l.flows[f.flow] = &stream{first: f.Seq + 1, scale: f.windowScale()}
		}
		return
	}
	if s == nil {
		return
	}
	f.Room = f.Window << s.scale
	// The distance from what is next says which of the 4 GiB it is.
	f.Offset = s.next + uint64(int64(int32(f.Seq-(s.first+uint32(s.next)))))
	length := uint64(len(f.Payload))
	if strings.Contains(f.Flags, "F") {
		length++ // the end takes a number, too
	}
	f.Resent = length > 0 && f.Offset < s.next
	if end := f.Offset + length; int64(end-s.next) > 0 {
		s.next = end
	}
}

// windowScale is what a SYN says of the windows that follow.
func (f *Frame) windowScale() uint8 {
	const end, nothing, scale = 0, 1, 3
	ip := f.Data[etherSize:]
	if len(ip) < 20 || len(ip) < int(ip[0]&15)*4+20 {
		return 0
	}
	tcp := ip[int(ip[0]&15)*4:]
	for o := tcp[20:max(20, min(int(tcp[12]>>4)*4, len(tcp)))]; len(o) > 0 && o[0] != end; {
		switch {
		case o[0] == nothing:
			o = o[1:]
			continue
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return 0
		case o[0] == scale && o[1] == 3:
			return min(o[2], 14)
		}
		o = o[o[1]:]
	}
	return 0
}

// send decides a frame's fate. l.mu is held.
func (l *LAN) send(h *Host, f *Frame) {
	l.frames++
	f.ID = l.frames
	l.follow(f)
	if l.conf.Label != nil {
		f.Messages = l.conf.Label(f)
	}
	leaves, room := h.port.leave(time.Now(), len(f.Data))
	var mac [6]byte
	copy(mac[:], f.Data)
	to := l.hosts
	if mac[0]&1 == 0 {
		if to = nil; l.owner(mac) != nil {
			to = []*Host{l.owner(mac)}
		}
	}
	for _, r := range to {
		switch {
		case r == h:
		case !room:
			f.Copies = append(f.Copies, Copy{To: r, Fate: Dropped, Why: "queue"})
		case l.nat != nil && l.nat.between(h, r, mac):
			f.Copies = append(f.Copies, l.translate(h, r, f, leaves)...)
		default:
			f.Copies = append(f.Copies, l.way(h, r).pass(l, h, r, f, leaves)...)
		}
	}
	for _, c := range f.Copies {
		if c.Fate != Dropped {
			l.schedule(c.To, l.zero.Add(c.At), func() { c.To.receive(c.Data) })
		}
	}
	if l.conf.Tap != nil {
		l.conf.Tap(f)
	}
}

// translate has a frame pass the NAT, or not. l.mu is held.
func (l *LAN) translate(h, to *Host, f *Frame, leaves time.Time) []Copy {
	translated := *f
	var ok bool
	if h.behind {
		translated.Data, ok = l.nat.leave(h, f.Data, l.Now())
	} else if to == l.nat.Router {
		var inside *Host
		if translated.Data, inside = l.nat.enter(f.Data, l.Now()); inside != nil {
			to, ok = inside, true
		}
	}
	if !ok {
		return []Copy{{To: to, Fate: Dropped, Why: "nat: no way in"}}
	}
	return l.way(h, to).pass(l, h, to, &translated, leaves)
}
