package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/cluster"
	"parley/discovery"
	"parley/metrics"
	"parley/room"
	"parley/tcp"
	"parley/text"
	"parley/transport"
	"parley/udp"
)

const (
	// closeLimit is how long members may take to hear that the room closes.
	closeLimit = 3 * time.Second
	// maxRooms of one hosting: as many as discovery announces.
	maxRooms = 32
	// maxSeats of one hosting, in all its rooms, without the host's own: some
	// hundred megabytes when all read slowly.
	maxSeats = 5000
)

// Hosting is rooms being open on this machine. It is a [room.Hosting].
type Hosting struct {
	node    *Node
	options room.HostOptions
	rooms   []*hosted
	udpPort uint16 // zero where that carrier is not served
	tcpPort uint16

	runs    sync.WaitGroup   // of the rooms
	cluster *cluster.Cluster // that keeps them; nil: they are this machine's alone
	nick    atomic.Value     // of the host's own user, a string
	taking  *receiver        // the room that is, or was, handed over to us; nil: none

	listener  transport.Listener
	datagrams *udp.Endpoint   // of them; nil where that carrier is not served
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	seats     context.Context // ends when the rooms have said goodbye, or closeLimit later
	cut       context.CancelFunc
	work      sync.WaitGroup // connections and guests
	changed   chan struct{}  // kicked when the number of members may have changed
	done      chan struct{}  // closed when all has ended
	once      sync.Once
	err       error // why it ended by itself

	mu      sync.Mutex
	waiting []transport.Conn // that have not said which room, the oldest first
	seated  int              // how many connections are with a room
	// carrying is how many are for the bytes of files.
	carrying int
}

// hosted is one of the rooms.
type hosted struct {
	*room.Host
	release  func()
	shared   *cluster.Room        // that it is, with other hosts; nil: it is none
	others   atomic.Int32         // hosts it has, this one among them
	verifier []byte               // of the password, as the cluster keeps it
	signer   ed25519.PrivateKey   // of its announcements
	away     atomic.Bool          // it is not ours any more, or not yet: it is not announced
	gone     atomic.Pointer[gone] // it was handed over
	freed    sync.Once
	collect  []metrics.Collector // what else there is to count of it; set before it runs
}

// Host opens rooms; see [Node.Open].
func (n *Node) Host(ctx context.Context, o room.HostOptions) (room.Hosting, error) {
	return n.Open(ctx, o)
}

