package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/room"
	"parley/transport"
)

const (
	// tryLimit is how long a new host may take to answer at one of its addresses.
	tryLimit = 3 * time.Second
	// tryMore is how long others are waited for when one has answered.
	tryMore = 300 * time.Millisecond
	// askEvery is how often an old host is asked what became of a handover, and
	// askLimit how long.
	askEvery = time.Second
	askLimit = 10 * time.Minute
	// forwarding is how long those who come late are told where a room is; and a new
	// host that has not said that it serves is told, and may ask, for askLimit more.
	forwarding = 30 * time.Second
	// persuading is how long who wants to host a room again that went away waits
	// for a new host that has not said that it serves: somebody has to start it.
	persuading = 2 * time.Minute
	// maxHops is how often in a row a newcomer is sent on.
	maxHops = 3
)

// list returns the rooms.
func (h *Hosting) list() []*hosted {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.rooms)
}

// run has a room run. The hosting ends with it, unless the room was handed over:
// then those who come late are told for a while, and other rooms go on.
func (h *Hosting) run(r *hosted) {
	h.runs.Go(func() {
		err := r.Run(h.ctx)
		if r.gone.Load() == nil || err != nil {
			h.fail(clusterError(err))
			return
		}
		r.free() // it may come back
		sleep(h.ctx, forwarding)
		for g, end := r.gone.Load(), time.Now().Add(askLimit); !g.told && h.ctx.Err() == nil && time.Now().Before(end); {
			g.told = h.node.tellOnce(h.ctx, r.Name, g.to, g.ticket) == nil // nobody else can
			sleep(h.ctx, forwarding)
		}
		if !slices.ContainsFunc(h.list(), func(o *hosted) bool { return !o.away.Load() }) {
			h.cancel()
		}
	})
}

// gone is where a room has gone, by which ticket.
type gone struct {
	to     room.Move
	ticket string
	told   bool // the new host has said that it serves
}

// mover is the machine's part in handing a room over.
type mover struct {
	h *Hosting
	r *hosted
}

// Try dials each of the new host's addresses.
func (m *mover) Try(ctx context.Context, to room.Move) (room.Move, error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	found := make([]bool, len(to.At))
	errs := make([]error, len(to.At))
	var trying sync.WaitGroup
	var first sync.Once
	for i, a := range to.At {
		trying.Go(func() {
			c, err := m.h.node.reach(ctx, []target{{a, to.UDP, to.TCP}}, false)
			if errs[i] = err; err != nil {
				return
			}
			if found[i] = c.Peer().Key == to.Host; !found[i] {
				errs[i] = errors.New("somebody else answers")
			} else { // one is enough, and the others need not be there
				first.Do(func() { time.AfterFunc(tryMore, cancel) })
			}
			m.h.node.later(func() { c.Close() })
		})
	}
	trying.Wait()
	answering := to
	answering.At = nil
	for i, ok := range found {
		if ok {
			answering.At = append(answering.At, to.At[i])
		}
	}
	if len(answering.At) == 0 {
		return to, errors.Join(errs...)
	}
	for _, a := range to.At { // what only others reach comes last
		if !slices.Contains(answering.At, a) {
			answering.At = append(answering.At, a)
		}
	}
	return answering, nil
}

// Mark writes down that the room is handed over.
func (m *mover) Mark(ctx context.Context, to room.Move, ticket string) error {
	n := m.h.node
	if err := n.Moves.leave(n.Plaintext, m.r.Name, to, ticket); err != nil {
		return fmt.Errorf("cannot write down where the room goes: %w", err)
	}
	m.r.away.Store(true)
	m.h.kick() // with which it is announced no more
	return nil
}

// Tell tells the new host that the room is its, until it has heard.
func (m *mover) Tell(ctx context.Context, to room.Move, ticket string) error {
	return m.h.node.tell(ctx, m.r.Name, to, ticket)
}

// Moved notes what those who come late are told.
func (m *mover) Moved(to room.Move, ticket string, told bool) {
	n := m.h.node
	if n.Pins != nil && !n.Plaintext { // who comes back to it, as a member, knows it
		n.unlessClosed(func() {
			n.remember(m.r.Name, m.r.Host.Key.Key(), netip.AddrPortFrom(to.At[0], max(to.UDP, to.TCP)))
		})
	}
	if told {
		n.Moves.told(n.Plaintext, m.r.Name)
	}
	m.r.gone.Store(&gone{to, ticket, told})
}

