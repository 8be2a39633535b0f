//go:build !nolab

package wire

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// TCP is how the hosts' TCP is set. The zero TCP is the truest to a kernel where
// few frames are lost; see the package comment.
type TCP struct {
	NoRACK bool          // recovery by three duplicate acknowledgements, not by time (RACK and tail loss probes)
	NoSACK bool          // no selective acknowledgements
	CUBIC  bool          // congestion control by CUBIC, not by Reno
	MaxRTO time.Duration // longest pause before something is sent again; 0: 120 s
	MinRTO time.Duration // shortest; 0: 200 ms
}

// Classic is the TCP of thirty years: for more than 5 % loss, at which the zero
// TCP may stand still.
var Classic = TCP{NoRACK: true, MaxRTO: time.Second}

const (
	cableNIC    = 1
	loopbackNIC = 2
	maxSocket   = 4 << 20 // bytes a TCP buffer may grow to
)

// A Host is a machine with a TCP/IP stack of its own and one cable. Its methods
// ListenPacket, Listen and DialContext are those of a net.ListenConfig and a
// net.Dialer.
type Host struct {
	lan   *LAN
	name  string
	index int
	addr  netip.Addr
	mac   [6]byte
	stack *stack.Stack
	link  *link
	human *rand.Rand

	// guarded by lan.mu
	port      port
	order     uint64 // of events
	outbox    []*Frame
	busy      bool // a program or a timer used the stack
	isolated  bool
	unplugged bool
	behind    bool // a NAT
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Addr returns the host's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// LAN returns the LAN that the host is on.
func (h *Host) LAN() *LAN { return h.lan }

// touch notes that something used the stack.
func (h *Host) touch() {
	h.lan.mu.Lock()
	h.busy = true
	h.lan.mu.Unlock()
	h.lan.wake()
}

// Pause sleeps for d and up to a thousandth more, as the seed has it. What
// programs do on a host waits so, and not in even steps: a program's own timers
// count from what it did last, and where two run out at one instant, Go draws
// lots.
func (h *Host) Pause(d time.Duration) {
	h.lan.mu.Lock()
	more := time.Duration(h.human.Float64() * float64(d) / 1000)
	h.lan.mu.Unlock()
	time.Sleep(d + more)
}

// Discarded returns how many packets the host's stack has thrown away because a
// checksum, of IPv4, UDP or TCP, was wrong, or a length, which a stack looks at first.
func (h *Host) Discarded() (n uint64) {
	s := h.stack.Stats()
	return s.UDP.ChecksumErrors.Value() + s.TCP.ChecksumErrors.Value() + s.IP.MalformedPacketsReceived.Value() + s.UDP.MalformedPacketsReceived.Value()
}

// SetPort says how slow the host's cable is from now on.
func (h *Host) SetPort(p Port) {
	h.lan.mu.Lock()
	defer h.lan.mu.Unlock()
	h.port.Port = p
}

func newHost(l *LAN, name string, n int) *Host {
	h := &Host{
		lan: l, name: name, index: n, addr: addrOf(n),
		mac: [6]byte{2, 0, 0, 0x77, byte(n >> 8), byte(n)}, port: port{Port: l.conf.Port},
		human: luckOf(l.conf.Seed, "human", name),
	}
	random := &random{luck: luckOf(l.conf.Seed, "stack", name)}
	h.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
		Clock:              clock{h},
		RandSource:         random,
		SecureRNG:          random,
		RawFactory:         raw.EndpointFactory{},
		HandleLocal:        true,
	})
	h.stack.Pause()
	h.link = &link{host: h, mtu: uint32(l.conf.MTU)}
	must(h.stack.CreateNIC(cableNIC, h.link))
	must(h.stack.CreateNIC(loopbackNIC, loopback.New()))
	prefix := func(a netip.Addr, bits int) tcpip.ProtocolAddress {
		return tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddressWithPrefix{
			Address: tcpip.AddrFrom4(a.As4()), PrefixLen: bits}}
	}
	local := prefix(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8)
	must(h.stack.AddProtocolAddress(cableNIC, prefix(h.addr, subnetBits), stack.AddressProperties{}))
	must(h.stack.AddProtocolAddress(loopbackNIC, local, stack.AddressProperties{}))
	h.stack.SetRouteTable([]tcpip.Route{
		{Destination: local.AddressWithPrefix.Subnet(), NIC: loopbackNIC},
		{Destination: header.IPv4EmptySubnet, NIC: cableNIC},
	})
	h.tune(l.conf.TCP)
	return h
}

// meet tells a host the hardware address of another, so that it need not ask.
func (h *Host) meet(o *Host) {
	must(h.stack.AddStaticNeighbor(cableNIC, ipv4.ProtocolNumber, tcpip.AddrFrom4(o.addr.As4()), o.link.LinkAddress()))
}

