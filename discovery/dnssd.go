package discovery

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pion/logging"
	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"
)

// DNS-SD, by which other programs find rooms, and we find hosts that no broadcast
// of ours reaches. It tells only where to ask: a room is listed when its host has
// answered a query of ours, signed, as any other (leads, in browse.go). So whoever
// writes records here can cost a listener a few datagrams, and no more.
//
// A room is the service _parley._udp at its UDP port. The host it names is a label
// drawn for the occasion and never the name of the machine, which is another
// responder's to give, and nobody's business.
const (
	service    = "_parley._udp"
	mdnsPort   = 5353
	labelBytes = 4
	maxLabel   = 63 // bytes of a name in DNS
	maxWaiting = 16 // leads that the loop has not taken
)

var mdnsGroup = netip.AddrFrom4([4]byte{224, 0, 0, 251})

// responder is our part in multicast DNS, in both directions. It belongs to the
// loop of one run; what it finds comes by found.
type responder struct {
	label  string
	warn   func(string)
	browse bool
	found  chan netip.AddrPort

	conn   *mdns.Conn
	socket *ipv4.PacketConn // conn's
	links  []Interface
	rooms  []Room
	cancel context.CancelFunc
}

func newResponder(d *dice, browse bool, warn func(string)) *responder {
	var b [labelBytes]byte
	d.fill(b[:])
	return &responder{label: "parley-" + hex.EncodeToString(b[:]), browse: browse, warn: warn, found: make(chan netip.AddrPort, maxWaiting)}
}

// follow brings what is published in line with links and rooms. Nobody is told of
// a room that is not served over UDP.
func (r *responder) follow(links []Interface, rooms []Room) {
	rooms = slices.DeleteFunc(slices.Clone(rooms), func(o Room) bool { return o.UDP == 0 })
	moved := !slices.EqualFunc(links, r.links, func(a, b Interface) bool { return a.Index == b.Index && slices.Equal(a.Prefixes, b.Prefixes) })
	if moved || r.conn == nil && (r.browse || len(rooms) > 0) {
		r.close()
		r.links = slices.Clone(links)
		if r.open(); r.conn == nil {
			return
		}
	}
	if r.conn == nil {
		return
	}
	for _, old := range r.rooms {
		if !slices.ContainsFunc(rooms, func(o Room) bool { return o.Name == old.Name && published(o, old) }) {
			r.conn.Unregister(r.instance(old), service)
			r.goodbye(old)
		}
	}
	for _, o := range rooms {
		if !slices.ContainsFunc(r.rooms, func(old Room) bool { return old.Name == o.Name && published(o, old) }) {
			if err := r.conn.Register(r.instanceOf(o)); err != nil {
				r.warn(fmt.Sprintf("the room %q is not published by DNS-SD: %v", o.Name, err))
			}
		}
	}
	r.rooms = rooms
}

// published tells whether two rooms look the same in DNS, which does not count members.
func published(a, b Room) bool {
	a.Members = b.Members
	return same(a, b)
}

func (r *responder) open() {
	var all []net.Interface
	for _, i := range r.links {
		if i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if one, err := net.InterfaceByIndex(i.Index); err == nil {
			all = append(all, *one)
		}
	}
	if len(all) == 0 {
		return
	}
	// Listening on a group, package net shares the port with the system's own responder.
	pc, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(mdnsGroup, mdnsPort)))
	if err != nil {
		r.warn(fmt.Sprintf("no DNS-SD: %v", err))
		return
	}
	quiet := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	r.socket = ipv4.NewPacketConn(pc)
	conn, err := mdns.NewServer(r.socket, nil, mdns.WithInterfaces(all...), mdns.WithLoggerFactory(quiet),
		mdns.WithLocalNames(r.label+".local"), mdns.WithQueryInterval(roundEvery))
	if err != nil {
		pc.Close()
		r.warn(fmt.Sprintf("no DNS-SD: %v", err))
		return
	}
	r.conn = conn
	if !r.browse {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	conn.OnServiceDiscovered(r.discovered)
	if err := conn.Browse(ctx, service); err != nil {
		r.warn(fmt.Sprintf("no DNS-SD: %v", err))
	}
}

// discovered passes on where to ask. All else in the record is anybody's word.
func (r *responder) discovered(e mdns.ServiceEvent) {
	if a := e.Addr.Unmap(); a.Is4() && e.Instance.Service == service {
		select {
		case r.found <- netip.AddrPortFrom(a, DefaultPort):
		default: // it will be said again
		}
	}
}

// instance is the name of a room's service: its own, and a part of the label, since
// two hosts may have chosen one name.
func (r *responder) instance(o Room) string {
	end := " (" + strings.TrimPrefix(r.label, "parley-") + ")"
	name := o.Name
	for len(name)+len(end) > maxLabel {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name + end
}

func (r *responder) instanceOf(o Room) mdns.ServiceInstance {
	key, _ := publicKey(o.Signer)
	flag := func(b bool) string {
		if b {
			return "1"
		}
		return "0"
	}
	return mdns.ServiceInstance{
		Instance: r.instance(o), Service: service, Domain: "local", Host: r.label + ".local.", Port: o.UDP,
		Text: []mdns.TXTEntry{
			mdns.NewTXTString("txtvers", "1"), mdns.NewTXTString("room", o.Name), mdns.NewTXTString("key", hex.EncodeToString(key[:])),
			mdns.NewTXTString("tcp", strconv.Itoa(int(o.TCP))), mdns.NewTXTString("secure", flag(o.Secure)),
			mdns.NewTXTString("password", flag(o.Password)), mdns.NewTXTString("guests", flag(o.Guests)),
		},
	}
}

// goodbye takes a room back, which the library does not: a record that lives no
// more. It is believed only from the port of multicast DNS.
func (r *responder) goodbye(o Room) {
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(mdnsGroup, mdnsPort))
	for _, i := range r.links {
		if i.Flags&net.FlagLoopback == 0 { // an error is that of one who has just gone
			r.socket.WriteTo(farewellRecord(r.instance(o)), &ipv4.ControlMessage{IfIndex: i.Index}, to)
		}
	}
}

// farewellRecord is an answer of multicast DNS with one record, by which the
// service points to the instance for no time.
func farewellRecord(instance string) []byte {
	b := []byte{0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0} // an authoritative answer with one record
	label := func(s string) { b = append(append(b, byte(len(s))), s...) }
	of := func() { label("_parley"); label("_udp"); label("local"); b = append(b, 0) }
	of()
	b = append(b, 0, 12, 0, 1, 0, 0, 0, 0) // PTR, IN, no time
	at := len(b)
	b = append(b, 0, 0)
	label(instance)
	of()
	b[at], b[at+1] = byte((len(b)-at-2)>>8), byte(len(b)-at-2)
	return b
}

// close takes everything back.
func (r *responder) close() {
	if r.conn == nil {
		return
	}
	for _, o := range r.rooms {
		r.goodbye(o)
	}
	if r.cancel != nil {
		r.cancel()
	}
	r.conn.Close()
	r.conn, r.rooms, r.cancel = nil, nil, nil
}