// free gives what holds a room back, once: its key's lock, its log.
func (r *hosted) free() { r.freed.Do(r.release) }

// tell dials the new host until it says that it serves.
func (n *Node) tell(ctx context.Context, name string, to room.Move, ticket string) error {
	for {
		err := n.tellOnce(ctx, name, to, ticket)
		if err == nil || ctx.Err() != nil {
			return err
		}
		sleep(ctx, askEvery)
	}
}

func (n *Node) tellOnce(ctx context.Context, name string, to room.Move, ticket string) error {
	c, err := n.reach(ctx, targets(to, true), false)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Peer().Key != to.Host {
		return errors.New("somebody else answers there")
	}
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	return room.Tell(ctx, c, name, ticket)
}

// targets are the places of a new host. Loopback is somebody else's there, unless
// local.
func targets(to room.Move, local bool) (via []target) {
	for _, a := range to.At {
		if local || !a.IsLoopback() {
			via = append(via, target{a.Unmap(), to.UDP, to.TCP})
		}
	}
	return via
}

// moved has the next connection go to a room's new host.
func (w *way) moved(to room.Move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.hosting; t != nil && t.r.gone.Load() == nil { // it is we
		return
	}
	w.hosting = nil
	local := w.home != nil || w.reached.Addr.Addr().IsLoopback()
	via := targets(to, local)
	if len(via) == 0 {
		return
	}
	w.place.via = via // in its order: that is the old host's advice
	w.home, w.host, w.failed, w.sent = nil, to.Host, false, true
	w.moves++
}

// seated notes in which room we sit.
func (w *way) seated(ready room.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.place.Room = ready.Room
}

// movedAway tells whether a join was sent elsewhere.
func movedAway(err error) bool {
	var r *room.Refused
	return errors.As(err, &r) && r.Code == "moved"
}

// handover serves a connection that is about one.
func (h *Hosting) handover(c transport.Conn, name string, first []byte) {
	ticket, told := room.ToldTicket(first)
	if !told {
		r, answer := h.choose(name)
		if r != nil && r.gone.Load() != nil {
			g := r.gone.Load()
			r, answer = nil, room.Given(first, c.Peer(), g.to, g.ticket)
		}
		if r == nil {
			h.answer(c, answer)
			return
		}
		if err := r.HandOver(h.seats, c, first); err != nil {
			h.node.log.Info("a handover has ended", "room", r.Name, "addr", c.Peer().Addr.String(), "error", err)
		}
		return
	}
	h.mu.Lock()
	t := h.taking
	h.mu.Unlock()
	yes := slices.ContainsFunc(h.list(), func(r *hosted) bool { return r.Name == name && !r.away.Load() }) // since we came back
	if t != nil && t.offer.Ticket == ticket && t.from == c.Peer().Key {
		yes = t.hear(h.ctx)
	}
	h.answer(c, room.Serving(yes))
}

// answer sends a connection's last word.
func (h *Hosting) answer(c transport.Conn, last []byte) {
	ctx, cancel := context.WithTimeout(h.ctx, joinLimit)
	c.Send(ctx, last)
	cancel()
	c.Close()
}

// receiver is the machine's part in taking a room over.
type receiver struct {
	node  *Node
	way   *way // of our own member
	offer room.Offer
	from  transport.Key // the old host
	via   []target      // where it is
	h     *Hosting
	r     *hosted
	deed  room.Deed
	keys  room.Secrets
	log   *imported
	keep  func(transport.Identity) error // the room's key; nil: nowhere
	free  func()                         // gives the room's name back

	owned  atomic.Bool   // the old host has said that the room is ours
	told   chan struct{} // gets one when the old host says by itself that the room is ours
	served chan struct{} // closed when we serve
	once   sync.Once
	fate   error
}

