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
	"time"
	"unicode/utf8"

	"github.com/pion/logging"
	"github.com/pion/mdns/v2"
	"golang.org/x/net/dns/dnsmessage"
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

	// Lives of records in seconds: of services, and of what has to do with a host (RFC 6762, 10).
	serviceLife = 4500
	hostLife    = 120
	// The first announcements follow each other closely, for one may be lost; the later
	// ones keep a host's records alive.
	soonAnnounced  = 3
	announcedEvery = hostLife * time.Second / 2
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
	said   map[string]said // of each room, by its name
	cancel context.CancelFunc
}

// said is how often a room was announced, and when last.
type said struct {
	times int
	last  time.Time
}

func newResponder(d *dice, browse bool, warn func(string)) *responder {
	var b [labelBytes]byte
	d.fill(b[:])
	return &responder{label: "parley-" + hex.EncodeToString(b[:]), browse: browse, warn: warn,
		found: make(chan netip.AddrPort, maxWaiting), said: make(map[string]said)}
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
			delete(r.said, old.Name)
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
	r.announce(time.Now())
}

// announce tells of rooms unasked. The library does not, nor does it answer those who
// ask with the names of the rooms that they know already.
func (r *responder) announce(now time.Time) {
	for _, o := range r.rooms {
		if a := r.said[o.Name]; a.times < soonAnnounced || now.Sub(a.last) >= announcedEvery {
			r.said[o.Name] = said{a.times + 1, now}
			r.tell(func(i Interface) []byte { return r.announcement(o, i) })
		}
	}
}

// tell sends an answer over all links.
func (r *responder) tell(answer func(Interface) []byte) {
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(mdnsGroup, mdnsPort))
	for _, i := range r.links {
		if i.Flags&net.FlagLoopback == 0 { // an error is that of one that has just gone
			r.socket.WriteTo(answer(i), &ipv4.ControlMessage{IfIndex: i.Index}, to)
		}
	}
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
	r.socket = ipv4.NewPacketConn(pc)
	if err := keepOnLink(r.socket, r.links); err != nil {
		pc.Close()
		r.warn(fmt.Sprintf("no DNS-SD: %v", err))
		return
	}
	quiet := &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
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
	name := strings.NewReplacer(".", "-", `\`, "-").Replace(o.Name) // the library would begin another label
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

// announcement is an answer with all that one needs to know of a room on a link.
func (r *responder) announcement(o Room, link Interface) []byte {
	service := r.instanceOf(o)
	instance, host := dnsName(r.instance(o)+"."+serviceDomain), dnsName(service.Host)
	record := func(name dnsmessage.Name, life uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
		return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET | cacheFlush, TTL: life}, Body: body}
	}
	var txt dnsmessage.TXTResource
	for _, e := range service.Text {
		txt.TXT = append(txt.TXT, e.Key+"="+string(e.Value))
	}
	all := []dnsmessage.Resource{pointer(instance, serviceLife),
		record(instance, hostLife, &dnsmessage.SRVResource{Port: o.UDP, Target: host}), record(instance, serviceLife, &txt)}
	for _, p := range link.Prefixes {
		if a := p.Addr().Unmap(); a.Is4() {
			all = append(all, record(host, hostLife, &dnsmessage.AResource{A: a.As4()}))
		}
	}
	return pack(all)
}

// goodbye takes a room back, which the library does not: a record that lives no
// more. It is believed only from the port of multicast DNS.
func (r *responder) goodbye(o Room) {
	r.tell(func(Interface) []byte { return takenBack(r.instance(o)) })
}

func takenBack(instance string) []byte {
	return pack([]dnsmessage.Resource{pointer(dnsName(instance+"."+serviceDomain), 0)})
}

const (
	serviceDomain = service + ".local."
	cacheFlush    = 1 << 15 // there is no other such record (RFC 6762, 10.2)
)

// pointer is the record by which an instance is found.
func pointer(instance dnsmessage.Name, life uint32) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsName(serviceDomain), Class: dnsmessage.ClassINET, TTL: life},
		Body: &dnsmessage.PTRResource{PTR: instance}}
}

// dnsName is a name of ours, and they fit.
func dnsName(name string) dnsmessage.Name {
	n, _ := dnsmessage.NewName(name)
	return n
}

// pack is an authoritative answer; nothing if it cannot be one.
func pack(answers []dnsmessage.Resource) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true, Authoritative: true}, Answers: answers}
	b, _ := m.Pack()
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
	clear(r.said)
}