// Open opens rooms on one port, announces them, and serves whoever comes, until
// Close. Ctx bounds only the opening.
func (n *Node) Open(ctx context.Context, o room.HostOptions) (*Hosting, error) {
	n.start()
	if err := checkRooms(&o); err != nil {
		return nil, err
	}
	if err := n.checkPassword(&o); err != nil {
		return nil, err
	}
	h := &Hosting{node: n, options: o, changed: make(chan struct{}, 1), done: make(chan struct{})}
	heirs, err := n.heirs(ctx, o.Rooms)
	if err != nil {
		return nil, err
	}
	if err := h.join(ctx); err != nil {
		return nil, err
	}
	if err := h.makeRooms(ctx); err != nil {
		h.release()
		return nil, err
	}
	s, err := n.listen(ctx)
	if err != nil {
		h.release()
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(n.ctx)
	h.seats, h.cut = context.WithCancel(context.Background())
	for _, r := range h.rooms {
		r.Taking = heirs[r.Name] != nil
	}
	h.serve(s)
	n.mu.Lock()
	closed := n.closed
	n.open[h] = true
	n.mu.Unlock()
	if closed {
		h.Close()
		return nil, net.ErrClosed
	}
	for _, r := range h.rooms {
		if p := heirs[r.Name]; p != nil {
			if err := h.inherit(ctx, r, p); err != nil {
				h.Close()
				return nil, err
			}
		}
	}
	return h, nil
}

// checkRooms puts the rooms' names right, or says what is wrong with them.
func checkRooms(o *room.HostOptions) error {
	if len(o.Rooms) == 0 {
		return &Error{Code: CodeTarget, Text: "no room to host: give it a name"}
	}
	if len(o.Rooms) > maxRooms {
		return &Error{Code: CodeTarget, Text: fmt.Sprintf("%d rooms are too many for one host: %d will do", len(o.Rooms), maxRooms)}
	}
	names, keys := make([]string, 0, len(o.Rooms)), make(map[string]bool)
	for _, s := range o.Rooms {
		name, err := text.RoomName(s)
		if err != nil {
			return &Error{Code: CodeTarget, Text: fmt.Sprintf("%q cannot be the name of a room: %v", s, err)}
		}
		if key := text.RoomKey(name); keys[key] {
			return &Error{Code: CodeTarget, Text: fmt.Sprintf("the room %s is there twice", name)}
		} else {
			keys[key] = true
		}
		names = append(names, name)
	}
	o.Rooms = names
	return nil
}

// checkPassword refuses a password that would keep nobody out.
func (n *Node) checkPassword(o *room.HostOptions) error {
	switch {
	case o.Password == nil:
		return nil
	case n.Plaintext:
		return &Error{Code: CodePassword, Text: "a plaintext room cannot have a password: anyone on the network could read past it", Hint: "leave one of them out"}
	case o.Guests:
		return &Error{Code: CodePassword, Text: "a room that lets guests in cannot have a password: they would have to show it to everybody on the network", Hint: "leave one of them out"}
	}
	return nil
}

func (h *Hosting) makeRooms(ctx context.Context) error {
	n, o := h.node, h.options
	for _, name := range o.Rooms {
		r := &hosted{release: func() {}, Host: &room.Host{Name: name, Delivery: o.Delivery, Plaintext: n.Plaintext, Guests: o.Guests,
			Hidden: o.Hidden, NoFiles: n.Files == nil, Topic: o.Topic, MaxSeats: o.MaxSeats, Burst: o.Burst, Rate: o.Rate,
			Approve: o.Approve, Slow: o.Slow, Filters: o.Filters, Own: n.own, Alone: n.Cluster == nil, Metered: n.Metered, Password: o.Password, Changed: h.kick, Logger: n.log.With("room", name)}}
		r.Mover = &mover{h, r}
		r.Warn = n.warner(name)
		h.rooms = append(h.rooms, r)
		if n.Plaintext {
			var seed [ed25519.SeedSize]byte // for this once: a plaintext room is nobody's
			rand.Read(seed[:])              // not GenerateKey, which the lab could not make repeat itself
			r.signer = ed25519.NewKeyFromSeed(seed[:])
		} else {
			if err := n.roomKey(r); err != nil {
				return err
			}
			r.HostKey = n.Identity.Key()
		}
		open := n.openLog
		if h.cluster != nil {
			open = func(r *hosted) error { return h.share(ctx, r) }
		}
		if err := open(r); err != nil {
			return err
		}
		if r.signer == nil { // the key of a shared room is known by now
			r.signer = ed25519.NewKeyFromSeed(r.Key.Seed())
		}
	}
	return nil
}

// warner tells the person what befalls a room, beside it.
func (n *Node) warner(name string) func(string) {
	return func(words string) { n.later(func() { n.warn(name + ": " + words) }) }
}

// own tells whether an address is one of this machine's.
func (n *Node) own(a netip.Addr) bool {
	all, _ := n.net.Discovery().Interfaces()
	return slices.ContainsFunc(all, func(i discovery.Interface) bool {
		return slices.ContainsFunc(i.Prefixes, func(p netip.Prefix) bool { return p.Addr().WithZone("") == a })
	})
}

// roomKey gives r its key.
func (n *Node) roomKey(r *hosted) (err error) {
	if n.RoomKey == nil {
		r.Key, err = transport.NewIdentity()
		return err
	}
	key, release, err := n.RoomKey(r.Name)
	if release != nil {
		r.release = release
	}
	var unsaved *UnsavedError
	if errors.As(err, &unsaved) && !key.IsZero() {
		n.warn(fmt.Sprintf("the room %s will have another key next time, and links to it will not hold: %v", r.Name, err))
		err = nil
	}
	r.Key = key
	return err
}

// openLog gives r its log.
func (n *Node) openLog(r *hosted) error {
	log, release, err := n.Histories.Open(r.Name, r.Host.Key.Key())
	if err != nil {
		return err
	}
	key := r.release
	r.Log, r.release = log, func() {
		if err := release(); err != nil {
			n.log.Warn("a room's log did not close", "room", r.Name, "err", err)
		}
		key()
	}
	return nil
}

func (h *Hosting) release() {
	for _, r := range h.list() {
		r.free()
	}
	if h.cluster != nil {
		h.cluster.Close()
	}
}

// serve starts everything: the carriers, the rooms, the announcements.
func (h *Hosting) serve(s *sockets) {
	n := h.node
	var listeners []transport.Listener
	if s.packets != nil {
		h.udpPort = s.port
		h.datagrams = &udp.Endpoint{Socket: n.impaired(s.packets), Identity: n.Identity, Plaintext: n.Plaintext}
		if n.Lanes != nil {
			h.datagrams.Trace = n.Lanes.UDP()
		}
		listeners = append(listeners, h.datagrams)
	}
	if s.streams != nil {
		h.tcpPort = s.port
		e := &tcp.Endpoint{Listener: s.streams, DialContext: n.net.DialContext, Identity: n.Identity, Plaintext: n.Plaintext}
		if h.options.Guests && n.Guest != nil {
			e.Guests = h.guest
		}
		if n.Lanes != nil {
			e.Trace = n.Lanes.TCP()
		}
		listeners = append(listeners, e)
	}
	h.listener = transport.Merge(listeners...)
	var running sync.WaitGroup
	for _, r := range h.rooms {
		h.run(r)
		if r.shared != nil {
			running.Go(func() { h.attend(r) })
		}
	}
	running.Go(h.accept)
	if !n.NoDiscovery {
		running.Go(h.announce)
	}
	if n.Lanes != nil {
		running.Go(func() { n.Lanes.Sample(h.ctx, h.nameLanes) })
	}
	running.Go(func() {
		<-h.ctx.Done()
		sleep(h.seats, closeLimit)
		h.cut()
	})
	go func() { // ends with the hosting, which Close waits for
		h.runs.Wait()
		h.cut()
		running.Wait()
		h.work.Wait()
		h.listener.Close()
		if h.datagrams != nil {
			n.mended(h.datagrams.Socket)
		}
		h.release()
		n.mu.Lock()
		delete(n.open, h)
		n.mu.Unlock()
		close(h.done)
	}()
}

// nameLanes tells whose connections are.
func (h *Hosting) nameLanes() {
	for _, r := range h.list() {
		h.node.Lanes.Name(r.Seated())
	}
}

// fail ends the hosting because of err, unless it is ending already.
func (h *Hosting) fail(err error) {
	if err != nil && h.ctx.Err() == nil {
		h.once.Do(func() { h.err = err })
	}
	h.cancel()
}

// kick has the announcements look at the rooms soon.
func (h *Hosting) kick() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// announce tells the network which rooms are here.
func (h *Hosting) announce() {
	s := h.node.discovery()
	s.Changed = h.changed
	s.Call = h.node.callOthers()
	err := s.Announce(h.ctx, func() []discovery.Room {
		var list []discovery.Room
		for _, r := range h.list() {
			if r.away.Load() || r.Hidden {
				continue
			}
			list = append(list, discovery.Room{Name: r.Name, UDP: h.udpPort, TCP: h.tcpPort, Members: r.Members(),
				Secure: !h.node.Plaintext, Password: r.Guarded(), Guests: h.guests(), Signer: r.signer})
		}
		return list
	})
	if err != nil {
		h.node.warn(fmt.Sprintf("the rooms are not announced: %v", err))
	}
}

// guests tells whether bare text clients are let in.
func (h *Hosting) guests() bool {
	return h.options.Guests && h.tcpPort != 0 && h.node.Guest != nil
}

// guest serves one bare text client, in the first room.
func (h *Hosting) guest(c net.Conn) {
	defer c.Close()
	key, err := transport.NewIdentity()
	if err != nil {
		return
	}
	defer context.AfterFunc(h.seats, func() { c.Close() })()
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	h.node.Guest(h.seats, c, func(ctx context.Context, o room.JoinOptions) (*room.Member, error) {
		o.Guest, o.Identity, o.Via = true, key, "tcp"
		return h.sit(ctx, o, transport.Peer{Key: key.Key(), Addr: from})
	})
}

// Sit takes a seat for the host's own user, in o.Room or else the first room.
func (h *Hosting) Sit(ctx context.Context, o room.JoinOptions) (*room.Member, error) {
	o.Identity, o.Guarded = h.node.identity(), false // nobody has to prove anything to himself
	h.nick.Store(o.Nick)
	o.Drafts, o.Copy = h.node.Drafts.of(o.Identity), h.node.copies() // for when the room is handed over
	return h.sit(ctx, o, transport.Peer{Key: o.Identity.Key()})
}

// sit takes a seat over a Pipe, on whose other end is who.
func (h *Hosting) sit(ctx context.Context, o room.JoinOptions, who transport.Peer) (*room.Member, error) {
	if o.Room == "" {
		o.Room = h.list()[0].Name
	}
	if o.Logger == nil {
		o.Logger = h.node.log
	}
	host := transport.Peer{Key: h.node.identity().Key(), Addr: h.Addrs()[0]}
	o.Fill = func(e *room.Event) {
		here := h.ReadyOf(e.Room)
		e.Addr, e.TCPAddr, e.Invite = here.Addr, here.TCPAddr, here.Invite
	}
	defer h.kick() // there is one more now
	w := &way{node: h.node, home: func() (transport.Conn, error) { return h.pipe(who, host) }, byName: true}
	w.place.Room, w.place.Key = o.Room, h.ReadyOf(o.Room).Key
	w.key = w.place.Key
	if !o.Guest { // whose own connection ends here
		o.Moved, o.Taker, o.Files = w.moved, w.take, h.node.porter(w)
	}
	return room.Join(ctx, o, w)
}

// pipe connects who to the hosting from inside this program.
func (h *Hosting) pipe(who, host transport.Peer) (transport.Conn, error) {
	mine, theirs := transport.Pipe(who, host)
	if !h.begin(func() { h.route(theirs) }, theirs) {
		return nil, net.ErrClosed
	}
	return mine, nil
}

// begin runs f as part of the hosting, unless that has ended.
func (h *Hosting) begin(f func(), c transport.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		c.Close()
		return false
	}
	h.work.Go(f)
	return true
}

// Wait waits until the hosting has ended, by Close or because it failed, or ctx
// has.
func (h *Hosting) Wait(ctx context.Context) error {
	select {
	case <-h.done:
		return h.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close says goodbye to members and listeners, ends the rooms, and waits. It
// takes a few seconds at most.
func (h *Hosting) Close() error {
	h.cancel()
	<-h.done
	return h.err
}
