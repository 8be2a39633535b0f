// Package node is one machine's part in parley: it is given a network and puts
// the rest together over it. It hosts rooms, joins them and looks for them.
//
//	room         what is said, in what order          knows no carrier
//	udp, tcp     whole messages between two machines  know no room
//	discovery    which rooms there are, and where     knows neither
//	node         all of them over one Net
//
// A [Node] hosts rooms ([Node.Open]) on one port by both carriers, sends every
// newcomer to the room its first message names, and announces the rooms. It
// joins ([Node.Join]) by name or address, on whichever carrier answers first;
// policy.go has the rules. A [Net] is where the sockets come from: the system's,
// or a virtual machine's in a test, which runs the same code.
//
// # Ways to a host
//
// With Transport auto, datagrams are tried first and a stream 300 ms later, in
// parallel, or 2 s later if a datagram has been answered, which proves the path.
// The first handshake to end with both sides' proof of who they are wins, and
// the other attempt is given up. A host's IPv4 addresses come before its IPv6
// ones, and both before streams. After 10 s nobody is there. For 10 minutes the
// carrier that worked is tried first.
//
// Datagrams may stop passing under a conversation: a firewall learns something, a
// Wi-Fi changes. A member goes by evidence of now, and of both ways: that the
// host acknowledges what we send. How long all was well before does not count, nor
// does it that we hear the host, which may not hear us; nor time in which this
// program itself stood still.
//
//	UDP ── an answer is owed for 2.5 s, or our own system sends nothing for 1 to 2 s ──► leaving
//	leaving: UDP at once, TCP 100 ms later unless the UDP is answered; the old one is used on meanwhile
//	  ├── the old one answers again ──► UDP, and nothing has happened
//	  ├── UDP ──► UDP: the host was restarted, or has moved
//	  └── TCP ──► TCP: try UDP after 10 s, 30 s, 1 min and so on up to 10 min
//	TCP ── a new UDP connection, three times asked for a full packet 1.2 s apart, answers within 400 ms each ──► UDP
//
// The connection that is left ends when the other has the seat, and not before, so
// that nobody waits; the seat's events and what was said go on where they were
// (package room). UDP that fails within a minute of having been climbed back to is
// left alone for a minute, then for two, up to ten. So what comes and goes
// every 2 s changes nothing. A wish for one carrier is kept whatever becomes of
// it, and no change of carrier is ever one to plaintext.
//
// While it leaves, a member looks for the room's key as well: a host that has got
// another address is found wherever it is announced, even if the room was joined
// by an address. A stream to a host that was there before is asked for once a
// second, so that a host which comes back is noticed at once.
//
// # Trust
//
// A link (parley://HOST:PORT/ROOM#KEY) holds the room's key, and the room must
// prove it. So must a room that was found on the LAN: its announcement is signed
// by the key. A host is either encrypted or plaintext, as its whole program is,
// and neither side ever changes to the other's mode by itself.
//
// A room that was joined once is remembered by its name and key ([Pins]), and
// from then on nobody else is joined under that name: a room with another key
// is refused, and so is the name, or the address, in plaintext. Where the room
// and a stranger of its name are heard, the room is joined. A link goes
// before what is remembered, and is remembered in turn.
package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"parley/cluster"
	"parley/discovery"
	"parley/lanes"
	"parley/room"
	"parley/transport"
	"parley/udp"
)

// A Net is where a node's sockets come from.
type Net interface {
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	DialContext(ctx context.Context, network, address string) (net.Conn, error)

	// Discovery is the part that needs more than plain sockets: shared ports,
	// broadcast, and the list of interfaces.
	Discovery() discovery.Net
}

// A Resolver is a Net that knows the names of hosts.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// System returns the network of the machine that the program runs on.
func System() Net { return systemNet{} }