// hear takes in that the room is ours, by the old host's own connection, and
// waits until we serve it.
func (t *receiver) hear(ctx context.Context) bool {
	select {
	case t.told <- struct{}{}:
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	select {
	case <-t.served:
		return true
	case <-ctx.Done():
		return false
	}
}

// Open makes the room, in which nobody sits yet.
func (t *receiver) Open(ctx context.Context, d room.Deed) (*room.Host, error) {
	n := t.node
	if d.Plaintext != n.Plaintext {
		return nil, n.wrongMode("the room " + d.Room)
	}
	var err error
	if t.log, err = n.Histories.take(d); err != nil {
		return nil, err
	}
	t.deed = d
	t.r = &hosted{release: t.release, Host: &room.Host{Name: d.Room, Log: t.log.Importer, HostKey: n.identity().Key(), Delivery: d.Delivery, Plaintext: n.Plaintext,
		Guests: d.Guests, Hidden: d.Hidden, MaxSeats: d.MaxSeats, Burst: d.Burst, Rate: d.Rate, Own: n.own, Metered: n.Metered, Warn: n.warner(d.Room), Changed: t.h.kick,
		Logger: n.log.With("room", d.Room), Taking: true}}
	t.r.Mover = &mover{t.h, t.r}
	t.r.away.Store(true)
	t.h.mu.Lock()
	t.h.rooms = append(t.h.rooms, t.r)
	t.h.options.Guests, t.h.options.Delivery, t.h.options.Hidden = d.Guests, d.Delivery, d.Hidden
	t.h.mu.Unlock()
	return t.r.Host, nil
}

// release gives back what holds the room.
func (t *receiver) release() {
	if err := t.log.close(); err != nil {
		t.node.log.Warn("a room's log did not close", "room", t.deed.Room, "err", err)
	}
	t.free()
}

// Run has the room read its log.
func (t *receiver) Run() { t.h.run(t.r) }

// Keep keeps the key, as that of a room that may be ours.
func (t *receiver) Keep(ctx context.Context, s room.Secrets) error {
	t.keys = s
	n := t.node
	return n.Moves.expect(n.Plaintext, t.deed.Room, t.pending())
}

// Serve hosts the room.
func (t *receiver) Serve(ctx context.Context) error {
	n, r := t.node, t.r
	t.owned.Store(true)
	if t.keep != nil {
		if err := t.keep(t.keys.Key); err != nil {
			n.warn(fmt.Sprintf("the key of %s could not be kept: you host it now, and cannot do so again: %v", r.Name, err))
		}
	}
	if n.Plaintext {
		_, r.signer, _ = ed25519.GenerateKey(nil)
	} else {
		r.signer = ed25519.NewKeyFromSeed(t.keys.Key.Seed())
	}
	if err := t.log.ours(ctx); err != nil {
		return fmt.Errorf("the room is ours, and cannot be kept: %w", err)
	}
	if err := r.Begin(ctx, t.keys, t.offer.Heir); err != nil {
		return err
	}
	n.Moves.arrived(n.Plaintext, r.Name)
	r.away.Store(false)
	t.way.arrive(t)
	t.h.kick()
	t.once.Do(func() { close(t.served) })
	return nil
}

// take hosts the room of w on this computer, as its host offers it.
func (w *way) take(ctx context.Context, o room.Offer, tell func(state, words string)) error {
	n := w.node
	w.mu.Lock()
	t := &receiver{node: n, way: w, offer: o, from: w.host, via: w.place.via, told: make(chan struct{}, 1), served: make(chan struct{})}
	w.mu.Unlock()
	if err := n.mayTake(o.Room); err != nil {
		return err
	}
	t.free = func() {}
	if n.AdoptKey != nil && !n.Plaintext {
		var err error
		if t.keep, t.free, err = n.AdoptKey(o.Room); err != nil {
			return err
		}
	}
	h, release, err := n.stand(ctx, t)
	if err != nil {
		t.free()
		return err
	}
	c, err := w.reach(ctx, t.via, t.from, nil)
	if err == nil && c.Peer().Key != t.from {
		c.Close()
		err = errors.New("somebody else answers at the host's address")
	}
	if err == nil {
		err = t.work(ctx, c, tell)
	}
	if err != nil {
		h.cancel()
	}
	release()
	if err != nil {
		var doubt *room.Doubt
		switch {
		case !errors.As(err, &doubt) && !t.owned.Load():
			n.Moves.given(n.Plaintext, o.Room)
		case t.log != nil: // nobody else may have it any more
			t.log.undecided.Store(true)
		}
		h.Close()
		if t.r == nil {
			t.free()
		}
		return err
	}
	return nil
}

// arrive has the next connection go to the room that we host now.
func (w *way) arrive(t *receiver) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosting = t
	w.moves++
	who := transport.Peer{Key: w.node.identity().Key()}
	w.home = func() (transport.Conn, error) {
		return t.h.pipe(who, transport.Peer{Key: who.Key, Addr: t.h.Addrs()[0]})
	}
}