// tune sets the stack's TCP.
func (h *Host) tune(c TCP) {
	set := func(o tcpip.SettableTransportProtocolOption) {
		must(h.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o))
	}
	sack, recovery, control := tcpip.TCPSACKEnabled(!c.NoSACK), tcpip.TCPRACKLossDetection, tcpip.CongestionControlOption("reno")
	if c.NoRACK {
		recovery = 0
	}
	if c.CUBIC {
		control = "cubic"
	}
	set(&sack)
	set(&recovery)
	set(&control)
	set(&tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: maxSocket})
	set(&tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultReceiveBufferSize, Max: maxSocket})
	if c.MinRTO > 0 {
		o := tcpip.TCPMinRTOOption(c.MinRTO)
		set(&o)
	}
	if c.MaxRTO > 0 {
		o := tcpip.TCPMaxRTOOption(c.MaxRTO)
		set(&o)
	}
}

// must is for calls that fail only if this package is wrong.
func must(err tcpip.Error) {
	if err != nil {
		panic("wire: " + err.String())
	}
}

// close ends the stack and its workers. The pump has stopped.
func (h *Host) close() {
	h.stack.Resume()
	h.stack.Close()
	h.stack.TransportProtocolInstance(tcp.ProtocolNumber).Wait()
}

// receive gives a frame to the stack. The pump calls it.
func (h *Host) receive(data []byte) {
	h.touch()
	h.link.deliver(data)
}

// String gives the name and the address.
func (h *Host) String() string { return fmt.Sprintf("%s (%s)", h.name, h.addr) }

// random is a stack's source of randomness, of both kinds.
type random struct {
	mu   sync.Mutex
	luck *rand.Rand
}

// Int63 and Seed implement the Source of math/rand.
func (r *random) Int63() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.luck.Int64()
}

func (r *random) Seed(int64) {}

// Read implements io.Reader.
func (r *random) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range p {
		p[i] = byte(r.luck.Uint32())
	}
	return len(p), nil
}

// link is the host's end of its cable, as its stack sees it.
type link struct {
	host *Host
	mtu  uint32

	last flow // of the frame that was sent last, as the fragments of a datagram follow each other; guarded by LAN.mu

	mu sync.RWMutex
	up stack.NetworkDispatcher
}

var _ stack.LinkEndpoint = (*link)(nil)

func (k *link) MTU() uint32                      { return k.mtu }
func (k *link) SetMTU(mtu uint32)                { k.mtu = mtu }
func (k *link) MaxHeaderLength() uint16          { return etherSize }
func (k *link) LinkAddress() tcpip.LinkAddress   { return tcpip.LinkAddress(k.host.mac[:]) }
func (k *link) SetLinkAddress(tcpip.LinkAddress) {}
func (k *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityResolutionRequired
}
func (k *link) Wait()                                   {}
func (k *link) Close()                                  {}
func (k *link) SetOnCloseAction(func())                 {}
func (k *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }
func (k *link) IsAttached() bool                        { return k.dispatcher() != nil }

func (k *link) Attach(d stack.NetworkDispatcher) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.up = d
}

func (k *link) dispatcher() stack.NetworkDispatcher {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.up
}

// AddHeader implements stack.LinkEndpoint.
func (k *link) AddHeader(pkt *stack.PacketBuffer) {
	header.Ethernet(pkt.LinkHeader().Push(etherSize)).Encode(&header.EthernetFields{
		SrcAddr: pkt.EgressRoute.LocalLinkAddress,
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// ParseHeader implements stack.LinkEndpoint.
func (k *link) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(etherSize)
	return ok
}

// WritePackets implements stack.LinkWriter. The stack holds locks.
func (k *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	l, h, now := k.host.lan, k.host, k.host.lan.Now()
	frames := make([]*Frame, 0, pkts.Len())
	for _, pkt := range pkts.AsSlice() {
		f := &Frame{At: now, From: h, Data: pkt.ToView().AsSlice()}
		f.parse()
		frames = append(frames, f)
	}
	l.mu.Lock()
	for _, f := range frames {
		if f.Fragment { // it has no ports of its own
			f.flow = k.last
		}
		k.last = f.flow
	}
	h.outbox = append(h.outbox, frames...)
	h.busy = true
	l.mu.Unlock()
	l.wake()
	return len(frames), nil
}

// deliver gives a frame to the stack.
func (k *link) deliver(data []byte) {
	up := k.dispatcher()
	if up == nil {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(data)})
	defer pkt.DecRef()
	if !k.ParseHeader(pkt) {
		return
	}
	ether := header.Ethernet(pkt.LinkHeader().Slice())
	switch to := ether.DestinationAddress(); {
	case to == header.EthernetBroadcastAddress:
		pkt.PktType = tcpip.PacketBroadcast
	case header.IsMulticastEthernetAddress(to):
		pkt.PktType = tcpip.PacketMulticast
	case to != k.LinkAddress():
		return // a bit of the address was flipped
	}
	up.DeliverNetworkPacket(ether.Type(), pkt)
}