// A Node is one program's part in the network. Its fields are read at first
// use and must not change then. It is a [room.Network].
type Node struct {
	Net           Net                // nil: System()
	Identity      transport.Identity // who we are; zero: made anew, or nobody in plaintext
	Transport     Transport          // empty: Auto
	Plaintext     bool               // everything unencrypted; such nodes meet only each other
	Port          uint16             // to host on, and to join where none is named; 0: 7667
	PortExplicit  bool               // host on Port or not at all
	Bind          netip.Addr         // the one local address to use; zero: all
	Iface         string             // the one interface to discover on; empty: all
	DiscoveryPort uint16             // 0: 7668
	Peers         []netip.AddrPort   // asked for rooms by unicast, wherever they are; port 0: DiscoveryPort
	NoDiscovery   bool               // neither announce nor look
	Impair        udp.Spec           // what is to befall the datagrams of rooms that we send
	Lanes         *lanes.Recorder    // told of the packets of rooms hosted here; nil: nobody is
	Metered       bool               // rooms hosted here count, for Collect
	Logger        *slog.Logger       // nil: none. At debug level it hears of every use of a socket

	// RoomKey gives the key of a room to be hosted and what to call when it
	// is hosted no more. Nil: a new key each time.
	RoomKey func(name string) (key transport.Identity, release func(), err error)

	// AdoptKey holds the name of a room that is about to be handed over to us, as
	// RoomKey does, and returns what keeps its key. Nil: it is kept nowhere.
	AdoptKey func(name string) (keep func(transport.Identity) error, release func(), err error)

	// Cluster keeps the rooms that are hosted here, together with whoever else hosts
	// them there; a new one on so many Replicas, 0: as many as are sensible. Nil: rooms
	// are this machine's alone.
	Cluster  *cluster.Options
	Replicas int

	// Moves are the rooms that were handed over, from here or to here. Nil: that
	// is remembered as long as the node is there.
	Moves *Moves
	// Histories are where what is said is kept. Nil: nowhere, and rooms hosted
	// here are forgotten when they end.
	Histories *Histories

	// Pins are the rooms that the user knows. Nil: none are, and none are remembered.
	Pins *Pins

	// Files say what members of this program give and take. Nil: neither, and
	// rooms hosted here pass none on.
	Files *Files

	// Drafts keep what members of this program say until it is stored. Nil:
	// what is not stored ends with the program.
	Drafts *Drafts

	// Guest serves a bare text client, in rooms that let them in, until ctx or
	// the client ends. It gets a seat from sit.
	Guest func(ctx context.Context, c net.Conn, sit Sit)

	// Warn is told, in words for people, what they should know. Aside is
	// told once each what may explain why a room is not found, such as an
	// interface that cannot be used. Nil: nobody.
	Warn, Aside func(text string)

	once    sync.Once
	net     Net // Net, watched if somebody reads the log
	log     *slog.Logger
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup // what goes on after calls have returned
	memory  carrierMemory
	mu      sync.Mutex
	closed  bool
	dialing *dialer  // of datagrams, made at first need
	damage  udp.Spec // Impair, or what SetImpair made of it
	damaged map[*udp.Impaired]bool
	open    map[*Hosting]bool
	told    map[string]bool // asides
}

// Sit takes a seat in a room hosted here.
type Sit func(ctx context.Context, o room.JoinOptions) (*room.Member, error)

// start makes what the zero Node lacks.
func (n *Node) start() {
	n.once.Do(func() {
		n.net, n.log = n.Net, n.Logger
		if n.net == nil {
			n.net = System()
		}
		if n.log == nil {
			n.log = slog.New(slog.DiscardHandler)
		}
		if n.Identity.IsZero() && !n.Plaintext {
			n.Identity, _ = transport.NewIdentity() // its error is crypto/rand's, which has none
		}
		n.ctx, n.cancel = context.WithCancel(context.Background())
		if n.log.Enabled(n.ctx, slog.LevelDebug) {
			n.net = logged{n.net, n.log}
		}
		n.damage, n.damaged = n.Impair, make(map[*udp.Impaired]bool)
		n.open, n.told = make(map[*Hosting]bool), make(map[string]bool)
	})
}

// Close ends what the node hosts and every connection it made, and waits for
// all of it. Members should have left before.
func (n *Node) Close() error {
	n.start()
	n.mu.Lock()
	n.closed = true
	var hostings []*Hosting
	for h := range n.open {
		hostings = append(hostings, h)
	}
	dialing := n.dialing
	n.mu.Unlock()
	var errs []error
	for _, h := range hostings {
		errs = append(errs, h.Close())
	}
	n.cancel()
	if dialing != nil {
		errs = append(errs, dialing.close())
	}
	n.work.Wait()
	return errors.Join(errs...)
}

// later runs f to its end, beside whoever called; Close waits for it. Once Close has
// begun f runs at once: nobody would wait for it any more.
func (n *Node) later(f func()) {
	if !n.unlessClosed(f) {
		f()
	}
}

// unlessClosed is later, until Close has begun.
func (n *Node) unlessClosed(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.work.Go(f)
	return true
}

// carries tells whether the node uses a carrier.
func (n *Node) carries(via Transport) bool {
	return n.Transport == "" || n.Transport == Auto || n.Transport == via
}

// warn tells the person something.
func (n *Node) warn(text string) {
	n.log.Warn(text)
	if n.Warn != nil {
		n.Warn(text)
	}
}

// maxAsides bounds how many asides are told apart.
const maxAsides = 64

// aside tells once what may explain why a room is not found.
func (n *Node) aside(text string) {
	n.mu.Lock()
	again := n.told[text] || len(n.told) == maxAsides
	n.told[text] = true
	n.mu.Unlock()
	if again {
		return
	}
	n.log.Warn(text)
	if n.Aside != nil {
		n.Aside(text)
	}
}

// sleep waits for d, or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

var _ room.Network = (*Node)(nil)