// work takes the room over c, and in doubt asks on.
func (t *receiver) work(ctx context.Context, c transport.Conn, tell func(state, words string)) error {
	at := room.Move{UDP: t.h.udpPort, TCP: t.h.tcpPort}
	for _, a := range t.h.Addrs() {
		if len(at.At) < 7 { // and the old host adds the one it sees
			at.At = append(at.At, a.Addr().WithZone(""))
		}
	}
	err := room.Take(ctx, c, t.offer, at, t, tell)
	t.node.later(func() { c.Close() })
	var doubt *room.Doubt
	if !errors.As(err, &doubt) {
		return err
	}
	from := t.offer.Heir.From
	tell("copying", fmt.Sprintf("all is here, but %s's computer fell silent before it said that the room is yours: asking it for %d minutes. If it was shut down, have it started again there: parley host %s. If it is gone for good, leave with /quit and open a new room with what is here: parley host %s --continue",
		from, askLimit/time.Minute, Quoted(t.offer.Room), Quoted(t.offer.Room)))
	return t.ask(ctx)
}

// ask asks the old host what became of a handover, or hears it from there.
func (t *receiver) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	for {
		select {
		case <-t.told:
			return t.Serve(ctx)
		default:
		}
		err := t.askOnce(ctx)
		switch {
		case err == nil:
			return t.Serve(ctx)
		case errors.Is(err, room.ErrNotOurs):
			return err
		}
		select {
		case <-t.told:
			return t.Serve(ctx)
		case <-time.After(askEvery):
		case <-ctx.Done():
			return &room.Doubt{Err: ctx.Err(), Words: t.node.unresolved(t.offer.Room, t.offer.Heir.From).whole()}
		}
	}
}

func (t *receiver) askOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	c, err := t.node.reach(ctx, t.via, false)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.Peer().Key != t.from {
		return errors.New("somebody else answers at the old host's address")
	}
	return room.Ask(ctx, c, t.offer.Room, t.offer.Ticket)
}

// stand opens the sockets on which a room will be hosted. The hosting ends, unless
// it has a room, when release is called.
func (n *Node) stand(ctx context.Context, t *receiver) (h *Hosting, release func(), err error) {
	n.vacate()
	if h, release, err = n.station(ctx, room.HostOptions{Rooms: []string{t.offer.Room}, Guests: true}, t); err == nil {
		t.h = h
	}
	return h, release, err
}

// station is stand for a room with options; taking is what is taken over, if anything is.
func (n *Node) station(ctx context.Context, o room.HostOptions, taking *receiver) (h *Hosting, release func(), err error) {
	s, err := n.listen(ctx)
	if err != nil {
		return nil, nil, err
	}
	h = &Hosting{node: n, options: o, taking: taking, changed: make(chan struct{}, 1), done: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(n.ctx)
	h.seats, h.cut = context.WithCancel(context.Background())
	h.runs.Add(1)
	h.serve(s)
	n.mu.Lock()
	closed := n.closed
	n.open[h] = true
	n.mu.Unlock()
	if closed {
		h.cancel()
	}
	return h, h.runs.Done, nil
}

// vacate ends hostings that only tell late comers where their rooms went: the room
// that comes back may want the port.
func (n *Node) vacate() {
	n.mu.Lock()
	var idle []*Hosting
	for h := range n.open {
		rooms := h.list()
		if len(rooms) > 0 && !slices.ContainsFunc(rooms, func(r *hosted) bool { return r.gone.Load() == nil }) {
			idle = append(idle, h)
		}
	}
	n.mu.Unlock()
	for _, h := range idle {
		h.Close()
	}
}

// mayTake tells what is in the way of hosting a room of a name.
func (n *Node) mayTake(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.open {
		for _, r := range h.list() {
			if r.Name == name && !r.away.Load() {
				return &Error{Code: CodeHosted, Text: fmt.Sprintf("you already host a room called %s", name), Hint: "end that first"}
			}
		}
	}
	return nil
}

// atOnce are the addresses of a Move in one line.
func atOnce(m room.Move) string {
	var s string
	for i, a := range m.At {
		if i > 0 {
			s += ", "
		}
		s += netip.AddrPortFrom(a, max(m.UDP, m.TCP)).String()
	}
	return s
}
